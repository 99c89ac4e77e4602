"""The self-test of the box as a pure sequence: facts go in, orders come out, each check leaves what it measured.

Nothing here touches a line or a clock. Whoever runs it makes sure that nobody charges meanwhile, and switches the
energy off when it is given up.
"""

from __future__ import annotations

from collections.abc import Callable, Generator
from dataclasses import dataclass
from enum import StrEnum

from hardware.evse import DERATE_RESTORE_C, MIN_PILOT_A, WELD_CURRENT_A
from hardware.interfaces import BoardState, BoxReading, DetectorTest, FaultCode, MeterSample, PortHealth
from hardware.sentence import NOTHING, Sentence, listed, quoted

ANSWER_WITHIN_S = 10.0  # longer than a board may be deaf
DETECTOR_WITHIN_S = 45.0  # the test takes about 30 s
RESTART_WITHIN_S = 25.0  # $FR at most 15 s, its self-test 6 s, the synchronisation
PILOT_WITHIN_S = 5.0
CLOSES_WITHIN_S = 20.0  # the car's own delay, the debounce and the test of the leakage detector
OPENS_WITHIN_S = 7.0
COUNTS_WITHIN_S = 45.0  # 10 Wh, the step of a coarse meter, take 30 s at 6 A
METER_SETTLES_S = 2.0  # a reading that is complete by then was measured with the contactor open
CARD_WITHIN_S = 30.0
_VOLTS_OFF = 0.10  # of the nominal voltage
_HERTZ = ((49.0, 51.0), (59.0, 61.0))
_COLDEST_C = -30.0
_SELF_TEST_FAULTS = {
    FaultCode.GFCI_SELFTEST: Sentence("the leakage detector failed"),
    FaultCode.GROUND_FAULT: Sentence("leakage current"),
    FaultCode.NO_GROUND: Sentence("no protective earth"),
    FaultCode.RELAY_STUCK: Sentence("the contactor is stuck closed"),
}


_RESULTS = {
    DetectorTest.NONE: Sentence("no result"),
    DetectorTest.READY: Sentence("not begun"),
    DetectorTest.RUNNING: Sentence("still running"),
    DetectorTest.FAILED: Sentence("failed"),
}


class Verdict(StrEnum):
    """What became of a check. SKIPPED: it could not be made, `cure` says what it needs."""

    PASSED = "passed"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Check:
    """One line of the report: what was tested, the number measured, and what to do when it is not passed."""

    name: str
    title: Sentence
    verdict: Verdict
    measured: Sentence = NOTHING
    cure: Sentence = NOTHING


@dataclass(frozen=True)
class Facts:
    """What the sequence looks at.

    Attributes:
        now: monotonic seconds. board: None before the first contact. restarts: of the board, seen so far.
        cards: shown since the beginning.
    """

    now: float
    reading: BoxReading
    board: BoardState | None
    ports: tuple[PortHealth, ...] = ()
    restarts: int = 0
    cards: tuple[str, ...] = ()


@dataclass(frozen=True)
class Energy:
    """Permit `amps` to the car, 0: none (a level)."""

    amps: float


@dataclass(frozen=True)
class RestartBoard:
    """Let the board restart, and so make its own tests."""


@dataclass(frozen=True)
class TryDetector:
    """Let the board test its leakage detector."""


Order = Energy | RestartBoard | TryDetector
Steps = Generator[Order | None, Facts, None]


