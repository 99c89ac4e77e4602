"""The one clock, its spellings, and how the backend sets it."""

from __future__ import annotations

import contextlib
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocppclient.clock import FLOOR, Clock, format_utc, parse_utc
from ocppclient.events import SetClock
from tests.ocppclient.harness import START, Bench


@pytest.mark.parametrize(
    "text",
    [
        "2026-03-01T12:00:00Z",
        "2026-03-01T12:00:00.000Z",
        "2026-03-01T12:00:00.000000000Z",
        "2026-03-01T12:00:00,000Z",
        "2026-03-01t12:00:00z",
        "2026-03-01 12:00:00Z",
        "2026-03-01T12:00:00",
        "2026-03-01T12:00Z",
        "2026-03-01T14:00:00+02:00",
        "2026-03-01T14:00:00+02",
        "2026-03-01T14:00:00+0200",
        "2026-03-01T06:30:00-05:30",
        "  2026-03-01T12:00:00Z ",
    ],
)
def test_every_spelling_of_a_time_is_read(text):
    """GEN-06, field problem 20"""
    assert parse_utc(text) == START


@pytest.mark.parametrize(
    "text",
    ["", "now", "12:00", "2026-13-01T00:00:00Z", "2026-03-01T25:00:00Z", "1772366400", "2" * 65, None, 7, {},
     "9999-12-31T23:59:59-05:00", "0001-01-01T00:00:00+05:00"],
)  # fmt: skip
def test_what_is_no_time_is_refused_with_a_value_error(text):
    """Field problem 20, F13: .NET's "never" in a western zone does not fit into UTC."""
    with pytest.raises(ValueError, match=r"."):
        parse_utc(text)


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=70))
def test_no_text_raises_anything_else(text):
    """F13"""
    with contextlib.suppress(ValueError):
        parse_utc(text)


@settings(max_examples=100, deadline=None)
@given(
    st.datetimes(datetime(2000, 1, 1), datetime(2099, 1, 1), timezones=st.just(UTC)),
    st.integers(-14 * 60, 14 * 60),
)
def test_only_one_spelling_is_sent_and_it_survives_the_round_trip(moment, zone_min):
    """GEN-06, field problem 20"""
    text = format_utc(moment.astimezone(timezone(timedelta(minutes=zone_min))))
    assert text == f"{moment:%Y-%m-%dT%H:%M:%S}.{moment.microsecond // 1000:03d}Z"
    assert timedelta() <= moment - parse_utc(text) < timedelta(milliseconds=1)


@pytest.mark.parametrize(
    ("system", "floor", "synchronised", "starts_at"),
    [
        (START, None, True, START),
        (START, START - timedelta(days=1), True, START),
        (START, START + timedelta(hours=23), True, START),
        (START, START + timedelta(days=2), False, START + timedelta(days=2)),
        (datetime(1970, 1, 1, tzinfo=UTC), None, False, FLOOR),
        (datetime(1970, 1, 1, tzinfo=UTC), START, False, START),
        (datetime(2150, 1, 1, tzinfo=UTC), START, False, START),
    ],
)
def test_the_clock_starts_from_the_system_or_from_the_last_good_time(system, floor, synchronised, starts_at):
    """CLK-06, field problem 9"""
    clock = Clock(lambda: 50.0, lambda: system, floor)
    assert (clock.synchronised, clock.confirmed, clock.utc()) == (synchronised, False, starts_at)


@pytest.mark.parametrize(
    "utc", [datetime(2026, 3, 1), datetime(1970, 1, 1, tzinfo=UTC), datetime(2100, 1, 1, tzinfo=UTC)]
)
def test_an_impossible_time_is_not_adopted(utc):
    """CLK-04, field problem 20: plausibility window"""
    clock = Clock(lambda: 50.0, lambda: START)
    with pytest.raises(ValueError, match=r"."):
        clock.set_utc(utc)
    assert (clock.utc(), clock.confirmed) == (START, False)


# --- set by the backend ----------------------------------------------------------------------------------------------


def test_the_time_of_boot_notification_and_heartbeat_is_adopted():
    """CLK-01"""
    bench = Bench()
    bench.read()
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime="2026-03-01T13:00:00Z")
    assert bench.clock.utc() == START + timedelta(hours=1)
    bench.settle()
    bench.wait(300.1, step_s=1)
    bench.expect("Heartbeat")
    bench.answer(currentTime="2026-03-01T12:30:00+00:00")
    assert bench.clock.utc() == START + timedelta(minutes=30)
    assert [round(action.delta_s) for action in bench.actions if isinstance(action, SetClock)] == [3600, -2100]


def test_the_delay_of_the_line_does_not_move_the_clock():
    """CLK-01, CLK-03"""
    bench = Bench()
    bench.read()
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START - timedelta(seconds=0.9)))
    assert bench.clock.utc() == START
    assert bench.clock.confirmed


@pytest.mark.parametrize(
    "current_time",
    [None, "", "soon", 0, "1970-01-01T00:00:00Z", "2300-01-01T00:00:00Z", [], "9999-12-31T23:59:59-01:00"],
)
def test_an_odd_time_is_ignored_and_the_registration_counts_nevertheless(current_time):
    """Field problem 12, field problem 20, settled question 6"""
    bench = Bench()
    bench.read()
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=current_time)
    assert bench.cp.boot.registration == "accepted"
    assert bench.clock.utc() == START
    assert bench.cp.outbox.quirks == 1
    assert "CLK-01" in bench.clauses()


def test_the_last_good_time_is_kept_for_the_next_boot():
    """CLK-06, field problem 9: also while the clock is right all the time"""
    bench = Bench().ready()
    assert bench.store.value("clock.floor") == format_utc(START)
    bench.wait(4000, step_s=100)
    bench.settle()
    assert parse_utc(bench.store.value("clock.floor")) > START + timedelta(minutes=50)


def test_clock_steps_do_not_disturb_intervals():
    """CLK-05: timers run on the monotonic clock"""
    bench = Bench({"MeterValueSampleInterval": "60"}).ready().charge()
    bench.wait(30)
    bench.call("TriggerMessage", requestedMessage="Heartbeat")
    bench.answer(currentTime="2026-05-05T00:00:00Z")
    bench.wait(29)
    assert bench.calls == []
    bench.wait(1.1)
    assert bench.expect("MeterValues")["meterValue"][0]["timestamp"].startswith("2026-05-05T00:00:3")
