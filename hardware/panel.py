"""What lamps and buzzer show at a moment (hardware.md, section 6), and the frames that carry it to the panel and back.

A frame is a line of text: `$out red=1 green=0 …*CRC` to the panel, `$in estop=0 …*CRC` from it; four hex digits of the
CRC-16 of Modbus over what is between `$` and `*`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from hardware.interfaces import CardSignal, Hold, Show
from hardware.modbus_rtu import crc16

OUTPUTS = ("red", "green", "blue", "buzzer", "enable")
INPUTS = ("estop", "tamper", "door", "button")
_MAX_FRAME_BYTES = 128

_OFF, _RED, _GREEN, _BLUE = (0, 0, 0), (1, 0, 0), (0, 1, 0), (0, 0, 1)
_CYAN, _YELLOW, _WHITE = (0, 1, 1), (1, 1, 0), (1, 1, 1)
Colour = tuple[int, int, int]

#: state -> colour, seconds of a period, share of it that the lamp is on (1: steady)
_LAMPS: dict[Show, tuple[Colour, float, float]] = {
    Show.STARTING: (_WHITE, 1.0, 0.5),
    Show.AVAILABLE: (_GREEN, 1.0, 1.0),
    Show.PREPARING: (_GREEN, 1.0, 0.5),
    Show.CHARGING: (_BLUE, 2.0, 0.8),  # breathes, as far as a lamp can that is on or off
    Show.PAUSED: (_BLUE, 2.0, 0.5),
    Show.FINISHED: (_CYAN, 1.0, 1.0),
    Show.RESERVED: (_YELLOW, 1.0, 1.0),
    Show.UNAVAILABLE: (_WHITE, 2.0, 0.1),  # dim
    Show.FAULTED: (_RED, 1.0, 1.0),
}
_WARNING_PERIOD_S, _WARNING_S = 3.0, 0.3
#: signal -> colour, seconds it lasts, seconds of its blinking (0: steady)
_SIGNALS: dict[CardSignal, tuple[Colour, float, float]] = {
    CardSignal.SEEN: (_WHITE, 0.3, 0.0),
    CardSignal.WAITING: (_BLUE, 15.0, 0.4),
    CardSignal.ACCEPTED: (_GREEN, 1.0, 0.0),
    CardSignal.REJECTED: (_RED, 1.2, 0.4),
}
_BEEPS = {CardSignal.ACCEPTED: 1, CardSignal.REJECTED: 3}
_BEEP_S, _BEEP_PERIOD_S = 0.1, 0.2
#: while the button is held: colour, seconds of its blinking, beeps when it begins
_HOLDS: dict[Hold, tuple[Colour, float, int]] = {
    Hold.SHORT: (_WHITE, 0.8, 1),
    Hold.LONG: (_YELLOW, 0.4, 2),
    Hold.VERY_LONG: (_RED, 0.2, 3),
}
_LATCH_S = 1e-6  # so that a period's beginning is inside of it in spite of rounding


@dataclass(frozen=True)
class Picture:
    """What the panel shall show; `signal_at` is when the card's signal began, `enable` the supply of the coil.

    `hold`: what the button would ask for if it were let go, since `hold_at`.
    """

    show: Show = Show.STARTING
    warning: bool = False
    alarm: bool = False
    signal: CardSignal | None = None
    signal_at: float = 0.0
    enable: bool = False
    hold: Hold | None = None
    hold_at: float = 0.0


def outputs(picture: Picture, now: float) -> dict[str, bool]:
    """Every output at `now`, monotonic seconds."""
    colour, buzzer = _held(picture, now) if picture.hold else _signal(picture, now)
    if colour is None:
        colour = _steady(picture, now)
    red, green, blue = (bool(lamp) for lamp in colour)
    return {"red": red, "green": green, "blue": blue, "buzzer": buzzer or picture.alarm, "enable": picture.enable}


def is_steady(picture: Picture, now: float) -> bool:
    """Nothing changes by itself."""
    has_signal = picture.signal is not None and now - picture.signal_at < _SIGNALS[picture.signal][1]
    return not (picture.hold or has_signal or picture.warning) and _LAMPS[picture.show][2] == 1.0


def _steady(picture: Picture, now: float) -> Colour:
    if picture.warning and picture.show is not Show.FAULTED and now % _WARNING_PERIOD_S < _WARNING_S:
        return _RED
    colour, period_s, share = _LAMPS[picture.show]
    return colour if now % period_s < share * period_s else _OFF


def _signal(picture: Picture, now: float) -> tuple[Colour | None, bool]:
    """The colour of a card's signal while it lasts, and whether the buzzer sounds."""
    if picture.signal is None:
        return None, False
    colour, lasts_s, blink_s = _SIGNALS[picture.signal]
    age_s = now - picture.signal_at + _LATCH_S
    if age_s >= lasts_s:
        return None, False
    buzzer = _beeps(_BEEPS.get(picture.signal, 0), age_s)
    return (colour if not blink_s or age_s % blink_s < blink_s / 2 else _OFF), buzzer


def _held(picture: Picture, now: float) -> tuple[Colour, bool]:
    """What letting go of the button would ask for."""
    assert picture.hold is not None
    colour, blink_s, beeps = _HOLDS[picture.hold]
    age_s = now - picture.hold_at + _LATCH_S
    return colour if age_s % blink_s < blink_s / 2 else _OFF, _beeps(beeps, age_s)


def _beeps(count: int, age_s: float) -> bool:
    return age_s < count * _BEEP_PERIOD_S and age_s % _BEEP_PERIOD_S < _BEEP_S


def encode(kind: str, values: Mapping[str, bool]) -> bytes:
    """A frame: kind "out" or "in" with a bit a name."""
    body = " ".join([kind, *(f"{name}={int(value)}" for name, value in values.items())])
    return f"${body}*{crc16(body.encode()):04X}\n".encode()


class Decoder:
    """Bytes -> the bits of each whole frame of one kind. Anything else is skipped.

    Attributes:
        checksum_errors: frames of the right shape whose checksum was wrong.
    """

    def __init__(self, kind: str, names: tuple[str, ...]) -> None:
        self.checksum_errors = 0
        self._kind = kind
        self._names = names
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[dict[str, bool]]:
        """The frames that `data` completes, in order."""
        found = []
        for byte in data:
            if byte == ord("$"):
                self._buffer.clear()
            self._buffer.append(byte)
            if byte == ord("\n"):
                values = self._parse(bytes(self._buffer))
                self._buffer.clear()
                if values is not None:
                    found.append(values)
            del self._buffer[:-_MAX_FRAME_BYTES]
        return found

    def _parse(self, line: bytes) -> dict[str, bool] | None:
        body, star, check = line.strip().removeprefix(b"$").partition(b"*")
        words = body.split(b" ")
        if not line.startswith(b"$") or not star or words[0] != self._kind.encode():
            return None
        if check != f"{crc16(body):04X}".encode():
            self.checksum_errors += 1
            return None
        values = {}
        for word in words[1:]:
            name, _, bit = word.decode("latin-1").partition("=")
            if name not in self._names or bit not in ("0", "1"):
                return None
            values[name] = bit == "1"
        return values
