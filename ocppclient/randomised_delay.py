"""Power comes after a random delay, so that not all cars of a grid start together (UK SI 2021/1467, regulation 11).

It holds back what is offered to the car, never a message: the transaction has begun, the status is SuspendedEVSE.
"""

from __future__ import annotations

from random import Random

from ocppclient.boot import RESET_CAUSE
from ocppclient.clock import Clock
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Explain
from ocppclient.facts import Facts
from ocppclient.sentence import Sentence
from ocppclient.store import Store

CLAUSE = "SI 2021/1467 reg. 11"
#: In the store: this station has run before.
_HAS_RUN = "delay.has_run"


class RandomisedDelay:
    """Who wants to offer more than is offered now waits; less is offered at once: safety never waits (regulation 8).

    Memory only: a restart within a delay means another one.

    Args:
        chance: where the delays come from.
    """

    def __init__(
        self, store: Store, clock: Clock, config: Configuration, facts: Facts, chance: Random, actions: list[Action]
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._facts = facts
        self._chance = chance
        self._actions = actions
        self._level_a = 0.0  # what is let through
        self._began_at = 0.0
        self._drawn_s: int | None = None  # of the raise that waits; None: none waits
        self._skips = False
        # A restart that nobody ordered: the power was cut. transactions.py uses the mark up at the first reading.
        self._power_was_cut = store.value(RESET_CAUSE) is None and store.value(_HAS_RUN) is not None
        self._is_first_look = True
        self._returned_at = clock.monotonic()
        self._return_s: int | None = None  # the load that came back with the power waits so long; None: there is none

    def let_through(self, wanted_a: float) -> float:
        """What may be offered now of `wanted_a`, ampere per phase; 0 while no energy is authorised."""
        self._look_at_return()
        skips, self._skips = self._skips, False
        if wanted_a > self._level_a and not skips:
            if self._drawn_s is None:
                self._draw(wanted_a)
            if self.left_s > 0:
                return self._level_a
        if wanted_a > self._level_a:
            self._return_s = None  # its delay counts for the randomised one as well
        self._level_a, self._drawn_s = wanted_a, None
        return wanted_a

    def skip(self, by: str) -> None:
        """A person does not want to wait: the raise of this event, or the one that waits, acts at once."""
        self._skips = True
        if self.waits:
            rule = Sentence("{who} lets this session charge without a random delay.", who=by)
            self._actions.append(Explain(Sentence("limit"), Sentence("skipped"), rule, "", CLAUSE))

    @property
    def waits(self) -> bool:
        """A raise waits."""
        return self._drawn_s is not None

    @property
    def left_s(self) -> float:
        """How long the raise that waits will go on waiting, seconds; a shorter RandomisedDelay acts at once."""
        if self._drawn_s is None:
            return 0.0
        now = self._clock.monotonic()
        if self._return_s is not None:
            return self._returned_at + min(self._return_s, self._longest_return_s) - now
        return self._began_at + min(self._drawn_s, self._config.randomised_delay) - now

    @property
    def sentence(self) -> Sentence:
        """For people: how long it takes, and what for."""
        minutes, seconds = divmod(max(round(self.left_s), 0), 60)
        wait = (
            Sentence("{minutes} min {seconds} s", minutes=minutes, seconds=seconds)
            if minutes
            else Sentence("{seconds} s", seconds=seconds)
        )
        if self._level_a > 0:
            return Sentence("{limit_a:.1f} A, more in {wait} (spreading the load of the grid)",
                            limit_a=self._level_a, wait=wait)  # fmt: skip
        if self._return_s is not None:
            return Sentence("Power comes in {wait} (after a power cut, spreading the load of the grid).", wait=wait)
        return Sentence("Power comes in {wait} (spreading the load of the grid).", wait=wait)

    def _draw(self, wanted_a: float) -> None:
        """To the second, and anew each time."""
        self._began_at = self._clock.monotonic()
        self._drawn_s = self._chance.randint(0, max(self._config.randomised_delay, 0))  # the factory's is not checked
        if self.left_s <= 0:
            return
        rule = (
            Sentence("The power was cut: what comes back waits {seconds} s, by chance.", seconds=round(self.left_s))
            if self._return_s is not None
            else Sentence(
                "More power comes after {seconds} s, by chance: not all stations of a grid start together.",
                seconds=self._drawn_s,
            )
        )
        value = f"{self._level_a:g} A → {wanted_a:g} A"
        self._actions.append(Explain(Sentence("limit"), Sentence("delayed"), rule, value, CLAUSE))

    # -- the power came back

    @property
    def _longest_return_s(self) -> int:
        return self._config.power_return_delay_max

    @property
    def _is_back(self) -> bool:
        return self._clock.monotonic() - self._returned_at >= (self._return_s or 0)

    def _look_at_return(self) -> None:
        """A car that was plugged in when the power came back is what all stations start with at the same moment."""
        reading = self._facts.reading
        if not reading.ready:
            return
        if self._is_first_look:
            self._is_first_look = False
            self._store.set_value(_HAS_RUN, "1")
            if self._power_was_cut and reading.ev_connected and self._longest_return_s > 0:
                shortest_s = min(max(self._config.power_return_delay_min, 0), self._longest_return_s)
                self._return_s = self._chance.randint(shortest_s, self._longest_return_s)
        elif self._return_s is not None and (not reading.ev_connected or (self._drawn_s is None and self._is_back)):
            self._return_s = None
