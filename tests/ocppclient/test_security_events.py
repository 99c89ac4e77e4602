"""Security events: the log and the SecurityEventNotification (security white paper section 3; conformance EVT)."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import pytest

from ocppclient.clock import format_utc
from ocppclient.events import FrameReceived, ShutdownRequested
from ocppclient.security_events import EVENTS
from ocppclient.store import SECURITY_LOG_LENGTH, SecurityEvent
from tests.ocppclient.harness import START, Bench, of

SECURE = {"SecurityProfile": "1", "TransactionMessageRetryInterval": "10"}


def told(sent: list[tuple[str, dict[str, Any]]]) -> list[str]:
    """Types of the SecurityEventNotifications among what was sent."""
    return [payload["type"] for _, payload in of(sent, "SecurityEventNotification")]


def logged(bench: Bench) -> list[tuple[str, str]]:
    return [(event.type, event.delivery) for event in bench.store.security_events()]


def quiet(configuration: dict[str, str] | None = None) -> Bench:
    """Registered, and the events of the start told already."""
    bench = Bench(configuration=SECURE if configuration is None else configuration).ready()
    bench.wait(1)
    bench.settle()
    return bench


def test_the_table_has_the_18_events_of_the_white_paper_and_seven_are_critical() -> None:
    assert len(EVENTS) == 18
    assert [name for name, kind in EVENTS.items() if kind.critical] == [
        "FirmwareUpdated",
        "SettingSystemTime",
        "StartupOfTheDevice",
        "ResetOrReboot",
        "SecurityLogWasCleared",
        "MemoryExhaustion",
        "TamperDetectionActivated",
    ]
    assert all(len(name) <= 50 for name in EVENTS)


@pytest.mark.parametrize("event_type", EVENTS)
def test_every_event_is_logged_and_the_ones_the_backend_has_to_know_are_told(event_type: str) -> None:
    """EVT-01, EVT-03, EVT-04"""
    bench = quiet()
    bench.cp.security_events.raise_event(event_type, "why")
    bench.wait(0.1)
    sent = of(bench.settle(), "SecurityEventNotification")
    if EVENTS[event_type].told:
        request = {"type": event_type, "timestamp": format_utc(bench.store.security_events()[-1].at)}
        assert sent == [("SecurityEventNotification", {**request, "techInfo": "why"})]
        assert logged(bench)[-1] == (event_type, "delivered")
    else:
        assert sent == []
        assert logged(bench)[-1] == (event_type, "")


def test_critical_ones_are_among_the_told() -> None:
    assert all(kind.told for kind in EVENTS.values() if kind.critical)


def test_profile_0_only_logs_unless_the_installer_wants_more() -> None:
    silent, wanted = quiet({}), quiet({"OpenStation.SendSecurityEvents": "true"})
    for bench in (silent, wanted):
        bench.cp.security_events.raise_event("TamperDetectionActivated")
        bench.wait(0.1)
    assert told(silent.settle()) == []
    assert logged(silent)[-1] == ("TamperDetectionActivated", "")
    assert told(wanted.settle()) == ["TamperDetectionActivated"]


def test_the_start_is_told_after_the_statuses_and_once() -> None:
    bench = Bench(configuration=SECURE)
    bench.read()
    bench.boot()
    sent = [action for action, _ in bench.live(5)]
    assert sent == ["StatusNotification", "StatusNotification", "SecurityEventNotification"]
    bench.disconnect()
    bench.connect()
    assert "SecurityEventNotification" not in [action for action, _ in bench.live(5)]


def test_an_event_raised_offline_survives_a_power_cut_and_is_delivered() -> None:
    """BOOT-17, EVT-02"""
    bench = quiet()
    bench.disconnect()
    bench.cp.security_events.raise_event("TamperDetectionActivated", "door")
    bench.reboot()
    bench.read()
    bench.boot()
    assert told(bench.live(2)) == ["TamperDetectionActivated", "StartupOfTheDevice"]


def test_events_wait_for_the_registration_and_go_out_in_order() -> None:
    bench = Bench(configuration=SECURE)
    bench.read()
    bench.boot(status="Pending")
    bench.cp.security_events.raise_event("TamperDetectionActivated")
    bench.wait(1)
    assert told(bench.settle()) == []
    bench.wait(400)
    assert told(bench.settle(BootNotification={"status": "Accepted", "interval": 300, "currentTime": "x"})) == [
        "StartupOfTheDevice",
        "TamperDetectionActivated",
    ]


def test_what_was_not_answered_goes_out_again_with_its_id_after_a_reconnect() -> None:
    bench = quiet()
    bench.cp.security_events.raise_event("TamperDetectionActivated")
    bench.wait(0.1)
    bench.expect("SecurityEventNotification")
    former = bench.calls[0][0]
    bench.disconnect()
    bench.connect()
    bench.wait(0.1)
    while bench.calls[0][1] != "SecurityEventNotification":
        bench.answer()
    assert bench.calls[0][0] == former
    bench.settle()
    assert logged(bench)[-1] == ("TamperDetectionActivated", "delivered")


def test_a_copy_on_the_same_connection_has_a_new_id_and_a_late_answer_counts() -> None:
    bench = quiet()
    bench.cp.security_events.raise_event("TamperDetectionActivated")
    bench.wait(0.1)
    first = bench.calls.pop()[0]
    bench.wait(31, step_s=1)  # MessageTimeout
    bench.wait(10, step_s=1)  # and the retry interval
    copy = bench.calls.pop()[0]
    assert copy != first
    bench.do(FrameReceived(json.dumps([3, first, {}])))
    assert logged(bench)[-1] == ("TamperDetectionActivated", "delivered")
    bench.cp.security_events.raise_event("FirmwareUpdated")
    bench.do(FrameReceived(json.dumps([3, copy, {}])))
    bench.wait(0.1)
    assert told(bench.settle()) == ["FirmwareUpdated"]


def test_a_late_answer_to_a_delivered_event_does_not_send_the_next_one_twice() -> None:
    bench = quiet()
    bench.cp.security_events.raise_event("TamperDetectionActivated")
    bench.wait(0.1)
    first = bench.calls.pop()[0]
    bench.wait(41, step_s=1)
    bench.settle()  # the copy
    bench.cp.security_events.raise_event("FirmwareUpdated")
    bench.wait(0.1)
    bench.do(FrameReceived(json.dumps([3, first, {}])))
    bench.wait(1)
    assert told(bench.settle()) == ["FirmwareUpdated"]


@pytest.mark.parametrize("code", ["NotImplemented", "NotSupported"])
def test_a_backend_without_the_white_paper_is_asked_once(code: str) -> None:
    bench = quiet()
    bench.cp.security_events.raise_event("TamperDetectionActivated")
    bench.wait(0.1)
    assert bench.refuse(code) == "SecurityEventNotification"
    assert told(bench.live(60, step_s=1)) == []
    assert logged(bench)[-1] == ("TamperDetectionActivated", "refused")


def test_a_failing_backend_is_asked_as_often_as_transaction_message_attempts_says() -> None:
    bench = quiet()
    bench.cp.security_events.raise_event("TamperDetectionActivated")
    ids = set()
    for _ in range(3):
        bench.wait(30, step_s=1)
        ids.add(bench.calls[0][0])
        assert bench.refuse("InternalError") == "SecurityEventNotification"
    assert len(ids) == 3
    assert told(bench.live(60, step_s=1)) == []
    assert logged(bench)[-1] == ("TamperDetectionActivated", "refused")


def test_silence_never_ends_the_delivery() -> None:
    """EVT-02"""
    bench = quiet()
    bench.cp.security_events.raise_event("TamperDetectionActivated")
    for _ in range(10):
        bench.wait(60, step_s=1)
        bench.calls.clear()
        bench.disconnect()
        bench.connect()
    assert "TamperDetectionActivated" in told(bench.live(2))


def test_security_events_do_not_hold_up_a_transaction() -> None:
    """EVT-02"""
    bench = quiet()
    for _ in range(20):
        bench.cp.security_events.raise_event("TamperDetectionActivated")
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    sent = [action for action, _ in bench.live(3)]
    assert sent.index("StartTransaction") < 8
    assert sent.count("SecurityEventNotification") == 20


def test_tech_info_is_one_line_that_fits_the_frame() -> None:
    bench = quiet()
    bench.cp.security_events.raise_event("TamperDetectionActivated", "a\nb\t" + "x" * 300)
    assert bench.store.security_events()[-1].tech_info == "a b " + "x" * 250 + "…"
    bench.wait(0.1)  # the bench checks the frame against its schema
    assert told(bench.settle()) == ["TamperDetectionActivated"]


def test_the_log_rolls_and_what_waits_stays_longer() -> None:
    """EVT-03"""
    bench = Bench()
    for number in range(SECURITY_LOG_LENGTH + 10):
        delivery = "waiting" if number == 3 else ""
        bench.store.add_security_event(SecurityEvent("InvalidMessages", START, str(number), delivery))
    kept = [event.tech_info for event in bench.store.security_events()]
    assert kept[:2] == ["3", "10"]
    assert len(kept) == SECURITY_LOG_LENGTH + 1


def test_clearing_the_log_is_an_event_and_what_waits_is_still_delivered() -> None:
    """LOG-05"""
    bench = quiet()
    bench.disconnect()
    bench.cp.security_events.raise_event("InvalidMessages")
    bench.cp.security_events.raise_event("TamperDetectionActivated")
    bench.cp.security_events.clear("admin")
    assert logged(bench) == [("TamperDetectionActivated", "waiting"), ("SecurityLogWasCleared", "waiting")]
    bench.connect()
    assert told(bench.live(2)) == ["TamperDetectionActivated", "SecurityLogWasCleared"]


def test_events_of_a_guessed_clock_are_dated_again() -> None:
    bench = Bench(configuration=SECURE, system_utc=START - timedelta(days=3000))
    bench.read()
    bench.connect()
    bench.wait(10)
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START))
    notified = [payload for _, payload in of(bench.live(2), "SecurityEventNotification")]
    assert [payload["type"] for payload in notified] == ["StartupOfTheDevice", "SettingSystemTime"]
    assert notified[0]["timestamp"] == format_utc(START - timedelta(seconds=10))


def test_a_reset_and_a_stop_from_outside_are_events() -> None:
    """RES-07, EVT-03"""
    bench = quiet()
    bench.call("Reset", type="Soft")
    assert told(bench.live(0.5)) == ["ResetOrReboot"]
    other = quiet()
    other.do(ShutdownRequested())
    other.do(ShutdownRequested())
    assert [name for name, _ in logged(other)] == ["StartupOfTheDevice", "ResetOrReboot"]


def test_small_corrections_of_the_clock_are_no_event_and_larger_ones_are() -> None:
    bench = quiet()
    for ahead_s, expected in ((0.5, []), (90.0, ["SettingSystemTime"])):
        bench.cp.boot.heartbeat()
        bench.wait(0.1)
        bench.settle(Heartbeat={"currentTime": format_utc(bench.clock.utc() + timedelta(seconds=ahead_s))})
        bench.wait(0.1)
        assert [name for name, _ in logged(bench)[1:]] == expected


def test_an_unknown_event_is_a_mistake_of_the_code() -> None:
    with pytest.raises(KeyError):
        quiet().cp.security_events.raise_event("Nonsense")


def test_message_ids_are_uuids() -> None:
    bench = quiet()
    bench.cp.security_events.raise_event("TamperDetectionActivated")
    bench.wait(0.1)
    assert uuid.UUID(bench.calls[0][0])


def test_malformed_frames_are_an_event_once_per_connection() -> None:
    bench = quiet()
    for _ in range(3):
        for _ in range(5):
            bench.do(FrameReceived("{not ocpp"))
        bench.disconnect()
        bench.connect()
    assert [name for name, _ in logged(bench)[1:]] == ["InvalidMessages"] * 3
    assert "not OCPP" in bench.store.security_events()[-1].tech_info


def test_a_resent_call_is_no_attack_and_another_one_under_its_id_is() -> None:
    bench = quiet()
    heartbeat = '[2,"id-1","TriggerMessage",{"requestedMessage":"Heartbeat"}]'
    for _ in range(5):
        bench.do(FrameReceived(heartbeat))
    assert logged(bench)[1:] == []
    for message_id in ("id-1", "id-1", "id-2"):
        bench.do(FrameReceived(json.dumps([2, message_id, "ClearCache", {}])))
    assert [name for name, _ in logged(bench)[1:]] == ["AttemptedReplayAttacks"]
