"""The values of the backend link: its settings, the final URL, the Basic header, the back-off and its status. No I/O.

OCPP-J 1.6 section 3 (connection), section 6 (security); conformance RPC-02…06, SEC-04, SEC-05.
"""

from __future__ import annotations

import base64
import random
import string
from dataclasses import dataclass, field
from typing import Literal
from urllib.parse import quote, urlsplit, urlunsplit

from ocppclient.sentence import NOTHING, Sentence, quoted

LinkState = Literal["off", "connecting", "connected", "waiting"]

#: Characters of a URL that are already what they should be; everything else is percent-encoded (RFC 3986).
_URL_SAFE = "%/:=&~+!$,;'@()*[]-._"


@dataclass(frozen=True)
class ConnectionSettings:
    """What the websocket session needs to know.

    Attributes:
        url: endpoint of the backend without the charge point id, ws:// or wss://.
        charge_point_id: identity as the operator knows it; percent-encoded in the URL, raw in the Basic header.
        security_profile: 0 none, 1 Basic auth, 2 TLS + Basic auth, 3 TLS + client certificate (white paper section 2).
        authorization_key: AuthorizationKey; see `key_bytes`.
        key_as_text: send a hex key as its text (some backends compare the text; found out after a 401).
        root_certificates: trusted roots, PEM.
        system_roots: trust the roots of the operating system too. Below profile 2 they count as well when no root is
            installed; from 2 on only when this is chosen.
        client_certificate, client_key: chain and private key for profile 3, PEM.
        allow_wildcards: from profile 2 on, take a certificate that fits the host name only by a wildcard.
        ping_interval_s: WebSocketPingInterval, 0 switches pings off.
        pong_timeout_s: so long may a pong take, and so long may the line be silent after a ping.
        open_timeout_s: limit of each stage of an attempt (name, TCP, TLS, websocket upgrade).
        reconnect_min_s, reconnect_max_s: bounds of the back-off.
        user_agent: the User-Agent header of the upgrade request.

    Raises:
        ValueError: a combination that cannot work; the text says what to change.
    """

    url: str
    charge_point_id: str
    security_profile: int = 0
    authorization_key: bytes | str = field(default="", repr=False)
    key_as_text: bool = False
    root_certificates: tuple[str, ...] = field(default=(), repr=False)
    system_roots: bool = False
    client_certificate: str = field(default="", repr=False)
    client_key: str = field(default="", repr=False)
    allow_wildcards: bool = False
    ping_interval_s: float = 120
    pong_timeout_s: float = 10
    open_timeout_s: float = 10
    reconnect_min_s: float = 3
    reconnect_max_s: float = 300
    user_agent: str = "ocpp-station"

    def __post_init__(self) -> None:
        final_url(self)  # refuses what can never be a URL
        secure = is_secure(self)
        if self.security_profile not in (0, 1, 2, 3):
            raise ValueError(
                Sentence(
                    "security profile {security_profile} does not exist; use 0, 1, 2 or 3",
                    security_profile=self.security_profile,
                )
            )
        if self.security_profile >= 2 and not secure:
            raise ValueError(
                Sentence(
                    "security profile {security_profile} needs a wss:// address; {url!r} is not",
                    security_profile=self.security_profile,
                    url=self.url,
                )
            )
        if self.security_profile in (1, 2) and not self.authorization_key:
            raise ValueError(
                Sentence(
                    "security profile {security_profile} needs an authorization key (the password)",
                    security_profile=self.security_profile,
                )
            )


def address_for(security_profile: int, url: str, secure_url: str) -> str:
    """The address for a profile: from 2 on `secure_url`, or `url` with the scheme wss (conformance UPG-03)."""
    if security_profile < 2:
        return url
    if secure_url:
        return secure_url
    scheme, separator, rest = url.strip().partition("://")
    return f"wss://{rest}" if separator and scheme.lower() == "ws" else url


def is_secure(settings: ConnectionSettings) -> bool:
    """TLS is used."""
    return settings.url.strip().lower().startswith("wss:")


