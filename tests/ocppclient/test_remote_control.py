"""RemoteStartTransaction, RemoteStopTransaction, UnlockConnector."""

from __future__ import annotations

import pytest

from ocppclient.events import Fault
from ocppclient.store import IdTagEntry
from tests.ocppclient.harness import Bench, of, statuses

NO_SAMPLES = {"MeterValueSampleInterval": "0"}


def station(**configuration):
    return Bench({**NO_SAMPLES, **configuration}).ready()


def remote_start(bench, **fields):
    """The status of RemoteStartTransaction.conf, or the code of the CALLERROR."""
    answer = bench.call("RemoteStartTransaction", **{"idTag": "CARD1", **fields})
    return answer[2] if answer[0] == 4 else answer[2]["status"]


# --- start -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("plugged", [True, False])
def test_the_answer_goes_first_and_the_card_is_authorised_like_a_local_one(plugged):
    """RST-01, RST-02, RST-03, RST-04, field problems 14 and 28, T:TC_010, TC_011_1"""
    bench = station()
    bench.read(ev_connected=plugged)
    bench.settle()
    assert remote_start(bench, connectorId=1) == "Accepted"
    assert bench.expect("Authorize") == {"idTag": "CARD1"}
    sent = bench.settle()
    if not plugged:
        assert statuses(sent) == ["Preparing"]
        bench.read(ev_connected=True)
        sent += bench.settle()
    assert [payload["idTag"] for _, payload in of(sent, "StartTransaction")] == ["CARD1"]


@pytest.mark.parametrize(
    "fields", [{}, {"connectorId": None}, {"connectorId": 1}, {"connectorId": 1, "chargingProfile": None}]
)
def test_without_a_connector_it_is_connector_1(fields):
    """RST-07, field problem 28"""
    assert remote_start(station(), **fields) == "Accepted"


@pytest.mark.parametrize("connector_id", [0, 2, -1, 2**31])
def test_another_connector_is_rejected(connector_id):
    """RST-06, field problem 28, T:TC_027"""
    bench = station()
    assert remote_start(bench, connectorId=connector_id) == "Rejected"
    assert bench.clauses() == ["RST-06"]
    assert bench.calls == []


@pytest.mark.parametrize("fields", [{"idTag": "x" * 21}, {"idTag": 7}, {"idTag": None}, {"connectorId": "1"}])
def test_a_request_that_does_not_fit_its_schema_starts_nothing(fields):
    """RPC-34, RPC-26"""
    bench = station()
    assert remote_start(bench, **fields) in ("TypeConstraintViolation", "OccurenceConstraintViolation")
    bench.read(ev_connected=True)
    assert not of(bench.settle(), "StartTransaction")


def test_an_empty_id_tag_is_rejected():
    """GEN-02"""
    assert remote_start(station(), idTag="") == "Rejected"


def test_without_authorize_remote_tx_requests_it_starts_at_once():
    """RST-02: the backend judges in StartTransaction.conf"""
    bench = station(AuthorizeRemoteTxRequests="false")
    bench.read(ev_connected=True)
    bench.settle()
    assert remote_start(bench) == "Accepted"
    assert bench.expect("StartTransaction")["idTag"] == "CARD1"


@pytest.mark.parametrize("source", ["cache", "backend"])
def test_a_known_card_needs_no_question_with_local_pre_authorize(source):
    """RST-14, T:TC_007_2, TC_008_2"""
    bench = station(LocalPreAuthorize="true")
    entry = IdTagEntry("CARD1", "Accepted", source)
    (bench.store.save_cache_entry if source == "cache" else bench.store.save_list_entry)(entry)
    bench.read(ev_connected=True)
    bench.settle()
    remote_start(bench)
    assert bench.expect("StartTransaction")


def test_a_refused_card_starts_nothing_and_plugging_in_is_preparing():
    """RST-13, T:TC_023_5"""
    bench = station()
    assert remote_start(bench) == "Accepted"
    bench.settle(Authorize={"idTagInfo": {"status": "Invalid"}})
    bench.read(ev_connected=True)
    sent = bench.settle()
    assert (statuses(sent), of(sent, "StartTransaction")) == (["Preparing"], [])


def test_without_a_car_the_connector_is_available_again_after_the_timeout():
    """RST-04, T:TC_011_2"""
    bench = station(ConnectionTimeOut="20")
    remote_start(bench)
    assert statuses(bench.settle()) == ["Preparing"]
    bench.wait(20.2)
    assert statuses(bench.settle()) == ["Available"]
    assert remote_start(bench) == "Accepted"


