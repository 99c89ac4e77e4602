"""The backend is gone before, during and after a session; the cases are in tests/conformance/test_offline.py."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig, RigMaker


@pytest.fixture(scope="module")
def shared_provision() -> dict:
    return {"ocpp": {"AllowOfflineTxForUnknownId": True, "ConnectionTimeOut": 20}}


@pytest.mark.parametrize(
    ("known", "keys", "starts"),
    [
        (False, {"AllowOfflineTxForUnknownId": False}, False),
        (False, {"AllowOfflineTxForUnknownId": True}, True),
        (True, {"LocalAuthorizeOffline": False}, False),
    ],
)
def test_the_offline_policy(rig: Rig, known: bool, keys: dict, starts: bool):
    """AUT-05, AUT-06"""
    rig.configure(**keys)
    if known:
        learn(rig, rig.card)
    rig.backend.go_down()
    rig.sim.plug()
    rig.swipe()
    if starts:
        rig.sim.wait(lambda s: s["relay"], 15, "the contactor closes")
    rig.backend.come_up()
    if starts:
        rig.backend.next("StartTransaction", 15)
    else:
        rig.backend.wait_status("Preparing", timeout_s=15)
        rig.backend.expect_no("StartTransaction", 1.5)
        assert not rig.sim.state()["relay"]


def test_two_sessions_offline_are_delivered_in_order(rig: Rig):
    """TXQ-01, TXQ-07, field problem 21"""
    rig.backend.go_down()
    for card in (rig.card, rig.other_card):
        rig.sim.plug()
        rig.swipe(card)
        rig.sim.wait(lambda s: s["relay"], 15, "the contactor closes")
        rig.sim.unplug()
        rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
        quiet(rig, 1.5)  # the unplugging is debounced for a second
    rig.backend.come_up()
    first = rig.backend.next("StartTransaction", 15)
    first_stop = rig.backend.next("StopTransaction")
    second = rig.backend.next("StartTransaction")
    second_stop = rig.backend.next("StopTransaction")
    assert [first.payload["idTag"], second.payload["idTag"]] == [rig.card, rig.other_card]
    assert first_stop.payload["transactionId"] == rig.transaction_id(first)
    assert second_stop.payload["transactionId"] == rig.transaction_id(second)
    assert first.at < first_stop.at < second.at < second_stop.at


def test_a_half_open_line_is_noticed_and_nothing_is_lost(rig: Rig):
    """RPC-29, TXQ-02, field problem 1"""
    rig.configure(WebSocketPingInterval=1, MeterValueSampleInterval=1)
    session = rig.start_session()
    rig.backend.next("MeterValues")
    connection = rig.backend.connection
    rig.backend.freeze()
    quiet(rig, 3.0)
    rig.backend.thaw()
    assert rig.backend.wait_connected(20).number > connection.number
    rig.sim.unplug()
    stop = rig.backend.next("StopTransaction", 20).payload
    assert stop["transactionId"] == session.transaction_id


def test_the_station_itself_gives_a_half_open_line_up(rig: Rig):
    """RPC-29, RPC-30, field problem 1"""
    rig.configure(WebSocketPingInterval=1, MessageTimeout=3)
    connection = rig.backend.connection
    rig.backend.freeze()
    # Only the station can end it: nobody reads on this side, and no reset is sent.
    assert rig.backend.wait_hung_up(connection, 25), "the station held on to a dead line"
    rig.backend.thaw()
    rig.backend.wait_connected(20)


def test_the_status_after_a_reconnect_is_the_present_one_once(rig: Rig):
    """STA-17, RPC-07, field problem 3"""
    rig.backend.go_down()
    rig.sim.plug()
    quiet(rig, 1.5)
    rig.backend.come_up()
    rig.backend.wait_status("Preparing", timeout_s=15)
    rig.backend.expect_no("StatusNotification", 1.0, where=lambda p: p["connectorId"] == 1)
    rig.backend.expect_no("BootNotification", 0.1)


@pytest.mark.parametrize("abruptly", [True, False])
def test_every_end_of_a_connection_leads_to_the_next_one(rig: Rig, abruptly: bool):
    """RPC-06, RPC-07, field problem 2"""
    for _ in range(3):
        number = rig.backend.wait_connected(10).number
        rig.backend.drop(abruptly)
        rig.backend.story.wait(lambda n=number: rig.backend.connection and rig.backend.connection.number > n, 10)
        assert rig.backend.connection.number > number
    rig.backend.expect_no("BootNotification", 0.5)


@pytest.mark.parametrize("status", [401, 404, 500, 503])
def test_a_refused_handshake_is_tried_again(rig: Rig, status: int):
    """RPC-05, RPC-06, field problem 2"""
    rig.backend.refuse_with = status
    rig.backend.drop()
    began = len(rig.backend.story)
    quiet(rig, 2.0)
    refused = [e for e in rig.backend.story.entries()[began:] if e.text.startswith("refused a handshake")]
    assert 1 <= len(refused) <= 15, f"{len(refused)} attempts in 2 s"
    rig.backend.refuse_with = None
    rig.backend.wait_connected(15)


def test_a_session_without_the_backend_since_boot(make_rig: RigMaker):
    """BOOT-12, TX-20: accepted once, then the station's computer restarts while the backend is away"""
    rig = make_rig({"ocpp": {"AllowOfflineTxForUnknownId": True}})
    rig.start()
    rig.station.kill()
    rig.backend.go_down()
    rig.station.start()
    rig.sim.plug()
    rig.swipe()
    rig.sim.wait(lambda s: s["relay"], 20, "the contactor closes without the backend")
    rig.charge_wh(1)
    rig.sim.unplug()
    rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
    quiet(rig, 1.5)
    rig.backend.come_up()
    boot = rig.backend.next("BootNotification", 15)
    start = rig.backend.next("StartTransaction")
    stop = rig.backend.next("StopTransaction")
    assert boot.at < start.at < stop.at
    assert stop.payload["transactionId"] == rig.transaction_id(start)


# --- moves ------------------------------------------------------------------------------------------------------------


def learn(rig: Rig, card: str) -> None:
    """The card gets into the authorization cache: it is presented once, online, and the authorisation runs out."""
    rig.configure(AuthorizationCacheEnabled=True)
    rig.swipe(card)
    rig.backend.next("Authorize")
    rig.backend.wait_status("Preparing")
    rig.swipe(card)  # cancels
    rig.backend.wait_status("Available")


def quiet(rig: Rig, seconds: float) -> None:
    """Let time pass."""
    rig.backend.story.wait(lambda: False, seconds)
