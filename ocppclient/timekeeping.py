"""Who sets the clock: NTP before the backend before a person's phone (OCPP 1.6 sections 4.2, 4.6; conformance CLK).

Whoever is believed moves the one clock, but never back while a session runs: its timestamps go forward only.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Literal

from ocppclient.clock import Clock, format_utc, parse_utc, spoken_utc
from ocppclient.events import Action, Explain, SetClock
from ocppclient.outbox import Outbox
from ocppclient.security_events import SecurityEvents
from ocppclient.sentence import Sentence, quoted
from ocppclient.store import Store
from ocppclient.view import ClockView

Source = Literal["ntp", "backend", "phone"]

#: Of a backend less is the delay of the line, not the clock; of NTP it is slewing: nobody has to be told.
CLOCK_TOLERANCE_S = 1.0
#: Messages of a plausible clock are dated again when it was off by more: a clock that starts where the box was
#: switched off is. Less is mere drift, and the older messages were right.
_REDATE_S = 60.0
#: A backend and NTP that differ by more are a matter for people.
_DISAGREE_S = 10.0
#: The sources from the best on, and how long each counts after it spoke last: the time servers are looked at every few
#: seconds (station/clock), a backend tells the time once a day at least (CLK-02).
_COUNTS_S: dict[Source, float] = {"ntp": 120.0, "backend": 90_000.0, "phone": math.inf}
#: The last good time is stored at most this often; after a power cut no clock starts before it.
_FLOOR_S = 3600.0
_FLOOR = "clock.floor"


@dataclass(frozen=True)
class _Told:
    """`offset`: UTC minus monotonic seconds, as the source has it."""

    source: Source
    offset: datetime
    by: str

    @property
    def words(self) -> Sentence:
        match self.source:
            case "ntp":
                if self.by:
                    return Sentence("the time servers ({names})", names=self.by)
                return Sentence("the time servers")
            case "backend":
                return Sentence("the backend")
            case "phone":
                return Sentence("the phone of {who}", who=self.by)


class Timekeeping:
    """Believes one source at a time, and moves the clock.

    A time before the running release was made is nobody's time. The last time that was recorded binds guesses and
    phones only: a backend or a time server that told a wrong future once must be able to take it back.
    """

    def __init__(
        self, store: Store, clock: Clock, outbox: Outbox, security_events: SecurityEvents, actions: list[Action]
    ) -> None:
        self._store = store
        self._clock = clock
        self._outbox = outbox
        self._security_events = security_events
        self._actions = actions
        self._heard: dict[Source, float] = {}  # when each spoke last, and was believed
        self._last: _Told | None = None
        self._held: _Told | None = None  # would set the clock back, and waits for the end of the session
        self._disagrees = False
        self._floor_at: float | None = None

    def backend_told(self, current_time: object) -> None:
        """currentTime of BootNotification.conf or Heartbeat.conf: anything may stand there."""
        try:
            utc = parse_utc(current_time)  # type: ignore[arg-type]  # it refuses what is no text
            self._clock.check(utc)
        except ValueError as problem:
            self._outbox.quirks += 1
            rule = Sentence("The backend's time was not adopted: {problem}.", problem=quoted(problem))
            self._ignore(rule, current_time)
            return
        if self._stronger("backend") is None:
            self._believe(_Told("backend", self._offset(utc, self._clock.monotonic()), ""))
            return
        delta_s = (utc - self._clock.utc()).total_seconds()
        disagreed, self._disagrees = self._disagrees, abs(delta_s) > _DISAGREE_S
        if self._disagrees and not disagreed:
            rule = Sentence(
                "The backend's clock differs by {delta_s:+.0f} s from NTP. The station stays with NTP.", delta_s=delta_s
            )
            self._ignore(rule, current_time)

    def told(self, source: Source, utc: datetime, at_s: float, by: str) -> None:
        """NTP or a phone tells the time (`TimeTold`); what is not believed has an Explain."""
        told = _Told(source, self._offset(utc, at_s), by)
        try:
            self._clock.check(utc)
            if source == "phone":
                self._check_phone(utc)
        except ValueError as problem:
            rule = Sentence(
                "The time of {source} was not adopted: {problem}.", source=told.words, problem=quoted(problem)
            )
            told_utc = format_utc(utc) if utc.tzinfo else ""
            self._actions.append(Explain(Sentence("clock"), Sentence("Refused"), rule, told_utc, "CLK-04"))
            return
        self._believe(told)

    def _check_phone(self, utc: datetime) -> None:
        """Raises ValueError: there is a better source, it is no good moment, or the phone is behind."""
        if (better := self._stronger("phone")) is not None:
            source = Sentence("time servers") if better == "ntp" else Sentence("the backend")
            age_s = self._clock.monotonic() - self._heard[better]
            raise ValueError(
                Sentence(
                    "the clock was set from {source} {age_s:.0f} s ago, which is better than a phone",
                    source=source,
                    age_s=age_s,
                )
            )
        if self._store.open_transaction() is not None:
            raise ValueError(Sentence("a session is running; set the clock when it has ended"))
        recorded = self._store.value(_FLOOR)
        if recorded is not None and utc < (floor := parse_utc(recorded)):
            at = spoken_utc(floor, utc)
            raise ValueError(Sentence("the station was in operation at {at} already; set the phone's clock", at=at))

    def _stronger(self, source: Source) -> Source | None:
        """A better source that still counts."""
        now = self._clock.monotonic()
        for better, counts_s in _COUNTS_S.items():
            if better == source:
                break
            if better in self._heard and now - self._heard[better] < counts_s:
                return better
        return None

    def _offset(self, utc: datetime, at_s: float) -> datetime:
        return utc - timedelta(seconds=at_s)

    def _believe(self, told: _Told) -> None:
        self._heard[told.source] = self._clock.monotonic()
        self._last = told
        self._follow(told)
        self._keep_floor()

    def _follow(self, told: _Told) -> None:
        clock = self._clock
        utc = told.offset + timedelta(seconds=clock.monotonic())
        delta_s = (utc - clock.utc()).total_seconds()
        first, guess = not clock.confirmed, not clock.synchronised
        redates = guess or (first and abs(delta_s) > _REDATE_S)
        agrees = abs(delta_s) <= CLOCK_TOLERANCE_S and not guess
        if delta_s < 0 and not redates and self._store.open_transaction() is not None:
            clock.confirm()
            self._hold(None if agrees else told, delta_s)
            return
        self._held = None
        if agrees:
            if told.source == "backend":
                clock.confirm()
            else:
                clock.set_utc(utc)
            return
        clock.set_utc(utc)
        if redates:
            clock.correction_s = delta_s
            self._outbox.redate(delta_s)
            self._security_events.redate(delta_s)
        self._floor_at = None
        self._actions.append(SetClock(utc, delta_s, told.words))
        self._security_events.raise_event(
            "SettingSystemTime",
            Sentence("moved by {delta_s:+.1f} s to the time of {source}", delta_s=delta_s, source=told.words),
        )

    def _hold(self, told: _Told | None, delta_s: float) -> None:
        if told is not None and self._held is None:
            rule = Sentence(
                "The clock is {ahead_s:.0f} s ahead of {source}. It goes back when the session has ended.",
                ahead_s=-delta_s,
                source=told.words,
            )
            self._actions.append(Explain(Sentence("clock"), Sentence("held"), rule, "", "CLK-05"))
        self._held = told

    def update(self) -> None:
        """The session has ended: what was held back is done. Now and then the time is recorded."""
        if self._held is not None and self._store.open_transaction() is None:
            held, self._held = self._held, None
            self._follow(held)
        self._keep_floor()

    def _keep_floor(self) -> None:
        """A phone's time is not recorded: nobody else vouches for it, and a wrong one would bind every later start."""
        if not self._clock.confirmed or self._last is None or self._last.source == "phone":
            return
        now = self._clock.monotonic()
        if self._floor_at is None or now - self._floor_at >= _FLOOR_S:
            self._floor_at = now
            self._store.set_value(_FLOOR, format_utc(self._clock.utc()))

    def _ignore(self, rule: Sentence, current_time: object) -> None:
        self._actions.append(Explain("currentTime", Sentence("ignored"), rule, str(current_time)[:40], "CLK-01"))

    def view(self) -> ClockView:
        """For people."""
        last, clock = self._last, self._clock
        if last is None:
            return ClockView(confirmed=clock.confirmed)
        held_s = (clock.utc() - self._held.offset).total_seconds() - clock.monotonic() if self._held else 0.0
        told_s = clock.monotonic() - self._heard[last.source]
        return ClockView(last.source, last.by, told_s, clock.confirmed, held_s)
