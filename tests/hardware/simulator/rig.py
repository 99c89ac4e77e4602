"""A simulation on a fake clock, with the host's side of its lines in the test's hand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from hardware import rapi
from hardware.simulator.control import Control
from hardware.simulator.openevse_build import BoardBuild
from hardware.simulator.openevse_controller import RELAY_TEXT
from hardware.simulator.simulation import PORTS, Simulation, SimulationConfig
from hardware.simulator.state_report import state_report

Sections = dict[str, dict[str, object]]
TICK_S = 0.02


class Rig:
    """`run` moves real time (and with it the world); `ask` speaks RAPI without sequence ids."""

    def __init__(self, stored: Sections | None = None, **config: Any) -> None:
        config.setdefault("build", BoardBuild(boot_lock=False))
        self.now = 1000.0
        self.stored: Sections = stored or {}
        self.stores = 0
        self.simulation = Simulation(SimulationConfig(**config), self.stored, self._store, self.now)
        self.control = Control(self.simulation)
        self.heard: dict[str, bytes] = dict.fromkeys(PORTS, b"")

    def _store(self, sections: Sections, sync: bool) -> None:
        self.stored = sections
        self.stores += 1

    def run(self, seconds: float, tick_s: float = TICK_S) -> None:
        """Let real seconds pass, hearing what the devices say."""
        end = self.now + seconds
        while self.now < end - 1e-9:
            self.now = min(end, self.now + tick_s)
            self.simulation.advance(self.now)
            self._hear()

    def run_until(self, condition: Callable[[], bool], within_s: float = 30.0) -> float:
        """Let time pass until `condition`; the seconds it took."""
        start = self.now
        while not condition():
            assert self.now - start < within_s, f"not within {within_s} s"
            self.run(TICK_S)
        return self.now - start

    def send(self, port: str, data: bytes) -> None:
        self.simulation.receive(port, data, self.now)
        self._hear()

    def listen(self, port: str) -> bytes:
        """What was heard on a port since the last call."""
        self._hear()
        data, self.heard[port] = self.heard[port], b""
        return data

    def _hear(self) -> None:
        for port in self.heard:
            self.heard[port] += self.simulation.take(port)

    # --- the board ----------------------------------------------------------------------------------------------

    def ask(self, command: str) -> str:
        """Everything the board says at once to a command, without CR, relay text as "(relay)"."""
        self.listen("board")
        self.send("board", rapi.encode_command(command))
        return self.said()

    def said(self) -> str:
        """Everything the board said since last asked, lines separated by a space."""
        return self.listen("board").replace(RELAY_TEXT, b"(relay)\r").decode().strip("\r").replace("\r", " ")

    def flags(self) -> str:
        return self.ask("GS").split()[4][:4]

    def board_state(self) -> str:
        return self.simulation.board.controller.state.name

    def boot(self) -> None:
        """Let the board boot until it sees no car, and put it to sleep as a station does."""
        self.run(3.0)
        self.ask("FS")
        self.ask("SB")
        self.said()

    def start_charging(self, **ev: Any) -> None:
        """A booted board, a car, energy allowed, current flowing."""
        self.boot()
        self.simulation.world.plug(ev)
        self.run(0.5)
        self.ask("FE")
        self.run_until(lambda: self.board_state() == "C")
        self.run(6.0)
        self.said()

    # --- the rest -----------------------------------------------------------------------------------------------

    @property
    def state(self) -> dict[str, Any]:
        return state_report(self.simulation)

    @property
    def pilot_a(self) -> float:
        return self.simulation.board.pilot.offered_a

    @property
    def current_a(self) -> float:
        return self.simulation.world.current_a

    def fault(self, name: str, active: bool = True, value: float = 0.0) -> None:
        self.simulation.world.set_fault(name, active, value)
