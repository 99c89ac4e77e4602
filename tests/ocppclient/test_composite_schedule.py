"""Profiles + time → limit: numeric vectors, and a slow, obvious oracle that evaluates second by second."""

from __future__ import annotations

from array import array
from dataclasses import replace
from itertools import pairwise
from math import floor
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocppclient.charging_profile import RECURRENCE_S, Periods, Profile, Supply, to_tenths
from ocppclient.composite_schedule import Composite, Stack

X = 1_772_366_400  # 2026-03-01T12:00:00Z
MOST = 86_400
ONE_PHASE = Supply(230.0, 1)


def periods(*pairs: tuple[int, float], phases: tuple[int, ...] = ()) -> Periods:
    return Periods(
        array("I", [start for start, _ in pairs]), array("I", [to_tenths(limit) for _, limit in pairs]), bytes(phases)
    )


def profile(purpose: str, *pairs: tuple[int, float], **more: Any) -> Profile:
    fields: dict[str, Any] = {
        "profile_id": 1,
        "connector_id": 0 if purpose == "ChargePointMaxProfile" else 1,
        "stack_level": 0,
        "purpose": purpose,
        "kind": "Absolute",
        "unit": "A",
        "periods": periods(*pairs, phases=more.pop("phases", ())),
        "start_s": X,
        "transaction_uid": "tx" if purpose == "TxProfile" else "",
    }
    return Profile(**{**fields, **more})


def stack(*profiles: Profile, since_s: int | None = X, supply: Supply = ONE_PHASE) -> Stack:
    return Stack(profiles, 1, "tx" if since_s is not None else "", since_s, supply)


def composite(
    *profiles: Profile, duration_s: int = 400, unit: Any = "A", local_a: float = 32.0, **more: Any
) -> Composite:
    return stack(*profiles, **more).composite(X, duration_s, unit, local_a, MOST)


def pairs(schedule: Composite) -> list[tuple[int, float]]:
    return [(start, tenths / 10) for start, tenths in zip(schedule.starts, schedule.limits, strict=True)]


# -- the vectors of conformance.md, section 21

MAX = profile("ChargePointMaxProfile", (0, 10), duration_s=86_400)
DEFAULT = profile("TxDefaultProfile", (0, 6), (60, 10), (120, 8), (180, 25), (260, 8), duration_s=300)
TX = profile("TxProfile", (0, 8), (50, 11), (140, 16), (200, 6), (240, 12), duration_s=240)


def test_vector_a_an_ended_tx_profile_falls_back_to_the_default_then_to_the_maximum():
    """SC-08, SC-18, TC_066"""
    assert pairs(composite(MAX, DEFAULT, TX)) == [(0, 8), (50, 10), (200, 6), (240, 10), (260, 8), (300, 10)]


LEVEL_0 = profile("TxDefaultProfile", (0, 6), (50, 5), (100, 8), (200, 10), duration_s=400)
LEVEL_1 = profile("TxDefaultProfile", (0, 7), (100, 9), duration_s=150, stack_level=1, profile_id=2)


@pytest.mark.parametrize("below", [LEVEL_0, replace(LEVEL_0, periods=periods((0, 6), (100, 8), (200, 10)))])
def test_vector_b_a_lower_level_shines_through_when_the_higher_one_is_over(below):
    """SC-18, TC_072"""
    expected = [(0, 7), (100, 9), (150, 8), (200, 10)]
    assert pairs(composite(below, LEVEL_1, duration_s=350)) == expected
    assert pairs(composite(below, LEVEL_1, duration_s=550)) == [*expected, (400, 32)]


# -- single rules


def test_nothing_installed_leaves_the_local_limit():
    """SC-27"""
    assert pairs(composite(local_a=16.0)) == [(0, 16)]
    assert pairs(composite(local_a=16.0, unit="W")) == [(0, 3680)]


def test_a_local_limit_lowers_the_composite_and_equal_neighbours_become_one():
    """SC-27, field problem 30"""
    assert pairs(composite(DEFAULT, local_a=8.0, duration_s=300)) == [(0, 6), (60, 8)]


