"""The effective limit: the smallest of all, its reason in one sentence, pauses, and the loss of control."""

from __future__ import annotations

from typing import Any

import pytest

from ocppclient.clock import format_utc
from ocppclient.events import AliveSeen, Fault, SetPingInterval, Setpoint
from ocppclient.settings import Electrical
from tests.ocppclient.harness import START, Bench

HOUSE = Electrical(max_current_a=32.0)
TIME_OUT, CURRENT = "OpenStation.LossOfControlTimeOut", "OpenStation.LossOfControlCurrent"


def ready(configuration: dict[str, str] | None = None) -> Bench:
    bench = Bench(configuration, electrical=HOUSE).ready()
    bench.read(limit_a=32.0)
    return bench


def limit(bench: Bench, *pairs: tuple[int, float], **more: Any) -> None:
    """Install profile 7."""
    answer = bench.call(
        "SetChargingProfile",
        connectorId=1,
        csChargingProfiles={
            "chargingProfileId": 7,
            "stackLevel": 0,
            "chargingProfilePurpose": "TxDefaultProfile",
            "chargingProfileKind": "Absolute",
            "chargingSchedule": {
                "startSchedule": format_utc(START),
                "chargingRateUnit": "A",
                "chargingSchedulePeriod": [{"startPeriod": start, "limit": amps} for start, amps in pairs],
                **more,
            },
        },
    )
    assert answer[2] == {"status": "Accepted"}


# -- the smallest of all, and why


def test_the_installer_the_hardware_or_a_profile_limits_and_the_sentence_says_which():
    """SC-27, SC-31"""
    bench = ready()
    assert bench.cp.limits.sentence == "32.0 A, the installer's limit"
    bench.read(limit_a=24.0)
    assert bench.cp.limits.sentence == "24.0 A, what the hardware allows"
    limit(bench, (0, 10), duration=6 * 3600)
    assert bench.cp.limits.sentence == "10.0 A by operator profile 7 until 18:00 UTC"
    limit(bench, (0, 10))
    assert bench.cp.limits.sentence == "10.0 A by operator profile 7"
    limit(bench, (0, 10), duration=36 * 3600)
    assert bench.cp.limits.sentence == "10.0 A by operator profile 7 until 2026-03-03 00:00 UTC"
    limit(bench, (0, 30))
    assert bench.cp.limits.sentence == "24.0 A, what the hardware allows"


def test_the_sentence_looks_past_periods_that_change_nothing():
    """People want to know when the limit changes, not when a period ends."""
    bench = ready()
    limit(bench, *((600 * step, 10) for step in range(12)), (7200, 12))
    assert bench.cp.limits.sentence == "10.0 A by operator profile 7 until 14:00 UTC"


def test_the_setpoint_follows_each_period_at_its_second():
    """SC-31"""
    bench = ready().charge()
    limit(bench, (0, 10), (60, 6), (120, 20), duration=180)
    told = []
    for _ in range(200):
        bench.actions.clear()
        bench.wait(1.0, 1.0)
        second = round((bench.clock.utc() - START).total_seconds())
        told += [(second, action.amps) for action in bench.actions if isinstance(action, Setpoint)]
    assert told == [(60, 6.0), (120, 20.0), (180, 32.0)]


@pytest.mark.parametrize("amps", [0, 5.9])
def test_less_than_six_amperes_is_a_pause_of_the_station(amps):
    """SC-23, section 3.13.4, field problem 30"""
    bench = ready().charge()
    limit(bench, (0, amps), (60, 8))
    assert bench.setpoint == Setpoint(0.0, True)
    assert bench.expect("StatusNotification")["status"] == "SuspendedEVSE"
    bench.settle()
    expected = "0.0 A by" if amps == 0 else "5.9 A by"
    assert bench.cp.view().sentence.startswith(f"Paused by the station: {expected} operator profile 7 until 12:01 UTC")
    bench.read(contactor_closed=False)
    bench.wait(60, 1.0)
    assert bench.setpoint == Setpoint(8.0, True)


def test_exactly_six_amperes_are_no_pause():
    """IEC 61851-1"""
    bench = ready().charge()
    limit(bench, (0, 6))
    assert bench.setpoint == Setpoint(6.0, True)
    assert bench.status == "Charging"


