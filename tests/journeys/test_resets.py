"""Reset and availability over real restarts of the process (OCTT TC_013 to TC_016, TC_034)."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig, RigMaker

ACCEPTED = {"status": "Accepted"}


@pytest.mark.parametrize("kind", ["Hard", "Soft"])
def test_reset_without_a_transaction_TC_013_TC_014(make_rig: RigMaker, kind: str):
    rig = make_rig()
    rig.start()
    assert rig.backend.call("ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}) == ACCEPTED
    rig.backend.wait_status("Unavailable")
    assert rig.backend.call("Reset", {"type": kind}) == ACCEPTED
    rig.backend.next("BootNotification", 30)
    rig.backend.wait_status("Unavailable")
    assert rig.backend.call("ChangeAvailability", {"connectorId": 1, "type": "Operative"}) == ACCEPTED
    rig.backend.wait_status("Available")
    rig.start_session()


@pytest.mark.parametrize("kind", ["Hard", "Soft"])
def test_reset_with_a_transaction_TC_015_TC_016(make_rig: RigMaker, kind: str):
    rig = make_rig()
    rig.start()
    session = rig.start_session()
    rig.charge_wh(1)
    assert rig.backend.call("Reset", {"type": kind}) == ACCEPTED
    stop = rig.backend.next("StopTransaction", 30).payload
    assert (stop["transactionId"], stop["reason"]) == (session.transaction_id, f"{kind}Reset")
    rig.backend.next("BootNotification", 30)
    report = rig.backend.wait_for(
        "StatusNotification",
        lambda p: p["connectorId"] == 1 and p["status"] in ("Finishing", "Preparing"),
        30,
        why="Finishing or Preparing after the boot",
    )
    assert report.payload["errorCode"] == "NoError"
    assert not rig.sim.state()["relay"]


def test_unavailable_survives_a_power_cut_TC_034(make_rig: RigMaker):
    rig = make_rig()
    rig.start()
    assert rig.backend.call("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}) == ACCEPTED
    rig.backend.wait_status("Unavailable", connector=0)
    rig.backend.wait_status("Unavailable", connector=1)
    rig.station.restart()
    rig.backend.next("BootNotification", 15)
    rig.backend.wait_status("Unavailable", connector=0)
    rig.backend.wait_status("Unavailable", connector=1)
    assert rig.backend.call("ChangeAvailability", {"connectorId": 0, "type": "Operative"}) == ACCEPTED
    rig.backend.wait_status("Available", connector=1)


def test_the_queue_survives_a_reset(make_rig: RigMaker):
    rig = make_rig({"ocpp": {"AllowOfflineTxForUnknownId": True}})
    rig.start()
    offline_session(rig)
    rig.backend.come_up()
    rig.backend.mute()
    rig.backend.wait_connected(15)
    rig.backend.send_call("Reset", {"type": "Soft"})
    rig.backend.wait_disconnected(20)
    rig.backend.unmute()
    rig.backend.next("BootNotification", 30)
    start = rig.backend.next("StartTransaction", 15)
    stop = rig.backend.next("StopTransaction", 15)
    assert stop.payload["meterStop"] >= start.payload["meterStart"]


def offline_session(rig: Rig) -> None:
    """A whole session while the backend is away."""
    rig.backend.go_down()
    rig.sim.plug()
    rig.swipe()
    rig.sim.wait(lambda s: s["relay"], 15, "the contactor closes")
    rig.charge_wh(1)
    rig.sim.unplug()
    rig.backend.story.wait(lambda: False, 1.5)


def test_a_board_that_does_not_restart_is_reported_and_the_application_restarts(make_rig: RigMaker):
    """RES-06: ResetRetries, errorCode ResetFailure"""
    rig = make_rig({"ocpp": {"ResetRetries": "0"}})
    rig.start()
    rig.sim.fault("reset_fails", True)
    assert rig.backend.call("Reset", {"type": "Hard"}) == ACCEPTED
    rig.backend.wait_for(
        "StatusNotification", lambda p: p["errorCode"] == "ResetFailure", 30, why="the board's failure is reported"
    )
    rig.backend.next("BootNotification", 30)
    rig.backend.wait_status("Available")
