"""Reset (OCPP 1.6 section 5.14): end the session, note the cause, restart the application or the box."""

from __future__ import annotations

from ocppclient.boot import RESET_CAUSE
from ocppclient.clock import Clock
from ocppclient.codec import Payload
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Reboot
from ocppclient.outbox import Outbox
from ocppclient.security_events import SecurityEvents
from ocppclient.sentence import Sentence
from ocppclient.store import Store
from ocppclient.transactions import Transactions

#: The answer to Reset must reach the backend, and a StopTransaction gets a chance to leave, before the restart.
_SETTLE_S = 1.0
_LONGEST_WAIT_S = 10.0


class Reset:
    """One reset at a time; what is still queued when the process ends is delivered after the restart."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Configuration,
        outbox: Outbox,
        security_events: SecurityEvents,
        transactions: Transactions,
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._outbox = outbox
        self._security_events = security_events
        self._transactions = transactions
        self._actions = actions
        self._hard = False
        self._asked_at: float | None = None
        self._ordered = False  # the restart is under way; a board that does not obey takes its time

    def reset(self, request: Payload) -> Payload:
        """Reset.req: soft stops the transaction gracefully first, so does hard as long as it can."""
        if self._ordered:
            return {"status": "Accepted"}
        hard = self._hard or request["type"] == "Hard"
        cause = "HardReset" if hard else "SoftReset"
        self._store.set_value(RESET_CAUSE, cause)
        self._transactions.stop(cause)
        self._security_events.raise_event(
            "ResetOrReboot", Sentence("{type} reset, asked for by the backend", type=request["type"])
        )
        # memory last: when the store fails the request is undone, and no restart may follow
        self._hard = hard
        if self._asked_at is None:
            self._asked_at = self._clock.monotonic()
        return {"status": "Accepted"}

    def update(self) -> None:
        """Restart when the session is closed and its messages had their chance."""
        if self._asked_at is None:
            return
        waited_s = self._clock.monotonic() - self._asked_at
        busy = self._store.open_transaction() is not None or (
            self._outbox.online and self._outbox.gate == "open" and self._store.queue_depth() > 0
        )
        if waited_s >= _SETTLE_S and (not busy or waited_s >= _LONGEST_WAIT_S):
            self._asked_at, self._ordered = None, True
            self._actions.append(Reboot(self._hard, self._config.reset_retries if self._hard else 0))
