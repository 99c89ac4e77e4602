"""How much the OpenEVSE board offers: the host's wish, heat and a missed heartbeat (hardware.md, 2.3 to 2.5)."""

from __future__ import annotations

from hardware.simulator import openevse_memory as memory
from hardware.simulator.openevse_memory import Eeprom

_HALF_C, _QUARTER_C, _RESTORE_C = 65.0, 68.0, 62.0
_LIMITING, _ACKNOWLEDGED = 2, 1


class CurrentLimit:
    """The current capacity from one power-up to the next. The heartbeat runs in real time, as the pulses do.

    Attributes:
        capacity_a: what the pilot offers when it offers.
        throttled_to_a: the ceiling that heat sets, None while cool.
        heartbeat_trips: `trig` of `$SY`: 0 never, 2 missed and limiting, 1 missed earlier and acknowledged.
    """

    def __init__(self, eeprom: Eeprom, now: float) -> None:
        self.capacity_a = 0
        self.throttled_to_a: int | None = None
        self.heartbeat_trips = 0
        self._eeprom = eeprom
        self._pulse_at = now

    def set(self, amps: int) -> None:
        """Offer `amps` from now on, as far as the temperature allows."""
        self.capacity_a = amps if self.throttled_to_a is None else min(amps, self.throttled_to_a)

    def pulse(self, now: float) -> None:
        """`$SY`: the host is alive."""
        self._pulse_at = now

    def acknowledge_miss(self, now: float) -> None:
        """`$SY 165`: the host knows of the miss; the EEPROM maximum comes back, not the host's own limit."""
        self.pulse(now)
        if self.heartbeat_trips == _LIMITING:
            self.heartbeat_trips = _ACKNOWLEDGED
            self.set(self._eeprom.ceiling_a)

    def supervise_heartbeat(self, now: float) -> None:
        """The interval is `uint16 * 1000` in 16-bit arithmetic: 66 s acts as 464 ms (2.5, trap 1)."""
        interval_ms = self._eeprom.heartbeat_s * 1000 & 0xFFFF
        missed = (now - self._pulse_at) * 1000 > interval_ms
        if self._eeprom.heartbeat_s and self.heartbeat_trips != _LIMITING and missed:
            self.heartbeat_trips = _LIMITING
            self.set(min(self.capacity_a, max(memory.MIN_A, self._eeprom.heartbeat_a)))

    def follow_temperature(self, temperature_c: float) -> None:
        """Half the maximum from 65 C, a quarter from 68 C, all of it again at 62 C."""
        if self._eeprom.flags & memory.NO_TEMP_CHECK:
            return
        ceiling_a, wanted_a = self._eeprom.ceiling_a, self.throttled_to_a
        if temperature_c <= _RESTORE_C:
            wanted_a = None
        elif temperature_c >= _QUARTER_C:
            wanted_a = max(memory.MIN_A, ceiling_a // 4)
        elif temperature_c >= _HALF_C and wanted_a is None:
            wanted_a = max(memory.MIN_A, ceiling_a // 2)
        if wanted_a == self.throttled_to_a:
            return
        self.throttled_to_a = wanted_a
        # the firmware comes back to the EEPROM maximum and not to the host's volatile limit (2.5, trap 2)
        self.set(ceiling_a if wanted_a is None else min(self.capacity_a, wanted_a))
