"""What is seen of the computer's clock, and the protocol of the class that shows and sets it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


class Refused(Exception):
    """A service refused an order, or is not there; the text is for people."""


@dataclass(frozen=True)
class Server:
    """One time server; `state`: "in use", "good" or "no answer"."""

    name: str
    state: str


@dataclass(frozen=True)
class Seen:
    """Everything at one moment.

    Attributes:
        utc: the time: the system's clock, and what is still to be slewed.
        at_s: when that was, monotonic seconds.
        system: what the system's clock shows.
        program: "chrony", "systemd-timesyncd" or, when nobody follows time servers here, "".
        synchronised: the system's clock follows a time server.
        server: which one, by name or address.
        age_s: since its last answer; None: not known.
        offset_s: so far the system's clock is ahead of it; None: not known.
        enabled: the operating system is to follow time servers; None: it does not say.
        rtc_ahead_s: so far the battery clock is ahead of the system's; None: there is none.
    """

    utc: datetime
    at_s: float
    system: datetime
    program: str = ""
    synchronised: bool = False
    server: str = ""
    age_s: float | None = None
    offset_s: float | None = None
    servers: tuple[Server, ...] = ()
    enabled: bool | None = None
    rtc_ahead_s: float | None = None


class SystemTime(Protocol):
    """The clock of this computer. What sets something raises `Refused`."""

    async def look(self) -> Seen:
        """As it is now; a machine without any service has a system clock all the same."""

    async def shift(self, by_s: float) -> None:
        """Move the system's clock, and the battery clock with it."""

    async def enable(self) -> None:
        """The operating system follows time servers from now on."""

    async def use_servers(self, servers: Sequence[str]) -> None:
        """Follow these time servers besides those of the operating system; does nothing when it does already."""
