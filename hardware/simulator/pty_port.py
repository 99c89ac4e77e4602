"""A pseudo-terminal with a stable name: the simulated device's end of a serial cable (hardware.md, sections 7, 10)."""

from __future__ import annotations

import contextlib
import os
import tty
from pathlib import Path

_READ_BYTES = 4096


class PtyPort:
    """Makes `link` point to a pseudo-terminal while it is open.

    The slave end stays open here as well, else reading fails with EIO whenever no client has it open.
    """

    def __init__(self, link: Path) -> None:
        self.link = link
        self._master: int | None = None
        self._slave: int | None = None

    @property
    def fd(self) -> int | None:
        """The master end, None while unplugged."""
        return self._master

    def open(self) -> int:
        """Plug in: a new pseudo-terminal, the link renewed in one step. Returns the master end."""
        master, slave = os.openpty()
        tty.setraw(slave)
        os.set_blocking(master, False)
        self._master, self._slave = master, slave
        fresh = self.link.with_suffix(".new")
        fresh.unlink(missing_ok=True)
        fresh.symlink_to(os.ttyname(slave))
        os.replace(fresh, self.link)
        return master

    def close(self) -> None:
        """Unplug: the link goes, a client that has the port open reads its end."""
        self.link.unlink(missing_ok=True)
        for fd in (self._master, self._slave):
            if fd is not None:
                os.close(fd)
        self._master = self._slave = None

    def read(self) -> bytes:
        """What the client sent since the last call."""
        if self._master is None:
            return b""
        try:
            return os.read(self._master, _READ_BYTES)
        except (BlockingIOError, OSError):
            return b""

    def write(self, data: bytes) -> None:
        """Send to the client. What nobody reads is lost once the line's buffer is full, as on a wire."""
        if self._master is not None:
            with contextlib.suppress(OSError):
                os.write(self._master, data)
