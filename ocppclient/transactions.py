"""Transactions: start, journal, stop, recovery (OCPP 1.6 sections 3.6, 4.8, 4.10; conformance TX).

A transaction row and the queued message that announces it are written in the same unit of work.
"""

from __future__ import annotations

import json
import uuid
from dataclasses import replace
from datetime import datetime, timedelta

from ocppclient.authorization import Authorization, read_id_tag_info
from ocppclient.boot import RESET_CAUSE
from ocppclient.clock import Clock, format_utc
from ocppclient.codec import Payload, dumps, tolerant_int
from ocppclient.configuration import Configuration
from ocppclient.events import Action, CardFeedback, Explain, Feedback
from ocppclient.facts import Facts
from ocppclient.meter_values import MeterValues
from ocppclient.outbox import Outbox, Outcome, shifted
from ocppclient.reservation import Reservations
from ocppclient.sentence import Sentence
from ocppclient.settings import Electrical, Factory
from ocppclient.store import Store, Transaction

JOURNAL_S = 60.0  # field problem 25: the journal is at most this old …
JOURNAL_WH = 100  # … or this far behind
#: How long a stop waits for the contactor to open before the meter is read anyway (board: 3 s, and a margin).
STOP_WAIT_S = 6.0
#: How long a transaction of the former boot waits for the register before it is closed with its journal.
RECOVERY_WAIT_S = 30.0
REASONS = (
    "DeAuthorized",
    "EmergencyStop",
    "EVDisconnected",
    "HardReset",
    "Local",
    "Other",
    "PowerLoss",
    "Reboot",
    "Remote",
    "SoftReset",
    "UnlockCommand",
)


