"""The faults that can be injected by name, their values and ranges (hardware.md, sections 9 and 10.3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class FaultKind:
    """One fault: what it does and, where it has one, its value with unit, default and range."""

    meaning: str
    unit: str = ""
    default: float = 0.0
    low: float = 0.0
    high: float = 0.0
    happens_once: bool = False


FAULTS: dict[str, FaultKind] = {
    "weld": FaultKind("the contactor's contacts stay closed until repaired"),
    "relay_open": FaultKind("the contactor never closes"),
    "ground_fault": FaultKind("current leaks to earth while the output is live", "mA", 30, 0, 10_000),
    "no_ground": FaultKind("the protective earth is missing"),
    "gfci_test_fail": FaultKind("the self-test of the ground-fault circuit fails"),
    "overtemp": FaultKind("the box is hot", "C", 72, -40, 200),
    "overvoltage": FaultKind("the mains voltage is too high; 0: 115 % of nominal", "V", 0, 0, 1000),
    "brownout": FaultKind("the mains voltage is too low; 0: 80 % of nominal", "V", 0, 0, 1000),
    "pilot_short": FaultKind("the control pilot is shorted to earth"),
    "diode_short": FaultKind("the car's pilot diode is shorted"),
    "vent": FaultKind("the car asks for ventilation (state D)"),
    "reset_fails": FaultKind("the board ignores the command to restart"),
    "overdraw": FaultKind("the car draws more than offered", "A", 8, 0, 200),
    "ignore_pwm_off": FaultKind("the car goes on drawing when the offer ends"),
    "meter_freeze": FaultKind("the meter's values and register stand still"),
    "meter_nan": FaultKind("the meter's values read NaN"),
    "meter_exception": FaultKind("the meter refuses every read", "Modbus exception code", 4, 1, 255),
    "meter_wrong_unit": FaultKind("the meter answers under another unit number"),
    "meter_reset": FaultKind("the register starts again", "Wh", 0, 0, 1e9, happens_once=True),
    "meter_jump": FaultKind("the register jumps ahead", "Wh", 100_000, 0, 1e9, happens_once=True),
    "estop": FaultKind("the emergency stop is pressed: it cuts the contactor's coil, and the panel tells"),
    "tamper": FaultKind("the housing is tampered with"),
    "door": FaultKind("the door of the housing is open"),
    "button": FaultKind("the button of the panel is held"),
    "two_cards": FaultKind("a second card, 04FACADE, lies on the reader with each swiped one"),
}
# the names of hardware.interfaces.FaultCode and of daily speech
_ALIASES = {
    "relay_stuck": "weld",
    "relay_weld": "weld",
    "relay_no_close": "relay_open",
    "gfci": "ground_fault",
    "gfci_selftest": "gfci_test_fail",
    "over_temp": "overtemp",
    "over_voltage": "overvoltage",
    "under_voltage": "brownout",
    "undervoltage": "brownout",
    "pilot_fault": "pilot_short",
    "diode": "diode_short",
    "vent_required": "vent",
    "ventilate": "vent",
    "over_current": "overdraw",
    "reset_failed": "reset_fails",
    "ev_ignores_pilot": "ignore_pwm_off",
}


def fault_named(name: object) -> str:
    """The name under which the fault is kept. Raises ValueError with a sentence that names the cure."""
    found = _ALIASES.get(name, name) if isinstance(name, str) else None
    if found not in FAULTS:
        raise ValueError(f"There is no fault {name!r}. Use one of: {', '.join(sorted(FAULTS))}.")
    return found


def fault_value(name: str, value: object) -> float:
    """The checked value of a fault, its default for None. Raises ValueError with a sentence that names the cure."""
    kind = FAULTS[name]
    if value is None:
        return kind.default
    if not kind.unit:
        raise ValueError(f"The fault {name!r} takes no value. Leave 'value' out.")
    if isinstance(value, bool) or not isinstance(value, int | float) or not kind.low <= value <= kind.high:
        raise ValueError(f"'value' of {name!r} must be a number from {kind.low:g} to {kind.high:g} ({kind.unit}).")
    return float(value)
