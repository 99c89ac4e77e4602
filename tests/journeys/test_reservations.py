"""The operator reserves the connector or the whole station (OCTT TC_046_1 to TC_053_2)."""

from __future__ import annotations

import pytest

from tests.journeys.backend import Silence
from tests.journeys.rig import Rig, RigMaker

ACCEPTED, REJECTED = {"status": "Accepted"}, {"status": "Rejected"}


def cancel(rig: Rig, reservation_id: int) -> dict:
    return rig.backend.call("CancelReservation", {"reservationId": reservation_id})


@pytest.mark.parametrize("connector_id", [1, 0])
def test_only_the_reserved_card_charges_and_tells_its_reservation_TC_046_1_TC_049(rig: Rig, connector_id: int):
    assert rig.reserve(11, connectorId=connector_id) == "Accepted"
    rig.backend.wait_status("Reserved")
    rig.swipe(rig.other_card)
    rig.backend.expect_no("Authorize", 0.5)
    rig.swipe()
    rig.backend.wait_status("Preparing")
    rig.sim.plug()
    start = rig.wait_started().start.payload
    assert (start["idTag"], start["reservationId"]) == (rig.card, 11)
    rig.backend.wait_status("Charging", timeout_s=15)
    assert cancel(rig, 11) == REJECTED


def test_a_remote_start_uses_the_reservation_and_another_card_is_rejected_TC_046_2(rig: Rig):
    assert rig.reserve(12) == "Accepted"
    rig.backend.wait_status("Reserved")
    assert rig.backend.call("RemoteStartTransaction", {"idTag": rig.other_card, "connectorId": 1}) == REJECTED
    assert rig.backend.call("RemoteStartTransaction", {"idTag": rig.card, "connectorId": 1}) == ACCEPTED
    rig.backend.wait_status("Preparing")
    rig.sim.plug()
    start = rig.wait_started().start.payload
    assert (start["idTag"], start["reservationId"]) == (rig.card, 12)


def test_an_expired_reservation_frees_the_connector_TC_047(rig: Rig):
    assert rig.reserve(13, valid_s=2) == "Accepted"
    reserved = rig.backend.wait_status("Reserved")
    available = rig.backend.wait_status("Available", timeout_s=6)
    assert 1.0 <= available.at - reserved.at <= 3.5
    assert "reservationId" not in rig.start_session(rig.other_card).start.payload


def test_a_cancelled_reservation_frees_the_connector_TC_051_TC_052(rig: Rig):
    assert rig.reserve(14) == "Accepted"
    rig.backend.wait_status("Reserved")
    assert cancel(rig, 15) == REJECTED
    assert rig.status() == "Reserved"
    assert cancel(rig, 14) == ACCEPTED
    rig.backend.wait_status("Available")
    assert "reservationId" not in rig.start_session(rig.other_card).start.payload


@pytest.mark.parametrize("remote", [False, True])
def test_a_card_of_the_group_charges_on_the_reservation_TC_053_1_TC_053_2(rig: Rig, remote: bool):
    family = f"FAM{rig.card}"
    rig.backend.cards[rig.group_card] = {"status": "Accepted", "parentIdTag": family}
    assert rig.reserve(16, parentIdTag=family) == "Accepted"
    rig.backend.wait_status("Reserved")
    if remote:
        assert rig.backend.call("RemoteStartTransaction", {"idTag": rig.group_card, "connectorId": 1}) == ACCEPTED
    else:
        rig.swipe(rig.group_card)
    assert rig.backend.next("Authorize").payload == {"idTag": rig.group_card}
    rig.backend.wait_status("Preparing")
    rig.sim.plug()
    start = rig.wait_started().start.payload
    assert (start["idTag"], start["reservationId"]) == (rig.group_card, 16)


def test_a_reservation_outlives_the_death_of_the_computer(make_rig: RigMaker):
    """RSV-11: SIGKILL of the whole process group while reserved, with a car that comes meanwhile"""
    rig = make_rig()
    rig.start()
    assert rig.reserve(17) == "Accepted"
    rig.backend.wait_status("Reserved")
    rig.station.kill()
    rig.backend.skip()
    rig.station.start()
    rig.wait_online("Reserved")
    rig.sim.plug()
    rig.swipe(rig.other_card)
    rig.backend.expect_no("Authorize", 0.5)
    assert rig.status() == "Reserved"
    rig.swipe()
    start = rig.wait_started().start.payload
    assert (start["idTag"], start["reservationId"]) == (rig.card, 17)
    rig.backend.wait_status("Charging", timeout_s=15)


def test_a_reservation_that_is_used_up_does_not_come_back_after_the_death_of_the_computer(make_rig: RigMaker):
    """RSV-06, RSV-08: SIGKILL right after the start, before the backend has answered it"""
    rig = make_rig()
    rig.start()
    assert rig.reserve(18) == "Accepted"
    rig.backend.wait_status("Reserved")
    rig.backend.answer_next("StartTransaction", Silence())
    rig.swipe()
    rig.sim.plug()
    first = rig.backend.next("StartTransaction", 15)
    rig.station.kill()
    rig.backend.skip()
    rig.station.start()
    rig.wait_online(None)
    again = rig.backend.next("StartTransaction", 15)
    assert again.text == first.text, "the same id and every byte"
    assert again.payload["reservationId"] == 18
    assert rig.backend.next("StopTransaction", 15).payload["reason"] == "PowerLoss"
    assert rig.status() in ("Finishing", "Preparing")
    assert cancel(rig, 18) == REJECTED