class SelfTest:
    """One run. `step` takes the facts of the moment, several times a second, and may answer with an order.

    Args:
        nominal_voltage_v: of the installation.
        board_restarts: the board can be restarted over its line, which makes its own tests; others are asked to test
            their leakage detector.

    Attributes:
        checks: what was tested so far, in order. doing: what is being done, for people. done: the end was reached.
    """

    def __init__(self, nominal_voltage_v: float, *, board_restarts: bool = True) -> None:
        self._nominal_v = nominal_voltage_v
        self._board_restarts = board_restarts
        self.checks: list[Check] = []
        self.doing = Sentence("Looking for the devices")
        self.done = False
        self._facts: Facts
        self._steps = self._sequence()
        self._is_begun = False

    def step(self, facts: Facts) -> Order | None:
        """Go on with the facts of now."""
        self._facts = facts
        if self.done:
            return None
        try:
            if not self._is_begun:
                self._is_begun = True
                return next(self._steps)
            return self._steps.send(facts)
        except StopIteration:
            self.done = True
            self.doing = NOTHING
            return None

    # --- the sequence -------------------------------------------------------------------------------------------------
    def _sequence(self) -> Steps:
        began_at = self._facts.now
        yield Energy(0)
        yield from self._until(lambda: self._board_is_there, ANSWER_WITHIN_S)
        if self._check_board():
            yield from self._restart_board() if self._board_restarts else self._test_detector()
            self._check_protection()
            yield from self._pilot_and_contactor()
        self._check_temperature()
        yield from self._check_meter(began_at)
        yield from self._check_reader(began_at)

    def _until(self, condition: Callable[[], bool], seconds: float) -> Steps:
        """Wait until `condition`, at most for `seconds`."""
        deadline = self._facts.now + seconds
        while not condition() and self._facts.now < deadline:
            yield None

    # --- board --------------------------------------------------------------------------------------------------------
    @property
    def _board_is_there(self) -> bool:
        board = self._facts.board
        return board is not None and board.synchronised and FaultCode.BOARD_COMM not in self._codes

    @property
    def _codes(self) -> dict[FaultCode, str]:
        return {fault.code: fault.info for fault in self._facts.reading.faults}

    def _check_board(self) -> bool:
        board, port = self._facts.board, self._port("board")
        there = self._board_is_there
        cure = (
            NOTHING if there else Sentence("Check the board's supply, its serial cable and the port in the settings.")
        )
        measured = (quoted(port.device) if port and there and board else port.error if port else NOTHING) or Sentence(
            "no answer"
        )
        self._add("board", Sentence("The charging board answers"), there, measured, cure)
        return there

    def _restart_board(self) -> Steps:
        title = Sentence("The board's own test: leakage detector, earth, contactor")
        self.doing = Sentence("The board restarts and tests itself")
        restarts, began_at = self._facts.restarts, self._facts.now
        yield RestartBoard()
        yield from self._until(lambda: self._has_restarted(restarts), RESTART_WITHIN_S)
        found = [words for code, words in _SELF_TEST_FAULTS.items() if code in self._codes]
        restarted = self._has_restarted(restarts)
        if found:
            measured = listed(found)
        else:
            measured = _seconds(self._facts.now - began_at) if restarted else Sentence("it did not restart")
        cure = (
            NOTHING
            if restarted and not found
            else Sentence("Switch the station off, check earth and wiring, replace the board.")
        )
        self._add("board_self_test", title, restarted and not found, measured, cure)

    def _test_detector(self) -> Steps:
        title = Sentence("The board's own test: leakage detector")
        if self._detector_test is DetectorTest.NONE:
            cure = Sentence("No leakage detector is connected to this board. Test the residual current device by hand.")
            self._skip("board_self_test", title, Sentence("no detector"), cure)
            return
        self.doing = Sentence("The board tests its leakage detector")
        began_at = self._facts.now
        yield TryDetector()
        yield from self._until(lambda: self._detector_test is DetectorTest.RUNNING, ANSWER_WITHIN_S)
        yield from self._until(lambda: self._detector_test is not DetectorTest.RUNNING, DETECTOR_WITHIN_S)
        passed = self._detector_test is DetectorTest.PASSED
        measured = _seconds(self._facts.now - began_at)
        if not passed:
            measured = Sentence("{result} after {time}", result=_RESULTS[self._detector_test], time=measured)
        cure = NOTHING if passed else Sentence("Switch the station off, check the detector's wiring, replace it.")
        self._add("board_self_test", title, passed, measured, cure)

    @property
    def _detector_test(self) -> DetectorTest:
        board = self._facts.board
        return board.detector_test if board is not None else DetectorTest.NONE

    def _has_restarted(self, restarts: int) -> bool:
        board = self._facts.board
        return self._facts.restarts != restarts and board is not None and board.synchronised

    def _check_protection(self) -> None:
        board = self._facts.board
        off = board.checks_off if board else NOTHING
        self._add(
            "protection", Sentence("All protective checks of the board are on"), not off, off or Sentence("all on"),
            Sentence("Switch them on in the board's own menu, then restart it.") if off else NOTHING,
        )  # fmt: skip
        title = Sentence("The board gives nothing after a power cut until the station allows it")
        if board is not None and board.boot_safe:
            self._add("boot_lock", title, True, Sentence("boot lock"))
        else:
            measured = Sentence("not known") if board is None or board.boot_safe is None else Sentence("no boot lock")
            cure = Sentence("A board with boot lock does; another one charges a plugged car until the station is up.")
            self._skip("boot_lock", title, measured, cure)

    # --- pilot and contactor ------------------------------------------------------------------------------------------
    def _pilot_and_contactor(self) -> Steps:
        self.doing = Sentence("Looking at the control pilot")
        yield Energy(MIN_PILOT_A)
        yield from self._until(self._pilot_is_seen, PILOT_WITHIN_S)
        board = self._facts.board
        cp = board.cp if board else "?"
        seen = self._pilot_is_seen()
        words = {
            "A": Sentence("A, 12 V: nothing plugged in"),
            "B": Sentence("B, 9 V: a car"),
            "C": Sentence("C, 6 V: a car that asks for energy"),
        }
        cure = NOTHING if seen else self._first_fault() or Sentence("Check the pilot wire of the cable.")
        self._add("pilot", Sentence("The control pilot is seen"), seen, words[cp] if seen else quoted(cp), cure)
        if seen and cp != "A":
            yield from self._close_contactor()
        else:
            needs = Sentence("Plug in a car or a test plug that asks for energy, and test again.")
            self._skip("contactor_closes", Sentence("The contactor closes"), Sentence("nothing plugged in"), needs)
            self._skip("meter_counts", Sentence("The meter counts what flows"), Sentence("nothing plugged in"), needs)
        yield from self._open_contactor()

    def _pilot_is_seen(self) -> bool:
        board = self._facts.board
        return board is not None and board.enabled and board.pilot_is_live and board.cp in ("A", "B", "C")

    def _close_contactor(self) -> Steps:
        self.doing = Sentence("Waiting for the contactor to close")
        title, began_at = Sentence("The contactor closes"), self._facts.now
        yield from self._until(
            lambda: self._facts.reading.contactor_closed or bool(self._first_fault()), CLOSES_WITHIN_S
        )
        if self._facts.reading.contactor_closed:
            self._add("contactor_closes", title, True, _seconds(self._facts.now - began_at))
            yield from self._count()
            return
        counts = Sentence("The meter counts what flows")
        if fault := self._first_fault():
            self._add("contactor_closes", title, False, fault, Sentence("Have contactor and wiring checked."))
        else:
            self._skip(
                "contactor_closes",
                title,
                Sentence("the car does not ask for energy"),
                Sentence("Let the car ask, and test again."),
            )
        self._skip(
            "meter_counts", counts, Sentence("no energy flowed"), Sentence("Test again when the contactor closes.")
        )

    def _count(self) -> Steps:
        title = Sentence("The meter counts what flows")
        first = self._facts.reading.meter
        if first is None:
            self._skip("meter_counts", title, Sentence("no meter"), Sentence("A meter is needed for billing."))
            return
        self.doing = Sentence("Counting a watt-hour")

        def counted(first: MeterSample = first) -> bool:
            newest = self._facts.reading.meter
            return newest is not None and newest.energy_wh > first.energy_wh

        yield from self._until(counted, COUNTS_WITHIN_S)
        newest = self._facts.reading.meter or first
        drawn_a = newest.current_a or 0.0
        if counted():
            self._add(
                "meter_counts",
                title,
                True,
                Sentence(
                    "{energy_wh} Wh at {drawn_a:.1f} A", energy_wh=newest.energy_wh - first.energy_wh, drawn_a=drawn_a
                ),
            )
        elif drawn_a < WELD_CURRENT_A:
            self._skip(
                "meter_counts",
                title,
                Sentence("{drawn_a:.1f} A", drawn_a=drawn_a),
                Sentence("The car draws no current: test again with one that does."),
            )
        else:
            self._add(
                "meter_counts",
                title,
                False,
                Sentence("0 Wh at {drawn_a:.1f} A", drawn_a=drawn_a),
                Sentence("Check the meter's wiring."),
            )

    def _open_contactor(self) -> Steps:
        self.doing = Sentence("Waiting for the contactor to open")
        began_at = self._facts.now
        was_closed = self._facts.reading.contactor_closed
        yield Energy(0)
        yield from self._until(lambda: not self._facts.reading.contactor_closed, OPENS_WITHIN_S)
        opened_at = self._facts.now
        is_open = not self._facts.reading.contactor_closed
        settled_at = opened_at + METER_SETTLES_S
        yield from self._until(lambda: self._sample_since(settled_at) is not None, ANSWER_WITHIN_S if is_open else 0.0)
        sample = self._sample_since(settled_at)
        title = Sentence("The contactor is open and no current flows")
        if is_open and sample is None:
            cure = Sentence("Let the energy meter answer, and test again.")
            self._skip("contactor_opens", title, Sentence("open; the current was not measured"), cure)
            return
        drawn_a = sample.current_a or 0.0 if sample is not None else 0.0
        good = is_open and drawn_a <= WELD_CURRENT_A
        measured = Sentence("{drawn_a:.1f} A", drawn_a=drawn_a) if is_open else Sentence("still closed")
        if is_open and was_closed:
            measured = listed([_seconds(opened_at - began_at), measured])
        cure = NOTHING if good else Sentence("Switch the station off: the contactor is welded and has to be replaced.")
        self._add("contactor_opens", title, good, measured, cure)

    def _sample_since(self, moment: float) -> MeterSample | None:
        sample = self._facts.reading.meter
        return sample if sample is not None and sample.at >= moment else None

    # --- the rest -----------------------------------------------------------------------------------------------------
    def _check_temperature(self) -> None:
        celsius = self._facts.reading.temperature_c
        title = Sentence("The temperature inside is plausible")
        if celsius is None:
            self._skip("temperature", title, Sentence("no sensor"), Sentence("This board has none."))
            return
        good = _COLDEST_C <= celsius < DERATE_RESTORE_C
        cure = NOTHING if good else Sentence("Let it cool down; check the sensor.")
        self._add("temperature", title, good, quoted(f"{celsius:.0f} °C"), cure)

    def _check_meter(self, began_at: float) -> Steps:
        title, port = Sentence("The energy meter answers"), self._port("meter")
        if port is None:
            self._skip("meter", title, Sentence("none fitted"), Sentence("A meter is needed for billing."))
            return
        self.doing = Sentence("Reading the meter")
        yield from self._until(lambda: self._sample_since(began_at) is not None, ANSWER_WITHIN_S)
        sample = self._sample_since(began_at)
        if sample is None or FaultCode.METER_COMM in self._codes:
            cure = Sentence("Check the meter's bus cable (A, B), unit number, speed and parity.")
            self._add("meter", title, False, port.error or Sentence("no answer"), cure)
            return
        self._add("meter", title, True, Sentence("{energy_kwh:.3f} kWh", energy_kwh=sample.energy_wh / 1000))
        volts, hertz = sample.voltage_v or 0.0, sample.frequency_hz
        near = abs(volts - self._nominal_v) <= _VOLTS_OFF * self._nominal_v
        usual = hertz is None or any(low <= hertz <= high for low, high in _HERTZ)
        measured = quoted(f"{volts:.0f} V")
        if hertz is not None:
            measured = listed([measured, Sentence("{hertz:.2f} Hz", hertz=hertz)])
        cure = (
            NOTHING
            if near and usual
            else Sentence("{nominal_v:.0f} V are set: check the supply and the setting.", nominal_v=self._nominal_v)
        )
        self._add("mains", Sentence("The mains voltage is as set"), near and usual, measured, cure)

    def _check_reader(self, began_at: float) -> Steps:
        port = self._port("reader")
        if port is None:
            self._skip("reader", Sentence("The card reader answers"), Sentence("none fitted"), NOTHING)
            return
        well = port.is_open and FaultCode.READER_COMM not in self._codes
        cure = NOTHING if well else Sentence("Check the reader's cable, its supply and the port in the settings.")
        self._add(
            "reader",
            Sentence("The card reader answers"),
            well,
            quoted(port.device) if well else port.error or Sentence("no answer"),
            cure,
        )
        if not well:
            return
        self.doing = Sentence("Hold a card to the reader")
        yield from self._until(lambda: bool(self._facts.cards), max(began_at + CARD_WITHIN_S - self._facts.now, 10.0))
        if self._facts.cards:
            self._add("card", Sentence("The reader reads a card"), True, quoted(self._facts.cards[0]))
        else:
            self._skip(
                "card",
                Sentence("The reader reads a card"),
                Sentence("no card was shown"),
                Sentence("Test again and hold a card to the reader."),
            )

    # --- lines of the report ------------------------------------------------------------------------------------------
    def _port(self, name: str) -> PortHealth | None:
        return next((port for port in self._facts.ports if port.name == name), None)

    def _first_fault(self) -> Sentence:
        blocking = (fault for fault in self._facts.reading.faults if fault.blocking)
        return next((fault.info or quoted(fault.code) for fault in blocking), NOTHING)

    def _add(self, name: str, title: Sentence, good: bool, measured: Sentence, cure: Sentence = NOTHING) -> None:
        self.checks.append(Check(name, title, Verdict.PASSED if good else Verdict.FAILED, measured, cure))

    def _skip(self, name: str, title: Sentence, measured: Sentence, cure: Sentence) -> None:
        self.checks.append(Check(name, title, Verdict.SKIPPED, measured, cure))


def _seconds(time_s: float) -> Sentence:
    return Sentence("{time_s:.1f} s", time_s=time_s)
