"""From the words of the hardware to the words of OCPP (hardware.md, section 9)."""

from __future__ import annotations

import pytest

from hardware.interfaces import BoxReading, FaultCode, MeterSample
from hardware.interfaces import Fault as BoxFault
from ocppclient.events import Fault, Meter, Reading
from ocppclient.transactions import REASONS
from station.faults import CHARGEX, TABLE, to_fault, to_reading

#: hardware.md section 9, row by row: code → errorCode, vendorErrorCode, connector, seconds until a blocking fault stops
#: the transaction, its Reason
SECTION_9 = {
    "ground_fault": ("GroundFailure", "CX002", 1, 60, "Other"),
    "no_ground": ("GroundFailure", "CX002", 1, 60, "Other"),
    "gfci_selftest": ("GroundFailure", "CX002", 1, 0, "Other"),
    "relay_stuck": ("PowerSwitchFailure", "CX017", 1, 0, "Other"),
    "relay_no_close": ("PowerSwitchFailure", "CX017", 1, 0, "Other"),
    "over_temp": ("HighTemperature", "CX003", 1, 0, "Other"),
    "temp_derate": ("HighTemperature", "CX003", 1, 0, "Other"),
    "over_current": ("OverCurrentFailure", "CX004", 1, 0, "Other"),
    "diode": ("OtherError", "CX014", 1, 0, "Other"),
    "pilot_fault": ("OtherError", "CX014", 1, 0, "Other"),
    "vent_required": ("OtherError", "VentRequired", 1, 0, "Other"),
    "over_voltage": ("OverVoltage", "CX005", 1, 60, "Other"),
    "under_voltage": ("UnderVoltage", "CX006", 1, 60, "Other"),
    "board_comm": ("InternalError", "BoardComm", 1, 60, "Other"),
    "meter_comm": ("PowerMeterFailure", "", 0, 0, "Other"),
    "reader_comm": ("ReaderFailure", "", 0, 0, "Other"),
    "estop": ("OtherError", "CX008", 1, 0, "EmergencyStop"),
    "tamper": ("OtherError", "EnclosureOpen", 0, 0, "Other"),
    "reset_failed": ("ResetFailure", "", 1, 0, "Other"),
    "ev_ignores_pilot": ("EVCommunicationError", "CX010", 1, 0, "Other"),
}


@pytest.mark.parametrize("code", FaultCode)
def test_every_fault_has_its_words(code: FaultCode) -> None:
    error_code, vendor_code, connector, stop_after_s, reason = SECTION_9[code.value]
    fault = to_fault(BoxFault(code, blocking=True))
    assert (fault.error_code, fault.vendor_error_code, fault.connector_id) == (error_code, vendor_code, connector)
    assert fault.blocking
    assert (fault.stop_after_s, fault.stop_reason) == (stop_after_s, reason)
    assert fault.vendor_id == (CHARGEX if vendor_code.startswith("CX") else "")


def test_the_table_has_exactly_the_rows_of_section_9() -> None:
    assert {str(code) for code in TABLE} == set(SECTION_9) == {str(code) for code in FaultCode}


@pytest.mark.parametrize("code", FaultCode)
def test_every_fault_has_a_sentence_and_a_cure_for_people(code: FaultCode) -> None:
    words = TABLE[code]
    assert words.title[0].isupper()
    assert not words.title.endswith(".")
    assert words.cure.endswith(".")
    assert words.stop_reason in REASONS


def test_what_the_board_retries_may_last_a_minute_and_what_it_has_given_up_stops_at_once() -> None:
    assert to_fault(BoxFault(FaultCode.GROUND_FAULT, blocking=True)).stop_after_s == 60
    assert to_fault(BoxFault(FaultCode.GROUND_FAULT, blocking=True, final=True)).stop_after_s == 0


@pytest.mark.parametrize("code", FaultCode)
def test_a_warning_never_stops_a_transaction(code: FaultCode) -> None:
    fault = to_fault(BoxFault(code, blocking=False))
    assert not fault.blocking
    assert fault.stop_after_s is None


def test_the_table_uses_only_the_words_of_the_specification() -> None:
    allowed = {
        "ConnectorLockFailure", "EVCommunicationError", "GroundFailure", "HighTemperature", "InternalError",
        "LocalListConflict", "NoError", "OtherError", "OverCurrentFailure", "OverVoltage", "PowerMeterFailure",
        "PowerSwitchFailure", "ReaderFailure", "ResetFailure", "UnderVoltage", "WeakSignal",
    }  # fmt: skip
    assert {words.error_code for words in TABLE.values()} <= allowed


def test_the_info_of_the_hardware_follows_ours_and_is_cut_to_what_a_status_may_carry() -> None:
    assert to_fault(BoxFault(FaultCode.NO_GROUND, True, "trip 3")).info == "no earth: trip 3"
    assert len(to_fault(BoxFault(FaultCode.NO_GROUND, True, "x" * 80)).info) == 50


def test_a_reading_is_translated_with_its_meter_and_temperature() -> None:
    box = BoxReading(
        at=1.0, ready=True, ev_connected=True, ev_requests=True, contactor_closed=True, offered_a=16.0, limit_a=32.0,
        faults=(BoxFault(FaultCode.READER_COMM, False),),
        meter=MeterSample(at=0.9, energy_wh=1234, power_w=3680.0, current_a=16.0, voltage_v=230.0),
        temperature_c=31.5,
    )  # fmt: skip
    assert to_reading(box, was_connected=False) == Reading(
        ready=True, ev_connected=True, ev_requests=True, contactor_closed=True, offered_a=16.0, limit_a=32.0,
        faults=(Fault("ReaderFailure", blocking=False, connector_id=0, words="No answer from the card reader"),),
        meter=Meter(at=0.9, energy_wh=1234, power_w=3680.0, current_a=16.0, voltage_v=230.0, temperature_c=31.5),
    )  # fmt: skip


@pytest.mark.parametrize("was_connected", [True, False])
def test_a_board_that_cannot_tell_does_not_unplug_the_car(was_connected: bool) -> None:
    box = BoxReading(at=1.0, ready=True, ev_connected=None)
    assert to_reading(box, was_connected).ev_connected is was_connected
