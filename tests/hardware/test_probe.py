"""Trying a device before it is chosen: what answers, what does not, and never any energy."""

from __future__ import annotations

from pathlib import Path

import pytest
import serial.tools.list_ports

from hardware.interfaces import HardwareConfig
from hardware.probe import Probed, probe
from hardware.serial_port import FoundPort, Line, LineLost, found_ports
from tests.hardware.fakes import FakeBoard, FakeChip, FakeLine, FakeMeter, VirtualTime


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualTime()
        self.devices = {"b": FakeBoard(self.clock), "m": FakeMeter(self.clock), "r": FakeChip(self.clock)}
        self.opened: list[tuple[str, int, str]] = []

    def open_line(self, path: str, baud: int, parity: str) -> Line:
        self.opened.append((path, baud, parity))
        if path not in self.devices:
            raise LineLost("No such file or directory")
        return FakeLine(self.clock, self.devices[path])  # type: ignore[arg-type]

    def probe(self, what: str, **config: object) -> Probed:
        ports = {"board_port": "b", "meter_port": "m", "reader_port": "r", **config}
        return probe(what, HardwareConfig(**ports), clock=self.clock, open_line=self.open_line)  # type: ignore[arg-type]


@pytest.mark.parametrize(("what", "path"), [("board", "b"), ("meter", "m"), ("reader", "r")])
def test_a_device_that_answers_is_named_and_its_frames_counted(what: str, path: str) -> None:
    bench = Bench()
    found = bench.probe(what)
    assert found.heard
    assert found.health.frames >= 2
    assert "answers" in found.sentence
    assert [opened[0] for opened in bench.opened] == [path]  # nobody else's port is touched


def test_a_device_that_says_nothing_is_not_heard() -> None:
    bench = Bench()
    bench.devices["m"].mute = True  # type: ignore[union-attr]
    found = bench.probe("meter")
    assert not found.heard
    assert "no answer from the meter" in found.sentence


def test_a_port_that_is_not_there_is_told() -> None:
    found = Bench().probe("board", board_port="nowhere")
    assert not found.heard
    assert "cannot be opened: No such file" in found.sentence


def test_a_reader_that_only_talks_is_fine_when_its_port_opens() -> None:
    found = Bench().probe("reader", reader="rdm6300")
    assert found.heard
    assert "hold a card to it" in found.sentence


def test_a_board_is_tried_without_permitting_energy() -> None:
    bench = Bench()
    board = bench.devices["b"]
    assert isinstance(board, FakeBoard)
    board.plugged = board.ready = True
    bench.probe("board")
    assert "FE" not in board.commands
    assert not board.relay


def test_what_is_not_chosen_cannot_be_tried() -> None:
    with pytest.raises(ValueError, match="no panel is chosen"):
        Bench().probe("panel")


def test_ports_are_listed_by_their_most_lasting_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    devices = [tmp_path / name for name in ("ttyUSB0", "ttyUSB1", "ttyS0")]
    for device in devices:
        device.touch()
    by_id, by_path = tmp_path / "by-id", tmp_path / "by-path"
    by_id.mkdir()
    by_path.mkdir()
    (by_id / "usb-FTDI_A50285BI").symlink_to(devices[0])
    for number in (0, 1):
        (by_path / f"pci-usb-{number}").symlink_to(devices[number])

    class Port:
        def __init__(self, device: Path) -> None:
            self.device, self.description = str(device), "adapter"

        def __lt__(self, other: Port) -> bool:
            return self.device < other.device

    monkeypatch.setattr(serial.tools.list_ports, "comports", lambda: [Port(device) for device in devices])
    assert found_ports((by_id, by_path)) == [
        FoundPort(str(devices[2]), str(devices[2]), "adapter"),
        FoundPort(str(by_id / "usb-FTDI_A50285BI"), str(devices[0]), "adapter"),
        FoundPort(str(by_path / "pci-usb-1"), str(devices[1]), "adapter"),
    ]


@pytest.mark.parametrize("what", ["board", "meter", "reader"])
def test_a_trial_of_a_silent_device_takes_two_and_a_half_seconds_at_most(what: str) -> None:
    bench = Bench()
    bench.devices = {path: Mute() for path in "bmr"}  # type: ignore[assignment]
    began = bench.clock()
    assert not bench.probe(what).heard
    assert bench.clock() - began <= 2.51


def test_a_meter_beside_a_board_on_one_line_is_tried_alone() -> None:
    bench = Bench()
    found = bench.probe("meter", board="evse_din", board_port="m", board_unit=2)
    assert found.heard


class Mute:
    """Hears everything and says nothing."""

    def receive(self, data: bytes) -> None:
        """Nothing comes back."""
