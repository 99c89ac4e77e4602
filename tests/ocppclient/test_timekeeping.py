"""Who is believed about the time, and what a step of the clock does to a session, on the virtual clock."""

from __future__ import annotations

import random
from datetime import UTC, datetime, timedelta

import pytest

from ocppclient.charge_point import ChargePoint
from ocppclient.clock import CEILING, FLOOR, Clock, format_utc, parse_utc
from ocppclient.events import Explain, SetClock, TimeTold
from ocppclient.memory_store import MemoryStore
from ocppclient.settings import ChargePointSettings
from tests.ocppclient.harness import START, Bench, FakeTime, of


def ntp(bench: Bench, ahead_s: float) -> None:
    """The time servers tell a time that is so far ahead of the station's."""
    utc = bench.clock.utc() + timedelta(seconds=ahead_s)
    bench.do(TimeTold("ntp", utc, bench.time.now, "time.example"))


def phone(bench: Bench, ahead_s: float) -> None:
    bench.do(TimeTold("phone", bench.clock.utc() + timedelta(seconds=ahead_s), bench.time.now, "ann"))


def backend(bench: Bench, ahead_s: float) -> None:
    """A Heartbeat.conf with a currentTime so far ahead of the station's clock."""
    bench.call("TriggerMessage", requestedMessage="Heartbeat")
    bench.settle_until("Heartbeat")
    bench.answer(currentTime=format_utc(bench.clock.utc() + timedelta(seconds=ahead_s)))


def off_s(bench: Bench) -> float:
    """How far the clock is from what it would be had nobody touched it."""
    return (bench.clock.utc() - START).total_seconds() - (bench.time.now - 1000.0)


def steps(bench: Bench) -> list[float]:
    return [round(action.delta_s) for action in bench.actions if isinstance(action, SetClock)]


def system_time_events(bench: Bench) -> list[str]:
    return [row.tech_info for row in bench.store.security_events() if row.type == "SettingSystemTime"]


def told_why(bench: Bench) -> list[str]:
    return [action.rule for action in bench.actions if isinstance(action, Explain) and action.what != "TriggerMessage"]


# --- the order of the sources ----------------------------------------------------------------------------------------


def test_ntp_is_better_than_the_backend_which_is_told_once():
    """CLK-01: order NTP, OCPP, phone"""
    bench = Bench().ready()
    ntp(bench, 5)
    for _ in range(3):
        backend(bench, 3600)
    assert off_s(bench) == pytest.approx(5)
    assert [rule for rule in told_why(bench) if "stays with NTP" in rule] == [
        "The backend's clock differs by +3600 s from NTP. The station stays with NTP."
    ]
    assert bench.cp.view().clock.source == "ntp"


def test_a_backend_that_agrees_with_ntp_again_and_differs_later_is_told_again():
    bench = Bench().ready()
    ntp(bench, 0)
    for ahead_s in (60, 0.5, 60):
        backend(bench, ahead_s)
    assert len([rule for rule in told_why(bench) if "stays with NTP" in rule]) == 2


def test_the_backend_sets_the_clock_again_when_the_time_servers_are_silent():
    """CLK-01"""
    bench = Bench().ready()
    ntp(bench, 5)
    bench.wait(121, step_s=1)
    bench.settle()
    backend(bench, 10)
    assert off_s(bench) == pytest.approx(15)
    assert bench.cp.view().clock.source == "backend"


def test_ntp_sets_the_clock_without_a_backend():
    """CLK-06: the time is right before the first TLS connection"""
    bench = Bench()
    bench.read()
    ntp(bench, 7200)
    view = bench.cp.view()
    assert (view.clock_synchronised, view.clock.confirmed, view.clock.by) == (True, True, "time.example")
    assert off_s(bench) == pytest.approx(7200)


def test_the_moment_of_a_reading_counts_not_the_moment_it_is_handled():
    bench = Bench()
    bench.do(TimeTold("ntp", START + timedelta(minutes=2), bench.time.now - 30, ""))
    assert bench.clock.utc() == START + timedelta(seconds=150)


