"""Curves and lines of the coming hours: what people see is what the composite schedule says."""

from __future__ import annotations

from array import array
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import tests.appliance  # noqa: F401
from ocppclient.charging_profile import Periods, Profile
from ocppclient.composite_schedule import profile_of_peak_hours
from ocppclient.settings import Electrical
from station.history import Measurement
from station.outlook import BUCKETS, LISTED, Outlook, described, limited, measured, thinned

X = 1_772_366_400  # 2026-03-01T12:00:00Z
HOUSE = Electrical(max_current_a=32.0)


def profile(profile_id: int, *pairs: tuple[int, float], **more: Any) -> Profile:
    fields: dict[str, Any] = {
        "profile_id": profile_id, "connector_id": 1, "stack_level": 0, "purpose": "TxDefaultProfile",
        "kind": "Absolute", "unit": "A", "start_s": X,
        "periods": Periods(array("I", [at for at, _ in pairs]), array("I", [round(limit * 10) for _, limit in pairs])),
    }  # fmt: skip
    return Profile(**{**fields, **more})


def outlook(*profiles: Profile, hardware_a: float = 0.0, since_s: int | None = None, now_s: int = X) -> Outlook:
    return Outlook(profiles, "tx" if since_s else "", since_s, HOUSE, hardware_a, now_s)


MOST = profile(1, (0, 10), (7200, 20), purpose="ChargePointMaxProfile", connector_id=0)
DEFAULT = profile(7, (0, 6), (3600, 16), duration_s=10_800)


def test_the_curves_are_the_composite_schedule_and_each_profile_up_to_the_end() -> None:
    picture = outlook(MOST, DEFAULT)
    allowed = picture.allowed(14_400, "A")
    assert list(zip(allowed.x, allowed.y, strict=True)) == [
        (X, 6), (X + 3600, 10), (X + 7200, 16), (X + 10_800, 20), (X + 14_400, 20),
    ]  # fmt: skip
    own = picture.said_by(DEFAULT, 14_400, "A")
    assert list(zip(own.x, own.y, strict=True)) == [(X, 6), (X + 3600, 16), (X + 10_800, None), (X + 14_400, None)]
    assert picture.said_by(MOST, 3600, "W").y == [2300, 2300]
    assert picture.profiles == [MOST, DEFAULT]


def test_hardware_and_installer_limit_the_curve_too() -> None:
    assert outlook(hardware_a=24.0).allowed(60, "A").y == [24, 24]
    assert outlook(hardware_a=80.0).allowed(60, "A").y == [32, 32]
    assert outlook().sentence() == "32.0 A, what installer and hardware allow"


def test_the_sentence_and_the_states_say_which_profile_rules_and_until_when() -> None:
    later = profile(8, (0, 9), stack_level=2, valid_from_s=X + 86_400)
    gone = profile(9, (0, 9), stack_level=3, valid_to_s=X)
    higher = profile(11, (0, 12), stack_level=1, start_s=X + 60)
    picture = outlook(MOST, DEFAULT, later, gone, higher)
    assert picture.sentence() == "6.0 A by operator profile 7 until 12:01 UTC"
    assert {one.profile_id: picture.state(one) for one in picture.profiles} == {
        1: ("unavailable", "profile 7 counts instead"),
        7: ("available", "rules now, until 12:01 UTC"),
        8: ("waiting", "valid from 2026-03-02 12:00 UTC"),
        9: ("unavailable", "over"),
        11: ("waiting", "says nothing at this time"),
    }
    ample = profile(12, (0, 40))
    assert outlook(ample).state(ample) == ("available", "allows more than the station does")
    assert outlook(ample).sentence() == "32.0 A, what installer and hardware allow"


def test_the_table_lists_every_step_with_its_reason() -> None:
    lines = outlook(DEFAULT).lines(14_400)
    assert [(line.from_s - X, line.low, line.high, line.reason) for line in lines] == [
        (0, 6, 6, "profile 7"),
        (3600, 16, 16, "profile 7"),
        (10_800, 32, 32, "installer and hardware"),
    ]


def test_a_table_of_many_steps_gives_the_range_of_each_half_hour() -> None:
    seconds = profile(7, *((second, 6 + second % 10) for second in range(5400)), start_s=X + 600, duration_s=5400)
    lines = outlook(seconds, now_s=X + 600).lines(7200)
    assert [(line.from_s - X, line.low, line.high, line.reason) for line in lines] == [
        (600, 6, 15, "profile 7"),
        (1800, 6, 15, "profile 7"),
        (3600, 6, 15, "profile 7"),
        (5400, 6, 32, "several"),
        (7200, 32, 32, "installer and hardware"),
    ]
    assert len(outlook(seconds).lines(86_400)) <= LISTED + 2


