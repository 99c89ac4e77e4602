"""No bytes make a driver raise, report a false card, a false reading or a false state: every driver, one bad line.

Frames are cut, damaged, doubled, replayed, held back, dropped and torn apart by noise and by foreign frames. Where the
check of a frame is a CRC-16 any damage is tried. An XOR or a sum of 8 bits sees every damaged byte but not every pair
of them: there each frame suffers one damaged byte, and docs/hardware.md says which rule covers the rest.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from hardware import em4100, pn532, rapi
from hardware import modbus_rtu as rtu
from hardware.drivers.ascii_reader import AsciiReader
from hardware.drivers.evse_din import EvseDin
from hardware.drivers.modbus_meter import ModbusMeter
from hardware.drivers.openevse import OpenEvse
from hardware.drivers.orno import OrnoRegisters
from hardware.drivers.panel import PanelDriver
from hardware.drivers.pn532 import Pn532
from hardware.drivers.rdm6300 import Rdm6300
from hardware.drivers.sdm import MODELS
from hardware.evse import Demand, Mode
from hardware.interfaces import BoardState, PanelInputs
from hardware.panel import INPUTS, encode
from hardware.serial_port import Counters
from tests.hardware.fakes import FakeBoard, FakeChip, FakeLine, FakeMeter, VirtualTime, repeatable
from tests.hardware.test_evse_din import IDLE, Registers
from tests.hardware.test_orno import Meter as OrnoMeter

UID, TAG = bytes.fromhex("04A1B2C3"), bytes.fromhex("010063E9AE")
NOISE = st.binary(max_size=40)
FOREIGN = [
    rtu.read_response(7, 3, [0xFFFF] * 10),
    rtu.read_response(1, 4, [0x4700] * 3),
    rapi.encode_response(False, "", 0x21),
    pn532.ACK,
    pn532.encode_frame(pn532.CHIP, b"\x4b\x00"),
]
DAMAGE = st.one_of(
    st.just(("ok",)),
    st.tuples(st.just("cut"), st.integers(0, 40)),
    st.tuples(st.just("flip"), st.lists(st.tuples(st.integers(0, 60), st.integers(1, 255)), min_size=1, max_size=5)),
    st.tuples(st.just("insert"), st.integers(0, 40), NOISE),
    st.tuples(st.just("foreign"), st.sampled_from(FOREIGN)),
    st.tuples(st.just("late"), st.floats(0.1, 4.0)),
    st.sampled_from([("twice",), ("replay",), ("drop",), ("torn",)]),
)
DAMAGES = st.lists(DAMAGE, min_size=1, max_size=12)


class BadLine(FakeLine):
    """Every frame of the device suffers the next damage of the list, round and round.

    `weak`: the frames' check sees one damaged byte only.
    """

    damages: list[Any]
    weak = False
    _count = 0
    _last = b""

    def deliver(self, data: bytes, after_s: float = 0.0) -> None:
        damage = self.damages[self._count % len(self.damages)]
        self._count += 1
        last, self._last = self._last, data
        match damage:
            case ("cut", at):
                data = data[: at % len(data)]
            case ("flip", flips):
                changed = bytearray(data)
                for at, change in flips[:1] if self.weak else flips:
                    changed[at % len(data)] ^= change
                data = bytes(changed)
            case ("insert", at, noise):
                at %= len(data)
                data = data[:at] + noise[: 1 if self.weak and at else None] + data[at:]
            case ("foreign", frame):
                data = frame + data
            case ("late", seconds):
                after_s += seconds
            case ("twice",):
                data += data
            case ("replay",):
                data = last
            case ("drop",):
                data = b""
            case ("torn",):
                super().deliver(data[: len(data) // 2], after_s)
                data, after_s = data[len(data) // 2 :], after_s + 0.2
        super().deliver(data, after_s)


@dataclass
class Heard:
    """Everything a driver said."""

    cards: list[str] = field(default_factory=list)
    samples: list[Any] = field(default_factory=list)
    states: list[BoardState] = field(default_factory=list)
    inputs: list[PanelInputs] = field(default_factory=list)

    def supervise(self, state: BoardState) -> Demand:
        self.states.append(state)
        return Demand(Mode.OFF, 6)


class Talker:
    """A device that sends the same frame again and again, unasked."""

    line: FakeLine

    def __init__(self, clock: VirtualTime, frame: bytes, every_s: float) -> None:
        self._clock, self._frame, self._every_s = clock, frame, every_s

    def begin(self) -> None:
        self.line.deliver(self._frame)
        self._clock.after(self._every_s, self.begin)

    def receive(self, data: bytes) -> None:
        """It hears nothing."""


def openevse(clock: VirtualTime, heard: Heard) -> tuple[Any, Any]:
    board = FakeBoard(clock)
    board.state = 0xFE  # asleep
    return board, OpenEvse(clock, Counters(), heard.supervise, lambda: None)


def evse_din(clock: VirtualTime, heard: Heard) -> tuple[Any, Any]:
    return Registers(clock, IDLE), EvseDin(clock, Counters(), heard.supervise, lambda: None)


def sdm(clock: VirtualTime, heard: Heard) -> tuple[Any, Any]:
    meter = ModbusMeter("sdm230", MODELS["sdm230"], clock, Counters(), heard.samples.append, lambda failed: None)
    return FakeMeter(clock), meter


def orno(clock: VirtualTime, heard: Heard) -> tuple[Any, Any]:
    meter = ModbusMeter("orno514", OrnoRegisters(), clock, Counters(), heard.samples.append, lambda failed: None)
    return OrnoMeter(clock), meter


def pn532_reader(clock: VirtualTime, heard: Heard) -> tuple[Any, Any]:
    chip = FakeChip(clock)
    chip.card = UID
    return chip, Pn532(clock, Counters(), heard.cards.append, lambda failed: None)


def rdm6300(clock: VirtualTime, heard: Heard) -> tuple[Any, Any]:
    reader = Rdm6300(clock, Counters(), heard.cards.append, lambda failed: None)
    return Talker(clock, em4100.encode_frame(TAG), 0.07), reader


def panel(clock: VirtualTime, heard: Heard) -> tuple[Any, Any]:
    safe = encode("in", dict.fromkeys(INPUTS, False))
    return Talker(clock, safe, 1.0), PanelDriver(clock, Counters(), heard.inputs.append)


Maker = Callable[[VirtualTime, Heard], tuple[Any, Any]]
DRIVERS: dict[str, tuple[Maker, bool]] = {
    "openevse": (openevse, True),
    "evse_din": (evse_din, False),
    "sdm": (sdm, False),
    "orno": (orno, False),
    "pn532": (pn532_reader, True),
    "rdm6300": (rdm6300, True),
    "panel": (panel, False),
}


def live(maker: Maker, damages: list[Any], noise: bytes, chunk: int, *, weak: bool, seconds: float = 10) -> Heard:
    """A driver with its device on a bad line for some seconds; then the line is good again."""
    clock, heard = VirtualTime(), Heard()
    device, driver = maker(clock, heard)
    line = BadLine(clock, device)
    line.damages, line.weak, line.chunk = damages, weak, chunk
    driver.attach(line)
    FakeLine.deliver(line, noise, 0.5)
    if isinstance(device, Talker):
        device.begin()
    for lasts_s in (seconds, 12):
        until = clock() + lasts_s
        while clock() < until:
            driver.step()
        line.damages = [("ok",)]
    return heard


@pytest.mark.parametrize("name", DRIVERS)
@settings(repeatable, max_examples=60)
@given(damages=DAMAGES, noise=NOISE, chunk=st.sampled_from([1, 3, 4096]))
def test_no_damage_of_a_line_is_a_false_card_reading_or_state(
    name: str, damages: list[Any], noise: bytes, chunk: int
) -> None:
    maker, weak = DRIVERS[name]
    heard = live(maker, damages, noise, chunk, weak=weak)
    assert set(heard.cards) <= {UID.hex().upper(), TAG.hex().upper()}
    truths = {"sdm": {(12_345, 0.0, 0.0)}, "orno": {(1_979_360, 1.473, 327.0)}}
    told = {(s.energy_wh, s.current_a, s.power_w) for s in heard.samples}
    assert told == truths.get(name, set()), "and the truth in the end"
    assert not any(inputs != PanelInputs() for inputs in heard.inputs)
    for state in heard.states:
        assert not any((state.relay_closed, state.ev_connected, state.enabled))
        assert all(fault.code == "board_comm" for fault in state.faults)
    assert not heard.states or heard.states[-1].synchronised


@repeatable
@given(st.lists(st.tuples(st.integers(0, 30), st.integers(1, 255)), min_size=2, max_size=6), st.integers(2, 7))
def test_a_card_that_passes_the_sum_by_accident_needs_a_second_look(flips: list[tuple[int, int]], every: int) -> None:
    """Two damaged bytes may balance in the sum of 8 bits; a line that does such things also shows damaged frames."""
    damages: list[Any] = [("cut", 3), *[("ok",)] * every, ("flip", flips), *[("ok",)] * 30]
    assert set(live(pn532_reader, damages, b"", 4096, weak=False, seconds=6).cards) <= {UID.hex().upper()}


@repeatable
@given(st.lists(NOISE, max_size=20), st.sampled_from([1, 3, 4096]))
def test_a_text_reader_survives_anything(pieces: list[bytes], chunk: int) -> None:
    """Its text has no check at all: what it says is a card as it stands, if it can be printed."""
    clock, heard = VirtualTime(), Heard()
    line = FakeLine(clock, Talker(clock, b"", 1.0))
    line.chunk = chunk
    driver = AsciiReader(clock, Counters(), heard.cards.append, lambda failed: None)
    driver.attach(line)
    for index, piece in enumerate(pieces):
        line.deliver(piece, index / 5)
    until = clock() + 6
    while clock() < until:
        driver.step()
    assert all(0 < len(card) <= 64 and card.isascii() and card.isprintable() for card in heard.cards)
