"""The grid: a voltage that drifts and sags under load, a frequency that wanders (hardware.md, section 10.3)."""

from __future__ import annotations

import math
import random

_DRIFT = 0.01  # of the nominal voltage, slow
_DRIFT_PERIOD_S = 900.0
_FREQUENCY_SWING_HZ = 0.02
_FREQUENCY_PERIOD_S = 47.0
_IMPEDANCE_OHM = 0.3


class Mains:
    """One or three phases at `nominal_v` (line to neutral) and `nominal_hz`. All values follow from seed and time."""

    def __init__(self, nominal_v: float, phases: int, seed: int, nominal_hz: float = 50.0) -> None:
        rng = random.Random(f"mains {seed}")
        self.nominal_v = nominal_v
        self.nominal_hz = nominal_hz
        self.forced_v: float | None = None  # over- or undervoltage by command
        self._phase_angles = [rng.uniform(0, 2 * math.pi) for _ in range(phases)]
        self._frequency_angle = rng.uniform(0, 2 * math.pi)

    def voltage_v(self, phase: int, at_s: float, current_a: float) -> float:
        """Volts on a phase (0, 1, 2) at world time `at_s` while `current_a` flows."""
        drift = math.sin(2 * math.pi * at_s / _DRIFT_PERIOD_S + self._phase_angles[phase])
        if self.forced_v is not None:
            return self.forced_v * (1 + 0.1 * _DRIFT * drift)
        return self.nominal_v * (1 + _DRIFT * drift) - _IMPEDANCE_OHM * current_a

    def frequency_hz(self, at_s: float) -> float:
        """Hertz at world time `at_s`."""
        angle = 2 * math.pi * at_s / _FREQUENCY_PERIOD_S + self._frequency_angle
        return self.nominal_hz + _FREQUENCY_SWING_HZ * math.sin(angle)
