"""What was measured, a row a minute, for the charts: collected by the worker, written in batches, bounded.

The rows of one batch are lost when the process dies before they are written: they are pictures for people, the meter's
register and the journal of the transaction are kept elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from statistics import fmean

from ocppclient.events import Reading

#: So many minutes are written at once: an SD card takes a write as a whole erase block, however small it is.
BATCH = 10
#: So many minutes are kept: a week for the longest chart, and a day beside it.
KEPT = 8 * 24 * 60
#: Seconds between two samples, and after which a meter's word is too old to be one.
SAMPLE_S, STALE_S = 1.0, 60.0


@dataclass(frozen=True)
class Measurement:
    """One minute, counted since 1970 UTC: means of what the meter said (None: it said nothing), and the limit.

    Attributes:
        current_ma: of the largest phase.
        limit_ma: what the station allowed per phase at the end of the minute; 0 is a pause.
    """

    minute: int
    power_w: int | None
    current_ma: int | None
    limit_ma: int


class History:
    """Belongs to the domain thread.

    Args:
        write: makes measurements durable; a minute that is there already is replaced.
    """

    def __init__(self, write: Callable[[Sequence[Measurement]], None]) -> None:
        self._write = write
        self._reading = Reading(ready=False)
        self._limit_ma = 0
        self._minute: int | None = None
        self._sampled_at = float("-inf")
        self._powers: list[float] = []
        self._currents: list[float] = []
        #: Finished minutes that are not written yet, oldest first.
        self.unwritten: list[Measurement] = []

    def take(self, reading: Reading) -> None:
        """The newest facts of the hardware."""
        self._reading = reading

    def limit(self, amps: float) -> None:
        """What the station allows from now on, ampere per phase."""
        self._limit_ma = round(amps * 1000)

    def update(self, now: float, now_utc: datetime) -> None:
        """Time has passed; `now` is monotonic seconds."""
        if 0 <= now - self._sampled_at < SAMPLE_S:
            return
        self._sampled_at = now
        minute = int(now_utc.timestamp()) // 60
        if self._minute is not None and minute != self._minute:
            self._finish(self._minute)
        self._minute = minute
        meter = self._reading.meter
        if meter is not None and now - meter.at < STALE_S:
            if meter.power_w is not None:
                self._powers.append(meter.power_w)
            if meter.current_a is not None:
                self._currents.append(meter.current_a)

    def close(self) -> None:
        """The process ends: write what is finished."""
        if self.unwritten:
            rows, self.unwritten = self.unwritten, []
            self._write(rows)

    def _finish(self, minute: int) -> None:
        power_w = round(fmean(self._powers)) if self._powers else None
        current_ma = round(fmean(self._currents) * 1000) if self._currents else None
        self.unwritten.append(Measurement(minute, power_w, current_ma, self._limit_ma))
        self._powers.clear()
        self._currents.clear()
        if len(self.unwritten) >= BATCH:
            self.close()
