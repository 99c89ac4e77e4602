"""The car: when it asks for energy, what it draws, how its battery fills (hardware.md, section 10.2)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from hardware.simulator.ev_parameters import EvParameters, state_of_charge
from hardware.simulator.pilot import Pilot, PilotMode

DEFAULT_SOC_PERCENT = 40.0
_STOP_AFTER_OFFER_ENDS_S = 0.2
_S2_OPENS_BELOW_A = 1.0
_TAPER_FROM_SOC = 95.0
_WAKE_BELOW_SOC = 97.0
_ASLEEP_AFTER_PAUSE_S = 2.0
_WOKEN_BY_STATE_F_S = 3.0
_LOW_CURRENT_A = 8.0  # below it the charger's power factor is worse
_LOW_CURRENT_POWER_FACTOR = 0.95


class ElectricVehicle:
    """A car that may be plugged in. All times are world seconds.

    Attributes:
        plugged: the cable is in its inlet.
        s2_closed: it asks for energy (pilot state C, or D with ventilation).
        current_a: what it draws now on each of its phases.
        soc_percent: state of charge, 0..100.
    """

    def __init__(self) -> None:
        self.parameters = EvParameters()
        self.plugged = False
        self.s2_closed = False
        self.current_a = 0.0
        self.soc_percent = DEFAULT_SOC_PERCENT
        self._full = False
        self._reset_session()

    def _reset_session(self) -> None:
        self.s2_closed = False
        self.current_a = 0.0
        self._asleep = False
        self._had_offer = False
        self._asked_once = False
        self._offer_s = 0.0  # how long the offer has lasted
        self._no_offer_s = 0.0
        self._plugged_s = 0.0
        self._state_f_s = 0.0
        self._followed_a = 0.0
        self._unfollowed_s = 0.0
        self._bounce_steps = 0

    def plug(self, changes: Mapping[str, object], *, keep: EvParameters | None = None) -> None:
        """Plug in a new car: defaults (or `keep`) with `changes`, which may hold `soc` in percent.

        With the car plugged in already only the changes are applied to it. Raises ValueError for a bad change.
        """
        if self.plugged:
            self.change(changes)
            return
        fresh, soc = _parsed(keep or EvParameters(), changes)
        self.parameters = fresh
        self.plugged = True
        self._reset_session()
        self._bounce_steps = 3 * fresh.cp_bounce
        self._set_soc(DEFAULT_SOC_PERCENT if soc is None else soc)

    def unplug(self) -> None:
        """Pull the plug out, also under load."""
        self.plugged = False
        self._reset_session()

    def change(self, changes: Mapping[str, object]) -> None:
        """Change parameters of the car and `soc`. Raises ValueError, then nothing has changed."""
        self.parameters, soc = _parsed(self.parameters, changes)
        if soc is not None:
            self._set_soc(soc)
        if "ready_after_s" in changes:
            self._asked_once = False
            self._offer_s = 0.0
        if "cp_bounce" in changes and self.plugged:
            self._bounce_steps = 3 * self.parameters.cp_bounce

    def _set_soc(self, percent: float) -> None:
        self.soc_percent = percent
        self._full = percent >= 100.0

    @property
    def pilot_load(self) -> str:
        """The J1772 state that the car makes of the pilot: A, B, C or D."""
        if not self.plugged or self._bounce_steps % 3 == 1:
            return "A"
        if not self.s2_closed:
            return "B"
        return "D" if self.parameters.ventilate else "C"

    @property
    def is_moving(self) -> bool:
        """Something of the car is about to change within a second: the simulation must tick finely."""
        return self.plugged and (self._bounce_steps > 0 or self._unfollowed_s > 0 or self._wants_s2 != self.s2_closed)

    @property
    def power_factor(self) -> float:
        """Of the current it draws now."""
        return self.parameters.power_factor if self.current_a >= _LOW_CURRENT_A else _LOW_CURRENT_POWER_FACTOR

    @property
    def _wants_energy(self) -> bool:
        return not (self.parameters.paused or self._full or self._asleep)

    @property
    def _wants_s2(self) -> bool:
        return self._wants_energy and (self._had_offer or self.parameters.simplified)

    def step(self, dt: float, pilot: Pilot, volts: Sequence[float]) -> None:
        """Let `dt` seconds pass. `volts` are the phases behind the contactor, empty while it is open."""
        if not self.plugged:
            return
        self._bounce_steps = max(0, self._bounce_steps - 1)
        self._watch_pilot(dt, pilot)
        self._decide_s2()
        self._draw(dt, bool(volts))
        self._fill(dt, volts)

    def _watch_pilot(self, dt: float, pilot: Pilot) -> None:
        self._plugged_s += dt
        self._state_f_s = self._state_f_s + dt if pilot.mode is PilotMode.FAULT else 0.0
        if self._state_f_s >= _WOKEN_BY_STATE_F_S:
            self._asleep = False
        offered_a = pilot.offered_a
        if offered_a > 0:
            self._offer_s += dt
            self._no_offer_s = 0.0
            self._had_offer = True
        else:
            self._offer_s = 0.0
            self._no_offer_s += dt
            if self._no_offer_s >= _ASLEEP_AFTER_PAUSE_S and self._had_offer:
                self._asleep = self.parameters.sleep_no_wake
                self._had_offer = False
        if offered_a == self._followed_a:
            self._unfollowed_s = 0.0
            return
        self._unfollowed_s += dt
        delay_s = self.parameters.react_delay_s if offered_a > 0 else _STOP_AFTER_OFFER_ENDS_S
        if self._unfollowed_s >= delay_s or not self.s2_closed:
            if not (self.parameters.ignore_pwm_off and offered_a <= 0 and self.s2_closed):
                self._followed_a = offered_a
            self._unfollowed_s = 0.0

    def _decide_s2(self) -> None:
        if not self.s2_closed:
            first = self.parameters.ready_after_s >= 0 and not self._asked_once
            delay_s = self.parameters.ready_after_s if first else self.parameters.s2_delay_s
            waited_s = self._plugged_s if self.parameters.simplified else self._offer_s
            offered = self._offer_s > 0 or self.parameters.simplified
            if self._wants_energy and offered and waited_s >= delay_s:
                self.s2_closed = True
                self._asked_once = True
            return
        offer_lost = self._followed_a <= 0 and self._no_offer_s >= _STOP_AFTER_OFFER_ENDS_S
        keeps_asking = self.parameters.simplified or not offer_lost
        if not (self._wants_energy and keeps_asking) and self.current_a < _S2_OPENS_BELOW_A:
            self.s2_closed = False

    def _draw(self, dt: float, energised: bool) -> None:
        if not energised or not self.s2_closed:
            self.current_a = 0.0
            return
        change_a = self._target_a() - self.current_a
        self.current_a += max(
            -self.parameters.ramp_down_a_per_s * dt, min(self.parameters.ramp_up_a_per_s * dt, change_a)
        )

    def _target_a(self) -> float:
        parameters = self.parameters
        if not self._wants_energy or self._followed_a <= 0:
            return 0.0
        if self._followed_a < parameters.weird_limit_a:
            return parameters.idle_a
        amps = min(self._followed_a - parameters.undershoot_a, parameters.current_a)
        if self.soc_percent > _TAPER_FROM_SOC:
            amps *= max(0.1, (100.0 - self.soc_percent) / (100.0 - _TAPER_FROM_SOC))
        return max(amps, parameters.idle_a) + parameters.overdraw_a

    def _fill(self, dt: float, volts: Sequence[float]) -> None:
        watts = sum(volts[: self.parameters.phases]) * self.current_a * self.power_factor
        gained_wh = (watts * self.parameters.efficiency - self.parameters.drain_w) * dt / 3600
        soc = self.soc_percent + gained_wh / (10.0 * self.parameters.capacity_kwh)
        self.soc_percent = min(100.0, max(0.0, soc))
        if self.soc_percent >= 100.0:
            self._full = True
        elif self.soc_percent < _WAKE_BELOW_SOC:
            self._full = False


def _parsed(parameters: EvParameters, changes: Mapping[str, object]) -> tuple[EvParameters, float | None]:
    soc = state_of_charge(changes["soc"]) if "soc" in changes else None
    return parameters.changed({name: value for name, value in changes.items() if name != "soc"}), soc
