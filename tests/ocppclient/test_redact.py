"""Secrets never reach a log or a page, however a frame is spelled."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocppclient.redact import MASK, mask, shortened

SECRET = "TOPSECRETTOPSECRET"


@pytest.mark.parametrize(
    "frame",
    [
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{SECRET}"}}]',
        f'[2,"1","ChangeConfiguration",{{"value":"{SECRET}","key":"authorizationKEY "}}]',
        f'[2,"1","ChangeConfiguration",{{"key":"Authorization\\u004bey","value":"{SECRET}"}}]',
        f'[3,"1",{{"configurationKey":[{{"key":"AuthorizationKey","readonly":false,"value":"{SECRET}"}}]}}]',
        f'[4,"1","TypeConstraintViolation","no: {{\\"key\\":\\"AuthorizationKey\\",\\"value\\":\\"{SECRET}\\"}}",{{}}]',
        f'[2,"1","DataTransfer",{{"vendorId":"x","data":"{{\\"password\\":\\"{SECRET}\\"}}"}}]',
        f'[2,"1","X",{{"password":"{SECRET}"}}]',
        f'[2,"1","X",{{"Password":["{SECRET}"]}}]',
        f'[2,"1","GetDiagnostics",{{"location":"ftp://user:{SECRET}@host/dir?a=b"}}]',
        f'[2,"1","GetDiagnostics",{{"location":"ftp://:{SECRET}@host"}}]',
        # not JSON
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{SECRET}"}}',
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value" : "{SECRET}',
        f"ftp://user:{SECRET}@host/ and more",
        '{"a":' * 5000 + f'{{"key":"AuthorizationKey","value":"{SECRET}"}}',
    ],
)
def test_a_secret_is_masked(frame: str) -> None:
    masked = mask(frame)
    assert SECRET not in masked
    assert MASK in masked


def test_what_is_not_secret_stays_readable() -> None:
    masked = mask('[2,"ü","ChangeConfiguration",{"key":"AuthorizationKey","value":"0123456789abcdef"}]')
    assert json.loads(masked) == [2, "ü", "ChangeConfiguration", {"key": "AuthorizationKey", "value": MASK}]
    masked = mask('[2,"1","GetDiagnostics",{"location":"ftp://user:pw@host:21/dir"}]')
    assert json.loads(masked)[3] == {"location": f"ftp://user:{MASK}@host:21/dir"}


@pytest.mark.parametrize(
    "frame",
    [
        '[2,"1","Heartbeat",{}]',
        '[2, "1", "GetConfiguration", {"key": ["AuthorizationKey"]}]',
        '[3,"1",{"configurationKey":[{"key":"HeartbeatInterval","readonly":false,"value":"300"}]}]',
        '[2,"1","DataTransfer",{"vendorId":"a@b","data":"\\u00e9"}]',
        '[2,"1","UpdateFirmware",{"location":"https://host/path@2x:3"}]',
        "not JSON at all",
        "",
    ],
)
def test_a_frame_without_secrets_comes_back_byte_for_byte(frame: str) -> None:
    assert mask(frame) == frame


@given(st.text() | st.text(alphabet='[]{},:"\\u@authorizationkeyvalue/ '))
def test_any_text_can_be_masked(text: str) -> None:
    mask(text)
    mask(f'[2,"1","X",{json.dumps({"key": "AuthorizationKey", "value": text})}]')


PADDING = "x" * 70_000


@pytest.mark.parametrize(
    "frame",
    [
        f'[2,"1","ChangeConfiguration",{{"key":"AuthorizationKey","value":"{SECRET}","x":"{PADDING}"}}]',
        f'[2,"1","ChangeConfiguration",{{"value":"{SECRET}","x":"{PADDING}","key":"AuthorizationKey"}}]',
        f'[2,"1","ChangeConfiguration",{{"Value" : "a\\"{SECRET}","x":"{PADDING}","key":"AuthorizationKey"}}]',
        f'[2,"1","ChangeConfiguration",{{"v\\u0061lue":"{SECRET}","x":"{PADDING}","key":"AuthorizationKey"}}]',
        f'[2,"1","ChangeConfiguration",{{"value":"\\u0022{SECRET}","x":"{PADDING}","key":"AuthorizationKey"}}]',
        f'[2,"1","X",{{"p\\u0061ssword":"{SECRET}","x":"{PADDING}"}}]',
        f'[2,"1","DataTransfer",{{"data":"{{\\"value\\":\\"{SECRET}\\",\\"key\\":\\"{PADDING}AuthorizationKey\\"}}"}}]',
        f'[2,"1","DataTransfer",{{"data":"{{\\"password\\":\\"{SECRET}\\"{PADDING}}}"}}]',
        f'[2,"1","GetDiagnostics",{{"location":"ftp://user:{SECRET}@host","x":"{PADDING}"}}]',
        f'[2,"1","GetDiagnostics",{{"x":"{"y" * 3000}","location":"ftp://user:{SECRET * 60}@host","x":"{PADDING}"}}]',
    ],
)
def test_the_start_of_a_very_long_frame_has_no_secret_either(frame: str) -> None:
    """Only the start is looked at: what names the secret may come later."""
    shown = shortened(frame, 4000)
    assert SECRET not in shown
    assert len(shown) < 4100
    assert shown.endswith(f"… ({len(frame)} characters)")


def test_a_frame_that_is_cut_says_how_long_it_is() -> None:
    assert shortened("x" * 20, 10) == "xxxxxxxxxx… (20 characters)"
    assert shortened("x" * 10, 10) == "xxxxxxxxxx"
    start = '[2, "1", "SetChargingProfile", {"connectorId": 1, '
    assert shortened(start + PADDING, len(start)) == f"{start}… ({len(start) + 70_000} characters)"
