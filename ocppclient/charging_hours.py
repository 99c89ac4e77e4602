"""Charging hours: outside the peak hours that people set (UK SI 2021/1467, regulation 10); a limit of 0 A in them."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta, tzinfo
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ocppclient import peak_hours
from ocppclient.charging_profile import Profile
from ocppclient.clock import Clock
from ocppclient.composite_schedule import profile_of_peak_hours
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Explain
from ocppclient.sentence import Sentence
from ocppclient.store import Store
from ocppclient.transactions import Transactions

log = logging.getLogger(__name__)

CLAUSE = "SI 2021/1467 reg. 10"
#: A composite schedule looks no further ahead.
_FORECAST_S = 366 * 86_400
#: uid of the session that charges in peak hours, because a person said so.
OVERRIDDEN = "hours.overridden"


class ChargingHours:
    """Peak hours pause a session, unless a person wants this one now.

    They do not count before somebody has confirmed the clock: charging at a costly time is better than not at all.

    Attributes:
        time_zone: whose hours they are, an IANA name; one that this computer does not know is UTC.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Configuration,
        transactions: Transactions,
        time_zone: str,
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._transactions = transactions
        self.time_zone = time_zone
        self._actions = actions
        self._known: tuple[tuple[str, ...], str] | None = None  # what `_spans` was made for
        self._zone: tzinfo = UTC
        self._spans: list[tuple[datetime, datetime]] = []
        self._spans_hold = (datetime.max.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC))
        self._told = ""  # uid of the session whose waiting was explained

    def wait_until(self) -> datetime | None:
        """When the peak hours of this moment end, UTC; None: charging is allowed."""
        if not self._config.peak_hours or not self._clock.confirmed:
            return None
        return None if self._is_overridden else self._peak_ends()

    @property
    def _is_overridden(self) -> bool:
        running = self._transactions.running
        return running is not None and self._store.value(OVERRIDDEN) == running.uid

    def as_profile(self, duration_s: int) -> Profile | None:
        """The peak hours from now on for a composite schedule of this length; None: they do not count."""
        if not self._config.peak_hours or not self._clock.confirmed or self._is_overridden:
            return None
        end = self._clock.utc() + timedelta(seconds=min(duration_s, _FORECAST_S))
        return profile_of(self._config.peak_hours, self.time_zone, self._clock.utc(), end)

    def _peak_ends(self) -> datetime | None:
        now, known = self._clock.utc(), (self._config.peak_hours, self.time_zone)
        begin, end = self._spans_hold
        if known != self._known or not begin <= now < end:
            self._known, self._zone = known, _zone(self.time_zone)
            self._spans = peak_hours.spans(_rules(known[0]), self._zone, now, now + 2 * peak_hours.WEEK)
            self._spans_hold = (now, now + peak_hours.WEEK)
        return next((until for since, until in self._spans if since <= now < until), None)

    def update(self) -> None:
        """Tell once why a session waits; forget the exception of one that is over."""
        running = self._transactions.running
        exception = self._store.value(OVERRIDDEN)
        if exception is not None and self._store.open_transaction() is None:
            self._store.set_value(OVERRIDDEN, None)
        if running is None or running.uid == self._told:
            return
        if (until := self.wait_until()) is not None:
            self._told = running.uid
            self._explain(Sentence("held back"), self.sentence(until))
        elif self._config.peak_hours and not self._clock.confirmed:
            self._told = running.uid
            rule = Sentence("Nobody has confirmed the clock: the station charges, whatever the hours.")
            self._explain(Sentence("hours not used"), rule)

    def override(self, by: str) -> bool:
        """A person wants the running session to charge now, whatever the hours; False when they do not hold it."""
        running = self._transactions.running
        if running is None or self.wait_until() is None:
            return False
        self._store.set_value(OVERRIDDEN, running.uid)
        self._explain(Sentence("overridden"), Sentence("{who} lets this session charge in the peak hours.", who=by))
        return True

    def sentence(self, until: datetime) -> Sentence:
        """Why nothing flows, for people; the time of day is that of the station's time zone."""
        if until - self._clock.utc() > peak_hours.WEEK:
            return Sentence("Every hour of the week is a peak hour.")
        local, now = until.astimezone(self._zone), self._clock.utc().astimezone(self._zone)
        moment = f"{local:%H:%M}" if local.date() == now.date() else f"{local:%Y-%m-%d %H:%M}"
        return Sentence("Waiting for the off-peak hours, from {moment}.", moment=moment)

    def _explain(self, verdict: Sentence, rule: Sentence) -> None:
        self._actions.append(Explain(Sentence("limit"), verdict, rule, ", ".join(self._config.peak_hours), CLAUSE))


def profile_of(texts: Iterable[str], time_zone: str, begin: datetime, end: datetime) -> Profile:
    """Peak hours as one more limit of a composite schedule."""
    return profile_of_peak_hours(peak_hours.spans(_rules(texts), _zone(time_zone), begin, end))


def _rules(texts: Iterable[str]) -> list[peak_hours.Rule]:
    """What a store kept is not always a rule: the factory's values are not checked."""
    return [peak_hours.read(text) for text in texts if peak_hours.is_rule(text)]


def _zone(name: str) -> tzinfo:
    try:
        return ZoneInfo(name)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        log.error("The time zone %r is not known here; the charging hours are in UTC", name)
        return UTC
