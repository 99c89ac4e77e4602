"""EVSE-DIN / EVSE-WB on a Modbus RTU line: registers, pilot, relay, errors, what it does alone (hardware.md, 3.1)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from hardware import modbus_rtu as rtu
from hardware.simulator.openevse_build import BoardSense
from hardware.simulator.pilot import Pilot, PilotMode, amps_to_duty
from hardware.simulator.rtu_slave import RtuSlave

_CURRENT, _ON_PILOT, _VEHICLE, _CABLE, _COMMANDS, _REVISION, _EVSE, _BITS, _ERROR_S, _TEST_S = range(1000, 1010)
_BOOT_A, _UNIT, _MINIMUM_A, _FLAGS = 2000, 2001, 2002, 2005
_ALLOW_D, _RCD_FEEDBACK, _RCD_AUTO_CLEAR, _CENTIAMPERE = 0x0008, 0x0010, 0x0020, 0x0080
_DISABLE_AFTER_CHARGE, _DISABLED, _BOOTLOADER = 0x2000, 0x4000, 0x8000
_TURN_OFF, _TEST, _CLEAR_RCD = 0x1, 0x2, 0x4
_RELAY, _DIODE, _VENT, _TESTING, _RCD = 0x01, 0x02, 0x04, 0x10, 0x20
_READY, _PRESENT, _CHARGING, _VENTILATED, _FAILURE = 1, 2, 3, 4, 5
_STEADY, _PWM, _STANDBY = 1, 2, 3
_LOADS = {"A": _READY, "B": _PRESENT, "C": _CHARGING, "D": _VENTILATED}
_MODES = {_READY: "available", _PRESENT: "connected", _CHARGING: "charging", _VENTILATED: "charging"}

REVISION = 18
# as read from a new board (2003: analog input, 2009: boot loader, 2010…: amperes of the button), with the output of a
# leakage detector wired to it
_FACTORY = (32, 1, 5, 1, 0, 0x0209 | _RCD_FEEDBACK, 0, 0, 0xFFFF, 3, 6, 10, 16, 25, 32, 48, 63, 80)
_HIGHEST_A = 80
_BOOT_S = 1.0  # real seconds until it serves its line
_DEBOUNCE_S = 0.2
_RELAY_CLOSE_S = 0.3
_FORCED_OPEN_S = 6.0  # a car that goes on drawing after the offer ended
_RCD_TRIP_MA = 6.0
_RCD_CLEARS_S = 30.0
_TEST_LASTS_S = 30.0
_LEAST_GAP_S = 0.1  # a request that follows an answer sooner is lost


@dataclass
class EvseDinMemory:
    """Registers 2000 to 2017; they survive a power cut."""

    registers: list[int]

    @classmethod
    def load(cls, stored: Mapping[str, object]) -> EvseDinMemory:
        """What was stored; the factory's values when it makes no sense."""
        words = stored.get("registers")
        sound = isinstance(words, list) and len(words) == len(_FACTORY) and all(type(word) is int for word in words)
        return cls(list(words) if sound and isinstance(words, list) else list(_FACTORY))


