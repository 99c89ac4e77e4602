"""When the hotspot is open, and which uplink is preferred: pure decisions on facts and a monotonic time in seconds."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from ocppclient.sentence import NOTHING, Sentence

#: The button on the page opens the hotspot for so long.
ORDERED_S = 15 * 60.0
#: Without any uplink for so long it opens by itself: a router that restarts is no reason.
FALLBACK_AFTER_S = 180.0
#: With an uplink for so long it closes again; guests get the time of an order to finish.
CLOSE_AFTER_S = 60.0
#: With one radio the hotspot stands in the way of the WiFi: without guests it makes way for a try.
RETRY_EVERY_S, RETRY_FOR_S = 300.0, 60.0
#: Probes in a row after which an uplink is down, and is trusted again.
DOWN_AFTER, UP_AFTER = 3, 3
#: Route metrics: the order of the uplinks in steps, and what a dead one gets on top (NetworkManager's start at 100).
_FIRST_METRIC, _STEP, _DEAD = 50, 10, 20_000
KINDS = ("ethernet", "wifi", "mobile")


@dataclass(frozen=True)
class Facts:
    """What the hotspot depends on; `shares_radio`: a WiFi is set up on the radio of the open hotspot."""

    setting_up: bool
    online: bool
    is_open: bool
    guests: bool
    shares_radio: bool


@dataclass
class HotspotPolicy:
    """Never both off: during set-up always, by order for 15 minutes, and whenever no uplink is left."""

    ordered_until: float = float("-inf")
    _online_since: float | None = None
    _offline_since: float | None = None
    _open_since: float | None = None
    _tries_until: float = float("-inf")

    def order(self, now: float) -> None:
        """A person wants it open."""
        self.ordered_until = now + ORDERED_S

    def withdraw(self) -> None:
        """A person wants it closed; during set-up and without an uplink it stays."""
        self.ordered_until = float("-inf")

    def wants(self, facts: Facts, now: float) -> str:
        """Why it is to be open now: "set-up", "order", "no network", "guests", or "" for closed."""
        self._observe(facts, now)
        if facts.setting_up:
            return "set-up"
        if now < self.ordered_until:
            return "order"
        if self._offline_since is not None:
            return self._fallback(facts, now, now - self._offline_since)
        if facts.is_open and self._online_since is not None:
            online_s = now - self._online_since
            if online_s < CLOSE_AFTER_S:
                return "no network"
            if facts.guests and online_s < ORDERED_S:
                return "guests"
        return ""

    def _fallback(self, facts: Facts, now: float, offline_s: float) -> str:
        if now < self._tries_until:
            return ""
        if not facts.is_open:
            return "no network" if offline_s >= FALLBACK_AFTER_S else ""
        open_s = now - (self._open_since if self._open_since is not None else now)
        if facts.shares_radio and not facts.guests and open_s >= RETRY_EVERY_S:
            self._tries_until = now + RETRY_FOR_S
            return ""
        return "no network"

    def _observe(self, facts: Facts, now: float) -> None:
        if facts.online:
            self._offline_since = None
            self._online_since = now if self._online_since is None else self._online_since
        else:
            self._online_since = None
            self._offline_since = now if self._offline_since is None else self._offline_since
        if facts.is_open:
            self._open_since = now if self._open_since is None else self._open_since
        else:
            self._open_since = None


@dataclass
class Health:
    """Of the uplinks, by interface: from probes to the backend's host. Unknown counts as healthy."""

    _failed: dict[str, int] = field(default_factory=dict)
    _passed: dict[str, int] = field(default_factory=dict)
    _down: set[str] = field(default_factory=set)

    def probed(self, interface: str, reached: bool) -> None:
        """One probe; a single one decides nothing, or the uplinks would flap."""
        self._failed[interface] = 0 if reached else self._failed.get(interface, 0) + 1
        self._passed[interface] = self._passed.get(interface, 0) + 1 if reached else 0
        if self._failed[interface] >= DOWN_AFTER:
            self._down.add(interface)
        elif self._passed[interface] >= UP_AFTER:
            self._down.discard(interface)

    def is_up(self, interface: str) -> bool:
        """As far as is known."""
        return interface not in self._down

    def word(self, interface: str) -> Sentence:
        """ "reaches the backend", "does not reach the backend" or "" when nothing was tried."""
        if interface in self._down:
            return Sentence("does not reach the backend")
        return Sentence("reaches the backend") if self._passed.get(interface) else NOTHING


def metrics(order: Sequence[str], uplinks: Iterable[tuple[str, str]], health: Health) -> dict[str, int]:
    """Interface → route metric: the order that people chose, and behind all of it what is down.

    When everything is down nothing is: then the backend is, and changing the way helps nobody.

    Args:
        order: kinds, the most wanted first.
        uplinks: (interface, kind) of what is connected.
    """
    ranked = sorted(uplinks, key=lambda uplink: (order.index(uplink[1]) if uplink[1] in order else len(order), uplink))
    nobody = not any(health.is_up(interface) for interface, _ in ranked)
    return {
        interface: _FIRST_METRIC + _STEP * place + (0 if nobody or health.is_up(interface) else _DEAD)
        for place, (interface, _) in enumerate(ranked)
    }
