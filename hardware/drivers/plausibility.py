"""Which readings of an energy meter can be true? Raw values -> samples (hardware.md, section 4.1)."""

from __future__ import annotations

import logging
import math
from dataclasses import dataclass

from hardware.interfaces import MeterSample
from hardware.sentence import Sentence

logger = logging.getLogger(__name__)

CONSISTENT_READINGS = 3  # a value that was rejected is believed after so many readings that agree
_MAX_PHASE_V = 300.0
#: A register that stands still although so much energy flowed by the meter's own power is frozen.
_FROZEN_AFTER_WH = 50.0
_POWER_HOLDS_S = 10.0  # between two readings; over a longer silence nobody knows


@dataclass(frozen=True)
class Raw:
    """What the meter said, a value a phase."""

    volts: tuple[float, ...]
    amps: tuple[float, ...]
    watts: tuple[float, ...]
    hertz: float
    import_kwh: float


class Plausibility:
    """Raw readings -> samples with a register that never decreases; None (and `reason`) for what cannot be true.

    Three doubted readings in a row that are consistent with each other are believed: the world was right.
    `step_wh` is the smallest step of the register.
    """

    def __init__(
        self,
        max_current_a: float,
        nominal_voltage_v: float,
        *,
        phases: int,
        energy_rate_factor: float = 1.0,
        step_wh: float = 1.0,
    ) -> None:
        self._step_wh = step_wh
        self._max_a = 1.5 * max_current_a
        # 1.2 * Vmax * Imax, in Wh per second
        self._max_wh_per_s = 1.2 * 1.1 * nominal_voltage_v * self._max_a * phases / 3600 * energy_rate_factor
        self._last: tuple[float, int] | None = None  # monotonic seconds, Wh
        self._doubted: list[tuple[float, Raw]] = []
        self._segment = 0
        self._stands_at_wh = math.nan  # the register when it moved last …
        self._unregistered_wh = 0.0  # … what flowed since by the power …
        self._power_read_at = 0.0  # … until then
        self.reason = ""

    def judge(self, now: float, raw: Raw) -> MeterSample | None:
        """The sample of a reading that was complete at `now`, or None."""
        self.reason = self._impossible(raw)
        if not self.reason and self._is_frozen(now, raw):
            self.reason = Sentence("the energy register stands still while {watts:.0f} W flow", watts=sum(raw.watts))
        if self.reason:
            self._doubted.clear()
            return None
        self.reason = self._doubtful(now, raw)
        if not self.reason:
            self._doubted.clear()
        elif not self._is_confirmed(now, raw):
            return None
        wh = round(raw.import_kwh * 1000)
        if self._last is not None and self._follows(self._last, (now, raw.import_kwh * 1000)):
            wh = max(wh, self._last[1])  # a drop within the resolution of the float is none
        elif self._last is not None:
            self._segment += 1
        self._last = (now, wh)
        return MeterSample(
            at=now,
            energy_wh=wh,
            power_w=sum(raw.watts),
            current_a=max(raw.amps),
            voltage_v=_mean([volts for volts in raw.volts if volts > 50.0] or list(raw.volts)),
            frequency_hz=raw.hertz if 40.0 <= raw.hertz <= 70.0 else None,
            segment=self._segment,
        )

    def _impossible(self, raw: Raw) -> str:
        numbers = (*raw.volts, *raw.amps, *raw.watts, raw.hertz, raw.import_kwh)
        if not all(math.isfinite(number) for number in numbers):
            return Sentence("not a number")
        if any(not 0.0 <= volts <= _MAX_PHASE_V for volts in raw.volts):
            return Sentence("voltage {volts:.0f} V", volts=max(raw.volts))
        return (
            Sentence("energy {energy_kwh:g} kWh", energy_kwh=raw.import_kwh) if not 0.0 <= raw.import_kwh < 1e7 else ""
        )

    def _is_frozen(self, now: float, raw: Raw) -> bool:
        """The power says that energy flows, the register does not."""
        wh = raw.import_kwh * 1000
        resolution_wh = self._step_wh + wh / 2**23
        if not abs(wh - self._stands_at_wh) <= resolution_wh:
            self._stands_at_wh, self._unregistered_wh = wh, 0.0
        else:
            seconds = min(now - self._power_read_at, _POWER_HOLDS_S)
            self._unregistered_wh += max(sum(raw.watts), 0.0) * seconds / 3600
        self._power_read_at = now
        return self._unregistered_wh > _FROZEN_AFTER_WH + 10 * resolution_wh

    def _doubtful(self, now: float, raw: Raw) -> str:
        if max(raw.amps) > self._max_a:
            return Sentence("current {amps:.0f} A", amps=max(raw.amps))
        if self._last is not None and not self._follows(self._last, (now, raw.import_kwh * 1000)):
            return Sentence(
                "energy jumps from {before_kwh:g} to {energy_kwh:g} kWh",
                before_kwh=self._last[1] / 1000,
                energy_kwh=raw.import_kwh,
            )
        return ""

    def _follows(self, before: tuple[float, float], after: tuple[float, float]) -> bool:
        rise_wh = after[1] - before[1]
        resolution_wh = self._step_wh + after[1] / 2**23  # rounding, and one step of a float32
        return -resolution_wh <= rise_wh <= self._max_wh_per_s * (after[0] - before[0]) + 2 + resolution_wh

    def _is_confirmed(self, now: float, raw: Raw) -> bool:
        if self._doubted:
            before_at, before = self._doubted[-1]
            if not self._follows((before_at, before.import_kwh * 1000), (now, raw.import_kwh * 1000)):
                self._doubted.clear()
        self._doubted.append((now, raw))
        if len(self._doubted) < CONSISTENT_READINGS:
            return False
        logger.warning("believed after %d readings: %s", CONSISTENT_READINGS, self.reason)
        self._doubted.clear()
        return True


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
