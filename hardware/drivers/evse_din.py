"""Driver of the EVSE-DIN and EVSE-WB controllers over Modbus RTU (hardware.md, section 3.1).

The demand is a level: each step compares it with what the board says and writes the next register that is missing.
It has no watchdog: it goes on charging when the host dies, unless the enable line of a panel opens the contactor.
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from hardware import modbus_rtu as rtu
from hardware.drivers import evse_din_words as words
from hardware.drivers.evse_din_words import Settings, Status
from hardware.drivers.rtu_link import RtuLink
from hardware.evse import Demand, Mode
from hardware.interfaces import BoardState, DetectorTest, Fault, FaultCode
from hardware.sentence import NOTHING, Sentence
from hardware.serial_port import Counters, Line, drain

logger = logging.getLogger(__name__)

REQUEST_GAP_S = 0.2  # between the end of an answer and the next request
COMM_LOST_AFTER_S = 5.0
POLL_S = 1.0
TRANSITION_POLL_S = 0.25
TRANSITION_S = 3.0
SETTINGS_POLL_S = 60.0
TURN_OFF_AFTER_S = 3.0  # so long the car may take to stop drawing after the offer ended
REPEAT_S = 1.0
#: The board is disabled for good (an EEPROM cell) only when nothing happened for so long: a pause is short.
DISABLE_AFTER_S = 30.0
CLEAR_RCD_AFTER_S = 30.0
_RETRY_S = 0.5


class EvseDin:
    """The board on its line (a `Device`).

    Args:
        clock: monotonic seconds.
        supervise: called with every new state and at least once a second; answers what is wanted of the board.
        on_reboot: the board has restarted.
        unit: its Modbus address. baud: of the line.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        counters: Counters,
        supervise: Callable[[BoardState], Demand],
        on_reboot: Callable[[], None],
        *,
        unit: int = 1,
        baud: int = 9600,
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._supervise = supervise
        self._on_reboot = on_reboot
        self._unit = unit
        self._baud = baud
        self._line: Line | None = None
        self._link: RtuLink | None = None
        self._demand = Demand(Mode.OFF, words.LOWEST_BOOT_A)
        self._status: Status | None = None
        self._settings: Settings | None = None
        self._status_at = self._contact_at = clock()
        self._is_lost = False
        self._synchronised = False
        self._told: int | None = None  # what register 1000 was told and confirmed to hold
        self._changed_at = clock()  # of demand or state
        self._off_since = clock()  # no energy has been wanted since
        self._not_before: dict[int, float] = {}  # register -> when it may be written (again)
        self._due_at = self._retry_at = -math.inf
        self._settings_due_at = -math.inf
        self._problem = NOTHING
        self._test_wanted = False
        self._detector_test = DetectorTest.READY  # of the leakage detector, if there is one

    @property
    def warning(self) -> Sentence:
        """What keeps the board from being used, or is wrong with its firmware."""
        if self._problem:
            return self._problem
        return words.warning(self._status.firmware) if self._status else NOTHING

    @property
    def description(self) -> str:
        """For the hardware page: "evse_din revision 18"."""
        return f"evse_din revision {self._status.firmware}" if self._status else "evse_din"

    def request_reset(self, retries: int = 0) -> bool:
        """The board knows no restart by Modbus; its settings are read and judged anew instead."""
        self._settings_due_at = -math.inf
        return False

    def request_detector_test(self) -> None:
        self._test_wanted = True

    # --- Device -------------------------------------------------------------------------------------------------------
    def attach(self, line: Line) -> None:
        self._line = line
        self._link = RtuLink(
            line,
            self._clock,
            self._counters,
            who=Sentence("the board"),
            unit=self._unit,
            baud=self._baud,
            gap_s=REQUEST_GAP_S,
        )
        self._synchronised = False
        self._retry_at = -math.inf
        self._told = None
        drain(line, self._clock, 0.05)

    def lost(self, reason: str) -> None:
        self._line = self._link = None
        self._synchronised = False
        self._tell()

    def step(self) -> None:
        assert self._line is not None
        assert self._link is not None
        wait_s = self.work()
        if wait_s > 0:
            self._line.read(wait_s)  # a wake-up ends it

    def work(self) -> float:
        """Do what is due; the seconds until something is, at most 1. A wake-up may make it earlier."""
        assert self._link is not None
        self._tell()  # and so learn what is wanted now
        now = self._clock()
        if not self._synchronised:
            if now < self._retry_at:
                return self._retry_at - now
            if not self._synchronise(self._link):
                self._retry_at = self._clock() + _RETRY_S
        elif not self._pursue(self._link, now):
            if now < self._next_poll_at(now):
                return min(self._next_poll_at(now) - now, 1.0)
            self._poll(self._link, now)
        self._tell()
        return 0.0

    def farewell(self) -> None:
        """With energy permitted the board stays as it is; else it is left at 0 A and disabled."""
        self._tell()
        if self._link and self._synchronised and self._demand.mode is not Mode.ON:
            self._link.write(words.CONFIGURED_A, 0)
            self._set_disabled(self._link, True)

    # --- contact ------------------------------------------------------------------------------------------------------
    def _synchronise(self, link: RtuLink) -> bool:
        """Look first, then take the offer away; nothing here permits energy."""
        if not self._read_status(link) or not self._read_settings(link):
            return False
        assert self._status is not None
        assert self._settings is not None
        off = self._demand.mode is not Mode.ON
        if off and not self._offer(link, 0):
            return False
        if self._settings.boot_a > words.LOWEST_BOOT_A:  # it would offer that to any car after a power cut
            self._write(link, words.BOOT_A, words.LOWEST_BOOT_A)
        if self._settings.flags & words.UNWANTED_FLAGS or (off and not self._status.relay_closed):
            self._set_disabled(link, off)
        self._synchronised = self._read_settings(link) and self._read_status(link)
        if self._synchronised:
            logger.info("board in contact: %s", self.description)
        return self._synchronised

    def _read_status(self, link: RtuLink) -> bool:
        registers = link.read(rtu.READ_HOLDING, words.STATUS_ADDRESS, words.STATUS_COUNT)
        now = self._clock()
        self._due_at = now + POLL_S
        status = words.parse_status(registers) if registers else None
        if status is None:
            if link.refusal:
                self._problem = words.TOO_OLD
            elif registers:
                self._problem = Sentence("the board's status makes no sense: is this the address of another device?")
            self._counters.error = self._problem or self._counters.error
            return False
        self._problem = NOTHING
        self._contact_at = self._status_at = now
        if status != self._status:
            self._changed_at = now
        self._status = status
        self._follow_detector_test(status)
        return True

    def _follow_detector_test(self, status: Status) -> None:
        """A failed test stays a fault until one passes, whatever the board forgets meanwhile."""
        if status.testing_rcd:
            self._detector_test = DetectorTest.RUNNING
        elif self._detector_test is DetectorTest.RUNNING:
            self._detector_test = DetectorTest.FAILED if status.rcd_error else DetectorTest.PASSED

    def _read_settings(self, link: RtuLink) -> bool:
        assert self._status is not None
        registers = link.read(rtu.READ_HOLDING, words.SETTINGS_ADDRESS, words.SETTINGS_COUNT)
        settings = words.parse_settings(registers, self._status.firmware) if registers else None
        self._settings_due_at = self._clock() + SETTINGS_POLL_S
        if settings is None:
            return False
        self._settings = settings
        return True

    # --- bringing the board to the demand -----------------------------------------------------------------------------
    def _pursue(self, link: RtuLink, now: float) -> bool:
        """Write the next register that brings the board closer to the demand; False when there is none to write now."""
        status, settings = self._status, self._settings
        assert status is not None
        assert settings is not None
        self._notice_restart(status, settings)
        if status.standby and not settings.disabled:
            self._settings_due_at = now  # somebody else disabled it
        if self._demand.mode is Mode.ON:
            if settings.disabled:
                return self._may_write(words.FLAGS, now) and self._set_disabled(link, False)
            wanted = self._demand.limit_a * settings.per_ampere
            return (
                status.configured != wanted and self._may_write(words.CONFIGURED_A, now) and self._offer(link, wanted)
            )
        if status.configured != 0 and self._may_write(words.CONFIGURED_A, now):
            return self._offer(link, 0)
        cut, off_for_s = self._demand.mode is Mode.CUT, now - self._off_since
        if status.relay_closed and (cut or off_for_s >= TURN_OFF_AFTER_S) and self._may_write(words.COMMANDS, now):
            return self._write(link, words.COMMANDS, words.TURN_OFF_NOW)
        if status.rcd_error and status.ev_connected is False and self._may_write(words.COMMANDS, now):
            self._write(link, words.COMMANDS, words.CLEAR_RCD_ERROR)
            self._not_before[words.COMMANDS] = now + CLEAR_RCD_AFTER_S
            return True
        can_test = settings.has_detector and not status.relay_closed and not status.testing_rcd
        if self._test_wanted and can_test and self._may_write(words.COMMANDS, now):
            self._test_wanted = not link.write(words.COMMANDS, words.TEST_RCD)
            self._not_before[words.COMMANDS] = now + REPEAT_S
            return self._read_status(link)
        lasting = cut or (off_for_s >= DISABLE_AFTER_S and not status.relay_closed)
        return (
            lasting and not settings.disabled and self._may_write(words.FLAGS, now) and self._set_disabled(link, True)
        )

    def _notice_restart(self, status: Status, settings: Settings) -> None:
        """Register 1000 holds the value of after a restart, and we wrote another: the board was without power."""
        if self._told is None or status.configured == self._told or status.configured != settings.boot_configured:
            return
        logger.warning("the board has restarted")
        self._told = None
        self._on_reboot()

    def _may_write(self, register: int, now: float) -> bool:
        return now >= self._not_before.get(register, now)

    def _write(self, link: RtuLink, register: int, value: int) -> bool:
        """Write, and look at once what became of it."""
        written = link.write(register, value)
        now = self._clock()
        self._not_before[register] = now + (REPEAT_S if written else _RETRY_S)
        self._changed_at = now
        self._read_status(link)
        return True

    def _offer(self, link: RtuLink, value: int) -> bool:
        """Register 1000; True when it holds the value now."""
        self._write(link, words.CONFIGURED_A, value)
        confirmed = self._status is not None and self._status.configured == value
        self._told = value if confirmed else None
        return confirmed

    def _set_disabled(self, link: RtuLink, disabled: bool) -> bool:
        """Read, modify, write only what differs (an EEPROM cell), and read what became of it."""
        if not self._read_settings(link) or self._settings is None:
            return False
        flags = self._settings.wanted_flags(disabled)
        if flags != self._settings.flags:
            self._write(link, words.FLAGS, flags)
            self._read_settings(link)
        return True

    # --- polling and telling ------------------------------------------------------------------------------------------
    def _next_poll_at(self, now: float) -> float:
        opening = self._status is not None and self._status.relay_closed and self._demand.mode is not Mode.ON
        if opening or now - self._changed_at < TRANSITION_S:
            return min(self._due_at, self._status_at + TRANSITION_POLL_S)
        return min(self._due_at, self._settings_due_at)

    def _poll(self, link: RtuLink, now: float) -> None:
        if now >= self._settings_due_at:
            self._read_settings(link)
        self._read_status(link)

    def _tell(self) -> None:
        """Report the state and learn the demand."""
        now = self._clock()
        silent = now - self._contact_at >= COMM_LOST_AFTER_S
        if silent != self._is_lost:
            logger.log(logging.ERROR if silent else logging.INFO, "the board is %s", "silent" if silent else "back")
        self._is_lost = silent
        if silent:
            self._synchronised = False
        before = self._demand
        self._demand = self._supervise(self._state())
        if self._demand != before:
            self._not_before.clear()
            self._changed_at = now
        if before.mode is Mode.ON and self._demand.mode is not Mode.ON:
            self._off_since = now

    def _state(self) -> BoardState:
        status, settings = self._status, self._settings
        if status is None or settings is None or self._is_lost:
            reason = self._problem or self._counters.error or Sentence("no answer")
            return BoardState(
                at=self._status_at,
                cp="?",
                ev_connected=None,
                relay_closed=status is not None and status.relay_closed,
                enabled=False,
                limit_a=0.0,
                max_a=0.0,
                faults=(Fault(FaultCode.BOARD_COMM, True, reason),) if self._is_lost else (),
            )
        on_pilot = status.on_pilot if status.offers else 0
        return BoardState(
            at=self._status_at,
            cp=status.cp,
            ev_connected=status.ev_connected,
            relay_closed=status.relay_closed,
            enabled=status.configured > 0 and not settings.disabled and not status.faults and not self._failed_test,
            limit_a=max(status.configured, on_pilot) / settings.per_ampere,
            max_a=float(words.HIGHEST_A),
            faults=(*status.faults, *self._failed_test),
            firmware=str(status.firmware),
            min_a=float(max(settings.minimum_a, words.LOWEST_BOOT_A)),
            synchronised=self._synchronised,
            boot_safe=False,  # a power cut while charging leaves it enabled
            detector_test=self._detector_test if settings.has_detector else DetectorTest.NONE,
        )

    @property
    def _failed_test(self) -> tuple[Fault, ...]:
        failed = self._detector_test is DetectorTest.FAILED
        return (Fault(FaultCode.GFCI_SELFTEST, True, Sentence("the leakage detector did not trip")),) if failed else ()