class EvseDin:
    """One controller: feed it bytes with `receive` and time with `step`; see `pilot`, `relay_closed`, `take_output`.

    It has no boot lock: after a power cut it offers register 2000 to any car, unless bit 14 of 2005 was set.
    `on_change` is called after each write of its memory.

    Attributes:
        powered: mains is there. ready: it serves its line.
    """

    kind = "evse_din"
    section = "evse_din"

    def __init__(
        self, stored: Mapping[str, object], *, unit: int = 1, on_change: Callable[[], None] = lambda: None
    ) -> None:
        self._eeprom = EvseDinMemory.load(stored).registers
        self._eeprom[_UNIT - _BOOT_A] = unit
        self._on_change = on_change
        self._slave = RtuSlave(unit, self._read, self._write)
        self.powered = self.ready = False
        self.reset_fails = False  # it knows no restart
        self._now = 0.0
        self._reset(0.0)

    def _reset(self, now: float) -> None:
        self.ready = False
        self._boot_at = now
        self._answered_at = float("-inf")
        self._time_s = 0.0
        self._configured = self._eeprom[0] * self._per_ampere
        self._vehicle = self._candidate = _READY
        self._candidate_since = self._wants_since = self._offer_ended_at = 0.0
        self._errors = 0
        self._rcd_clear_since = self._test_ends_at = 0.0
        self._turned_off = False
        self._relay = False
        self._slave.reset()

    # --- supply -------------------------------------------------------------------------------------------------------
    def power_on(self, now: float) -> None:
        """Mains arrived. `now` is real monotonic seconds."""
        self.powered = True
        self._reset(now)

    def power_off(self) -> None:
        """Mains is gone: pilot dead, relay open, not a byte more."""
        self.powered = False
        self._reset(0.0)

    def memory(self) -> dict[str, object]:
        """What survives a power cut."""
        return {"registers": list(self._eeprom)}

    # --- seen from outside --------------------------------------------------------------------------------------------
    @property
    def valid_frames(self) -> int:
        """Requests for it with a good checksum since the simulator started."""
        return self._slave.valid_frames

    @property
    def pilot(self) -> Pilot:
        """What the board drives the control pilot with."""
        if not self.powered:
            return Pilot()
        if self._offers:
            return Pilot(PilotMode.PWM, amps_to_duty(self._configured / self._per_ampere))
        return Pilot(PilotMode.STEADY)

    @property
    def relay_closed(self) -> bool:
        """The coil is energised."""
        return self.powered and self._relay

    @property
    def is_moving(self) -> bool:
        """A debounce or a switching is under way: the simulation must tick finely."""
        should_close = self._offers and self._vehicle in (_CHARGING, _VENTILATED)
        return self.powered and (self._candidate != self._vehicle or should_close != self._relay)

    @property
    def mode(self) -> str:
        """One word for people."""
        if not self.ready:
            return "booting"
        if self._errors:
            return "fault"
        if self._disabled:
            return "standby"
        return _MODES.get(self._vehicle, "fault")

    @property
    def state_name(self) -> str:
        """The vehicle's state as register 1002 has it."""
        return f"vehicle {self._vehicle}"

    def report(self) -> dict[str, object]:
        """Its registers for people."""
        return {
            "kind": self.kind,
            "firmware": str(REVISION),
            "state": str(self._status(_EVSE)),
            "coil": self.relay_closed,
            "capacity_a": self._configured / self._per_ampere,
            "max_a": _HIGHEST_A,
            "boot_a": self._eeprom[0],
            "disabled": self._disabled,
            "errors": self._errors,
            "valid_frames": self.valid_frames,
        }

    # --- time ---------------------------------------------------------------------------------------------------------
    def step(self, dt: float, now: float, sense: BoardSense) -> None:
        """`dt` world seconds later, at `now` real monotonic seconds, the board measures `sense`."""
        self._now = now
        if not self.powered:
            return
        if not self.ready:
            self.ready = now - self._boot_at >= _BOOT_S
            return
        self._time_s += dt
        self._watch_leakage(sense)
        self._follow_vehicle(sense)
        self._switch(sense)

    def _watch_leakage(self, sense: BoardSense) -> None:
        leaks = bool(self._flags & _RCD_FEEDBACK) and sense.leakage_ma >= _RCD_TRIP_MA
        if leaks or (self._test_ends_at and self._time_s >= self._test_ends_at and not sense.gfi_test_passes):
            self._errors |= _RCD
            self._rcd_clear_since = self._time_s
        elif self._flags & _RCD_AUTO_CLEAR and self._time_s - self._rcd_clear_since >= _RCD_CLEARS_S:
            self._errors &= ~_RCD
        if self._test_ends_at and self._time_s >= self._test_ends_at:
            self._test_ends_at = 0.0

    def _follow_vehicle(self, sense: BoardSense) -> None:
        seen = _LOADS.get(sense.pilot_load, _FAILURE)
        if seen == _READY:
            self._errors &= ~(_DIODE | _VENT)
            self._turned_off = False
        if self._offers and not sense.diode_ok and seen != _READY:
            self._errors |= _DIODE
        if seen == _VENTILATED and not self._flags & _ALLOW_D:
            self._errors |= _VENT
        if self._errors & (_DIODE | _VENT):
            seen = _FAILURE
        elif seen in (_CHARGING, _VENTILATED) and not self._offers and not self._relay:
            seen = _PRESENT  # a car that asks without an offer
        if seen != self._candidate:
            self._candidate, self._candidate_since = seen, self._time_s
        if seen != self._vehicle and self._time_s - self._candidate_since >= _DEBOUNCE_S:
            if self._vehicle in (_CHARGING, _VENTILATED) and self._flags & _DISABLE_AFTER_CHARGE:
                self._eeprom[_FLAGS - _BOOT_A] |= _DISABLED
                self._on_change()
            self._vehicle = seen

    def _switch(self, sense: BoardSense) -> None:
        wants = self._vehicle in (_CHARGING, _VENTILATED)
        if self._offers and wants:
            self._offer_ended_at = self._time_s
            if not self._relay and self._time_s - self._wants_since >= _RELAY_CLOSE_S:
                self._relay = True
            return
        self._wants_since = self._time_s
        car_stopped = sense.pilot_load in "AB"
        forced = self._time_s - self._offer_ended_at >= _FORCED_OPEN_S
        if self._relay and (car_stopped or forced or self._errors or self._turned_off):
            self._relay = False

    # --- registers ----------------------------------------------------------------------------------------------------
    @property
    def _flags(self) -> int:
        return self._eeprom[_FLAGS - _BOOT_A]

    @property
    def _disabled(self) -> bool:
        return bool(self._flags & _DISABLED)

    @property
    def _per_ampere(self) -> int:
        return 100 if self._flags & _CENTIAMPERE else 1

    @property
    def _offers(self) -> bool:
        blocked = self._disabled or self._errors or self._turned_off or self._test_ends_at
        return self.ready and self._configured > 0 and not blocked and self._candidate != _READY

    def receive(self, data: bytes) -> None:
        """Bytes of the master. A request that comes too soon after an answer, or before it has booted, is lost."""
        if self.powered and self.ready and self._now - self._answered_at >= _LEAST_GAP_S:
            self._slave.receive(data)

    def take_output(self) -> bytes:
        """The bytes sent since the last call."""
        data = self._slave.take_output()
        if data:
            self._answered_at = self._now
        return data

    def _read(self, function: int, address: int, count: int) -> list[int] | int:
        if function != rtu.READ_HOLDING:
            return rtu.ILLEGAL_FUNCTION
        last = address + count - 1
        if count >= 1 and address >= _CURRENT and last <= _TEST_S:
            return [self._status(register) for register in range(address, last + 1)]
        if count >= 1 and address >= _BOOT_A and last < _BOOT_A + len(_FACTORY):
            return self._eeprom[address - _BOOT_A : last - _BOOT_A + 1]
        return rtu.ILLEGAL_ADDRESS

    def _status(self, register: int) -> int:
        match register:
            case 1000:
                return self._configured
            case 1001:
                return self._configured if self._offers else 0
            case 1002:
                return self._vehicle
            case 1003:
                return 5  # what it shows without a proximity resistor: a fixed cable has none
            case 1005:
                return REVISION
            case 1006:
                return _STANDBY if self._disabled else _PWM if self._offers else _STEADY
            case 1007:
                return (_RELAY if self._relay else 0) | self._errors | (_TESTING if self._test_ends_at else 0)
            case 1009:
                return round(max(0.0, self._test_ends_at - self._time_s))
        return 0

    def _write(self, function: int, address: int, values: tuple[int, ...]) -> int:
        if function != rtu.WRITE_MULTIPLE:
            return rtu.ILLEGAL_FUNCTION
        if len(values) != 1:
            return rtu.ILLEGAL_VALUE
        value = values[0]
        if address == _CURRENT:
            least = self._eeprom[_MINIMUM_A - _BOOT_A] * self._per_ampere
            if value and not least <= value <= _HIGHEST_A * self._per_ampere:
                return rtu.ILLEGAL_VALUE
            self._configured, self._turned_off = value, False
        elif address == _COMMANDS:
            self._command(value)
        elif _BOOT_A <= address < _BOOT_A + len(_FACTORY):
            return self._store(address, value)
        else:
            return rtu.ILLEGAL_ADDRESS
        return 0

    def _command(self, bits: int) -> None:
        if bits & _TURN_OFF:
            self._turned_off = True
            self._relay = False
        if bits & _TEST and not self._relay:
            self._test_ends_at = self._time_s + _TEST_LASTS_S
        if bits & _CLEAR_RCD:
            self._errors &= ~_RCD

    def _store(self, address: int, value: int) -> int:
        limits = {_BOOT_A: (6, _HIGHEST_A), _UNIT: (0, 247), _MINIMUM_A: (0, 13), _FLAGS: (0, _BOOTLOADER - 1)}
        low, high = limits.get(address, (0, 0xFFFF))
        if not low <= value <= high:
            return rtu.ILLEGAL_VALUE
        if self._eeprom[address - _BOOT_A] != value:
            self._eeprom[address - _BOOT_A] = value
            self._on_change()
        return 0
