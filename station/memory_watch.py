"""Watches the memory of the station: when disk or RAM run out, that is a security event (white paper section 8)."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Callable
from pathlib import Path

from ocppclient.events import SecurityEventSeen
from ocppclient.sentence import Sentence

log = logging.getLogger("station.memory")

MIB = 2**20
LOOK_S = 60.0
#: Name → MiB below which it is exhausted; it counts as recovered from twice as much on.
LOWEST = {"disk": 100, "RAM": 32}


class MemoryWatch:
    """Each shortage is told once, again only after it was over."""

    def __init__(self, tell: Callable[[SecurityEventSeen], None]) -> None:
        self._tell = tell
        self._short: set[str] = set()

    def look(self, free: dict[str, int]) -> None:
        """Compare the free bytes of each kind of memory with its limit."""
        for name, number in free.items():
            if number < LOWEST[name] * MIB and name not in self._short:
                self._short.add(name)
                self._tell(
                    SecurityEventSeen(
                        "MemoryExhaustion", Sentence("{free} MiB of {name} are left", free=number // MIB, name=name)
                    )
                )
            elif number >= 2 * LOWEST[name] * MIB:
                self._short.discard(name)

    async def run(self, folder: Path) -> None:
        """Look every minute until cancelled; `folder` lies on the disk that counts."""
        while True:
            self.look(await asyncio.to_thread(free_bytes, folder))
            await asyncio.sleep(LOOK_S)


def free_bytes(folder: Path, memory: Path = Path("/proc/meminfo")) -> dict[str, int]:
    """What is free of each kind of memory; a kind that cannot be read is left out."""
    found = {}
    try:
        found["disk"] = shutil.disk_usage(folder).free
    except OSError as error:
        log.warning("The free space of %s cannot be read: %s", folder, error)
    try:
        for line in memory.read_text().splitlines():
            if line.startswith("MemAvailable:"):
                found["RAM"] = int(line.split()[1]) * 1024
    except (OSError, ValueError, IndexError):
        log.debug("%s cannot be read", memory)
    return found
