"""What an OpenEVSE controller has told about itself so far, and the questions that bring it up to date."""

from __future__ import annotations

import math
from collections.abc import Callable

from hardware.drivers import openevse_words as words
from hardware.drivers.openevse_words import STARTING, Status
from hardware.drivers.rapi_link import RapiLink
from hardware.sentence import NOTHING, Sentence

NO_STATE_FOR_S = 3.0
CAR_SEEN_WITHIN_S = 0.5  # a board that may have restarted says "no car" until its first look at the pilot


class BoardFacts:
    """The newest answers of the board.

    Attributes:
        status: state words; status_at when they were said, changed_at when they last differed, asked_at the last `$GS`.
        amps: what the pilot advertises; 0 while unknown.
        min_a, max_a: what the board allows; max_a is 0 while unknown.
        checks_off: safety checks that are switched off in its settings, in words.
        boot_safe: after power-up it gives no energy until the host allows it; None while unknown.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self.status = Status(STARTING, 0, 0)
        self.status_at = self.changed_at = self.asked_at = clock()
        self.amps, self.min_a, self.max_a = 0, 6, 0
        self.firmware = ""
        self.temperature_c: float | None = None
        self.trip_counters: tuple[int, int, int] | None = None
        self.checks_off = NOTHING
        self.boot_safe: bool | None = None
        self._no_state_since: float | None = None
        self._no_car_from = math.inf  # "no car" is believed from then on
        self._car_said: bool | None = None
        self._has_just_booted = False

    @property
    def warning(self) -> Sentence:
        """What is wrong with the board's build or settings, in words."""
        unsafe = Sentence("no boot lock: after a power cut it charges a plugged car until the station is up")
        if self.boot_safe is not False:
            return self.checks_off
        return Sentence("{problem}; {next}", problem=self.checks_off, next=unsafe) if self.checks_off else unsafe

    # --- changes ------------------------------------------------------------------------------------------------------
    def may_have_restarted(self) -> None:
        """The line was opened again: until the board was looked at, "no car" is not believed."""
        self._no_car_from = math.inf

    def restarted(self) -> None:
        """Forget what does not survive a restart."""
        self.amps = 0
        self._no_car_from = math.inf
        self._has_just_booted = True

    def settled(self) -> None:
        """The board is synchronised and will soon have looked at the pilot."""
        self._has_just_booted = False
        if self._no_car_from == math.inf:
            self._no_car_from = self._clock() + CAR_SEEN_WITHIN_S

    def take_status(self, status: Status) -> None:
        """The board said this."""
        self.status_at = self._clock()
        if status != self.status:
            self.status = status
            self.changed_at = self.status_at

    def car_connected(self) -> bool | None:
        """None while the board does not look, and for a "no car" that comes too early to be true."""
        connected = self.status.ev_connected
        if connected is False and self._car_said is not False and self._clock() < self._no_car_from:
            connected = None
        self._car_said = connected
        return connected

    # --- questions ----------------------------------------------------------------------------------------------------
    def read_version(self, link: RapiLink) -> bool:
        """`$GV`: firmware. False when the board does not answer."""
        answer = link.ask("GV")
        if answer is None or not answer.ok:
            return False
        self.firmware = answer.params[0] if answer.params else ""
        return True

    def read_status(self, link: RapiLink, tries: int = 3) -> bool:
        """`$GS`: state, flags. For a moment after `$FE` the board has no state: that is told only when it lasts."""
        answer = link.ask("GS", tries)
        status = words.parse_status(answer.params) if answer and answer.ok else None
        self.asked_at = now = self._clock()
        if status is None:
            return False
        if status.state != STARTING or status.flags & words.BOOT_LOCKED or self.status.state == STARTING:
            self._no_state_since = None
        else:
            self._no_state_since = self._no_state_since or now
            if now - self._no_state_since < NO_STATE_FOR_S:
                return True
        self.take_status(status)
        return True

    def read_pilot(self, link: RapiLink, tries: int = 2) -> None:
        """`$GE`: ampere and the settings of the safety checks."""
        answer = link.ask("GE", tries)
        if answer and answer.ok and len(answer.params) == 2:
            amps, flags = words.parse_int(answer.params[0]), words.parse_hex(answer.params[1])
            if amps is not None and flags is not None:
                self.amps = amps
                self.checks_off = words.missing_checks(flags)

    def release_boot_lock(self, link: RapiLink) -> None:
        """`$SB`: builds without a boot lock refuse it. The board must be asleep: it would wake enabled."""
        answer = link.ask("SB", tries=3)
        if answer is not None:
            self.boot_safe = answer.ok or bool(self.boot_safe)

    def read_authorisation_lock(self, link: RapiLink) -> None:
        """`$G4`: a build that is locked when it starts needs no boot lock; most builds refuse the question.

        An open lock says nothing of a board that has been up for long: a session may have opened it.
        """
        answer = link.ask("G4", tries=2)
        if answer is None or not answer.ok or self.boot_safe:
            return
        if answer.params == ("1",):
            self.boot_safe = True
        elif not self._has_just_booted:
            self.boot_safe = None

    def read_capacity(self, link: RapiLink) -> None:
        """`$GC`: smallest, hardware's, present and commissioned ampere."""
        answer = link.ask("GC", tries=3)
        numbers = words.parse_ints(answer.params) if answer and answer.ok else None
        if numbers is not None and len(numbers) == 4:
            self.min_a, self.amps, self.max_a = numbers[0], numbers[2], numbers[3]

    def read_counters(self, link: RapiLink, tries: int = 2) -> None:
        """`$GF`: trips of leakage detector, earth check and contactor check, hexadecimal."""
        answer = link.ask("GF", tries)
        numbers = [words.parse_hex(word) for word in answer.params] if answer and answer.ok else []
        match numbers:
            case [int(ground), int(earth), int(stuck)]:
                self.trip_counters = (ground, earth, stuck)

    def read_temperature(self, link: RapiLink, tries: int = 2) -> None:
        """`$GP`: three sensors, tenths of a degree."""
        answer = link.ask("GP", tries)
        if answer and answer.ok:
            self.temperature_c = words.hottest(answer.params)
