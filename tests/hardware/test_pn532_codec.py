"""PN532 codec: golden frames of hardware.md section 5.1, extended frames, hostile bytes, and nfcpy as a judge."""

from __future__ import annotations

import logging

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import pn532
from hardware.pn532 import Ack, Decoder, ErrorFrame, Frame, Nack, Target, encode_frame, host_frame
from tests.hardware.fakes import repeatable


def hexa(text: str) -> bytes:
    return bytes.fromhex(text.replace(" ", ""))


POLL_NONE = hexa("00 00 FF 03 FD D5 4B 00 E0 00")
POLL_4_BYTES = hexa("00 00 FF 0C F4 D5 4B 01 01 00 04 08 04 DE AD BE EF 96 00")
POLL_7_BYTES = hexa("00 00 FF 0F F1 D5 4B 01 01 00 44 00 07 04 A2 24 5A 1C 28 80 AB 00")


@pytest.mark.parametrize(
    ("command", "expected"),
    [
        (pn532.FIRMWARE_VERSION_COMMAND, "00 00 FF 02 FE D4 02 2A 00"),
        (pn532.SAM_NORMAL_COMMAND, "00 00 FF 05 FB D4 14 01 00 00 17 00"),
        (pn532.ONE_RETRY_COMMAND, "00 00 FF 06 FA D4 32 05 00 01 01 F3 00"),
        (pn532.POLL_TYPE_A_COMMAND, "00 00 FF 04 FC D4 4A 01 00 E1 00"),
        (pn532.RELEASE_COMMAND, "00 00 FF 03 FD D4 52 00 DA 00"),
    ],
)
def test_golden_host_frame_is_built_and_read(command: bytes, expected: str) -> None:
    assert host_frame(command) == hexa(expected)
    assert Decoder().feed(hexa(expected)) == [Frame(pn532.HOST, command)]


@pytest.mark.parametrize(
    ("frame", "data"),
    [
        ("00 00 FF 06 FA D5 03 32 01 06 07 E8 00", "03 32 01 06 07"),
        ("00 00 FF 02 FE D5 15 16 00", "15"),
        ("00 00 FF 02 FE D5 33 F8 00", "33"),
        ("00 00 FF 03 FD D5 53 00 D8 00", "53 00"),
        ("00 00 FF 03 FD D5 4B 00 E0 00", "4B 00"),
    ],
)
def test_golden_chip_frame_is_read_and_built(frame: str, data: str) -> None:
    assert Decoder().feed(hexa(frame)) == [Frame(pn532.CHIP, hexa(data))]
    assert encode_frame(pn532.CHIP, hexa(data)) == hexa(frame)


def test_ack_nack_and_error_frames() -> None:
    assert Decoder().feed(pn532.ACK + pn532.NACK + pn532.ERROR) == [Ack(), Nack(), ErrorFrame()]


def test_firmware_answer_is_understood() -> None:
    firmware = pn532.parse_firmware(hexa("03 32 01 06 07"))
    assert str(firmware) == "PN532 v1.6"
    assert pn532.parse_firmware(hexa("15")) is None
    assert pn532.parse_firmware(b"") is None


def poll(frame: bytes) -> tuple[Target, ...] | None:
    (answer,) = Decoder().feed(frame)
    assert isinstance(answer, Frame)
    return pn532.parse_targets(answer.data)


def test_poll_answers_give_the_uid_with_byte_0_first() -> None:
    assert poll(POLL_NONE) == ()
    assert poll(POLL_4_BYTES) == (Target(hexa("DE AD BE EF"), 0x0004, 0x08),)
    assert poll(POLL_7_BYTES) == (Target(hexa("04 A2 24 5A 1C 28 80"), 0x0044, 0x00),)


def test_poll_answer_of_a_card_with_ats_is_understood() -> None:
    data = hexa("4B 01 01 03 44 20 07 04 01 02 03 04 05 06 06 75 77 81 02 80")
    assert pn532.parse_targets(data) == (Target(hexa("04 01 02 03 04 05 06"), 0x0344, 0x20),)


@pytest.mark.parametrize("data", ["", "4B", "4D 00", "4B 01", "4B 01 01 00 04 08", "4B 01 01 00 04 08 04 DE AD"])
def test_a_truncated_poll_answer_is_none(data: str) -> None:
    assert pn532.parse_targets(hexa(data)) is None


