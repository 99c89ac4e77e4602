"""What an OpenEVSE controller keeps without power, and the numbers of its protocol (hardware.md, sections 2.3, 2.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from enum import IntEnum

MIN_A = 6
LEVEL_1_MAX_A = 24
HARDWARE_MAX_A = 80
MAX_TRIPS = 0xFE


class State(IntEnum):
    """The EVSE state byte of `$GS` and `$AT`."""

    UNKNOWN = 0x00
    A = 0x01
    B = 0x02
    C = 0x03
    VENT_REQUIRED = 0x04
    DIODE = 0x05
    GFCI = 0x06
    NO_GROUND = 0x07
    STUCK_RELAY = 0x08
    GFI_TEST = 0x09
    OVER_TEMP = 0x0A
    OVER_CURRENT = 0x0B
    RELAY_CLOSURE = 0x0E
    SLEEPING = 0xFE
    DISABLED = 0xFF

    @property
    def is_fault(self) -> bool:
        """States 04..0E: the board refuses energy."""
        return State.VENT_REQUIRED <= self <= State.RELAY_CLOSURE


# vflags of `$GS` and `$AT`
HARD_FAULT = 0x0002
AUTH_LOCKED = 0x0008
NO_GROUND_TRIPPED = 0x0020
RELAY_CLOSED = 0x0040
GFI_TRIPPED = 0x0080
EV_CONNECTED = 0x0100
SESSION_ENDED = 0x0200
PREVIOUSLY_CONNECTED = 0x0400
BOOT_LOCKED = 0x4000
ANNOUNCED_FLAGS = 0x211A  # a change of these is worth an `$AT`; the relay flag alone is not

# ECF flags of `$GE`: a set bit switches a check off, except LEVEL_2
LEVEL_2 = 0x0001
NO_DIODE_CHECK = 0x0002
NO_VENT_CHECK = 0x0004
NO_GROUND_CHECK = 0x0008
NO_RELAY_CHECK = 0x0010
NO_AUTO_LEVEL = 0x0020
NO_GFI_TEST = 0x0200
NO_TEMP_CHECK = 0x0400
BUTTON_OFF = 0x8000
CHECK_LETTERS = {
    "B": BUTTON_OFF,
    "D": NO_DIODE_CHECK,
    "F": NO_GFI_TEST,
    "G": NO_GROUND_CHECK,
    "R": NO_RELAY_CHECK,
    "T": NO_TEMP_CHECK,
    "V": NO_VENT_CHECK,
}


@dataclass
class Eeprom:
    """The board's EEPROM; survives reboot and power cut. Changed in place; the board announces a change.

    Attributes:
        max_a: the commissioned limit (`$SC n`). hardware_max_a: the one-time limit (`$SC n M`), 0 while not burnt.
        heartbeat_s, heartbeat_a: `$SY i a`; 0 s switches supervision off.
        trips_gfi, trips_no_ground, trips_stuck: capped at 254.
        commissioned_a: what --max-current was when `max_a` was set by it.
    """

    max_a: int = 16
    hardware_max_a: int = 0
    flags: int = LEVEL_2 | NO_AUTO_LEVEL
    heartbeat_s: int = 0
    heartbeat_a: int = 0
    trips_gfi: int = 0
    trips_no_ground: int = 0
    trips_stuck: int = 0
    total_wh: float = 0.0
    ammeter_scale: int = 220
    ammeter_offset: int = 0
    serial: str = "W2ABC123456"
    commissioned_a: int = 0

    def to_dict(self) -> dict[str, int | float | str]:
        """For the non-volatile memory file."""
        return asdict(self)

    @classmethod
    def from_dict(cls, stored: Mapping[str, object]) -> Eeprom:
        """The stored EEPROM; fields of another type or name are ignored, their defaults hold."""
        eeprom = cls()
        for field in fields(cls):
            value = stored.get(field.name)
            default = getattr(eeprom, field.name)
            if isinstance(default, float) and isinstance(value, int | float) and not isinstance(value, bool):
                setattr(eeprom, field.name, float(value))
            elif type(value) is type(default):
                setattr(eeprom, field.name, value)
        return eeprom

    def commission(self, max_a: int) -> None:
        """Apply the site's maximum when it is not the one that was applied before."""
        if self.commissioned_a != max_a:
            self.commissioned_a = self.max_a = max_a

    @property
    def ceiling_a(self) -> int:
        """The most a `$SC n V` may ask for: commissioning, hardware and service level together."""
        ceiling = min(self.max_a, self.hardware_max_a or HARDWARE_MAX_A)
        return ceiling if self.flags & LEVEL_2 else min(ceiling, LEVEL_1_MAX_A)
