"""Means over an interval, weighted by time (OCPP 1.6 section 9.1.5; conformance MTR-05)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from datetime import datetime


class Averages:
    """Of values that are levels: each one counts until the next is taken.

    Attributes:
        began: UTC of the start of the interval.
    """

    def __init__(self) -> None:
        self.began: datetime | None = None
        self._taken_at = 0.0
        self._values: Mapping[str, float | None] = {}
        self._sums: dict[str, float] = {}
        self._seconds: dict[str, float] = {}

    def restart(self, now: float, began: datetime) -> None:
        """A new interval; what was taken last counts on in it. `now` is monotonic seconds."""
        self.began, self._taken_at = began, now
        self._sums, self._seconds = {}, {}

    def take(self, now: float, values: Mapping[str, float | None]) -> None:
        """The values from now on; what is None or no number does not count."""
        self._count(now)
        self._values = values

    def means(self, now: float) -> dict[str, float | None]:
        """The means from the start of the interval until now; a value that never counted is missing."""
        self._count(now)
        return {name: total / self._seconds[name] for name, total in self._sums.items()}

    def _count(self, now: float) -> None:
        seconds, self._taken_at = now - self._taken_at, now
        if self.began is None or seconds <= 0:
            return
        for name, value in self._values.items():
            if value is not None and math.isfinite(value):
                self._sums[name] = self._sums.get(name, 0.0) + value * seconds
                self._seconds[name] = self._seconds.get(name, 0.0) + seconds