def test_extended_frames_are_used_above_254_bytes_and_read_back() -> None:
    for size in (1, 253, 254, 255, 256, 264):
        data = bytes(range(256)) * 2
        frame = encode_frame(pn532.CHIP, data[:size])
        assert (frame[3:5] == b"\xff\xff") == (size > 254)
        assert Decoder().feed(frame) == [Frame(pn532.CHIP, data[:size])]
    with pytest.raises(ValueError, match="at most 264"):
        encode_frame(pn532.CHIP, bytes(265))


def test_a_damaged_checksum_is_counted_and_the_next_frame_read() -> None:
    decoder = Decoder()
    damaged = bytearray(POLL_4_BYTES)
    damaged[-2] ^= 1
    assert decoder.feed(bytes(damaged) + POLL_NONE) == [Frame(pn532.CHIP, hexa("4B 00"))]
    assert decoder.checksum_errors == 1


def test_a_damaged_length_does_not_eat_the_next_frame() -> None:
    for bit in (0x04, 0x40):  # shorter and longer
        damaged = bytearray(POLL_4_BYTES)
        damaged[3] ^= bit
        assert Decoder().feed(bytes(damaged) + POLL_NONE) == [Frame(pn532.CHIP, hexa("4B 00"))]


def test_reset_forgets_half_a_frame() -> None:
    decoder = Decoder()
    decoder.feed(POLL_4_BYTES[:9])
    decoder.reset()
    assert decoder.feed(POLL_NONE) == [Frame(pn532.CHIP, hexa("4B 00"))]


pieces = st.one_of(
    st.binary(max_size=20), st.sampled_from([POLL_NONE, POLL_4_BYTES, pn532.ACK, pn532.NACK, pn532.ERROR, b"\x00\xff"])
)


@repeatable
@given(st.binary(max_size=600))
def test_no_bytes_ever_raise(data: bytes) -> None:
    for frame in Decoder().feed(data):
        if isinstance(frame, Frame):
            pn532.parse_targets(frame.data)
            pn532.parse_firmware(frame.data)


@repeatable
@given(st.binary(max_size=60))
def test_no_poll_answer_ever_raises(data: bytes) -> None:
    pn532.parse_targets(b"\x4b" + data)


@repeatable
@given(st.lists(pieces, max_size=8), st.data())
def test_splitting_the_stream_anywhere_gives_the_same_frames(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cut = data.draw(st.integers(0, len(stream)))
    decoder = Decoder()
    assert decoder.feed(stream[:cut]) + decoder.feed(stream[cut:]) == Decoder().feed(stream)


@repeatable
@given(st.lists(pieces, max_size=8))
def test_every_frame_handed_out_was_in_the_stream_with_its_checksum(parts: list[bytes]) -> None:
    stream = b"".join(parts)
    for frame in Decoder().feed(stream):
        if isinstance(frame, Frame):
            assert encode_frame(frame.tfi, frame.data)[1:-1] in stream


@repeatable
@given(st.binary(max_size=264))
def test_what_is_encoded_is_decoded(data: bytes) -> None:
    assert Decoder().feed(encode_frame(pn532.HOST, data)) == [Frame(pn532.HOST, data)]


# --- nfcpy reads what we write, and writes what we read ---------------------------------------------------------------
class Wire:
    """nfcpy's transport: what it writes is answered by our codec as the chip."""

    TYPE = "TTY"

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.answers: list[bytes] = []

    def write(self, frame: bytes) -> None:
        self.written.append(bytes(frame))

    def read(self, timeout: int = 0) -> bytearray:
        return bytearray(self.answers.pop(0))


@pytest.mark.parametrize("size", [1, 16, 253, 254, 262])
def test_nfcpy_agrees_on_frames_in_both_directions(size: int) -> None:
    from nfc.clf import pn532 as oracle

    wire = Wire()
    chip = oracle.Chipset.__new__(oracle.Chipset)
    chip.transport = wire
    chip.log = logging.getLogger("nfcpy")
    sent, answered = bytes(range(256))[: size - 1] or b"", bytes(range(255, -1, -1))[:size]
    wire.answers = [pn532.ACK, encode_frame(pn532.CHIP, b"\x01" + answered)]
    assert bytes(chip.command(0x00, sent, timeout=0.1)) == answered
    assert [frame for raw in wire.written for frame in Decoder().feed(raw)] == [Frame(pn532.HOST, b"\x00" + sent)]
    assert wire.written[0] == host_frame(b"\x00" + sent)
