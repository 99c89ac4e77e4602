"""Every fault of hardware.md section 9: from the byte to StatusNotification, the fate of the session, the clearing.

Where the board takes minutes, the world runs faster than the lines.
"""

from __future__ import annotations

import pytest

from station.faults import CHARGEX
from tests.scenarios.rig import StationRig


def charging(**options) -> StationRig:
    rig = StationRig(**options)
    rig.charge()
    rig.run(3)  # a fault within 2 s of the closing of the contactor is final at once
    return rig


def faulted(
    rig: StationRig, error_code: str, vendor_error_code: str = "", info: str = "", within_s: float = 20
) -> None:
    """The connector is told faulted with exactly these words, and no energy flows."""
    rig.until(lambda: rig.status() == "Faulted", within_s)
    told = rig.told()
    assert told["errorCode"] == error_code
    assert told.get("vendorErrorCode", "") == vendor_error_code
    assert told.get("vendorId", "") == (CHARGEX if vendor_error_code.startswith("CX") else "")
    assert info in told.get("info", "")
    rig.until(lambda: not rig.state["relay"] or "weld" in rig.state["faults"], 10)


def stopped(rig: StationRig, reason: str = "Other", within_s: float = 10) -> None:
    rig.until(lambda: rig.stop is not None, within_s)
    assert rig.stop["reason"] == reason


def well(rig: StationRig, status: str, within_s: float = 20) -> None:
    """The fault has cleared: NoError with this status."""
    rig.until(lambda: rig.status() == status and rig.told()["errorCode"] == "NoError", within_s)
    assert rig.faults() == {}


def replug(rig: StationRig) -> None:
    rig.unplug()
    well(rig, "Available")


# --- the board's own checks ------------------------------------------------------------------------------------------


def test_a_ground_fault_suspends_and_the_session_goes_on_when_the_board_tries_again():
    rig = charging(speed=60)
    rig.fault("ground_fault", 30)
    faulted(rig, "GroundFailure", "CX002", "leakage current")
    rig.clear("ground_fault")
    well(rig, "Charging")
    assert rig.stop is None
    assert rig.state["relay"]


def test_a_ground_fault_that_lasts_a_minute_ends_the_session():
    rig = charging()
    rig.fault("ground_fault", 30)
    faulted(rig, "GroundFailure", "CX002")
    rig.run(55)
    assert rig.stop is None
    stopped(rig)
    assert rig.status() == "Faulted"
    rig.clear("ground_fault")
    replug(rig)


def test_the_seventh_ground_fault_is_final_and_ends_the_session_at_once():
    rig = charging(speed=60)
    for trip in range(1, 8):
        rig.run(1)
        rig.fault("ground_fault", 30)
        faulted(rig, "GroundFailure", "CX002")
        rig.clear("ground_fault")
        if trip < 7:
            well(rig, "Charging")
            assert rig.stop is None
    stopped(rig, within_s=2)
    assert "latched" in rig.told()["info"]
    replug(rig)


def test_no_earth_suspends_and_is_retried():
    rig = charging(speed=60)
    rig.fault("no_ground")
    faulted(rig, "GroundFailure", "CX002", "no earth")
    rig.clear("no_ground")
    well(rig, "Charging")
    assert rig.stop is None


def test_a_failed_self_test_of_the_leakage_detector_ends_the_session_until_the_board_is_reset():
    rig = StationRig()
    rig.fault("gfci_test_fail")
    rig.plug()
    rig.swipe()
    faulted(rig, "GroundFailure", "CX002", "self-test")
    stopped(rig)
    assert rig.state["energy_wh"] == 0
    rig.unplug()
    rig.run(5)
    assert rig.status() == "Faulted"
    rig.clear("gfci_test_fail")
    rig.box.reset_board()
    well(rig, "Available")


def test_a_contactor_that_never_closes_ends_the_session_until_the_power_was_off():
    rig = StationRig()
    rig.fault("relay_open")
    rig.plug()
    rig.swipe()
    faulted(rig, "PowerSwitchFailure", "CX017", "does not close")
    stopped(rig)
    rig.clear("relay_open")
    rig.unplug()
    rig.call("/power_cut", seconds=2)
    well(rig, "Available")


