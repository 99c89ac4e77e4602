"""What only the store on the disk can get wrong: locks, broken commits, the why log. The contract has its own file."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from django.db import DatabaseError, connection
from django.db import transaction as db_transaction
from django.test.utils import CaptureQueriesContext

from ocppclient.events import Explain
from ocppclient.store import QueuedCall, Transaction
from station import store as station_store
from station.models import QueuedCall as QueuedRow
from station.models import Reason
from station.store import DjangoStore
from tests.appliance import disk_store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture
def store() -> DjangoStore:
    return disk_store()


@pytest.fixture
def other_process() -> Iterator[sqlite3.Connection]:
    """Somebody else who has the database open."""
    database = sqlite3.connect(connection.settings_dict["NAME"], timeout=0, isolation_level=None)
    yield database
    database.close()


def explain(number: int) -> Explain:
    return Explain("RemoteStartTransaction", "Rejected", f"rule {number}", "value", "RST-02")


def test_a_tick_that_changes_nothing_asks_the_database_nothing(store: DjangoStore) -> None:
    def tick() -> None:
        with store.atomic():
            store.open_transaction()
            store.next_queued()
            store.queue_depth()
            store.value("key.HeartbeatInterval")
            store.values("key.")
            with store.atomic():
                store.set_value("not there", None)

    tick()
    with CaptureQueriesContext(connection) as queries:
        tick()
    assert queries.captured_queries == []


def test_reading_works_while_somebody_else_writes(store: DjangoStore, other_process: sqlite3.Connection) -> None:
    store.set_value("a", "1")
    other_process.execute("BEGIN IMMEDIATE")
    with store.atomic():
        assert store.value("a") == "1"
        assert store.cache_entry("CARD") is None
    other_process.execute("ROLLBACK")


def test_a_unit_of_work_takes_the_lock_at_its_first_write(
    store: DjangoStore, other_process: sqlite3.Connection
) -> None:
    with store.atomic():
        store.open_transaction()
        other_process.execute("BEGIN IMMEDIATE")
        other_process.execute("ROLLBACK")
        store.set_value("a", "1")
        with pytest.raises(sqlite3.OperationalError, match="locked"):
            other_process.execute("BEGIN IMMEDIATE")


def test_writes_that_change_nothing_take_no_lock(store: DjangoStore) -> None:
    store.set_value("a", "1")
    with CaptureQueriesContext(connection) as queries, store.atomic():
        store.set_value("a", "1")
    assert queries.captured_queries == []


def test_an_update_writes_the_changed_columns_only(store: DjangoStore) -> None:
    running = Transaction(uid="u", connector_id=1, id_tag="T", meter_start_wh=0, started_at=NOON, data="x" * 100_000)
    store.save_transaction(running)
    with CaptureQueriesContext(connection) as queries, store.atomic():
        store.save_transaction(replace(running, last_wh=5, last_seen_at=NOON))
    [update] = [query["sql"] for query in queries.captured_queries if query["sql"].startswith("UPDATE")]
    assert update.startswith('UPDATE "station_transaction" SET last_wh = 5, last_seen_at = ')
    assert "xxxx" not in update


def test_a_commit_that_fails_leaves_memory_and_disk_as_they_were(
    store: DjangoStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.set_value("a", "1")
    queued = store.enqueue(QueuedCall("MeterValues", "{}", ("m",)))

    def full_disk() -> None:
        raise DatabaseError("database or disk is full")

    def unit_of_work() -> None:
        with store.atomic():
            store.set_value("a", "2")
            store.delete_queued(queued.seq)

    with monkeypatch.context() as patch:
        patch.setattr(connection, "_commit", full_disk)
        with pytest.raises(DatabaseError, match="full"):
            unit_of_work()
    assert (store.value("a"), store.next_queued(), store.queue_depth()) == ("1", queued, 1)
    assert disk_store().value("a") == "1"


def test_a_database_error_that_was_swallowed_does_not_pass_for_success(store: DjangoStore) -> None:
    def swallow_one() -> None:
        store.set_value("a", "1")
        with pytest.raises(DatabaseError), db_transaction.mark_for_rollback_on_error(using="default"):
            raise DatabaseError("something")

    with pytest.raises(db_transaction.TransactionManagementError), store.atomic():
        swallow_one()
    assert store.value("a") is None


def test_the_web_sees_what_the_station_committed(store: DjangoStore) -> None:
    queued = store.enqueue(QueuedCall("StopTransaction", "{}", ("m1", "m2"), created_at=NOON))
    row = QueuedRow.objects.get(seq=queued.seq)
    assert (row.action, row.message_ids, row.created_at) == ("StopTransaction", '["m1", "m2"]', NOON)


def test_the_why_log_keeps_its_newest_lines(store: DjangoStore, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(station_store, "REASONS_KEPT", 50)
    monkeypatch.setattr(station_store, "REASONS_BATCH", 20)
    with store.atomic():
        for number in range(1, 201):
            store.add_reason(explain(number), NOON)
    newest = Reason.objects.order_by("-id").first()
    assert newest is not None
    assert (newest.rule, newest.what, newest.verdict, newest.clause) == (
        "rule 200", "RemoteStartTransaction", "Rejected", "RST-02",
    )  # fmt: skip
    assert 50 <= Reason.objects.count() < 70


def test_a_line_of_the_why_log_is_cut_and_clean(store: DjangoStore) -> None:
    store.add_reason(Explain("a", "b", "c", "x\ud800" * 4_000_000), NOON)
    value = Reason.objects.get().value
    assert len(value) == 1000
    assert value.startswith("x\ufffdx")
    assert value.endswith("…")
