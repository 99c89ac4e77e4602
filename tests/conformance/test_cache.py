"""The authorization cache (OCTT group 4)."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig


@pytest.fixture(autouse=True)
def caching(rig: Rig) -> None:
    rig.configure(
        AuthorizationCacheEnabled=True, LocalPreAuthorize=True, AuthorizeRemoteTxRequests=True, ConnectionTimeOut=1
    )


def remote_start(rig: Rig) -> str:
    return rig.command("RemoteStartTransaction", idTag=rig.card, connectorId=1)


def cache(rig: Rig) -> None:
    """Reusable state IdTagCached: the card was asked for once, and that authorization ran out."""
    assert remote_start(rig) == "Accepted"
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    rig.backend.wait_status("Preparing")
    rig.backend.wait_status("Available")


def test_TC_007_1_regular_start_charging_session_cached_id(rig: Rig):
    """AUT-04, AUT-09"""
    cache(rig)
    rig.configure(ConnectionTimeOut=60)
    rig.swipe()
    rig.backend.wait_status("Preparing")
    rig.sim.plug()
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)
    rig.backend.expect_no("Authorize", 0.1)


def test_TC_007_2_remote_start_charging_session_cached_id(rig: Rig):
    """AUT-04, RST-02, RST-14"""
    cache(rig)
    rig.configure(ConnectionTimeOut=60)
    assert remote_start(rig) == "Accepted"
    rig.backend.wait_status("Preparing")
    rig.sim.plug()
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)
    rig.backend.expect_no("Authorize", 0.1)


def test_TC_061_1_clear_authorization_data_in_authorization_cache_local(rig: Rig):
    """AUT-04, AUT-24"""
    cache(rig)
    rig.swipe()
    rig.backend.wait_status("Preparing")
    rig.backend.wait_status("Available")
    rig.backend.expect_no("Authorize", 0.1)
    assert rig.command("ClearCache") == "Accepted"
    rig.swipe()
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}


def test_TC_061_2_clear_authorization_data_in_authorization_cache_remote(rig: Rig):
    """AUT-24, RST-02, RST-14"""
    cache(rig)
    assert remote_start(rig) == "Accepted"
    rig.backend.wait_status("Preparing")
    rig.backend.wait_status("Available")
    rig.backend.expect_no("Authorize", 0.1)
    assert rig.command("ClearCache") == "Accepted"
    assert remote_start(rig) == "Accepted"
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
