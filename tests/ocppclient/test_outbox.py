"""One CALL in flight, the urgent lane, and the durable queue with its retries, ids, late answers and parking."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta

import pytest

from ocppclient.clock import format_utc, parse_utc
from ocppclient.events import AliveSeen, Disconnect, FrameReceived, ResendParked, Tick
from ocppclient.settings import Factory
from tests.ocppclient.harness import START, TRANSACTIONAL, Bench, of, statuses

NO_SAMPLES = {"MeterValueSampleInterval": "0"}


def charging(configuration=None, **options):
    """A running transaction whose StartTransaction is answered; no samples unless asked for."""
    return Bench({**NO_SAMPLES, **(configuration or {})}, **options).ready().charge()


def starting(configuration=None, **options):
    """A running transaction whose StartTransaction is in flight."""
    bench = Bench({**NO_SAMPLES, **(configuration or {})}, **options).ready()
    bench.read(ev_connected=True)
    bench.settle()
    bench.swipe("CARD1")
    bench.answer(idTagInfo={"status": "Accepted"})
    bench.expect("StartTransaction")
    return bench


def stop(bench):
    bench.swipe("CARD1")
    bench.open_contactor()


def queued(bench):
    return [call.action for call in bench.store._all_calls()]


# --- one at a time, and in which order -------------------------------------------------------------------------------


def test_the_next_call_waits_for_the_answer_of_the_one_before():
    """RPC-15"""
    bench = Bench().ready()
    bench.swipe("CARD1")
    bench.read(ev_connected=True)
    bench.call("TriggerMessage", requestedMessage="Heartbeat")
    assert [action for _, action, _ in bench.calls] == ["Authorize"]
    bench.answer(idTagInfo={"status": "Accepted"})
    assert len(bench.calls) == 1


def test_a_call_of_the_backend_is_answered_while_an_own_call_waits():
    """RPC-16"""
    bench = Bench().ready()
    bench.swipe("CARD1")
    assert bench.call("GetConfiguration", key=["HeartbeatInterval"])[0] == 3
    assert bench.expect("Authorize")


def test_ids_are_uuids_and_never_come_twice():
    """RPC-13"""
    bench = charging()
    stop(bench)
    bench.settle()
    assert len(bench.frames) >= 6
    for message_id in bench.frames:
        assert str(uuid.UUID(message_id)) == message_id
        assert len(message_id) <= 36


def test_transaction_messages_leave_in_the_order_they_were_made():
    """TXQ-01, TXQ-02, TXQ-03, P2"""
    bench = charging({"MeterValueSampleInterval": "60"})
    bench.disconnect()
    bench.wait(121)
    stop(bench)
    bench.connect()
    stamps = [payload["timestamp"] if "timestamp" in payload else payload["meterValue"][0]["timestamp"]
              for _, payload in of(bench.settle(), *TRANSACTIONAL)]  # fmt: skip
    assert len(stamps) == 3
    assert stamps == sorted(stamps)


def test_an_authorize_overtakes_the_waiting_queue():
    """TXQ-03"""
    bench = charging({"MeterValueSampleInterval": "10"})
    bench.disconnect()
    bench.wait(35)
    stop(bench)
    bench.connect()
    bench.swipe("CARD9")
    assert [action for action, _ in bench.settle(Authorize={"idTagInfo": {"status": "Invalid"}})] == [
        "StatusNotification", "Authorize", "MeterValues", "MeterValues", "MeterValues", "StopTransaction",
    ]  # fmt: skip


def test_statuses_go_out_before_a_long_queue_of_history():
    """Field problem 23, D-16"""
    bench = charging({"MeterValueSampleInterval": "60"})
    bench.disconnect()
    bench.wait(300)
    stop(bench)
    bench.connect()
    assert bench.expect("StatusNotification")["status"] == "Finishing"


def test_a_backend_that_never_answers_reports_does_not_hold_up_the_queue():
    """TXQ-01: reports and transaction messages take turns."""
    bench = charging({"MeterValueSampleInterval": "10", "MessageTimeout": "2"})
    bench.wait(10)
    assert bench.answer() == "MeterValues"
    bench.read(contactor_closed=False)
    bench.wait(2)
    bench.read(contactor_closed=True)
    seen = []
    for _ in range(200):
        while bench.calls and bench.calls[0][1] != "StatusNotification":
            seen.append(bench.answer())
        bench.calls.clear()  # a report is never answered
        bench.wait(0.5)
    assert seen.count("MeterValues") >= 8


def test_the_start_of_the_live_session_does_not_wait_behind_status_reports():
    """GEN-12"""
    bench = Bench(NO_SAMPLES).ready()
    bench.read(ev_connected=True)
    bench.call("RemoteStartTransaction", idTag="A")
    bench.answer()  # Preparing
    bench.answer(idTagInfo={"status": "Accepted"})
    assert bench.expect("StartTransaction")


def test_the_queue_waits_a_configurable_moment_after_a_reconnect():
    """TXQ-10"""
    bench = charging(factory=Factory(queue_resume_delay_s=5.0))
    bench.wait(5)
    bench.settle()
    bench.disconnect()
    stop(bench)
    bench.connect()
    bench.settle()
    assert queued(bench) == ["StopTransaction"]
    bench.wait(4.5)
    assert not of([(call[1], call[2]) for call in bench.calls], "StopTransaction")
    bench.wait(1)
    assert bench.expect("StopTransaction")


# --- retries ---------------------------------------------------------------------------------------------------------


def test_a_refused_message_is_sent_again_after_the_interval_times_the_transmissions_before_it():
    """TXQ-04, TXQ-05, TXQ-06, RPC-27: attempts 3, interval 60: sent at 0, 60 and 180 s, then parked."""
    bench = charging({"TransactionMessageAttempts": "3", "TransactionMessageRetryInterval": "60"})
    stop(bench)
    texts = [bench.frames[bench.calls[0][0]]]
    for wait_s in (60, 120):
        bench.refuse("InternalError")
        bench.settle()  # Finishing
        bench.wait(wait_s - 1)
        assert bench.calls == []
        bench.wait(1.2)
        assert bench.expect("StopTransaction")
        texts.append(bench.frames[bench.calls[0][0]])
    assert len({json.loads(text)[1] for text in texts}) == 3  # a new id on the same connection
    assert len({text.split(",", 3)[3] for text in texts}) == 1  # and the very same payload
    bench.refuse("InternalError")
    bench.wait(1000, step_s=1)
    assert not of(bench.settle(), "StopTransaction")
    parked = bench.store.parked_calls()
    assert [call.action for call in parked] == ["StopTransaction"]
    assert parked[0].parked_reason == "given up after 3 attempts: InternalError"
    assert "TXQ-06" in bench.clauses()


def test_with_interval_0_a_second_passes_before_a_message_is_sent_again():
    """Field problem 15: "Call already in progress" must not become a loop of milliseconds."""
    bench = charging({"TransactionMessageRetryInterval": "0"})
    stop(bench)
    bench.refuse("RpcFrameworkError")
    bench.wait(0.2)
    bench.settle()
    bench.wait(0.6)
    assert bench.calls == []
    bench.wait(0.4)
    assert bench.expect("StopTransaction")


def test_a_backend_that_still_works_on_the_call_before_gets_a_pause_after_every_answer():
    """Field problem 15: an error code of its own, "Call already in progress", on this connection"""
    bench = Bench().ready()

    def three_heartbeats():
        for _ in range(3):
            bench.call("TriggerMessage", requestedMessage="Heartbeat")

    three_heartbeats()
    bench.refuse("RpcFrameworkError")
    for _ in range(2):
        assert bench.calls == []
        bench.wait(0.2)
        bench.answer({})
    bench.disconnect()
    bench.connect()
    three_heartbeats()
    for _ in range(3):  # a new connection, and a code of the specification: no pause
        bench.refuse("InternalError")


def test_a_refused_message_does_not_hold_back_what_may_overtake():
    """TXQ-03"""
    bench = charging()
    stop(bench)
    bench.refuse()
    assert statuses(bench.settle()) == ["Finishing"]
    bench.swipe("CARD2")
    assert bench.expect("Authorize")


def test_the_wait_before_a_retry_outlives_a_reconnect_and_burns_no_attempt():
    """TXQ-06: a backend that closes the line with its CALLERROR must not use up the attempts in a minute."""
    bench = charging()
    stop(bench)
    bench.refuse()
    for _ in range(5):
        bench.disconnect()
        bench.connect()
        bench.settle()
    assert queued(bench) == ["StopTransaction"]
    assert bench.store.next_queued().attempts == 1
    bench.wait(61)
    assert bench.expect("StopTransaction")


def test_being_offline_never_burns_an_attempt():
    """TXQ-05, P6, settled question 13"""
    bench = charging({"TransactionMessageAttempts": "1"})
    stop(bench)
    for _ in range(10):
        bench.disconnect()
        bench.wait(500, step_s=10)
        bench.connect()
        assert bench.expect("StopTransaction")
    assert bench.store.next_queued().attempts == 0
    bench.answer()
    assert queued(bench) == []


def test_a_timeout_on_a_living_line_burns_an_attempt():
    """TXQ-05, RPC-17, settled question 13"""
    bench = charging({"MessageTimeout": "30", "TransactionMessageAttempts": "1"})
    stop(bench)
    bench.wait(10)
    bench.do(AliveSeen())
    bench.wait(19.5)
    assert queued(bench) == ["StopTransaction"]
    bench.wait(1)
    assert bench.store.parked_calls()[0].parked_reason == "given up after 1 attempts: no answer within 30 s"


@pytest.mark.parametrize("early", [False, True])
def test_a_timeout_on_a_silent_line_burns_none_and_the_message_goes_out_again(early):
    """Settled question 13; a frame that was just arriving when the message left proves nothing."""
    bench = charging({"MessageTimeout": "30", "TransactionMessageAttempts": "1"})
    stop(bench)
    first = bench.calls[0]
    if early:
        bench.wait(0.2)
        bench.do(AliveSeen())
    bench.wait(30.5)
    again = next(call for call in bench.calls[1:] if call[1] == "StopTransaction")
    assert again[0] != first[0]
    assert again[2] == first[2]
    assert bench.store.next_queued().attempts == 0


def test_two_calls_without_an_answer_mean_a_dead_socket():
    """Field problem 1, F12"""
    bench = Bench({"MessageTimeout": "30", "HeartbeatInterval": "20"}).ready()
    bench.wait(325, step_s=0.5)
    assert [call[1] for call in bench.calls] == ["Heartbeat"]
    assert not [action for action in bench.actions if isinstance(action, Disconnect)]
    bench.wait(306, step_s=0.5)
    assert [action.retry for action in bench.actions if isinstance(action, Disconnect)] == [True]


def test_an_answer_in_between_shows_that_the_socket_lives():
    """Field problem 1"""
    bench = Bench({"MessageTimeout": "30"}).ready()
    for _ in range(4):
        bench.swipe("CARD1")
        bench.wait(31)
        bench.calls.clear()
        bench.swipe("CARD2")
        bench.settle(Authorize={"idTagInfo": {"status": "Invalid"}})
    assert not [action for action in bench.actions if isinstance(action, Disconnect)]


@pytest.mark.parametrize("timeout", ["0", "-5"])
def test_a_factory_timeout_of_nothing_still_leaves_a_second(timeout):
    """The factory is trusted (design.md section 5), the station works nevertheless."""
    bench = Bench({"MessageTimeout": timeout}).ready()
    bench.swipe("CARD1")
    bench.wait(0.5)
    bench.answer(idTagInfo={"status": "Accepted"})
    assert bench.feedback()[-1] == "accepted"


# --- the same message again ------------------------------------------------------------------------------------------


def test_after_a_reconnect_the_same_id_and_the_same_bytes_go_out():
    """Settled question 12, P3, field problem 16"""
    bench = starting()
    first = bench.frames[bench.calls[0][0]]
    bench.disconnect()
    bench.connect()
    assert bench.frames[bench.calls[0][0]] == first
    bench.reboot()
    bench.read()
    bench.boot()
    while bench.calls[0][1] != "StartTransaction":
        bench.answer()
    assert bench.frames[bench.calls[0][0]] == first


def test_a_late_answer_to_any_attempt_counts_and_the_copy_under_way_means_nothing():
    """RPC-18, field problem 16, settled question 12: one CALL at a time even then."""
    bench = starting({"MessageTimeout": "30"})
    first = bench.calls.pop(0)
    bench.wait(31)
    copy = bench.calls.pop(0)
    assert copy[1] == "StartTransaction"
    bench.read(contactor_closed=True)
    bench.do(FrameReceived(json.dumps([3, first[0], {"transactionId": 7, "idTagInfo": {"status": "Accepted"}}])))
    assert bench.store.open_transaction().transaction_id == 7
    assert queued(bench) == []
    assert bench.calls == []  # the copy still waits for its answer
    bench.do(FrameReceived(json.dumps([3, copy[0], {"transactionId": 8, "idTagInfo": {"status": "Invalid"}}])))
    assert bench.store.open_transaction().transaction_id == 7
    assert bench.expect("StatusNotification")


def test_a_late_callerror_burns_no_attempt():
    """RPC-18, TXQ-05: the copy under way decides"""
    bench = starting({"MessageTimeout": "30", "TransactionMessageAttempts": "1"})
    first = bench.calls.pop(0)
    bench.wait(31)
    bench.do(FrameReceived(json.dumps([4, first[0], "InternalError", "", {}])))
    assert bench.store.next_queued().attempts == 0
    assert bench.store.parked_calls() == []


def test_an_answer_to_nothing_is_ignored():
    """RPC-18"""
    bench = starting()
    for kind in (3, 4):
        bench.do(FrameReceived(json.dumps([kind, "nobody", {}, "", {}][: 3 if kind == 3 else 5])))
    assert bench.store.open_transaction().transaction_id is None
    assert bench.expect("StartTransaction")


def test_an_answer_that_comes_twice_counts_once():
    """F13: double CONF"""
    bench = starting()
    message_id = bench.calls[0][0]
    bench.answer(transactionId=7, idTagInfo={"status": "Accepted"})
    bench.do(FrameReceived(json.dumps([3, message_id, {"transactionId": 9, "idTagInfo": {"status": "Invalid"}}])))
    assert bench.store.open_transaction().transaction_id == 7


def test_the_remembered_ids_of_a_message_do_not_grow_without_end():
    """F12: a mute backend for a month"""
    bench = charging()
    stop(bench)
    for _ in range(150):
        bench.wait(31, step_s=31)
    ids = bench.store.next_queued().message_ids
    assert len(ids) == 100
    assert ids[-1] == [call for call in bench.calls if call[1] == "StopTransaction"][-1][0]


# --- the transactionId -----------------------------------------------------------------------------------------------


def test_later_messages_wait_for_the_start_and_take_over_its_transaction_id():
    """TXQ-07, field problem 21"""
    bench = starting({"MeterValueSampleInterval": "10"})
    bench.wait(15)
    stop(bench)
    assert [call[1] for call in bench.calls] == ["StartTransaction"]
    sent = bench.settle(StartTransaction={"transactionId": 0, "idTagInfo": {"status": "Accepted"}})
    assert [payload["transactionId"] for _, payload in of(sent, "MeterValues", "StopTransaction")] == [0, 0]


def test_a_start_that_is_given_up_lets_the_others_go_out_with_minus_one():
    """TX-05, P5, settled question 11"""
    bench = starting({"TransactionMessageAttempts": "1"})
    bench.refuse()
    assert bench.store.open_transaction().start_parked
    stop(bench)
    sent = bench.settle()
    assert [payload["transactionId"] for _, payload in of(sent, "StopTransaction")] == [-1]


def test_a_late_answer_to_a_parked_start_is_still_mapped_to_its_transaction():
    """P5, settled question 11"""
    bench = starting({"TransactionMessageAttempts": "1"})
    message_id = bench.calls[0][0]
    bench.refuse()
    bench.settle()
    bench.do(FrameReceived(json.dumps([3, message_id, {"transactionId": 55, "idTagInfo": {"status": "Accepted"}}])))
    transaction = bench.store.open_transaction()
    assert (transaction.transaction_id, transaction.start_delivered, transaction.start_parked) == (55, True, False)
    stop(bench)
    assert bench.expect("StopTransaction")["transactionId"] == 55


def test_a_parked_message_stays_over_a_reboot_and_is_sent_again_by_hand_with_a_new_id():
    """P1, P6, TXQ-09, settled question 5, RPC-13"""
    bench = starting({"TransactionMessageAttempts": "1"})
    used = bench.calls[0][0]
    bench.refuse()
    stop(bench)
    bench.settle()
    bench.reboot()
    bench.read()
    bench.boot()
    bench.settle()
    (parked,) = bench.store.parked_calls()
    bench.do(ResendParked(parked.seq))
    message_id, action, payload = bench.calls[0]
    assert (action, message_id == used) == ("StartTransaction", False)
    assert json.dumps(payload, separators=(",", ":")) == parked.payload
    bench.answer(transactionId=3, idTagInfo={"status": "Accepted"})
    assert bench.store.parked_calls() == []
    assert queued(bench) == []


@pytest.mark.parametrize("answered", [55, None])
def test_a_stop_that_was_parked_with_minus_one_is_resent_with_the_id_that_its_start_got_later(answered):
    """Settled question 11: both stay visible as parked, for a resend by hand"""
    bench = starting({"TransactionMessageAttempts": "1"})
    bench.refuse()
    bench.settle()
    stop(bench)
    bench.settle_until("StopTransaction")
    assert bench.calls[0][2]["transactionId"] == -1
    bench.refuse()
    bench.settle()
    start, end = bench.store.parked_calls()
    bench.do(ResendParked(start.seq))
    bench.settle_until("StartTransaction")
    bench.answer({} if answered is None else {"transactionId": answered})
    bench.settle()
    bench.do(ResendParked(end.seq))
    bench.settle_until("StopTransaction")
    told = bench.calls[0][2]
    assert told == {**json.loads(end.payload), "transactionId": -1 if answered is None else answered}
    bench.settle()
    assert bench.cp.view().parked == 0


def test_resending_what_is_not_parked_does_nothing():
    """P3"""
    bench = charging()
    bench.disconnect()
    stop(bench)
    bench.do(ResendParked(bench.store.next_queued().seq))
    bench.do(ResendParked(4711))
    bench.connect()
    assert len(of(bench.settle(), "StopTransaction")) == 1


def test_a_late_answer_to_a_parked_message_does_not_shorten_the_wait_of_the_head():
    """TXQ-06"""
    bench = starting({"TransactionMessageAttempts": "1"})
    start_id = bench.calls[0][0]
    bench.refuse()
    bench.call("ChangeConfiguration", key="TransactionMessageAttempts", value="3")
    stop(bench)
    bench.refuse()
    bench.settle()
    bench.do(FrameReceived(json.dumps([3, start_id, {"transactionId": 5, "idTagInfo": {"status": "Accepted"}}])))
    bench.wait(59)
    assert bench.calls == []
    bench.wait(1.2)
    assert bench.expect("StopTransaction")


# --- the clock -------------------------------------------------------------------------------------------------------


def offline_session(bench):
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    bench.read(contactor_closed=True)
    bench.wait(65, step_s=0.5)
    bench.read(energy_wh=1200)
    stop(bench)


def test_what_was_dated_by_a_lost_clock_is_dated_again_when_the_backend_tells_the_time():
    """CLK-04, field problem 24: no 1970 stamps, and the distances stay."""
    bench = Bench(
        {"AllowOfflineTxForUnknownId": "true", "StopTxnSampledData": "Energy.Active.Import.Register"},
        system_utc=START.replace(year=1970),
    )
    bench.read()
    offline_session(bench)
    bench.wait(100, step_s=10)
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START))
    sent = dict(of(bench.settle(), *TRANSACTIONAL))
    began, ended = parse_utc(sent["StartTransaction"]["timestamp"]), parse_utc(sent["StopTransaction"]["timestamp"])
    assert abs((START - ended).total_seconds() - 100) < 1
    assert abs((ended - began).total_seconds() - 65) < 1
    sampled = sent["MeterValues"]["meterValue"][0]["timestamp"]
    stamps = [entry["timestamp"] for entry in sent["StopTransaction"]["transactionData"]]
    assert stamps == [format_utc(began), sampled, format_utc(ended)]
    (row,) = bench.store._transactions.values()
    assert (format_utc(row.started_at), format_utc(row.stopped_at)) == (format_utc(began), format_utc(ended))


def test_a_box_whose_clock_starts_where_it_was_switched_off_is_dated_again_too():
    """CLK-04: such a clock looks plausible, and is hours behind."""
    bench = Bench({"AllowOfflineTxForUnknownId": "true", **NO_SAMPLES}, system_utc=START - timedelta(hours=9))
    bench.read()
    offline_session(bench)
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START))
    for _, payload in of(bench.settle(), *TRANSACTIONAL):
        assert START - timedelta(minutes=5) < parse_utc(payload["timestamp"]) <= START


def test_a_correction_outlives_a_reboot_and_goes_when_its_messages_are_gone():
    """CLK-04: the line broke right after the backend told the time"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true", **NO_SAMPLES}, system_utc=START.replace(year=1970))
    bench.read()
    offline_session(bench)
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START))
    bench.start = START  # the box has a good clock from now on
    bench.reboot()
    bench.read()
    bench.boot()
    sent = of(bench.settle(), *TRANSACTIONAL)
    assert [parse_utc(payload["timestamp"]).year for _, payload in sent] == [START.year] * 2
    bench.start = START.replace(year=1970)
    bench.reboot()
    bench.read()
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START))
    assert len(bench.store.values("clock.correction.")) == 1


