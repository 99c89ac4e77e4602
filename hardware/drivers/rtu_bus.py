"""Several Modbus units on one RS-485 adapter: one transaction at a time, the board first (hardware.md, section 4.3).

The port's thread is the only one on the line, so a transaction is never interrupted; between two of them the board's
next need comes first. A reply names its unit, so the late answer of one is never taken for the other's.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

from hardware.serial_port import Device, Line

UNIT_GAP_S = 0.05  # silence before another unit is asked: cheap adapters need that long to let go of the line
TRIES = 2  # of whoever is not the first: a dead meter must not keep the board waiting


class Unit(Device, Protocol):
    """A device that can share its line."""

    def work(self) -> float:
        """Do what is due, a few transactions at most; the seconds until something is due, 0: come back at once."""


class RtuBus:
    """The units on their line, as one `Device`; the first one matters most."""

    def __init__(self, units: Sequence[Unit], clock: Callable[[], float]) -> None:
        self._units = units
        self._clock = clock
        self._line: Line | None = None

    def attach(self, line: Line) -> None:
        self._line = _SharedLine(line, self._clock)
        for unit in self._units:
            unit.attach(self._line)

    def step(self) -> None:
        assert self._line is not None
        wait_s = 1.0
        for unit in self._units:
            wait_s = min(wait_s, unit.work())
        if wait_s > 0:
            self._line.read(wait_s)  # a wake-up ends it; stray bytes belong to no request

    def lost(self, reason: str) -> None:
        self._line = None
        for unit in self._units:
            unit.lost(reason)

    def farewell(self) -> None:
        for unit in self._units:
            unit.farewell()


class _SharedLine:
    """The line with a silence before every request, whoever spoke last."""

    def __init__(self, line: Line, clock: Callable[[], float]) -> None:
        self._line = line
        self._clock = clock
        self._busy_at = clock()

    def write(self, data: bytes) -> None:
        while (now := self._clock()) < self._busy_at + UNIT_GAP_S:
            self.read(self._busy_at + UNIT_GAP_S - now)
        self._line.write(data)
        self._busy_at = self._clock()

    def read(self, timeout_s: float) -> bytes:
        data = self._line.read(timeout_s)
        if data:
            self._busy_at = self._clock()
        return data

    def wake(self) -> None:
        self._line.wake()

    def close(self) -> None:
        self._line.close()