@pytest.mark.parametrize(
    ("obstacle", "clause"),
    [
        (lambda bench: bench.charge(), "RST-05"),
        (lambda bench: remote_start(bench, idTag="OTHER"), "RST-05"),
        (lambda bench: bench.read(faults=(Fault("GroundFailure"),)), "RST-05"),
        (lambda bench: bench.call("ChangeAvailability", connectorId=1, type="Inoperative"), "AVL-05"),
        (lambda bench: bench.call("ChangeAvailability", connectorId=0, type="Inoperative"), "AVL-05"),
    ],
)
def test_what_stands_in_the_way_is_told(obstacle, clause):
    """RST-05, AVL-05, field problem 18, P9, T:TC_026, TC_041"""
    bench = station()
    obstacle(bench)
    bench.settle() if clause == "AVL-05" else None
    running = bench.store.open_transaction()
    assert remote_start(bench) == "Rejected"
    assert bench.clauses()[-1] == clause
    assert bench.store.open_transaction() == running


def test_before_the_meter_was_read_nothing_is_promised():
    """RST-05, P9"""
    bench = Bench(NO_SAMPLES)
    bench.boot()
    assert remote_start(bench) == "Rejected"
    assert bench.reasons()[-1] == "The energy meter has not been read yet."


def test_a_double_remote_start_makes_one_session():
    """Field problem 18, P4, RPC-20"""
    bench = station()
    bench.read(ev_connected=True)
    bench.settle()
    assert [remote_start(bench), remote_start(bench)] == ["Accepted", "Rejected"]
    assert len(of(bench.settle(), "StartTransaction")) == 1


# --- stop ------------------------------------------------------------------------------------------------------------


def test_a_remote_stop_ends_the_running_transaction():
    """RST-11, RST-12, T:TC_012"""
    bench = station().charge(transaction_id=42)
    assert bench.call("RemoteStopTransaction", transactionId=42)[2] == {"status": "Accepted"}
    assert not bench.setpoint.authorised
    bench.open_contactor()
    sent = bench.settle()
    assert [payload["reason"] for _, payload in of(sent, "StopTransaction")] == ["Remote"]
    assert statuses(sent) == ["Finishing"]


@pytest.mark.parametrize("transaction_id", [41, 0, -1, 2**40])
def test_only_the_exact_transaction_is_stopped(transaction_id):
    """RST-11, field problem 17, T:TC_028"""
    bench = station().charge(transaction_id=42)
    assert bench.call("RemoteStopTransaction", transactionId=transaction_id)[2] == {"status": "Rejected"}
    assert bench.setpoint.authorised
    assert bench.clauses()[-1] == "RST-11"


def test_0_is_a_transaction_like_any_other():
    """TX-04, field problem 22"""
    bench = station().charge(transaction_id=0)
    assert bench.call("RemoteStopTransaction", transactionId=0)[2] == {"status": "Accepted"}


def test_a_transaction_that_has_no_id_yet_cannot_be_stopped_remotely():
    """RST-11"""
    bench = station()
    bench.read(ev_connected=True)
    bench.settle()
    bench.swipe("CARD1")
    bench.answer(idTagInfo={"status": "Accepted"})
    assert bench.call("RemoteStopTransaction", transactionId=0)[2] == {"status": "Rejected"}
    bench.answer(transactionId=0, idTagInfo={"status": "Accepted"})
    assert bench.call("RemoteStopTransaction", transactionId=0)[2] == {"status": "Accepted"}


def test_a_finished_transaction_is_rejected():
    """RST-11, field problem 17"""
    bench = station().charge()
    bench.swipe("CARD1")
    assert bench.call("RemoteStopTransaction", transactionId=7)[2] == {"status": "Rejected"}
    bench.open_contactor()
    assert bench.call("RemoteStopTransaction", transactionId=7)[2] == {"status": "Rejected"}


# --- unlock ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connector_id", [1, 0, 2, -1])
@pytest.mark.parametrize("charging", [True, False])
def test_a_fixed_cable_cannot_be_unlocked(connector_id, charging):
    """UNL-01, UNL-02, UNL-03, settled question 10, T:TC_017_2, TC_018_2, TC_031"""
    bench = station()
    if charging:
        bench.charge()
    assert bench.call("UnlockConnector", connectorId=connector_id)[2] == {"status": "NotSupported"}
    assert bench.clauses()[-1] == "UNL-01"
    assert bench.setpoint.authorised is charging
    assert bench.calls == []
