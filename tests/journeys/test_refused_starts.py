"""The backend refuses the idTag in StartTransaction.conf while online; offline: tests/conformance/test_offline.py."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig

INVALID = {"transactionId": 4711, "idTagInfo": {"status": "Invalid"}}


@pytest.fixture(scope="module")
def shared_provision() -> dict:
    return {"ocpp": {"AllowOfflineTxForUnknownId": True, "MaxEnergyOnInvalidId": 0}}


def test_an_invalid_start_is_stopped(rig: Rig):
    """TX-06, TX-11"""
    rig.configure(StopTransactionOnInvalidId=True)
    start_refused(rig)
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["reason"]) == (4711, "DeAuthorized")
    rig.backend.wait_status("Finishing")
    rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")


def test_an_invalid_start_is_suspended(rig: Rig):
    """TX-07, STA-05"""
    rig.configure(StopTransactionOnInvalidId=False)
    start_refused(rig)
    rig.backend.wait_status("SuspendedEVSE")
    before = rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
    rig.backend.expect_no("StopTransaction", 1.0)
    assert rig.sim.state()["energy_wh"] == before["energy_wh"]
    rig.sim.unplug()
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["reason"]) == (4711, "EVDisconnected")


def test_an_invalid_start_gets_its_grace_energy(rig: Rig):
    """TX-08, field problem 22"""
    rig.configure(StopTransactionOnInvalidId=False, MaxEnergyOnInvalidId=6)
    start = start_refused(rig)
    rig.sim.wait(lambda s: s["relay"], 15, "energy flows at first")
    rig.backend.wait_status("SuspendedEVSE", timeout_s=30)
    state = rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
    used = state["energy_wh"] - start["meterStart"]
    assert 5 <= used <= 14, f"{used} Wh flowed, 6 were allowed"
    rig.backend.expect_no("StopTransaction", 0.5)
    rig.sim.unplug()
    assert rig.backend.next("StopTransaction").payload["meterStop"] >= start["meterStart"] + 5


def test_concurrent_tx_in_the_answer_is_a_refusal(rig: Rig):
    """AUT-14, TX-04, TX-06, field problem 22"""
    rig.configure(StopTransactionOnInvalidId=True)
    rig.backend.answer_next("StartTransaction", {"transactionId": 0, "idTagInfo": {"status": "ConcurrentTx"}})
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.swipe()
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["reason"]) == (0, "DeAuthorized")


def start_refused(rig: Rig) -> dict:
    """A session whose StartTransaction gets Invalid for an answer."""
    rig.backend.answer_next("StartTransaction", INVALID)
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.swipe(rig.other_card)
    return rig.backend.next("StartTransaction", 15).payload
