"""The simulated card readers: the PN532's frames, and each swipe seen exactly once (hardware.md, section 5.1)."""

import pytest

from hardware import pn532
from hardware.simulator.cards import Card, CardQueue
from tests.hardware.simulator.rig import Rig

ACK = pn532.ACK


def command(rig: Rig, data: bytes) -> bytes:
    """What the chip says to a command after its ACK."""
    rig.listen("reader")
    rig.send("reader", pn532.host_frame(data))
    said = rig.listen("reader")
    assert said.startswith(ACK)
    return said[len(ACK) :]


def wake(rig: Rig) -> None:
    rig.send("reader", pn532.WAKE)
    command(rig, pn532.FIRMWARE_VERSION_COMMAND)
    command(rig, pn532.SAM_NORMAL_COMMAND)
    command(rig, pn532.ONE_RETRY_COMMAND)


def polled(rig: Rig) -> str:
    reply = command(rig, pn532.POLL_TYPE_A_COMMAND)
    (frame,) = pn532.Decoder().feed(reply)
    assert isinstance(frame, pn532.Frame)
    targets = pn532.parse_targets(frame.data)
    assert targets is not None
    return targets[0].uid.hex().upper() if targets else ""


def presentations(rig: Rig, seconds: float, interval_s: float = 0.25) -> list[str]:
    """The cards a driver reports: a new one at the first sight after two empty polls or another card."""
    seen: list[str] = []
    last, empty = "", 2
    end = rig.now + seconds
    while rig.now < end:
        uid = polled(rig)
        if uid and (uid != last or empty >= 2):
            seen.append(uid)
        last, empty = (uid, 0) if uid else (last, empty + 1)
        rig.run(interval_s)
    return seen


def test_the_golden_frames_of_the_reference():
    rig = Rig()
    rig.send("reader", pn532.host_frame(pn532.FIRMWARE_VERSION_COMMAND))
    assert rig.listen("reader") == b""  # asleep
    rig.send("reader", pn532.WAKE)
    assert command(rig, pn532.FIRMWARE_VERSION_COMMAND) == bytes.fromhex("0000FF06FAD50332010607E800")
    assert command(rig, pn532.POLL_TYPE_A_COMMAND) == pn532.ERROR  # SAMConfiguration comes first
    assert command(rig, pn532.SAM_NORMAL_COMMAND) == bytes.fromhex("0000FF02FED5151600")
    assert command(rig, pn532.ONE_RETRY_COMMAND) == bytes.fromhex("0000FF02FED533F800")
    assert command(rig, pn532.POLL_TYPE_A_COMMAND) == bytes.fromhex("0000FF03FDD54B00E000")
    assert command(rig, pn532.RELEASE_COMMAND) == bytes.fromhex("0000FF03FDD55300D800")
    rig.simulation.swipe(Card(bytes.fromhex("DEADBEEF")))
    assert command(rig, pn532.POLL_TYPE_A_COMMAND) == bytes.fromhex("0000FF0CF4D54B010100040804DEADBEEF9600")
    rig.run(1)
    assert polled(rig) == ""
    rig.run(5)
    rig.simulation.swipe(Card(bytes.fromhex("04A2245A1C2880")))
    rig.run(0.1)
    assert command(rig, pn532.POLL_TYPE_A_COMMAND) == bytes.fromhex("0000FF0FF1D54B010100440007 04A2245A1C2880AB00")
    assert command(rig, b"\x99") == pn532.ERROR


def test_without_a_retry_limit_the_chip_answers_when_a_card_comes_and_an_ack_aborts():
    rig = Rig()
    rig.send("reader", pn532.WAKE)
    command(rig, pn532.SAM_NORMAL_COMMAND)
    assert command(rig, pn532.POLL_TYPE_A_COMMAND) == b""
    rig.run(3)
    rig.simulation.swipe(Card(bytes.fromhex("DEADBEEF")))
    rig.run(0.1)
    assert b"\xde\xad\xbe\xef" in rig.listen("reader")
    rig.run(5)
    assert command(rig, pn532.POLL_TYPE_A_COMMAND) == b""
    rig.send("reader", ACK)
    rig.simulation.swipe(Card(bytes.fromhex("01020304")))
    rig.run(1)
    assert rig.listen("reader") == b""


@pytest.mark.parametrize("interval_s", [0.2, 0.25])
@pytest.mark.parametrize("uid", ["04A1B2C3", "04A2245A1C2880", "0102030405060708090A"])
def test_a_swipe_is_one_presentation(uid: str, interval_s: float):
    rig = Rig()
    wake(rig)
    rig.simulation.swipe(Card(bytes.fromhex(uid)))
    assert presentations(rig, 5, interval_s) == [uid]


def test_a_swipe_shorter_than_the_poll_interval_is_seen_all_the_same():
    rig = Rig()
    wake(rig)
    rig.run(3, tick_s=0.25)
    rig.simulation.swipe(Card(bytes.fromhex("04A1B2C3"), hold_s=0.0))
    rig.run(0.2)
    assert presentations(rig, 3) == ["04A1B2C3"]


def test_swipes_wait_for_their_turn_and_each_is_seen_once():
    rig = Rig()
    wake(rig)
    wanted = ["04A1B2C3", "01020304", "01020304", "04A1B2C3"]
    for uid in wanted:
        rig.simulation.swipe(Card(bytes.fromhex(uid)))
    assert presentations(rig, 12) == wanted


def test_a_card_that_nobody_reads_is_taken_away_after_ten_seconds():
    cards = CardQueue(polled=True)
    cards.swipe(Card(b"\x01\x02\x03\x04"))
    cards.step(0.0)
    cards.step(9.9)
    assert cards.card is not None
    cards.step(10.1)
    assert cards.card is None


def test_an_explicit_gap_makes_a_bouncing_card():
    cards = CardQueue(polled=False)
    for _ in range(2):
        cards.swipe(Card(b"A", hold_s=0.1, gap_s=0.05))
    arrivals = [step / 100 for step in range(100) if cards.step(step / 100)]
    assert arrivals == pytest.approx([0.0, 0.15], abs=0.011)


def test_two_cards_on_the_reader_are_found_in_turn():
    rig = Rig()
    wake(rig)
    rig.fault("two_cards")
    rig.simulation.swipe(Card(bytes.fromhex("01020304"), hold_s=5))
    rig.run(0.1)
    assert {polled(rig) for _ in range(6)} == {"01020304", "04FACADE"}


def test_a_power_cut_puts_the_chip_to_sleep():
    rig = Rig()
    wake(rig)
    rig.simulation.power_cut(1)
    rig.send("reader", pn532.host_frame(pn532.POLL_TYPE_A_COMMAND))
    rig.run(2)
    rig.send("reader", pn532.host_frame(pn532.POLL_TYPE_A_COMMAND))
    assert rig.listen("reader") == b""
    wake(rig)
    assert polled(rig) == ""


def test_the_text_reader_sends_each_swipe_as_one_line():
    rig = Rig(reader="ascii")
    for text in ("EMP-0042", "EMP-0042", "B 7"):
        rig.simulation.swipe(Card(text.encode()))
    rig.run(8)
    assert rig.listen("reader") == b"EMP-0042\r\nEMP-0042\r\nB 7\r\n"
