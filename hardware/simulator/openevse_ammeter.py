"""What the OpenEVSE controller measures itself: a coarse current and an energy of a supposed voltage (section 10.1)."""

from __future__ import annotations

from hardware.simulator.openevse_memory import Eeprom

_PERIOD_S = 2.0  # 32 loops of the firmware
_ENERGY_PERIOD_S = 0.25


class Ammeter:
    """Milliamperes in multiples of the scale factor (220 mA), 0 with the relay open; energy of the session."""

    def __init__(self) -> None:
        self.milliamps = 0
        self.session_ws = 0.0
        self._since_reading_s = 0.0
        self._since_energy_s = 0.0

    def step(self, dt: float, relay_closed: bool, current_a: float, millivolts: int, eeprom: Eeprom) -> None:
        """Let `dt` world seconds pass."""
        if not relay_closed:
            self.milliamps = 0
            self._since_reading_s = self._since_energy_s = 0.0
            return
        self._since_reading_s += dt
        if self._since_reading_s >= _PERIOD_S:
            self._since_reading_s = 0.0
            scale = max(1, eeprom.ammeter_scale)
            self.milliamps = round(current_a * 1000 / scale) * scale + eeprom.ammeter_offset
        self._since_energy_s += dt
        if self._since_energy_s > _ENERGY_PERIOD_S:
            self.session_ws += self.milliamps * millivolts / 1e6 * self._since_energy_s
            self._since_energy_s = 0.0
