"""The weekly rules of the peak hours: how they are written, and which moments they mean when the clock changes."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ocppclient.peak_hours import WEEK, is_rule, read, spans

LONDON = ZoneInfo("Europe/London")
UK = [read("Mon-Fri 08:00-11:00"), read("Mon-Fri 16:00-22:00")]


def utc(day: int, hour: int, minute: int = 0, month: int = 3) -> datetime:
    return datetime(2026, month, day, hour, minute, tzinfo=UTC)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "Mon",
        "Mon-Fri",
        "08:00-11:00",
        "mon-fri 08:00-11:00",
        "Mon-Fri 8:00-11:00",
        "Mon-Fri 08:00-08:00",
        "Mon 08:00-24:01",
        "Mon 24:00-08:00",
        "Mon 08:60-09:00",
        "Mon,Tue 08:00-09:00",
        "Mon 08:00-09:00 ",
    ],
)
def test_what_is_no_rule_is_refused(text):
    assert not is_rule(text)


def test_days_and_hours_may_wrap():
    assert read("Sat-Mon 22:00-06:00").days == {5, 6, 0}
    found = spans([read("Sat-Mon 22:00-06:00")], UTC, utc(2, 0), utc(4, 0))  # 2026-03-02 is a Monday
    assert found == [(utc(1, 22), utc(2, 6)), (utc(2, 22), utc(3, 6))]


def test_the_hours_of_the_uk_are_those_of_working_days_in_local_time():
    """Monday to Friday 08:00 to 11:00 and 16:00 to 22:00"""
    found = spans(UK, LONDON, utc(6, 0), utc(10, 0))  # a Friday to a Tuesday
    assert found == [
        (utc(6, 8), utc(6, 11)),
        (utc(6, 16), utc(6, 22)),
        (utc(9, 8), utc(9, 11)),
        (utc(9, 16), utc(9, 22)),
    ]


def test_summer_time_moves_the_hours_with_the_clock_on_the_wall():
    """British Summer Time began on 2026-03-29 and ends on 2026-10-25"""
    assert spans(UK, LONDON, utc(27, 0), utc(28, 0))[0] == (utc(27, 8), utc(27, 11))
    assert spans(UK, LONDON, utc(30, 0), utc(31, 0))[0] == (utc(30, 7), utc(30, 10))


def test_hours_over_the_change_of_the_clock_are_an_hour_shorter_or_longer():
    night = [read("Mon-Sun 23:00-05:00")]
    ((begin, end),) = spans(night, LONDON, utc(29, 0), utc(29, 12))
    assert (begin, end) == (utc(28, 23), utc(29, 4))
    ((begin, end),) = spans(night, LONDON, utc(25, 0, month=10), utc(25, 12, month=10))
    assert end - begin == timedelta(hours=7)


def test_hours_that_touch_or_overlap_are_one_wait():
    rules = [read("Mon 08:00-24:00"), read("Tue 00:00-06:00"), read("Mon 20:00-01:00")]
    assert spans(rules, UTC, utc(2, 12), utc(3, 12)) == [(utc(2, 8), utc(3, 6))]


@given(
    st.lists(
        st.tuples(st.integers(0, 6), st.integers(0, 1439), st.integers(1, 1440)).filter(
            lambda rule: rule[1] != rule[2]
        ),
        max_size=5,
    ),
    st.integers(0, 10080),
)
def test_a_minute_is_peak_when_a_rule_says_so(rules, minute):
    """Against the plain definition, in a zone whose clock never changes."""
    moment = utc(2, 0) + timedelta(minutes=minute)
    texts = [
        f"{('Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun')[day]} {begin // 60:02}:{begin % 60:02}-"
        f"{end // 60:02}:{end % 60:02}"
        for day, begin, end in rules
    ]
    expected = any(
        (day * 1440 + begin) <= at < (day * 1440 + end + (1440 if end <= begin else 0))
        for day, begin, end in rules
        for at in (minute, minute + 10080, minute - 10080)
    )
    found = spans(map(read, texts), UTC, moment, moment + WEEK)
    assert any(since <= moment < until for since, until in found) == expected
