"""The station's computer dies or is told to end in the middle of a session (journey C of docs/architecture.md)."""

from __future__ import annotations

import pytest

from tests.journeys.backend import Silence
from tests.journeys.ledger import register_values
from tests.journeys.rig import Rig, RigMaker
from tests.journeys.station import LoneSimulator, until

SAMPLING = {"ocpp": {"MeterValueSampleInterval": 1}}


def boot_again(rig: Rig) -> None:
    rig.station.start()
    rig.backend.next("BootNotification", 15)


def stop_after_boot(rig: Rig) -> dict:
    """The StopTransaction of the session that was cut off; meterStop fits what was sent and what the meter shows."""
    stop = rig.backend.next("StopTransaction", 15).payload
    sent = [value for e in rig.backend.calls("MeterValues") for value in register_values(e.payload["meterValue"])]
    assert stop["meterStop"] >= max(sent, default=0)
    assert stop["meterStop"] <= rig.sim.state()["energy_wh"] + 1
    return stop


def test_power_cut_before_the_start_was_answered(make_rig: RigMaker):
    rig = make_rig(SAMPLING)
    rig.start()
    rig.backend.answer_next("StartTransaction", Silence())
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.swipe()
    first = rig.backend.next("StartTransaction")
    rig.sim.wait(lambda s: s["relay"], 15, "the contactor closes")
    rig.charge_wh(2)
    rig.station.kill()
    rig.backend.skip()
    boot_again(rig)
    again = rig.backend.next("StartTransaction", 15)
    assert again.text == first.text, "the same id and every byte"
    stop = stop_after_boot(rig)
    assert (stop["transactionId"], stop["reason"]) == (rig.transaction_id(again), "PowerLoss")
    assert stop["meterStop"] > first.payload["meterStart"]


def test_power_cut_between_the_stop_and_its_answer(make_rig: RigMaker):
    rig = make_rig(SAMPLING)
    rig.start()
    session = rig.start_session()
    rig.backend.answer_next("StopTransaction", Silence())
    rig.sim.unplug()
    first = rig.backend.next("StopTransaction")
    rig.station.kill()
    rig.backend.skip()
    boot_again(rig)
    again = rig.backend.next("StopTransaction", 15)
    assert again.text == first.text
    assert again.payload["transactionId"] == session.transaction_id


def test_power_cut_while_the_backend_is_away(make_rig: RigMaker):
    rig = make_rig({"ocpp": {"MeterValueSampleInterval": 1, "AllowOfflineTxForUnknownId": True}})
    rig.start()
    rig.backend.go_down()
    rig.sim.plug()
    rig.swipe()
    rig.sim.wait(lambda s: s["relay"], 15, "the contactor closes")
    rig.charge_wh(2)
    rig.station.kill()
    rig.backend.skip()
    rig.backend.come_up()
    boot_again(rig)
    start = rig.backend.next("StartTransaction", 15)
    stop = stop_after_boot(rig)
    assert stop["reason"] == "PowerLoss"
    assert stop["transactionId"] == rig.transaction_id(start)
    assert stop["meterStop"] > start.payload["meterStart"]


def test_power_cut_with_a_car_that_waits_starts_nothing(make_rig: RigMaker):
    rig = make_rig()
    rig.start()
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.station.kill()
    rig.backend.skip()
    boot_again(rig)
    assert rig.sim.state()["plugged"], "the car stays plugged over a power cut"
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 1.0)
    rig.swipe()
    rig.wait_started()


def test_power_cut_again_and_again_gives_one_stop(make_rig: RigMaker):
    rig = make_rig(SAMPLING)
    rig.start()
    session = rig.start_session()
    rig.charge_wh(1)
    rig.station.kill()
    for delay_s in (0.3, 0.6, 0.9):
        rig.station.launch()
        rig.backend.story.wait(lambda: False, delay_s)
        rig.station.kill()
    rig.station.start()
    stop = rig.backend.next("StopTransaction", 15).payload
    assert stop["transactionId"] == session.transaction_id


