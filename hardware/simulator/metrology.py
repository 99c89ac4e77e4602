"""The measuring half of an energy meter: its own gain error and noise, its register (hardware.md, section 10.3)."""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace

_GAIN_ERROR = 0.004  # class 1
_NOISE = 0.001
_START_CURRENT_A = 0.020
_UPDATE_PERIOD_S = 0.5  # of all values, the register included


@dataclass(frozen=True)
class PhaseValues:
    """Mean values of one phase."""

    volts: float = 0.0
    amps: float = 0.0
    power_factor: float = 1.0

    @property
    def watts(self) -> float:
        """Active power."""
        return self.volts * self.amps * self.power_factor

    @property
    def volt_amperes(self) -> float:
        """Apparent power."""
        return self.volts * self.amps

    @property
    def reactive_var(self) -> float:
        """Reactive power, inductive."""
        return self.volt_amperes * math.sqrt(1 - self.power_factor**2)


@dataclass(frozen=True)
class MeterValues:
    """What the meter shows. `import_wh` is a whole number of watt-hours."""

    phases: tuple[PhaseValues, ...]
    frequency_hz: float = 50.0
    import_wh: int = 0


class Metrology:
    """Integrates what really flows, whoever let it flow. Error and noise follow from the seed.

    Attributes:
        energy_wh: the register with its hidden fraction. Set it to reset or replace the meter.
        values: what the display and the registers show, renewed every 0.5 s of world time.
        frozen: nothing changes any more, energy is not counted.
    """

    def __init__(self, phases: int, seed: int, energy_wh: float) -> None:
        self._rng = random.Random(f"meter {seed}")
        self.gain = 1 + self._rng.uniform(-_GAIN_ERROR, _GAIN_ERROR)
        self.energy_wh = energy_wh
        self.frozen = False
        self.values = MeterValues(tuple(PhaseValues() for _ in range(phases)), import_wh=int(energy_wh))
        self._since_update_s = _UPDATE_PERIOD_S

    def step(self, dt: float, truth: Sequence[PhaseValues], frequency_hz: float) -> None:
        """Let `dt` world seconds pass with these true values."""
        if self.frozen:
            return
        counted = [phase for phase in truth if phase.amps >= _START_CURRENT_A]
        self.energy_wh += self.gain * sum(phase.watts for phase in counted) * dt / 3600
        self._since_update_s += dt
        if self._since_update_s >= _UPDATE_PERIOD_S:
            self._since_update_s = 0.0
            self.values = MeterValues(tuple(map(self._shown, truth)), frequency_hz, int(self.energy_wh))

    def set_register(self, energy_wh: float) -> None:
        """Put the register somewhere else, visible at once (a reset, a replaced meter)."""
        self.energy_wh = energy_wh
        self.values = replace(self.values, import_wh=int(energy_wh))

    def _shown(self, phase: PhaseValues) -> PhaseValues:
        noise = 1 + self._rng.gauss(0, _NOISE / 2)
        amps = phase.amps * self.gain * noise if phase.amps >= _START_CURRENT_A else 0.0
        return PhaseValues(phase.volts * (1 + self._rng.gauss(0, _NOISE / 4)), amps, phase.power_factor)
