"""Randomised delay (UK SI 2021/1467, regulation 11): power waits, messages do not; a person may skip."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest

from ocppclient.clock import format_utc
from ocppclient.events import ChargeNow, Explain, Fault, LocalStop, Setpoint
from ocppclient.settings import Factory
from tests.ocppclient.harness import Bench, of, statuses

DELAY, LONGEST, SHORTEST = (
    "OpenStation.RandomisedDelay",
    "OpenStation.PowerReturnDelayMax",
    "OpenStation.PowerReturnDelayMin",
)
CLAUSE = "SI 2021/1467 reg. 11"


class Dice(Random):
    """Falls as the test says; remembers between which numbers it was thrown."""

    def __init__(self, *falls: int) -> None:
        super().__init__(0)
        self.falls = list(falls)
        self.thrown: list[tuple[int, int]] = []

    def randint(self, a: int, b: int) -> int:
        self.thrown.append((a, b))
        return self.falls.pop(0) if self.falls else a


def station(*falls: int, factory: Factory = Factory(), **keys: str) -> Bench:  # noqa: B008
    configuration = {DELAY: "600", "MeterValueSampleInterval": "0", **keys}
    return Bench(configuration, chance=Dice(*falls), factory=factory).ready()


def start(bench: Bench) -> list[tuple[str, dict[str, Any]]]:
    bench.read(ev_connected=True, ev_requests=True)
    bench.swipe("CARD1")
    return bench.settle()


def limit(bench: Bench, amps: float) -> None:
    profile = {
        "chargingProfileId": 7, "stackLevel": 0, "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {
            "startSchedule": format_utc(bench.clock.utc()), "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}],
        },
    }  # fmt: skip
    assert bench.call("SetChargingProfile", connectorId=1, csChargingProfiles=profile)[2] == {"status": "Accepted"}


def delays(bench: Bench) -> list[str]:
    return [one.verdict for one in bench.actions if isinstance(one, Explain) and one.clause == CLAUSE]


def test_the_transaction_starts_at_once_and_its_power_comes_after_the_delay():
    """The certified 10 s from a remote start to StartTransaction hold: it delays power, no message"""
    bench = station(252)
    sent = start(bench)
    assert of(sent, "StartTransaction")
    assert bench.chance.thrown == [(0, 600)]
    assert bench.setpoint == Setpoint(0.0, True)
    assert statuses(sent)[-1] == "SuspendedEVSE"
    assert bench.cp.view().sentence == "Power comes in 4 min 12 s (spreading the load of the grid)."
    bench.live(251, 1.0)
    assert bench.setpoint == Setpoint(0.0, True)
    assert bench.cp.view().sentence == "Power comes in 1 s (spreading the load of the grid)."
    bench.live(1, 1.0)
    assert bench.setpoint == Setpoint(16.0, True)
    assert delays(bench) == ["delayed"]


def test_after_a_short_delay_the_status_never_goes_back_to_preparing():
    """Section 4.9: there is no way from SuspendedEVSE to Preparing"""
    bench = station(2)
    sent = start(bench)
    sent += bench.live(4, 0.1)
    bench.read(contactor_closed=True)
    sent += bench.live(1, 0.1)
    assert statuses(sent) == ["Preparing", "SuspendedEVSE", "SuspendedEV", "Charging"]


def test_each_start_draws_anew():
    bench = station(5, 300, 7)
    for seconds in (5, 300, 7):
        start(bench)
        bench.live(seconds - 1, 1.0)
        assert bench.setpoint == Setpoint(0.0, True)
        bench.live(1.1, 0.1)
        assert bench.setpoint == Setpoint(16.0, True)
        bench.do(LocalStop())
        bench.open_contactor()
        bench.read(ev_connected=False)
        bench.settle()
    assert len(bench.chance.thrown) == 3


def test_a_person_skips_the_delay_that_runs():
    bench = station(500, 400)
    start(bench)
    assert bench.cp.view().waiting
    bench.do(ChargeNow("anna"))
    assert bench.setpoint == Setpoint(16.0, True)
    assert delays(bench) == ["delayed", "skipped"]
    assert "anna lets this session charge without a random delay." in bench.reasons()
    limit(bench, 0)
    bench.live(1, 1.0)
    limit(bench, 16)
    assert bench.setpoint == Setpoint(0.0, True), "each time: the next one waits again"


def test_a_skip_of_the_hours_does_not_end_in_a_delay():
    bench = station(500, **{"OpenStation.PeakHours": "Mon-Sun 00:00-24:00"})
    start(bench)
    assert bench.chance.thrown == [], "in the hours nothing is about to flow"
    bench.do(ChargeNow("anna"))
    assert bench.setpoint == Setpoint(16.0, True)


def test_a_schedule_that_goes_up_waits_and_one_that_goes_down_does_not():
    """Regulation 11 (relevant time), regulation 8 (safety): the rate goes up after the delay, and down at once"""
    bench = station(0, 30)
    bench.charge()
    limit(bench, 8)
    assert bench.setpoint == Setpoint(8.0, True)
    limit(bench, 12)
    assert bench.setpoint == Setpoint(8.0, True)
    assert bench.cp.view().sentence == "Charging at up to 8.0 A, more in 30 s (spreading the load of the grid)."
    bench.live(29, 1.0)
    assert bench.setpoint == Setpoint(8.0, True)
    bench.live(1.1, 0.1)
    assert bench.setpoint == Setpoint(12.0, True)


def test_what_falls_below_while_more_was_waiting_falls_at_once():
    bench = station(0, 300, 40)
    bench.charge()
    limit(bench, 10)
    limit(bench, 16)
    limit(bench, 6)
    assert bench.setpoint == Setpoint(6.0, True)
    bench.live(5, 1.0)
    limit(bench, 16)
    assert bench.chance.thrown[2:] == [(0, 600)], "the former wait is over; this one is drawn anew"


def test_a_raise_that_grows_while_it_waits_waits_no_longer():
    bench = station(0, 20)
    bench.charge()
    limit(bench, 6)
    limit(bench, 8)
    bench.live(10, 1.0)
    limit(bench, 14)
    bench.live(10.1, 0.1)
    assert bench.setpoint == Setpoint(14.0, True)


def test_a_fault_opens_at_once_and_what_comes_after_it_waits():
    """Regulation 8"""
    bench = station(0, 60)
    bench.charge()
    bench.read(faults=(Fault("GroundFailure"),))
    assert not bench.setpoint.authorised
    bench.read(faults=())
    assert bench.setpoint == Setpoint(0.0, True)
    bench.live(60.1, 0.1)
    assert bench.setpoint == Setpoint(16.0, True)


def test_the_operator_makes_it_longer_shorter_or_off_and_a_delay_that_runs_follows():
    """Up to 1,800 s remotely; 0 while response services are given: nothing may be delayed then (regulation 11)"""
    bench = station(500)
    assert bench.call("ChangeConfiguration", key=DELAY, value="1801")[2] == {"status": "Rejected"}
    assert bench.call("ChangeConfiguration", key=DELAY, value="1800")[2] == {"status": "Accepted"}
    start(bench)
    assert bench.chance.thrown == [(0, 1800)]
    bench.live(100, 1.0)
    assert bench.call("ChangeConfiguration", key=DELAY, value="130")[2] == {"status": "Accepted"}
    assert bench.cp.view().sentence == "Power comes in 30 s (spreading the load of the grid)."
    assert bench.call("ChangeConfiguration", key=DELAY, value="0")[2] == {"status": "Accepted"}
    assert bench.setpoint == Setpoint(16.0, True)


def test_without_the_key_nothing_waits_and_nothing_is_drawn_that_could_be_seen():
    bench = station(**{DELAY: "0"})
    start(bench)
    assert bench.setpoint == Setpoint(16.0, True)
    assert delays(bench) == []
    assert not bench.cp.view().waiting


def test_control_that_comes_back_after_an_outage_waits():
    """After an interruption of the communication"""
    bench = station(0, 45, **{"OpenStation.LossOfControlTimeOut": "10", "OpenStation.LossOfControlCurrent": "6"})
    bench.charge()
    bench.wait(11, 1.0)
    assert bench.setpoint == Setpoint(6.0, True)
    bench.calls.clear()
    bench.call("GetConfiguration", key=[DELAY])
    assert bench.setpoint == Setpoint(6.0, True)
    for _ in range(46):
        bench.live(1, 1.0)
        bench.call("GetConfiguration", key=[DELAY])
    assert bench.setpoint == Setpoint(16.0, True)


# -- the power came back

RESUME = Factory(resume_after_power_loss=True)
RETURN = {SHORTEST: "120", LONGEST: "720"}


def test_a_session_that_is_resumed_after_a_power_cut_waits_by_the_setting_of_its_own():
    bench = station(0, 0, 300, factory=RESUME, **RETURN)
    bench.charge()
    bench.chance.thrown.clear()
    bench.chance.falls[:] = [300, 17]
    bench.reboot()
    bench.ready()
    assert bench.chance.thrown[0] == (120, 720)
    assert bench.setpoint == Setpoint(0.0, True)
    assert bench.cp.view().sentence == "Power comes in 5 min 0 s (after a power cut, spreading the load of the grid)."
    bench.live(299, 1.0)
    assert bench.setpoint == Setpoint(0.0, True)
    bench.live(1.1, 0.1)
    assert bench.setpoint == Setpoint(16.0, True), "an equivalent delay was applied: no second one"


def test_a_car_that_stood_there_when_the_power_came_back_waits_when_its_session_is_begun_anew():
    """product.md, settled question 4: the session of before was stopped with PowerLoss"""
    bench = station(0, **RETURN)
    bench.charge()
    bench.chance.falls[:] = [200, 9]
    bench.reboot()
    bench.ready()
    bench.swipe("CARD1")
    bench.settle()
    assert bench.setpoint == Setpoint(0.0, True)
    bench.live(200.2, 0.1)
    assert bench.setpoint == Setpoint(16.0, True)


@pytest.mark.parametrize("how", ["later", "unplugged"])
def test_who_comes_after_the_return_of_the_power_has_the_usual_delay(how):
    bench = station(0, **RETURN)
    bench.charge()
    bench.chance.falls[:] = [200, 9]
    bench.reboot()
    bench.ready()
    if how == "later":
        bench.live(201, 1.0)
    else:
        bench.read(ev_connected=False)
    bench.chance.falls[:] = [9]
    start(bench)
    assert bench.chance.thrown[-1] == (0, 600)
    bench.live(9.1, 0.1)
    assert bench.setpoint == Setpoint(16.0, True)


def test_a_restart_that_was_ordered_is_no_return_of_the_power():
    bench = station(0, factory=RESUME, **RETURN)
    bench.charge()
    bench.call("Reset", type="Soft")
    bench.live(10, 1.0)
    bench.chance.thrown.clear()
    bench.reboot()
    bench.ready()
    assert (120, 720) not in bench.chance.thrown


def test_the_very_first_start_is_no_return_of_the_power():
    bench = Bench({DELAY: "600", **RETURN}, chance=Dice(3))
    bench.read(ev_connected=True)
    bench.boot()
    bench.settle()
    bench.swipe("CARD1")
    bench.settle()
    assert bench.chance.thrown == [(0, 600)]


def test_a_power_cut_within_a_delay_means_another_one():
    bench = station(500, 40, factory=RESUME)
    start(bench)
    bench.live(100, 1.0)
    bench.reboot()
    bench.ready()
    assert bench.chance.thrown == [(0, 600), (0, 600)]
    assert bench.setpoint == Setpoint(0.0, True)
    bench.live(41, 1.0)
    assert bench.setpoint == Setpoint(16.0, True)


def test_a_shortest_time_above_the_longest_is_the_longest():
    bench = station(0, factory=RESUME, **{SHORTEST: "900", LONGEST: "100"})
    bench.charge()
    bench.reboot()
    bench.ready()
    assert (100, 100) in bench.chance.thrown


def test_a_person_skips_the_wait_after_a_power_cut_as_well():
    bench = station(0, factory=RESUME, **RETURN)
    bench.charge()
    bench.chance.falls[:] = [700]
    bench.reboot()
    bench.ready()
    assert bench.setpoint == Setpoint(0.0, True)
    bench.do(ChargeNow("anna"))
    assert bench.setpoint == Setpoint(16.0, True)
    limit(bench, 0)
    bench.live(1, 1.0)
    limit(bench, 16)
    assert bench.chance.thrown[-1] == (0, 600), "the next one is a delay like any other"
    assert bench.setpoint == Setpoint(16.0, True), "of 0 s, as it fell"