def test_without_a_duration_the_last_period_never_falls_back():
    """SC-16, SC-18"""
    endless = replace(LEVEL_1, duration_s=None)
    assert pairs(composite(LEVEL_0, endless, duration_s=900)) == [(0, 7), (100, 9)]


def test_periods_beyond_the_duration_are_not_executed():
    """SC-16"""
    short = profile("TxDefaultProfile", (0, 6), (100, 8), (300, 9), duration_s=120)
    assert pairs(composite(short)) == [(0, 6), (100, 8), (120, 32)]


def test_the_default_of_the_connector_counts_before_that_of_connector_0():
    """SC-01"""
    own = profile("TxDefaultProfile", (0, 7), duration_s=100)
    for_all = profile("TxDefaultProfile", (0, 9), connector_id=0, stack_level=3, duration_s=200)
    assert pairs(composite(own, for_all)) == [(0, 7), (100, 9), (200, 32)]


def test_a_tx_profile_of_another_transaction_does_not_count():
    """SC-09"""
    assert pairs(composite(replace(TX, transaction_uid="former"))) == [(0, 32)]


def test_a_tx_profile_overrules_a_higher_default():
    """SC-08"""
    high = profile("TxDefaultProfile", (0, 6), stack_level=3)
    assert pairs(composite(high, profile("TxProfile", (0, 20)))) == [(0, 20)]


def test_validity_opens_and_closes_a_profile_of_any_purpose():
    """SC-06, SC-07"""
    timed = replace(TX, valid_from_s=X + 60, valid_to_s=X + 150)
    assert pairs(composite(timed)) == [(0, 32), (60, 11), (140, 16), (150, 32)]


def test_a_daily_profile_starts_again_after_24_hours_and_not_before_its_start():
    """SC-13, SC-17"""
    daily = profile("TxDefaultProfile", (0, 6), (3600, 8), kind="Recurring", recurrency_kind="Daily", duration_s=7200)
    later = composite(replace(daily, start_s=X + 600), duration_s=90_000)
    assert pairs(later) == [(0, 32), (600, 6), (4200, 8), (7800, 32), (87_000, 6)]
    started = composite(replace(daily, start_s=X - 10 * 86_400 - 3600), duration_s=90_000)
    assert pairs(started) == [(0, 8), (3600, 32), (82_800, 6), (86_400, 8)]


def test_a_recurring_profile_changes_at_its_end_and_when_it_starts_again():
    """SC-31"""
    daily = stack(profile("TxDefaultProfile", (0, 6), kind="Recurring", recurrency_kind="Daily", duration_s=100))
    assert daily.next_change_after(X - 1) == X
    assert daily.next_change_after(X) == X + 100
    assert daily.next_change_after(X + 100) == X + 86_400


def test_a_weekly_profile_repeats_on_its_weekday_and_is_cut_at_the_week():
    """SC-13, SC-17"""
    week = 604_800
    weekly = profile(
        "TxDefaultProfile", (0, 6), (week - 100, 8), (week + 50, 9),
        kind="Recurring", recurrency_kind="Weekly", start_s=X - week,
    )  # fmt: skip
    assert pairs(composite(weekly, duration_s=2 * week)) == [
        (0, 6), (week - 100, 8), (week, 6), (2 * week - 100, 8)
    ]  # fmt: skip


def test_what_is_longer_than_the_recurrence_is_not_executed():
    """SC-17, errata 3.44"""
    long = profile(
        "TxDefaultProfile", (0, 6), (86_300, 8), (86_500, 9),
        kind="Recurring", recurrency_kind="Daily", duration_s=90_000, start_s=X - 86_400 + 150,
    )  # fmt: skip
    assert pairs(composite(long)) == [(0, 6), (50, 8), (150, 6)]
    assert stack(long).prevailing(X + 149) == (80, long)
    assert stack(long).prevailing(X + 150) == (60, long)
    assert stack(long).next_change_after(X + 50) == X + 150


