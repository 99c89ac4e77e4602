"""The local authorization list (OCTT group 18)."""

from __future__ import annotations

import pytest

from tests.journeys.backend import RemoteError
from tests.journeys.rig import Rig


def entry(card: str, status: str = "Accepted", **more: object) -> dict:
    return {"idTag": card, "idTagInfo": {"status": status, **more}}


def send(rig: Rig, version: int, update_type: str, *items: dict) -> str:
    return rig.command("SendLocalList", listVersion=version, updateType=update_type, localAuthorizationList=[*items])


def version(rig: Rig) -> int:
    return rig.backend.call("GetLocalListVersion")["listVersion"]


def listed(rig: Rig, *cards: str) -> None:
    """Reusable state IdTagLocalAuthList."""
    rig.configure(LocalAuthListEnabled=True, LocalPreAuthorize=True, AuthorizeRemoteTxRequests=True)
    assert send(rig, 1, "Full", *(entry(card) for card in cards)) == "Accepted"


def test_TC_008_1_regular_start_charging_session_id_in_local_authorization_list(rig: Rig):
    """AUT-02, AUT-04"""
    listed(rig, rig.card)
    rig.swipe()
    rig.backend.wait_status("Preparing")
    rig.sim.plug()
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)
    rig.backend.expect_no("Authorize", 0.1)


def test_TC_008_2_remote_start_id_in_local_authorization_list(rig: Rig):
    """AUT-04, RST-02, RST-14"""
    listed(rig, rig.card)
    assert rig.command("RemoteStartTransaction", idTag=rig.card, connectorId=1) == "Accepted"
    rig.backend.wait_status("Preparing")
    rig.sim.plug()
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)
    rig.backend.expect_no("Authorize", 0.1)


def test_TC_042_1_get_local_list_version_not_supported(rig: Rig):
    """LAL-02, LAL-07, AUT-08"""
    rig.configure(LocalAuthListEnabled=False)
    assert version(rig) == -1
    assert send(rig, 1, "Full", entry(rig.card)) == "NotSupported"


def test_TC_042_2_get_local_list_version_empty(rig: Rig):
    """LAL-02, LAL-03"""
    assert send(rig, 1, "Full") == "Accepted"
    assert version(rig) == 0


def test_TC_043_send_local_authorization_list(rig: Rig):
    """LAL-02, LAL-03, LAL-04, AUT-03, AUT-13"""
    rig.configure(LocalPreAuthorize=True, ConnectionTimeOut=1)
    assert send(rig, 1, "Full", entry(rig.card), entry(rig.other_card)) == "Accepted"
    assert version(rig) == 1
    # added, and removed (no idTagInfo)
    assert send(rig, 2, "Differential", entry(rig.group_card), {"idTag": rig.other_card}) == "Accepted"
    assert version(rig) == 2
    for card in (rig.card, rig.group_card):
        rig.swipe(card)
        rig.backend.wait_status("Preparing")
        rig.backend.wait_status("Available")
    rig.backend.expect_no("Authorize", 0.1)
    rig.swipe(rig.other_card)
    assert rig.backend.next("Authorize").payload == {"idTag": rig.other_card}


def test_TC_043_2_send_local_authorization_list_version_mismatch(rig: Rig):
    """LAL-05"""
    assert send(rig, 2, "Full", entry(rig.card)) == "Accepted"
    assert version(rig) == 2
    assert send(rig, 5, "Differential", entry(rig.other_card)) == "Accepted"
    assert version(rig) == 5
    assert send(rig, 4, "Differential", entry(rig.group_card)) == "VersionMismatch"
    assert version(rig) == 5


def test_TC_043_3_send_local_authorization_list_failed(rig: Rig):
    """LAL-06"""
    assert send(rig, 2, "Full", entry(rig.card)) == "Accepted"
    longest = int(rig.value("SendLocalListMaxLength"))
    assert send(rig, 3, "Full", *(entry(f"TAG{n}") for n in range(longest + 1))) == "Failed"
    assert send(rig, 3, "Full", entry(rig.card), entry(rig.card.lower())) == "Failed"
    assert version(rig) == 2, "all or nothing"


@pytest.mark.parametrize(
    ("info", "code"), [({}, "OccurenceConstraintViolation"), ({"status": "Perhaps"}, "PropertyConstraintViolation")]
)
def test_an_entry_that_breaks_its_schema_changes_nothing(rig: Rig, info: dict, code: str):
    """RPC-24, RPC-25, RPC-32, RPC-34"""
    assert send(rig, 2, "Full", entry(rig.card)) == "Accepted"
    with pytest.raises(RemoteError) as refused:
        send(rig, 3, "Full", {"idTag": rig.other_card, "idTagInfo": info})
    assert refused.value.code == code
    assert version(rig) == 2
