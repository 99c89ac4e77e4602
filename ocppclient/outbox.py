"""What leaves the station: one CALL in flight, an urgent lane in memory, and the durable FIFO of transaction messages.

OCPP 1.6 section 3.7 and 4.1.1 of OCPP-J; conformance RPC-13…18 and TXQ; product.md settled questions 5, 6, 11-13.
"""

from __future__ import annotations

import json
import uuid
from collections import OrderedDict, deque
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Literal

from ocppclient.clock import Clock, format_utc, parse_utc
from ocppclient.codec import ERROR_CODES, CallError, CallResult, Payload, check_request, dumps, encode_call
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Disconnect, Explain, SendFrame
from ocppclient.facts import Facts
from ocppclient.sentence import NOTHING, Sentence, quoted
from ocppclient.settings import Factory
from ocppclient.store import DeliveredCall, QueuedCall, Store

_CORRECTION = "clock.correction."  # + boot id: what its guessed clock was off by, seconds
UNKNOWN_TRANSACTION_ID = -1  # errata v4.0 section 3.18
_LATE_CALLS = 20
_UNANSWERED_LIMIT = 2  # field problem 1: as many unanswered CALLs in a row mean that the socket is dead
#: A sign of life this long after a message left tells that the line outlived it.
_ALIVE_AFTER_S = 5.0
#: Ids of one message that are remembered: more cannot have an answer under way.
_MESSAGE_IDS = 100
_REPORTS = ("StatusNotification", "Heartbeat", "SecurityEventNotification")  # may wait for one transaction message
#: A backend that had not finished the CALL before gets so long between its answer and the next CALL (field problem 15).
_PACE_S = 0.1
_LIVE_QUEUE = 2  # more waiting messages than that are history, and status reports overtake them

Gate = Literal["closed", "pending", "open"]


@dataclass(frozen=True)
class Outcome:
    """What became of a CALL of ours.

    Attributes:
        request: its payload.
        response: the payload of the answer; None when there was none or it was a CALLERROR.
        error: in words, when `response` is None.
        lost: no answer because the connection ended or the wait was over (not a CALLERROR).
        late: the answer came after the wait was over.
        transaction_uid: of a durable call.
    """

    action: str
    request: Payload
    response: Payload | None
    error: Sentence = NOTHING
    lost: bool = False
    late: bool = False
    transaction_uid: str = ""


@dataclass(frozen=True)
class _Urgent:
    action: str
    payload: Payload
    passes_gate: bool
    message_id: str


@dataclass
class _InFlight:
    message_id: str
    action: str
    request: Payload
    sent_at: float
    seq: int | None  # row of a durable call
    transaction_uid: str = ""
    seen_at: float = 0.0  # newest sign of life of the peer while waiting


