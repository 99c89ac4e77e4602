"""Floods of reasons: bounded, counted, never silent (reliability: why log; field problem 13)."""

from __future__ import annotations

from ocppclient.events import Explain
from station.why_log import EACH, KINDS, LONGEST_S, SHORTEST_S, WhyLog


def malformed(number: int = 0) -> Explain:
    return Explain("frame", "malformed", f"A frame was not OCPP: {number}.", "", "RPC-28")


class Lines(list[Explain]):
    """What was written, and a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.log = WhyLog(self.append)

    def tell(self, *reasons: Explain) -> None:
        for reason in reasons:
            self.log.tell(reason, self.now)

    def wait(self, seconds: float) -> None:
        self.now += seconds
        self.log.update(self.now)

    def rules(self) -> list[str]:
        return [line.rule for line in self]


def test_what_comes_now_and_then_is_written_at_once_and_as_it_is() -> None:
    lines = Lines()
    for number in range(50):
        lines.tell(malformed(number))
        lines.wait(SHORTEST_S)
    assert lines == [malformed(number) for number in range(50)]


def test_of_a_flood_the_first_lines_are_written_and_the_number_of_the_rest() -> None:
    lines = Lines()
    lines.tell(*map(malformed, range(1000)))
    assert len(lines) == EACH
    lines.wait(SHORTEST_S)
    assert lines.rules()[EACH:] == ["995 times more within 60 s, the last: A frame was not OCPP: 999."]
    assert (lines[-1].what, lines[-1].verdict, lines[-1].clause) == ("frame", "malformed", "RPC-28")


def test_a_flood_that_goes_on_is_told_less_and_less_often_but_every_ten_minutes() -> None:
    lines = Lines()
    for _ in range(24 * 3600 // 2):
        lines.tell(malformed())
        lines.wait(2.0)
    assert 24 * 6 - 1 <= len(lines) <= 24 * 6 + EACH + 4
    assert lines.rules()[-1].startswith(f"{round(LONGEST_S) // 2} times more within {round(LONGEST_S)} s")


def test_after_a_quiet_window_a_kind_is_written_at_once_again() -> None:
    lines = Lines()
    lines.tell(*map(malformed, range(9)))
    lines.wait(SHORTEST_S)
    lines.wait(2 * SHORTEST_S)
    lines.tell(malformed(77))
    assert lines[-1] == malformed(77)


def test_a_flood_of_one_kind_holds_no_other_back() -> None:
    lines = Lines()
    lines.tell(*map(malformed, range(100)))
    other = Explain("card", "refused", "This card is known as Blocked.", "CARD1", "AUT-07")
    lines.tell(other)
    assert lines[-1] == other


def test_kinds_that_a_peer_invents_are_bounded_too() -> None:
    lines = Lines()
    lines.tell(*(Explain(f"Action{number}", "NotImplemented", "Unknown.", "", "RPC-21") for number in range(10_000)))
    assert len(lines) == KINDS + EACH
    lines.wait(SHORTEST_S)
    assert len(lines) == KINDS + EACH + 1
    assert lines[-1].rule.startswith(f"{10_000 - KINDS - EACH} times more")


def test_what_is_held_back_is_told_when_the_station_stops() -> None:
    lines = Lines()
    lines.tell(*map(malformed, range(EACH + 1)))
    lines.now += 3
    lines.log.close(lines.now)
    assert lines.rules()[-1] == f"Once more within 3 s, the last: A frame was not OCPP: {EACH}."
    lines.log.close(lines.now)
    assert len(lines) == EACH + 1
