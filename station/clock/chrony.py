"""chrony: `chronyc -c`, which anybody may ask, and a file of time servers that belongs to the station.

Changing a running chronyd is for root alone, so the servers are a file of its `sourcedir`, read at its restart.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from station.clock.picture import Server

#: It answers over the loopback.
PATIENCE_S = 5.0
#: Fields of `tracking` and of one line of `sources`.
_TRACKING, _SOURCE = 14, 10
#: Reference ids that are no time server: its own clock, and a person who typed the time.
_NOBODY = {"00000000", "7F7F0101", "4D414E55"}
_STATES = {"*": "in use", "+": "good", "-": "good"}


@dataclass(frozen=True)
class Tracking:
    """What chronyd says; `slow_s`: so far the system's clock is behind what chronyd takes for the time."""

    synchronised: bool
    server: str
    reference_at: float
    slow_s: float
    servers: tuple[Server, ...]


async def ask(program: str) -> Tracking | None:
    """None: there is no chrony here, or it does not run."""
    try:
        process = await asyncio.create_subprocess_exec(
            program, "-c", "-n", "-m", "tracking", "sources",
            stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.DEVNULL,
        )  # fmt: skip
    except OSError:
        return None
    try:
        async with asyncio.timeout(PATIENCE_S):
            told, _ = await process.communicate()
    except TimeoutError:
        process.kill()
        await process.wait()
        return None
    return read(told.decode("ascii", "replace"))


def read(text: str) -> Tracking | None:
    """What `chronyc -c tracking` and `sources` print; None when it is anything else."""
    tracking: list[str] = []
    servers = []
    for line in text.splitlines():
        fields = line.split(",")
        if len(fields) == _TRACKING:
            tracking = fields
        elif len(fields) == _SOURCE and fields[0] in "^=":
            servers.append(Server(fields[2], _STATES.get(fields[1], "no answer")))
    try:
        reference_at, slow_s = float(tracking[3]), float(tracking[4])
    except (IndexError, ValueError):
        return None
    synchronised = tracking[13] not in ("Not synchronised", "Invalid") and tracking[0] not in _NOBODY
    return Tracking(synchronised, tracking[1] if synchronised else "", reference_at, slow_s, tuple(servers))


def sources(servers: Sequence[str]) -> str:
    """The file's text."""
    return "".join(f"server {name} iburst\n" for name in servers)


def write_sources(file: Path, servers: Sequence[str]) -> bool:
    """Whether it had to be changed. The file is written in place: its folder belongs to root. Raises OSError."""
    text = sources(servers)
    if file.read_text() == text:
        return False
    file.write_text(text)
    return True