def endpoint(address: str) -> str:
    """The backend's address without the charge point id, as it is kept: blanks around it (pasted) are dropped.

    Raises:
        ValueError: what is wrong and what cures it, as the rest of a sentence about the address.
    """
    address = address.strip()
    if any(letter.isspace() for letter in address):
        raise ValueError(Sentence("has a blank in the middle; remove it"))
    try:
        parts = urlsplit(address)
    except ValueError:  # brackets that hold no IPv6 address
        raise ValueError(Sentence("names no host; it looks like wss://backend.example/ocpp")) from None
    if parts.scheme in ("http", "https"):
        raise ValueError(
            Sentence(
                "begins with {scheme}://; write {value}:// instead",
                scheme=parts.scheme,
                value="ws" if parts.scheme == "http" else "wss",
            )
        )
    if parts.scheme not in ("ws", "wss"):
        raise ValueError(Sentence("must begin with ws:// or wss://, for example wss://backend.example/ocpp"))
    if "@" in parts.netloc:
        raise ValueError(
            Sentence("holds a user name or a password; remove it, and enter the password as the authorization key")
        )
    if "#" in address:
        raise ValueError(Sentence("holds a '#'; remove it and what follows"))
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0:
        raise ValueError(Sentence("has a port that is not a number from 1 to 65535"))
    if not parts.hostname:
        raise ValueError(Sentence("names no host; it looks like wss://backend.example/ocpp"))
    return address


def final_url(settings: ConnectionSettings) -> str:
    """The URL that is really opened: endpoint, one slash, percent-encoded identity (OCPP-J 3.1.1, field problem 4).

    A query of the endpoint stays behind the identity; blanks around the texts are dropped.

    Raises:
        ValueError: not a websocket URL, or no identity; the text says what to change.
    """
    identity = settings.charge_point_id.strip()
    if not identity:
        raise ValueError(
            Sentence("the charge point id is empty; enter the id under which the backend knows this station")
        )
    try:
        parts = urlsplit(endpoint(settings.url))
    except ValueError as wrong:
        raise ValueError(Sentence("the backend address {wrong}", wrong=quoted(wrong))) from None
    path = quote(parts.path, safe=_URL_SAFE).rstrip("/")
    return urlunsplit((parts.scheme, parts.netloc, f"{path}/{quote(identity, safe='')}", parts.query, ""))


def is_hex_key(key: str) -> bool:
    """The key is the hex form of 16…20 bytes (conformance SEC-05)."""
    return 32 <= len(key) <= 40 and len(key) % 2 == 0 and all(c in string.hexdigits for c in key)


def key_bytes(settings: ConnectionSettings) -> bytes:
    """The password as it goes into the Basic header (product.md, settled question 3)."""
    key = settings.authorization_key
    if isinstance(key, bytes):
        return key
    if is_hex_key(key) and not settings.key_as_text:
        return bytes.fromhex(key)
    return key.encode()


def has_other_key_form(settings: ConnectionSettings) -> bool:
    """The key could also be meant the other way: as text instead of the bytes it spells, or the reverse."""
    return isinstance(settings.authorization_key, str) and is_hex_key(settings.authorization_key)


def authorization_header(settings: ConnectionSettings) -> str | None:
    """`Basic …` for profiles 1 and 2; None for the others. The user is the raw identity (OCPP-J 6.2)."""
    if settings.security_profile not in (1, 2):
        return None
    pair = settings.charge_point_id.strip().encode() + b":" + key_bytes(settings)
    return "Basic " + base64.b64encode(pair).decode("ascii")


class BackOff:
    """Exponential back-off with full jitter between `min_s` and `max_s` (conformance RPC-05, RPC-06)."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._failures = 0

    def next_s(self, min_s: float, max_s: float) -> float:
        """Seconds until the next attempt; the ceiling doubles with every call."""
        self._failures = min(self._failures + 1, 30)
        ceiling_s = max(min_s, min(max_s, min_s * 2**self._failures))
        return self._rng.uniform(min_s, ceiling_s)

    def reset(self) -> None:
        """The link was stable."""
        self._failures = 0


@dataclass(frozen=True)
class LinkError:
    """Why an attempt or a session ended.

    Attributes:
        kind: for rules: "dns", "refused", "network", "reset", "timeout", "certificate", "tls_version", "tls_cipher",
            "tls", "password" (401), "unauthorised", "http", "subprotocol", "closed", "ordered" (by this station),
            "mute", "overload", "settings".
        text: for people: what happened, and the cure.
    """

    kind: str
    text: Sentence


@dataclass(frozen=True)
class LinkStatus:
    """The link as people see it. All times are monotonic seconds.

    Attributes:
        state: "off" (nobody wants a connection), "connecting", "connected", "waiting" (for the next attempt).
        url: the final URL.
        since: when the state began.
        last_byte_at: when the backend was last heard; None: never since the start.
        next_attempt_at: of the state "waiting", else None.
        attempts: attempts since the last connection.
        last_error: the newest failure in words with its cure, "" when there was none; last_error_kind for rules.
        subprotocol_warning: the backend speaks, but did not agree on ocpp1.6 properly.
    """

    state: LinkState = "off"
    url: str = ""
    since: float = 0.0
    last_byte_at: float | None = None
    next_attempt_at: float | None = None
    attempts: int = 0
    last_error: Sentence = NOTHING
    last_error_kind: str = ""
    subprotocol_warning: Sentence = NOTHING
