"""ChangeAvailability: at once or after the transaction, and over reboots."""

from __future__ import annotations

import pytest

from ocppclient.events import DiskJudged, MaintenanceBegan, MaintenanceEnded
from tests.ocppclient.harness import Bench, of, statuses

NO_SAMPLES = {"MeterValueSampleInterval": "0"}


def change(bench, connector_id, wanted):
    return bench.call("ChangeAvailability", connectorId=connector_id, type=wanted)[2]["status"]


def test_one_connector_is_taken_out_of_service_and_back():
    """AVL-01, AVL-03"""
    bench = Bench().ready()
    assert change(bench, 1, "Inoperative") == "Accepted"
    sent = bench.settle()
    assert (statuses(sent, 1), statuses(sent, 0)) == (["Unavailable"], [])
    assert change(bench, 1, "Inoperative") == "Accepted"
    assert bench.calls == []
    assert change(bench, 1, "Operative") == "Accepted"
    assert statuses(bench.settle()) == ["Available"]


def test_connector_0_means_all_of_it():
    """AVL-02, T:TC_034"""
    bench = Bench().ready()
    assert change(bench, 0, "Inoperative") == "Accepted"
    sent = bench.settle()
    assert (statuses(sent, 0), statuses(sent, 1)) == (["Unavailable"], ["Unavailable"])
    change(bench, 0, "Operative")
    sent = bench.settle()
    assert (statuses(sent, 0), statuses(sent, 1)) == (["Available"], ["Available"])


@pytest.mark.parametrize("connector_id", [2, -1])
def test_an_unknown_connector_is_rejected(connector_id):
    """AVL-01"""
    bench = Bench().ready()
    assert change(bench, connector_id, "Inoperative") == "Rejected"
    assert bench.clauses()[-1] == "AVL-01"


@pytest.mark.parametrize("connector_id", [0, 1])
def test_during_a_transaction_it_is_scheduled_and_applied_afterwards(connector_id):
    """AVL-01, AVL-03"""
    bench = Bench(NO_SAMPLES).ready().charge()
    assert change(bench, connector_id, "Inoperative") == "Scheduled"
    assert bench.clauses()[-1] == "AVL-01"
    bench.wait(5)
    assert bench.setpoint.authorised
    assert bench.calls == []
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.wait(0.2)
    assert statuses(bench.settle())[-1] == "Unavailable"


def test_what_is_scheduled_outlives_a_power_cut():
    """AVL-04, AVL-06"""
    bench = Bench(NO_SAMPLES).ready().charge()
    change(bench, 0, "Inoperative")
    bench.reboot()
    bench.read(contactor_closed=False)
    bench.wait(0.2)
    bench.boot()
    sent = bench.settle()
    assert (statuses(sent, 0)[-1], statuses(sent, 1)[-1]) == ("Unavailable", "Unavailable")
    assert len(of(sent, "StopTransaction")) == 1


def test_a_later_request_replaces_what_is_scheduled():
    """AVL-06"""
    bench = Bench(NO_SAMPLES).ready().charge()
    change(bench, 1, "Inoperative")
    assert change(bench, 1, "Operative") == "Accepted"
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.wait(0.2)
    assert statuses(bench.settle()) == ["Finishing"]


@pytest.mark.parametrize("connector_id", [0, 1])
def test_it_outlives_power_cuts(connector_id):
    """AVL-04, STA-14, T:TC_034"""
    bench = Bench().ready()
    change(bench, connector_id, "Inoperative")
    bench.settle()
    for _ in range(2):
        bench.reboot()
        bench.read()
        bench.boot()
        assert statuses(bench.settle()) == ["Unavailable"]


def test_preparing_counts_as_no_transaction():
    """AVL-06, AVL-07"""
    bench = Bench().ready()
    bench.read(ev_connected=True)
    bench.settle()
    assert change(bench, 1, "Inoperative") == "Accepted"
    assert statuses(bench.settle()) == ["Unavailable"]
    change(bench, 1, "Operative")
    assert statuses(bench.settle()) == ["Preparing"]


def test_maintenance_keeps_everybody_out_until_it_ends():
    """STA-15"""
    bench = Bench().ready()
    bench.do(MaintenanceBegan("self-test"))
    assert statuses(bench.settle()) == ["Unavailable"]
    assert bench.call("RemoteStartTransaction", idTag="CARD1", connectorId=1)[2] == {"status": "Rejected"}
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    assert bench.feedback() == ["rejected"]
    assert all("(self-test)" in rule for rule in bench.reasons())
    assert bench.cp.view().sentence == "Out of service: self-test."
    bench.do(MaintenanceEnded())
    assert statuses(bench.settle()) == ["Preparing"]


def test_maintenance_is_refused_while_a_session_runs():
    """STA-15"""
    bench = Bench().ready().charge()
    bench.do(MaintenanceBegan("self-test"))
    assert bench.reasons()[-1] == "A session is running. Stop it first."
    assert bench.status == "Charging"
    assert bench.cp.availability.operative(1)


def test_maintenance_does_not_outlive_a_reboot():
    """STA-15"""
    bench = Bench().ready()
    bench.do(MaintenanceBegan("self-test"))
    bench.reboot()
    assert bench.cp.availability.operative(1)


def test_on_a_full_disk_no_session_starts_and_a_running_one_goes_on_to_its_end():
    """STA-15, AVL-05"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.do(DiskJudged(has_room=False))
    assert "too little room" in bench.reasons()[-1]
    assert bench.status == "Charging"
    bench.settle()
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.read(ev_connected=False)
    sent = bench.settle()
    assert of(sent, "StopTransaction")
    assert statuses(sent)[-1] == "Unavailable"
    assert bench.cp.view().sentence == "The disk is full: no session can start until there is room."
    assert bench.call("RemoteStartTransaction", idTag="CARD1", connectorId=1)[2] == {"status": "Rejected"}
    assert "(its disk is full)" in bench.reasons()[-1]
    bench.do(DiskJudged(has_room=True))
    assert statuses(bench.settle()) == ["Available"]


def test_a_full_disk_is_told_as_a_warning_of_the_station():
    """STA-06"""
    bench = Bench().ready()
    bench.do(DiskJudged(has_room=False))
    told = [report for _, report in of(bench.settle(), "StatusNotification") if report["connectorId"] == 0]
    assert [(report["status"], report["errorCode"], report["info"]) for report in told] == [
        ("Available", "OtherError", "disk full: no session can start")
    ]
