"""No secret leaves in a diagnostics file: what is known to be one is found in every form it may have taken."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import quote, quote_plus

from django.conf import settings

from ocppclient.redact import MASK
from station.models import Setting, Value

#: Names of settings and values whose content is a secret, wherever they come from.
_SECRET_NAME = re.compile(r"(authorization_?key|password|passphrase|psk|secret|token|pin)$", re.IGNORECASE)
#: Shorter ones cannot be told from ordinary text.
_SHORTEST = 6
_PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----.*?(-----END [A-Z ]*PRIVATE KEY-----|\Z)", re.DOTALL)
_CREDENTIALS = re.compile(r"(?<=://)[^/@\s\"'?#]*@")
_BASIC = re.compile(r"(?i)(\b(?:basic|bearer)\s+)[A-Za-z0-9+/=._~-]{8,}")
#: Addresses that a store has signed carry their permission in the query.
_QUERY = re.compile(r"(\b(?:https?|ftps?)://[^\s\"'?]*)\?[^\s\"'\\]*")


class Scrubber:
    """Masks the given secrets, plain or encoded, and everything that looks like a credential.

    Args:
        secrets: as texts; each is looked for as it is, as hexadecimal digits, in base64 (also in the middle of a longer
            text), percent-encoded and as JSON spells it; one of hexadecimal digits also as what its bytes spell.
    """

    def __init__(self, secrets: Iterable[str]) -> None:
        forms = {form for secret in secrets for form in _forms(secret) if len(form) >= _SHORTEST}
        longest_first = sorted(forms, key=lambda form: (-len(form), form))
        self._known = re.compile("|".join(map(re.escape, longest_first)), re.IGNORECASE) if forms else None

    def text(self, text: str) -> str:
        """The text without secrets. Give whole files: a private key has many lines."""
        text = _PRIVATE_KEY.sub(MASK, text)
        text = _CREDENTIALS.sub(f"{MASK}@", text)
        text = _QUERY.sub(rf"\1?{MASK}", text)
        text = _BASIC.sub(rf"\1{MASK}", text)
        return self._known.sub(MASK, text) if self._known else text

    def value(self, value: Any) -> Any:
        """The same with every text in it scrubbed, before JSON spells it in its own way."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {name: self.value(item) for name, item in value.items()}
        return [self.value(item) for item in value] if isinstance(value, list | tuple) else value


def _forms(secret: str) -> Iterator[str]:
    spellings = [secret.encode()]
    if len(secret) % 2 == 0 and re.fullmatch(r"[0-9A-Fa-f]+", secret):
        spellings.append(bytes.fromhex(secret))
    for raw in spellings:
        yield raw.decode("utf-8", "replace")
        yield raw.decode("latin-1")
        yield raw.hex()
        yield "".join(f"%{byte:02x}" for byte in raw)
        for encoded in _base64(raw):
            yield encoded
            yield encoded.replace("+", "-").replace("/", "_")
            yield quote(encoded, safe="")
    spelled = json.dumps(secret)[1:-1]
    yield from (quote(secret, safe=""), quote_plus(secret), quote(quote(secret, safe=""), safe=""))
    yield from (spelled, json.dumps(spelled)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1])


def _base64(raw: bytes) -> Iterator[str]:
    """What base64 shows of it for certain, wherever it begins in the encoded text."""
    for shift, first in ((0, 0), (1, 2), (2, 3)):
        encoded = base64.b64encode(bytes(shift) + raw).decode()
        yield encoded[first : (shift + len(raw)) * 8 // 6]


def known_secrets() -> Iterator[str]:
    """Every secret of this station that is kept as text."""
    for row in Setting.objects.all():
        if _SECRET_NAME.search(row.name):
            yield from _texts(json.loads(row.value))
    for name, value in Value.objects.values_list("name", "value"):
        if _SECRET_NAME.search(name):
            yield value
    path: Path = settings.DATA_DIR / "secret_key"
    if path.exists():
        yield path.read_text().strip()


def is_secret(name: str) -> bool:
    """The name of a setting or value that is not even shown masked."""
    return _SECRET_NAME.search(name) is not None


def _texts(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for item in value:
            yield from _texts(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _texts(item)
