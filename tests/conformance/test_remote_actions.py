"""Remote start and stop, and the fixed cable that cannot be unlocked (OCTT groups 5, 7, 11, 12 and 13)."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig


def remote_start(rig: Rig, card: str = "", **more: object) -> str:
    return rig.command("RemoteStartTransaction", **{"idTag": card or rig.card, "connectorId": 1, **more})


@pytest.mark.parametrize("authorize", [True, False])
def test_TC_010_remote_start_cable_plugged_in_first(rig: Rig, authorize: bool):
    """RST-01, RST-02, RST-03, RST-04"""
    rig.configure(AuthorizeRemoteTxRequests=authorize)
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    assert remote_start(rig) == "Accepted"
    if authorize:
        assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)
    if not authorize:
        rig.backend.expect_no("Authorize", 0.1)


def test_TC_011_1_remote_start_remote_start_first(rig: Rig):
    """RST-01, RST-02, RST-03, RST-04, STA-04"""
    rig.configure(AuthorizeRemoteTxRequests=True)
    assert remote_start(rig) == "Accepted"
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.3)
    rig.sim.plug()
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)


def test_TC_011_2_remote_start_time_out(rig: Rig):
    """RST-04, STA-09"""
    rig.configure(ConnectionTimeOut=1)
    assert remote_start(rig) == "Accepted"
    preparing = rig.backend.wait_status("Preparing")
    available = rig.backend.wait_status("Available", timeout_s=4)
    assert 0.8 <= available.at - preparing.at <= 2.5
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.5)


def test_TC_012_remote_stop_charging_session(rig: Rig):
    """RST-11, RST-12, TX-11, STA-21"""
    session = rig.start_session()
    assert rig.command("RemoteStopTransaction", transactionId=session.transaction_id) == "Accepted"
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["reason"]) == (session.transaction_id, "Remote")
    rig.backend.wait_status("Finishing")
    rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")


def test_TC_017_2_unlock_connector_no_charging_session_running_fixed_cable(rig: Rig):
    """UNL-01"""
    assert rig.command("UnlockConnector", connectorId=1) == "NotSupported"
    rig.backend.expect_no("StatusNotification", 0.2)


def test_TC_018_2_unlock_connector_with_charging_session_fixed_cable(rig: Rig):
    """UNL-01, UNL-03"""
    rig.start_session()
    assert rig.command("UnlockConnector", connectorId=1) == "NotSupported"
    rig.backend.expect_no("StopTransaction", 0.5)
    assert rig.sim.state()["relay"], "the session goes on"


def test_TC_023_5_start_remote_session_authorize_invalid(rig: Rig):
    """AUT-21, RST-13"""
    rig.configure(AuthorizeRemoteTxRequests=True)
    rig.backend.cards[rig.card] = {"status": "Invalid"}
    assert remote_start(rig) == "Accepted"
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.7)
    assert not rig.sim.state()["relay"]


def test_TC_026_remote_start_rejected(rig: Rig):
    """RST-05"""
    rig.start_session()
    rig.backend.skip()
    assert remote_start(rig, rig.other_card) == "Rejected"
    rig.backend.expect_no("Authorize", 0.2)
    rig.backend.expect_no("StopTransaction", 0.1)


def test_TC_027_remote_start_connector_id_shall_not_be_0(rig: Rig):
    """RST-06"""
    assert remote_start(rig, connectorId=0) == "Rejected"
    rig.backend.expect_no("StatusNotification", 0.2)


def test_TC_028_remote_stop_rejected(rig: Rig):
    """RST-11"""
    session = rig.start_session()
    assert rig.command("RemoteStopTransaction", transactionId=session.transaction_id + 1) == "Rejected"
    rig.backend.expect_no("StopTransaction", 0.5)
    assert rig.sim.state()["relay"]


def test_TC_031_unlock_connector_unknown_connector(rig: Rig):
    """UNL-02"""
    assert rig.command("UnlockConnector", connectorId=2) == "NotSupported"
