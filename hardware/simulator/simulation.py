"""World and devices together, moved by one clock: what the process runs and the tests drive with a fake clock."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.simulator.byte_log import ByteLog
from hardware.simulator.cards import Card, CardQueue
from hardware.simulator.devices import (
    BAUD,
    BOARDS,
    POLLED_READERS,
    READERS,
    USUAL_BAUD,
    BoardSettings,
    Bus,
    Device,
    make_meter,
)
from hardware.simulator.line import Line, LinkMode
from hardware.simulator.metrology import Metrology
from hardware.simulator.openevse_build import BoardBuild
from hardware.simulator.panel import Panel
from hardware.simulator.stored_state import restore_car, stored_sections
from hardware.simulator.world import World

PORTS = ("board", "meter", "reader", "panel")
_FINE_STEP_S = 0.02  # world seconds while something moves
_COARSE_STEP_S = 0.1
_MOST_STEPS = 1_000  # in one advance, whatever the speed
_TICK_MOVING_S, _TICK_CHARGING_S, _TICK_IDLE_S = 0.02, 0.1, 0.2  # real seconds
_ATTENTION_S = 1.0  # after a control call everything ticks finely
_REGISTER_STORE_PERIOD_S = 1.0
_SECOND_CARD = bytes.fromhex("04FACADE")


@dataclass(frozen=True)
class SimulationConfig:
    """Which box is simulated. `car`: keep (as stored), plugged or unplugged at the start."""

    board: str = "openevse"  # a name of `devices.BOARDS`, METERS, READERS
    meter: str = "sdm230"
    reader: str = "pn532"
    phases: int = 1
    nominal_voltage_v: float = 230.0
    max_current_a: int = 16
    enable_line: bool = False  # the contactor's coil has its supply from the panel
    shared_line: bool = False  # board and meter are on one RS-485 line: the board's port
    board_unit: int = 1
    meter_unit: int = 1
    car: str = "keep"
    speed: float = 1.0
    seed: int = 1
    build: BoardBuild = field(default_factory=BoardBuild)


Sections = dict[str, dict[str, object]]


class Simulation:
    """One box with its car. `now` is real monotonic seconds; the world runs `speed` times faster.

    `store(sections, sync)` writes the non-volatile memory; `sections` is what it held at the start.

    Attributes:
        speed: world seconds in a real second. powered: mains is there.
    """

    def __init__(
        self, config: SimulationConfig, stored: Sections, store: Callable[[Sections, bool], None], now: float
    ) -> None:
        self.config = config
        self.speed = config.speed
        self.started_at = now
        self.powered = True
        self.log = ByteLog()
        self._store = store
        self._stored = stored
        self._now = now
        self._attention_until = now + _ATTENTION_S
        self._power_back_at: float | None = None
        self._stored_wh = int(_number(stored.get("meter", {}).get("energy_wh"), 0.0))
        self._stored_at = now

        meter_phases = 3 if config.meter == "sdm630" else 1
        energy_wh = _number(stored.get("meter", {}).get("energy_wh"), 0.0)
        self.metrology = Metrology(min(meter_phases, config.phases), config.seed, energy_wh)
        self.world = World(
            phases=config.phases, nominal_v=config.nominal_voltage_v, seed=config.seed, metrology=self.metrology
        )
        restore_car(self.world.ev, stored.get("car", {}), config.car)
        settings = BoardSettings(config.max_current_a, config.board_unit, config.build)
        self.board = BOARDS[config.board](stored, settings, self.store_now)
        self.meter = make_meter(
            config.meter,
            self.metrology,
            unit=config.meter_unit,
            serial=20_000_000 + config.seed % 1_000_000,
            before_energy=self.store_register,
        )
        self.cards = CardQueue(polled=config.reader in POLLED_READERS)
        self.reader = READERS[config.reader](self.cards)
        self.panel = Panel(enable_is_wired=config.enable_line)
        self.devices: dict[str, Device] = {"board": self.board, "meter": self.meter}
        if config.shared_line:
            self.devices = {"board": Bus((self.board, self.meter))}
        self.devices |= {"reader": self.reader, "panel": self.panel}
        names = {"board": config.board, "meter": config.meter, "reader": config.reader, "panel": "panel"}
        self.lines = {port: Line(port, BAUD.get(names[port], USUAL_BAUD), self.log, config.seed, now) for port in PORTS}
        self._power_on(now)
        self.store_now()

    # --- time ---------------------------------------------------------------------------------------------------

    def advance(self, now: float) -> None:
        """Let the world catch up with `now`."""
        world_s = max(0.0, now - self._now) * self.speed
        self._now = now
        if self._power_back_at is not None and now >= self._power_back_at:
            self._power_back_at = None
            self._power_on(now)
        least_s = world_s / _MOST_STEPS
        while world_s > 1e-9:
            step_s = min(world_s, max(least_s, _FINE_STEP_S if self.is_moving else _COARSE_STEP_S))
            self.board.step(step_s, now, self.world.sense())
            self.world.step(step_s, self.board.pilot, self.board.relay_closed and self.panel.coil_is_supplied)
            world_s -= step_s
        self._move_cards(now)
        self.panel.step(now, set(self.world.faults))
        for line in self.lines.values():
            line.step(now)
        self._collect(now)
        if int(self.metrology.energy_wh) > self._stored_wh and now - self._stored_at >= _REGISTER_STORE_PERIOD_S:
            self.store_register()

    def _move_cards(self, now: float) -> None:
        arrived = self.cards.step(now)
        self.reader.second_uid = _SECOND_CARD if "two_cards" in self.world.faults else None
        self.reader.step(now, arrived)

    @property
    def is_moving(self) -> bool:
        """Something changes within tenths of a second."""
        return self._now < self._attention_until or self.board.is_moving or self.world.ev.is_moving

    def next_at(self) -> float:
        """The real time of the next `advance`, if nothing comes in before."""
        if self.is_moving:
            tick_s = _TICK_MOVING_S
        else:
            tick_s = _TICK_CHARGING_S if self.world.energised or len(self.cards) else _TICK_IDLE_S
        times = [line.next_at for line in self.lines.values()]
        return min([self._now + tick_s, *(at for at in times if at is not None)])

    # --- lines --------------------------------------------------------------------------------------------------

    def receive(self, port: str, data: bytes, now: float) -> None:
        """Bytes that the host sent on a port."""
        self.advance(now)
        arrived = self.lines[port].from_host(data, now)
        if arrived and port in self.devices:
            self.devices[port].receive(arrived)
            self._collect(now)

    def take(self, port: str) -> bytes:
        """The bytes that reach the host on a port by now."""
        return self.lines[port].take(self._now)

    def _collect(self, now: float) -> None:
        self.board.reset_fails = "reset_fails" in self.world.faults
        self.meter.nan = "meter_nan" in self.world.faults
        self.meter.slave.exception_code = int(self.world.faults.get("meter_exception", 0))
        self.meter.slave.wrong_unit = "meter_wrong_unit" in self.world.faults
        for port, device in self.devices.items():
            self.lines[port].from_device(device.take_output(), now)

    # --- what people do -----------------------------------------------------------------------------------------

    @property
    def now(self) -> float:
        """Real monotonic seconds of the last `advance`."""
        return self._now

    def attend(self) -> None:
        """Somebody touched the box: look closely for a second, and remember the car."""
        self._attention_until = self._now + _ATTENTION_S
        self.store_now()

    def swipe(self, card: Card) -> None:
        """Hold a card to the reader."""
        self.cards.swipe(card)
        self._move_cards(self._now)
        self._collect(self._now)

    def power_cut(self, seconds: float, *, ports: bool = False) -> None:
        """Take mains away for real `seconds`: devices silent, contactor open. The car stays plugged.

        `ports`: the serial adapters have no other supply and vanish with it.
        """
        if ports:
            for line in self.lines.values():
                line.set_mode(LinkMode("unplugged"), self._now, seconds)
        self.store_now()
        self.powered = self.world.mains_on = self.world.energised = False
        for device in self.devices.values():
            device.power_off()
        self._power_back_at = self._now + seconds
        self.world.step(0.0, self.board.pilot, False)

    def _power_on(self, now: float) -> None:
        self.powered = self.world.mains_on = True
        self._attention_until = now + _ATTENTION_S
        self.board.power_on(now)
        self.meter.power_on()
        self.reader.power_on()
        self.panel.power_on()
        self.world.step(0.0, self.board.pilot, False)

    # --- memory -------------------------------------------------------------------------------------------------

    def store_now(self) -> None:
        """Write everything that lasts, and wait for the disk."""
        self._write(sync=True)

    def store_register(self) -> None:
        """Write the register if the meter shows more than is stored: what was shown once cannot be taken back."""
        if int(self.metrology.energy_wh) != self._stored_wh:
            self._write(sync=False)

    def _write(self, *, sync: bool) -> None:
        self._stored_wh = int(self.metrology.energy_wh)
        self._stored_at = self._now
        sections = {**self._stored, **stored_sections(self.metrology, self.board, self.world.ev)}
        if sections != self._stored:
            self._stored = sections
            self._store(sections, sync)


def _number(value: object, default: float) -> float:
    good = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value) and value >= 0
    return float(value) if good else default  # type: ignore[arg-type]
