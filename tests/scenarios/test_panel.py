"""The panel of a whole station: lamps, beeps, emergency stop, tampering, and the enable line of the contactor."""

from __future__ import annotations

from typing import Any

import pytest

from hardware.interfaces import Hold
from tests.scenarios.rig import CARD, StationRig


@pytest.fixture(params=["openevse", "evse_din"])
def rig(request: pytest.FixtureRequest) -> StationRig:
    return StationRig(config={"panel": "gpiod"}, board=request.param)


def lamps(rig: StationRig) -> dict[str, Any]:
    return rig.state["panel"]


def test_the_lamps_tell_the_state(rig: StationRig) -> None:
    rig.until(lambda: lamps(rig)["green"] and not lamps(rig)["blue"], 3)
    rig.charge()
    rig.until(lambda: lamps(rig)["blue"] and not lamps(rig)["green"], 5)


def test_a_card_is_answered_by_the_panel_within_a_second(rig: StationRig) -> None:
    rig.plug()
    rig.until(lambda: rig.status() == "Preparing")
    rig.swipe(CARD)
    assert rig.until(lambda: lamps(rig)["buzzer"], 3) < 1.0


def test_an_emergency_stop_ends_the_session_and_lasts_until_confirmed(rig: StationRig) -> None:
    rig.charge()
    rig.fault("estop")
    assert rig.until(lambda: rig.state["current_a"] == 0, 2) < 0.5
    rig.until(lambda: rig.status() == "Faulted", 5)
    rig.until(lambda: rig.stop is not None, 10)
    assert rig.stop["reason"] == "EmergencyStop"
    assert lamps(rig)["red"]
    assert lamps(rig)["buzzer"]
    assert rig.told()["vendorErrorCode"] == "CX008"
    rig.clear("estop")
    rig.run(5)
    assert rig.faults()["estop"]
    assert rig.box is not None
    assert rig.box.acknowledge()
    rig.unplug()
    rig.until(lambda: rig.status() == "Available", 30)


def test_an_opened_housing_is_told_and_charging_goes_on(rig: StationRig) -> None:
    rig.charge()
    rig.fault("tamper")
    rig.until(lambda: rig.told(0).get("vendorErrorCode") == "EnclosureOpen", 5)
    rig.run(5)
    assert rig.state["relay"]
    rig.clear("tamper")
    assert rig.box is not None
    rig.until(lambda: rig.box.acknowledge(), 3)
    rig.until(lambda: rig.told(0)["errorCode"] == "NoError", 5)


@pytest.fixture(params=["openevse", "evse_din"])
def supplied(request: pytest.FixtureRequest) -> StationRig:
    return StationRig(
        config={"panel": "gpiod", "options": {"panel_enable": "GPIO22"}}, board=request.param, enable_line=True
    )


def test_with_an_enable_line_a_session_is_as_without(supplied: StationRig) -> None:
    supplied.charge()
    supplied.run(20)
    supplied.swipe()
    supplied.until(lambda: supplied.stop is not None, 20)
    assert supplied.error_codes() == {"NoError"}
    assert supplied.stop["meterStop"] >= supplied.metrology_wh - 1


def test_the_enable_line_opens_the_contactor_when_the_host_dies(supplied: StationRig) -> None:
    supplied.charge()
    supplied.kill_host()
    assert supplied.until(lambda: supplied.state["current_a"] == 0, 10) <= 4


def test_the_enable_line_opens_the_contactor_when_the_board_is_not_heard_any_more(supplied: StationRig) -> None:
    supplied.charge()
    supplied.link("board", "mute")
    supplied.until(lambda: supplied.state["current_a"] == 0, 20)


def test_without_the_station_a_board_with_an_enable_line_gives_nothing_after_a_power_cut(
    supplied: StationRig,
) -> None:
    supplied.charge()
    supplied.kill_host()
    supplied.call("/power_cut", seconds=2)
    supplied.run(60)
    assert not supplied.state["relay"]
    assert supplied.state["current_a"] == 0


def test_a_held_button_shows_its_stages_and_asks_once_when_it_is_let_go(rig: StationRig) -> None:
    rig.fault("button")
    assert 4 < rig.until(lambda: lamps(rig)["red"] and lamps(rig)["green"] and lamps(rig)["blue"], 8) < 7
    assert 9 < rig.until(lambda: lamps(rig)["red"] and lamps(rig)["green"] and not lamps(rig)["blue"], 12) < 12
    assert rig.holds == []
    rig.clear("button")
    rig.until(lambda: lamps(rig)["green"] and not lamps(rig)["red"], 3)
    assert rig.holds == [Hold.LONG]
