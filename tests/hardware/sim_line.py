"""A line of a driver into a simulation on a fake clock: the driver's waiting moves the world."""

from __future__ import annotations

from collections.abc import Callable

from hardware.serial_port import LineLost
from tests.hardware.simulator.rig import TICK_S, Rig


class SimLine:
    """One port of a simulated box. Its `clock` is the rig's time."""

    def __init__(self, rig: Rig, port: str) -> None:
        self.rig = rig
        self.port = port
        self.woken = False
        self.sent: list[bytes] = []

    def clock(self) -> float:
        return self.rig.now

    def write(self, data: bytes) -> None:
        self.check()
        self.sent.append(data)
        self.rig.simulation.receive(self.port, data, self.rig.now)

    def read(self, timeout_s: float) -> bytes:
        self.check()
        until = self.rig.now + max(timeout_s, 0.0005)
        while True:
            data = self.rig.listen(self.port)
            if data or self.woken or self.rig.now >= until - 1e-6:
                self.woken = False
                return data
            self.rig.run(min(TICK_S / 4, until - self.rig.now))
            self.check()

    def check(self) -> None:
        if not self.rig.simulation.lines[self.port].connected:
            raise LineLost("unplugged")

    def wake(self) -> None:
        self.woken = True

    def close(self) -> None:
        """Nothing to release."""


def step_until(rig: Rig, step: Callable[[], None], condition: Callable[[], object], within_s: float) -> float:
    """Let the driver work until it holds; the seconds it took."""
    started = rig.now
    while not condition():
        assert rig.now - started <= within_s, f"not within {within_s} s"
        step()
    return rig.now - started
