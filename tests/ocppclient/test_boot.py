"""BootNotification, registration and Heartbeat."""

from __future__ import annotations

from itertools import pairwise

import pytest

from ocppclient.clock import format_utc
from ocppclient.events import CardFeedback, Feedback, FrameReceived
from ocppclient.settings import ChargePointSettings, Factory, Identity
from tests.ocppclient.harness import Bench, of, statuses

IDENTITY = Identity("Vendor", "Model", "S1", "B1", "1.0", "SDM", "M1", "8931", "2040")


def waiting(status="", interval=0, **options):
    """Connected; the first BootNotification is answered with `status`, or not at all."""
    bench = Bench(**options)
    bench.read()
    bench.connect()
    bench.expect("BootNotification")
    if status:
        bench.answer(status=status, interval=interval, currentTime=format_utc(bench.clock.utc()))
    return bench


def next_boot_s(bench, limit_s):
    """After how many seconds the next BootNotification leaves (tick 0.1 s); it is answered Accepted."""
    for tenth in range(round(limit_s * 10)):
        bench.wait(0.1)
        if bench.calls:
            bench.expect("BootNotification")
            bench.answer(status="Accepted", interval=300, currentTime=format_utc(bench.clock.utc()))
            return (tenth + 1) / 10
    raise AssertionError(f"no BootNotification within {limit_s} s")


# --- the message -----------------------------------------------------------------------------------------------------


def test_everything_that_is_known_is_told_and_nothing_that_is_not():
    """BOOT-03"""
    assert waiting().calls[0][2] == {"chargePointVendor": "OpenStation", "chargePointModel": "AC-1"}
    bench = Bench()
    bench.settings = ChargePointSettings(identity=IDENTITY)
    bench.reboot()
    bench.connect()
    assert bench.expect("BootNotification") == {
        "chargePointVendor": "Vendor",
        "chargePointModel": "Model",
        "chargePointSerialNumber": "S1",
        "chargeBoxSerialNumber": "B1",
        "firmwareVersion": "1.0",
        "meterType": "SDM",
        "meterSerialNumber": "M1",
        "iccid": "8931",
        "imsi": "2040",
    }


@pytest.mark.parametrize(("field", "longest"), Identity.LIMITS.items())
def test_an_identity_that_does_not_fit_is_refused_where_it_is_set(field, longest):
    """GEN-02, field problem 19"""
    Identity(**{field: "x" * longest})
    for text in ("x" * (longest + 1), "é", "a\nb"):
        with pytest.raises(ValueError, match=field):
            Identity(**{field: text})


@pytest.mark.parametrize("field", ["vendor", "model"])
def test_vendor_and_model_must_be_there(field):
    """BOOT-03"""
    with pytest.raises(ValueError, match="vendor and model"):
        Identity(**{field: ""})


def test_every_boot_is_notified():
    """BOOT-01"""
    bench = Bench().ready()
    for _ in range(2):
        bench.reboot()
        bench.connect()
        assert [call[1] for call in bench.calls] == ["BootNotification"]


def test_a_mere_reconnect_is_not():
    """RPC-07, field problem 3"""
    bench = Bench().ready()
    bench.disconnect()
    bench.wait(10)
    bench.connect()
    bench.wait(10)
    assert bench.calls == []


# --- Accepted --------------------------------------------------------------------------------------------------------


def test_accepted_brings_the_interval_and_the_statuses_of_0_and_1():
    """BOOT-04, BOOT-10, GEN-01, T:TC_001"""
    bench = waiting("Accepted", 77)
    sent = bench.settle()
    assert (statuses(sent, 0), statuses(sent, 1)) == (["Available"], ["Available"])
    assert bench.cp.config.heartbeat_interval == 77
    (entry,) = bench.call("GetConfiguration", key=["HeartbeatInterval"])[2]["configurationKey"]
    assert entry["value"] == "77"


@pytest.mark.parametrize(
    ("interval", "adopted"),
    [("90", 90), (90.0, 90), (86400, 86400), (0, 300), (-5, 300), (None, 300), ("x", 300), ([], 300)],
)
def test_the_interval_is_read_with_tolerance(interval, adopted):
    """BOOT-04, HB-04, field problem 12"""
    bench = waiting()
    bench.answer(status="Accepted", interval=interval, currentTime=format_utc(bench.clock.utc()))
    assert bench.cp.config.heartbeat_interval == adopted


@pytest.mark.parametrize("payload", [{}, {"status": "accepted"}, {"status": ["Accepted"]}, {"currentTime": 1}])
def test_an_answer_without_a_usable_status_counts_as_accepted(payload):
    """Settled question 6"""
    bench = waiting()
    bench.answer(payload)
    assert bench.cp.boot.registration == "accepted"
    assert bench.cp.outbox.quirks >= 1


