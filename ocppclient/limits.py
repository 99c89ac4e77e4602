"""The effective current limit with its reason, and the Setpoint that carries it to the hardware (OCPP 1.6, 3.13.4)."""

from __future__ import annotations

from ocppclient.charging_hours import ChargingHours
from ocppclient.clock import Clock, spoken_utc
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Explain, Setpoint
from ocppclient.facts import MINIMUM_CURRENT_A, Facts
from ocppclient.randomised_delay import RandomisedDelay
from ocppclient.sentence import NOTHING, Sentence
from ocppclient.settings import Electrical
from ocppclient.smart_charging import Allowed, SmartCharging
from ocppclient.transactions import Transactions


class Limits:
    """The smallest of all limits; a Setpoint goes out whenever it, or the permission, changes.

    Attributes:
        limit_a: the smallest limit now, ampere per phase; below 6 A nothing is offered.
        sentence: the limit and its reason, for people.
        waiting: a session waits for the off-peak hours or a random delay, which a person may end.
    """

    def __init__(
        self,
        clock: Clock,
        config: Configuration,
        facts: Facts,
        transactions: Transactions,
        smart_charging: SmartCharging,
        charging_hours: ChargingHours,
        randomised_delay: RandomisedDelay,
        electrical: Electrical,
        actions: list[Action],
    ) -> None:
        self._clock = clock
        self._config = config
        self._facts = facts
        self._transactions = transactions
        self._smart_charging = smart_charging
        self._charging_hours = charging_hours
        self._randomised_delay = randomised_delay
        self.electrical = electrical
        self._actions = actions
        self._last: Setpoint | None = None
        self._silent = False
        self.limit_a = electrical.max_current_a
        self.sentence = NOTHING
        self.waiting = False

    def update(self) -> None:
        """Recompute, and tell the hardware when something changed."""
        limit_a = self.electrical.max_current_a
        candidates = [(limit_a, Sentence("{limit_a:.1f} A, the installer's limit", limit_a=limit_a))]
        if (limit_a := self._facts.reading.limit_a) > 0:
            candidates.append((limit_a, Sentence("{limit_a:.1f} A, what the hardware allows", limit_a=limit_a)))
        if (allowed := self._smart_charging.allowed()) is not None:
            candidates.append((allowed.limit_a, self._by_profile(allowed)))
        if self._control_lost():
            limit_a = float(self._config.loss_of_control_current)
            reason = Sentence(
                "{limit_a:.1f} A, because the operator's backend has been silent for more than {silent_s} s",
                limit_a=limit_a,
                silent_s=self._config.loss_of_control_time_out,
            )
            candidates.append((limit_a, reason))
        authorised = self._transactions.energy_authorised
        off_peak = None
        if authorised and (until := self._charging_hours.wait_until()) is not None:
            candidates.append((0.0, off_peak := self._charging_hours.sentence(until)))
        self.limit_a, self.sentence = min(candidates, key=lambda candidate: candidate[0])
        self.waiting = self.sentence is off_peak
        if 0 < self.limit_a < MINIMUM_CURRENT_A:
            self.sentence = Sentence("{limit} (no car can charge with less than 6 A)", limit=self.sentence)
        offered_a = self.limit_a if self.limit_a >= MINIMUM_CURRENT_A else 0.0
        let_a = self._randomised_delay.let_through(offered_a if authorised else 0.0)
        if authorised and let_a < offered_a:
            self.limit_a, self.sentence = let_a, self._randomised_delay.sentence
            self.waiting = True
            offered_a = let_a
        setpoint = Setpoint(offered_a, authorised)
        if setpoint != self._last:
            self._last = setpoint
            self._actions.append(setpoint)

    def _by_profile(self, allowed: Allowed) -> Sentence:
        limit_a, profile_id = allowed.limit_a, allowed.profile_id
        if allowed.until is None:
            return Sentence("{limit_a:.1f} A by operator profile {profile_id}", limit_a=limit_a, profile_id=profile_id)
        until = spoken_utc(allowed.until, self._clock.utc())
        return Sentence(
            "{limit_a:.1f} A by operator profile {profile_id} until {until}",
            limit_a=limit_a,
            profile_id=profile_id,
            until=until,
        )

    # -- loss of control (field problems, section 5 item 5)

    def _control_lost(self) -> bool:
        """The backend has been silent for longer than the installer or the operator lets the station go on alone."""
        time_out_s = self._config.loss_of_control_time_out
        silent = 0 < time_out_s <= self._clock.monotonic() - self._facts.heard_at
        if silent != self._silent:
            self._silent = silent
            rule = (
                Sentence("The backend has been silent for {time_out_s} s.", time_out_s=time_out_s)
                if silent
                else Sentence("The backend is heard again.")
            )
            verdict = Sentence("loss of control") if silent else Sentence("control regained")
            value = f"{self._config.loss_of_control_current} A" if silent else ""
            self._actions.append(Explain(Sentence("limit"), verdict, rule, value, "SC-27"))
        return silent

    @property
    def ping_interval_s(self) -> int:
        """WebSocketPingInterval, or shorter: a healthy line has to show three signs of life before control is lost."""
        interval_s = self._config.web_socket_ping_interval
        if time_out_s := self._config.loss_of_control_time_out:
            shortest_s = max(time_out_s // 3, 1)
            return min(interval_s or shortest_s, shortest_s)
        return interval_s
