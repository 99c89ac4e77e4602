"""A bench that keeps the books: what was committed, what left, what the backend took, and the promises about them.

The promises are P1…P7 of reliability-and-security.md section 2. `Ledger.check` runs after every event, `settled` once
everything had its chance.
"""

from __future__ import annotations

import json
import re
from collections import Counter, defaultdict
from typing import Any

from ocppclient.events import Action, Event, ResendParked, SendFrame
from ocppclient.memory_store import MemoryStore
from tests.ocppclient.harness import TRANSACTIONAL, Bench

TIMEOUT_S = 30.0


class PowerCut(Exception):
    """The station lost its power."""


class FailingStore(MemoryStore):
    """A store that raises at one of its writes: `fail_in` counts them down, 0 is off; `writes` counts all."""

    def __init__(self) -> None:
        super().__init__()
        self.fail_in = 0
        self.writes = 0

    def _write(self, table: dict[Any, Any], key: Any, row: Any) -> None:
        self.writes += 1
        if self.fail_in:
            self.fail_in -= 1
            if not self.fail_in:
                raise OSError("disk I/O error")
        super()._write(table, key, row)


class Ledger(Bench):
    """Attributes:
    cut_after: the station loses its power after that many events from now, before their frames leave; None: never.
    """

    def __init__(self, configuration: dict[str, str], **options: Any) -> None:
        self.committed: dict[int, tuple[str, str]] = {}  # seq → (uid, action)
        self.payloads: dict[int, str] = {}  # seq → payload text as it left
        self.sent: Counter[int] = Counter()  # transmissions by seq
        self.excused: Counter[int] = Counter()  # reasons for another transmission by seq
        self.seq_of: dict[str, int] = {}  # message id → seq
        self.delivered: set[int] = set()
        self.resent: set[int] = set()  # rows that a person put back into the queue, behind younger ones
        self.ids_given: dict[str, set[int]] = defaultdict(set)  # uid → transactionIds that the backend ever gave
        self.waiting: dict[str, float] = {}  # own CALLs of this connection without an answer → when they left
        self.used: set[str] = set()  # ids used on this connection
        self.cut_after: int | None = None
        self.events = 0
        super().__init__(configuration, store=FailingStore(), **options)

    # -- events

    def do(self, event: Event) -> list[Action]:
        self.events += 1
        actions = self.cp.handle(event)
        known = set(self.committed)
        self._commit()
        if isinstance(event, ResendParked):
            self.resent |= set(self.committed) - known
        if self.cut_after == self.events:
            raise PowerCut
        self.actions += actions
        for action in actions:
            if isinstance(action, SendFrame):
                frame = json.loads(action.text)
                if frame[0] == 2:
                    self._left(frame, action.text)
                    self.calls.append((frame[1], frame[2], frame[3]))
                    self.frames[frame[1]] = action.text
                else:
                    self.answers.setdefault(frame[1], []).append(frame)
        self.check()
        return actions

    def _commit(self) -> None:
        for row in self.store._all_calls():
            self.committed.setdefault(row.seq, (row.transaction_uid, row.action))

    def _left(self, frame: list[Any], text: str) -> None:
        message_id, action = frame[1], frame[2]
        assert message_id not in self.used, "an id came twice on one connection (OCPP-J 4.1.4)"
        self.used.add(message_id)
        for other, at in self.waiting.items():
            assert self.time.now - at >= TIMEOUT_S - 1e-6, f"{other} still waits for its answer (one CALL in flight)"
        self.waiting = {message_id: self.time.now}
        if (
            action not in TRANSACTIONAL
            or frame[3].get("meterValue", [{}])[0].get("sampledValue", [{}])[0].get("context") == "Trigger"
        ):
            return
        row = self.store.queued_by_message_id(message_id)
        assert row is not None, "a transaction message left that is not in the queue"
        head = self.store.next_queued()
        assert head is not None
        assert row.seq == head.seq, "a message overtook an older one (P2)"
        payload = text.split(",", 3)[3]
        assert self.payloads.setdefault(row.seq, payload) == payload, "a copy differs (P3)"
        self.seq_of[message_id] = row.seq
        self.sent[row.seq] += 1
        assert self.sent[row.seq] <= 1 + self.excused[row.seq], "a copy without a reason (P3)"

    # -- the backend

    def took(self, message_id: str, payload: Any) -> None:
        """The backend answers a CALL with a CALLRESULT."""
        if (seq := self.seq_of.get(message_id)) is not None:
            uid, action = self.committed[seq]
            self.delivered.add(seq)
            if (row := self.store.queued_by_message_id(message_id)) is not None:
                self.delivered.add(row.seq)  # the same message, put back by hand
            if action == "StartTransaction" and isinstance(payload, dict) and "transactionId" in payload:
                self.ids_given[uid].add(payload["transactionId"])
        self.waiting.pop(message_id, None)

    def excuse(self) -> None:
        """What is on its way may have to be sent again."""
        for message_id in self.waiting:
            if (seq := self.seq_of.get(message_id)) is not None:
                self.excused[seq] += 1

    def lost_line(self) -> None:
        """The connection is gone, with everything that was under way."""
        self.excuse()
        self.calls.clear()
        self.waiting.clear()
        self.used.clear()

    # -- promises

    def check(self) -> None:
        """What holds at every moment."""
        store = self.store
        queued = {row.seq for row in store._all_calls()}
        for seq in self.committed:
            # P1; a message that is sent again by hand lives on under a new seq with the same text
            assert seq in queued or seq in self.delivered or self._lives_on(seq), f"row {seq} vanished (P1)"
        rows = store._transactions.values()
        assert sum(row.stopped_at is None for row in rows) <= 1, "two open transactions (P4)"
        assert not self.setpoint.authorised or store.open_transaction() is not None
        contents: dict[tuple[str, str], set[str]] = defaultdict(set)
        for seq, payload in self.payloads.items():
            uid, action = self.committed[seq]
            if action != "MeterValues":
                # only a resend by hand may tell the transactionId that was not known before
                contents[uid, action].add(re.sub(r'"transactionId":-?\d+', "", payload))
        assert all(len(texts) == 1 for texts in contents.values()), "two contents of one message (P4)"

    def _lives_on(self, seq: int) -> bool:
        return any(other > seq and told == self.committed[seq] for other, told in self.committed.items())

    def settled(self) -> None:
        """What holds when the line was up long enough: the backend has the whole truth, or sees it parked."""
        store = self.store
        assert store.queue_depth() == 0
        parked = {row.seq for row in store.parked_calls()}
        by_uid: dict[str, list[tuple[int, str, dict[str, Any]]]] = defaultdict(list)
        for seq, (uid, action) in sorted(self.committed.items()):
            assert seq in self.delivered or seq in parked or self._lives_on(seq), f"{action} {seq} was lost (P1)"
            resent_value = action == "MeterValues" and seq in self.resent
            if seq in self.payloads and not resent_value and not (action != "MeterValues" and self._lives_on(seq)):
                by_uid[uid].append((seq, action, json.loads(self.payloads[seq][:-1])))
        for transaction in store._transactions.values():
            messages = by_uid[transaction.uid]
            kinds = Counter(action for _, action, _ in messages)
            assert (kinds["StartTransaction"], kinds["StopTransaction"]) == (1, int(transaction.stopped_at is not None))
            start = next(payload for _, action, payload in messages if action == "StartTransaction")
            register = [start["meterStart"]]
            for _, action, payload in messages:
                if action == "MeterValues":
                    register.append(int(payload["meterValue"][0]["sampledValue"][0]["value"]))
                if action != "StartTransaction":
                    given = payload["transactionId"]
                    assert given == -1 or given in self.ids_given[transaction.uid], "an id of another session (P5)"
            if transaction.stopped_at is not None:
                stop = next(payload for _, action, payload in messages if action == "StopTransaction")
                register.append(stop["meterStop"])
                data = [int(entry["sampledValue"][0]["value"]) for entry in stop.get("transactionData", [])]
                assert data == sorted(data)
                assert not data or (data[0], data[-1]) == (start["meterStart"], stop["meterStop"])
                assert stop["timestamp"] >= start["timestamp"]
            assert register == sorted(register), "the meter ran backwards (P7)"
