"""Starting and stopping a charging session with a card (OCTT groups 2, 3 and 10)."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig


def test_TC_003_regular_charging_session_plugin_first(rig: Rig):
    """AUT-01, AUT-03, STA-04, STA-05, STA-21, TX-01, TX-02, TX-03"""
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    state = rig.sim.state()
    assert not state["relay"], "no energy before the authorization"
    rig.swipe()
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    start = rig.wait_started().start.payload
    assert (start["connectorId"], start["idTag"]) == (1, rig.card)
    assert abs(start["meterStart"] - state["energy_wh"]) <= 2
    assert "reservationId" not in start
    rig.backend.wait_status("Charging", timeout_s=15)
    state = rig.sim.wait(lambda s: s["relay"] and s["power_w"] > 1000, 15, "energy flows")
    assert state["offered_a"] == pytest.approx(16, abs=0.5)


def test_TC_004_1_regular_charging_session_identification_first(rig: Rig):
    """AUT-03, STA-04, TX-01, TX-02"""
    rig.swipe()
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.3)
    rig.sim.plug()
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)


def test_TC_004_2_identification_first_connection_time_out(rig: Rig):
    """STA-09"""
    rig.configure(ConnectionTimeOut=1)
    rig.swipe()
    rig.backend.next("Authorize")
    preparing = rig.backend.wait_status("Preparing")
    available = rig.backend.wait_status("Available", timeout_s=4)
    assert 0.8 <= available.at - preparing.at <= 2.5
    # the authorization is over: a cable alone starts nothing
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.5)
    assert not rig.sim.state()["relay"]


def test_TC_068_id_tag_in_stop_matches_id_tag_in_start(rig: Rig):
    """AUT-16, AUT-18, TX-10, TX-11, STA-07, STA-21"""
    session = rig.start_session()
    rig.charge_wh(1)
    rig.backend.skip()
    # another card: nothing is asked, nothing is stopped
    rig.swipe(rig.other_card)
    rig.backend.expect_no("Authorize", 1.0)
    rig.backend.expect_no("StopTransaction", 0.1)
    assert rig.sim.state()["relay"]
    # the card of the start: stops without asking
    rig.swipe()
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["idTag"]) == (session.transaction_id, rig.card)
    assert stop.get("reason", "Local") == "Local"
    assert stop["meterStop"] > session.start.payload["meterStart"]
    rig.backend.wait_status("Finishing")
    state = rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
    assert abs(stop["meterStop"] - state["energy_wh"]) <= 2
    rig.backend.expect_no("Authorize", 0.1)
    rig.sim.unplug()
    rig.backend.wait_status("Available")


def test_TC_069_parent_id_tag_in_stop_matches_parent_id_tag_in_start(rig: Rig):
    """AUT-17, AUT-19, TX-10"""
    rig.backend.cards[rig.card] = {"status": "Accepted", "parentIdTag": "FLEET"}
    rig.backend.cards[rig.group_card] = {"status": "Accepted", "parentIdTag": "FLEET"}
    rig.backend.cards[rig.other_card] = {"status": "Accepted", "parentIdTag": "NEIGHBOUR"}
    session = rig.start_session()
    rig.backend.skip()
    rig.swipe(rig.other_card)
    assert rig.backend.next("Authorize").payload == {"idTag": rig.other_card}
    rig.backend.expect_no("StopTransaction", 0.5)
    rig.swipe(rig.group_card)
    assert rig.backend.next("Authorize").payload == {"idTag": rig.group_card}
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["idTag"]) == (session.transaction_id, rig.group_card)
    assert stop.get("reason", "Local") == "Local"
    rig.backend.wait_status("Finishing")


def test_TC_005_2_ev_side_disconnected_stops_the_transaction(rig: Rig):
    """TX-11, TX-13, STA-07, STA-16, UNL-01"""
    rig.configure(StopTransactionOnEVSideDisconnect=True)
    session = rig.start_session()
    rig.charge_wh(1)
    rig.sim.unplug()
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["reason"]) == (session.transaction_id, "EVDisconnected")
    rig.backend.wait_status("Finishing", errorCode="NoError", info="EV side disconnected")
    assert rig.command("UnlockConnector", connectorId=1) == "NotSupported"
    rig.backend.wait_status("Available")
    assert not rig.sim.state()["relay"]
    # the same cable again gives no energy without a new authorization
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.5)
    assert not rig.sim.state()["relay"]


def test_TC_005_3_ev_side_disconnected_suspends_the_transaction(rig: Rig):
    """TX-14, STA-16, RST-12"""
    rig.configure(StopTransactionOnEVSideDisconnect=False)
    session = rig.start_session()
    rig.sim.unplug()
    rig.backend.wait_status("SuspendedEV", errorCode="NoError", info="EV side disconnected")
    rig.backend.expect_no("StopTransaction", 0.5)
    assert not rig.sim.state()["relay"]
    rig.sim.plug()
    rig.backend.wait_status("Charging", timeout_s=15)
    rig.sim.unplug()
    rig.backend.wait_status("SuspendedEV")
    assert rig.command("RemoteStopTransaction", transactionId=session.transaction_id) == "Accepted"
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["reason"]) == (session.transaction_id, "Remote")
    rig.backend.wait_status("Finishing")


def test_TC_023_4_start_local_session_authorize_invalid(rig: Rig):
    """AUT-21, STA-04, STA-18"""
    rig.backend.cards[rig.card] = {"status": "Invalid"}
    rig.configure(LocalPreAuthorize=True)
    rig.swipe()
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    rig.backend.expect_no("StatusNotification", 0.3)
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.7)
    assert not rig.sim.state()["relay"]