def test_a_day_of_seconds_becomes_a_curve_that_a_phone_can_draw() -> None:
    """ORS-15: 86,400 periods, with one peak and one dip that must not get lost."""
    pairs = [(second, 10.0 + second % 2) for second in range(86_400)]
    pairs[43_210], pairs[50_001] = (43_210, 31.0), (50_001, 0.0)
    curve = outlook(profile(7, *pairs)).allowed(86_400, "A")
    assert len(curve.x) <= 4 * BUCKETS + 2
    assert curve.y[curve.x.index(X + 43_210)] == 31
    assert curve.y[curve.x.index(X + 50_001)] == 0


steps = st.lists(st.tuples(st.integers(1, 50), st.none() | st.integers(0, 400)), min_size=1, max_size=3000)


@settings(max_examples=60, deadline=None)
@given(steps)
def test_thinning_keeps_extremes_gaps_and_the_value_at_every_border(made: list[tuple[int, int | None]]) -> None:
    x, y, at = [], [], 0
    for gap, value in made:
        x.append(at)
        y.append(value)
        at += gap
    thin_x, thin_y = thinned(x, y, at)
    assert thin_x == sorted(set(thin_x))
    known = dict(zip(x, y, strict=True))
    assert all(known[moment] == value for moment, value in zip(thin_x, thin_y, strict=True))
    assert (thin_x[0], thin_x[-1], thin_y[-1]) == (x[0], x[-1], y[-1])
    assert len(thin_x) <= 4 * BUCKETS + 1
    spoken = [value for value in y if value is not None]
    thin_spoken = [value for value in thin_y if value is not None]
    assert (None in y) == (None in thin_y)
    if spoken:
        assert (min(spoken), max(spoken)) == (min(thin_spoken), max(thin_spoken))


def test_what_was_measured_has_gaps_where_nothing_was_recorded() -> None:
    minute = X // 60
    rows = [
        Measurement(minute, 3680, 16_000, 16_000),
        Measurement(minute + 1, None, None, 16_000),
        Measurement(minute + 5, 1840, 8000, 10_000),
    ]
    amps = measured(rows, "A")
    assert list(zip(amps.x, amps.y, strict=True)) == [(X + 30, 16), (X + 90, None), (X + 91, None), (X + 330, 8)]
    assert measured(rows, "W").y == [3680, None, None, 1840]
    before = limited(rows, "A", HOUSE, X + 360)
    assert list(zip(before.x, before.y, strict=True)) == [
        (X, 16), (X + 60, 16), (X + 120, None), (X + 300, 10), (X + 360, 10),
    ]  # fmt: skip
    assert limited(rows, "W", HOUSE, X + 360).y == [3680, 3680, None, 2300, 2300]
    assert limited(rows, "A", HOUSE, X + 3600).y == [16, 16, None, 10, None, None]
    assert limited([], "A", HOUSE, X).x == []


@pytest.mark.parametrize(
    ("more", "words"),
    [
        ({}, "once from 2026-03-01 12:00 UTC"),
        ({"start_s": None, "kind": "Relative", "duration_s": 5400}, "once from the start of charging, for 1 h 30 min"),
        ({"kind": "Recurring", "recurrency_kind": "Daily", "duration_s": 1800}, "every day from 12:00 UTC, for 30 min"),
        ({"kind": "Recurring", "recurrency_kind": "Weekly"}, "every Sunday 12:00 UTC"),
        ({"valid_from_s": X, "valid_to_s": X + 86_400},
         "once from 2026-03-01 12:00 UTC; valid from 2026-03-01 12:00 UTC to 2026-03-02 12:00 UTC"),
        ({"duration_s": 200_000}, "once from 2026-03-01 12:00 UTC, for 2 days"),
        ({"duration_s": 45}, "once from 2026-03-01 12:00 UTC, for 45 s"),
        ({"valid_to_s": 2**60}, "once from 2026-03-01 12:00 UTC; valid to the end of time"),
    ],
)  # fmt: skip
def test_when_a_profile_holds_in_words(more: dict[str, Any], words: str) -> None:
    assert described(profile(1, (0, 6), **more)) == words


def test_the_peak_hours_lie_over_every_profile_and_are_called_by_their_name() -> None:
    begin, end = (datetime.fromtimestamp(X + at, UTC) for at in (3600, 7200))
    picture = Outlook([MOST], "", None, HOUSE, 0.0, X, profile_of_peak_hours([(begin, end)]))
    assert picture.profiles == [MOST]
    allowed = picture.allowed(14_400, "A")
    assert list(zip(allowed.x, allowed.y, strict=True)) == [
        (X, 10), (X + 3600, 0), (X + 7200, 20), (X + 14_400, 20),
    ]  # fmt: skip
    assert [(line.from_s - X, line.high, line.reason) for line in picture.lines(14_400)] == [
        (0, 10.0, "profile 1"), (3600, 0.0, "peak hours"), (7200, 20.0, "profile 1"),
    ]  # fmt: skip
    within = Outlook([MOST], "", None, HOUSE, 0.0, X + 4000, profile_of_peak_hours([(begin, end)]))
    assert within.sentence() == "0.0 A in the peak hours until 14:00 UTC"
    assert within.state(MOST)[1] == "the peak hours count instead"
