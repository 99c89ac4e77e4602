"""Where a transfer goes: the address taken apart, looked up, and refused when it leads back into this machine.

The connection goes to the very number that was checked, so a name that changes its meaning in between gains nothing.
"""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from ocppclient.sentence import Sentence

PORTS = {"http": 80, "https": 443, "ftp": 21, "ftps": 990}
#: Tells whether a number leads where transfers must not go.
Judge = Callable[[ipaddress.IPv4Address | ipaddress.IPv6Address], bool]


class TransferFailed(Exception):
    """A transfer did not succeed.

    Attributes:
        failure: "refused" (by this station), "permission", "unsupported", "protocol", "network", "timeout", "size",
            "space" or "missing".
    """

    def __init__(self, failure: str, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure


@dataclass(frozen=True)
class Place:
    """One address. `path` begins with a slash and keeps its escapes and query; user and password are unescaped."""

    scheme: str
    host: str
    port: int
    path: str
    user: str = ""
    password: str = ""
    has_port: bool = False

    @property
    def shown(self) -> str:
        """For people: without the password, and without a query, which may hold one."""
        port = f":{self.port}" if self.has_port else ""
        return f"{self.scheme}://{self.host}{port}{self.path.partition('?')[0]}"


def place_of(url: str) -> Place:
    """Take an address apart.

    Raises:
        TransferFailed: "unsupported" (another protocol than http, https, ftp, ftps), or "refused" (no usable address).
    """
    try:
        parts = urlsplit(url)
        port, host = parts.port, parts.hostname
    except ValueError as problem:
        raise TransferFailed(
            "refused", Sentence("the address is not a URL ({problem})", problem=str(problem))
        ) from None
    if parts.scheme not in PORTS:
        raise TransferFailed(
            "unsupported",
            Sentence(
                "{protocol}: is not spoken by this station", protocol=parts.scheme[:20] or Sentence("no protocol")
            ),
        )
    if not host or not url.isprintable() or " " in url:
        raise TransferFailed("refused", Sentence("the address names no host, or holds blanks or control characters"))
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    user, password = unquote(parts.username or ""), unquote(parts.password or "")
    if not path.isascii() or any(letter in text for letter in "\r\n\0" for text in (unquote(path), user, password)):
        raise TransferFailed("refused", Sentence("the address holds characters that no server understands"))
    return Place(parts.scheme, host, port or PORTS[parts.scheme], path, user, password, port is not None)


def is_off_limits(number: ipaddress.IPv4Address | ipaddress.IPv6Address) -> bool:
    """Loopback, link-local, multicast, unspecified and reserved numbers, and those of this machine itself."""
    if isinstance(number, ipaddress.IPv6Address) and number.ipv4_mapped is not None:
        number = number.ipv4_mapped
    if number.is_loopback or number.is_link_local or number.is_multicast or number.is_unspecified or number.is_reserved:
        return True
    family = socket.AF_INET if number.version == 4 else socket.AF_INET6
    with suppress(OSError), socket.socket(family, socket.SOCK_DGRAM) as probe:
        probe.bind((str(number), 0))  # only an own number can be bound
        return True
    return False


def connect(place: Place, timeout_s: float, off_limits: Judge) -> socket.socket:
    """A connection to the place.

    Raises:
        TransferFailed: "network" (unknown name, nobody answers), or "refused" (it leads into this machine).
    """
    try:
        found: list[Any] = socket.getaddrinfo(place.host, place.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as problem:
        raise TransferFailed(
            "network", Sentence("the host {host} is not known ({problem})", host=place.host, problem=str(problem))
        ) from None
    allowed = [entry for entry in found if not off_limits(ipaddress.ip_address(entry[4][0].partition("%")[0]))]
    if not allowed:
        raise TransferFailed(
            "refused",
            Sentence("{host} is this station itself or its link-local net; that is not allowed", host=place.host),
        )
    problem_text = ""
    for family, kind, protocol, _, address in allowed:
        link = socket.socket(family, kind, protocol)
        link.settimeout(timeout_s)
        try:
            link.connect(address)
        except OSError as problem:
            link.close()
            problem_text = problem.strerror or str(problem)
            continue
        return link
    raise TransferFailed(
        "network",
        Sentence(
            "{host}:{port} cannot be reached ({problem})",
            host=place.host,
            port=place.port,
            problem=problem_text,
        ),
    )
