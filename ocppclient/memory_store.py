"""The in-memory twin of the durable store, for tests and demos: same answers, same rollback, nothing on disk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime
from typing import Any

from ocppclient.storable import clean_text, storable, tag_key
from ocppclient.store import (
    DELIVERED_KEPT,
    JOBS_KEPT,
    SECURITY_LOG_LENGTH,
    UNFINISHED,
    Certificate,
    DeliveredCall,
    IdTagEntry,
    InstalledProfile,
    Job,
    QueuedCall,
    SecurityEvent,
    Transaction,
)


class MemoryStore:
    """A `Store` that forgets everything with the object; a new ChargePoint over the same object is a reboot.

    A unit of work keeps the former value of every row it writes, and puts them back when it fails.
    """

    def __init__(self) -> None:
        self._values: dict[str, str] = {}
        self._transactions: dict[str, Transaction] = {}  # in the order of their first save
        self._waiting: dict[int, QueuedCall] = {}  # by seq, ascending
        self._parked: dict[int, QueuedCall] = {}  # by seq, ascending
        self._delivered: dict[int, DeliveredCall] = {}  # by seq
        self._cache: dict[str, IdTagEntry] = {}
        self._list: dict[tuple[str, str], IdTagEntry] = {}
        self._profiles: dict[int, InstalledProfile] = {}  # by profile_id, ascending
        self._security_log: dict[int, SecurityEvent] = {}  # by seq, ascending
        self._certificates: dict[tuple[str, str], Certificate] = {}  # by kind and fingerprint
        self._private_keys: dict[str, str] = {}  # by id
        self._counter: dict[str, int] = {"seq": 0, "security": 0}
        self._jobs: dict[str, Job] = {}  # in the order of their first save
        self._undo: list[tuple[dict[Any, Any], Any, Any]] = []
        self._depth = 0

    @contextmanager
    def atomic(self) -> Iterator[None]:
        """One unit of work; nested use is a savepoint. An exception undoes everything since it was entered."""
        mark = len(self._undo)
        self._depth += 1
        try:
            yield
        except BaseException:
            while len(self._undo) > mark:
                table, key, former = self._undo.pop()
                _put(table, key, former)
            raise
        finally:
            self._depth -= 1
            if not self._depth:
                self._undo.clear()

    def _write(self, table: dict[Any, Any], key: Any, row: Any) -> None:
        if self._depth:
            self._undo.append((table, key, table.get(key)))
        _put(table, key, row)

    # -- values
    def value(self, name: str) -> str | None:
        return self._values.get(clean_text(name))

    def set_value(self, name: str, value: str | None) -> None:
        self._write(self._values, clean_text(name), None if value is None else clean_text(value))

    def values(self, prefix: str) -> dict[str, str]:
        return {name: text for name, text in sorted(self._values.items()) if name.startswith(prefix)}

    # -- transactions
    def open_transaction(self) -> Transaction | None:
        return next((row for row in reversed(self._transactions.values()) if row.stopped_at is None), None)

    def transaction(self, uid: str) -> Transaction | None:
        return self._transactions.get(uid)

    def transaction_by_id(self, transaction_id: int) -> Transaction | None:
        newest_first = reversed(self._transactions.values())
        return next((row for row in newest_first if row.transaction_id == transaction_id), None)

    def save_transaction(self, transaction: Transaction) -> None:
        transaction = storable(transaction)
        self._write(self._transactions, transaction.uid, transaction)

    # -- the durable queue
    def enqueue(self, call: QueuedCall) -> QueuedCall:
        seq = self._counter["seq"] + 1
        call = replace(storable(call), seq=seq)
        self._write(self._counter, "seq", seq)
        self._write(self._parked if call.parked_reason else self._waiting, seq, call)
        return call

    def next_queued(self) -> QueuedCall | None:
        return next(iter(self._waiting.values()), None)

    def update_queued(self, call: QueuedCall) -> None:
        """Replace the row of this seq. Raises KeyError when there is none."""
        call = storable(call)
        if self.queued(call.seq) is None:
            raise KeyError(call.seq)
        self._write(self._waiting, call.seq, None if call.parked_reason else call)
        self._write(self._parked, call.seq, call if call.parked_reason else None)

    def delete_queued(self, seq: int) -> None:
        self._write(self._waiting, seq, None)
        self._write(self._parked, seq, None)

    def keep_delivered(self, call: DeliveredCall) -> None:
        self._write(self._delivered, call.seq, storable(call))
        for seq in [seq for seq in self._delivered if seq <= call.seq - DELIVERED_KEPT]:
            self._write(self._delivered, seq, None)

    def delivered_calls(self, transaction_uid: str) -> list[DeliveredCall]:
        rows = sorted(self._delivered.values(), key=lambda call: call.seq)
        return [call for call in rows if call.transaction_uid == clean_text(transaction_uid)]

    def queued(self, seq: int) -> QueuedCall | None:
        return self._waiting.get(seq) or self._parked.get(seq)

    def queued_by_message_id(self, message_id: str) -> QueuedCall | None:
        message_id = clean_text(message_id)
        return next((call for call in self._all_calls() if message_id in call.message_ids), None)

    def queue_depth(self) -> int:
        return len(self._waiting)

    def parked_calls(self) -> list[QueuedCall]:
        return list(self._parked.values())

    def parked_depth(self) -> int:
        return len(self._parked)

    def thin_meter_values(self) -> int:
        head = self.next_queued()
        kinds: dict[tuple[str, bool, bool], list[int]] = {}
        for call in self._all_calls():
            if call.action == "MeterValues" and (head is None or call.seq != head.seq):
                kind = (call.transaction_uid, bool(call.parked_reason), '"Sample.Clock"' in call.payload)
                kinds.setdefault(kind, []).append(call.seq)
        gaps = {
            seqs[index]: seqs[index + 1] - seqs[index - 1]
            for seqs in kinds.values()
            for index in range(1, len(seqs) - 1, 2)
        }
        thinned = [seq for seq, gap in gaps.items() if gap < 2 * min(gaps.values())]
        for seq in thinned:
            self.delete_queued(seq)
        return len(thinned)

    def undated_depth(self, boot_id: str) -> int:
        return sum(call.boot_id == boot_id for call in self._all_calls()) if boot_id else 0

    def _all_calls(self) -> list[QueuedCall]:
        return sorted([*self._waiting.values(), *self._parked.values()], key=lambda call: call.seq)

    # -- id tags
    def cache_entry(self, id_tag: str) -> IdTagEntry | None:
        return self._cache.get(tag_key(id_tag))

    def save_cache_entry(self, entry: IdTagEntry) -> None:
        if entry.source != "cache":
            raise ValueError(f"an entry of the cache has the source 'cache', not {entry.source!r}")
        self._write(self._cache, tag_key(entry.id_tag), storable(entry))

    def delete_cache_entry(self, id_tag: str) -> None:
        self._write(self._cache, tag_key(id_tag), None)

    def clear_cache(self) -> None:
        for key in list(self._cache):
            self._write(self._cache, key, None)

    def cache_size(self) -> int:
        return len(self._cache)

    def evict_cache_entry(self, now: datetime) -> None:
        def worth(item: tuple[str, IdTagEntry]) -> tuple[bool, bool, float, str]:
            key, entry = item
            valid = entry.status == "Accepted" and (entry.expiry_date is None or entry.expiry_date > now)
            age = entry.updated_at.timestamp() if entry.updated_at else 0.0
            return valid, entry.updated_at is not None, age, key

        if self._cache:
            self._write(self._cache, min(self._cache.items(), key=worth)[0], None)

    def drop_listed_from_cache(self) -> None:
        for key in {key for key, _ in self._list}.intersection(self._cache):
            self._write(self._cache, key, None)

    def list_entry(self, id_tag: str) -> IdTagEntry | None:
        key = tag_key(id_tag)
        return self._list.get((key, "backend")) or self._list.get((key, "station"))

    def list_entries(self, source: str) -> list[IdTagEntry]:
        return [entry for (_, whose), entry in sorted(self._list.items()) if whose == source]

    def list_size(self, source: str) -> int:
        return sum(whose == source for _, whose in self._list)

    def save_list_entry(self, entry: IdTagEntry) -> None:
        """Insert or replace by idTag and source ("backend" or "station")."""
        if entry.source not in ("backend", "station"):
            raise ValueError(f"an entry of the local list comes from 'backend' or 'station', not {entry.source!r}")
        self._write(self._list, (tag_key(entry.id_tag), entry.source), storable(entry))

    def delete_list_entry(self, id_tag: str, source: str) -> None:
        self._write(self._list, (tag_key(id_tag), source), None)

    def replace_backend_list(self, entries: Sequence[IdTagEntry]) -> None:
        """Make these the only entries of the backend; each idTag once. Entries of the station stay."""
        kept = {tag_key(entry.id_tag) for entry in entries}
        removed = [key for key, whose in self._list if whose == "backend" and key not in kept]
        self.change_backend_list(entries, removed)

    def change_backend_list(self, saved: Sequence[IdTagEntry], removed: Sequence[str]) -> None:
        """Insert or replace some entries of the backend, remove those of the idTags `removed`."""
        if any(entry.source != "backend" for entry in saved):
            raise ValueError("only entries with the source 'backend' belong to the backend's list")
        saved = [storable(entry) for entry in saved]
        for id_tag in removed:
            self.delete_list_entry(id_tag, "backend")
        for entry in saved:
            self.save_list_entry(entry)

    # -- charging profiles
    def charging_profiles(self) -> list[InstalledProfile]:
        return list(self._profiles.values())

    def save_charging_profile(self, profile: InstalledProfile) -> None:
        profile = storable(profile)
        self._write(self._profiles, profile.profile_id, profile)

    def delete_charging_profile(self, profile_id: int) -> None:
        self._write(self._profiles, profile_id, None)

    # -- the security log
    def add_security_event(self, event: SecurityEvent) -> SecurityEvent:
        seq = self._counter["security"] + 1
        event = replace(storable(event), seq=seq)
        self._write(self._counter, "security", seq)
        self._write(self._security_log, seq, event)
        for former in self.security_events():
            kept = SECURITY_LOG_LENGTH * (2 if former.delivery == "waiting" else 1)
            if former.seq <= seq - kept:
                self._write(self._security_log, former.seq, None)
        return event

    def update_security_event(self, event: SecurityEvent) -> None:
        if event.seq in self._security_log:
            self._write(self._security_log, event.seq, storable(event))

    def waiting_security_event(self) -> SecurityEvent | None:
        return next((event for event in self._security_log.values() if event.delivery == "waiting"), None)

    def undated_security_events(self, boot_id: str) -> list[SecurityEvent]:
        return [event for event in self.security_events() if event.boot_id == boot_id] if boot_id else []

    def security_events(self) -> list[SecurityEvent]:
        return list(self._security_log.values())

    def clear_security_log(self) -> None:
        for event in self.security_events():
            if event.delivery != "waiting":
                self._write(self._security_log, event.seq, None)

    # -- certificates, and the private keys of this station
    def certificates(self, kind: str) -> list[Certificate]:
        return [certificate for (whose, _), certificate in self._certificates.items() if whose == kind]

    def save_certificate(self, certificate: Certificate) -> None:
        self._write(self._certificates, (certificate.kind, certificate.fingerprint), storable(certificate))

    def delete_certificate(self, kind: str, fingerprint: str) -> None:
        self._write(self._certificates, (kind, fingerprint), None)

    def private_key(self, key_id: str) -> str | None:
        return self._private_keys.get(key_id)

    def private_key_ids(self) -> list[str]:
        return list(self._private_keys)

    def save_private_key(self, key_id: str, pem: str) -> None:
        self._write(self._private_keys, key_id, pem)

    def delete_private_key(self, key_id: str) -> None:
        self._write(self._private_keys, key_id, None)

    # -- jobs
    def job(self, uid: str) -> Job | None:
        return self._jobs.get(uid)

    def save_job(self, job: Job) -> None:
        job = storable(job)
        self._write(self._jobs, job.uid, job)
        finished = [row.uid for row in self._jobs.values() if row.state not in UNFINISHED and row.uid != job.uid]
        for uid in finished[: max(0, len(finished) - JOBS_KEPT)]:
            self._write(self._jobs, uid, None)

    def unfinished_jobs(self) -> list[Job]:
        return [job for job in self._jobs.values() if job.state in UNFINISHED]


def _put(table: dict[Any, Any], key: Any, row: Any) -> None:
    """Set a row (None removes it); tables with integer keys stay in ascending order."""
    if row is None:
        table.pop(key, None)
        return
    out_of_order = isinstance(key, int) and key not in table and table and key < next(reversed(table))
    table[key] = row
    if out_of_order:
        ascending = sorted(table.items())
        table.clear()
        table.update(ascending)
