"""From the words of the hardware to the words of OCPP and of people: readings and faults (hardware.md, section 9)."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.interfaces import BoxReading, FaultCode
from hardware.interfaces import Fault as BoxFault
from ocppclient.events import Fault, Meter, Reading
from ocppclient.sentence import Sentence

#: Who defined the codes CXnnn: the minimum required error codes of ChargeX (EVerest uses the same vendorId).
CHARGEX = "https://chargex.inl.gov"
#: What may be over by itself (the board tries again, the mains recover) gets that long before a running transaction is
#: stopped, seconds.
RETRYABLE_S = 60.0
#: StatusNotification.info (OCPP 1.6 section 6.47), characters.
INFO_LENGTH = 50


@dataclass(frozen=True)
class Words:
    """One row of hardware.md section 9: how OCPP and people name a fault, and what becomes of a transaction.

    Attributes:
        title: the UI's sentence. cure: what clears it, for people.
        error_code, vendor_error_code, info, connector_id: of StatusNotification; connector 0 carries what is no part
            of the connector.
        stop_after_s, stop_reason: when and why a running transaction ends; they count only while the fault blocks.
    """

    title: Sentence
    cure: Sentence
    error_code: str
    vendor_error_code: str = ""
    info: str = ""
    connector_id: int = 1
    stop_after_s: float = 0.0
    stop_reason: str = "Other"


_REPLUG = Sentence("Unplug the car, then plug it in again.")
_SERVICE = Sentence("Switch the station off and have it repaired: the contactor must not be used.")

TABLE: dict[FaultCode, Words] = {
    FaultCode.ESTOP: Words(
        Sentence("Emergency stop pressed"),
        Sentence("Release the emergency stop, then confirm on this page that the place is safe."),
        "OtherError",
        "CX008",
        "emergency stop",
        stop_reason="EmergencyStop",
    ),
    FaultCode.GROUND_FAULT: Words(
        Sentence("Leakage current (ground fault)"),
        Sentence("The board tries again after 5 minutes, six times. Unplug the car and check cable and car."),
        "GroundFailure",
        "CX002",
        stop_after_s=RETRYABLE_S,
    ),
    FaultCode.NO_GROUND: Words(
        Sentence("No protective earth"),
        Sentence("The board tries again after 5 minutes, six times. Have the earth connection of the station checked."),
        "GroundFailure",
        "CX002",
        "no earth",
        stop_after_s=RETRYABLE_S,
    ),
    FaultCode.GFCI_SELFTEST: Words(
        Sentence("Self-test of the leakage protection failed"),
        Sentence("Restart the board. When it comes back, the board has to be replaced."),
        "GroundFailure",
        "CX002",
        "self-test",
    ),
    FaultCode.RELAY_STUCK: Words(
        Sentence("Contactor stuck closed"),
        Sentence(
            "Switch the station off and have the contactor replaced: it must not be used. Then confirm on this page."
        ),
        "PowerSwitchFailure",
        "CX017",
        "contactor stuck closed",
    ),
    FaultCode.RELAY_NO_CLOSE: Words(
        Sentence("Contactor does not close"),
        _SERVICE,
        "PowerSwitchFailure",
        "CX017",
        "contactor does not close",
    ),
    FaultCode.OVER_TEMP: Words(
        Sentence("Too hot"),
        Sentence("Unplug the car and let the station cool down; check that air can pass."),
        "HighTemperature",
        "CX003",
    ),
    FaultCode.TEMP_DERATE: Words(
        Sentence("Warm: current reduced"),
        Sentence("It charges faster again when the station has cooled down."),
        "HighTemperature",
        "CX003",
        "current reduced",
    ),
    FaultCode.OVER_CURRENT: Words(Sentence("The car draws too much current"), _REPLUG, "OverCurrentFailure", "CX004"),
    FaultCode.DIODE: Words(
        Sentence("Diode check failed: not a car, or a damaged cable"),
        _REPLUG,
        "OtherError",
        "CX014",
        "diode check",
    ),
    FaultCode.PILOT_FAULT: Words(
        Sentence("Control pilot fault: check the cable"),
        Sentence("Check cable and plug. It clears when the board sees a good pilot again, or none: unplug the car."),
        "OtherError",
        "CX014",
        "control pilot",
    ),
    FaultCode.VENT_REQUIRED: Words(
        Sentence("The car asks for ventilation, which this station has not"),
        Sentence("Unplug the car: it cannot be charged here."),
        "OtherError",
        "VentRequired",
        "the EV wants ventilation",
    ),
    FaultCode.OVER_VOLTAGE: Words(
        Sentence("Mains voltage too high"),
        Sentence("It clears by itself; if it stays, have the supply checked."),
        "OverVoltage",
        "CX005",
        stop_after_s=RETRYABLE_S,
    ),
    FaultCode.UNDER_VOLTAGE: Words(
        Sentence("Mains voltage too low"),
        Sentence("It clears by itself; if it stays, have the supply checked."),
        "UnderVoltage",
        "CX006",
        stop_after_s=RETRYABLE_S,
    ),
    FaultCode.BOARD_COMM: Words(
        Sentence("No answer from the charging board"),
        Sentence("Check the board's supply and its serial cable; it is found again by itself."),
        "InternalError",
        "BoardComm",
        "EVSE board",
        stop_after_s=RETRYABLE_S,
    ),
    FaultCode.METER_COMM: Words(
        Sentence("No answer from the energy meter"),
        Sentence("Check the meter's bus cable, unit number and speed; it is found again by itself."),
        "PowerMeterFailure",
        connector_id=0,
    ),
    FaultCode.READER_COMM: Words(
        Sentence("No answer from the card reader"),
        Sentence("Check the reader's cable; it is found again by itself."),
        "ReaderFailure",
        connector_id=0,
    ),
    FaultCode.RESET_FAILED: Words(
        Sentence("The board did not restart"),
        Sentence("Switch the station off and on again."),
        "ResetFailure",
    ),
    FaultCode.EV_IGNORES_PILOT: Words(
        Sentence("The car went on charging when it was told to stop"),
        Sentence("It clears when the car is unplugged or may charge again."),
        "EVCommunicationError",
        "CX010",
        "EV ignores the pilot",
    ),
    FaultCode.TAMPER: Words(
        Sentence("The housing was opened"),
        Sentence("Close the housing, then confirm on this page that everything is in order."),
        "OtherError",
        "EnclosureOpen",
        "housing open",
        connector_id=0,
    ),
}


def to_fault(fault: BoxFault) -> Fault:
    """One fault; a blocking one stops the transaction after its time (a final one at once), a warning never does."""
    words = TABLE[fault.code]
    info = ": ".join(part for part in (words.info, fault.info) if part)
    return Fault(
        error_code=words.error_code,
        blocking=fault.blocking,
        connector_id=words.connector_id,
        vendor_id=CHARGEX if words.vendor_error_code.startswith("CX") else "",
        vendor_error_code=words.vendor_error_code,
        info=info[:INFO_LENGTH],
        stop_after_s=None if not fault.blocking else 0.0 if fault.final else words.stop_after_s,
        stop_reason=words.stop_reason,
        words=words.title,
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
            frequency_hz=sample.frequency_hz,
            segment=sample.segment,
        ),
    )
