"""Charging hours (UK SI 2021/1467, regulation 10): peak hours pause, a person may override, the clock must be sure."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from ocppclient.clock import format_utc
from ocppclient.events import ChargeNow, Setpoint, SettingsChanged
from ocppclient.settings import Factory
from tests.ocppclient.harness import Bench, of, statuses

PEAK = "OpenStation.PeakHours"
UK = "Mon-Fri 08:00-11:00,Mon-Fri 16:00-22:00"
MONDAY = datetime(2026, 3, 2, 15, 50, tzinfo=UTC)
QUIET = {"MeterValueSampleInterval": "0", "OpenStation.LossOfControlTimeOut": "0"}


def station(at: datetime = MONDAY, hours: str = UK, **options) -> Bench:
    return Bench({PEAK: hours, **QUIET}, system_utc=at, time_zone="Europe/London", **options).ready()


def test_a_session_pauses_in_the_peak_hours_and_goes_on_after_them():
    bench = station().charge()
    assert bench.setpoint == Setpoint(16.0, True)
    sent = bench.live(10 * 60 + 1, 1.0)
    assert bench.setpoint == Setpoint(0.0, True)
    assert statuses(sent) == ["SuspendedEVSE"]
    assert bench.cp.view().sentence == "Waiting for the off-peak hours, from 22:00."
    assert bench.cp.view().limit_sentence == "Waiting for the off-peak hours, from 22:00."
    bench.open_contactor()
    bench.live(6 * 3600 - 10, 10.0)
    assert bench.setpoint == Setpoint(0.0, True)
    bench.live(20, 1.0)
    assert bench.setpoint == Setpoint(16.0, True)


def test_a_session_that_starts_in_the_peak_hours_begins_at_once_and_only_its_power_waits():
    """The person at the station and the backend see the session begin"""
    bench = station(MONDAY.replace(hour=17))
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    sent = bench.settle()
    assert of(sent, "StartTransaction")
    assert bench.setpoint == Setpoint(0.0, True)
    assert bench.status == "SuspendedEVSE"
    assert bench.clauses().count("SI 2021/1467 reg. 10") == 1
    bench.live(60, 1.0)
    assert bench.clauses().count("SI 2021/1467 reg. 10") == 1, "told once a session"


def test_the_hours_are_those_of_the_clock_on_the_wall_of_the_station():
    summer = datetime(2026, 7, 6, 14, 59, 59, tzinfo=UTC)  # a Monday, 15:59:59 in London
    bench = station(summer).charge()
    assert bench.setpoint.amps == 16.0
    bench.live(2, 1.0)
    assert bench.setpoint.amps == 0.0
    assert bench.cp.view().sentence == "Waiting for the off-peak hours, from 22:00."


def test_another_time_zone_counts_at_once():
    bench = station(MONDAY).charge()
    bench.do(SettingsChanged(replace(bench.settings, time_zone="Europe/Berlin")))
    assert bench.setpoint.amps == 0.0, "it is 16:50 in Berlin"
    bench.do(SettingsChanged(replace(bench.settings, time_zone="Nowhere/Land")))
    assert bench.setpoint.amps == 16.0, "an unknown zone is UTC, where it is 15:50"


def test_a_person_overrides_the_hours_once_for_the_running_session():
    bench = station(MONDAY.replace(hour=17)).charge()
    assert bench.setpoint.amps == 0.0
    assert bench.cp.view().waiting
    bench.actions.clear()
    bench.do(ChargeNow("anna"))
    assert bench.setpoint == Setpoint(16.0, True)
    assert not bench.cp.view().waiting
    assert bench.feedback() == ["accepted"]
    assert "anna lets this session charge in the peak hours." in bench.reasons()
    bench.live(60, 1.0)
    assert bench.setpoint.amps == 16.0
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.read(ev_connected=False)
    bench.settle()
    bench.charge()
    assert bench.setpoint.amps == 0.0, "the next session waits again"


def test_the_override_survives_a_restart_within_the_session():
    bench = station(MONDAY.replace(hour=17), factory=Factory(resume_after_power_loss=True)).charge()
    bench.do(ChargeNow("anna"))
    bench.reboot()
    bench.ready()
    assert bench.setpoint == Setpoint(16.0, True)


def test_charge_now_without_anything_that_waits_changes_nothing_and_says_so():
    bench = station().charge()
    bench.actions.clear()
    bench.do(ChargeNow("anna"))
    assert bench.reasons() == ["No session waits for the off-peak hours or for a random delay."]
    assert not any(isinstance(action, Setpoint) for action in bench.actions)
    assert bench.feedback() == []


def test_the_most_limiting_of_hours_and_profiles_wins_and_the_sentence_names_it():
    """SC-27, regulation 8"""
    bench = station(MONDAY.replace(hour=17)).charge()
    profile = {
        "chargingProfileId": 7, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "startSchedule": format_utc(bench.clock.utc()), "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 8.0}],
        },
    }  # fmt: skip
    assert bench.call("SetChargingProfile", connectorId=1, csChargingProfiles=profile)[2] == {"status": "Accepted"}
    assert bench.setpoint.amps == 0.0
    assert bench.cp.view().limit_sentence.startswith("Waiting for the off-peak hours")
    bench.do(ChargeNow("anna"))
    assert bench.setpoint.amps == 8.0, "a person overrides the hours, never the operator's limit"
    assert bench.cp.view().limit_sentence == "8.0 A by operator profile 7"


def test_while_nobody_has_confirmed_the_clock_the_station_charges_and_says_so():
    """Regulation 7: it charges without a network"""
    bench = Bench({PEAK: UK, **QUIET}, system_utc=MONDAY.replace(hour=17), time_zone="Europe/London")
    bench.read()
    bench.read(ev_connected=True)
    bench.cp.config.set(type(bench.cp.config).allow_offline_tx_for_unknown_id, True)
    bench.swipe("CARD1")
    assert bench.setpoint == Setpoint(16.0, True)
    assert "Nobody has confirmed the clock: the station charges, whatever the hours." in bench.reasons()
    bench.boot()
    assert bench.setpoint == Setpoint(0.0, True), "from the moment on that somebody tells the time"


def test_the_hours_change_at_once_by_the_operator_too():
    """CFG-04"""
    bench = station(MONDAY.replace(hour=17)).charge()
    assert bench.setpoint.amps == 0.0
    assert bench.call("ChangeConfiguration", key=PEAK, value="Sat 10:00-11:00")[2] == {"status": "Accepted"}
    assert bench.setpoint.amps == 16.0
    assert bench.call("ChangeConfiguration", key=PEAK, value="Mon 8-9")[2] == {"status": "Rejected"}
    assert bench.call("ChangeConfiguration", key=PEAK, value="")[2] == {"status": "Accepted"}
    assert bench.cp.config.peak_hours == ()


def test_hours_that_leave_no_hour_say_so():
    bench = station(hours="Mon-Sun 00:00-24:00").charge()
    assert bench.setpoint.amps == 0.0
    assert bench.cp.view().sentence == "Every hour of the week is a peak hour."


def test_without_peak_hours_nothing_waits():
    bench = station(MONDAY.replace(hour=17), hours="").charge()
    assert bench.setpoint.amps == 16.0


def test_the_composite_schedule_tells_the_operator_of_the_hours():
    """SC-24: what the station expects to draw"""
    bench = station(MONDAY).charge()
    answer = bench.call("GetCompositeSchedule", connectorId=1, duration=8 * 3600, chargingRateUnit="A")
    periods = answer[2]["chargingSchedule"]["chargingSchedulePeriod"]
    assert [(one["startPeriod"], one["limit"]) for one in periods] == [(0, 16.0), (600, 0.0), (22200, 16.0)]
    bench.live(601, 1.0)
    bench.do(ChargeNow("anna"))
    answer = bench.call("GetCompositeSchedule", connectorId=1, duration=3600, chargingRateUnit="W")
    periods = answer[2]["chargingSchedule"]["chargingSchedulePeriod"]
    assert [(one["startPeriod"], one["limit"]) for one in periods] == [(0, 3680.0)]
    assert bench.call("GetCompositeSchedule", connectorId=1, duration=10**15)[2]["status"] == "Accepted"
