"""Offline behaviour (OCTT group 15)."""

from __future__ import annotations

from datetime import datetime, timedelta
from itertools import pairwise

import pytest

from tests.journeys.backend import utc_now
from tests.journeys.rig import Rig

INVALID = {"transactionId": 4711, "idTagInfo": {"status": "Invalid"}}


@pytest.fixture(scope="module")
def shared_provision() -> dict:
    return {"ocpp": {"AllowOfflineTxForUnknownId": True, "ConnectionTimeOut": 20, "AuthorizeRemoteTxRequests": True}}


def cache(rig: Rig) -> None:
    """Reusable state IdTagCached."""
    rig.configure(AuthorizationCacheEnabled=True, ConnectionTimeOut=1)
    assert rig.command("RemoteStartTransaction", idTag=rig.card) == "Accepted"
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    rig.backend.wait_status("Preparing")
    rig.backend.wait_status("Available")
    rig.configure(ConnectionTimeOut=20)


def charge_offline(rig: Rig, card: str = "") -> None:
    rig.sim.plug()
    rig.swipe(card)
    rig.sim.wait(lambda s: s["relay"], 15, "the contactor closes without the backend")


def test_TC_036_connection_loss_during_transaction(rig: Rig):
    """TXQ-01, TXQ-02, TXQ-03, TXQ-08, MTR-02, RPC-07"""
    rig.configure(MeterValueSampleInterval=1)
    session = rig.start_session()
    values = [rig.backend.next("MeterValues")]
    rig.backend.go_down()
    rig.backend.story.wait(lambda: False, 3.5)
    rig.backend.come_up()
    values += [rig.backend.next("MeterValues", 15) for _ in range(5)]
    assert values[3].at - values[1].at < 1.0, "the missed values come at once"
    times = [datetime.fromisoformat(v.payload["meterValue"][0]["timestamp"]) for v in values]
    assert {b - a for a, b in pairwise(times)} == {timedelta(seconds=1)}
    assert {v.payload["transactionId"] for v in values} == {session.transaction_id}
    samples = [s for v in values for s in v.payload["meterValue"][0]["sampledValue"]]
    assert {s["context"] for s in samples} == {"Sample.Periodic"}
    assert {s.get("format", "Raw") for s in samples} == {"Raw"}
    rig.backend.expect_no("BootNotification", 0.1)


def test_TC_037_1_offline_start_transaction_valid_id_tag(rig: Rig):
    """AUT-05, TX-20, TXQ-02"""
    rig.configure(LocalAuthorizeOffline=True)
    cache(rig)
    rig.backend.go_down()
    charge_offline(rig)
    online_again = datetime.fromisoformat(utc_now())
    rig.backend.come_up()
    start = rig.backend.next("StartTransaction", 15)
    assert start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging")
    rig.backend.expect_no("Authorize", 0.1)
    assert datetime.fromisoformat(start.payload["timestamp"]) < online_again, "of the start, not of the delivery"


def test_TC_037_2_offline_start_transaction_invalid_id_tag_stays_suspended(rig: Rig):
    """AUT-06, TX-06, TX-07, TX-20"""
    rig.configure(StopTransactionOnInvalidId=False)
    rig.backend.answer_next("StartTransaction", INVALID)
    rig.backend.go_down()
    charge_offline(rig, rig.other_card)
    rig.backend.come_up()
    rig.backend.next("StartTransaction", 15)
    rig.backend.wait_status("SuspendedEVSE")
    rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
    rig.backend.expect_no("StopTransaction", 0.5)  # by then the meter shows all that flowed before
    before = rig.sim.state()
    rig.backend.expect_no("StopTransaction", 0.5)
    assert rig.sim.state()["energy_wh"] == before["energy_wh"]
    rig.sim.unplug()
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["reason"]) == (4711, "EVDisconnected")


def test_TC_037_3_offline_start_transaction_invalid_id_tag_stops(rig: Rig):
    """AUT-06, TX-06, TX-11, TX-20"""
    rig.configure(StopTransactionOnInvalidId=True)
    rig.backend.answer_next("StartTransaction", INVALID)
    rig.backend.go_down()
    charge_offline(rig, rig.other_card)
    rig.backend.come_up()
    rig.backend.next("StartTransaction", 15)
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["transactionId"], stop["reason"]) == (4711, "DeAuthorized")
    rig.backend.wait_status("Finishing")
    rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")


def test_TC_038_offline_stop_transaction(rig: Rig):
    """TXQ-02, TX-10, TX-11, STA-17"""
    session = rig.start_session()
    rig.backend.go_down()
    rig.charge_wh(1)
    rig.swipe()
    rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
    rig.backend.come_up()
    stop = rig.backend.next("StopTransaction", 15).payload
    assert (stop["transactionId"], stop["idTag"]) == (session.transaction_id, rig.card)
    assert stop.get("reason", "Local") == "Local"
    rig.backend.wait_status("Finishing")


def test_TC_039_offline_transaction(rig: Rig):
    """TXQ-01, TXQ-02, TXQ-07, TX-20, AUT-05"""
    cache(rig)
    rig.backend.go_down()
    charge_offline(rig)
    rig.charge_wh(1)
    rig.swipe()
    rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
    rig.sim.unplug()
    rig.backend.come_up()
    start = rig.backend.next("StartTransaction", 15)
    stop = rig.backend.next("StopTransaction", 15)
    assert start.at < stop.at
    assert stop.payload["transactionId"] == rig.transaction_id(start)
    assert stop.payload.get("reason", "Local") == "Local"
    assert stop.payload["meterStop"] > start.payload["meterStart"]
