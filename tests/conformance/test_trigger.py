"""Remote trigger (OCTT group 22)."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig


def trigger(rig: Rig, message: str, **more: object) -> str:
    """Trigger; the answer comes before the message (asserted through their places in the story)."""
    return rig.command("TriggerMessage", requestedMessage=message, **more)


def after_the_answer(rig: Rig, message: str) -> dict:
    """The triggered message, which is the first frame after the answer."""
    triggered = rig.backend.next(message)
    asked = [e for e in rig.entries() if e.source == "backend" and e.is_call("TriggerMessage")][-1]
    [answer, first, *_] = [e for e in rig.entries() if e.source == "station" and e.at > asked.at]
    assert answer.is_answer_to(asked.id)
    assert first is triggered or first.text == triggered.text
    return triggered.payload


def test_TC_054_trigger_message_meter_values(rig: Rig):
    """TRG-01, TRG-02, TRG-05, MTR-18"""
    rig.configure(MeterValuesSampledData="Energy.Active.Import.Register,Voltage")
    session = rig.start_session()
    assert trigger(rig, "MeterValues", connectorId=1) == "Accepted"
    message = after_the_answer(rig, "MeterValues")
    assert (message["connectorId"], message["transactionId"]) == (1, session.transaction_id)
    [value] = message["meterValue"]
    assert [s["context"] for s in value["sampledValue"]] == ["Trigger", "Trigger"]
    assert [s["measurand"] for s in value["sampledValue"]] == ["Energy.Active.Import.Register", "Voltage"]


def test_TC_054_trigger_message_heartbeat(rig: Rig):
    """TRG-01, TRG-02"""
    assert trigger(rig, "Heartbeat") == "Accepted"
    assert after_the_answer(rig, "Heartbeat") == {}


def test_TC_054_trigger_message_status_notification(rig: Rig):
    """TRG-01, TRG-02, TRG-03"""
    assert trigger(rig, "StatusNotification", connectorId=1) == "Accepted"
    report = after_the_answer(rig, "StatusNotification")
    assert (report["connectorId"], report["status"], report["errorCode"]) == (1, "Available", "NoError")
    assert trigger(rig, "StatusNotification") == "Accepted"
    assert [rig.backend.next("StatusNotification").payload["connectorId"] for _ in range(2)] == [0, 1]


@pytest.mark.parametrize("message", ["DiagnosticsStatusNotification", "FirmwareStatusNotification"])
def test_TC_054_trigger_message_of_firmware_management(rig: Rig, message: str):
    """TRG-01: Idle, or NotImplemented by a station that does not claim the profile"""
    if "FirmwareManagement" not in rig.value("SupportedFeatureProfiles").split(","):
        assert trigger(rig, message) == "NotImplemented"
        rig.backend.expect_no(message, 0.2)
        return
    assert trigger(rig, message) == "Accepted"
    assert after_the_answer(rig, message) == {"status": "Idle"}


@pytest.mark.parametrize("connector_id", [2, -1])
def test_TC_055_trigger_message_rejected(rig: Rig, connector_id: int):
    """TRG-01, TRG-04"""
    assert trigger(rig, "MeterValues", connectorId=connector_id) == "Rejected"
    rig.backend.expect_no("MeterValues", 0.3)
