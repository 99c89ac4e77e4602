"""The one clock: UTC = monotonic + offset. Deadlines use monotonic seconds; wall time is only data (conformance CLK).

The offset starts from the operating system's clock when that is plausible, else from the last good time that was
stored; timekeeping.py decides who may correct it.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from ocppclient.sentence import Sentence

#: No valid time lies before this software existed; a clock that shows less has lost its time.
FLOOR = datetime(2024, 1, 1, tzinfo=UTC)
#: Nor after this: protects from a source with a broken clock.
CEILING = datetime(2100, 1, 1, tzinfo=UTC)


class Clock:
    """Monotonic seconds and UTC.

    Args:
        monotonic: source of monotonic seconds; tests pass a fake.
        system_utc: source of the operating system's UTC; asked once, at construction.
        floor: the last good time that was stored; UTC never starts before it.
        built: when the running release was made; no time before it is ever believed.

    Its attributes and `utc` may be read from any thread; only the domain thread changes them.
    """

    def __init__(
        self,
        monotonic: Callable[[], float] = time.monotonic,
        system_utc: Callable[[], datetime] = lambda: datetime.now(UTC),
        floor: datetime | None = None,
        built: datetime = FLOOR,
    ) -> None:
        self.monotonic = monotonic
        start = system_utc()
        #: No source is believed that tells an earlier time.
        self.lowest = max(built, FLOOR)
        lowest = max(floor or self.lowest, self.lowest)
        #: False while the time is only a guess (no plausible system clock, and nobody has told the time yet).
        self.synchronised = self.lowest <= start < CEILING and start >= lowest - timedelta(days=1)
        #: False until somebody told the time: a plausible system clock may still be hours behind (a board without
        #: a battery clock starts where it was switched off), so what is dated before is corrected then.
        self.confirmed = False
        #: What was dated before the confirmation is off by that many seconds; 0.0: not worth a correction.
        self.correction_s = 0.0
        self._offset = (start if self.synchronised else lowest) - timedelta(seconds=monotonic())

    def utc(self) -> datetime:
        """UTC now, with microseconds."""
        return self._offset + timedelta(seconds=self.monotonic())

    def utc_at(self, monotonic_s: float) -> datetime:
        """UTC of a moment on the monotonic clock."""
        return self._offset + timedelta(seconds=monotonic_s)

    def check(self, utc: datetime) -> None:
        """Could this be the present time?

        Raises:
            ValueError: it lies outside `lowest` … CEILING (naive datetimes are refused as well).
        """
        if utc.tzinfo is None:
            raise ValueError("a naive datetime has no place on a clock; give it a zone")
        if not self.lowest <= utc < CEILING:
            span = f"{self.lowest:%Y-%m-%d}…{CEILING:%Y}"
            raise ValueError(
                Sentence(
                    "{moment} is outside {span}: the clock that tells it looks wrong", moment=utc.isoformat(), span=span
                )
            )

    def set_utc(self, utc: datetime) -> float:
        """Make `utc` the present time; returns how far the clock moved, seconds.

        Raises:
            ValueError: see `check`.
        """
        self.check(utc)
        delta_s = (utc - self.utc()).total_seconds()
        self._offset += timedelta(seconds=delta_s)
        self.confirm()
        return delta_s

    def confirm(self) -> None:
        """Whoever tells the time agrees with this clock."""
        self.synchronised = self.confirmed = True


def format_utc(moment: datetime) -> str:
    """YYYY-MM-DDThh:mm:ss.mmmZ, the only spelling this station sends (field problem 20)."""
    moment = moment.astimezone(UTC)
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"


def spoken_utc(moment: datetime, now: datetime) -> str:
    """A moment for people: the time of day, with the date when that is not today's."""
    far = moment.date() != now.date()
    return f"{moment:%Y-%m-%d %H:%M} UTC" if far else f"{moment:%H:%M} UTC"


def parse_utc(text: str) -> datetime:
    """Parse any ISO 8601 date-time: fractions of any length, any offset (also `+02`), any case; no zone means UTC.

    Raises:
        ValueError: not a date-time, or one that UTC cannot express.
    """
    if not isinstance(text, str) or len(text) > 64:
        raise ValueError(Sentence("not an ISO 8601 date-time"))
    moment = datetime.fromisoformat(text.strip().upper().replace(",", "."))
    try:
        return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment.astimezone(UTC)
    except OverflowError:  # "9999-12-31T23:59:59-05:00", how some backends spell "never"
        raise ValueError(Sentence("a date-time outside the years 1…9999")) from None
