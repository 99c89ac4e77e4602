"""The Store protocol and its records: everything that must outlive a power cut.

One event is one unit of work: all writes between entering and leaving `atomic()` become durable together or not at
all. Only the domain thread calls a store. `memory_store.py` is the in-memory twin; one contract test runs on both.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from datetime import datetime
from typing import Protocol


@dataclass(frozen=True)
class Transaction:
    """One charging transaction; `uid` is the station's own key, valid before the backend gave a transaction_id.

    Attributes:
        uid: UUID text.
        connector_id: 1.
        id_tag: of the start; parent_id_tag its group, "" if unknown.
        meter_start_wh, meter_stop_wh: lifetime register, Wh (OCPP 1.6 section 6.45, 6.49).
        started_at, stopped_at: UTC.
        transaction_id: from StartTransaction.conf (0 and negative are valid); None until it came.
        start_delivered: the backend answered StartTransaction.
        start_parked: StartTransaction was given up; later messages go out with transactionId -1 (errata 3.18).
        reason: of the stop, "" while running.
        last_wh, last_seen_at: the meter journal (at most 60 s or 100 Wh old).
        deauthorised: StartTransaction.conf refused the idTag and StopTransactionOnInvalidId is false.
        energy_cap_wh: register value at which the grace energy of an invalid idTag ends; None: no cap.
        data: JSON text of the transactionData collected so far (a list of MeterValue).
        reservation_id: consumed reservation; None without one.
        remote: started by RemoteStartTransaction.
        boot_id: of the boot that opened it (rows dated by an unsynchronised clock are re-dated within the same boot).
    """

    uid: str
    connector_id: int
    id_tag: str
    meter_start_wh: int
    started_at: datetime
    parent_id_tag: str = ""
    transaction_id: int | None = None
    start_delivered: bool = False
    start_parked: bool = False
    stopped_at: datetime | None = None
    meter_stop_wh: int | None = None
    stop_id_tag: str = ""
    reason: str = ""
    last_wh: int = 0
    last_seen_at: datetime | None = None
    deauthorised: bool = False
    energy_cap_wh: int | None = None
    data: str = "[]"
    reservation_id: int | None = None
    remote: bool = False
    boot_id: str = ""


@dataclass(frozen=True)
class QueuedCall:
    """One transaction-related CALL in the durable queue; delivered rows are deleted, given-up rows are parked.

    Attributes:
        seq: position in the queue, given by the store (0 before `enqueue`); strictly increasing, never reused.
        action: StartTransaction, StopTransaction or MeterValues.
        payload: JSON text. While `needs_transaction_id` the transactionId is still missing in it; it is filled in once,
            before the first transmission, and the text never changes afterwards.
        transaction_uid: "" for a message outside a transaction.
        message_ids: every uniqueId it was ever sent with, the newest last.
        attempts: transmissions that the backend failed to process.
        parked_reason: "" while queued; otherwise why it was given up, in words.
        boot_id: of the boot that wrote it while its timestamps come from a guessed clock; "" once they are good.
    """

    action: str
    payload: str
    message_ids: tuple[str, ...]
    seq: int = 0
    transaction_uid: str = ""
    needs_transaction_id: bool = False
    attempts: int = 0
    parked_reason: str = ""
    created_at: datetime | None = None
    boot_id: str = ""


#: So many positions of the queue back the delivered messages are kept for people.
DELIVERED_KEPT = 10_000


@dataclass(frozen=True)
class DeliveredCall:
    """A message of a transaction that the backend has answered: for people, no rule reads it.

    Attributes:
        seq: its former position in the queue.
        payload, answer: JSON text of request and response.
        created_at, sent_at, answered_at: UTC; sent_at of the last transmission, None when the answer came late.
        attempts: transmissions before that the backend failed to process.
    """

    seq: int
    action: str
    payload: str
    answer: str
    transaction_uid: str
    created_at: datetime | None
    sent_at: datetime | None
    answered_at: datetime
    attempts: int = 0


@dataclass(frozen=True)
class IdTagEntry:
    """One entry of the Authorization Cache or of the Local Authorization List.

    Attributes:
        id_tag: as first written; compared case-insensitively everywhere.
        status: AuthorizationStatus (Accepted, Blocked, Expired, Invalid, ConcurrentTx).
        source: "cache", "backend" (list entry by SendLocalList) or "station" (list entry added locally).
        updated_at: UTC of the last write; the oldest valid cache entry is evicted first.
    """

    id_tag: str
    status: str
    source: str
    parent_id_tag: str = ""
    expiry_date: datetime | None = None
    updated_at: datetime | None = None
    note: str = ""


@dataclass(frozen=True)
class InstalledProfile:
    """One charging profile as SetChargingProfile (or a remote start) installed it; one row, however many periods.

    Attributes:
        profile_id: chargingProfileId, the key.
        purpose, kind, recurrency_kind, unit: words of sections 7.8 to 7.13; recurrency_kind "" unless Recurring.
        period_starts, period_limits: `charging_profile.Periods`, little-endian, 4 bytes a period.
        period_phases: one byte a period, b"" when numberPhases was never given.
        valid_from_s, valid_to_s, start_s: whole seconds since 1970, UTC.
        transaction_uid: of a TxProfile.
        origin: the message that brought it, SetChargingProfile or RemoteStartTransaction; installed_at: when, UTC.
    """

    profile_id: int
    connector_id: int
    stack_level: int
    purpose: str
    kind: str
    unit: str
    period_starts: bytes
    period_limits: bytes
    period_phases: bytes = b""
    recurrency_kind: str = ""
    valid_from_s: int | None = None
    valid_to_s: int | None = None
    start_s: int | None = None
    duration_s: int | None = None
    transaction_uid: str = ""
    origin: str = ""
    installed_at: datetime | None = None


#: The security log keeps that many events; those that wait for the backend stay up to twice as long.
SECURITY_LOG_LENGTH = 2000


@dataclass(frozen=True)
class SecurityEvent:
    """One line of the security log (security white paper section 8).

    Attributes:
        type: name of the event.
        at: UTC.
        tech_info: one line for people, at most 255 characters, never a secret.
        delivery: "" (only logged), "waiting" for the backend, "delivered", or "refused" by it.
        message_id: the uniqueId of its SecurityEventNotification; "" when only logged.
        boot_id: of the boot that wrote it while the clock was not confirmed; "" once its time is good.
        seq: given by the store (0 before); strictly increasing.
    """

    type: str
    at: datetime
    tech_info: str = ""
    delivery: str = ""
    message_id: str = ""
    boot_id: str = ""
    seq: int = 0


@dataclass(frozen=True)
class Certificate:
    """One installed certificate (security white paper section 2.6).

    Attributes:
        kind: "CentralSystemRootCertificate", "ManufacturerRootCertificate" or "ChargePointCertificate".
        fingerprint: SHA-256 over its DER, hex; with `kind` the key.
        pem: the certificate, then those of its issuers as far as they came with it.
        installed_at: UTC.
        fallback: the former Central System root, kept until the new one has proved itself (M05.FR.11).
        key_id: of the private key of a ChargePointCertificate; "" for roots.
    """

    kind: str
    fingerprint: str
    pem: str
    installed_at: datetime
    fallback: bool = False
    key_id: str = ""


#: Finished jobs that are kept, for people.
JOBS_KEPT = 20
#: States of a job that is still to be done.
UNFINISHED = ("queued", "running")


@dataclass(frozen=True)
class Job:
    """One slow piece of work that somebody beside the charge point does: it is a row, so no crash loses it.

    The charge point makes it and may start it again or cancel it; who does it writes state, stage, progress and result,
    and only while `run` is still the run it was started with.

    Attributes:
        uid: UUID text.
        kind: "download", "install" or "upload".
        arguments: JSON text of what it needs.
        run: how often it was started.
        state: "queued", "running", "done", "failed" or "cancelled".
        stage: what of it is going on, a word of its kind.
        progress: percent of the stage.
        result: JSON text; of "failed" an object with "failure" (one word) and "reason" (one sentence).
    """

    uid: str
    kind: str
    arguments: str
    run: int = 1
    state: str = "queued"
    stage: str = ""
    progress: int = 0
    result: str = "{}"
    created_at: datetime | None = None


class Store(Protocol):
    """Durable state. All methods are synchronous; reads see the writes of the running unit of work.

    Id tags are CiStrings: lookups ignore case (OCPP 1.6 section 2.2).
    """

    def atomic(self) -> AbstractContextManager[None]:
        """One unit of work; nested use is a savepoint. An exception undoes everything since it was entered."""
        ...

    # -- small named facts: configuration keys that differ from their default, availability, registration …
    def value(self, name: str) -> str | None: ...
    def set_value(self, name: str, value: str | None) -> None:
        """Store a text under a name (None removes it). Names of configuration keys start with "key."."""
        ...

    def values(self, prefix: str) -> dict[str, str]: ...

    # -- transactions
    def open_transaction(self) -> Transaction | None:
        """The transaction that has no stop yet (one connector: at most one)."""
        ...

    def transaction(self, uid: str) -> Transaction | None: ...
    def transaction_by_id(self, transaction_id: int) -> Transaction | None:
        """The newest transaction that the backend gave this id."""
        ...

    def save_transaction(self, transaction: Transaction) -> None:
        """Insert or replace by uid."""
        ...

    # -- the durable queue
    def enqueue(self, call: QueuedCall) -> QueuedCall:
        """Append; returns the call with its seq."""
        ...

    def next_queued(self) -> QueuedCall | None:
        """The oldest call that is not parked."""
        ...

    def update_queued(self, call: QueuedCall) -> None: ...
    def delete_queued(self, seq: int) -> None: ...
    def keep_delivered(self, call: DeliveredCall) -> None:
        """Note that a message of a transaction was answered; what is DELIVERED_KEPT positions older goes."""
        ...

    def delivered_calls(self, transaction_uid: str) -> list[DeliveredCall]:
        """What was delivered of a transaction, in the order of the queue."""
        ...

    def queued(self, seq: int) -> QueuedCall | None: ...
    def queued_by_message_id(self, message_id: str) -> QueuedCall | None:
        """The call (queued or parked) that was ever sent with this uniqueId."""
        ...

    def queue_depth(self) -> int:
        """How many calls wait (parked ones not counted)."""
        ...

    def parked_calls(self) -> list[QueuedCall]: ...
    def parked_depth(self) -> int:
        """How many calls are parked."""
        ...

    def thin_meter_values(self) -> int:
        """Remove every second MeterValues where they lie closest together; returns how many, 0 when none may go.

        Each transaction (and what lies outside of any) is thinned by itself, parked messages apart from waiting ones
        and clock-aligned values apart from the others; the first and the last of each stay, and so does the head of
        the queue, which may be under way. Close together: whose two neighbours in `seq` are less than twice as far
        apart as the nearest pair; so the old part of a long queue gets no coarser than the new one.
        """
        ...

    def undated_depth(self, boot_id: str) -> int:
        """How many calls there are of this boot whose timestamps come from a guessed clock."""
        ...

    # -- id tags
    def cache_entry(self, id_tag: str) -> IdTagEntry | None: ...
    def save_cache_entry(self, entry: IdTagEntry) -> None: ...
    def delete_cache_entry(self, id_tag: str) -> None: ...
    def clear_cache(self) -> None: ...
    def cache_size(self) -> int: ...
    def evict_cache_entry(self, now: datetime) -> None:
        """Remove one entry: not valid (or expired) ones first, then the oldest (conformance AUT-11)."""
        ...

    def drop_listed_from_cache(self) -> None:
        """Remove the cache entries of tags that are in the local list, whatever the source (conformance LAL-09)."""
        ...

    def list_entry(self, id_tag: str) -> IdTagEntry | None:
        """The local list entry; a backend entry wins over a station entry of the same idTag."""
        ...

    def list_entries(self, source: str) -> list[IdTagEntry]:
        """All local list entries of "backend" or "station", by their case-folded idTag."""
        ...

    def list_size(self, source: str) -> int: ...
    def save_list_entry(self, entry: IdTagEntry) -> None:
        """Insert or replace by idTag and source ("backend" or "station")."""
        ...

    def delete_list_entry(self, id_tag: str, source: str) -> None: ...
    def replace_backend_list(self, entries: Sequence[IdTagEntry]) -> None:
        """Make these the only entries of the backend; each idTag once. Entries of the station stay."""
        ...

    def change_backend_list(self, saved: Sequence[IdTagEntry], removed: Sequence[str]) -> None:
        """Insert or replace some entries of the backend, remove those of the idTags `removed`."""
        ...

    # -- charging profiles
    def charging_profiles(self) -> list[InstalledProfile]:
        """All of them, by profile_id."""
        ...

    def save_charging_profile(self, profile: InstalledProfile) -> None:
        """Insert or replace by profile_id."""
        ...

    def delete_charging_profile(self, profile_id: int) -> None: ...

    # -- the security log
    def add_security_event(self, event: SecurityEvent) -> SecurityEvent:
        """Append; returns the event with its seq. Beyond SECURITY_LOG_LENGTH the oldest go."""
        ...

    def update_security_event(self, event: SecurityEvent) -> None:
        """Replace the row of this seq, if it is still there."""
        ...

    def waiting_security_event(self) -> SecurityEvent | None:
        """The oldest one whose delivery is "waiting"."""
        ...

    def undated_security_events(self, boot_id: str) -> list[SecurityEvent]:
        """Events of this boot whose time comes from a clock that was not confirmed."""
        ...

    def security_events(self) -> list[SecurityEvent]:
        """The whole log, oldest first."""
        ...

    def clear_security_log(self) -> None:
        """Remove all events but the waiting ones."""
        ...

    # -- certificates, and the private keys of this station
    def certificates(self, kind: str) -> list[Certificate]:
        """The installed ones of a kind, in the order of their installation."""
        ...

    def save_certificate(self, certificate: Certificate) -> None:
        """Insert or replace by kind and fingerprint."""
        ...

    def delete_certificate(self, kind: str, fingerprint: str) -> None: ...
    def private_key(self, key_id: str) -> str | None:
        """PEM."""
        ...

    def private_key_ids(self) -> list[str]:
        """The oldest first."""
        ...

    def save_private_key(self, key_id: str, pem: str) -> None: ...
    def delete_private_key(self, key_id: str) -> None: ...

    # -- jobs
    def job(self, uid: str) -> Job | None:
        """As it is now; others write it too."""
        ...

    def save_job(self, job: Job) -> None:
        """Insert or replace by uid. Beyond JOBS_KEPT the oldest finished ones go."""
        ...

    def unfinished_jobs(self) -> list[Job]:
        """Those that are queued or running, the oldest first."""
        ...
