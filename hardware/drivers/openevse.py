"""Driver of the OpenEVSE controller over RAPI (hardware.md, section 2): keeps the board at what `supervise` demands.

The demand is a level: each step compares it with what the board says and sends the next command that is missing.
"""

from __future__ import annotations

import logging
from collections.abc import Callable

from hardware.drivers import openevse_words as words
from hardware.drivers.openevse_facts import BoardFacts
from hardware.drivers.openevse_words import DISABLED, SLEEPING, STARTING, Status
from hardware.drivers.rapi_link import RapiLink
from hardware.evse import Demand, Mode
from hardware.interfaces import BoardState, Fault, FaultCode
from hardware.rapi import AsyncMessage
from hardware.sentence import Sentence
from hardware.serial_port import Counters, Line, drain

logger = logging.getLogger(__name__)

COMM_LOST_AFTER_S = 8.0  # covers the 5 s the firmware may be deaf
BOOT_WITHIN_S = 15.0
RELAY_OPENS_WITHIN_S = 4.5
TRANSITION_S = 3.0  # after a change the board is asked four times a second
HEARTBEAT_INTERVAL_S = 10  # without a pulse for so long the board falls back to 6 A; above 65 its arithmetic overflows
HEARTBEAT_FALLBACK_A = 6
_REPEAT_S = 1.0  # an acknowledged command gets this long to show its effect
_LIMIT_REPEAT_S = 2.0
_REFUSED_LIMIT_REPEAT_S = 10.0
_POLL_S = {"GS": 1.0, "SY": 2.0, "GE": 5.0, "GP": 10.0, "GF": 300.0}
_TRANSITION_POLL_S = 0.25
_OPENING_POLL_S = 0.05  # the relay alone sends no message, and a session waits for it to open
_HEARTBEAT_LIMITING = 2


