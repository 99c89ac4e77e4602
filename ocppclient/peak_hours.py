"""Weekly peak hours by the local clock (UK SI 2021/1467, regulation 10): pure arithmetic, daylight saving included."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_RULE = re.compile(rf"({'|'.join(DAYS)})(?:-({'|'.join(DAYS)}))? ([01]\d|2[0-3]):([0-5]\d)-([01]\d|2[0-4]):([0-5]\d)")
_DAY = timedelta(days=1)
#: A week holds every rule once.
WEEK = timedelta(days=7)
_MIDNIGHT = 24 * 60


@dataclass(frozen=True)
class Rule:
    """Peak hours on some days of the week; after midnight they are still those of the day on which they began.

    Attributes:
        days: 0 for Monday … 6 for Sunday.
        begin_min, end_min: minutes since midnight; an end that is not after the begin lies on the next day.
    """

    days: frozenset[int]
    begin_min: int
    end_min: int


def read(text: str) -> Rule:
    """`Mon-Fri 08:00-11:00`; the days may wrap (`Sat-Mon`), as may the hours (`22:00-06:00`); 24:00 is an end.

    Raises:
        ValueError: it is something else, or the hours are empty.
    """
    found = _RULE.fullmatch(text)
    if found is None:
        raise ValueError(text)
    first = DAYS.index(found[1])
    last = DAYS.index(found[2] or found[1])
    begin_min = int(found[3]) * 60 + int(found[4])
    end_min = int(found[5]) * 60 + int(found[6])
    if begin_min == end_min or end_min > _MIDNIGHT:
        raise ValueError(text)
    days = range(first, last + 1 if last >= first else last + 8)
    return Rule(frozenset(day % 7 for day in days), begin_min, end_min)


def is_rule(text: str) -> bool:
    """`read` takes it."""
    try:
        read(text)
    except ValueError:
        return False
    return True


def spans(rules: Iterable[Rule], zone: tzinfo, begin: datetime, end: datetime) -> list[tuple[datetime, datetime]]:
    """The peak hours that touch a stretch of time, UTC, ascending; what overlaps or touches is one.

    A time of day that a change of the clock skips is as long after midnight as ever; of one that comes twice the first
    counts.
    """
    rules = list(rules)
    found = []
    day, last = begin.astimezone(zone).date() - _DAY, end.astimezone(zone).date()
    while day <= last:
        for rule in rules:
            if day.weekday() in rule.days:
                next_day = rule.end_min <= rule.begin_min
                found.append((_at(day, rule.begin_min, zone), _at(day + next_day * _DAY, rule.end_min, zone)))
        day += _DAY
    merged: list[tuple[datetime, datetime]] = []
    for since, until in sorted(found):
        if merged and since <= merged[-1][1]:
            merged[-1] = (merged[-1][0], max(merged[-1][1], until))
        elif since < until:
            merged.append((since, until))
    return [(since, until) for since, until in merged if until > begin and since < end]


def _at(day: date, minutes: int, zone: tzinfo) -> datetime:
    day, minutes = (day + _DAY, 0) if minutes == _MIDNIGHT else (day, minutes)
    return datetime.combine(day, time(minutes // 60, minutes % 60), zone).astimezone(UTC)
