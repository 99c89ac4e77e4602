"""Under which names this station may be called: the guard against DNS rebinding (Django's ALLOWED_HOSTS)."""

from __future__ import annotations

import fcntl
import socket
import struct
import time
from collections.abc import Iterator
from ipaddress import IPv6Address
from pathlib import Path

SIOCGIFADDR = 0x8915  # linux/sockios.h
REFRESH_S = 10.0


class OwnHosts(list[str]):
    """Loopback, the names of this machine, and its addresses as they are now (DHCP and hotspots come and go).

    A list, as Django wants one; iterating it looks the addresses up again when they are older than 10 s.
    """

    def __init__(self, *named: str) -> None:
        name = socket.gethostname()
        super().__init__(dict.fromkeys(["localhost", "127.0.0.1", "[::1]", name, f"{name}.local", *named]))
        self._addresses: list[str] = []
        self._looked_up_at = float("-inf")

    def __iter__(self) -> Iterator[str]:
        if time.monotonic() - self._looked_up_at > REFRESH_S:
            self._addresses = machine_addresses()
            self._looked_up_at = time.monotonic()
        yield from super().__iter__()
        yield from self._addresses


def machine_addresses() -> list[str]:
    """The IPv4 and IPv6 addresses of this machine's interfaces; IPv6 in brackets, as in a Host header."""
    found = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as query:
        for _, interface in socket.if_nameindex():
            try:
                answer = fcntl.ioctl(query, SIOCGIFADDR, struct.pack("256s", interface.encode()[:15]))
            except OSError:  # an interface without an IPv4 address
                continue
            found.append(socket.inet_ntoa(answer[20:24]))
    try:
        lines = Path("/proc/net/if_inet6").read_text().splitlines()
    except OSError:
        lines = []
    found += [f"[{IPv6Address(int(line.split()[0], 16))}]" for line in lines]
    return found
