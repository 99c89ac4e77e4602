"""EM4100 tags: the bytes of a real reader, clones, damage, and one event a presentation."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.drivers.rdm6300 import Rdm6300
from hardware.em4100 import Decoder, encode_frame
from hardware.serial_port import Counters
from hardware.simulator.cards import Card, CardQueue
from hardware.simulator.rdm6300 import Rdm6300 as SimulatedReader
from tests.hardware.fakes import FakeLine, VirtualTime, repeatable

TAG = bytes.fromhex("010063E9AE")
REAL = bytes.fromhex("0230313030363345394145323503")
CLONE = REAL[:-1] + b"\r\n\x03"
tags = st.binary(min_size=5, max_size=5)


class Mute:
    line: FakeLine

    def receive(self, data: bytes) -> None:
        raise AssertionError("nothing can be said to this reader")


class Bench:
    def __init__(self, *, id_only: bool = False) -> None:
        self.clock = VirtualTime()
        self.line = FakeLine(self.clock, Mute())
        self.counters = Counters()
        self.cards: list[str] = []
        self.failures: list[bool] = []
        self.driver = Rdm6300(self.clock, self.counters, self.cards.append, self.failures.append, id_only=id_only)
        self.driver.attach(self.line)

    def hold(self, frame: bytes, seconds: float, after_s: float = 0.0) -> None:
        for n in range(int(seconds / 0.065)):
            self.line.deliver(frame, after_s + n * 0.065)

    def run(self, seconds: float) -> None:
        until = self.clock() + seconds
        while self.clock() < until:
            self.driver.step()


def test_the_frame_of_a_real_reader_is_its_printed_number() -> None:
    assert Decoder().feed(REAL) == [TAG]
    assert encode_frame(TAG) == REAL
    assert int.from_bytes(TAG[1:], "big") == 6547886  # printed on the tag


@pytest.mark.parametrize("frame", [REAL, CLONE, REAL.lower()])
def test_clones_with_line_ends_and_small_letters_are_understood(frame: bytes) -> None:
    assert Decoder().feed(frame) == [TAG]
    decoder = Decoder()
    assert [tag for byte in frame for tag in decoder.feed(bytes([byte]))] == [TAG]


@pytest.mark.parametrize(
    "bad",
    [
        REAL[:-1],
        REAL[1:],
        REAL[:5] + REAL[6:],
        REAL[:5] + b"G" + REAL[6:],
        REAL[:5] + b"\r\n" + REAL[5:],
        REAL[:3] + b"\x03",
        b"\x02" + b"0" * 40 + b"\x03",
        encode_frame(TAG)[:-3] + b"26\x03",
    ],
)
def test_what_is_not_whole_is_no_tag(bad: bytes) -> None:
    decoder = Decoder()
    assert decoder.feed(bad) == []
    assert decoder.feed(REAL) == [TAG]


@repeatable
@given(st.lists(tags, max_size=5), st.binary(max_size=30), st.integers(1, 9))
def test_what_was_encoded_is_decoded_in_any_pieces_after_any_noise(sent: list[bytes], noise: bytes, chunk: int) -> None:
    stream = noise + b"\x03" + b"".join(encode_frame(tag) for tag in sent)
    decoder = Decoder()
    heard = [tag for start in range(0, len(stream), chunk) for tag in decoder.feed(stream[start : start + chunk])]
    assert heard[len(heard) - len(sent) :] == sent


@repeatable
@given(st.binary(max_size=300))
def test_no_bytes_ever_raise_and_tags_have_five_bytes(data: bytes) -> None:
    assert all(len(tag) == 5 for tag in Decoder().feed(data))


@repeatable
@given(tags, st.integers(0, 13), st.integers(1, 255))
def test_one_damaged_byte_is_never_another_tag(tag: bytes, position: int, change: int) -> None:
    frame = bytearray(encode_frame(tag))
    frame[position] ^= change
    assert set(Decoder().feed(bytes(frame))) <= {tag}  # a small letter for a capital one is the same tag


# --- the driver -------------------------------------------------------------------------------------------------------
def test_a_tag_is_told_within_a_fifth_of_a_second_and_once_while_it_is_held() -> None:
    bench = Bench()
    bench.hold(REAL, 5.0)
    bench.run(0.2)
    assert bench.cards == ["010063E9AE"]
    bench.run(10)
    assert bench.cards == ["010063E9AE"]


def test_the_version_byte_can_be_left_out() -> None:
    bench = Bench(id_only=True)
    bench.hold(REAL, 0.5)
    bench.run(1)
    assert bench.cards == ["0063E9AE"]


def test_a_module_that_sends_each_tag_once_is_believed_after_a_moment() -> None:
    bench = Bench()
    bench.line.deliver(REAL, 0.1)
    bench.run(0.15)
    assert bench.cards == []
    bench.run(0.4)
    assert bench.cards == ["010063E9AE"]


def test_a_tag_taken_away_and_shown_again_is_a_new_presentation() -> None:
    bench = Bench()
    for at in (0.0, 4.0, 8.0):
        bench.hold(REAL, 0.5, at)
    bench.run(12)
    assert bench.cards == ["010063E9AE"] * 3


@repeatable
@given(tags, tags)
def test_a_frame_that_passes_the_checksum_by_accident_is_told_by_the_next_one(tag: bytes, wrong: bytes) -> None:
    bench = Bench()
    bench.line.deliver(encode_frame(wrong), 0.1)
    bench.hold(encode_frame(tag), 0.5, 0.16)
    bench.run(2)
    assert bench.cards == [tag.hex().upper()]


@repeatable
@given(st.binary(max_size=120), st.integers(1, 20), st.integers(0, 60))
def test_noise_around_a_held_tag_makes_no_false_card(noise: bytes, chunk: int, position: int) -> None:
    bench = Bench()
    bench.line.chunk = chunk
    bench.hold(REAL, 1.0)
    bench.line.deliver(noise.replace(b"\x02", b""), position / 50)  # not a whole frame by construction
    bench.run(3)
    assert set(bench.cards) == {"010063E9AE"}


def test_only_a_lost_port_is_a_failure() -> None:
    bench = Bench()
    bench.run(1000)
    assert bench.failures == []
    bench.driver.lost("unplugged")
    bench.clock.now += 5
    bench.driver.lost("unplugged")
    assert bench.failures == [True]
    bench.driver.attach(bench.line)
    assert bench.failures == [True, False]


# --- the simulated reader ---------------------------------------------------------------------------------------------
def test_the_simulated_reader_repeats_the_frame_while_the_tag_is_held() -> None:
    cards = CardQueue(polled=False)
    reader = SimulatedReader(cards)
    reader.power_on()
    cards.swipe(Card(TAG, hold_s=0.5))
    heard = b""
    for n in range(100):
        reader.step(n / 100, cards.step(n / 100))
        heard += reader.take_output()
    assert 7 <= heard.count(REAL) <= 9
    assert heard == REAL * heard.count(REAL)


def test_two_tags_in_the_field_drown_each_other() -> None:
    cards = CardQueue(polled=False)
    reader = SimulatedReader(cards)
    reader.power_on()
    reader.second_uid = TAG
    cards.swipe(Card(TAG))
    reader.step(0.0, cards.step(0.0))
    assert reader.take_output() == b""


@pytest.mark.parametrize(("text", "uid"), [("010063E9AE", TAG), ("0063e9ae", TAG)])
def test_a_swipe_names_a_tag_with_or_without_its_version_byte(text: str, uid: bytes) -> None:
    assert SimulatedReader.uid(text) == uid


@pytest.mark.parametrize("text", ["", "xyz", "04A1B2C3D4E5F6", "0"])
def test_what_is_no_tag_is_refused_with_the_cure(text: str) -> None:
    with pytest.raises(ValueError, match=r"Try \"010063E9AE\""):
        SimulatedReader.uid(text)
