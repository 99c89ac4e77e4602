"""Backends that answer nothing, garbage, CALLERROR or null, and others seen in the field (field-problems.md 12 to 16).

A response with the right uniqueId means delivered, however odd it is (product.md, settled question 6).
"""

from __future__ import annotations

import pytest

from tests.journeys.backend import NULL, AnswerThenCut, Cut, Error, Late, Raw, Silence
from tests.journeys.rig import Rig
from tests.journeys.story import Entry

TIMEOUT_S = 2


@pytest.fixture(scope="module")
def shared_provision() -> dict:
    return {"ocpp": {"MessageTimeout": TIMEOUT_S, "AllowOfflineTxForUnknownId": True, "WebSocketPingInterval": 1}}


def begin(rig: Rig, *answers: object) -> Entry:
    """Plug, tap; the given answers await the StartTransaction, which is returned."""
    rig.backend.answer_next("StartTransaction", *answers)
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.swipe()
    return rig.backend.next("StartTransaction")


def stop_of(rig: Rig) -> dict:
    rig.sim.wait(lambda s: s["relay"], 15, "the contactor closes")
    rig.sim.unplug()
    return rig.backend.next("StopTransaction", 20).payload


@pytest.mark.parametrize(
    ("answer", "transaction_id"),
    [
        pytest.param({"transactionId": "77", "idTagInfo": {"status": "Accepted"}}, 77, id="id-as-text"),
        pytest.param({"transactionId": 77.0, "idTagInfo": {"status": "Accepted"}}, 77, id="id-as-float"),
        pytest.param({"transactionId": 0, "idTagInfo": {"status": "Accepted"}}, 0, id="id-0"),
        pytest.param({"transactionId": -5, "idTagInfo": {"status": "Accepted"}}, -5, id="id-negative"),
        pytest.param({"transactionId": 77}, 77, id="no-idTagInfo"),
        pytest.param({"transactionId": 77, "idTagInfo": None}, 77, id="idTagInfo-null"),
        pytest.param({"transactionId": 77, "idTagInfo": {"status": "Accepted"}, "extra": [1]}, 77, id="extra-field"),
        pytest.param(
            {"transactionId": 77, "idTagInfo": {"status": "Accepted", "expiryDate": None, "parentIdTag": None}},
            77,
            id="null-optionals",
        ),
    ],
)
def test_an_odd_start_answer_is_taken_for_what_it_says(rig: Rig, answer: dict, transaction_id: int):
    begin(rig, answer)
    assert stop_of(rig)["transactionId"] == transaction_id
    rig.backend.expect_no("StartTransaction", 0.2)


@pytest.mark.parametrize(
    "answer",
    [
        pytest.param(NULL, id="null"),
        pytest.param({}, id="empty"),
        pytest.param({"status": "Accepted"}, id="status-only"),
        pytest.param(Raw('[3,"{id}",[]]'), id="list"),
        pytest.param(Raw('[3,"{id}"]'), id="no-payload"),
        pytest.param(Raw('[3,"{id}",{"transactionId":NaN}]'), id="NaN"),
    ],
)
def test_a_start_answer_without_an_id_is_delivered_all_the_same(rig: Rig, answer: object):
    rig.unknown_id = True
    begin(rig, answer)
    assert stop_of(rig)["transactionId"] == -1
    rig.backend.expect_no("StartTransaction", 0.2)


def test_no_answer_to_start_is_a_timeout_and_it_is_sent_again(rig: Rig):
    first = begin(rig, Silence())
    second = rig.backend.next("StartTransaction", TIMEOUT_S + 5)
    assert second.at - first.at >= TIMEOUT_S - 0.1
    assert second.content == first.content
    if second.connection == first.connection:
        assert second.id != first.id
    assert stop_of(rig)["transactionId"] == rig.transaction_id(second)


@pytest.mark.parametrize("garbage", ["garbage", '[3,"{id}x",{}]'])
def test_garbage_instead_of_the_start_answer_is_no_answer(rig: Rig, garbage: str):
    first = begin(rig, Raw(garbage))
    second = rig.backend.next("StartTransaction", TIMEOUT_S + 5)
    assert second.at - first.at >= TIMEOUT_S - 0.1
    assert second.content == first.content
    assert stop_of(rig)["transactionId"] == rig.transaction_id(second)


def test_callerror_to_start_is_tried_again_after_the_interval(rig: Rig):
    """RPC-27, TXQ-05, TXQ-06, RPC-13, field problem 15"""
    first = begin(rig, Error("InternalError"))
    second = rig.backend.next("StartTransaction", 5)
    assert 0.9 <= second.at - first.at <= 2.0
    assert second.content == first.content
    assert second.id != first.id, "the same connection needs a new id"
    assert stop_of(rig)["transactionId"] == rig.transaction_id(second)


def test_callerror_with_an_unknown_code_is_a_callerror(rig: Rig):
    """RPC-27, TXQ-05, field problem 15"""
    first = begin(rig, Raw('[4,"{id}","RpcFrameworkError","Call already in progress",null]'))
    second = rig.backend.next("StartTransaction", 5)
    assert second.at - first.at >= 0.9
    assert stop_of(rig)["transactionId"] == rig.transaction_id(second)


