"""Frames as people may see them: secrets masked, in logs and on the frame page (field problem 7)."""

from __future__ import annotations

import json
import re
from typing import Any

MASK = "•••"

#: Names of configuration keys and of JSON members whose value is a secret, case-folded.
_SECRETS = ("authorizationkey", "password", "passphrase", "privatekey")
#: user:password@ of an address (GetDiagnostics, UpdateFirmware)
_PASSWORD_IN_URL = re.compile(r"(?<=://)([^/@\s\"'?#]*?):[^/\s\"'?#]*@")
_MEMBER = re.compile(r'("value"\s*:\s*)"(?:[^"\\]|\\.)*"?', re.IGNORECASE)
#: Of a longer frame only the part that is shown is looked at, with more suspicion: what it belongs to is not known.
_LONG = 65_536
#: A value in a text inside a text.
_INNER_MEMBER = re.compile(r'(value\\+"\s*:\s*\\+")(?:(?!\\+").)*', re.IGNORECASE | re.DOTALL)
#: Letters and signs that are spelled as escapes (but not quotes and backslashes).
_ESCAPE = re.compile(r"\\u00(?!22|5[cC])([2-7][0-9a-fA-F])")
#: What is cut off may be needed to recognise a secret before it.
_BEYOND = 1000


def shortened(frame_text: str, length: int) -> str:
    """At most `length` characters of a frame, its secrets masked; megabytes take no longer than a page."""
    if len(frame_text) <= _LONG:
        shown = mask(frame_text)
        size = len(shown)
    else:
        shown = _ESCAPE.sub(lambda found: chr(int(found[1], 16)), frame_text[: length + _BEYOND])
        shown = _INNER_MEMBER.sub(rf"\1{MASK}", _MEMBER.sub(rf'\1"{MASK}"', shown))
        shown = _PASSWORD_IN_URL.sub(rf"\1:{MASK}@", shown)
        if any(secret in shown.casefold() for secret in _SECRETS):
            shown = MASK
        size = len(frame_text)
    return shown if size <= length else f"{shown[:length]}… ({size} characters)"


def mask(frame_text: str) -> str:
    """The frame with its secrets replaced by `•••`; a frame without any comes back as it is.

    Works on anything that a peer may send: what is not JSON is searched as text.
    """
    folded = frame_text.casefold()
    # An escape (\\u004b) may hide a letter of a name; whoever writes one gets the long way.
    if not any(secret in folded for secret in _SECRETS) and "@" not in folded and "\\u" not in folded:
        return frame_text
    try:
        frame = json.loads(frame_text)
        masked = _masked(frame)
    except (ValueError, RecursionError):
        text = _PASSWORD_IN_URL.sub(rf"\1:{MASK}@", frame_text)
        return _MEMBER.sub(rf'\1"{MASK}"', text) if any(secret in folded for secret in _SECRETS) else text
    return frame_text if masked == frame else json.dumps(masked, ensure_ascii=False, separators=(",", ":"))


def _masked(part: Any) -> Any:
    if isinstance(part, str):
        return _masked_text(part)
    if isinstance(part, list):
        return [_masked(item) for item in part]
    if not isinstance(part, dict):
        return part
    named = {name.casefold(): value for name, value in part.items()}
    secret_value = _is_secret(str(named.get("key", "")))
    return {
        name: MASK if (_is_secret(name) or (secret_value and name.casefold() == "value")) else _masked(value)
        for name, value in part.items()
    }


def _is_secret(name: str) -> bool:
    return name.strip().casefold() in _SECRETS


def _masked_text(text: str) -> str:
    """A frame that is quoted inside a text (an error description) may hold secrets as well."""
    if not _is_secret(text) and "{" in text and any(secret in text.casefold() for secret in _SECRETS):
        return MASK
    return _PASSWORD_IN_URL.sub(rf"\1:{MASK}@", text)
