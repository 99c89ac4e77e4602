"""Reset with messages in the queue; the cases are in tests/conformance/test_interruptions.py."""

from __future__ import annotations

from tests.journeys.rig import Rig, RigMaker


def test_the_queue_survives_a_reset(make_rig: RigMaker):
    """RES-02, TXQ-09"""
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
    assert rig.command("Reset", type="Hard") == "Accepted"
    rig.backend.wait_for(
        "StatusNotification", lambda p: p["errorCode"] == "ResetFailure", 30, why="the board's failure is reported"
    )
    rig.backend.next("BootNotification", 30)
    rig.backend.wait_status("Available")
