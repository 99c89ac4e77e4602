"""TriggerMessage: the answer first, then the message with what is true now."""

from __future__ import annotations

import pytest

from ocppclient.settings import Factory
from tests.ocppclient.harness import Bench, statuses


def trigger(bench, message, **fields):
    answer = bench.call("TriggerMessage", requestedMessage=message, **fields)
    return answer[2] if answer[0] == 4 else answer[2]["status"]


@pytest.mark.parametrize(
    "message",
    [
        "DiagnosticsStatusNotification",
        "FirmwareStatusNotification",
        "Heartbeat",
        "MeterValues",
        "StatusNotification",
    ],
)
def test_the_answer_goes_first_then_the_message(message):
    """TRG-01, TRG-02, field problem 14, T:TC_054"""
    bench = Bench().ready()
    assert trigger(bench, message) == "Accepted"
    assert bench.calls[0][1] == message


def test_a_status_is_told_for_each_connector_unless_one_is_named():
    """TRG-03"""
    bench = Bench().ready()
    trigger(bench, "StatusNotification")
    sent = bench.settle()
    assert (statuses(sent, 0), statuses(sent, 1)) == (["Available"], ["Available"])
    for connector_id in (0, 1):
        trigger(bench, "StatusNotification", connectorId=connector_id)
        assert [payload["connectorId"] for _, payload in bench.settle()] == [connector_id]


@pytest.mark.parametrize("connector_id", [0, 1, 2, 99])
def test_a_connector_that_does_not_matter_is_ignored(connector_id):
    """TRG-03"""
    bench = Bench().ready()
    assert trigger(bench, "Heartbeat", connectorId=connector_id) == "Accepted"
    assert bench.expect("Heartbeat") == {}


@pytest.mark.parametrize("message", ["MeterValues", "StatusNotification"])
@pytest.mark.parametrize("connector_id", [2, -1])
def test_an_unknown_connector_is_rejected_and_nothing_is_sent(message, connector_id):
    """TRG-04, T:TC_055"""
    bench = Bench().ready()
    assert trigger(bench, message, connectorId=connector_id) == "Rejected"
    assert bench.clauses()[-1] == "TRG-04"
    assert bench.calls == []


def test_meter_values_of_connector_0_come_from_the_main_meter_and_belong_to_no_transaction():
    """MTR-07, MTR-08, TRG-03: without a connector each one is meant, and 0 is none"""
    bench = Bench({"MeterValueSampleInterval": "0"}).ready().charge()
    bench.read(energy_wh=1234)
    assert trigger(bench, "MeterValues", connectorId=0) == "Accepted"
    ((_, payload),) = bench.settle()
    assert (payload["connectorId"], "transactionId" in payload) == (0, False)
    (sampled,) = payload["meterValue"][0]["sampledValue"]
    assert (sampled["value"], sampled["context"], sampled["location"]) == ("1234", "Trigger", "Inlet")
    trigger(bench, "MeterValues")
    assert [(payload["connectorId"], payload["transactionId"]) for _, payload in bench.settle()] == [(1, 7)]


def test_the_status_is_the_one_of_now_even_before_it_lasted():
    """TRG-05"""
    bench = Bench({"MinimumStatusDuration": "60", "ConnectionTimeOut": "999"}).ready()
    bench.read(ev_connected=True)
    assert bench.calls == []
    trigger(bench, "StatusNotification", connectorId=1)
    assert statuses(bench.settle()) == ["Preparing"]
    bench.wait(61)
    assert bench.calls == []


def test_what_is_not_implemented_says_so():
    """TRG-01"""
    bench = Bench(factory=Factory(feature_profiles=("RemoteTrigger",))).ready()
    for message in ("DiagnosticsStatusNotification", "FirmwareStatusNotification"):
        assert trigger(bench, message) == "NotImplemented"
        assert bench.clauses()[-1] == "TRG-01"
    assert trigger(bench, "Nonsense") == "PropertyConstraintViolation"


def test_without_a_reading_there_are_no_meter_values():
    """TRG-01, MTR-06"""
    bench = Bench()
    bench.boot()
    assert trigger(bench, "MeterValues") == "Rejected"
    bench = Bench({"MeterValuesSampledData": "Voltage"}).ready()
    assert trigger(bench, "MeterValues") == "Rejected"
    assert bench.calls == []


def test_a_boot_notification_is_rejected_once_accepted_until_the_line_is_new():
    """TRG-10, BOOT-15"""
    bench = Bench().ready()
    assert trigger(bench, "BootNotification") == "Rejected"
    assert bench.clauses()[-1] == "TRG-10"
    bench.disconnect()
    bench.connect()
    assert trigger(bench, "BootNotification") == "Accepted"
    bench.answer(status="Accepted", interval=120)
    assert bench.cp.config.heartbeat_interval == 120
    assert len(bench.settle()) == 2
    assert trigger(bench, "BootNotification") == "Rejected"


def test_a_backend_that_changes_its_mind_is_obeyed():
    """BOOT-08, TRG-10: asked after a reconnect, the answer is Pending now"""
    bench = Bench().ready()
    bench.disconnect()
    bench.connect()
    trigger(bench, "BootNotification")
    bench.answer(status="Pending", interval=30)
    bench.read(ev_connected=True)
    bench.wait(29)
    assert bench.calls == []
    bench.wait(1.2)
    bench.answer(status="Accepted", interval=30)
    assert "Preparing" in statuses(bench.settle())