def test_nothing_but_the_boot_notification_leaves_before_it_is_answered():
    """BOOT-02: neither live messages nor the queue, whoever asks for it"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"}).ready()
    bench.disconnect()
    bench.read(ev_connected=True)
    bench.swipe("A")
    bench.reboot()
    bench.read()
    bench.connect()
    for message in ("Heartbeat", "StatusNotification", "MeterValues"):
        assert bench.call("TriggerMessage", requestedMessage=message)[2] == {"status": "Rejected"}
        assert bench.clauses()[-1] == "BOOT-02"
    bench.wait(25)
    assert [call[1] for call in bench.calls] == ["BootNotification"]
    bench.answer(status="Accepted", interval=300)
    assert len(of(bench.settle(), "StartTransaction", "StopTransaction")) == 2  # BOOT-11


def test_calls_are_answered_while_the_boot_notification_waits():
    """RPC-16"""
    assert waiting().call("GetConfiguration")[0] == 3


# --- Pending ---------------------------------------------------------------------------------------------------------


def test_pending_waits_for_the_interval_and_answers_meanwhile():
    """BOOT-05, BOOT-06, BOOT-08, BOOT-16, T:TC_002"""
    bench = waiting("Pending", 5)
    assert bench.call("ChangeConfiguration", key="MeterValueSampleInterval", value="10")[2] == {"status": "Accepted"}
    assert bench.call("GetConfiguration")[0] == 3
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    assert bench.calls == []
    assert next_boot_s(bench, 10) == pytest.approx(5, abs=0.2)


def test_pending_keeps_the_queue_waiting():
    """BOOT-02, BOOT-08, BOOT-11"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"}).ready()
    bench.disconnect()
    bench.read(ev_connected=True)
    bench.swipe("A")
    bench.reboot()
    bench.read()
    bench.boot(status="Pending", interval=30)
    bench.wait(20)
    assert bench.calls == []
    assert bench.store.queue_depth() == 2
    bench.wait(11)
    bench.answer(status="Accepted", interval=300)
    assert len(of(bench.settle(), "StartTransaction", "StopTransaction")) == 2


def test_pending_performs_no_remote_start_and_no_remote_stop():
    """BOOT-09"""
    bench = waiting("Pending", 60)
    assert bench.call("RemoteStartTransaction", idTag="A")[2] == {"status": "Rejected"}
    assert bench.call("RemoteStopTransaction", transactionId=1)[2] == {"status": "Rejected"}
    assert bench.clauses()[-2:] == ["BOOT-09", "BOOT-09"]


def test_pending_sends_what_the_backend_asks_for():
    """BOOT-08, TRG-01"""
    bench = waiting("Pending", 60)
    for message in ("Heartbeat", "MeterValues"):
        assert bench.call("TriggerMessage", requestedMessage=message)[2] == {"status": "Accepted"}
        assert bench.answer() == message
    bench.call("TriggerMessage", requestedMessage="StatusNotification")
    assert len(bench.settle()) == 2
    bench.wait(50)
    assert bench.calls == []


def test_pending_asks_at_once_when_triggered_and_only_once():
    """BOOT-06, TRG-05"""
    bench = waiting("Pending", 60)
    for _ in range(2):
        assert bench.call("TriggerMessage", requestedMessage="BootNotification")[2] == {"status": "Accepted"}
    assert [call[1] for call in bench.calls] == ["BootNotification"]
    bench.answer(status="Accepted", interval=300)
    assert [action for action, _ in bench.settle()] == ["StatusNotification", "StatusNotification"]


def test_pending_stays_over_a_reconnect_and_the_interval_too():
    """BOOT-05"""
    bench = waiting("Pending", 30)
    bench.disconnect()
    bench.wait(5)
    bench.connect()
    assert next_boot_s(bench, 40) == pytest.approx(25, abs=0.2)


# --- Rejected --------------------------------------------------------------------------------------------------------


def test_rejected_is_silent_until_the_interval_is_over():
    """BOOT-05, BOOT-07, D-18, T:TC_001"""
    bench = waiting("Rejected", 8)
    bench.read(ev_connected=True)
    for frame in (
        '[2,"x","GetConfiguration",{}]',
        '[2,"y"]',
        '[2,"z","TriggerMessage",{"requestedMessage":"Heartbeat"}]',
    ):
        bench.do(FrameReceived(frame))
    assert bench.answers == {}
    assert bench.calls == []
    assert next_boot_s(bench, 10) == pytest.approx(8, abs=0.2)
    assert bench.call("GetConfiguration")[0] == 3


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_an_interval_of_0_leaves_the_choice_to_us(status):
    """BOOT-05, field problem 33"""
    assert 60 <= next_boot_s(waiting(status, 0), 80) <= 73


def test_a_rejection_after_a_pending_closes_the_gate_again():
    """BOOT-07"""
    bench = waiting("Pending", 5)
    bench.call("TriggerMessage", requestedMessage="Heartbeat")
    bench.answer(currentTime=format_utc(bench.clock.utc()))
    bench.wait(5.1)
    bench.answer(status="Rejected", interval=5)
    bench.wait(4.5)
    assert bench.calls == []
    bench.wait(1)
    bench.answer(status="Accepted", interval=10)
    bench.settle()
    bench.wait(10.2)
    assert bench.expect("Heartbeat") == {}


# --- no answer -------------------------------------------------------------------------------------------------------


