"""The pure half of the backend link: URL, Basic header, settings, back-off."""

from __future__ import annotations

import base64
import random

import pytest

from ocppclient.link import (
    BackOff,
    ConnectionSettings,
    address_for,
    authorization_header,
    final_url,
    has_other_key_form,
)


def settings(**changes: object) -> ConnectionSettings:
    values: dict[str, object] = {"url": "ws://backend.example/ocpp", "charge_point_id": "CP1", **changes}
    return ConnectionSettings(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "identity", "expected"),
    [
        ("ws://h/ocpp", "CP1", "ws://h/ocpp/CP1"),
        ("ws://h/ocpp/", "CP1", "ws://h/ocpp/CP1"),
        ("ws://h/ocpp//", "CP1", "ws://h/ocpp/CP1"),
        ("ws://h", "CP1", "ws://h/CP1"),
        ("ws://h/", "CP1", "ws://h/CP1"),
        ("  wss://h:8443/a/b \n", " CP1 ", "wss://h:8443/a/b/CP1"),
        ("ws://h/ocpp", "my station", "ws://h/ocpp/my%20station"),
        ("ws://h/ocpp", "a/b?c#d%e", "ws://h/ocpp/a%2Fb%3Fc%23d%25e"),
        ("ws://h/ocpp", "Zoë", "ws://h/ocpp/Zo%C3%AB"),
        ("ws://h/ocpp?tenant=1&x=%20", "CP1", "ws://h/ocpp/CP1?tenant=1&x=%20"),
        ("ws://h/a%20b", "CP1", "ws://h/a%20b/CP1"),
        ("WSS://Backend.Example/ocpp", "CP1", "wss://Backend.Example/ocpp/CP1"),
        ("ws://[::1]:9000/", "CP1", "ws://[::1]:9000/CP1"),
    ],
)
def test_the_identity_is_joined_to_the_endpoint_with_one_slash_and_percent_encoded(
    url: str, identity: str, expected: str
) -> None:
    assert final_url(settings(url=url, charge_point_id=identity)) == expected


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"url": "https://h/ocpp"}, "the backend address begins with https://; write wss:// instead"),
        ({"url": ""}, "must begin with ws:// or wss://"),
        ({"url": "ws:///ocpp"}, "names no host"),
        ({"url": "ws://[::1/ocpp"}, "names no host"),
        ({"url": "ws://h/oc pp"}, "a blank in the middle"),
        ({"url": "ws://h/#/ocpp"}, "holds a '#'"),
        ({"url": "ws://user:secret@h/"}, "a user name or a password"),
        ({"url": "ws://h:99999/"}, "port"),
        ({"charge_point_id": "  "}, "id is empty"),
        ({"security_profile": 4}, "does not exist"),
        ({"security_profile": 1}, "authorization key"),
        ({"security_profile": 2, "authorization_key": "x" * 16}, "wss://"),
    ],
)
def test_settings_that_cannot_work_are_refused_with_a_cure(changes: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        settings(**changes)


def test_the_repr_of_settings_holds_no_secret() -> None:
    text = repr(settings(security_profile=1, authorization_key="very-secret-password", client_key="/keys/me.pem"))
    assert "very-secret-password" not in text
    assert "/keys/me.pem" not in text


def test_a_hex_key_is_decoded_for_the_basic_header_as_the_specification_shows() -> None:
    # OCPP-J 1.6 section 6.2.2: AL1000 with 0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF
    header = authorization_header(
        settings(
            charge_point_id="AL1000", security_profile=1, authorization_key="0001020304050607FFFFFFFFFFFFFFFFFFFFFFFF"
        )
    )
    assert header == "Basic QUwxMDAwOgABAgMEBQYH////////////////"


@pytest.mark.parametrize(
    ("key", "as_text", "password"),
    [
        (b"OCA_OCTT_admin_test".hex(), False, b"OCA_OCTT_admin_test"),
        (b"OCA_OCTT_admin_test".hex(), True, b"OCA_OCTT_admin_test".hex().encode()),
        ("a plain password 16", False, b"a plain password 16"),
        ("0123456789abcdef", False, b"0123456789abcdef"),  # 16 hex digits: too short to be bytes
        ("0" * 33, False, b"0" * 33),  # odd
        (b"\x80\x00\xff", False, b"\x80\x00\xff"),
    ],
)
def test_the_password_follows_the_key_rule(key: bytes | str, as_text: bool, password: bytes) -> None:
    header = authorization_header(settings(security_profile=1, authorization_key=key, key_as_text=as_text))
    assert header is not None
    assert base64.b64decode(header.removeprefix("Basic ")) == b"CP1:" + password


def test_only_a_hex_key_has_another_form() -> None:
    assert has_other_key_form(settings(authorization_key="00" * 16))
    assert not has_other_key_form(settings(authorization_key="a plain password 16"))
    assert not has_other_key_form(settings(authorization_key=b"\x00" * 16))


@pytest.mark.parametrize("profile", [0, 3])
def test_profiles_without_basic_auth_send_no_header(profile: int) -> None:
    chosen = settings(url="wss://h", security_profile=profile, client_certificate="c", client_key="k")
    assert authorization_header(chosen) is None


def test_the_back_off_doubles_its_ceiling_stays_between_its_bounds_and_starts_anew_after_a_reset() -> None:
    class Ceiling(random.Random):
        def uniform(self, a: float, b: float) -> float:
            assert a == 3
            return b

    back_off = BackOff(Ceiling())
    assert [back_off.next_s(3, 300) for _ in range(8)] == [6, 12, 24, 48, 96, 192, 300, 300]
    back_off.reset()
    assert back_off.next_s(3, 300) == 6
    assert all(3 <= BackOff(random.Random(seed)).next_s(3, 300) <= 6 for seed in range(50))


@pytest.mark.parametrize(
    ("profile", "url", "secure_url", "address"),
    [
        (0, "ws://h:80/ocpp", "wss://s/x", "ws://h:80/ocpp"),
        (1, "wss://h/ocpp", "", "wss://h/ocpp"),
        (2, "ws://h:8080/ocpp?a=b", "", "wss://h:8080/ocpp?a=b"),
        (3, " WS://h/ocpp", "", "wss://h/ocpp"),
        (2, "wss://h/ocpp", "", "wss://h/ocpp"),
        (2, "ws://h:80/ocpp", "wss://s:8443/x", "wss://s:8443/x"),
    ],
)
def test_profiles_2_and_3_have_the_same_address_with_tls_or_one_of_their_own(
    profile: int, url: str, secure_url: str, address: str
) -> None:
    """UPG-03"""
    assert address_for(profile, url, secure_url) == address
