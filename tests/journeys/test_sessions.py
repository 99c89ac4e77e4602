"""A driver at the station, card in hand: what the certification cases of tests/conformance leave open."""

from __future__ import annotations

import pytest

from tests.journeys.ledger import register_values
from tests.journeys.rig import Rig


@pytest.fixture(scope="module")
def shared_provision() -> dict:
    return {"hardware": {"reader": "pn532"}}  # the certification cases tap at the other reader


def test_the_same_card_again_before_plugging_cancels(rig: Rig):
    """AUT-22"""
    rig.configure(ConnectionTimeOut=60)
    rig.swipe()
    rig.backend.wait_status("Preparing")
    rig.swipe()
    rig.backend.wait_status("Available")


def test_a_parent_is_never_compared_with_a_card(rig: Rig):
    """AUT-19"""
    rig.backend.cards[rig.card] = {"status": "Accepted", "parentIdTag": rig.other_card}
    rig.start_session()
    rig.backend.skip()
    rig.swipe(rig.other_card)
    rig.backend.expect_no("StopTransaction", 1.5)


def test_stop_transaction_carries_the_data_that_were_asked_for(rig: Rig):
    """MTR-13, MTR-15"""
    rig.configure(MeterValueSampleInterval=1, StopTxnSampledData="Energy.Active.Import.Register")
    rig.start_session()
    for _ in range(2):
        rig.backend.next("MeterValues")
    rig.sim.unplug()
    stop = rig.backend.next("StopTransaction").payload
    contexts = [s["context"] for v in stop["transactionData"] for s in v["sampledValue"]]
    assert contexts[0] == "Transaction.Begin"
    assert contexts[-1] == "Transaction.End"
    assert contexts[1:-1].count("Sample.Periodic") >= 2
    assert register_values(stop["transactionData"])[-1] == stop["meterStop"]


def test_two_sessions_in_a_row_share_the_register(rig: Rig):
    """TX-03"""
    rig.start_session()
    rig.charge_wh(1)
    rig.sim.unplug()
    first = rig.backend.next("StopTransaction").payload
    rig.backend.wait_status("Available", timeout_s=15)
    session = rig.start_session(rig.other_card)
    assert session.start.payload["meterStart"] == first["meterStop"]
