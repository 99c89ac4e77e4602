"""From the words of the hardware to the words of OCPP: readings and faults (hardware.md, section 9)."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.interfaces import BoxReading, FaultCode
from hardware.interfaces import Fault as BoxFault
from ocppclient.events import Fault, Meter, Reading

#: Who defined the codes CXnnn: the minimum required error codes of ChargeX (EVerest uses the same vendorId).
CHARGEX = "https://chargex.inl.gov"
#: The board tries again by itself: give it that long before the running transaction is stopped, seconds.
RETRYABLE_S = 60.0
#: StatusNotification.info (OCPP 1.6 section 6.47), characters.
INFO_LENGTH = 50


@dataclass(frozen=True)
class Words:
    """How OCPP names a fault; `stop_after_s` counts only while the fault blocks."""

    error_code: str
    vendor_error_code: str = ""
    info: str = ""
    connector_id: int = 1
    stop_after_s: float = 0.0


TABLE: dict[FaultCode, Words] = {
    FaultCode.GROUND_FAULT: Words("GroundFailure", "CX002", stop_after_s=RETRYABLE_S),
    FaultCode.NO_GROUND: Words("GroundFailure", "CX002", "no earth", stop_after_s=RETRYABLE_S),
    FaultCode.GFCI_SELFTEST: Words("GroundFailure", "CX002", "self-test"),
    FaultCode.RELAY_STUCK: Words("PowerSwitchFailure", "CX017", "contactor stuck closed"),
    FaultCode.RELAY_NO_CLOSE: Words("PowerSwitchFailure", "CX017", "contactor does not close"),
    FaultCode.OVER_TEMP: Words("HighTemperature", "CX003"),
    FaultCode.TEMP_DERATE: Words("HighTemperature", "CX003", "current reduced"),
    FaultCode.OVER_CURRENT: Words("OverCurrentFailure", "CX004"),
    FaultCode.DIODE: Words("OtherError", "CX014", "diode check"),
    FaultCode.PILOT_FAULT: Words("OtherError", "CX014", "control pilot"),
    FaultCode.VENT_REQUIRED: Words("OtherError", "VentRequired", "the EV wants ventilation"),
    FaultCode.OVER_VOLTAGE: Words("OverVoltage", "CX005"),
    FaultCode.UNDER_VOLTAGE: Words("UnderVoltage", "CX006"),
    FaultCode.BOARD_COMM: Words("InternalError", "BoardComm", "EVSE board", stop_after_s=RETRYABLE_S),
    FaultCode.METER_COMM: Words("PowerMeterFailure", connector_id=0),
    FaultCode.READER_COMM: Words("ReaderFailure", connector_id=0),
    FaultCode.RESET_FAILED: Words("ResetFailure"),
}


def to_fault(fault: BoxFault) -> Fault:
    """One fault; a blocking one stops the transaction after its time, a warning never does."""
    words = TABLE[fault.code]
    info = ": ".join(part for part in (words.info, fault.info) if part)
    return Fault(
        error_code=words.error_code,
        blocking=fault.blocking,
        connector_id=words.connector_id,
        vendor_id=CHARGEX if words.vendor_error_code.startswith("CX") else "",
        vendor_error_code=words.vendor_error_code,
        info=info[:INFO_LENGTH],
        stop_after_s=words.stop_after_s if fault.blocking else None,
    )


def to_reading(box: BoxReading, was_connected: bool) -> Reading:
    """All facts of the box as the charge point takes them.

    Args:
        was_connected: whether an EV was connected before; it counts on while the board cannot tell (no answer, fault):
            silence is not an unplug.
    """
    sample = box.meter
    return Reading(
        ready=box.ready,
        ev_connected=was_connected if box.ev_connected is None else box.ev_connected,
        ev_requests=box.ev_requests,
        contactor_closed=box.contactor_closed,
        offered_a=box.offered_a,
        limit_a=box.limit_a,
        faults=tuple(to_fault(fault) for fault in box.faults),
        meter=None
        if sample is None
        else Meter(
            at=sample.at,
            energy_wh=sample.energy_wh,
            power_w=sample.power_w,
            current_a=sample.current_a,
            voltage_v=sample.voltage_v,
            temperature_c=box.temperature_c,
        ),
    )
