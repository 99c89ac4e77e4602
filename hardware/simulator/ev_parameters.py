"""What kind of car is at the cable: the parameters of the EV model and their ranges (hardware.md, section 10.2)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace


@dataclass(frozen=True)
class EvParameters:
    """One car and its habits. Currents are per phase; delays are in world seconds.

    Attributes:
        capacity_kwh, efficiency: the battery and how much of the energy drawn arrives in it.
        current_a: the most its on-board charger draws.
        undershoot_a: how far below the pilot's offer it stays.
        idle_a: what it draws while asking for energy without charging.
        power_factor: above 8 A; 0.95 at less.
        s2_delay_s: from the offer on the pilot to asking for energy.
        ready_after_s: the same for the first offer after plugging in; negative means as `s2_delay_s`.
        react_delay_s: from a new offer to following it.
        ramp_up_a_per_s, ramp_down_a_per_s: how fast the current changes.
        phases: how many it can use.
        drain_w: what the car takes from its battery for itself; below 97 % a full car wakes and tops up.
        paused: does not ask for energy (an off-peak timer).
        simplified: asks for energy without waiting for the pilot (an old car).
        ignore_pwm_off: goes on drawing when the offer ends; the station must open under load.
        sleep_no_wake: after a pause of 2 s asks no more until unplugged or woken by 3 s of pilot state F.
        ventilate: asks for ventilation (state D). diode_short: its pilot diode is shorted.
        overdraw_a: draws that much more than it should.
        weird_limit_a: draws nothing when offered less than this.
        cp_bounce: the plug contact opens that many times for a moment when plugged in.
    """

    capacity_kwh: float = 60.0
    efficiency: float = 0.90
    current_a: float = 32.0
    undershoot_a: float = 0.4
    idle_a: float = 0.05
    power_factor: float = 0.99
    s2_delay_s: float = 1.2
    ready_after_s: float = -1.0
    react_delay_s: float = 1.0
    ramp_up_a_per_s: float = 4.0
    ramp_down_a_per_s: float = 20.0
    phases: int = 3
    drain_w: float = 0.0
    paused: bool = False
    simplified: bool = False
    ignore_pwm_off: bool = False
    sleep_no_wake: bool = False
    ventilate: bool = False
    diode_short: bool = False
    overdraw_a: float = 0.0
    weird_limit_a: float = 0.0
    cp_bounce: int = 0

    def changed(self, changes: Mapping[str, object]) -> EvParameters:
        """These parameters with some replaced, under their names or the aliases of the control protocol.

        Raises ValueError with a sentence that names the cure.
        """
        values: dict[str, object] = {}
        for given, value in changes.items():
            name = _ALIASES.get(given, given)
            if name not in _RANGES and name not in _SWITCHES:
                known = ", ".join(sorted([*_RANGES, *_SWITCHES, "soc"]))
                raise ValueError(f"The car has no parameter {given!r}. Use one of: {known}.")
            values[name] = _switch(given, value) if name in _SWITCHES else _number(given, value, *_RANGES[name])
            if isinstance(getattr(self, name), int) and name not in _SWITCHES:
                values[name] = round(_number(given, value, *_RANGES[name]))
        return replace(self, **values)  # type: ignore[arg-type]

    def differences(self) -> dict[str, float | int | bool]:
        """The parameters that are not at their default, for the non-volatile memory."""
        return {
            field.name: getattr(self, field.name)
            for field in fields(self)
            if getattr(self, field.name) != field.default
        }


_ALIASES = {"obc_max_a": "current_a", "max_current_a": "current_a", "capacity": "capacity_kwh", "pf": "power_factor"}
_SWITCHES = frozenset({"paused", "simplified", "ignore_pwm_off", "sleep_no_wake", "ventilate", "diode_short"})
_RANGES: dict[str, tuple[float, float]] = {
    "capacity_kwh": (0.001, 10_000),
    "efficiency": (0.01, 1),
    "current_a": (0, 100),
    "undershoot_a": (-10, 100),
    "idle_a": (0, 10),
    "power_factor": (0.1, 1),
    "s2_delay_s": (0, 86_400),
    "ready_after_s": (-1, 864_000),
    "react_delay_s": (0, 3_600),
    "ramp_up_a_per_s": (0.01, 10_000),
    "ramp_down_a_per_s": (0.01, 10_000),
    "phases": (1, 3),
    "drain_w": (0, 100_000),
    "overdraw_a": (0, 200),
    "weird_limit_a": (0, 100),
    "cp_bounce": (0, 1_000),
}


def state_of_charge(value: object) -> float:
    """A checked `soc` in percent, 0..100. Raises ValueError with a sentence that names the cure."""
    return _number("soc", value, 0, 100)


def _number(name: str, value: object, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise ValueError(f"{name!r} must be a number from {low:g} to {high:g}, not {value!r}.")
    return float(value)


def _switch(name: str, value: object) -> bool:
    if not isinstance(value, bool):
        raise ValueError(f"{name!r} must be true or false, not {value!r}.")
    return value
