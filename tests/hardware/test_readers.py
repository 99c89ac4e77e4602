"""The card readers: PN532 and plain text, one event a presentation, and readers that fall silent."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import pn532
from hardware.drivers.ascii_reader import AsciiDecoder, AsciiReader
from hardware.drivers.pn532 import Pn532
from hardware.drivers.presentation import Presentation
from hardware.serial_port import Counters, LineLost
from tests.hardware.fakes import FakeChip, FakeLine, VirtualTime, repeatable

CARD, OTHER = bytes.fromhex("DEADBEEF"), bytes.fromhex("04A2245A1C2880")


class Bench:
    def __init__(self, *, reversed_uid: bool = False) -> None:
        self.clock = VirtualTime()
        self.chip = FakeChip(self.clock)
        self.line = FakeLine(self.clock, self.chip)
        self.counters = Counters()
        self.cards: list[str] = []
        self.failures: list[bool] = []
        self.driver = Pn532(
            self.clock, self.counters, self.cards.append, self.failures.append, reversed_uid=reversed_uid
        )
        self.driver.attach(self.line)

    def run(self, seconds: float) -> None:
        until = self.clock() + seconds
        while self.clock() < until:
            self.driver.step()

    def until(self, condition: Callable[[], bool], within_s: float) -> float:
        started = self.clock()
        while not condition():
            assert self.clock() - started <= within_s, "it did not happen in time"
            self.driver.step()
        return self.clock() - started


def test_the_chip_is_woken_identified_and_configured_before_the_first_poll() -> None:
    bench = Bench()
    bench.run(1)
    assert bench.chip.codes[:4] == [
        pn532.GET_FIRMWARE_VERSION,
        pn532.SAM_CONFIGURATION,
        pn532.RF_CONFIGURATION,
        pn532.IN_LIST_PASSIVE_TARGET,
    ]
    assert bench.line.sent[0] == pn532.WAKE
    assert bench.driver.description == "pn532 v1.6"


@pytest.mark.parametrize("uid", [CARD, OTHER, bytes.fromhex("00112233445566778899")])
def test_a_card_is_told_as_upper_case_hex_byte_0_first_within_a_third_of_a_second(uid: bytes) -> None:
    """GEN-05, field problem 29"""
    bench = Bench()
    bench.run(2)
    bench.chip.card = uid
    assert bench.until(lambda: bool(bench.cards), 1) < 0.33
    assert bench.cards == [uid.hex().upper()]


def test_the_uid_order_can_be_reversed() -> None:
    bench = Bench(reversed_uid=True)
    bench.chip.card = CARD
    bench.run(1)
    assert bench.cards == ["EFBEADDE"]


def test_a_card_held_for_long_is_one_presentation() -> None:
    bench = Bench()
    bench.chip.card = CARD
    bench.run(150)  # the re-initialisation included
    assert bench.cards == ["DEADBEEF"]


def test_a_card_taken_away_and_shown_again_is_a_new_presentation() -> None:
    bench = Bench()
    for _ in range(3):
        bench.chip.card = CARD
        bench.run(1.2)
        bench.chip.card = None
        bench.run(1.5)
    assert bench.cards == ["DEADBEEF"] * 3


def test_two_different_cards_are_told_at_once() -> None:
    bench = Bench()
    bench.chip.card = CARD
    bench.run(1)
    bench.chip.card = OTHER
    bench.run(0.5)
    assert bench.cards == ["DEADBEEF", "04A2245A1C2880"]


def test_a_chip_that_lost_its_power_is_configured_again() -> None:
    bench = Bench()
    bench.run(2)
    bench.chip.power_cycle()
    bench.run(8)
    bench.chip.card = CARD
    bench.until(lambda: bool(bench.cards), 2)
    assert bench.failures in ([], [True, False])


def test_the_configuration_is_renewed_once_a_minute() -> None:
    bench = Bench()
    bench.run(130)
    assert bench.chip.codes.count(pn532.SAM_CONFIGURATION) == 3


def test_a_reader_silent_for_five_seconds_failed_and_comes_back_by_itself() -> None:
    bench = Bench()
    bench.run(2)
    bench.chip.mute = True
    bench.run(4.5)
    assert bench.failures == []
    bench.until(lambda: bench.failures == [True], 2)
    bench.chip.mute = False
    bench.chip.card = CARD
    bench.until(lambda: bench.cards == ["DEADBEEF"], 3)
    assert bench.failures == [True, False]


def test_a_reader_without_a_port_failed_after_five_seconds() -> None:
    bench = Bench()
    bench.line.cut()
    with pytest.raises(LineLost):
        bench.run(1)
    for _ in range(4):
        bench.driver.lost("cut")
        bench.clock.now += 2
    assert bench.failures == [True]


@repeatable
@given(st.binary(max_size=60), st.integers(1, 5))
def test_garbage_and_tiny_chunks_do_not_matter(garbage: bytes, chunk: int) -> None:
    bench = Bench()
    bench.line.chunk = chunk
    bench.run(1)
    bench.line.deliver(garbage, 0.05)
    bench.chip.card = CARD
    bench.run(4)
    assert bench.cards == ["DEADBEEF"]


# --- plain text -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("data", "cards"),
    [
        (b"04A1B2C3\r\n", ["04A1B2C3"]),
        (b"04A1B2C3\n", ["04A1B2C3"]),
        (b"04A1B2C3\r", ["04A1B2C3"]),
        (b"\x0204A1B2C3\x03", ["04A1B2C3"]),
        (b"\x0204A1B2C3\r\n\x03", ["04A1B2C3"]),
        (b"  my card \t\r\n", ["my card"]),
        (b"A\nB\r\n\r\nC\x03", ["A", "B", "C"]),
        (b"half\x02whole\r", ["whole"]),
        (b"\r\n \n\x02\x03", []),
        (b"x" * 64 + b"\n", ["x" * 64]),
        (b"x" * 65 + b"\nok\n", ["ok"]),
        (b"caf\xc3\xa9\nok\n", ["ok"]),
        (b"a\x00b\nok\n", ["ok"]),
        (b"unfinished", []),
    ],
)
def test_lines_become_cards(data: bytes, cards: list[str]) -> None:
    assert AsciiDecoder().feed(data) == cards
    decoder = AsciiDecoder()
    assert [card for byte in data for card in decoder.feed(bytes([byte]))] == cards


@repeatable
@given(st.binary(max_size=300))
def test_no_bytes_ever_raise_and_cards_are_short_and_printable(data: bytes) -> None:
    for card in AsciiDecoder().feed(data):
        assert 1 <= len(card) <= 64
        assert card == card.strip()
        assert all(0x20 <= ord(char) <= 0x7E or char == "\t" for char in card)


class Mute:
    """A device that says only what the test delivers."""

    line: FakeLine

    def receive(self, data: bytes) -> None:
        """Nobody listens."""


class TextBench(Bench):
    def __init__(self) -> None:
        self.clock = VirtualTime()
        self.line = FakeLine(self.clock, Mute())
        self.counters = Counters()
        self.cards = []
        self.failures = []
        self.driver = AsciiReader(  # type: ignore[assignment]
            self.clock, self.counters, self.cards.append, self.failures.append
        )
        self.driver.attach(self.line)


def test_a_text_reader_tells_a_card_once_and_again_later() -> None:
    bench = TextBench()
    for at in (0.1, 0.2, 0.3, 2.5):
        bench.line.deliver(b"CARD1\r\n", at)
    bench.line.deliver(b"CARD2\r\n", 2.6)
    bench.run(5)
    assert bench.cards == ["CARD1", "CARD1", "CARD2"]


def test_noise_long_before_a_card_does_not_spoil_it() -> None:
    bench = TextBench()
    bench.line.deliver(b"#!", 0.1)
    bench.line.deliver(b"CARD1\r\n", 3)
    bench.run(5)
    assert bench.cards == ["CARD1"]


def test_a_text_reader_may_be_silent_for_ever_but_not_without_its_port() -> None:
    bench = TextBench()
    bench.run(1000)
    assert bench.failures == []
    bench.driver.lost("unplugged")
    bench.clock.now += 5
    bench.driver.lost("unplugged")
    assert bench.failures == [True]
    bench.driver.attach(bench.line)
    assert bench.failures == [True, False]


# --- presentations ----------------------------------------------------------------------------------------------------
def test_a_flickering_card_is_one_presentation() -> None:
    presentation = Presentation()
    sights = [(0.0, True), (0.9, False), (1.8, False), (2.7, False), (3.6, False)]
    assert [presentation.sees("A", at) for at, _ in sights] == [new for _, new in sights]


def test_the_same_card_within_two_seconds_is_ignored_and_another_is_not() -> None:
    presentation = Presentation()
    assert presentation.sees("A", 0.0)
    assert not presentation.sees("A", 1.9)
    assert presentation.sees("B", 2.0)
    assert presentation.sees("A", 2.1)
    assert not presentation.sees("A", 3.9)
    assert presentation.sees("A", 5.0)