class OpenEvse:
    """The board on its line (a `Device`).

    Args:
        clock: monotonic seconds.
        supervise: called with every new state and at least once a second; answers what is wanted of the board.
        on_reboot: the board has restarted (limits, heartbeat and a welded contact must be judged anew).
        nominal_voltage_v: told to the board for its own energy display.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        counters: Counters,
        supervise: Callable[[BoardState], Demand],
        on_reboot: Callable[[], None],
        nominal_voltage_v: float = 230.0,
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._supervise = supervise
        self._on_reboot = on_reboot
        self._millivolts = round(nominal_voltage_v * 1000)
        self._line: Line | None = None
        self._link: RapiLink | None = None
        self._demand = Demand(Mode.OFF, 6)
        self._facts = BoardFacts(clock)
        self._changed_at = clock()  # of demand or state, by us
        self._was_fault = False
        self._contact_at = clock()  # of the last valid frame, or the start
        self._is_lost = False
        self._synchronised = False
        self._disturbed = False  # the board restarted while it was being synchronised
        self._voltage_told = False
        self._limit_told = False  # the wanted limit was sent since it changed
        self._not_before: dict[str, float] = {}  # command -> when it may be sent (again)
        self._due: dict[str, float] = {}
        self._short_since: float | None = None  # the pilot offers less than wanted since
        self._reset_wanted = False
        self._reset_retries = 0
        self._reset_at: float | None = None  # $FS of a reset was sent
        self._reboot_by: float | None = None  # $FR was sent; a boot message is expected
        self._reset_failed = False

    @property
    def warning(self) -> Sentence:
        """What is wrong with the board's build or settings."""
        return self._facts.warning

    @property
    def description(self) -> str:
        """For the hardware page: "openevse 8.2.3"."""
        return f"openevse {self._facts.firmware}".strip()

    def request_detector_test(self) -> None:
        """This board makes it at every restart and before each contactor closing, not on request."""

    def request_reset(self, retries: int = 0) -> bool:
        """Restart the board as soon as its relay is open; when it does not, try again so often. True.

        Any thread; the port must be woken afterwards.
        """
        self._reset_retries = retries
        self._reset_wanted = True
        return True

    # --- Device -------------------------------------------------------------------------------------------------------
    def attach(self, line: Line) -> None:
        self._line = line
        self._link = RapiLink(line, self._clock, self._counters, self._on_message)
        self._synchronised = False
        self._facts.may_have_restarted()
        drain(line, self._clock, 0.05)

    def lost(self, reason: str) -> None:
        self._line = self._link = None
        self._synchronised = False
        self._reboot_by = None
        self._tell()

    def step(self) -> None:
        assert self._line is not None
        assert self._link is not None
        if not self._synchronised:
            self._step_unsynchronised(self._link)
        elif not self._pursue(self._link) and not self._poll(self._link):
            now = self._clock()
            # A wake-up ends the wait: the demand is then looked at again.
            self._link.take(self._line.read(min(self._next_poll_at() - now, 1.0)))
        self._tell()

    def farewell(self) -> None:
        """With energy permitted the board stays as it is (its heartbeat falls back to 6 A), else it sleeps."""
        self._tell()
        if self._link and self._synchronised and self._status.enabled and self._demand.mode is not Mode.ON:
            self._link.ask("FS", tries=2)

    # --- contact ------------------------------------------------------------------------------------------------------
    def _step_unsynchronised(self, link: RapiLink) -> None:
        if self._reboot_by is not None:
            self._await_boot(link, self._reboot_by)
        elif not self._synchronise(link) and self._line is not None:
            # POST, boot lock refused, or no answer: look again soon, listening meanwhile.
            link.listen(self._clock() + _TRANSITION_POLL_S)

    def _await_boot(self, link: RapiLink, reboot_by: float) -> None:
        link.listen(min(self._clock() + _TRANSITION_POLL_S, reboot_by))
        if self._reboot_by is not None and self._clock() >= reboot_by:
            logger.warning("the board did not restart when asked to; %d tries are left", self._reset_retries)
            self._reboot_by = None
            if self._reset_retries > 0:
                self._reset_retries -= 1
                self._reset_wanted = True
            else:
                self._reset_failed = True

    def _synchronise(self, link: RapiLink) -> bool:
        """Connect and re-sync (section 2.6). Never enables power; a fault present at boot is never masked by `$FS`."""
        facts = self._facts
        if not facts.read_version(link) or not facts.read_status(link):
            return False
        if self._status.state == STARTING and not self._status.is_boot_locked:
            return False  # the power-on self-test is running
        self._disturbed = False
        self._not_before.clear()
        self._voltage_told = False
        in_fault = self._status.is_fault
        questions: list[Callable[[RapiLink], object]] = [
            *(() if in_fault else (lambda link: self._command(link, "FS", tries=3), facts.release_boot_lock)),
            facts.read_pilot,
            facts.read_capacity,
            facts.read_authorisation_lock,
            lambda link: link.ask("GY", tries=2),
            facts.read_counters,
            facts.read_temperature,
            lambda link: link.ask("GI", tries=2),
            *(() if in_fault else (self._tell_voltage,)),
            self._set_heartbeat,
            self._pulse,
        ]
        for question in questions:
            question(link)
            if link.silent:  # a dead line must not be asked for a minute before anybody hears of it
                return False
        now = self._clock()
        self._due = {poll: now + interval for poll, interval in _POLL_S.items()}
        if not facts.read_status(link) or self._disturbed or self._status.is_boot_locked:
            return False
        self._synchronised = True
        facts.settled()
        logger.info("board in contact: %s, state %02x, %d A", self.description, self._status.state, facts.amps)
        self._tell()
        if not self._status.is_fault:
            self._set_limit(link, self._demand.limit_a)
        return True

    def _on_message(self, message: AsyncMessage) -> None:
        match message.name:
            case "AB":
                self._rebooted(message.params)
            case "AT":
                parsed = words.parse_state_message(message.params)
                if parsed is not None:
                    self._facts.amps = parsed[1]
                    self._facts.take_status(parsed[0])
                    if parsed[0].state == STARTING:  # this message is sent at boot only
                        self._rebooted(())
        self._tell()

    def _rebooted(self, params: tuple[str, ...]) -> None:
        logger.warning("the board has restarted%s", f", self-test {params[0]}" if params else "")
        self._synchronised = False
        self._disturbed = True
        self._facts.restarted()
        self._reboot_by = self._reset_at = None
        self._reset_wanted = self._reset_failed = False
        self._on_reboot()

    def _notice_status(self) -> None:
        """What a new state means for contact and polling."""
        if self._status.is_boot_locked:
            self._synchronised = False  # it has restarted, and the boot message was missed
        if self._status.is_fault and not self._was_fault:
            self._due["GF"] = self._clock()
        self._was_fault = self._status.is_fault

    @property
    def _status(self) -> Status:
        return self._facts.status

    # --- bringing the board to the demand -----------------------------------------------------------------------------
    def _pursue(self, link: RapiLink) -> bool:
        """Send the next command that brings the board closer to the demand; False when there is none to send now."""
        now = self._clock()
        if self._reset_wanted:
            return self._reset(link, now)
        if self._status.is_fault:
            return False
        if not self._voltage_told:
            self._tell_voltage(link)
            return True
        command = self._missing_command()
        due = command and now >= self._not_before.get(command, now)
        if self._limit_due(now) and not (due and self._demand.mode is not Mode.ON):  # switching off comes first
            self._set_limit(link, self._demand.limit_a)
        elif due:
            self._command(link, command)
        else:
            return False
        return True

    def _missing_command(self) -> str:
        state = self._status.state
        match self._demand.mode:
            case Mode.OFF:
                return "FS" if state != SLEEPING else ""
            case Mode.CUT:
                return "FD" if state != DISABLED else ""
            case Mode.ON if not 0 < self._facts.amps <= self._demand.limit_a:
                return ""  # never on with a pilot above the limit
            case Mode.ON if self._status.flags & words.AUTH_LOCKED:
                return "S4 0"
            case Mode.ON:
                return "FE" if state in (SLEEPING, DISABLED) else ""

    def _command(self, link: RapiLink, command: str, tries: int = 1) -> bool:
        """Send a state-changing command and look at once what became of it."""
        answer = link.ask(command, tries)
        now = self._clock()
        # Without an answer again at 1.5 s; with one the board gets a second to show its effect.
        self._not_before[command] = now + (_REPEAT_S if answer else 0.5)
        self._due["GS"] = now
        self._changed_at = now
        return answer is not None and answer.ok

    def _limit_due(self, now: float) -> bool:
        """The pilot differs from the wanted: too much is corrected at once, too little after 2 s."""
        wanted, amps = self._demand.limit_a, self._facts.amps
        if not self._limit_told or amps > wanted or amps == 0:
            self._short_since = None
        elif amps == wanted:
            self._short_since = None
            return False
        else:
            self._short_since = self._short_since or now
            if now - self._short_since < _LIMIT_REPEAT_S:
                return False
        return now >= self._not_before.get(f"SC {wanted} V", now)

    def _set_limit(self, link: RapiLink, wanted: int) -> None:
        """Volatile (`V`): without it every change would wear the EEPROM. The answer tells what was applied."""
        command = f"SC {wanted} V"
        answer = link.ask(command)
        now = self._clock()
        refused = answer is not None and not answer.ok
        self._not_before[command] = now + (_REFUSED_LIMIT_REPEAT_S if refused else _LIMIT_REPEAT_S)
        self._changed_at = now
        if answer is None:
            self._not_before[command] = now + 0.5
            return
        self._limit_told = True
        applied = words.parse_int(answer.params[0]) if answer.params else None
        if applied is not None:
            self._facts.amps = applied
        if refused and applied is not None and applied > wanted:
            self._not_before[command] = now + _LIMIT_REPEAT_S
        self._tell()

    def _reset(self, link: RapiLink, now: float) -> bool:
        """Sleep, wait for the relay, restart. In a fault nothing but `$FR` may be sent."""
        if self._reset_at is None:
            self._reset_at = now
            if not self._status.is_fault and self._status.state != SLEEPING:
                self._command(link, "FS")
                return True
        if self._status.relay_closed and not self._status.is_fault and now - self._reset_at < RELAY_OPENS_WITHIN_S:
            return False
        logger.info("the board is told to restart")
        self._reset_wanted, self._reset_at = False, None
        self._reboot_by = link.tell("FR") + BOOT_WITHIN_S
        self._synchronised = False
        return True

    # --- polling ------------------------------------------------------------------------------------------------------
    def _in_transition(self, now: float) -> bool:
        return (
            now - max(self._changed_at, self._facts.changed_at) < TRANSITION_S
            or self._is_opening
            or bool(self._missing_command())
        )

    @property
    def _is_opening(self) -> bool:
        """No energy is wanted, and the contactor is still closed."""
        return self._status.relay_closed and self._demand.mode is not Mode.ON

    @property
    def _transition_poll_s(self) -> float:
        return _OPENING_POLL_S if self._is_opening else _TRANSITION_POLL_S

    def _next_poll_at(self) -> float:
        now = self._clock()
        state_due = self._due.get("GS", now)
        if self._in_transition(now):
            state_due = min(state_due, self._facts.asked_at + self._transition_poll_s)
        return min(state_due, *(self._due.get(poll, now) for poll in ("SY", "GE", "GP", "GF")))

    def _poll(self, link: RapiLink) -> bool:
        """Ask what is due, the most urgent first; False when nothing is."""
        now = self._clock()
        if self._next_poll_at() > now:
            return False
        if self._in_transition(now) and now >= self._facts.asked_at + self._transition_poll_s:
            self._due["GS"] = now
        for poll, interval in _POLL_S.items():
            if self._due.get(poll, now) <= now:
                self._due[poll] = now + interval
                self._read(link, poll)
                return True
        return False

    def _read(self, link: RapiLink, poll: str) -> None:
        match poll:
            case "GS":
                self._facts.read_status(link, tries=1)
            case "SY":
                self._pulse(link)
            case "GE":
                self._facts.read_pilot(link, tries=1)
            case "GP":
                self._facts.read_temperature(link, tries=1)
            case "GF":
                self._facts.read_counters(link, tries=1)

    def _tell_voltage(self, link: RapiLink) -> None:
        """Volatile, so after every boot; firmware without it says no, which is fine."""
        self._voltage_told = link.ask(f"SV {self._millivolts}", tries=2) is not None

    def _set_heartbeat(self, link: RapiLink) -> None:
        self._command(link, f"SY {HEARTBEAT_INTERVAL_S} {HEARTBEAT_FALLBACK_A}", tries=3)

    def _pulse(self, link: RapiLink) -> None:
        """The heartbeat. After a missed one the board limits until told; that restores its EEPROM limit, not ours."""
        answer = link.ask("SY")
        if answer is None:
            self._due["SY"] = self._clock() + 0.5
        numbers = words.parse_ints(answer.params) if answer else None
        if numbers is None or len(numbers) != 3:
            return
        if numbers[:2] != (HEARTBEAT_INTERVAL_S, HEARTBEAT_FALLBACK_A):
            logger.warning("the board's heartbeat supervision was changed to %d s, %d A", *numbers[:2])
            self._set_heartbeat(link)
        if numbers[2] != _HEARTBEAT_LIMITING:
            return
        logger.warning("the board had missed the heartbeat")
        link.ask("SY 165", tries=2)
        if not self._status.is_fault:
            self._set_limit(link, self._demand.limit_a)

    # --- telling ------------------------------------------------------------------------------------------------------
    def _tell(self) -> None:
        """Report the state and learn the demand."""
        self._notice_status()
        now = self._clock()
        if self._counters.last_frame_at is not None:
            self._contact_at = max(self._contact_at, self._counters.last_frame_at)
        silent = now - self._contact_at >= COMM_LOST_AFTER_S and self._reboot_by is None
        if silent and not self._is_lost:
            logger.error("no contact with the board for %.0f s", now - self._contact_at)
        if self._is_lost and not silent:
            logger.info("the board is heard again")
        self._is_lost = silent
        if silent:
            self._synchronised = False
        before = self._demand
        self._demand = self._supervise(self._state())
        if self._demand != before:
            self._not_before.clear()
            self._changed_at = now
            self._limit_told = self._demand.mode is not Mode.ON and self._demand.limit_a == before.limit_a

    def _state(self) -> BoardState:
        facts, status = self._facts, self._status
        faults = [fault for fault in (status.fault,) if fault is not None]
        if self._is_lost:
            faults = [Fault(FaultCode.BOARD_COMM, True, self._counters.error or Sentence("no answer"))]
        if self._reset_failed:
            faults.append(Fault(FaultCode.RESET_FAILED, False))
        return BoardState(
            at=facts.status_at,
            cp="?" if self._is_lost else status.cp,
            ev_connected=None if self._is_lost else facts.car_connected(),
            relay_closed=status.relay_closed,
            enabled=status.enabled and not self._is_lost,
            limit_a=float(facts.amps),
            max_a=float(facts.max_a),
            faults=tuple(faults),
            temperature_c=facts.temperature_c,
            firmware=facts.firmware,
            min_a=float(facts.min_a),
            synchronised=self._synchronised,
            trip_counters=facts.trip_counters,
            pilot_is_live=status.state != SLEEPING,
            boot_safe=facts.boot_safe,
            checks_off=facts.checks_off,
        )
