"""The operator starts and stops from afar (OCTT TC_010 to TC_012, TC_023_5, TC_026 to TC_028)."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


def remote_start(rig: Rig, card: str = "", **more: object) -> dict:
    return rig.backend.call("RemoteStartTransaction", {"idTag": card or rig.card, "connectorId": 1, **more})


@pytest.mark.parametrize("authorize", [True, False])
def test_remote_start_with_the_cable_plugged_in_first_TC_010(rig: Rig, authorize: bool):
    rig.configure(AuthorizeRemoteTxRequests=authorize)
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    assert remote_start(rig) == ACCEPTED
    if authorize:
        assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)
    if not authorize:
        rig.backend.expect_no("Authorize", 0.1)


def test_remote_start_first_TC_011_1(rig: Rig):
    assert remote_start(rig) == ACCEPTED
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.3)
    rig.sim.plug()
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)


def test_remote_start_and_no_car_in_time_TC_011_2(rig: Rig):
    assert remote_start(rig) == ACCEPTED
    preparing = rig.backend.wait_status("Preparing")
    available = rig.backend.wait_status("Available", timeout_s=6)
    assert 2.5 <= available.at - preparing.at <= 4.5
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.7)


def test_remote_stop_TC_012(rig: Rig):
    session = rig.start_session()
    answer = rig.backend.call("RemoteStopTransaction", {"transactionId": session.transaction_id})
    assert answer == ACCEPTED
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["reason"]) == (session.transaction_id, "Remote")
    rig.backend.wait_status("Finishing")
    rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")


def test_remote_start_of_a_card_that_the_backend_refuses_TC_023_5(rig: Rig):
    rig.configure(AuthorizeRemoteTxRequests=True)
    rig.backend.cards[rig.card] = {"status": "Blocked"}
    assert remote_start(rig) == ACCEPTED
    rig.backend.next("Authorize")
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.7)


def test_remote_start_during_a_transaction_is_rejected_TC_026(rig: Rig):
    rig.start_session()
    assert remote_start(rig, rig.other_card) == REJECTED


def test_remote_start_of_connector_0_is_rejected_TC_027(rig: Rig):
    assert remote_start(rig, connectorId=0) == REJECTED
    assert remote_start(rig, connectorId=2) == REJECTED


def test_remote_start_without_a_connector_means_the_only_one(rig: Rig):
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    assert rig.backend.call("RemoteStartTransaction", {"idTag": rig.card}) == ACCEPTED
    assert rig.wait_started().start.payload["connectorId"] == 1


def test_remote_stop_of_an_unknown_transaction_is_rejected_TC_028(rig: Rig):
    session = rig.start_session()
    answer = rig.backend.call("RemoteStopTransaction", {"transactionId": session.transaction_id + 1})
    assert answer == REJECTED
    rig.backend.expect_no("StopTransaction", 0.5)


def test_a_second_remote_start_while_one_waits_is_rejected(rig: Rig):
    assert remote_start(rig) == ACCEPTED
    assert remote_start(rig, rig.other_card) == REJECTED
