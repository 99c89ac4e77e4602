"""RAPI codec: the golden lines of hardware.md sections 2.2 and 11, and hostile bytes."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.rapi import (
    AsyncMessage,
    BadCommand,
    BoardDecoder,
    Command,
    HostDecoder,
    Response,
    encode_async,
    encode_command,
    encode_response,
)
from tests.hardware.fakes import repeatable

GOLDEN_COMMANDS = (
    (
        "$GS^30 $GE^26 $GC^20 $GG^24 $GU^36 $GV^35 $GF^25 $GP^33 $G0^53 $GO^2C $GM^2E $F0 1^43 $SC 16^13 $SC 16 V^65 "
        "$SC 32 M^78 $FE^27 $FD^26 $FS^31 $FR^30 $SB^35 $SY^2E $SY 30 6^1B $SY 165^3C $GY^3A $GI^2A $SL 2^29 "
        "$SV 230000^00 $S4 1^52 $FF D 1^51"
    )
    .replace(" $", "\n$")
    .split("\n")
)
GOLDEN_ANSWERS = (
    (
        "$OK^20 $NK^21 $OK 16^07 $NK 6^37 $OK 03 125 03 0140^13 $OK 6 80 16 24^1F $OK 16 0021^24 $OK 15980 240000^13 "
        "$OK 1234567 987654^11 $OK 274 -2560 -2560^31 $OK 30 6 0^05 $NK 30 6 2^06 $OK 8.2.3 5.2.1^2F"
    )
    .replace(" $", "\n$")
    .split("\n")
)
GOLDEN_MESSAGES = (
    (
        "$AT 01 01 16 0200^34 $AT 02 02 16 0300^35 $AT 03 03 16 0140^33 $AT 06 03 16 01a2^61 $AB 00 8.2.3^1E "
        "$AB 08 8.2.3^16 $AN 0^3B $WF 02^17 $AT 00 00 0 0200^03 $AT 00 00 0 4200^07"
    )
    .replace(" $", "\n$")
    .split("\n")
)
BOOT_TEXT = b"\nrelayCloseMs: 100\r\nrelayHoldPwm: 255\r\n"

words = st.text(
    st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="$^*:"), min_size=1, max_size=4
)
params = st.lists(words, max_size=3).map(" ".join)
seqs = st.one_of(st.none(), st.integers(1, 255))


def line(golden: str) -> bytes:
    return golden.encode() + b"\r"


@pytest.mark.parametrize("golden", GOLDEN_COMMANDS)
def test_golden_command_is_encoded_and_understood_by_the_board(golden: str) -> None:
    text = golden[1:].partition("^")[0]
    name, *rest = text.split()
    assert encode_command(text) == line(golden)
    assert BoardDecoder().feed(line(golden)) == [Command(name, tuple(rest))]


def test_golden_commands_and_answers_with_a_sequence_id() -> None:
    assert encode_command("GS", 0x21) == b"$GS :21^29\r"
    assert encode_command("SC 16 V", 0x21) == b"$SC 16 V :21^7C\r"
    assert encode_response(True, seq=0x21) == b"$OK :21^39\r"
    assert encode_response(False, seq=0x21) == b"$NK :21^38\r"
    assert BoardDecoder().feed(b"$SC 16 V :21^7C\r") == [Command("SC", ("16", "V"), 0x21)]
    assert HostDecoder().feed(b"$NK :21^38\r") == [Response(False, (), 0x21)]


@pytest.mark.parametrize("golden", GOLDEN_ANSWERS)
def test_golden_answer_goes_both_ways(golden: str) -> None:
    head, *rest = golden[1:].partition("^")[0].split()
    assert encode_response(head == "OK", " ".join(rest)) == line(golden)
    assert HostDecoder().feed(line(golden)) == [Response(head == "OK", tuple(rest))]


@pytest.mark.parametrize("golden", GOLDEN_MESSAGES)
def test_golden_message_of_the_board_goes_both_ways(golden: str) -> None:
    head, *rest = golden[1:].partition("^")[0].split()
    assert encode_async(head, " ".join(rest)) == line(golden)
    assert HostDecoder().feed(line(golden)) == [AsyncMessage(head, tuple(rest))]


@pytest.mark.parametrize("legacy", ["$FE*AF", "$FR*BC", "$FB 7*03"])
def test_board_accepts_the_legacy_additive_sum(legacy: str) -> None:
    name, *rest = legacy[1:].partition("*")[0].split()
    assert BoardDecoder().feed(line(legacy)) == [Command(name, tuple(rest))]


def test_board_accepts_a_command_without_a_checksum() -> None:
    assert BoardDecoder().feed(b"$GS\r") == [Command("GS")]


@pytest.mark.parametrize("bad", [b"$GS^31\r", b"$FE*AE\r", b"$GS :21^30\r", b"$GS^\r", b"$GS^3\r", b"$GS^300\r"])
def test_board_reports_a_bad_checksum(bad: bytes) -> None:
    assert BoardDecoder().feed(bad) == [BadCommand("checksum")]


def test_board_refuses_an_empty_command_and_too_many_words() -> None:
    assert BoardDecoder().feed(b"$\r") == [BadCommand("empty")]
    assert BoardDecoder().feed(b"$FP 1 2 3 4 5 6 7 8 9 A\r") == [BadCommand("too many tokens")]


def test_a_line_of_31_bytes_passes_and_one_of_32_is_dropped_in_silence() -> None:
    longest = encode_command("FP 0 0 " + "x" * 16, 1)
    assert len(longest) - 1 == 31
    assert BoardDecoder().feed(longest) == [Command("FP", ("0", "0", "x" * 16), 1)]
    assert BoardDecoder().feed(longest.replace(b"x", b"xx", 1)) == []
    with pytest.raises(ValueError, match="longer than 31"):
        encode_command("FP 0 0 " + "x" * 17, 1)


@pytest.mark.parametrize("seq", [0, 256, -1])
def test_a_sequence_id_outside_its_range_is_a_programming_error(seq: int) -> None:
    with pytest.raises(ValueError, match="sequence id"):
        encode_command("GS", seq)


def test_sequence_id_zero_is_not_a_sequence_id() -> None:
    assert BoardDecoder().feed(b"$GS :00\r") == [Command("GS", (), None)]


def test_any_dollar_restarts_the_line() -> None:
    assert BoardDecoder().feed(b"$SC 1$GS^30\r") == [Command("GS")]
    assert HostDecoder().feed(b"$OK 03 1$OK 16^07\r") == [Response(True, ("16",))]


def test_boot_text_between_frames_is_skipped() -> None:
    decoder = HostDecoder()
    frames = decoder.feed(b"$OK^20\r" + BOOT_TEXT + b"$AT 03 03 16 0140^33\r")
    assert frames == [Response(True), AsyncMessage("AT", ("03", "03", "16", "0140"))]
    assert decoder.checksum_errors == 0


def test_two_spaces_in_an_answer_make_no_empty_word() -> None:
    assert HostDecoder().feed(encode_response(True, " W2ABC")) == [Response(True, ("W2ABC",))]


def test_host_takes_no_line_without_a_checksum_and_counts_it() -> None:
    decoder = HostDecoder()
    assert decoder.feed(b"$OK 16\r$OK 16*8A\r$OK 16^08\r") == []
    assert decoder.checksum_errors == 3


def test_host_ignores_the_echo_of_its_own_command() -> None:
    decoder = HostDecoder()
    assert decoder.feed(encode_command("GS", 7)) == []
    assert decoder.checksum_errors == 0


def test_an_endless_line_is_forgotten_and_the_next_frame_is_read() -> None:
    decoder = HostDecoder()
    assert decoder.feed(b"$" + b"x" * 100_000) == []
    assert decoder.feed(b"\r$OK^20\r") == [Response(True)]


@repeatable
@given(st.binary(max_size=300))
def test_no_bytes_ever_raise(data: bytes) -> None:
    HostDecoder().feed(data)
    BoardDecoder().feed(data)


@repeatable
@given(words, params, seqs)
def test_what_is_encoded_is_decoded(name: str, text: str, seq: int | None) -> None:
    command = encode_command(f"{name} {text}".strip(), seq)
    assert BoardDecoder().feed(command) == [Command(name, tuple(text.split()), seq)]
    assert HostDecoder().feed(encode_response(True, text, seq)) == [Response(True, tuple(text.split()), seq)]


@repeatable
@given(words, params, seqs, st.data())
def test_one_corrupted_byte_never_yields_a_frame_for_the_host(
    name: str, text: str, seq: int | None, data: st.DataObject
) -> None:
    good = encode_response(True, text, seq)
    position = data.draw(st.integers(0, len(good) - 2))
    value = data.draw(st.integers(0, 255).filter(lambda byte: byte != good[position]))
    bad = good[:position] + bytes([value]) + good[position + 1 :]
    if bad.upper() != good.upper():  # "3f" and "3F" are the same checksum
        assert HostDecoder().feed(bad) == []


@repeatable
@given(
    st.lists(st.one_of(st.binary(max_size=20), st.sampled_from([line(g) for g in GOLDEN_ANSWERS + GOLDEN_MESSAGES]))),
    st.data(),
)
def test_splitting_the_stream_anywhere_gives_the_same_frames(parts: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(parts)
    cut = data.draw(st.integers(0, len(stream)))
    host, board = HostDecoder(), BoardDecoder()
    assert host.feed(stream[:cut]) + host.feed(stream[cut:]) == HostDecoder().feed(stream)
    assert board.feed(stream[:cut]) + board.feed(stream[cut:]) == BoardDecoder().feed(stream)
