"""Bad serial lines under a running session (hardware.md sections 7 and 10.4): no false fault, card or reading."""

from __future__ import annotations

import pytest

from tests.scenarios.rig import CARD, StationRig

LINES = ("board", "meter", "reader")


def register_is_true(rig: StationRig) -> None:
    """No reading of the box was ever ahead of the meter, nor behind by more than what its interval explains."""
    readings = [reading.meter.energy_wh for reading in rig.readings if reading.meter]
    assert readings == sorted(readings)
    assert readings[-1] <= rig.state["energy_wh"]


@pytest.mark.parametrize("port", LINES)
@pytest.mark.parametrize("mode", ["split", "duplicate", "echo", "garbage", "boot_text", "late", "drop", "corrupt"])
def test_a_bad_line_disturbs_no_session(port, mode):
    rig = StationRig()
    rig.charge()
    if mode == "late":
        rig.link(port, mode, delay_s=0.05)  # within every patience; longer is silence
    elif mode == "garbage":
        rig.link(port, mode, inside=False)
    else:
        rig.link(port, mode)
    rig.run(60)
    assert rig.error_codes() == {"NoError"}
    assert rig.status() == "Charging"
    assert [payload["idTag"] for payload in rig.of("StartTransaction")] == [CARD]
    assert not rig.of("Authorize")[1:], "no card that nobody showed"
    rig.link(port, "ok")
    rig.swipe()
    rig.until(lambda: rig.stop is not None)
    assert rig.stop["meterStop"] == rig.state["energy_wh"]
    register_is_true(rig)


def test_an_hour_with_one_percent_of_wrong_bytes_has_no_false_fault_and_no_wrong_reading():
    rig = StationRig(speed=20)
    rig.charge(capacity_kwh=1000)
    for port in LINES:
        rig.link(port, "corrupt", rate=0.01)
    rig.run(3600 / 20)
    assert rig.error_codes() == {"NoError"}
    assert rig.status() == "Charging"
    for port in LINES:
        rig.link(port, "ok")
    rig.swipe()
    rig.until(lambda: rig.stop is not None)
    assert rig.stop["meterStop"] == rig.state["energy_wh"] > 6000
    register_is_true(rig)
    assert {port for port in LINES if rig.health(port).checksum_errors} >= {"board", "meter"}


@pytest.mark.parametrize("port", LINES)
def test_an_adapter_pulled_for_three_seconds_is_no_fault(port):
    rig = StationRig()
    rig.charge()
    rig.link(port, "unplugged", seconds=3)
    rig.run(20)
    assert rig.error_codes() == {"NoError"}
    assert rig.status() == "Charging"
    assert rig.health(port).reconnects == 1
    assert rig.state["offered_a"] == 32


@pytest.mark.parametrize(
    ("port", "connector_id", "error_code"),
    [("board", 1, "InternalError"), ("meter", 0, "PowerMeterFailure"), ("reader", 0, "ReaderFailure")],
)
def test_an_adapter_pulled_for_a_minute_is_told_and_the_session_goes_on(port, connector_id, error_code):
    rig = StationRig()
    rig.charge()
    rig.link(port, "unplugged", seconds=60)
    rig.until(lambda: rig.told(connector_id)["errorCode"] == error_code, 15)
    rig.until(lambda: rig.told(connector_id)["errorCode"] == "NoError", 70)
    rig.until(lambda: rig.status() == "Charging", 20)
    assert rig.stop is None
    rig.swipe()
    rig.until(lambda: rig.stop is not None)
    assert rig.stop["meterStop"] == rig.state["energy_wh"]
    register_is_true(rig)


def test_a_reply_of_the_meter_that_comes_after_the_timeout_is_never_taken_for_another_value():
    rig = StationRig()
    rig.charge()
    rig.run(20)
    before = len(rig.readings)
    rig.link("meter", "late", delay_s=0.45)
    rig.run(5)
    rig.link("meter", "ok")
    rig.run(10)
    watts = [reading.meter.power_w for reading in rig.readings[before:] if reading.meter]
    assert all(6800 < power_w < 7000 for power_w in watts)
    assert rig.health("meter").timeouts > 3
    register_is_true(rig)


def test_a_reader_that_lost_its_supply_is_set_up_again_and_reads():
    rig = StationRig()
    rig.link("reader", "unplugged", seconds=4)
    rig.simulation.reader.power_off()
    rig.run(4)
    rig.simulation.reader.power_on()
    rig.run(10)
    rig.plug()
    rig.swipe()
    rig.until(lambda: bool(rig.of("StartTransaction")))
    assert rig.error_codes() == {"NoError"}


@pytest.mark.parametrize("fault", ["meter_nan", "meter_exception", "meter_wrong_unit", "meter_freeze", "meter_jump"])
def test_what_a_broken_meter_says_is_never_billed(fault):
    rig = StationRig()
    rig.charge()
    rig.run(30)
    before = rig.state["energy_wh"]
    rig.fault(fault)
    rig.run(15)
    rig.swipe()
    rig.until(lambda: rig.stop is not None)
    assert before - 3 <= rig.stop["meterStop"] <= before + 40


def test_a_meter_that_starts_anew_goes_on_counting_the_session():
    rig = StationRig(speed=10)
    rig.charge(capacity_kwh=1000)
    rig.run(60)
    first_wh = rig.state["energy_wh"]
    rig.fault("meter_reset")
    rig.run(120)
    rig.swipe()
    rig.until(lambda: rig.stop is not None)
    assert rig.stop["meterStop"] == pytest.approx(first_wh + rig.state["energy_wh"], abs=75)
    assert rig.stop["meterStop"] > first_wh