def test_a_relative_profile_counts_from_the_start_of_charging():
    """SC-13, SC-28: without a transaction it is shown as if charging began now."""
    relative = profile("TxDefaultProfile", (0, 6), (100, 8), kind="Relative", start_s=None)
    assert pairs(composite(relative, since_s=X - 30)) == [(0, 6), (70, 8)]
    assert pairs(composite(relative, since_s=None)) == [(0, 6), (100, 8)]
    assert stack(relative, since_s=None).next_change_after(X) is None
    assert stack(relative, since_s=X - 30).next_change_after(X) == X + 70


def test_an_absolute_profile_without_a_start_counts_from_the_start_of_charging():
    """SC-14, section 7.13"""
    assert pairs(composite(replace(DEFAULT, start_s=None), since_s=X - 60, duration_s=60)) == [(0, 10)]


def test_watts_become_amperes_by_the_nominal_voltage_rounded_down():
    """SC-20, SC-21: one phase is one phase, whatever numberPhases says or leaves out."""
    for phases in ((), (1,), (3,)):
        watts = profile("TxDefaultProfile", (0, 2000), unit="W", phases=phases)
        assert pairs(composite(watts)) == [(0, 8.6)]  # 8.695…
        assert pairs(composite(watts, unit="W")) == [(0, 2000)]
        assert stack(watts).prevailing(X) == (86, watts)
    amps = profile("TxDefaultProfile", (0, 8.7))
    assert pairs(composite(amps, unit="W")) == [(0, 2001)]


def test_three_phases_share_the_power_unless_fewer_are_given():
    """SC-20, SC-21 on a test rig"""
    rig = Supply(230.0, 3)
    watts = profile("TxDefaultProfile", (0, 6900), (10, 6900), (20, 6900), unit="W", phases=(0, 3, 1))
    schedule = composite(watts, supply=rig)
    assert pairs(schedule) == [(0, 10), (10, 10), (20, 30)]
    assert schedule.phases == [0, 3, 1]


def test_the_local_limit_is_a_power_by_the_phases_that_are_used():
    """SC-20, SC-27 on a test rig: 10 A are 6.9 kW on three phases and 2.3 kW on one."""
    watts = profile("TxDefaultProfile", (0, 20_000), (10, 20_000), unit="W", phases=(3, 1))
    schedule = composite(watts, supply=Supply(230.0, 3), unit="W", local_a=10.0)
    assert (pairs(schedule), schedule.phases) == ([(0, 6900), (10, 2300)], [3, 1])


def test_number_phases_is_left_out_unless_it_was_given_and_never_more_than_there_are():
    """SC-21, field problem 30"""
    assert composite(DEFAULT).phases == []
    given = profile("TxDefaultProfile", (0, 6), (10, 6), phases=(0, 3))
    assert composite(given).phases == [0, 1]


@pytest.mark.parametrize(("limit", "tenths"), [(6.25, 62), (6.0, 60), (6.29999, 62), (0, 0), (8.1, 81), (16, 160)])
def test_limits_are_rounded_down_to_one_decimal(limit, tenths):
    """SC-19, field problem 30"""
    assert to_tenths(limit) == tenths


@given(st.integers(0, 10**7))
def test_a_limit_with_one_decimal_keeps_it(tenths):
    """SC-19"""
    assert to_tenths(tenths / 10) == tenths
    assert to_tenths(float(f"{tenths // 10}.{tenths % 10}")) == tenths


def test_a_schedule_that_gets_too_long_is_cut_and_says_where():
    """SC-24: a backend may ask for any duration"""
    seconds = profile(
        "TxDefaultProfile", *((second, 6 + second % 2) for second in range(600)),
        kind="Recurring", recurrency_kind="Daily",
    )  # fmt: skip
    cut = stack(seconds).composite(X, 86_400 * 300, "A", 32, 1000)
    assert (cut.duration_s, len(cut.starts)) == (86_400 + 400, 1000)
    whole = stack().composite(X, 2**62, "A", 32, 1000)
    assert (whole.duration_s, whole.starts) == (366 * 86_400, [0])