def test_mere_drift_is_left_alone():
    """CLK-04"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true", **NO_SAMPLES})
    bench.read()
    offline_session(bench)
    before = [call.payload for call in bench.store._all_calls()]
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(bench.clock.utc() + timedelta(seconds=20)))
    assert bench.store.next_queued().payload == before[0]


def test_what_was_sent_already_keeps_its_bytes_when_the_clock_comes_later():
    """P3: byte-identical copies, whatever the clock does."""
    bench = Bench({"AllowOfflineTxForUnknownId": "true", **NO_SAMPLES}, system_utc=START.replace(year=1970))
    bench.read()
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    bench.connect()
    bench.answer(status="Accepted", interval=300)  # without a time
    while bench.calls[0][1] != "StartTransaction":
        bench.answer()
    bench.call("TriggerMessage", requestedMessage="Heartbeat")
    bench.refuse()
    bench.settle(Heartbeat={"currentTime": format_utc(START)})
    assert bench.clock.confirmed
    bench.wait(61)
    bench.settle()
    first, again = (text for text in bench.frames.values() if '"StartTransaction"' in text)
    assert again.split(",", 3)[3] == first.split(",", 3)[3]
    assert again.split(",", 3)[1] != first.split(",", 3)[1]


def test_the_stop_of_the_former_boot_keeps_its_time_when_this_boot_has_lost_the_clock():
    """CLK-04, TX-16: its timestamp never came from the lost clock."""
    bench = charging()
    bench.read(energy_wh=1150)
    at = bench.store.open_transaction().last_seen_at
    bench.start = START.replace(year=1970)
    bench.reboot(away_s=3600)
    bench.read()
    assert not bench.clock.synchronised
    bench.connect()
    now = START + timedelta(seconds=bench.time.now - 1000)
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(now))
    ((_, payload),) = of(bench.settle(), "StopTransaction")
    assert payload["timestamp"] == format_utc(at)


def test_rows_of_an_earlier_boot_are_not_moved_by_the_clock_of_this_one():
    """CLK-04"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true", **NO_SAMPLES}, system_utc=START.replace(year=1970))
    bench.read()
    offline_session(bench)
    before = [call.payload for call in bench.store._all_calls()]
    bench.reboot()
    bench.read(ev_connected=False)
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START))
    assert bench.store.queue_depth() == 2
    assert [call.payload for call in bench.store._all_calls()][1] == before[1]