def test_sigterm_ends_in_time_and_does_not_stop_the_transaction(make_rig: RigMaker):
    rig = make_rig(SAMPLING)
    rig.start()
    session = rig.start_session()
    rig.charge_wh(1)
    assert rig.station.terminate(timeout_s=10) == 0
    assert rig.station.left_over == []
    rig.backend.expect_no("StopTransaction", 0.1)
    rig.backend.skip()
    boot_again(rig)
    stop = stop_after_boot(rig)
    assert (stop["transactionId"], stop["reason"]) == (session.transaction_id, "Reboot")


def test_a_crash_while_the_box_goes_on_charging(lone_box: LoneSimulator, make_rig: RigMaker):
    rig = make_rig(SAMPLING, box=lone_box)
    rig.start()
    session = rig.start_session()
    rig.backend.next("MeterValues")
    rig.station.kill()
    assert rig.sim.state()["relay"], "the box goes on without its host"
    rig.charge_wh(3)
    rig.backend.skip()
    boot_again(rig)
    stop = stop_after_boot(rig)
    assert stop["transactionId"] == session.transaction_id
    state = rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
    assert abs(stop["meterStop"] - state["energy_wh"]) <= 1, "all that flowed belongs to the session"
    again = rig.backend.call("RemoteStartTransaction", {"idTag": rig.other_card, "connectorId": 1})
    assert again == {"status": "Accepted"}
    assert rig.wait_started().start.payload["meterStart"] == stop["meterStop"]


def test_a_crash_and_a_new_session_at_once(lone_box: LoneSimulator, make_rig: RigMaker):
    """The table of statuses has no way from Finishing to Charging (the rules of the wire check it)."""
    rig = make_rig(SAMPLING, box=lone_box)
    rig.start()
    rig.start_session()
    rig.station.kill()
    rig.backend.skip()
    boot_again(rig)
    request = {"idTag": rig.other_card, "connectorId": 1}
    until(lambda: rig.backend.call("RemoteStartTransaction", request)["status"] == "Accepted", 15, "accepted", 0.02)
    rig.backend.next("StopTransaction", 15)
    rig.backend.wait_status("Charging", timeout_s=15)
    rig.sim.wait(lambda s: s["relay"], what="the contactor closes")


def test_a_lost_meter_at_boot_does_not_hold_up_the_stop(lone_box: LoneSimulator, make_rig: RigMaker):
    rig = make_rig(SAMPLING, box=lone_box)
    rig.start()
    session = rig.start_session()
    for _ in range(2):
        rig.backend.next("MeterValues")
    rig.station.kill()
    rig.sim.link("meter", "mute")
    rig.backend.skip()
    rig.station.launch()
    rig.backend.next("BootNotification", 15)
    stop = rig.backend.next("StopTransaction", 45).payload
    assert stop["transactionId"] == session.transaction_id


@pytest.mark.parametrize("after_s", [0.2, 0.6, 1.0])
def test_sigterm_while_starting_ends_cleanly(make_rig: RigMaker, after_s: float):
    rig = make_rig()
    rig.station.launch()
    rig.backend.story.wait(lambda: False, after_s)
    code = rig.station.terminate(timeout_s=10)
    assert code in (0, -15), rig.station.log_tail()  # -15: the handler was not installed yet
    assert rig.station.left_over == []


def test_sigterm_right_after_the_simulator_was_started_takes_it_along(make_rig: RigMaker):
    rig = make_rig()
    rig.station.launch()
    until(lambda: "The simulator starts" in rig.station.log(), 15, "the simulator is started", 0.001)
    assert rig.station.terminate(timeout_s=10) == 0
    assert rig.station.left_over == []


def test_sigterm_with_the_web_server_running(make_rig: RigMaker):
    rig = make_rig(web=True)
    rig.start()
    assert rig.station.terminate(timeout_s=10) == 0
    assert rig.station.left_over == []
