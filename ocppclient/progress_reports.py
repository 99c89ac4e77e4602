"""Progress messages of firmware and diagnostics: every one arrives once and in order, also after a reboot or a gap."""

from __future__ import annotations

import json
from typing import Any

from ocppclient.clock import Clock
from ocppclient.codec import Payload, dumps
from ocppclient.outbox import Outbox, Outcome
from ocppclient.store import Store

#: [action, payload]
_Message = list[Any]

_NAME = "reports"
#: More than that wait only for a backend that is away for long; the newest count.
_KEPT = 50
#: A message without an answer is sent again after so long, seconds, and given up after that many attempts.
_RETRY_S = 10.0
_ATTEMPTS = 5


class ProgressReports:
    """A durable list of [action, payload]; one of them is on its way at a time."""

    def __init__(self, store: Store, clock: Clock, outbox: Outbox) -> None:
        self._store = store
        self._clock = clock
        self._outbox = outbox
        self._asked = False
        self._attempts = 0
        self._next_at = clock.monotonic()

    @property
    def waiting(self) -> bool:
        """Something is still to be told."""
        return self._store.value(_NAME) is not None

    def tell(self, action: str, payload: Payload) -> None:
        """Append a message, in the caller's unit of work."""
        self._save([*self._load(), [action, payload]][-_KEPT:])

    def trigger(self, action: str, payload: Payload) -> None:
        """The backend asks for it now; it does not count as one of the list."""
        self._outbox.send(action, payload, passes_gate=True)

    def conf(self, outcome: Outcome) -> None:
        """An answer, or none. A CALLERROR counts as told: repeating it would not help."""
        waiting = self._load()
        if not self._asked or not waiting or waiting[0] != [outcome.action, outcome.request]:
            return  # of a triggered one
        self._asked = False
        if outcome.lost:
            if not self._outbox.online:
                return
            self._attempts += 1
            self._next_at = self._clock.monotonic() + _RETRY_S
            if self._attempts < _ATTEMPTS:
                return
        self._attempts = 0
        self._save(waiting[1:])

    def disconnected(self) -> None:
        """What was not answered goes out again on the next connection."""
        self._asked = False

    def update(self) -> None:
        """Send the oldest one when the backend listens."""
        if self._asked or not self.waiting or not self._outbox.online or self._clock.monotonic() < self._next_at:
            return
        if self._outbox.gate == "open":
            action, payload = self._load()[0]
            self._asked = self._outbox.send(action, payload)

    def _load(self) -> list[_Message]:
        waiting: list[_Message] = json.loads(self._store.value(_NAME) or "[]")
        return waiting

    def _save(self, waiting: list[_Message]) -> None:
        self._store.set_value(_NAME, dumps(waiting) if waiting else None)