class Outbox:
    """Sends the station's own CALLs and matches their answers.

    `gate` follows the registration: "closed" lets only a BootNotification pass, "pending" what the backend asked for,
    "open" everything. Time without a connection never burns an attempt.
    """

    def __init__(
        self, store: Store, clock: Clock, config: Configuration, factory: Factory, facts: Facts, actions: list[Action]
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._factory = factory
        self._facts = facts
        self._actions = actions
        self.online = False
        self.gate: Gate = "closed"
        #: The durable queue stays where it is: a release on trial may be undone (a level, set by `firmware.py`).
        self.held = False
        self.quirks = 0
        self.last_error = NOTHING
        #: monotonic time of the last CALL that left; the Heartbeat counts from it (its answer would shift the cadence).
        self.last_activity = clock.monotonic()
        self._urgent: deque[_Urgent] = deque()
        self._in_flight: _InFlight | None = None
        self._late: OrderedDict[str, _InFlight] = OrderedDict()
        self._unanswered = 0
        self._retry_at = 0.0  # the head of the durable queue waits until then
        self._resume_at = 0.0
        self._thin_at = factory.queue_quota
        self._pace_s = 0.0  # of this connection
        self._not_before = 0.0
        self._reported_last = False  # the CALL that left last was one of _REPORTS

    # -- what others put in

    def send(self, action: str, payload: Payload, *, passes_gate: bool = False, message_id: str = "") -> bool:
        """Put a CALL into the urgent lane; returns False (and forgets it) when it cannot leave now.

        Args:
            message_id: of a message that may be a copy; a new id otherwise.
        """
        if not self.online or not self._gate_lets(action, passes_gate):
            return False
        check_request(action, payload)
        self._urgent.append(_Urgent(action, payload, passes_gate, message_id or str(uuid.uuid4())))
        return True

    def _gate_lets(self, action: str, passes_gate: bool) -> bool:
        """Section 4.2: before the backend answered Accepted or Pending nothing but a BootNotification may leave."""
        return self.gate == "open" or (passes_gate and (self.gate == "pending" or action == "BootNotification"))

    def enqueue(
        self,
        action: str,
        payload: Payload,
        transaction_uid: str = "",
        *,
        needs_transaction_id: bool = False,
        dated: bool = False,
    ) -> None:
        """Append a transaction-related CALL to the durable queue (in the caller's unit of work).

        Args:
            dated: its timestamps do not come from the clock of this boot, so a correction of the clock leaves them.
        """
        check_request(action, {**payload, "transactionId": 0} if needs_transaction_id else payload)
        self._store.enqueue(
            QueuedCall(
                action=action,
                payload=dumps(payload),
                message_ids=(str(uuid.uuid4()),),
                transaction_uid=transaction_uid,
                needs_transaction_id=needs_transaction_id,
                created_at=self._clock.utc(),
                boot_id="" if dated or self._clock.confirmed else self._facts.boot_id,
            )
        )
        self._thin()

    def _thin(self) -> None:
        """The queue reached its quota: coarser meter values in the middle of its transactions; nothing else ever goes.

        Starts, stops and the first and last values of a transaction are what money depends on (conformance TXQ-09).
        """
        size = self._store.queue_depth() + self._store.parked_depth()
        if size < self._thin_at:
            return
        quota, thinned = self._factory.queue_quota, 0
        while size - thinned > 0.9 * quota and (more := self._store.thin_meter_values()):
            thinned += more
        self._thin_at = max(quota, size - thinned + quota // 100 + 1)
        rule = Sentence(
            "The queue of transaction messages reached {size}; {thinned} meter values between others were removed.",
            size=size,
            thinned=thinned,
        )
        if not thinned:
            rule = Sentence(
                "The queue of transaction messages reached {size}, and nothing in it may be removed: starts, stops, "
                "first and last values are kept whatever happens. Connect the backend, or resend what is parked.",
                size=size,
            )
        self._actions.append(
            Explain(Sentence("queue"), Sentence("thinned") if thinned else Sentence("full"), rule, str(size), "TXQ-09")
        )

    def redate(self, delta_s: float) -> None:
        """The clock was not confirmed so far and moved by `delta_s`: correct what this boot has queued (CLK-04).

        The correction is noted, and made when a message leaves for the first time: there may be tens of thousands.
        What was sent already keeps its text: copies are byte-identical.
        """
        for name in self._store.values(_CORRECTION):
            if not self._store.undated_depth(name.removeprefix(_CORRECTION)):
                self._store.set_value(name, None)
        self._store.set_value(f"{_CORRECTION}{self._facts.boot_id}", repr(delta_s))

    def resend_parked(self, seq: int) -> bool:
        """A person asks for a parked message: queue it again at the end, with its attempts forgotten.

        One that went out with -1, because its StartTransaction had been given up, gets the transactionId that is known
        by now (product.md, settled question 11).
        """
        call = self._store.queued(seq)
        if call is None or not call.parked_reason:
            return False
        self._store.delete_queued(seq)
        payload = json.loads(call.payload)
        if payload.get("transactionId") == UNKNOWN_TRANSACTION_ID:
            del payload["transactionId"]
            call = replace(call, payload=dumps(payload), needs_transaction_id=True)
        # its ids may have been used on this very connection (OCPP-J 4.1.4)
        self._store.enqueue(replace(_with_new_id(call), seq=0, parked_reason="", attempts=0))
        return True

    # -- the connection

    def connected(self) -> None:
        self.online = True
        self._reported_last = False
        self._unanswered = 0
        self._pace_s = self._not_before = 0.0
        now = self._clock.monotonic()
        self.last_activity = now
        self._resume_at = now + self._factory.queue_resume_delay_s

    def disconnected(self) -> list[Outcome]:
        """The socket is gone: nothing waits for an answer any more; durable calls stay and go out again."""
        self.online = False
        lost = [
            Outcome(call.action, call.payload, None, Sentence("the connection was lost"), lost=True)
            for call in self._urgent
        ]
        self._urgent.clear()
        if (call := self._in_flight) is not None:
            self._in_flight = None
            if call.seq is None:
                lost.insert(0, Outcome(call.action, call.request, None, Sentence("the connection was lost"), lost=True))
        self._late.clear()
        return lost

    def alive(self) -> None:
        """A pong or a frame came: a missing answer is then the backend's doing, not the line's (question 13)."""
        if self._in_flight is not None:
            self._in_flight.seen_at = self._clock.monotonic()

    # -- answers

    def answered(self, message: CallResult | CallError) -> Outcome | None:
        """Match an answer; None when it belongs to nothing."""
        call, late = self._in_flight, False
        if call is not None and call.message_id == message.message_id:
            self._in_flight = None
        elif (found := self._find_late(message.message_id)) is not None:
            call, late = found, True
        else:
            return None
        self._unanswered = 0
        if isinstance(message, CallError) and message.code not in ERROR_CODES:
            self._pace_s = _PACE_S
        self._not_before = self._clock.monotonic() + self._pace_s
        if isinstance(message, CallError):
            return self._failed(call, quoted(f"{message.code} {message.description}".strip()), late)
        self.quirks += bool(message.quirks)
        if call.seq is not None:
            row = self._store.queued(call.seq)
            if row is None:
                return None  # an earlier copy of it was answered meanwhile
            head = self._store.next_queued()
            if head is not None and head.seq == call.seq:
                self._retry_at = 0.0
            # a copy of it may be under way: its answer is waited for (one CALL at a time), and then means nothing
            self._store.delete_queued(call.seq)
            self._keep_delivered(row, None if late else call.sent_at, message.payload)
        return Outcome(call.action, call.request, message.payload, late=late, transaction_uid=call.transaction_uid)

    def _keep_delivered(self, row: QueuedCall, sent_at: float | None, answer: Payload) -> None:
        """People see of every session which of its messages arrived, and when."""
        if not row.transaction_uid:
            return
        now = self._clock.utc()
        sent = None if sent_at is None else now - timedelta(seconds=self._clock.monotonic() - sent_at)
        self._store.keep_delivered(
            DeliveredCall(
                row.seq, row.action, row.payload, dumps(answer), row.transaction_uid, row.created_at, sent, now,
                row.attempts,
            )
        )  # fmt: skip

    def _find_late(self, message_id: str) -> _InFlight | None:
        if (call := self._late.pop(message_id, None)) is not None and call.seq is None:
            return call
        row = self._store.queued_by_message_id(message_id)
        if row is None:
            return None
        return _InFlight(message_id, row.action, json.loads(row.payload), 0.0, row.seq, row.transaction_uid)

    def _failed(self, call: _InFlight, error: Sentence, late: bool) -> Outcome | None:
        """The backend failed to process a CALL (CALLERROR, or no answer though the line was alive)."""
        self.last_error = Sentence("{action}: {problem}", action=call.action, problem=error)
        if call.seq is None:
            return Outcome(call.action, call.request, None, error, late=late)
        row = self._store.queued(call.seq)
        if row is None or row.parked_reason or late:
            return None
        row = replace(row, attempts=row.attempts + 1)
        if row.attempts >= self._config.transaction_message_attempts:
            self._park(row, error)
            return Outcome(call.action, call.request, None, error, transaction_uid=call.transaction_uid)
        self._store.update_queued(_with_new_id(row))
        # OCPP 1.6 section 3.7.1: the interval, multiplied by the number of preceding transmissions
        wait_s = self._config.transaction_message_retry_interval * row.attempts
        self._retry_at = self._clock.monotonic() + max(wait_s, 1.0)
        return None

    def _park(self, row: QueuedCall, error: Sentence) -> None:
        reason = Sentence("given up after {attempts} attempts: {error}", attempts=row.attempts, error=error)
        self._store.update_queued(replace(row, parked_reason=reason))
        self._retry_at = 0.0
        if row.action == "StartTransaction" and (transaction := self._store.transaction(row.transaction_uid)):
            self._store.save_transaction(replace(transaction, start_parked=True))
        self._actions.append(
            Explain(
                row.action,
                Sentence("parked"),
                Sentence("The backend did not take it: {reason}. It can be sent again by hand.", reason=reason),
                f"queue row {row.seq}",
                "TXQ-06",
            )
        )

    # -- time

    def timed_out(self) -> Outcome | None:
        """The outcome of a CALL whose wait is over, if there is one now."""
        call = self._in_flight
        timeout_s = max(self._config.message_timeout, 1)
        if call is None or self._clock.monotonic() < call.sent_at + timeout_s:
            return None
        self._in_flight = None
        self._unanswered += 1
        waited = Sentence("no answer within {timeout_s} s", timeout_s=timeout_s)
        self.last_error = Sentence("{action}: {problem}", action=call.action, problem=waited)
        if self._unanswered >= _UNANSWERED_LIMIT:
            self._unanswered = 0
            self._actions.append(Disconnect(f"{_UNANSWERED_LIMIT} messages in a row got no answer"))
        if call.seq is not None:
            # question 13: the line must have been alive while waiting, not only at the moment the message left
            if call.seen_at >= call.sent_at + min(_ALIVE_AFTER_S, timeout_s / 2):
                return self._failed(call, waited, late=False)
            self._again(call)
            return None
        self._late[call.message_id] = call
        while len(self._late) > _LATE_CALLS:
            self._late.popitem(last=False)
        return Outcome(call.action, call.request, None, waited, lost=True)

    def _again(self, call: _InFlight) -> None:
        row = self._store.queued(call.seq or 0)
        if row is not None:
            self._store.update_queued(_with_new_id(row))

    def flush(self) -> None:
        """Send the next CALL if one may leave now. Called last for every event."""
        if not self.online or self._in_flight is not None or self._clock.monotonic() < self._not_before:
            return
        while self._urgent and not self._gate_lets(self._urgent[0].action, self._urgent[0].passes_gate):
            self._urgent.popleft()
        row = self._next_durable()
        if self._urgent and not (row is not None and self._goes_first(row)):
            call = self._urgent.popleft()
            self._transmit(call.message_id, call.action, call.payload, dumps(call.payload))
        elif row is not None:
            row = self._final(row)
            self._transmit(row.message_ids[-1], row.action, json.loads(row.payload), row.payload, row)

    def _next_durable(self) -> QueuedCall | None:
        now = self._clock.monotonic()
        if self.held or self.gate != "open" or now < self._resume_at or now < self._retry_at:
            return None
        return self._store.next_queued()

    def _goes_first(self, row: QueuedCall) -> bool:
        """Reports never hold up the queue: after one of them it is the queue's turn, and a live session's start or
        stop does not wait behind one at all.
        """
        is_live = row.action in ("StartTransaction", "StopTransaction") and self._store.queue_depth() <= _LIVE_QUEUE
        return self._urgent[0].action in _REPORTS and (is_live or self._reported_last)

    def _transmit(
        self, message_id: str, action: str, payload: Payload, text: str, row: QueuedCall | None = None
    ) -> None:
        now = self._clock.monotonic()
        self.last_activity = now
        self._reported_last = action in _REPORTS
        self._in_flight = _InFlight(
            message_id, action, payload, now, row.seq if row else None, row.transaction_uid if row else ""
        )
        self._actions.append(SendFrame(encode_call(message_id, action, text)))

    def _final(self, row: QueuedCall) -> QueuedCall:
        """The row as it leaves for the first time: from now on its text never changes, neither id nor timestamps."""
        if not row.needs_transaction_id and not row.boot_id:
            return row
        payload = row.payload
        if row.boot_id and (correction := self._store.value(f"{_CORRECTION}{row.boot_id}")) is not None:
            payload = dumps(shifted(json.loads(payload), float(correction)))
        if row.needs_transaction_id:
            transaction = self._store.transaction(row.transaction_uid)
            known = transaction.transaction_id if transaction else None
            transaction_id = UNKNOWN_TRANSACTION_ID if known is None else known
            payload = dumps({**json.loads(payload), "transactionId": transaction_id})
        row = replace(row, payload=payload, needs_transaction_id=False, boot_id="")
        self._store.update_queued(row)
        return row

    # -- for people

    @property
    def in_flight(self) -> tuple[str, float]:
        """Action of the CALL that waits for its answer and how long it does, seconds; ("", 0.0) if none."""
        call = self._in_flight
        return (call.action, self._clock.monotonic() - call.sent_at) if call else ("", 0.0)


def _with_new_id(row: QueuedCall) -> QueuedCall:
    """A message sent again on the same connection needs a new id (OCPP-J 4.1.4); the former ones still count."""
    return replace(row, message_ids=(*row.message_ids[1 - _MESSAGE_IDS :], str(uuid.uuid4())))


def shifted(value: object, delta_s: float) -> object:
    """The same payload with every timestamp moved by `delta_s` seconds."""
    if isinstance(value, dict):
        return {
            name: _moved(item, delta_s) if name == "timestamp" else shifted(item, delta_s)
            for name, item in value.items()
        }
    if isinstance(value, list):
        return [shifted(item, delta_s) for item in value]
    return value


def _moved(timestamp: str, delta_s: float) -> str:
    return format_utc(parse_utc(timestamp) + timedelta(seconds=delta_s))