def test_a_phone_sets_the_clock_when_nobody_better_does():
    """Installer-ui 1, step 7"""
    bench = Bench(system_utc=datetime(1970, 1, 1, tzinfo=UTC))
    bench.read()
    bench.do(TimeTold("phone", START, bench.time.now, "ann"))
    assert bench.clock.utc() == START
    view = bench.cp.view()
    assert (view.clock.source, view.clock.by, view.clock.confirmed) == ("phone", "ann", True)
    assert system_time_events(bench)[0].endswith("to the time of the phone of ann")


def test_the_time_of_a_phone_binds_no_later_start():
    """A wrong phone must not make the next boot refuse the right time"""
    bench = Bench()
    bench.read()
    phone(bench, 365 * 86400)
    bench.wait(7300, step_s=100)
    assert bench.store.value("clock.floor") is None


@pytest.mark.parametrize("better", [ntp, backend])
def test_a_phone_is_refused_while_a_better_source_counts(better):
    bench = Bench().ready()
    better(bench, 0)
    bench.wait(12, step_s=1)
    bench.actions.clear()
    phone(bench, 300)
    assert off_s(bench) == pytest.approx(0, abs=0.01)
    who = "time servers" if better is ntp else "the backend"
    (rule,) = told_why(bench)
    assert f"the clock was set from {who} 12 s ago, which is better than a phone" in rule


