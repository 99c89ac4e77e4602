"""Energy outside sessions: none should flow, and what did is told (promise P7).

A board without boot lock charges a plugged car until the station is up (hardware.md section 2.6).
"""

from __future__ import annotations

from ocppclient.events import Action, Explain
from ocppclient.facts import Facts
from ocppclient.sentence import Sentence
from ocppclient.store import Store

#: More than two steps of a coarse meter is no rounding.
WORTH_TELLING_WH = 20
_NAME = "energy.accounted_wh"  # the register up to which everything is known; none while a session runs


class IdleEnergy:
    """Compares the register with the end of the last session, over restarts too."""

    def __init__(self, store: Store, facts: Facts, actions: list[Action]) -> None:
        self._store = store
        self._facts = facts
        self._actions = actions

    def update(self) -> None:
        """Look at the register while no transaction is open; a session accounts for what flowed in it."""
        if self._store.open_transaction() is not None:
            self._store.set_value(_NAME, None)
            return
        register_wh = self._facts.energy_wh
        if register_wh is None:
            return
        stored = self._store.value(_NAME)
        moved_wh = 0 if stored is None else register_wh - int(stored)
        if moved_wh > WORTH_TELLING_WH:
            rule = Sentence(
                "{moved_wh} Wh flowed outside a session, perhaps while the station was off.", moved_wh=moved_wh
            )
            self._actions.append(
                Explain(Sentence("energy"), Sentence("not in a session"), rule, f"{stored} to {register_wh} Wh", "P7")
            )
        elif stored is not None and moved_wh >= 0:
            return
        self._store.set_value(_NAME, str(register_wh))
