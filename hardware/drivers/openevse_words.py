"""The words of an OpenEVSE controller: state codes, flags, faults, temperatures (hardware.md, section 2.4)."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.interfaces import Fault, FaultCode
from hardware.sentence import NOTHING, Sentence, listed

STARTING, STATE_A, STATE_B, STATE_C = 0x00, 0x01, 0x02, 0x03
FIRST_FAULT, LAST_FAULT = 0x04, 0x0E
SLEEPING, DISABLED = 0xFE, 0xFF

HARD_FAULT = 0x0002
AUTH_LOCKED = 0x0008
RELAY_CLOSED = 0x0040
EV_CONNECTED = 0x0100
BOOT_LOCKED = 0x4000

_PILOT_LETTERS = {0x01: "A", 0x02: "B", 0x03: "C", 0x04: "D"}
_FAULTS = {
    0x04: (FaultCode.VENT_REQUIRED, Sentence("the car asks for ventilation")),
    0x05: (FaultCode.DIODE, Sentence("diode check failed")),
    0x06: (FaultCode.GROUND_FAULT, Sentence("leakage current")),
    0x07: (FaultCode.NO_GROUND, Sentence("no protective earth")),
    0x08: (FaultCode.RELAY_STUCK, Sentence("contactor does not open")),
    0x09: (FaultCode.GFCI_SELFTEST, Sentence("self-test of the leakage detector failed")),
    0x0A: (FaultCode.OVER_TEMP, Sentence("too hot")),
    0x0B: (FaultCode.OVER_CURRENT, Sentence("too much current")),
    0x0E: (FaultCode.RELAY_NO_CLOSE, Sentence("contactor does not close")),
}
_SWITCHED_OFF_CHECKS = {
    0x0002: Sentence("diode"),
    0x0008: Sentence("earth"),
    0x0010: Sentence("stuck contactor"),
    0x0200: Sentence("leakage detector self-test"),
    0x0400: Sentence("temperature"),
}


@dataclass(frozen=True)
class Status:
    """The state words of `$GS` and `$AT`."""

    state: int
    pilot: int
    flags: int

    @property
    def is_fault(self) -> bool:
        """Only gets, `$SY` and `$FR` may be sent: anything else would mask the fault."""
        return FIRST_FAULT <= self.state <= LAST_FAULT

    @property
    def relay_closed(self) -> bool:
        return bool(self.flags & RELAY_CLOSED)

    @property
    def ev_connected(self) -> bool | None:
        """None while starting, disabled or after a failed power-on self-test: the board does not look then."""
        if self.state in (STARTING, DISABLED) or (self.state > LAST_FAULT and self.state != SLEEPING):
            return None
        if self.is_fault and self.pilot == STARTING:
            return None
        return bool(self.flags & EV_CONNECTED)

    @property
    def is_boot_locked(self) -> bool:
        """It waits for `$SB`. In a fault it may not be unlocked, and there is nothing to wait for."""
        return bool(self.flags & BOOT_LOCKED) and not self.is_fault

    @property
    def enabled(self) -> bool:
        return self.state in (STATE_A, STATE_B, STATE_C) and not self.flags & (AUTH_LOCKED | BOOT_LOCKED)

    @property
    def cp(self) -> str:
        """Control pilot letter. Asleep the board's own pilot word is stale; the connection flag is not."""
        if self.state == SLEEPING:
            return "B" if self.ev_connected else "A"
        if self.state == DISABLED:
            return "F"
        if self.is_fault:
            return "D" if self.state == 0x04 else _PILOT_LETTERS.get(self.pilot, "?")
        return _PILOT_LETTERS.get(self.state, "?")

    @property
    def fault(self) -> Fault | None:
        if not self.is_fault:
            return None
        code, info = _FAULTS.get(
            self.state, (FaultCode.PILOT_FAULT, Sentence("board state {state:02x}", state=self.state))
        )
        final = bool(self.flags & HARD_FAULT)
        return Fault(code, True, Sentence("{info} (latched)", info=info) if final else info, final)


def parse_status(params: tuple[str, ...]) -> Status | None:
    """`$GS` answer: state, elapsed seconds, pilot state, flags."""
    if len(params) != 4:
        return None
    return _status(params[0], params[2], params[3])


def parse_state_message(params: tuple[str, ...]) -> tuple[Status, int] | None:
    """`$AT` message: state, pilot state, ampere, flags -> status and ampere."""
    if len(params) != 4:
        return None
    status, amps = _status(params[0], params[1], params[3]), parse_int(params[2])
    return None if status is None or amps is None else (status, amps)


def parse_int(word: str) -> int | None:
    """A decimal number, possibly negative; None when it is none."""
    digits = word.removeprefix("-")
    return int(word) if digits.isascii() and digits.isdigit() and len(digits) <= 10 else None


def parse_ints(params: tuple[str, ...]) -> tuple[int, ...] | None:
    """All words as decimal numbers, or None."""
    numbers = tuple(parse_int(word) for word in params)
    return None if None in numbers else tuple(number for number in numbers if number is not None)


def parse_hex(word: str) -> int | None:
    """A hexadecimal number of at most four digits; None when it is none."""
    if not 1 <= len(word) <= 4 or not set(word) <= set("0123456789abcdefABCDEF"):
        return None
    return int(word, 16)


def hottest(params: tuple[str, ...]) -> float | None:
    """`$GP` answer, tenths of a degree, -2560 for an absent sensor -> the highest in °C."""
    tenths = parse_ints(params) or ()
    return max((value / 10 for value in tenths if -600 <= value <= 2000), default=None)


def missing_checks(flags: int) -> Sentence:
    """Safety checks switched off in the board's settings, in words; empty when all are on."""
    off = [name for bit, name in _SWITCHED_OFF_CHECKS.items() if flags & bit]
    return Sentence("safety checks switched off in the board: {checks}", checks=listed(off)) if off else NOTHING


def _status(state: str, pilot: str, flags: str) -> Status | None:
    numbers = [parse_hex(word) for word in (state, pilot, flags)]
    if None in numbers or len(state) != 2 or len(flags) != 4:
        return None
    first, second, third = (number for number in numbers if number is not None)
    return Status(first, second, third)
