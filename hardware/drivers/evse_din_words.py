"""Registers of the EVSE-DIN and EVSE-WB controllers and what they mean (hardware.md, section 3.1)."""

from __future__ import annotations

from dataclasses import dataclass

from hardware.interfaces import Fault, FaultCode
from hardware.sentence import NOTHING, Sentence

# RAM: what happens now
CONFIGURED_A, COMMANDS = 1000, 1004
STATUS_ADDRESS, STATUS_COUNT = 1000, 10
# EEPROM: written only when something changes
BOOT_A, FLAGS = 2000, 2005
SETTINGS_ADDRESS, SETTINGS_COUNT = 2000, 18

# register 1004
TURN_OFF_NOW, TEST_RCD, CLEAR_RCD_ERROR = 0x0001, 0x0002, 0x0004
# register 2005
RCD_FEEDBACK = 0x0010
ALLOW_VENTILATION, CENTIAMPERE, DISABLE_AFTER_CHARGE = 0x0008, 0x0080, 0x2000
DISABLED, BOOTLOADER = 0x4000, 0x8000
#: Never wanted by a station: it has no fan, it decides itself when a session ends, and bit 15 kills the firmware.
UNWANTED_FLAGS = ALLOW_VENTILATION | DISABLE_AFTER_CHARGE | BOOTLOADER

HIGHEST_A, LOWEST_BOOT_A = 80, 6
CENTIAMPERE_SINCE, RECOMMENDED, FAULTY_REVISION = 17, 17, 9

TOO_OLD = Sentence(
    "the firmware is too old: it does not tell whether the contactor is closed; "
    "revision {recommended} or later is needed",
    recommended=RECOMMENDED,
)

_RELAY, _DIODE, _VENTILATION, _RCD_TEST, _RCD_ERROR = 0x01, 0x02, 0x04, 0x10, 0x20  # register 1007
_VEHICLE_STATES = {1: "A", 2: "B", 3: "C", 4: "D", 5: "E"}
_STEADY, PWM, _STANDBY = 1, 2, 3


@dataclass(frozen=True)
class Status:
    """Registers 1000 to 1009. Amperes are as the registers have them: `Settings.amps` knows their unit."""

    configured: int
    on_pilot: int
    vehicle: int
    firmware: int
    evse: int
    bits: int

    @property
    def cp(self) -> str:
        """Control pilot letter; "E" for a failure that the board does not name, "F" for one that it does."""
        return "F" if self.vehicle == 5 and self.faults else _VEHICLE_STATES[self.vehicle]

    @property
    def ev_connected(self) -> bool | None:
        """None in a failure: the board cannot tell then."""
        return None if self.vehicle == 5 else self.vehicle != 1

    @property
    def relay_closed(self) -> bool:
        return bool(self.bits & _RELAY)

    @property
    def offers(self) -> bool:
        """The pilot carries PWM."""
        return self.evse == PWM

    @property
    def standby(self) -> bool:
        """Disabled: the pilot is steady, the board looks for a car, and offers nothing."""
        return self.evse == _STANDBY

    @property
    def rcd_error(self) -> bool:
        return bool(self.bits & _RCD_ERROR)

    @property
    def testing_rcd(self) -> bool:
        """The test of the leakage detector is going on; it takes about 30 s."""
        return bool(self.bits & _RCD_TEST)

    @property
    def faults(self) -> tuple[Fault, ...]:
        found = []
        if self.rcd_error:
            found.append(Fault(FaultCode.GROUND_FAULT, True, Sentence("leakage detector")))
        if self.bits & _DIODE:
            found.append(Fault(FaultCode.DIODE, True, Sentence("diode check failed")))
        if self.bits & _VENTILATION:
            found.append(Fault(FaultCode.VENT_REQUIRED, True, Sentence("the car asks for ventilation")))
        return tuple(found)


@dataclass(frozen=True)
class Settings:
    """Registers 2000 to 2017, as far as the station needs them; `firmware` tells the unit of amperes."""

    boot_a: int
    minimum_a: int
    flags: int
    firmware: int

    @property
    def per_ampere(self) -> int:
        """Register 1000 counts amperes, or hundredths when the settings say so (revision 17 and later)."""
        return 100 if self.firmware >= CENTIAMPERE_SINCE and self.flags & CENTIAMPERE else 1

    @property
    def boot_configured(self) -> int:
        """What register 1000 holds after a restart."""
        return self.boot_a * self.per_ampere

    @property
    def disabled(self) -> bool:
        """The board offers nothing, whatever register 1000 says; kept over a power cut."""
        return bool(self.flags & DISABLED)

    @property
    def has_detector(self) -> bool:
        """The leakage detector's feedback is connected."""
        return bool(self.flags & RCD_FEEDBACK)

    def wanted_flags(self, disabled: bool) -> int:
        """The same settings with the board enabled or disabled, and without what a station never wants."""
        flags = self.flags & ~UNWANTED_FLAGS & ~DISABLED
        return flags | DISABLED if disabled else flags


def parse_status(registers: tuple[int, ...]) -> Status | None:
    """None for values that no board has: nonsense is no status."""
    if len(registers) != STATUS_COUNT:
        return None
    configured, on_pilot, vehicle, _cable, _commands, firmware, evse, bits = registers[:8]
    if vehicle not in _VEHICLE_STATES or evse not in (_STEADY, PWM, _STANDBY) or bits & ~0x3F:
        return None
    highest = HIGHEST_A * 100
    if configured > highest or on_pilot > highest:
        return None
    return Status(configured, on_pilot, vehicle, firmware, evse, bits)


def parse_settings(registers: tuple[int, ...], firmware: int) -> Settings | None:
    """None for values that no board has."""
    if len(registers) != SETTINGS_COUNT or registers[2] > 13:
        return None
    return Settings(boot_a=registers[0], minimum_a=registers[2], flags=registers[5], firmware=firmware)


def warning(firmware: int) -> Sentence:
    """What is wrong with this revision of the firmware, in words."""
    if firmware == FAULTY_REVISION:
        return Sentence(
            "firmware revision {firmware} is faulty; have it updated to {recommended} or later",
            firmware=firmware,
            recommended=RECOMMENDED,
        )
    if firmware < RECOMMENDED:
        return Sentence(
            "firmware revision {firmware} is old; {recommended} or later is recommended",
            firmware=firmware,
            recommended=RECOMMENDED,
        )
    return NOTHING
