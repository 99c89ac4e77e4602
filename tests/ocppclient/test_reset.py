"""Reset: the session ends, its messages get their chance, then the station restarts."""

from __future__ import annotations

import pytest

from ocppclient.boot import RESET_CAUSE
from ocppclient.events import Disconnected, Fault, Reboot, SendFrame
from tests.ocppclient.harness import Bench, of, statuses

NO_SAMPLES = {"MeterValueSampleInterval": "0"}


def reboots(bench):
    return [action for action in bench.actions if isinstance(action, Reboot)]


@pytest.mark.parametrize(("kind", "hard"), [("Soft", False), ("Hard", True)])
def test_the_answer_leaves_before_the_restart(kind, hard):
    """RES-01, field problem 14, T:TC_013, TC_014"""
    bench = Bench().ready()
    assert bench.call("Reset", type=kind)[2] == {"status": "Accepted"}
    assert reboots(bench) == []
    bench.wait(1.2)
    assert reboots(bench) == [Reboot(hard, 3 if hard else 0)]
    bench.wait(30)
    assert len(reboots(bench)) == 1


@pytest.mark.parametrize(("kind", "reason"), [("Soft", "SoftReset"), ("Hard", "HardReset")])
def test_the_transaction_is_stopped_and_told_first(kind, reason):
    """RES-02, RES-03, RES-04, T:TC_015, TC_016"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.call("Reset", type=kind)
    bench.wait(2)
    assert reboots(bench) == []  # the contactor is still closed
    bench.open_contactor()
    assert bench.expect("StopTransaction")["reason"] == reason
    bench.wait(2)
    assert reboots(bench) == []  # its answer is still missing
    assert statuses(bench.settle()) == ["Finishing"]
    bench.wait(0.2)
    assert len(reboots(bench)) == 1


def test_a_backend_that_does_not_answer_does_not_hold_the_reset_back():
    """RES-02: without .conf it stays queued"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.call("Reset", type="Soft")
    bench.open_contactor()
    bench.wait(10.2)
    assert len(reboots(bench)) == 1
    bench.reboot()
    bench.read()
    bench.boot()
    sent = bench.settle()
    assert [payload["reason"] for _, payload in of(sent, "StopTransaction")] == ["SoftReset"]
    assert statuses(sent, 0) == ["Available"]  # RES-05
    assert statuses(sent) == ["Preparing"]


def test_offline_nothing_is_waited_for():
    """RES-02, F28"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.call("Reset", type="Soft")
    bench.do(Disconnected())
    bench.open_contactor()
    bench.wait(1.2)
    assert len(reboots(bench)) == 1


def test_an_availability_set_before_is_still_there_after_the_reset():
    """AVL-04, STA-14, T:TC_013"""
    bench = Bench().ready()
    bench.call("ChangeAvailability", connectorId=1, type="Inoperative")
    bench.settle()
    bench.call("Reset", type="Hard")
    bench.wait(2)
    bench.reboot()
    bench.read()
    bench.boot()
    assert statuses(bench.settle()) == ["Unavailable"]


def test_ten_resets_in_a_row_are_one_restart_and_the_hardest_wins():
    """F28, RES-04"""
    bench = Bench().ready()
    for n in range(10):
        assert bench.call("Reset", type="Hard" if n == 3 else "Soft")[2] == {"status": "Accepted"}
    bench.wait(2)
    assert reboots(bench) == [Reboot(True, 3)]


def test_the_cause_is_used_up_by_the_next_boot():
    """TX-11"""
    bench = Bench(NO_SAMPLES).ready()
    bench.call("Reset", type="Hard")
    bench.wait(2)
    assert bench.store.value(RESET_CAUSE) == "HardReset"
    bench.reboot()
    bench.read()
    assert bench.store.value(RESET_CAUSE) is None


def test_a_reset_that_the_store_refuses_restarts_nothing():
    """RPC-22, RES-01: the answer says that it failed, so it must not happen"""
    bench = Bench(NO_SAMPLES).ready().charge()

    def full(transaction):
        raise OSError("disk full")

    bench.store.save_transaction = full
    assert bench.call("Reset", type="Soft")[2] == "InternalError"
    del bench.store.save_transaction
    bench.wait(15)
    assert reboots(bench) == []
    assert bench.store.value(RESET_CAUSE) is None
    assert bench.setpoint.authorised
    assert not [a for a in bench.actions if isinstance(a, SendFrame) and "StopTransaction" in a.text]


def test_reset_retries_go_with_a_hard_reset():
    """RES-06, ResetRetries"""
    bench = Bench().ready()
    bench.call("ChangeConfiguration", key="ResetRetries", value="5")
    bench.call("Reset", type="Hard")
    bench.wait(1.2)
    assert reboots(bench) == [Reboot(True, 5)]


def test_a_board_that_did_not_restart_is_reported():
    """RES-06: errorCode ResetFailure, as a warning"""
    bench = Bench().ready()
    bench.call("Reset", type="Hard")
    bench.wait(1.2)
    bench.read(faults=(Fault("ResetFailure", blocking=False),))
    assert [(p["connectorId"], p["status"], p["errorCode"]) for _, p in bench.settle()] == [
        (1, "Available", "ResetFailure")
    ]
    bench.wait(60, step_s=1)
    assert len(reboots(bench)) == 1


def test_another_reset_while_the_restart_is_under_way_orders_none():
    """RES-01, RES-06: a board that does not obey takes its time"""
    bench = Bench().ready()
    bench.call("Reset", type="Hard")
    bench.wait(1.2)
    assert bench.call("Reset", type="Soft")[2] == {"status": "Accepted"}
    bench.wait(20)
    assert len(reboots(bench)) == 1


def test_nothing_new_begins_once_a_reset_was_accepted():
    """RES-03: a session that starts now would be cut by the restart"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"}).ready()
    bench.swipe("EARLY")
    bench.settle()
    assert bench.status == "Preparing"
    bench.call("Reset", type="Soft")
    bench.wait(0.1)
    assert bench.status == "Available"
    bench.swipe("LATE")
    assert bench.call("RemoteStartTransaction", idTag="REMOTE")[2] == {"status": "Rejected"}
    bench.read(ev_connected=True)
    assert of(bench.settle(), "Authorize", "StartTransaction") == []
    assert bench.feedback()[-2:] == ["rejected", "rejected"]
    assert bench.clauses().count("RES-03") == 3
    bench.reboot()
    bench.ready()
    bench.swipe("LATE")
    assert bench.expect("Authorize")
