"""A whole session on the second families: EVSE-DIN board, ORNO meter, RDM6300 reader, all over their own bytes."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig

REGISTER_STEP_WH = 10


@pytest.fixture(scope="module")
def shared_provision() -> dict:
    hardware = {"board": "evse_din", "meter": "orno514", "reader": "rdm6300", "em4100": "id8"}
    return {"hardware": hardware, "ocpp": {"MeterValueSampleInterval": 1}}


def test_a_session_from_plug_to_unplug(rig: Rig):
    session = rig.start_session()
    assert rig.sim.state()["board"]["kind"] == "evse_din"
    assert session.start.payload["idTag"] == rig.card
    rig.charge_wh(60)
    rig.backend.next("MeterValues")
    rig.swipe()
    stop = rig.backend.next("StopTransaction", 20).payload
    state = rig.sim.wait(lambda s: not s["relay"], what="the contactor is open")
    assert (stop["transactionId"], stop["reason"]) == (session.transaction_id, "Local")
    assert stop["meterStop"] % REGISTER_STEP_WH == 0
    assert state["energy_wh"] - REGISTER_STEP_WH <= stop["meterStop"] <= state["energy_wh"]
    assert stop["meterStop"] - session.start.payload["meterStart"] >= 50
    rig.backend.wait_status("Finishing")
    rig.sim.unplug()
    rig.backend.wait_status("Available")


def test_an_unplug_while_charging_ends_the_session(rig: Rig):
    session = rig.start_session()
    rig.sim.unplug()
    stop = rig.backend.next("StopTransaction", 20).payload
    assert (stop["transactionId"], stop["reason"]) == (session.transaction_id, "EVDisconnected")


def test_leakage_is_a_fault_that_ends_when_the_car_is_gone(rig: Rig):
    rig.start_session()
    rig.sim.fault("ground_fault")
    rig.backend.wait_status("Faulted", timeout_s=20, errorCode="GroundFailure")
    assert not rig.sim.state()["relay"]
    rig.sim.fault("ground_fault", active=False)
    rig.sim.unplug()
    rig.backend.wait_status("Available", timeout_s=40, errorCode="NoError")
