"""What the installed charging profiles say about the coming hours: curves for a chart, lines for people. Pure."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import groupby, pairwise
from statistics import fmean
from typing import Any

from ocppclient.charging_profile import Profile, Supply, Unit
from ocppclient.composite_schedule import PEAK_HOURS, Stack
from ocppclient.sentence import Sentence
from ocppclient.settings import Electrical
from station.history import Measurement

#: A curve has at most that many steps of each kind a bucket can show; a phone draws some hundred thousand points badly.
BUCKETS = 360
#: So many steps are listed one by one; more of them become one line each half hour.
LISTED = 48
LINE_S = 1800
#: A line says who limits after looking at about so many of its moments.
_REASONS = 12
#: A day of composite schedule has no more steps than seconds.
_MOST_STEPS = 100_000

PURPOSES = {
    "ChargePointMaxProfile": Sentence("limits the whole station, always"),
    "TxDefaultProfile": Sentence("for every session without a profile of its own"),
    "TxProfile": Sentence("for the running session alone"),
}


_DAYS = (
    Sentence("Monday"),
    Sentence("Tuesday"),
    Sentence("Wednesday"),
    Sentence("Thursday"),
    Sentence("Friday"),
    Sentence("Saturday"),
    Sentence("Sunday"),
)


@dataclass(frozen=True)
class Curve:
    """A step function or a line: moments (seconds since 1970) and values (None: nothing) from each on."""

    kind: str
    name: Sentence
    x: list[int]
    y: list[float | None]


@dataclass(frozen=True)
class Line:
    """The limit from a moment until the next line of the table; `low` and `high` differ when it changes within."""

    from_s: int
    low: float
    high: float
    reason: Sentence


class Outlook:
    """What holds from one moment on.

    Args:
        transaction_uid, since_s: the running transaction and its start; "" and None without one.
        hardware_a: the largest current of the hardware, 0 while it is not known.
        peak_hours: as `composite_schedule.Stack` takes them; None: there are none.
    """

    def __init__(
        self,
        profiles: Iterable[Profile],
        transaction_uid: str,
        since_s: int | None,
        electrical: Electrical,
        hardware_a: float,
        now_s: int,
        peak_hours: Profile | None = None,
    ) -> None:
        self.now_s = now_s
        self._supply = Supply(electrical.nominal_voltage_v, electrical.phases)
        self._stack = Stack(profiles, 1, transaction_uid, since_s, self._supply, peak_hours)
        self.profiles = self._stack.in_order
        self.local_a = min(electrical.max_current_a, hardware_a) if hardware_a > 0 else electrical.max_current_a

    # -- now

    def sentence(self) -> Sentence:
        """The limit of this moment as far as profiles and fixed limits say it."""
        present = self._stack.prevailing(self.now_s)
        if present is None or present[0] / 10 >= self.local_a:
            return Sentence("{limit_a:.1f} A, what installer and hardware allow", limit_a=self.local_a)
        limit_a, profile_id, until = present[0] / 10, present[1].profile_id, self._stack.holds_until(self.now_s)
        if profile_id == PEAK_HOURS:
            return Sentence("0.0 A in the peak hours until {until}", until=_words(until or self.now_s, self.now_s))
        if not until:
            return Sentence("{limit_a:.1f} A by operator profile {profile_id}", limit_a=limit_a, profile_id=profile_id)
        return Sentence(
            "{limit_a:.1f} A by operator profile {profile_id} until {until}",
            limit_a=limit_a,
            profile_id=profile_id,
            until=_words(until, self.now_s),
        )

    def state(self, profile: Profile) -> tuple[str, Sentence]:
        """Whether a profile counts at this moment: a kind of state for its colour, and words."""
        now_s = self.now_s
        if profile.valid_to_s is not None and profile.valid_to_s <= now_s:
            return "unavailable", Sentence("over")
        if profile.valid_from_s is not None and profile.valid_from_s > now_s:
            return "waiting", Sentence("valid from {moment}", moment=_words(profile.valid_from_s, now_s))
        if not self._stack.runs_now(profile, now_s):
            return "waiting", Sentence("says nothing at this time")
        present = self._stack.prevailing(now_s)
        assert present is not None
        if present[1].profile_id == PEAK_HOURS:
            return "unavailable", Sentence("the peak hours count instead")
        if present[1] is not profile:
            return "unavailable", Sentence("profile {profile_id} counts instead", profile_id=present[1].profile_id)
        until = self._stack.holds_until(now_s)
        is_least = present[0] / 10 < self.local_a
        rules = Sentence("rules now") if is_least else Sentence("allows more than the station does")
        if until:
            rules = Sentence("{state}, until {until}", state=rules, until=_words(until, now_s))
        return "available", rules

    # -- the coming hours

    def allowed(self, span_s: int, unit: Unit) -> Curve:
        """The composite schedule."""
        schedule = self._stack.composite(self.now_s, span_s, unit, self.local_a, _MOST_STEPS)
        starts = [self.now_s + start for start in schedule.starts]
        return _curve("allowed", Sentence("Allowed"), starts, schedule.limits, self.now_s + span_s)

    def said_by(self, profile: Profile, span_s: int, unit: Unit) -> Curve:
        """One profile by itself."""
        starts, values = self._stack.alone(profile, self.now_s, self.now_s + span_s, unit)
        return _curve(
            "profile",
            Sentence("Profile {profile_id}", profile_id=profile.profile_id),
            starts,
            values,
            self.now_s + span_s,
        )

    def lines(self, span_s: int) -> list[Line]:
        """The composite schedule in ampere as a table: every step, or the range of every half hour."""
        schedule = self._stack.composite(self.now_s, span_s, "A", self.local_a, _MOST_STEPS)
        starts, limits = schedule.starts, schedule.limits
        if len(starts) <= LISTED:
            bounds = [*starts, span_s]
        else:
            first_s = LINE_S - self.now_s % LINE_S
            bounds = [0, *range(first_s, span_s, LINE_S), span_s]
        lines = []
        for begin, end in pairwise(bounds):
            first, last = bisect_left(starts, begin + 1) - 1, bisect_left(starts, end)
            within = limits[first:last]
            sample = range(first + 1, last, max((last - first) // _REASONS, 1))
            reasons = {self._reason(self.now_s + at) for at in (begin, *(starts[index] for index in sample), end - 1)}
            reason = reasons.pop() if len(reasons) == 1 else Sentence("several")
            lines.append(Line(self.now_s + begin, min(within) / 10, max(within) / 10, reason))
        return lines

    def _reason(self, at_s: int) -> Sentence:
        present = self._stack.prevailing(at_s)
        if present is None or present[0] > int(self.local_a * 10):
            return Sentence("installer and hardware")
        if present[1].profile_id == PEAK_HOURS:
            return Sentence("peak hours")
        return Sentence("profile {profile_id}", profile_id=present[1].profile_id)


def measured(rows: Sequence[Measurement], unit: Unit) -> Curve:
    """What was drawn; a gap of the record is a gap."""
    x: list[int] = []
    y: list[float | None] = []
    for row in rows:
        if x and row.minute * 60 + 30 - x[-1] > 90:
            x.append(x[-1] + 1)
            y.append(None)
        value = row.current_ma if unit == "A" else row.power_w
        x.append(row.minute * 60 + 30)
        y.append(None if value is None else value / 1000 if unit == "A" else float(value))
    return Curve("measured", Sentence("Measured"), x, y)


def averaged(rows: Sequence[Measurement], minutes: int) -> Curve:
    """Power in means of so many minutes, each at its middle; minutes without a word of the meter do not count."""
    x: list[int] = []
    y: list[float | None] = []
    for number, some in groupby(rows, key=lambda row: row.minute // minutes):
        if x and number * minutes * 60 + minutes * 30 - x[-1] > 90 * minutes:
            x.append(x[-1] + 1)
            y.append(None)
        known = [row.power_w for row in some if row.power_w is not None]
        x.append(number * minutes * 60 + minutes * 30)
        y.append(round(fmean(known)) if known else None)
    return Curve("measured", Sentence("Measured"), x, y)


def limited(rows: Sequence[Measurement], unit: Unit, electrical: Electrical, now_s: int) -> Curve:
    """What was allowed before now."""
    supply = Supply(electrical.nominal_voltage_v, electrical.phases)
    x: list[int] = []
    y: list[int | None] = []
    for row in rows:
        if x and row.minute * 60 - x[-1] > 90:
            x.append(x[-1] + 60)
            y.append(None)
        x.append(row.minute * 60)
        y.append(supply.convert(row.limit_ma // 100, "A", unit, supply.phases))
    if x and now_s - x[-1] > 90:
        x.append(x[-1] + 60)
        y.append(None)
    return _curve("limit", Sentence("Allowed before"), x, y, now_s)


def described(profile: Profile) -> Sentence:
    """Kind, start and validity in words."""
    told = _when(profile)
    if profile.duration_s is not None:
        told = Sentence("{when}, for {duration}", when=told, duration=_duration(profile.duration_s))
    match profile.valid_from_s, profile.valid_to_s:
        case int(since), int(until) if since and until:
            return Sentence(
                "{when}; valid from {since} to {until}", when=told, since=_moment(since), until=_moment(until)
            )
        case int(since), _ if since:
            return Sentence("{when}; valid from {since}", when=told, since=_moment(since))
        case _, int(until) if until:
            return Sentence("{when}; valid to {until}", when=told, until=_moment(until))
    return told


def _when(profile: Profile) -> Sentence:
    if profile.start_s is None:
        return Sentence("once from the start of charging")
    if profile.kind != "Recurring":
        return Sentence("once from {moment}", moment=_moment(profile.start_s))
    at = datetime.fromtimestamp(profile.start_s, UTC)
    if profile.recurrency_kind == "Daily":
        return Sentence("every day from {time} UTC", time=f"{at:%H:%M}")
    return Sentence("every {day} {time} UTC", day=_DAYS[at.weekday()], time=f"{at:%H:%M}")


def thinned(x: Sequence[int], y: Sequence[Any], end_s: int) -> tuple[list[int], list[Any]]:
    """The same steps if they are few; else of each bucket the lowest, the highest, the last one and where it is silent.

    Nothing that a curve of that width can show is hidden: no peak, no dip, no gap.
    """
    if len(x) <= 2 * BUCKETS:
        return list(x), list(y)
    kept: set[int] = {0}
    width = max((end_s - x[0]) / BUCKETS, 1)
    first = 0
    for bucket in range(1, BUCKETS + 1):
        last = bisect_left(x, x[0] + bucket * width, first) if bucket < BUCKETS else len(x)
        if first < last:
            within = y[first:last]
            spoken = [value for value in within if value is not None]
            if spoken:
                kept |= {first + within.index(min(spoken)), first + within.index(max(spoken))}
            if len(spoken) < len(within):
                kept.add(first + within.index(None))
            kept.add(last - 1)
        first = last
    chosen = sorted(kept)
    return [x[index] for index in chosen], [y[index] for index in chosen]


def _curve(kind: str, name: Sentence, x: Sequence[int], tenths: Sequence[int | None], end_s: int) -> Curve:
    """Steps, thinned, with a last point that draws the last step up to its end."""
    if not x:
        return Curve(kind, name, [], [])
    moments, values = thinned(x, tenths, end_s)
    if moments[-1] < end_s:
        moments.append(end_s)
        values.append(values[-1])
    return Curve(kind, name, moments, [None if value is None else value / 10 for value in values])


def _moment(at_s: int) -> str:
    try:
        return f"{datetime.fromtimestamp(at_s, UTC):%Y-%m-%d %H:%M} UTC"
    except (ValueError, OverflowError, OSError):
        return Sentence("the end of time")


def _words(at_s: int, now_s: int) -> str:
    """Without the date when it is today."""
    same_day = at_s // 86_400 == now_s // 86_400
    return f"{datetime.fromtimestamp(at_s, UTC):%H:%M} UTC" if same_day else _moment(at_s)


def _duration(seconds: int) -> Sentence:
    hours, minutes = divmod(seconds // 60, 60)
    if hours >= 48:
        return Sentence("{days} days", days=hours // 24)
    if hours:
        return Sentence("{hours} h {minutes:02} min", hours=hours, minutes=minutes)
    return Sentence("{minutes} min", minutes=minutes) if minutes else Sentence("{seconds} s", seconds=seconds)
