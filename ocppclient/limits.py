"""The effective current limit and the Setpoint that carries it to the hardware."""

from __future__ import annotations

from ocppclient.events import Action, Setpoint
from ocppclient.facts import MINIMUM_CURRENT_A, Facts
from ocppclient.settings import Electrical
from ocppclient.transactions import Transactions


class Limits:
    """The smallest of all limits; a Setpoint goes out whenever it, or the permission, changes.

    Attributes:
        limit_a: what may be offered to a car now, ampere per phase.
        sentence: the limit and its reason, for people.
    """

    def __init__(self, facts: Facts, transactions: Transactions, electrical: Electrical, actions: list[Action]) -> None:
        self._facts = facts
        self._transactions = transactions
        self._electrical = electrical
        self._actions = actions
        self._last: Setpoint | None = None
        self.limit_a = electrical.max_current_a
        self.sentence = ""

    def update(self) -> None:
        """Recompute, and tell the hardware when something changed."""
        installer_a, hardware_a = self._electrical.max_current_a, self._facts.reading.limit_a
        if 0 < hardware_a < installer_a:
            self.limit_a, reason = hardware_a, "what the hardware allows"
        else:
            self.limit_a, reason = installer_a, "the installer's limit"
        self.sentence = f"{self.limit_a:.1f} A, {reason}"
        offered_a = self.limit_a if self.limit_a >= MINIMUM_CURRENT_A else 0.0
        setpoint = Setpoint(offered_a, self._transactions.energy_authorised)
        if setpoint != self._last:
            self._last = setpoint
            self._actions.append(setpoint)
