"""From the words of the hardware to the words of OCPP (hardware.md, section 9)."""

from __future__ import annotations

import pytest

from hardware.interfaces import BoxReading, FaultCode, MeterSample
from hardware.interfaces import Fault as BoxFault
from ocppclient.events import Fault, Meter, Reading
from station.faults import CHARGEX, TABLE, to_fault, to_reading

#: code → errorCode, vendorErrorCode, connector, seconds until a blocking fault stops the transaction
EXPECTED = {
    "ground_fault": ("GroundFailure", "CX002", 1, 60),
    "no_ground": ("GroundFailure", "CX002", 1, 60),
    "gfci_selftest": ("GroundFailure", "CX002", 1, 0),
    "relay_stuck": ("PowerSwitchFailure", "CX017", 1, 0),
    "relay_no_close": ("PowerSwitchFailure", "CX017", 1, 0),
    "over_temp": ("HighTemperature", "CX003", 1, 0),
    "temp_derate": ("HighTemperature", "CX003", 1, 0),
    "over_current": ("OverCurrentFailure", "CX004", 1, 0),
    "diode": ("OtherError", "CX014", 1, 0),
    "pilot_fault": ("OtherError", "CX014", 1, 0),
    "vent_required": ("OtherError", "VentRequired", 1, 0),
    "over_voltage": ("OverVoltage", "CX005", 1, 0),
    "under_voltage": ("UnderVoltage", "CX006", 1, 0),
    "board_comm": ("InternalError", "BoardComm", 1, 60),
    "meter_comm": ("PowerMeterFailure", "", 0, 0),
    "reader_comm": ("ReaderFailure", "", 0, 0),
    "reset_failed": ("ResetFailure", "", 1, 0),
}


@pytest.mark.parametrize("code", FaultCode)
def test_every_fault_has_its_words(code: FaultCode) -> None:
    error_code, vendor_code, connector, stop_after_s = EXPECTED[code.value]
    fault = to_fault(BoxFault(code, blocking=True))
    assert (fault.error_code, fault.vendor_error_code, fault.connector_id) == (error_code, vendor_code, connector)
    assert fault.blocking
    assert fault.stop_after_s == stop_after_s
    assert fault.vendor_id == (CHARGEX if vendor_code.startswith("CX") else "")


@pytest.mark.parametrize("code", FaultCode)
def test_a_warning_never_stops_a_transaction(code: FaultCode) -> None:
    fault = to_fault(BoxFault(code, blocking=False))
    assert not fault.blocking
    assert fault.stop_after_s is None


def test_the_table_knows_every_code_and_only_the_words_of_the_specification() -> None:
    allowed = {
        "ConnectorLockFailure", "EVCommunicationError", "GroundFailure", "HighTemperature", "InternalError",
        "LocalListConflict", "NoError", "OtherError", "OverCurrentFailure", "OverVoltage", "PowerMeterFailure",
        "PowerSwitchFailure", "ReaderFailure", "ResetFailure", "UnderVoltage", "WeakSignal",
    }  # fmt: skip
    assert set(TABLE) == set(FaultCode)
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
        faults=(Fault("ReaderFailure", blocking=False, connector_id=0),),
        meter=Meter(at=0.9, energy_wh=1234, power_w=3680.0, current_a=16.0, voltage_v=230.0, temperature_c=31.5),
    )  # fmt: skip


@pytest.mark.parametrize("was_connected", [True, False])
def test_a_board_that_cannot_tell_does_not_unplug_the_car(was_connected: bool) -> None:
    box = BoxReading(at=1.0, ready=True, ev_connected=None)
    assert to_reading(box, was_connected).ev_connected is was_connected
