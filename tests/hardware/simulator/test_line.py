"""A line does to the bytes what its mode says, in a way that follows from the seed."""

import pytest

from hardware.simulator.byte_log import ByteLog
from hardware.simulator.line import Line, link_mode

FRAME = b"$OK 03 125 03 0140^13\r"


def line_in(mode: str, seed: int = 1, **params: object) -> Line:
    line = Line("board", 115_200, ByteLog(), seed, 0.0)
    line.set_mode(link_mode(mode, params), 0.0)
    return line


def answered(line: Line, at: float = 0.0, data: bytes = FRAME) -> bytes:
    line.from_device(data, 0.0)
    line.step(at)
    return line.take(at)


def test_a_good_line_passes_everything_at_once():
    line = line_in("ok")
    assert line.from_host(b"$GS^30\r", 0.0) == b"$GS^30\r"
    assert answered(line) == FRAME
    assert line.next_at is None


@pytest.mark.parametrize("mode", ["mute", "unplugged"])
def test_a_mute_line_passes_nothing_either_way(mode: str):
    line = line_in(mode)
    assert line.from_host(b"$GS^30\r", 0.0) == b""
    assert answered(line, 100) == b""


def test_a_late_answer_comes_late():
    line = line_in("late", delay_s=2)
    assert answered(line, 1.9) == b""
    assert line.next_at == 2
    assert line.take(2.0) == FRAME


def test_a_dropping_line_loses_its_share_of_pieces():
    line = line_in("drop", rate=0.25)
    arrived = sum(bool(line.from_host(b"x", 0.0)) for _ in range(1000))
    assert 700 < arrived < 800


def test_a_corrupting_line_changes_its_share_of_bytes_both_ways():
    line = line_in("corrupt", rate=0.01)
    data = bytes(10_000)
    for received in (line.from_host(data, 0.0), answered(line, 10.0, data)):
        assert len(received) == len(data)
        assert 60 < sum(byte != 0 for byte in received) < 140


def test_garbage_comes_before_or_inside_an_answer_and_unasked():
    line = line_in("garbage", bytes=8)
    unasked = (line.step(0.0), line.take(0.0))[1]
    assert len(unasked) == 8
    assert answered(line, 0.1).endswith(FRAME)
    inside = line_in("garbage", bytes=8, inside=True, every_s=100)
    assert FRAME not in answered(inside, 0.1)


def test_a_splitting_line_delivers_byte_by_byte():
    line = line_in("split", gap_s=0.01)
    line.from_device(FRAME, 0.0)
    pieces = [line.take(index * 0.01 + 0.001) for index in range(len(FRAME))]
    assert pieces == [FRAME[index : index + 1] for index in range(len(FRAME))]


def test_echo_duplicate_and_boot_text():
    echo = line_in("echo")
    echo.from_host(b"$GS^30\r", 0.0)
    assert echo.take(0.0) == b"$GS^30\r"
    assert answered(line_in("duplicate")) == FRAME * 2
    assert answered(line_in("boot_text")).endswith(b"relayHoldPwm: 255\r\n" + FRAME)


def test_a_mode_for_a_time_ends_by_itself():
    line = line_in("ok")
    line.set_mode(link_mode("unplugged", {}), 10.0, seconds=3)
    assert line.next_at == 13
    line.step(12.9)
    assert not line.connected
    line.step(13.0)
    assert line.connected


def test_the_same_seed_spoils_the_same_bytes():
    data = bytes(1000)
    first, second, other = (line_in("corrupt", seed, rate=0.05).from_host(data, 0.0) for seed in (1, 1, 2))
    assert first == second != other


@pytest.mark.parametrize(
    ("mode", "params", "names"),
    [("sticky", {}, "corrupt"), ("corrupt", {"rate": 2}, "rate"), ("mute", {"rate": 0.1}, "seconds"), (7, {}, "mute")],
)
def test_a_wrong_mode_says_what_is_possible(mode: object, params: dict[str, object], names: str):
    with pytest.raises(ValueError, match=names):
        link_mode(mode, params)


def test_the_log_numbers_every_piece_and_forgets_the_oldest():
    log = ByteLog()
    for number in range(2500):
        log.add(number / 10, "board", "host", b"x")
    assert log.last_seq == 2500
    assert [entry.seq for entry in log.since(2498)] == [2499, 2500]
    assert log.since(0)[0].seq == 501