def test_watts_limit_by_the_installers_nominal_voltage():
    """SC-20"""
    bench = ready().charge()
    limit(bench, (0, 3000), chargingRateUnit="W")
    assert bench.setpoint == Setpoint(13.0, True)


def test_a_clock_that_is_set_back_is_looked_at_again():
    """A kept limit must not outlive the moment it was made for."""
    bench = ready().charge()
    limit(bench, (0, 10), (60, 20))
    bench.wait(61, 1.0)
    assert bench.setpoint.amps == 20.0
    bench.clock.set_utc(START)
    bench.wait(1.0, 1.0)
    assert bench.setpoint.amps == 10.0


def test_a_fault_takes_the_permission_and_leaves_the_limit():
    bench = ready().charge()
    limit(bench, (0, 10))
    bench.read(faults=(Fault("GroundFailure"),))
    assert bench.setpoint == Setpoint(10.0, False)


# -- loss of control (field problems, section 5 item 5)


def test_loss_of_control_is_off_unless_it_is_set():
    bench = ready().charge()
    bench.disconnect()
    bench.wait(3600, 10.0)
    assert bench.setpoint == Setpoint(32.0, True)


def test_a_silent_backend_limits_the_current_until_it_is_heard_again():
    bench = ready({TIME_OUT: "60", CURRENT: "8"}).charge()
    bench.wait(59, 1.0)
    assert bench.setpoint.amps == 32.0
    bench.wait(1, 1.0)
    assert bench.setpoint == Setpoint(8.0, True)
    assert bench.cp.limits.sentence == "8.0 A, because the operator's backend has been silent for more than 60 s"
    assert "The backend has been silent for 60 s." in bench.reasons()
    bench.do(AliveSeen())
    assert bench.setpoint == Setpoint(32.0, True)
    assert "The backend is heard again." in bench.reasons()


def test_a_pulled_cable_counts_from_the_last_sign_of_life_and_a_reconnect_ends_it():
    bench = ready({TIME_OUT: "60", CURRENT: "0"}).charge()
    bench.wait(40, 1.0)
    bench.disconnect()
    bench.wait(20, 1.0)
    assert bench.setpoint == Setpoint(0.0, True)
    assert bench.status == "SuspendedEVSE"
    bench.connect()
    assert bench.setpoint == Setpoint(32.0, True)


def test_a_lower_profile_still_counts_while_control_is_lost():
    bench = ready({TIME_OUT: "60", CURRENT: "10"}).charge()
    limit(bench, (0, 7))
    bench.wait(61, 1.0)
    assert bench.setpoint.amps == 7.0


def test_after_a_boot_the_backend_has_its_time_to_speak():
    bench = Bench({TIME_OUT: "60"}, electrical=HOUSE)
    bench.read()
    assert bench.cp.limits.limit_a == 32.0
    bench.wait(61, 1.0)
    assert bench.cp.limits.limit_a == 6.0


def test_a_healthy_quiet_line_shows_signs_of_life_often_enough():
    """Pings come at a third of the time-out, or control would be lost on every quiet line."""
    bench = ready()
    assert bench.cp.limits.ping_interval_s == 120
    bench.call("ChangeConfiguration", key=TIME_OUT, value="90")
    assert [action for action in bench.actions if isinstance(action, SetPingInterval)] == [SetPingInterval(30)]
    bench.call("ChangeConfiguration", key="WebSocketPingInterval", value="0")
    assert bench.cp.limits.ping_interval_s == 30
    bench.call("ChangeConfiguration", key="WebSocketPingInterval", value="20")
    assert bench.cp.limits.ping_interval_s == 20
    bench.call("ChangeConfiguration", key=TIME_OUT, value="0")
    bench.call("ChangeConfiguration", key="WebSocketPingInterval", value="0")
    assert bench.cp.limits.ping_interval_s == 0


@pytest.mark.parametrize(("key", "value"), [(TIME_OUT, "9"), (TIME_OUT, "-1"), (TIME_OUT, "86401"), (CURRENT, "81")])
def test_values_that_make_no_sense_are_refused(key, value):
    bench = ready()
    assert bench.call("ChangeConfiguration", key=key, value=value)[2] == {"status": "Rejected"}
