"""One table of devices: what it promises, and that the simulator plays every one of them."""

from __future__ import annotations

import pytest

from hardware import registry
from hardware.box import Box
from hardware.interfaces import HardwareConfig
from hardware.serial_port import Line, LineLost
from hardware.simulator import devices


def test_the_simulator_plays_every_device_of_the_registry() -> None:
    assert set(devices.BOARDS) == set(registry.BOARDS)
    assert set(devices.METERS) == set(registry.METERS)
    assert set(devices.READERS) == set(registry.READERS)


@pytest.mark.parametrize("name", registry.BOARDS)
def test_every_board_says_what_happens_when_the_station_dies(name: str) -> None:
    assert registry.BOARDS[name].capabilities.host_death


def opened_with(**config: str) -> dict[str, tuple[int, str]]:
    """Speed and parity with which the ports would be opened."""
    found: dict[str, tuple[int, str]] = {}

    def open_line(path: str, baud: int, parity: str) -> Line:
        found[path] = (baud, parity)
        raise LineLost("only looking")

    settings = {"board_port": "board", "meter_port": "meter", "reader_port": "reader", **config}
    box = Box(
        HardwareConfig(**settings),  # type: ignore[arg-type]
        on_reading=lambda reading: None,
        on_card=lambda card: None,
        open_line=open_line,
        start_port=lambda port: port.run(lambda seconds: True),
    )
    box.start()
    return found


def test_ports_are_opened_as_the_devices_are_delivered() -> None:
    found = opened_with(board="evse_din", meter="orno514", reader="rdm6300")
    assert found == {"board": (9600, "N"), "meter": (9600, "E"), "reader": (9600, "N")}
    assert opened_with() == {"board": (115200, "N"), "meter": (9600, "N"), "reader": (115200, "N")}


def test_settings_say_otherwise() -> None:
    found = opened_with(meter="sdm120", meter_baud=2400, meter_parity="O", reader_baud=57600)  # type: ignore[arg-type]
    assert (found["meter"], found["reader"]) == ((2400, "O"), (57600, "N"))


@pytest.mark.parametrize("what", ["board", "meter", "reader"])
def test_an_unknown_name_is_refused_with_the_known_ones(what: str) -> None:
    with pytest.raises(ValueError, match=f"unknown {what} 'abc'; known: "):
        opened_with(**{what: "abc"})


RS485 = {"board": "evse_din", "board_port": "a", "meter": "sdm120", "meter_port": "a", "meter_unit": 2}


@pytest.mark.parametrize(
    ("change", "what", "said"),
    [
        ({"meter_unit": 1}, "meter", "the same Modbus address 1"),
        ({"meter_baud": 2400}, "meter", "set the meter to 9600 baud 8N1"),
        ({"meter": "orno514"}, "meter", "not 9600 baud 8E1"),
        ({"board": "openevse"}, "meter", "Only devices on Modbus RTU"),
        ({"reader_port": "a"}, "reader", "give the reader an own adapter"),
        ({"panel": "serial", "panel_port": "a"}, "panel", "give the panel an own adapter"),
    ],
)
def test_what_cannot_share_a_port_is_refused_with_the_cure(change: dict[str, object], what: str, said: str) -> None:
    config = HardwareConfig(**{**RS485, **change})  # type: ignore[arg-type]
    problem = registry.port_problem(config)
    assert problem is not None
    assert problem[0] == what
    assert said in problem[1]
    with pytest.raises(ValueError, match=r"share this port|on this port"):
        Box(config, on_reading=lambda reading: None, on_card=lambda card: None)


@pytest.mark.parametrize(
    "change", [{}, {"meter_port": "b", "meter_unit": 1}, {"meter": "orno514", "meter_parity": "N"}]
)
def test_board_and_meter_on_modbus_may_share_a_port(change: dict[str, object]) -> None:
    assert registry.port_problem(HardwareConfig(**{**RS485, **change})) is None  # type: ignore[arg-type]