def test_no_duration_at_all_is_the_limit_of_this_moment():
    """SC-24"""
    now = composite(DEFAULT, duration_s=0)
    assert (now.duration_s, pairs(now)) == (0, [(0, 6)])


def test_a_big_schedule_costs_less_than_a_megabyte():
    """ORS-15"""
    import sys

    big = periods(*((second, 6) for second in range(86_400)), phases=tuple([1] * 86_400))
    assert sys.getsizeof(big.starts) + sys.getsizeof(big.limits) + sys.getsizeof(big.phases) < 1_000_000


# -- the oracle: what the checklist says, for one second


def running_period(one: Profile, at_s: int, since_s: int) -> tuple[float, int] | None:
    """Limit and numberPhases of the period that runs at this second."""
    if one.valid_from_s is not None and at_s < one.valid_from_s:
        return None
    if one.valid_to_s is not None and at_s >= one.valid_to_s:
        return None
    origin = since_s if one.kind == "Relative" or one.start_s is None else one.start_s
    elapsed = at_s - origin
    if elapsed < 0:
        return None
    if one.kind == "Recurring":
        elapsed %= RECURRENCE_S[one.recurrency_kind]
    if one.duration_s is not None and elapsed >= one.duration_s:
        return None
    found = None
    for index, start in enumerate(one.periods.starts):
        if start <= elapsed:
            found = (one.periods.limits[index] / 10, one.periods.phases[index] if one.periods.phases else 0)
    return found


def limit_at(profiles: list[Profile], at_s: int, since_s: int, supply: Supply, unit: str) -> float | None:
    """The effective limit of the profiles at this second."""

    def converted(one: Profile) -> float | None:
        period = running_period(one, at_s, since_s)
        if period is None or one.unit == unit:
            return period and period[0]
        voltage = supply.nominal_voltage_v * min(period[1] or 3, supply.phases)
        exact = period[0] / voltage if unit == "A" else period[0] * voltage
        return floor(round(exact * 10, 6)) / 10

    def of(purpose: str, *connectors: int) -> float | None:
        for connector in connectors:
            for level in (3, 2, 1, 0):
                for one in profiles:
                    if (one.purpose, one.connector_id, one.stack_level) == (purpose, connector, level) and (
                        purpose != "TxProfile" or one.transaction_uid == "tx"
                    ):
                        limit = converted(one)
                        if limit is not None:
                            return limit
        return None

    transaction = of("TxProfile", 1)
    if transaction is None:
        transaction = of("TxDefaultProfile", 1, 0)
    limits = [limit for limit in (of("ChargePointMaxProfile", 0), transaction) if limit is not None]
    return min(limits, default=None)


offsets = st.integers(-400, 400)
some_periods = st.lists(st.integers(1, 120), max_size=5).flatmap(
    lambda gaps: st.tuples(
        st.just([sum(gaps[:index]) for index in range(len(gaps) + 1)]),
        st.lists(st.integers(0, 320), min_size=len(gaps) + 1, max_size=len(gaps) + 1),
        st.just(b"") | st.lists(st.integers(0, 3), min_size=len(gaps) + 1, max_size=len(gaps) + 1).map(bytes),
    )
)