def test_a_contactor_welded_at_the_stop_is_seen_by_the_meter():
    """The sleeping board does not look; a car that goes on drawing is what the meter sees."""
    rig = charging()
    rig.plug(ignore_pwm_off=True)
    rig.fault("weld")
    rig.swipe()
    faulted(rig, "PowerSwitchFailure", "CX017", "stuck")
    stopped(rig, "Local")
    assert not rig.box.acknowledge(), "current still flows"
    rig.kill_host()
    rig.run(2)
    rig.start_host()
    faulted(rig, "PowerSwitchFailure", "CX017", "stuck")
    rig.clear("weld")
    rig.unplug()
    rig.call("/power_cut", seconds=2)
    rig.run(30)
    rig.swipe()
    rig.run(3)
    assert rig.status() == "Faulted", "neither a restart nor a power cut repairs it"
    assert rig.box.acknowledge()
    well(rig, "Available")


def test_a_welded_contactor_is_found_by_the_board_before_the_next_session():
    rig = charging()
    rig.fault("weld")
    rig.swipe()
    rig.until(lambda: rig.status() == "Finishing")
    rig.unplug()
    rig.until(lambda: rig.status() == "Available")
    rig.plug(paused=True)
    rig.swipe()
    faulted(rig, "PowerSwitchFailure", "CX017", "stuck")
    rig.until(lambda: len(rig.of("StopTransaction")) == 2)
    assert rig.state["board"]["trips"]["stuck"] == 1


def test_over_temperature_cuts_off_until_the_car_is_unplugged():
    rig = charging()
    rig.fault("overtemp", 75)
    faulted(rig, "HighTemperature", "CX003", "too hot")
    stopped(rig)
    rig.clear("overtemp")
    rig.run(10)
    assert rig.status() == "Faulted"
    replug(rig)


def test_heat_reduces_the_current_with_a_warning_and_the_limit_of_the_station_comes_back_when_it_is_cool():
    """Cooled down, the board offers the maximum of its EEPROM: the station's own limit is told again."""
    rig = charging()
    rig.limit(24)
    rig.until(lambda: rig.state["offered_a"] == 24, 10)
    rig.fault("overtemp", 66)
    rig.until(lambda: rig.told()["errorCode"] == "HighTemperature", 20)
    assert rig.status() == "Charging"
    assert rig.told()["vendorErrorCode"] == "CX003"
    assert rig.state["offered_a"] == 16
    rig.fault("overtemp", 69)
    rig.until(lambda: rig.state["offered_a"] == 8, 20)
    rig.fault("overtemp", 40)
    well(rig, "Charging", 30)
    rig.until(lambda: rig.state["offered_a"] == 24, 10)
    assert rig.stop is None
    rig.run(10)
    assert rig.state["offered_a"] == 24
    assert rig.state["board"]["eeprom_max_a"] == 32


def test_too_much_current_is_seen_by_the_host_with_a_board_that_does_not():
    rig = charging()
    rig.fault("overdraw", 8)
    faulted(rig, "OverCurrentFailure", "CX004", "A drawn", 30)
    stopped(rig)
    rig.clear("overdraw")
    rig.run(5)
    assert rig.status() == "Faulted"
    replug(rig)


def test_a_board_of_the_european_build_trips_on_over_current_itself():
    from hardware.simulator.openevse_build import BoardBuild

    rig = charging(build=BoardBuild("8.2.3.EU"))
    rig.fault("overdraw", 20)
    faulted(rig, "OverCurrentFailure", "CX004", within_s=30)
    stopped(rig)
    rig.clear("overdraw")
    replug(rig)


@pytest.mark.parametrize(
    ("name", "vendor_error_code", "info"),
    [("diode_short", "CX014", "diode"), ("vent", "VentRequired", "ventilation")],
)
def test_what_the_board_refuses_ends_the_session_until_the_car_is_unplugged(name, vendor_error_code, info):
    rig = charging()
    rig.fault(name)
    faulted(rig, "OtherError", vendor_error_code, info)
    stopped(rig)
    rig.clear(name)
    rig.run(5)
    assert rig.status() == "Faulted"
    replug(rig)


def test_a_shorted_pilot_is_told_after_ten_seconds_until_a_good_one_is_seen():
    rig = charging()
    rig.fault("pilot_short")
    rig.until(lambda: not rig.state["relay"], 1)
    faulted(rig, "OtherError", "CX014", "control pilot")
    stopped(rig)
    rig.run(30)
    assert rig.status() == "Faulted", "the sleeping board does not see it, which proves nothing"
    rig.clear("pilot_short")
    replug(rig)


# --- mains, meter, reader, lines -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "error_code", "vendor_error_code"),
    [("overvoltage", "OverVoltage", "CX005"), ("brownout", "UnderVoltage", "CX006")],
)
def test_a_wrong_mains_voltage_is_a_warning_and_clears_by_itself(name, error_code, vendor_error_code):
    rig = charging()
    rig.fault(name)
    rig.until(lambda: rig.told()["errorCode"] == error_code, 20)
    assert rig.status() == "Charging"
    assert rig.told()["vendorErrorCode"] == vendor_error_code
    assert rig.told()["info"].endswith("V")
    rig.clear(name)
    well(rig, "Charging")
    assert rig.stop is None