def test_start_given_up_after_the_attempts_is_parked_and_the_queue_goes_on(rig: Rig):
    """TX-05, TXQ-04, TXQ-06, field problem 23"""
    rig.unknown_id = True
    first = begin(rig, Error(), Error(), Error())
    second = rig.backend.next("StartTransaction", 5)
    third = rig.backend.next("StartTransaction", 5)
    assert 0.9 <= second.at - first.at <= 2.0
    assert 1.9 <= third.at - second.at <= 3.5  # the interval times the preceding transmissions
    assert stop_of(rig)["transactionId"] == -1
    rig.backend.expect_no("StartTransaction", 0.5)
    # the next session is not harmed
    rig.backend.wait_status("Available", timeout_s=15)
    session = rig.start_session(rig.other_card)
    rig.sim.unplug()
    assert rig.backend.next("StopTransaction").payload["transactionId"] == session.transaction_id


def test_a_late_start_answer_counts(rig: Rig):
    """RPC-18, field problem 16"""
    first = begin(rig, Late(TIMEOUT_S + 0.5, {"transactionId": 55, "idTagInfo": {"status": "Accepted"}}))
    rig.backend.story.wait(lambda: any(e.source == "backend" and e.is_answer_to(first.id) for e in rig.entries()), 10)
    stop = stop_of(rig)
    ids = {55} | {rig.transaction_id(e) for e in rig.backend.calls("StartTransaction", since=first.at)}
    assert stop["transactionId"] in ids


def test_the_line_is_cut_instead_of_the_start_answer(rig: Rig):
    first = begin(rig, Cut())
    second = rig.backend.next("StartTransaction", 15)
    assert second.connection > first.connection
    assert second.text == first.text, "after a reconnect the id and every byte stay"
    assert stop_of(rig)["transactionId"] == rig.transaction_id(second)


def test_the_line_is_cut_right_after_the_start_answer(rig: Rig):
    first = begin(rig, AnswerThenCut({"transactionId": 66, "idTagInfo": {"status": "Accepted"}}))
    stop = stop_of(rig)
    copies = [e for e in rig.backend.calls("StartTransaction", since=first.at) if e.at > first.at]
    assert all(copy.text == first.text for copy in copies)
    assert stop["transactionId"] in {66, *(rig.transaction_id(copy) for copy in copies)}


@pytest.mark.parametrize("answer", [NULL, Error(), Silence(), Raw("garbage"), Cut()], ids=repr)
def test_odd_answers_to_stop_lose_nothing(rig: Rig, answer: object):
    session = rig.start_session()
    rig.backend.answer_next("StopTransaction", answer)
    rig.sim.unplug()
    first = rig.backend.next("StopTransaction")
    assert first.payload["transactionId"] == session.transaction_id
    if answer != NULL:
        assert rig.backend.next("StopTransaction", TIMEOUT_S + 5).content == first.content
    rig.backend.expect_no("StopTransaction", 1.2)


@pytest.mark.parametrize("answer", [NULL, Error(), Silence(), Raw("garbage"), {}, {"idTagInfo": {}}], ids=repr)
def test_no_usable_verdict_on_a_card_means_the_offline_policy(rig: Rig, answer: object):
    rig.backend.answer_always("Authorize", answer)
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.swipe()
    rig.backend.next("Authorize")
    rig.wait_started(timeout_s=8)


def test_a_backend_that_answers_nothing_at_all_stops_nobody_from_charging(rig: Rig):
    rig.backend.mute()
    rig.sim.plug()
    rig.swipe()
    rig.sim.wait(lambda s: s["relay"], 30, "the contactor closes though the backend is mute")
    rig.backend.unmute()
    session_start = rig.backend.next("StartTransaction", 30)
    rig.sim.unplug()
    stop = rig.backend.next("StopTransaction", 20)
    assert stop.payload["transactionId"] in {
        rig.transaction_id(e) for e in rig.backend.calls("StartTransaction", since=session_start.at)
        if any(a.source == "backend" and a.is_answer_to(e.id) for a in rig.entries())
    }  # fmt: skip


@pytest.mark.parametrize(
    ("action", "answer"),
    [
        ("StatusNotification", NULL),
        ("StatusNotification", Error()),
        ("StatusNotification", Raw("garbage")),
        ("MeterValues", Error()),
        ("Heartbeat", Raw("garbage")),
    ],
    ids=repr,
)
def test_odd_answers_to_reports_do_not_hold_up_a_session(rig: Rig, action: str, answer: object):
    rig.configure(MeterValueSampleInterval=1, HeartbeatInterval=1)
    rig.backend.answer_always(action, answer)
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.swipe()
    session = rig.wait_started(20)
    rig.sim.wait(lambda s: s["relay"], 15, "the contactor closes")
    rig.backend.next("MeterValues", 20)
    rig.sim.unplug()
    stop = rig.backend.next("StopTransaction", 40).payload
    assert stop["transactionId"] == session.transaction_id
