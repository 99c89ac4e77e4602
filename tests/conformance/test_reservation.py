"""Reservation of the connector and of the whole station (OCTT group 21)."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig, RigMaker


def remote_start(rig: Rig, card: str) -> str:
    return rig.command("RemoteStartTransaction", idTag=card, connectorId=1)


def charge_reserved(rig: Rig, reservation_id: int, card: str = "") -> None:
    """Plug; the session of this card tells its reservation."""
    rig.sim.plug()
    start = rig.wait_started().start.payload
    assert (start["idTag"], start["reservationId"]) == (card or rig.card, reservation_id)
    rig.backend.wait_status("Charging", timeout_s=15)


def test_TC_046_1_reservation_of_a_connector_local_start(rig: Rig):
    """RSV-01, RSV-04, RSV-05, RSV-06, RSV-08, STA-19"""
    assert rig.reserve(11) == "Accepted"
    rig.backend.wait_status("Reserved")
    rig.swipe(rig.other_card)
    rig.backend.expect_no("Authorize", 0.5)
    rig.swipe()
    rig.backend.wait_status("Preparing")
    charge_reserved(rig, 11)
    assert rig.command("CancelReservation", reservationId=11) == "Rejected", "the transaction has used it up"


def test_TC_046_2_reservation_of_a_connector_remote_start(rig: Rig):
    """RSV-04, RSV-08, RSV-12, RST-05"""
    assert rig.reserve(12) == "Accepted"
    rig.backend.wait_status("Reserved")
    assert remote_start(rig, rig.other_card) == "Rejected"
    assert remote_start(rig, rig.card) == "Accepted"
    rig.backend.wait_status("Preparing")
    charge_reserved(rig, 12)


def test_TC_047_reservation_of_a_connector_expire(rig: Rig):
    """RSV-06, RSV-07, RSV-08, STA-19"""
    assert rig.reserve(13, valid_s=1.5) == "Accepted"
    rig.backend.wait_status("Reserved")
    rig.backend.wait_status("Available")
    assert "reservationId" not in rig.start_session(rig.other_card).start.payload


@pytest.mark.parametrize("connector_id", [pytest.param(1, id="TC_048_1"), pytest.param(0, id="TC_050_1")])
def test_TC_048_1_TC_050_1_reservation_faulted(rig: Rig, connector_id: int):
    """RSV-02"""
    rig.start_session()
    rig.sim.fault("vent")  # a car that asks for ventilation is refused until it is unplugged
    rig.backend.wait_status("Faulted")
    assert rig.reserve(14, connectorId=connector_id) == "Faulted"


@pytest.mark.parametrize("connector_id", [pytest.param(1, id="TC_048_2"), pytest.param(0, id="TC_050_2")])
def test_TC_048_2_TC_050_2_reservation_occupied(rig: Rig, connector_id: int):
    """RSV-02"""
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    assert rig.reserve(15, connectorId=connector_id) == "Occupied"
    rig.backend.expect_no("StatusNotification", 0.2)


@pytest.mark.parametrize("connector_id", [pytest.param(1, id="TC_048_3"), pytest.param(0, id="TC_050_3")])
def test_TC_048_3_TC_050_3_reservation_unavailable(rig: Rig, connector_id: int):
    """RSV-02, AVL-05"""
    assert rig.command("ChangeAvailability", connectorId=connector_id, type="Inoperative") == "Accepted"
    rig.backend.wait_status("Unavailable")
    assert rig.reserve(16, connectorId=connector_id) == "Unavailable"


def test_TC_049_reservation_of_a_charge_point_transaction(rig: Rig):
    """RSV-03, RSV-04, RSV-08"""
    assert rig.value("ReserveConnectorZeroSupported") == "true"
    assert rig.reserve(17, connectorId=0) == "Accepted"
    rig.backend.wait_status("Reserved")
    rig.swipe(rig.other_card)
    rig.backend.expect_no("Authorize", 0.5)
    rig.swipe()
    rig.backend.wait_status("Preparing")
    charge_reserved(rig, 17)


def test_TC_050_4_reservation_of_a_charge_point_rejected(make_rig: RigMaker):
    """RSV-02, RSV-03: the factory does not offer connector 0"""
    rig = make_rig({"ocpp": {"ReserveConnectorZeroSupported": False}})
    rig.start()
    assert rig.reserve(18, connectorId=0) == "Rejected"
    assert rig.reserve(18, connectorId=1) == "Accepted"
    rig.backend.wait_status("Reserved")


def test_TC_051_cancel_reservation(rig: Rig):
    """RSV-06, RSV-07, RSV-08, RSV-09"""
    assert rig.reserve(18) == "Accepted"
    rig.backend.wait_status("Reserved")
    assert rig.command("CancelReservation", reservationId=18) == "Accepted"
    rig.backend.wait_status("Available")
    assert "reservationId" not in rig.start_session(rig.other_card).start.payload


def test_TC_052_cancel_reservation_rejected(rig: Rig):
    """RSV-09"""
    assert rig.reserve(19) == "Accepted"
    rig.backend.wait_status("Reserved")
    assert rig.command("CancelReservation", reservationId=20) == "Rejected"
    rig.backend.expect_no("StatusNotification", 0.2)
    rig.swipe(rig.other_card)
    rig.backend.expect_no("Authorize", 0.5)


@pytest.mark.parametrize("remote", [pytest.param(False, id="TC_053_1"), pytest.param(True, id="TC_053_2")])
def test_TC_053_1_TC_053_2_use_a_reserved_connector_with_parent_id_tag(rig: Rig, remote: bool):
    """RSV-04, RSV-05, RSV-08, RSV-12, AUT-19"""
    family = f"FAM{rig.card}"
    rig.backend.cards[rig.group_card] = {"status": "Accepted", "parentIdTag": family}
    assert rig.reserve(21, parentIdTag=family) == "Accepted"
    rig.backend.wait_status("Reserved")
    if remote:
        assert remote_start(rig, rig.group_card) == "Accepted"
    else:
        rig.swipe(rig.group_card)
    assert rig.backend.next("Authorize").payload == {"idTag": rig.group_card}
    rig.backend.wait_status("Preparing")
    charge_reserved(rig, 21, rig.group_card)