def test_a_phone_is_refused_while_a_session_runs():
    bench = Bench({"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "true"})
    bench.read(ev_connected=True)
    bench.swipe("A")
    assert bench.store.open_transaction() is not None
    phone(bench, 300)
    assert off_s(bench) == 0
    assert "a session is running" in told_why(bench)[-1]


def test_a_phone_that_is_behind_what_the_station_has_seen_is_refused():
    bench = Bench().ready()
    bench.disconnect()
    bench.wait(90_100, step_s=300)  # the backend's word does not count any more
    phone(bench, -3 * 86400)
    assert off_s(bench) == pytest.approx(0, abs=1)
    assert "was in operation at" in told_why(bench)[-1]


# --- what nobody is believed -----------------------------------------------------------------------------------------


def test_no_source_is_believed_before_the_release_was_made():
    """CLK-06: the build date is a floor"""
    time = FakeTime()
    clock = Clock(time.monotonic, lambda: datetime(2025, 1, 1, tzinfo=UTC), built=START)
    assert (clock.utc(), clock.synchronised) == (START, False)
    charge_point = ChargePoint(MemoryStore(), clock, ChargePointSettings())
    for source in ("ntp", "phone"):
        (explain,) = [
            action
            for action in charge_point.handle(TimeTold(source, START - timedelta(days=1), time.now, "x"))
            if isinstance(action, Explain) and action.what == "clock"
        ]
        assert explain.clause == "CLK-04"
    assert (clock.utc(), clock.confirmed) == (START, False)


@pytest.mark.parametrize("utc", [FLOOR - timedelta(seconds=1), CEILING, datetime(2026, 3, 1)])
@pytest.mark.parametrize("source", ["ntp", "phone"])
def test_an_impossible_time_is_refused_with_its_reason(source, utc):
    """CLK-04"""
    bench = Bench()
    bench.do(TimeTold(source, utc, bench.time.now, "x"))
    assert bench.clock.utc() == START
    assert "was not adopted" in told_why(bench)[-1]


def test_a_backend_that_told_a_wrong_future_can_take_it_back():
    """What was recorded must not lock the right time out"""
    bench = Bench().ready()
    backend(bench, 9 * 365 * 86400)
    backend(bench, -9 * 365 * 86400)
    assert off_s(bench) == pytest.approx(0, abs=0.01)
    assert parse_utc(bench.store.value("clock.floor")) < START + timedelta(days=1)


# --- what is told ----------------------------------------------------------------------------------------------------


def test_a_step_is_a_security_event_that_says_how_far_and_to_whom():
    """CLK-03"""
    bench = Bench().ready()
    ntp(bench, 3)
    told = system_time_events(bench)
    assert told == ["moved by +3.0 s to the time of the time servers (time.example)"]
    bench.wait(130, step_s=1)
    bench.settle()
    backend(bench, -40)
    assert system_time_events(bench)[-1] == "moved by -40.0 s to the time of the backend"


def test_ntp_is_followed_in_small_pieces_without_a_word():
    """CLK-03: slewing is no step"""
    bench = Bench().ready()
    bench.actions.clear()
    for _ in range(10):
        ntp(bench, -0.4)
    assert off_s(bench) == pytest.approx(-4)
    assert steps(bench) == []
    assert system_time_events(bench) == []


# --- sessions --------------------------------------------------------------------------------------------------------


def stamps(frames: list[tuple[str, dict]]) -> list[datetime]:
    """Every timestamp of one transaction in the order in which it was sent."""
    found = []
    for _, payload in frames:
        for value in payload.get("transactionData", []) + payload.get("meterValue", []):
            found.append(parse_utc(value["timestamp"]))
        if "timestamp" in payload:
            found.append(parse_utc(payload["timestamp"]))
    return found


def test_a_step_back_waits_for_the_end_of_the_session():
    """F10: timestamps of a session never go back"""
    bench = Bench().ready().charge()
    bench.actions.clear()
    for _ in range(3):
        backend(bench, -1800)
    assert off_s(bench) == pytest.approx(0, abs=0.01)
    (rule,) = [rule for rule in told_why(bench) if "ahead" in rule]
    assert rule == "The clock is 1800 s ahead of the backend. It goes back when the session has ended."
    assert bench.cp.view().clock.held_s == pytest.approx(1800, abs=0.1)
    assert system_time_events(bench) == []
    bench.wait(60, step_s=1)
    bench.swipe("CARD1")
    bench.open_contactor()
    ((_, stop),) = of(bench.settle(), "StopTransaction")
    assert parse_utc(stop["timestamp"]) - START >= timedelta(seconds=60)
    assert off_s(bench) == pytest.approx(-1800, abs=0.01)
    assert bench.cp.view().clock.held_s == 0
    assert system_time_events(bench) == ["moved by -1800.0 s to the time of the backend"]


def test_a_step_back_that_is_taken_back_is_forgotten():
    """F10"""
    bench = Bench().ready().charge()
    backend(bench, -1800)
    backend(bench, 0)
    assert bench.cp.view().clock.held_s == 0
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.settle()
    bench.wait(1)
    assert off_s(bench) == pytest.approx(0, abs=0.01)


def test_a_step_forward_is_made_at_once_in_a_session():
    """CLK-01: only back is held"""
    bench = Bench().ready().charge()
    backend(bench, 1800)
    assert off_s(bench) == pytest.approx(1800)


@pytest.mark.parametrize("kind", ["MeterValueSampleInterval", "ClockAlignedDataInterval"])
@pytest.mark.parametrize("seed", range(10))
def test_no_script_of_jumps_makes_the_times_of_a_session_go_back(seed, kind):
    """F10: both signs, every source, in and between sessions"""
    rng = random.Random(seed)
    bench = Bench({"MeterValueSampleInterval": "0", kind: "10"}).ready()
    for number in range(3):
        bench.charge(transaction_id=number + 1)
        bench.store.set_value("clock.floor", None)
        transaction = bench.store.open_transaction()
        seen = [transaction.started_at]
        for _ in range(25):
            jump = rng.choice([-1, 1]) * 10 ** rng.uniform(-1, 6)
            rng.choice([ntp, backend, phone])(bench, jump)
            bench.wait(rng.uniform(0, 40), step_s=1)
            seen += stamps([item for item in bench.settle() if item[0] in ("MeterValues", "StopTransaction")])
        bench.swipe("CARD1")
        bench.open_contactor()
        sent = bench.settle()
        seen += stamps([item for item in sent if item[0] == "StopTransaction"])
        assert seen == sorted(seen), seed
        bench.read(ev_connected=False)
        bench.settle()
        bench.wait(200, step_s=1)  # the time servers are silent for a while
        bench.settle()
