"""DjangoStore: rows ⇄ records. The only user of the ORM on the charging path; one thread (the domain's) calls it.

A unit of work takes the database's write lock at its first write only: an event that changes nothing costs no lock and
no fsync. What every Tick asks for (values, the open transaction, head and length of the queue) is kept in memory.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from enum import Enum

from django.db import connection
from django.db import transaction as db_transaction

from ocppclient.events import Explain
from ocppclient.storable import clean_text, fits, storable, tag_key
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
from station import history, models
from station.history import Measurement
from station.rows import Table, column
from station.sentences import packed

#: The why log keeps that many lines; older ones go in batches.
REASONS_KEPT = 2000
REASONS_BATCH = 100
#: Longest text of one why log line; a refused frame may be megabytes long.
REASON_LENGTH = 1000


@dataclass(frozen=True)
class _Value:
    name: str
    value: str


@dataclass(frozen=True)
class _Reason:
    at: datetime
    what: str
    verdict: str
    rule: str
    value: str
    clause: str


@dataclass(frozen=True)
class _PrivateKey:
    key_id: str
    pem: str = field(repr=False)


VALUES = Table(models.Value, _Value, keyed=True)
TRANSACTIONS = Table(models.Transaction, Transaction)
CALLS = Table(models.QueuedCall, QueuedCall)
DELIVERED = Table(models.DeliveredCall, DeliveredCall, keyed=True)
TAGS = Table(models.IdTag, IdTagEntry, extra=["key"])
PROFILES = Table(models.ChargingProfile, InstalledProfile, keyed=True)
REASONS = Table(models.Reason, _Reason)
JOBS = Table(models.Job, Job)
SECURITY_EVENTS = Table(models.SecurityEvent, SecurityEvent)
MEASUREMENTS = Table(models.Measurement, Measurement, keyed=True)
CERTIFICATES = Table(models.Certificate, Certificate)
PRIVATE_KEYS = Table(models.PrivateKey, _PrivateKey)

#: Of the second, fourth … MeterValues of each kind those that lie closest together (see `Store.thin_meter_values`).
_CLOSE_METER_VALUES = """
    WHERE seq IN (
        WITH kinds AS (
            SELECT seq, ROW_NUMBER() OVER kind AS number, LEAD(seq) OVER kind - LAG(seq) OVER kind AS gap
            FROM station_queuedcall WHERE action = 'MeterValues' AND seq <> %s
            WINDOW kind AS (
                PARTITION BY transaction_uid, parked_reason > '', instr(payload, '"Sample.Clock"') > 0 ORDER BY seq
            )
        )
        SELECT seq FROM kinds
        WHERE number %% 2 = 0 AND gap < 2 * (SELECT MIN(gap) FROM kinds WHERE number %% 2 = 0)
    )"""

_UNFINISHED = f"state IN {UNFINISHED!r}"
_LISTED = "source IN ('backend', 'station')"


class _Unread(Enum):
    """Marks what has to be asked from the database."""

    YET = 0


class DjangoStore:
    """The durable `Store` (contract: `ocppclient/store.py`; one contract test runs on it and on its in-memory twin)."""

    def __init__(self) -> None:
        self._levels: list[db_transaction.Atomic | None] = []
        self._forget()

    def _forget(self) -> None:
        """Drop what is kept in memory: after a rollback only the database knows."""
        self._values: dict[str, str] | None = None
        self._open: Transaction | _Unread | None = _Unread.YET
        self._head: QueuedCall | _Unread | None = _Unread.YET
        self._depth: int | None = None
        self._parked: int | None = None

    # -- units of work
    @contextmanager
    def atomic(self) -> Iterator[None]:
        """One unit of work; nested use is a savepoint. An exception undoes everything since it was entered."""
        self._levels.append(None)
        try:
            yield
        except BaseException as error:
            level = self._levels.pop()
            if level is not None:
                self._forget()
                level.__exit__(type(error), error, error.__traceback__)
            raise
        level = self._levels.pop()
        if level is None:
            return
        # A database error that somebody caught inside: Django would roll back without a word.
        broken = connection.needs_rollback
        try:
            level.__exit__(None, None, None)
            if broken:
                raise db_transaction.TransactionManagementError("a database error was caught inside a unit of work")
        except BaseException:  # or the commit failed (disk full), and Django has rolled back
            self._forget()
            raise

    def _begin(self) -> None:
        """Make the enclosing units of work real: BEGIN IMMEDIATE for the outermost, SAVEPOINT for the nested ones."""
        if self._levels and self._levels[-1] is None:
            for index, level in enumerate(self._levels):
                if level is None:
                    begun = db_transaction.atomic()
                    begun.__enter__()
                    self._levels[index] = begun

    # -- values
    def value(self, name: str) -> str | None:
        return self._all_values().get(clean_text(name))

    def set_value(self, name: str, value: str | None) -> None:
        name, kept = clean_text(name), self._all_values()
        if value is None:
            if name in kept:
                self._begin()
                VALUES.delete("WHERE name = %s", name)
                del kept[name]
            return
        value = clean_text(value)
        if kept.get(name) != value:
            self._begin()
            VALUES.insert(_Value(name, value), replace_on=["name"])
            kept[name] = value

    def values(self, prefix: str) -> dict[str, str]:
        return {name: text for name, text in sorted(self._all_values().items()) if name.startswith(prefix)}

    def _all_values(self) -> dict[str, str]:
        if self._values is None:
            self._values = {row.name: row.value for row in VALUES.select("")}
        return self._values

    # -- transactions
    def open_transaction(self) -> Transaction | None:
        if self._open is _Unread.YET:
            self._open = TRANSACTIONS.first("WHERE stopped_at IS NULL ORDER BY id DESC")
        return self._open

    def transaction(self, uid: str) -> Transaction | None:
        if isinstance(self._open, Transaction) and self._open.uid == uid:
            return self._open
        return TRANSACTIONS.first("WHERE uid = %s", clean_text(uid))

    def transaction_by_id(self, transaction_id: int) -> Transaction | None:
        if not fits(transaction_id):
            return None
        return TRANSACTIONS.first("WHERE transaction_id = %s ORDER BY id DESC", transaction_id)

    def save_transaction(self, transaction: Transaction) -> None:
        transaction = storable(transaction)
        former = self.open_transaction()
        self._begin()
        if former is not None and former.uid == transaction.uid:
            TRANSACTIONS.update(transaction, former, "WHERE uid = %s", transaction.uid)
            self._open = transaction if transaction.stopped_at is None else _Unread.YET
            return
        TRANSACTIONS.insert(transaction, replace_on=["uid"])
        if transaction.stopped_at is None:
            self._open = transaction if former is None else _Unread.YET

    # -- the durable queue
    def enqueue(self, call: QueuedCall) -> QueuedCall:
        call = storable(call)
        self._begin()
        call = replace(call, seq=CALLS.insert(call))
        if call.parked_reason:
            self._parked = None
            return call
        if self._head is None:
            self._head = call
        if self._depth is not None:
            self._depth += 1
        return call

    def next_queued(self) -> QueuedCall | None:
        if self._head is _Unread.YET:
            self._head = CALLS.first("WHERE parked_reason = '' ORDER BY seq")
        return self._head

    def update_queued(self, call: QueuedCall) -> None:
        """Replace the row of this seq. Raises KeyError when there is none."""
        call = storable(call)
        former = self._head_with(call.seq)
        self._begin()
        if not CALLS.update(call, former, "WHERE seq = %s", call.seq) and former != call:
            raise KeyError(call.seq)
        if former is not None and not call.parked_reason:
            self._head = call
        else:  # it may have been parked, or put back into the queue
            self._head, self._depth, self._parked = _Unread.YET, None, None

    def delete_queued(self, seq: int) -> None:
        if not fits(seq):
            return
        self._begin()
        if not CALLS.delete("WHERE seq = %s AND parked_reason = ''", seq):
            CALLS.delete("WHERE seq = %s", seq)
            self._parked = None
            return
        if self._depth is not None:
            self._depth -= 1
        if self._head_with(seq):
            self._head = None if self._depth == 0 else _Unread.YET

    def keep_delivered(self, call: DeliveredCall) -> None:
        self._begin()
        DELIVERED.insert(storable(call), replace_on=["seq"])
        DELIVERED.delete("WHERE seq <= %s", call.seq - DELIVERED_KEPT)

    def delivered_calls(self, transaction_uid: str) -> list[DeliveredCall]:
        return DELIVERED.select("WHERE transaction_uid = %s ORDER BY seq", clean_text(transaction_uid))

    def _head_with(self, seq: int) -> QueuedCall | None:
        return self._head if isinstance(self._head, QueuedCall) and self._head.seq == seq else None

    def queued(self, seq: int) -> QueuedCall | None:
        return self._head_with(seq) or (CALLS.first("WHERE seq = %s", seq) if fits(seq) else None)

    def queued_by_message_id(self, message_id: str) -> QueuedCall | None:
        message_id = clean_text(message_id)
        # As it stands in the JSON list, with its quotes; LIKE would ignore case and limit the length.
        spelled = json.dumps(message_id, ensure_ascii=False)
        calls = CALLS.select("WHERE instr(message_ids, %s) ORDER BY seq", spelled)
        return next((call for call in calls if message_id in call.message_ids), None)

    def queue_depth(self) -> int:
        if self._depth is None:
            self._depth = CALLS.count("WHERE parked_reason = ''")
        return self._depth

    def parked_calls(self) -> list[QueuedCall]:
        return CALLS.select("WHERE parked_reason > '' ORDER BY seq")

    def parked_depth(self) -> int:
        if self._parked is None:
            self._parked = CALLS.count("WHERE parked_reason > ''")
        return self._parked

    def thin_meter_values(self) -> int:
        head = self.next_queued()
        self._begin()
        thinned = CALLS.delete(_CLOSE_METER_VALUES, head.seq if head else 0)
        self._depth = self._parked = None
        return thinned

    def undated_depth(self, boot_id: str) -> int:
        return CALLS.count("WHERE boot_id = %s", clean_text(boot_id)) if boot_id else 0

    # -- id tags
    def cache_entry(self, id_tag: str) -> IdTagEntry | None:
        return TAGS.first("WHERE key = %s AND source = 'cache'", tag_key(id_tag))

    def save_cache_entry(self, entry: IdTagEntry) -> None:
        if entry.source != "cache":
            raise ValueError(f"an entry of the cache has the source 'cache', not {entry.source!r}")
        self._save_entry(entry)

    def delete_cache_entry(self, id_tag: str) -> None:
        self._begin()
        TAGS.delete("WHERE key = %s AND source = 'cache'", tag_key(id_tag))

    def clear_cache(self) -> None:
        self._begin()
        TAGS.delete("WHERE source = 'cache'")

    def cache_size(self) -> int:
        return TAGS.count("WHERE source = 'cache'")

    def evict_cache_entry(self, now: datetime) -> None:
        self._begin()
        TAGS.delete(
            "WHERE id = (SELECT id FROM station_idtag WHERE source = 'cache' ORDER BY "
            "status = 'Accepted' AND (expiry_date IS NULL OR expiry_date > %s), updated_at, key LIMIT 1)",  # NULL first
            column(now),
        )

    def drop_listed_from_cache(self) -> None:
        listed = f"WHERE source = 'cache' AND key IN (SELECT key FROM station_idtag WHERE {_LISTED})"
        if TAGS.count(listed):  # nothing to do costs no lock
            self._begin()
            TAGS.delete(listed)

    def list_entry(self, id_tag: str) -> IdTagEntry | None:
        # "backend" comes before "station", and wins
        return TAGS.first(f"WHERE key = %s AND {_LISTED} ORDER BY source", tag_key(id_tag))

    def save_list_entry(self, entry: IdTagEntry) -> None:
        """Insert or replace by idTag and source ("backend" or "station")."""
        if entry.source not in ("backend", "station"):
            raise ValueError(f"an entry of the local list comes from 'backend' or 'station', not {entry.source!r}")
        self._save_entry(entry)

    def list_entries(self, source: str) -> list[IdTagEntry]:
        return TAGS.select(f"WHERE source = %s AND {_LISTED} ORDER BY key", source)

    def list_size(self, source: str) -> int:
        return TAGS.count(f"WHERE source = %s AND {_LISTED}", source)

    def delete_list_entry(self, id_tag: str, source: str) -> None:
        self._begin()
        TAGS.delete(f"WHERE key = %s AND source = %s AND {_LISTED}", tag_key(id_tag), source)

    def replace_backend_list(self, entries: Sequence[IdTagEntry]) -> None:
        """Make these the only entries of the backend; each idTag once. Entries of the station stay."""
        self._change_backend_list(entries, lambda: TAGS.delete("WHERE source = 'backend'"))

    def change_backend_list(self, saved: Sequence[IdTagEntry], removed: Sequence[str]) -> None:
        """Insert or replace some entries of the backend, remove those of the idTags `removed`."""

        def remove() -> None:
            for id_tag in removed:
                self.delete_list_entry(id_tag, "backend")

        self._change_backend_list(saved, remove)

    def _change_backend_list(self, saved: Sequence[IdTagEntry], remove: Callable[[], object]) -> None:
        if any(entry.source != "backend" for entry in saved):
            raise ValueError("only entries with the source 'backend' belong to the backend's list")
        rows = [storable(entry) for entry in saved]
        with self.atomic():  # an error between the two must not leave half a list
            self._begin()
            remove()
            TAGS.insert_all(rows, [{"key": tag_key(row.id_tag)} for row in rows], replace_on=["key", "source"])

    def _save_entry(self, entry: IdTagEntry) -> None:
        entry = storable(entry)
        self._begin()
        TAGS.insert(entry, replace_on=["key", "source"], key=tag_key(entry.id_tag))

    # -- charging profiles
    def charging_profiles(self) -> list[InstalledProfile]:
        return PROFILES.select("ORDER BY profile_id")

    def save_charging_profile(self, profile: InstalledProfile) -> None:
        profile = storable(profile)
        self._begin()
        PROFILES.insert(profile, replace_on=["profile_id"])

    def delete_charging_profile(self, profile_id: int) -> None:
        if fits(profile_id):
            self._begin()
            PROFILES.delete("WHERE profile_id = %s", profile_id)

    # -- the security log
    def add_security_event(self, event: SecurityEvent) -> SecurityEvent:
        event = storable(event)
        self._begin()
        seq = SECURITY_EVENTS.insert(event)
        SECURITY_EVENTS.delete(
            "WHERE seq <= %s OR (seq <= %s AND delivery <> 'waiting')",
            seq - 2 * SECURITY_LOG_LENGTH,
            seq - SECURITY_LOG_LENGTH,
        )
        return replace(event, seq=seq)

    def update_security_event(self, event: SecurityEvent) -> None:
        self._begin()
        SECURITY_EVENTS.update(storable(event), None, "WHERE seq = %s", event.seq)

    def waiting_security_event(self) -> SecurityEvent | None:
        return SECURITY_EVENTS.first("WHERE delivery = 'waiting' ORDER BY seq")

    def undated_security_events(self, boot_id: str) -> list[SecurityEvent]:
        return SECURITY_EVENTS.select("WHERE boot_id = %s ORDER BY seq", clean_text(boot_id)) if boot_id else []

    def security_events(self) -> list[SecurityEvent]:
        return SECURITY_EVENTS.select("ORDER BY seq")

    def clear_security_log(self) -> None:
        self._begin()
        SECURITY_EVENTS.delete("WHERE delivery <> 'waiting'")

    # -- certificates, and the private keys of this station
    def certificates(self, kind: str) -> list[Certificate]:
        return CERTIFICATES.select("WHERE kind = %s ORDER BY id", kind)

    def save_certificate(self, certificate: Certificate) -> None:
        certificate = storable(certificate)
        self._begin()
        CERTIFICATES.insert(certificate, replace_on=["kind", "fingerprint"])

    def delete_certificate(self, kind: str, fingerprint: str) -> None:
        self._begin()
        CERTIFICATES.delete("WHERE kind = %s AND fingerprint = %s", kind, fingerprint)

    def private_key(self, key_id: str) -> str | None:
        row = PRIVATE_KEYS.first("WHERE key_id = %s", key_id)
        return row.pem if row else None

    def private_key_ids(self) -> list[str]:
        return [row.key_id for row in PRIVATE_KEYS.select("ORDER BY id")]

    def save_private_key(self, key_id: str, pem: str) -> None:
        self._begin()
        PRIVATE_KEYS.insert(_PrivateKey(key_id, pem), replace_on=["key_id"])

    def delete_private_key(self, key_id: str) -> None:
        self._begin()
        PRIVATE_KEYS.delete("WHERE key_id = %s", key_id)

    # -- what was measured
    def add_measurements(self, rows: Sequence[Measurement]) -> None:
        """Keep these minutes and the newest KEPT ones at all.

        The number counts, not the age: a clock that was wrong for a while must not cost the history.
        """
        with self.atomic():
            self._begin()
            # minutes of the future were written while the clock was wrong
            MEASUREMENTS.delete("WHERE minute > %s", rows[-1].minute)
            MEASUREMENTS.insert_all(rows, [{} for _ in rows], replace_on=["minute"])
            MEASUREMENTS.delete(
                "WHERE minute <= (SELECT minute FROM station_measurement ORDER BY minute DESC LIMIT 1 OFFSET %s)",
                history.KEPT,
            )

    # -- jobs: others write them too, so nothing of them is kept in memory
    def job(self, uid: str) -> Job | None:
        return JOBS.first("WHERE uid = %s", clean_text(uid))

    def save_job(self, job: Job) -> None:
        self._begin()
        JOBS.insert(storable(job), replace_on=["uid"])
        JOBS.delete(
            f"WHERE uid <> %s AND NOT {_UNFINISHED} AND id NOT IN "
            f"(SELECT id FROM station_job WHERE uid <> %s AND NOT {_UNFINISHED} ORDER BY id DESC LIMIT {JOBS_KEPT})",
            job.uid,
            job.uid,
        )

    def unfinished_jobs(self) -> list[Job]:
        return JOBS.select(f"WHERE {_UNFINISHED} ORDER BY id")

    def newest_jobs(self) -> list[Job]:
        """All that are kept, the oldest first."""
        return JOBS.select("ORDER BY id")

    # -- the why log
    def add_reason(self, explain: Explain, at: datetime) -> None:
        """Append to the why log (UTC); the oldest lines beyond REASONS_KEPT go away in batches."""
        what, verdict, value, clause = map(_shortened, (explain.what, explain.verdict, explain.value, explain.clause))
        rule = packed(explain.rule) if len(explain.rule) <= REASON_LENGTH else _shortened(explain.rule)
        self._begin()
        newest = REASONS.insert(_Reason(at, what, verdict, clean_text(rule), value, clause))
        if newest % REASONS_BATCH == 0:
            REASONS.delete("WHERE id <= %s", newest - REASONS_KEPT)


def _shortened(text: str) -> str:
    return clean_text(str(text) if len(text) <= REASON_LENGTH else text[: REASON_LENGTH - 1] + "…")