class Transactions:
    """The one transaction of the connector.

    Attributes:
        ended_plugged: a transaction ended and its cable is still in the car (status Finishing).
        ended_unplugged: a transaction ended without its cable; the status feature reports Finishing once and clears it.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Configuration,
        facts: Facts,
        outbox: Outbox,
        reservations: Reservations,
        authorization: Authorization,
        meter_values: MeterValues,
        factory: Factory,
        electrical: Electrical,
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._facts = facts
        self._outbox = outbox
        self._reservations = reservations
        self._authorization = authorization
        self._meter_values = meter_values
        self._factory = factory
        self.electrical = electrical
        self._actions = actions
        self.ended_plugged = False
        self.ended_unplugged = False
        self._recovered = False
        self._box_went_on = False  # the contactor of the former boot's session was found closed
        self._ready_at: float | None = None
        self._undated: list[str] = []  # uids of this boot that were started before the clock was confirmed
        self._stop_asked_at: float | None = None
        self._journalled_at = clock.monotonic()
        self._fault_since: float | None = None

    # -- facts for others

    @property
    def running(self) -> Transaction | None:
        """The transaction that has not been asked to stop."""
        transaction = self._store.open_transaction()
        return None if transaction is None or transaction.reason else transaction

    @property
    def stopping(self) -> bool:
        """A stop was asked for; the contactor is opening."""
        transaction = self._store.open_transaction()
        return transaction is not None and bool(transaction.reason)

    @property
    def energy_authorised(self) -> bool:
        """Energy may flow now."""
        transaction = self.running
        return (
            transaction is not None
            and transaction.boot_id == self._facts.boot_id
            and not transaction.deauthorised
            and not self._facts.blocking_faults
        )

    # -- entry points

    def stop(self, reason: str, id_tag: str = "") -> bool:
        """End the running transaction: energy off at once, StopTransaction when the contactor is open.

        Args:
            reason: a Reason of section 7.36; any other text counts as Other.
            id_tag: who stopped it, "" when nobody in particular.

        Returns:
            False when there is nothing to stop.
        """
        transaction = self.running
        if transaction is None:
            return False
        reason = reason if reason in REASONS else "Other"
        self._store.save_transaction(replace(transaction, reason=reason, stop_id_tag=id_tag))
        self._stop_asked_at = self._clock.monotonic()
        return True

    def start_transaction_conf(self, outcome: Outcome) -> None:
        """StartTransaction.conf (section 6.46): the transactionId and the backend's verdict, online or late."""
        transaction = self._store.transaction(outcome.transaction_uid)
        if transaction is None or outcome.response is None:
            return  # parked: the outbox has noted it
        info = read_id_tag_info(outcome.response)
        self._authorization.learn(transaction.id_tag, info)
        # any integer counts, 0 and negative ones too (errata v4.0 section 3.54)
        transaction_id = tolerant_int(outcome.response.get("transactionId"))
        transaction = replace(
            transaction,
            transaction_id=transaction_id,
            start_delivered=True,
            start_parked=False,
            parent_id_tag=info.parent_id_tag or transaction.parent_id_tag,
        )
        self._store.save_transaction(transaction)
        still_running = transaction.stopped_at is None and not transaction.reason
        if still_running and info.status and info.status != "Accepted":
            self._deauthorise(transaction, info.status)

    def stop_transaction_conf(self, outcome: Outcome) -> None:
        """StopTransaction.conf (section 6.50): an optional verdict for the cache; it never re-opens anything."""
        id_tag = outcome.request.get("idTag")
        if outcome.response is not None and id_tag:
            self._authorization.learn(id_tag, read_id_tag_info(outcome.response))

    def _deauthorise(self, transaction: Transaction, status: str) -> None:
        """Conformance TX-06…08 and D-03: stop, or only stop the energy, perhaps after some grace energy."""
        why = Sentence("The backend answered {status} to the start of this session.", status=status)
        self._actions.append(Explain("StartTransaction", status, why, transaction.id_tag, "TX-06"))
        if self._config.stop_transaction_on_invalid_id:
            self._feedback(CardFeedback.REJECTED, Sentence("{why} It ends now.", why=why))
            self.stop("DeAuthorized")
        elif grace_wh := self._config.max_energy_on_invalid_id:
            cap_wh = max(self._register_wh(transaction), transaction.meter_start_wh) + grace_wh
            self._store.save_transaction(replace(transaction, energy_cap_wh=cap_wh))
        else:
            self._store.save_transaction(replace(transaction, deauthorised=True))

    # -- looking at the facts

    def update(self) -> None:
        """Start, journal, stop: whatever the facts ask for."""
        reading = self._facts.reading
        if not reading.ready:
            return
        if not reading.ev_connected:
            self.ended_plugged = False
        self._redate()
        if not self._recovered:
            self._recover()
            if not self._recovered:
                return  # nothing is decided about a session before the former one is closed
        if self._authorization.stop_granted:
            id_tag, self._authorization.stop_granted = self._authorization.stop_granted, ""
            if self.stop("Local", id_tag):
                self._feedback(CardFeedback.STOPPED, Sentence("Session ended. You can unplug."))
        if self.running is not None:
            self._watch(self.running)
        if self.stopping:
            self._finish()
        elif self._store.open_transaction() is None:
            self._start_if_granted()

    def _redate(self) -> None:
        """The clock is confirmed now: correct what was dated before (CLK-04; the outbox does so with its messages)."""
        if not self._undated or not self._clock.confirmed:
            return
        uids, self._undated = self._undated, []
        delta_s = self._clock.correction_s
        if not delta_s:
            return
        for transaction in filter(None, map(self._store.transaction, uids)):
            self._store.save_transaction(
                replace(
                    transaction,
                    started_at=transaction.started_at + timedelta(seconds=delta_s),
                    stopped_at=transaction.stopped_at and transaction.stopped_at + timedelta(seconds=delta_s),
                    last_seen_at=transaction.last_seen_at and transaction.last_seen_at + timedelta(seconds=delta_s),
                    data=dumps(shifted(json.loads(transaction.data), delta_s)),
                )
            )

    def _start_if_granted(self) -> None:
        grant = self._authorization.granted
        if grant is None or not self._facts.reading.ev_connected or self._facts.energy_wh is None:
            return
        if self._facts.blocking_faults:  # conformance STA-13
            return
        self._authorization.cancel()
        register_wh = self._facts.energy_wh
        now = self._clock.utc()
        transaction = Transaction(
            uid=str(uuid.uuid4()),
            connector_id=1,
            id_tag=grant.id_tag,
            parent_id_tag=grant.parent_id_tag,
            meter_start_wh=register_wh,
            started_at=now,
            last_wh=register_wh,
            last_seen_at=now,
            remote=grant.remote,
            reservation_id=self._reservations.use(),
            boot_id=self._facts.boot_id,
        )
        if not self._clock.confirmed:
            self._undated.append(transaction.uid)
        transaction = self._meter_values.begin(transaction)
        self._store.save_transaction(transaction)
        self._journalled_at = self._clock.monotonic()
        self._fault_since = None
        self.ended_plugged = self.ended_unplugged = False
        message: Payload = {
            "connectorId": 1,
            "idTag": transaction.id_tag,
            "meterStart": transaction.meter_start_wh,
            "timestamp": format_utc(transaction.started_at),
        }
        if transaction.reservation_id is not None:
            message["reservationId"] = transaction.reservation_id
        self._outbox.enqueue("StartTransaction", message, transaction.uid)

    def _watch(self, transaction: Transaction) -> None:
        """The running transaction against the facts: unplugged, fault, grace energy used up, journal due."""
        reading = self._facts.reading
        if not reading.ev_connected and self._config.stop_transaction_on_ev_side_disconnect:
            self.stop("EVDisconnected")
            return
        if reason := self._fault_stops():
            self.stop(reason)
            return
        register_wh = self._register_wh(transaction)
        if transaction.energy_cap_wh is not None and register_wh >= transaction.energy_cap_wh:
            transaction = replace(transaction, deauthorised=True, energy_cap_wh=None)
            self._store.save_transaction(transaction)
        now = self._clock.monotonic()
        moved_wh = register_wh - transaction.last_wh
        if moved_wh >= JOURNAL_WH or (moved_wh > 0 and now - self._journalled_at >= JOURNAL_S):
            self._journalled_at = now
            self._store.save_transaction(replace(transaction, last_wh=register_wh, last_seen_at=self._clock.utc()))

    def _fault_stops(self) -> str:
        """A blocking fault suspends at once and stops the transaction when it lasts (hardware.md section 9).

        Returns:
            The reason of the stop; empty while there is none.
        """
        faults = [fault for fault in self._facts.blocking_faults if fault.stop_after_s is not None]
        now = self._clock.monotonic()
        if not faults:
            self._fault_since = None
            return ""
        if self._fault_since is None:
            self._fault_since = now
        lasted_s = now - self._fault_since
        return next((f.stop_reason for f in faults if f.stop_after_s is not None and lasted_s >= f.stop_after_s), "")

    def _finish(self) -> None:
        """The contactor is open (or overdue): read the meter and close the transaction."""
        transaction = self._store.open_transaction()
        assert transaction is not None
        now = self._clock.monotonic()
        asked_at = self._stop_asked_at if self._stop_asked_at is not None else now
        if self._facts.reading.contactor_closed and now - asked_at < STOP_WAIT_S:
            return
        self._close(transaction, self._clock.utc(), self._register_wh(transaction))

    def _recover(self) -> None:
        """A transaction left open by the former boot: power cut, kill, reset (section 7.36, conformance TX-16)."""
        now = self._clock.monotonic()
        self._ready_at = now if self._ready_at is None else self._ready_at
        transaction = self._store.open_transaction()
        if transaction is not None and self._facts.energy_wh is None and now - self._ready_at < RECOVERY_WAIT_S:
            return  # the register is part of the evidence: wait for it, but a dead meter must not hide the session
        reading = self._facts.reading
        resumes = self._factory.resume_after_power_loss and reading.ev_connected
        if transaction is not None and reading.contactor_closed and not resumes:
            # only the host was gone, the box went on: it is told to stop, and the session ends when it has
            self._box_went_on = True
            if now - self._ready_at < STOP_WAIT_S:
                return
        self._recovered = True
        cause = self._store.value(RESET_CAUSE) or "PowerLoss"
        self._store.set_value(RESET_CAUSE, None)
        if transaction is None:
            return
        if resumes and not transaction.reason:
            self._store.save_transaction(replace(transaction, boot_id=self._facts.boot_id))
            return
        last_at = transaction.last_seen_at or transaction.started_at
        register_wh = transaction.last_wh if self._facts.energy_wh is None else self._facts.energy_wh
        # The contactor is open (since the cut, or since a moment ago): the register shows where the session ended.
        power_w = self.electrical.max_current_a * self.electrical.nominal_voltage_v * self.electrical.phases
        away_h = max((self._clock.utc() - last_at).total_seconds(), 0.0) / 3600
        moved_wh = register_wh - transaction.last_wh
        transaction = replace(transaction, reason=transaction.reason or cause)
        step_wh = JOURNAL_WH + power_w * 10 / 3600  # of the journal, and ten seconds of readings
        if 0 <= moved_wh <= step_wh and not self._box_went_on:
            self._close(transaction, last_at, register_wh, dated=True)
        elif 0 <= moved_wh <= step_wh + power_w * away_h:  # energy flowed without the host
            # a clock that was lost with the power shows less than the journal: no session ends before it was seen
            self._close(transaction, max(self._clock.utc(), last_at), register_wh, dated=True)
        else:
            rule = Sentence(
                "The register moved by {moved_wh} Wh meanwhile, which this session cannot have drawn.",
                moved_wh=moved_wh,
            )
            self._actions.append(
                Explain(Sentence("recovery"), Sentence("register not used"), rule, f"{register_wh} Wh", "TX-16")
            )
            self._close(transaction, last_at, transaction.last_wh, dated=True)

    def _close(self, transaction: Transaction, moment: datetime, register_wh: int, *, dated: bool = False) -> None:
        """Close the row and queue its StopTransaction; `dated`: with times of the former boot."""
        moment = max(moment, transaction.started_at)  # the clock may have been set back meanwhile
        meter_stop_wh = max(register_wh, transaction.last_wh, transaction.meter_start_wh)
        data = self._meter_values.end(transaction, moment, meter_stop_wh)
        self._store.save_transaction(
            replace(
                transaction,
                stopped_at=moment,
                meter_stop_wh=meter_stop_wh,
                last_wh=meter_stop_wh,
                last_seen_at=moment,
                boot_id=self._facts.boot_id,
            )
        )
        message: Payload = {"meterStop": meter_stop_wh, "timestamp": format_utc(moment), "reason": transaction.reason}
        if transaction.stop_id_tag:
            message["idTag"] = transaction.stop_id_tag
        if data:
            message["transactionData"] = data
        self._outbox.enqueue("StopTransaction", message, transaction.uid, needs_transaction_id=True, dated=dated)
        self._stop_asked_at = self._fault_since = None
        plugged = self._facts.reading.ev_connected
        self.ended_plugged, self.ended_unplugged = plugged, not plugged

    def _register_wh(self, transaction: Transaction) -> int:
        register_wh = self._facts.energy_wh
        return transaction.last_wh if register_wh is None else max(register_wh, transaction.last_wh)

    def _feedback(self, kind: CardFeedback, text: Sentence) -> None:
        self._actions.append(Feedback(kind, text))
