"""The temperature inside the box: one time constant, heated by the current (hardware.md, section 10.3)."""

from __future__ import annotations

import math

_AMBIENT_C = 25.0
_RISE_C_PER_A2 = 0.012  # at 32 A: 12 K above ambient
_TIME_CONSTANT_S = 600.0


class Thermal:
    """First-order model; `forced_c` overrides it (fault `overtemp`)."""

    def __init__(self) -> None:
        self.forced_c: float | None = None
        self._temperature_c = _AMBIENT_C

    @property
    def temperature_c(self) -> float:
        """Degrees Celsius at the hottest sensor."""
        return self._temperature_c if self.forced_c is None else self.forced_c

    def step(self, dt: float, current_a: float) -> None:
        """Let `dt` seconds pass with `current_a` through the contactor."""
        target_c = _AMBIENT_C + _RISE_C_PER_A2 * current_a**2
        self._temperature_c += (target_c - self._temperature_c) * -math.expm1(-dt / _TIME_CONSTANT_S)