# --- what is told ----------------------------------------------------------------------------------------------------


def test_the_view_tells_what_waits_and_what_failed():
    """P9"""
    bench = starting()
    bench.time.now += 2
    view = bench.cp.view()
    assert (view.in_flight, view.in_flight_s, view.queue_depth, view.parked) == ("StartTransaction", 2.0, 1, 0)
    bench.refuse("InternalError")
    bench.do(Tick())
    assert bench.cp.view().last_error == "StartTransaction: InternalError"


# --- what people see of a session ------------------------------------------------------------------------------------


def test_an_answered_message_of_a_session_is_kept_with_its_times_and_its_answer():
    bench = starting()
    uid = bench.store.open_transaction().uid
    sent_at = bench.clock.utc()
    bench.wait(3)
    bench.answer(transactionId=7, idTagInfo={"status": "Accepted"})
    (kept,) = bench.store.delivered_calls(uid)
    assert (kept.action, kept.attempts) == ("StartTransaction", 0)
    assert json.loads(kept.payload)["idTag"] == "CARD1"
    assert json.loads(kept.answer)["transactionId"] == 7
    assert abs((kept.sent_at - sent_at).total_seconds()) < 0.5
    assert 2.5 < (kept.answered_at - kept.sent_at).total_seconds() < 3.5


def test_a_refused_message_is_not_kept_as_delivered():
    bench = starting()
    bench.refuse()
    assert bench.store.delivered_calls(bench.store.open_transaction().uid) == []