@st.composite
def some_profiles(draw: Any) -> list[Profile]:
    """Any mixture of profiles, at most one for each connector, purpose and level (SC-05)."""
    made: dict[tuple[int, str, int], Profile] = {}
    for profile_id in range(draw(st.integers(0, 6))):
        purpose = draw(st.sampled_from(["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]))
        connector_id = {"ChargePointMaxProfile": 0, "TxProfile": 1}.get(purpose, draw(st.integers(0, 1)))
        kind = draw(st.sampled_from(["Absolute", "Recurring", "Relative"]))
        starts, limits, phases = draw(some_periods)
        unit = draw(st.sampled_from("AW"))
        start = draw(offsets) + X
        if kind == "Recurring":
            start -= draw(st.integers(0, 3)) * draw(st.sampled_from([86_400, 604_800]))
        one = Profile(
            profile_id=profile_id,
            connector_id=connector_id,
            stack_level=draw(st.integers(0, 3)),
            purpose=purpose,
            kind=kind,
            unit=unit,
            periods=Periods(
                array("I", starts), array("I", [limit * (230 if unit == "W" else 1) for limit in limits]), phases
            ),
            recurrency_kind=draw(st.sampled_from(["Daily", "Weekly"])) if kind == "Recurring" else "",
            valid_from_s=draw(st.none() | offsets.map(lambda offset: X + offset)),
            valid_to_s=draw(st.none() | offsets.map(lambda offset: X + offset)),
            start_s=None if kind == "Relative" else draw(st.none() | st.just(start)) if kind == "Absolute" else start,
            duration_s=draw(st.none() | st.integers(1, 500) | st.sampled_from([86_300, 86_500, 700_000])),
            transaction_uid=draw(st.sampled_from(["tx", "tx", "other"])) if purpose == "TxProfile" else "",
        )
        made[(connector_id, purpose, one.stack_level)] = one
    return list(made.values())


supplies = st.builds(Supply, st.sampled_from([110.0, 230.0, 233.3]), st.sampled_from([1, 3]))
quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])


@quick
@given(some_profiles(), supplies, st.sampled_from("AW"), st.integers(0, 300), st.integers(1, 400))
def test_the_composite_schedule_is_what_every_second_says(profiles, supply, unit, begun_s, duration_s):
    """SC-07 to SC-20: one phase rigs exactly; the local limit is kept out by being large."""
    since_s = X - begun_s
    schedule = stack(*profiles, since_s=since_s, supply=supply).composite(X, duration_s, unit, 10_000.0, MOST)
    ceiling = {phases: supply.convert(100_000, "A", unit, phases) / 10 for phases in range(4)}
    assert schedule.starts[0] == 0
    assert schedule.starts == sorted(set(schedule.starts))
    assert schedule.starts[-1] < duration_s == schedule.duration_s
    values = list(zip(schedule.limits, schedule.phases or [0] * len(schedule.limits), strict=True))
    assert all(one != other for one, other in pairwise(values))
    ends = [*schedule.starts[1:], duration_s]
    for index, start in enumerate(schedule.starts):
        for second in range(start, ends[index]):
            expected = limit_at(profiles, X + second, since_s, supply, unit)
            assert values[index][0] / 10 == (ceiling[0] if expected is None else expected), second


@quick
@given(some_profiles(), supplies, st.none() | st.integers(0, 300), offsets)
def test_the_limit_of_now_is_that_of_the_oracle_and_holds_until_the_next_change(profiles, supply, begun_s, at):
    """SC-31"""
    since_s, at_s = (None if begun_s is None else X - begun_s), X + at
    one = Stack(profiles, 1, "tx", since_s, supply)

    def oracle(second: int) -> float | None:
        return limit_at(profiles, second, second if since_s is None else since_s, supply, "A")

    found = one.prevailing(at_s)
    assert (found and found[0] / 10) == oracle(at_s)
    following = one.next_change_after(at_s)
    assert following is None or following > at_s
    for second in range(at_s, min(following or at_s + 700, at_s + 700)):
        assert oracle(second) == oracle(at_s)


@quick
@given(some_profiles(), st.sampled_from("AW"), st.integers(60, 160).map(lambda tenths: tenths / 10))
def test_no_second_is_above_any_limit_nor_above_the_local_one(profiles, unit, local_a):
    """SC-27, section 3.13.3"""
    schedule = stack(*profiles).composite(X, 300, unit, local_a, MOST)
    for index, start in enumerate(schedule.starts):
        allowed = limit_at(profiles, X + start, X, ONE_PHASE, unit)
        local = ONE_PHASE.convert(to_tenths(local_a), "A", unit) / 10
        assert schedule.limits[index] / 10 == min(local, local if allowed is None else allowed)


@quick
@given(some_periods)
def test_periods_survive_the_way_to_the_disk(made):
    """SC-11"""
    numbers = array("I", made[1])
    assert Periods.from_bytes(Periods.to_bytes(numbers)) == numbers