def test_a_wrong_mains_voltage_suspends_when_the_installer_wants_it_and_ends_the_session_after_a_minute():
    rig = charging(config={"options": {"on_wrong_voltage": "stop"}})
    rig.fault("brownout")
    faulted(rig, "UnderVoltage", "CX006")
    rig.clear("brownout")
    well(rig, "Charging", 30)
    rig.fault("overvoltage")
    faulted(rig, "OverVoltage", "CX005")
    rig.run(50)
    assert rig.stop is None
    stopped(rig, within_s=15)


def test_a_lost_meter_ends_the_session_when_the_installer_wants_it():
    rig = charging(config={"options": {"on_meter_lost": "stop"}})
    rig.link("meter", "unplugged")
    faulted(rig, "PowerMeterFailure", within_s=10)
    assert rig.status(0) == "Faulted"
    stopped(rig)
    rig.link("meter", "ok")
    well(rig, "Finishing", 30)


@pytest.mark.parametrize("mode", ["unplugged", "mute"])
def test_a_board_that_is_lost_for_eight_seconds_faults_and_after_a_minute_the_session_ends(mode):
    rig = charging()
    rig.link("board", mode)
    rig.run(7)
    assert rig.status() == "Charging"
    rig.until(lambda: rig.status() == "Faulted", 3)
    assert (rig.told()["errorCode"], rig.told()["vendorErrorCode"]) == ("InternalError", "BoardComm")
    assert rig.stop is None
    rig.run(55)
    assert rig.stop is None
    rig.until(lambda: rig.stop is not None, 20)
    assert rig.stop["reason"] == "Other"
    rig.link("board", "ok")
    rig.until(lambda: not rig.state["relay"], 10)
    well(rig, "Finishing")


def test_a_board_that_comes_back_within_a_minute_goes_on_charging():
    rig = charging()
    rig.link("board", "unplugged")
    rig.until(lambda: rig.status() == "Faulted", 12)
    rig.run(20)
    rig.link("board", "ok")
    well(rig, "Charging")
    assert rig.stop is None
    rig.until(lambda: rig.state["offered_a"] == 32, 10)


def test_a_lost_meter_is_a_warning_of_the_station():
    rig = charging()
    rig.link("meter", "mute")
    rig.until(lambda: rig.told(0)["errorCode"] == "PowerMeterFailure", 20)
    assert (rig.status(0), rig.status()) == ("Available", "Charging")
    rig.link("meter", "ok")
    rig.until(lambda: rig.told(0)["errorCode"] == "NoError", 20)
    assert rig.stop is None


@pytest.mark.parametrize("reader", ["pn532", "ascii"])
def test_a_lost_reader_is_a_warning_of_the_station(reader):
    rig = StationRig(reader=reader)
    rig.link("reader", "unplugged")
    rig.until(lambda: rig.told(0)["errorCode"] == "ReaderFailure", 20)
    assert (rig.status(0), rig.status()) == ("Available", "Available")
    rig.link("reader", "ok")
    rig.until(lambda: rig.told(0)["errorCode"] == "NoError", 20)
    rig.plug()
    rig.swipe()
    rig.until(lambda: bool(rig.of("StartTransaction")))


# --- commands and cars that do not obey ------------------------------------------------------------------------------


def test_a_board_that_does_not_restart_is_a_warning_until_it_did():
    rig = StationRig()
    rig.fault("reset_fails")
    rig.box.reset_board()
    rig.until(lambda: rig.told()["errorCode"] == "ResetFailure", 25)
    assert rig.status() == "Available"
    rig.clear("reset_fails")
    rig.box.reset_board()
    well(rig, "Available", 30)


def test_a_car_that_goes_on_drawing_when_told_to_stop_is_a_warning_while_it_is_suspended():
    rig = charging()
    rig.fault("ignore_pwm_off")
    rig.limit(0)
    rig.until(lambda: rig.told()["errorCode"] == "EVCommunicationError", 20)
    assert rig.status() == "SuspendedEVSE"
    assert rig.told()["vendorErrorCode"] == "CX010"
    rig.until(lambda: not rig.state["relay"], 1)
    rig.run(20)
    assert rig.told()["errorCode"] == "EVCommunicationError"
    rig.limit(16)
    well(rig, "Charging", 30)
    assert rig.stop is None
