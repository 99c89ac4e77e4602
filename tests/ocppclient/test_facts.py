"""The newest reading, and an energy register that never runs backwards."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ocppclient.events import Fault, Meter, Reading
from ocppclient.facts import Facts


def feed(facts, *readings):
    """(seconds, register) …; returns the register after each."""
    seen = []
    for at, register in readings:
        facts.take(Reading(meter=None if register is None else Meter(at, register)))
        seen.append(facts.energy_wh)
    return seen


def test_a_wobble_of_the_register_is_held():
    """MTR-10, field problem 24: meterStop 1 Wh below meterStart"""
    assert feed(Facts(), (0, 1000), (1, 999), (2, 1000), (3, 1001), (4, 995), (100, 995), (101, 1002)) == [
        1000, 1000, 1000, 1001, 1001, 1001, 1002,
    ]  # fmt: skip


def test_a_moment_of_nonsense_is_held():
    """F21"""
    assert feed(Facts(), (0, 50_000), (1, 0), (2, 50_001), (60, 0), (119, 0), (121, 50_100)) == [
        50_000, 50_000, 50_001, 50_001, 50_001, 50_100,
    ]  # fmt: skip


def test_a_register_that_starts_anew_is_continued():
    """F21, P7: another meter, or its register was reset: what it counts from there on is not lost"""
    facts = Facts()
    feed(facts, (0, 50_000), (10, 5), (40, 25))
    assert feed(facts, (71, 45), (80, 50), (90, 1050)) == [50_040, 50_045, 51_045]
    assert feed(facts, (100, 0), (161, 10), (170, 11)) == [51_045, 51_055, 51_056]


def test_a_silent_meter_keeps_its_last_register():
    """F19"""
    assert feed(Facts(), (0, None), (1, 7), (2, None)) == [None, 7, 7]


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.floats(0.1, 100), st.integers(-100, 10**7)), max_size=60))
def test_no_series_of_readings_makes_it_fall(readings):
    """MTR-10, P7"""
    at, rows = 0.0, []
    for seconds, register in readings:
        at += seconds
        rows.append((at, register))
    seen = feed(Facts(), *rows)
    assert seen == sorted(seen)
    assert all(value >= 0 for value in seen)


def test_only_blocking_faults_block():
    """STA-10"""
    facts = Facts()
    facts.take(Reading(faults=(Fault("HighTemperature", blocking=False), Fault("GroundFailure"))))
    assert [fault.error_code for fault in facts.blocking_faults] == ["GroundFailure"]


def test_a_register_that_goes_on_from_another_value_adds_nothing_and_loses_nothing():
    """F21: exchanged, reset or jumped while the hardware layer watched"""
    facts = Facts()
    for at, segment, energy_wh in ((1.0, 0, 5000), (2.0, 0, 5010), (3.0, 1, 105_000), (4.0, 1, 105_007), (5.0, 2, 3)):
        facts.take(Reading(meter=Meter(at, energy_wh, segment=segment)))
    assert facts.energy_wh == 5017
    facts.take(Reading(meter=Meter(6.0, 13, segment=2)))
    assert facts.energy_wh == 5027