def test_a_boot_notification_without_an_answer_is_sent_again_with_growing_distance():
    """BOOT-13, field problem 33"""
    bench = waiting()
    waits = []
    for _ in range(4):
        bench.refuse()
        started = bench.time.now
        while not bench.calls:
            bench.wait(1, step_s=1)
        waits.append(bench.time.now - started)
    assert 60 <= waits[0] <= 74
    assert 120 <= waits[1] <= 146
    assert 240 <= waits[2] <= 290
    assert 300 <= waits[3] <= 362


def test_no_number_of_failures_ends_the_retries():
    """BOOT-13: days of CALLERRORs"""
    bench = waiting(factory=Factory(boot_retry_s=1.0))
    for _ in range(1200):
        bench.refuse()
        bench.wait(361, step_s=361)
    assert bench.expect("BootNotification")


def test_after_a_lost_connection_the_boot_notification_goes_out_at_once():
    """BOOT-13, RPC-17"""
    bench = waiting()
    bench.disconnect()
    bench.connect()
    assert bench.expect("BootNotification")


def test_a_timeout_is_followed_by_another_try():
    """BOOT-13, field problem 33: Boot.conf never arrives"""
    bench = waiting()
    bench.wait(30.2)
    bench.calls.clear()
    assert 59.7 <= next_boot_s(bench, 80) <= 74  # the timeout was up to 0.3 s ago


# --- charging before acceptance --------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_a_station_that_was_never_accepted_denies_charging(status):
    """BOOT-12"""
    bench = waiting(status, 60, configuration={"AllowOfflineTxForUnknownId": "true"})
    actions = bench.swipe("CARD1")
    assert Feedback(CardFeedback.REJECTED, "The backend has not accepted this station yet.") in actions


def test_one_that_was_accepted_before_charges_by_its_offline_rules():
    """BOOT-12: accepted with the same connection settings"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"}).ready()
    bench.reboot()
    bench.read()
    bench.boot(status="Pending", interval=60)
    bench.swipe("CARD1")
    assert bench.feedback() == ["accepted"]
    bench.settings = ChargePointSettings(configuration=bench.settings.configuration, backend_key="ws://other")
    bench.reboot()
    bench.read()
    bench.boot(status="Pending", interval=60)
    bench.swipe("CARD1")
    assert bench.feedback()[-1] == "rejected"


# --- Heartbeat -------------------------------------------------------------------------------------------------------


def test_an_idle_station_sends_heartbeats_exactly_one_interval_apart():
    """HB-01, HB-03, T:TC_001: the time an answer takes does not shift them"""
    bench = waiting("Accepted", 10)
    bench.settle()
    moments = []
    for _ in range(5):
        while not bench.calls:
            bench.wait(0.1)
        moments.append(bench.time.now)
        bench.expect("Heartbeat")
        bench.wait(3)
        bench.answer(currentTime=format_utc(bench.clock.utc()))
    assert [round(later - one, 1) for one, later in pairwise(moments)] == [pytest.approx(10, abs=0.15)] * 4


def test_another_message_takes_the_place_of_a_heartbeat():
    """HB-02, D-17"""
    bench = waiting("Accepted", 10)
    bench.settle()
    bench.wait(9)
    bench.read(ev_connected=True)
    assert [action for action, _ in bench.settle()] == ["StatusNotification"]
    bench.wait(9.5)
    assert bench.calls == []
    bench.wait(1)
    assert bench.expect("Heartbeat") == {}


def test_one_heartbeat_a_day_keeps_the_time_whatever_the_interval():
    """CLK-02"""
    bench = waiting("Accepted", 10_000_000)
    bench.settle()
    bench.wait(86_390, step_s=10)
    assert bench.calls == []
    bench.wait(20, step_s=10)
    assert bench.expect("Heartbeat") == {}


@pytest.mark.parametrize("answer", [{}, {"currentTime": "soon"}, None])
def test_a_backend_without_a_clock_gets_no_storm_of_heartbeats(answer):
    """CLK-02, F13: after a day without a usable time one Heartbeat a day is enough"""
    bench = waiting("Accepted", 10_000_000)
    bench.settle()
    sent = 0
    for _ in range(3 * 864):
        bench.wait(100, step_s=100)
        while bench.calls:
            sent += bench.expect("Heartbeat") == {}
            bench.refuse() if answer is None else bench.answer(answer)
    assert sent == 3


@pytest.mark.parametrize("interval", ["0", "-1"])
def test_a_factory_interval_of_nothing_means_no_heartbeats_but_the_daily_one(interval):
    """HB-04, design.md section 5"""
    bench = Bench({"HeartbeatInterval": interval})
    bench.read()
    bench.boot(interval=0)
    bench.settle()
    bench.wait(1000, step_s=10)
    assert bench.calls == []


def test_a_heartbeat_without_an_answer_does_not_end_the_heartbeats():
    """HB-01, RPC-17"""
    bench = waiting("Accepted", 10)
    bench.settle()
    bench.wait(10.2)
    bench.calls.clear()
    bench.wait(30.2)
    assert bench.expect("Heartbeat") == {}
    bench.disconnect()
    bench.connect()
    bench.wait(10.2)
    assert bench.expect("Heartbeat") == {}
