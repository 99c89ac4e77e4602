"""One contract for both stores: what the domain may rely on, in memory and on the disk."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from django.db import IntegrityError
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocppclient.memory_store import MemoryStore
from ocppclient.store import (
    JOBS_KEPT,
    Certificate,
    DeliveredCall,
    IdTagEntry,
    InstalledProfile,
    Job,
    QueuedCall,
    SecurityEvent,
    Store,
    Transaction,
)
from tests.appliance import disk_store, empty_tables

NOON = datetime(2026, 3, 1, 12, 0, 0, 123456, tzinfo=UTC)


class PowerCut(Exception):
    """Something goes wrong in the middle of a unit of work."""


@contextmanager
def failing_unit(store: Store) -> Iterator[None]:
    """A unit of work that fails at its end, and the failure noticed."""
    try:
        with store.atomic():
            yield
            raise PowerCut
    except PowerCut:
        pass


@pytest.fixture(params=["memory", "disk"])
def store(request: pytest.FixtureRequest) -> Iterator[Any]:
    if request.param == "memory":
        yield MemoryStore()
    else:
        empty_tables()
        yield disk_store()


def transaction(uid: str = "u1", **more: Any) -> Transaction:
    return Transaction(
        **{"uid": uid, "connector_id": 1, "id_tag": "CARD", "meter_start_wh": 10, "started_at": NOON, **more}
    )


def call(name: str = "m1", **more: Any) -> QueuedCall:
    return QueuedCall(**{"action": "MeterValues", "payload": "{}", "message_ids": (name,), **more})


def cached(id_tag: str, status: str = "Accepted", **more: Any) -> IdTagEntry:
    return IdTagEntry(**{"id_tag": id_tag, "status": status, "source": "cache", **more})


# -- values


def test_values_are_stored_replaced_and_removed(store: Store) -> None:
    assert store.value("key.HeartbeatInterval") is None
    store.set_value("key.HeartbeatInterval", "300")
    store.set_value("key.HeartbeatInterval", "")
    store.set_value("boot", "é\n")
    assert (store.value("key.HeartbeatInterval"), store.value("boot")) == ("", "é\n")
    store.set_value("key.HeartbeatInterval", None)
    store.set_value("never there", None)
    assert store.values("") == {"boot": "é\n"}


def test_values_are_listed_by_the_prefix_of_their_name(store: Store) -> None:
    for name in ("key.B", "key.A", "keyed", "key_A"):
        store.set_value(name, name)
    assert list(store.values("key.").items()) == [("key.A", "key.A"), ("key.B", "key.B")]


# -- transactions


def test_a_transaction_comes_back_with_every_field(store: Store) -> None:
    full = Transaction(
        uid="u1", connector_id=1, id_tag="Card", meter_start_wh=-5, started_at=NOON, parent_id_tag="P",
        transaction_id=-1, start_delivered=True, start_parked=True, stopped_at=NOON + timedelta(1),
        meter_stop_wh=2**62, stop_id_tag="S", reason="Local", last_wh=77, last_seen_at=NOON, deauthorised=True,
        energy_cap_wh=88, data='[{"a": "ü"}]', reservation_id=0, remote=True,
        boot_id="b",
    )  # fmt: skip
    store.save_transaction(full)
    assert store.transaction("u1") == full
    assert store.transaction("u2") is None


def test_the_open_transaction_is_the_one_without_a_stop(store: Store) -> None:
    assert store.open_transaction() is None
    store.save_transaction(transaction("u1"))
    assert store.open_transaction() == transaction("u1")
    store.save_transaction(transaction("u1", stopped_at=NOON, reason="Local"))
    assert store.open_transaction() is None
    store.save_transaction(transaction("u2"))
    store.save_transaction(transaction("u1", stopped_at=NOON, reason="Local", transaction_id=5))
    assert store.open_transaction() == transaction("u2")


def test_the_newest_transaction_answers_for_its_backend_id(store: Store) -> None:
    store.save_transaction(transaction("u1", transaction_id=0, stopped_at=NOON))
    store.save_transaction(transaction("u2", transaction_id=0))
    store.save_transaction(transaction("u1", transaction_id=0, stopped_at=NOON, reason="Other"))
    found = store.transaction_by_id(0)
    assert found is not None
    assert found.uid == "u2"
    assert store.transaction_by_id(1) is None
    assert store.transaction_by_id(10**30) is None


def test_times_of_any_zone_are_kept_to_the_microsecond(store: Store) -> None:
    store.save_transaction(transaction(started_at=NOON.astimezone(timezone(timedelta(hours=9)))))
    assert disk_or_same(store).transaction("u1").started_at == NOON
    assert store.transaction("u1").started_at.utcoffset() == timedelta(0)  # type: ignore[union-attr]


# -- the queue


def test_the_queue_hands_out_the_oldest_call_first(store: Store) -> None:
    assert store.next_queued() is None
    first, second = store.enqueue(call("m1")), store.enqueue(call("m2"))
    assert 0 < first.seq < second.seq
    assert store.next_queued() == first
    assert store.queue_depth() == 2
    store.delete_queued(first.seq)
    assert store.next_queued() == second
    store.delete_queued(second.seq)
    store.delete_queued(second.seq)
    assert (store.next_queued(), store.queue_depth()) == (None, 0)


def test_a_position_in_the_queue_is_never_used_again(store: Store) -> None:
    last = store.enqueue(call("m1")).seq
    for _ in range(3):
        store.delete_queued(last)
        following = store.enqueue(call("m"))
        assert following.seq > last
        last = following.seq


def test_a_queued_call_comes_back_with_every_field(store: Store) -> None:
    full = store.enqueue(
        call(
            action="StopTransaction",
            payload='{"ü": 1}',
            message_ids=("a", 'b"\\', "ü"),
            transaction_uid="u1",
            needs_transaction_id=True,
            attempts=3,
            parked_reason="refused",
            created_at=NOON,
            boot_id="b",
        )
    )
    assert store.queued(full.seq) == full
    assert store.queued(full.seq + 1) is None


def test_parked_calls_are_passed_over_and_can_be_put_back(store: Store) -> None:
    first, second, third = (store.enqueue(call(name)) for name in ("m1", "m2", "m3"))
    store.update_queued(replace(first, parked_reason="refused 3 times"))
    store.update_queued(replace(third, parked_reason="refused too"))
    assert (store.next_queued(), store.queue_depth()) == (second, 1)
    assert [parked.seq for parked in store.parked_calls()] == [first.seq, third.seq]
    store.update_queued(replace(first, parked_reason=""))
    assert (store.next_queued(), store.queue_depth()) == (first, 2)
    store.delete_queued(third.seq)
    assert (store.parked_calls(), store.queue_depth()) == ([], 2)


def test_updating_a_call_that_is_gone_is_an_error(store: Store) -> None:
    gone = store.enqueue(call())
    store.delete_queued(gone.seq)
    with pytest.raises(KeyError):
        store.update_queued(replace(gone, attempts=1))


def test_a_call_is_found_by_every_id_it_was_sent_with(store: Store) -> None:
    store.enqueue(call("other"))
    sent = store.enqueue(call("M1"))
    sent = replace(sent, message_ids=("M1", 'quote"d', "50%_é"))
    store.update_queued(sent)
    for message_id in sent.message_ids:
        assert store.queued_by_message_id(message_id) == sent
    for foreign in ("m1", "M", "quote", "50%", "", "x" * 60_000, "\ud800"):
        assert store.queued_by_message_id(foreign) is None
    store.update_queued(replace(sent, parked_reason="refused"))
    assert store.queued_by_message_id("M1") == replace(sent, parked_reason="refused")


def delivered(seq: int, uid: str = "u1", **more: Any) -> DeliveredCall:
    return DeliveredCall(
        **{
            "seq": seq, "action": "MeterValues", "payload": '{"a":1}', "answer": "{}", "transaction_uid": uid,
            "created_at": NOON, "sent_at": NOON, "answered_at": NOON, "attempts": 2, **more,
        }
    )  # fmt: skip


def test_delivered_calls_come_back_by_their_transaction_in_the_order_of_the_queue(store: Store) -> None:
    for call_ in (delivered(3), delivered(1, created_at=None, sent_at=None), delivered(2, "u2")):
        store.keep_delivered(call_)
    assert store.delivered_calls("u1") == [delivered(1, created_at=None, sent_at=None), delivered(3)]
    assert store.delivered_calls("") == []


def test_delivered_calls_are_kept_for_so_many_positions_of_the_queue(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    for module in ("ocppclient.memory_store", "station.store"):
        monkeypatch.setattr(f"{module}.DELIVERED_KEPT", 5)
    for seq in range(1, 9):
        store.keep_delivered(delivered(seq))
    assert [row.seq for row in store.delivered_calls("u1")] == [4, 5, 6, 7, 8]


def test_undated_calls_are_those_of_one_boot(store: Store) -> None:
    for number, boot_id in enumerate(["b1", "", "b2", "b1"]):
        store.enqueue(call(str(number), boot_id=boot_id))
    assert store.undated_depth("b1") == 2
    assert store.undated_depth("") == 0


def test_meter_values_are_thinned_kind_by_kind_those_that_lie_closest_together_first(store: Store) -> None:
    """TXQ-09"""
    start = store.enqueue(call("s", action="StartTransaction", transaction_uid="u1"))
    kept, gone = [start.seq], []
    clock = '{"context":"Sample.Clock"}'
    for number in range(6):
        (gone if number in (1, 3) else kept).append(store.enqueue(call(f"p{number}", transaction_uid="u1")).seq)
        aligned = store.enqueue(call(f"c{number}", transaction_uid="u1", payload=clock)).seq
        (gone if number in (1, 3) else kept).append(aligned)
    kept.append(store.enqueue(call("e", action="StopTransaction", transaction_uid="u1")).seq)
    kept += [store.enqueue(call(f"q{number}", transaction_uid="u2")).seq for number in range(2)]
    for number in range(3):
        outside = store.enqueue(call(f"o{number}"))
        (gone if number == 1 else kept).append(outside.seq)
    for number in range(3):
        parked = store.enqueue(call(f"x{number}", transaction_uid="u1", parked_reason="refused"))
        (gone if number == 1 else kept).append(parked.seq)
    assert store.thin_meter_values() == 2  # side by side in the queue: outside of any transaction, and parked
    assert store.thin_meter_values() == 4  # two kinds take turns
    assert [seq for seq in range(1, 99) if store.queued(seq)] == sorted(kept)
    assert (store.queue_depth(), store.parked_depth()) == (len(kept) - 2, 2)


def test_the_head_of_the_queue_is_never_thinned(store: Store) -> None:
    """It may be under way."""
    first, head, last = (store.enqueue(call(name)) for name in ("m1", "m2", "m3"))
    store.update_queued(replace(first, parked_reason="refused"))
    assert store.thin_meter_values() == 0
    assert [store.queued(one.seq) for one in (head, last)] == [head, last]


# -- id tags


def test_id_tags_are_found_whatever_their_case(store: Store) -> None:
    entry = cached("AbCd", parent_id_tag="P", expiry_date=NOON, updated_at=NOON, note="n")
    store.save_cache_entry(entry)
    assert store.cache_entry("aBcD") == entry
    store.save_cache_entry(cached("ABCD", "Blocked"))
    assert store.cache_size() == 1
    assert store.cache_entry("abcd") == cached("ABCD", "Blocked")
    store.delete_cache_entry("abcD")
    assert (store.cache_size(), store.cache_entry("AbCd")) == (0, None)


def test_the_cache_evicts_what_is_not_valid_first_then_the_oldest(store: Store) -> None:
    store.save_cache_entry(cached("old", updated_at=NOON))
    store.save_cache_entry(cached("older", updated_at=NOON - timedelta(days=1)))
    store.save_cache_entry(cached("blocked", "Blocked", updated_at=NOON + timedelta(days=3)))
    store.save_cache_entry(cached("expired", expiry_date=NOON, updated_at=NOON + timedelta(days=2)))
    store.save_cache_entry(cached("expires later", expiry_date=NOON + timedelta(1), updated_at=NOON + timedelta(1)))
    store.save_cache_entry(cached("undated"))
    evicted = []
    left = {"old", "older", "blocked", "expired", "expires later", "undated"}
    while left:
        store.evict_cache_entry(NOON)
        gone = next(tag for tag in left if store.cache_entry(tag) is None)
        evicted.append(gone)
        left.remove(gone)
    assert evicted == ["expired", "blocked", "undated", "older", "old", "expires later"]
    store.evict_cache_entry(NOON)


def test_clearing_the_cache_leaves_the_list_alone(store: Any) -> None:
    store.save_list_entry(IdTagEntry("A", "Accepted", "backend"))
    store.save_cache_entry(cached("A"))
    store.clear_cache()
    assert (store.cache_size(), store.list_entry("a").source) == (0, "backend")


def test_a_backend_entry_wins_over_a_station_entry(store: Any) -> None:
    assert store.list_entry("A") is None
    store.save_list_entry(IdTagEntry("A", "Accepted", "station"))
    assert store.list_entry("a").status == "Accepted"
    store.save_list_entry(IdTagEntry("a", "Blocked", "backend"))
    assert store.list_entry("A").status == "Blocked"
    assert store.cache_entry("A") is None


def test_an_entry_goes_only_where_its_source_belongs(store: Any) -> None:
    with pytest.raises(ValueError, match="cache"):
        store.save_cache_entry(IdTagEntry("A", "Accepted", "backend"))
    with pytest.raises(ValueError, match="list"):
        store.save_list_entry(cached("A"))


def listed(id_tag: str, source: str = "backend", **more: Any) -> IdTagEntry:
    return IdTagEntry(**{"id_tag": id_tag, "status": "Accepted", "source": source, **more})


def test_list_entries_are_told_by_source_and_in_the_order_of_their_tags(store: Store) -> None:
    entries = [listed("b", parent_id_tag="P", expiry_date=NOON, updated_at=NOON, note="n"), listed("C"), listed("a")]
    for entry in (*entries, listed("A", "station"), listed("Z", "station")):
        store.save_list_entry(entry)
    store.save_cache_entry(cached("K"))
    assert store.list_entries("backend") == [entries[2], entries[0], entries[1]]
    assert [entry.id_tag for entry in store.list_entries("station")] == ["A", "Z"]
    assert (store.list_size("backend"), store.list_size("station")) == (3, 2)
    assert (store.list_entries("cache"), store.list_size("cache")) == ([], 0)


def test_deleting_a_list_entry_leaves_that_of_the_other_source(store: Store) -> None:
    for source in ("backend", "station"):
        store.save_list_entry(listed("AbC", source))
    store.save_cache_entry(cached("ABC"))
    store.delete_list_entry("aBc", "backend")
    store.delete_list_entry("aBc", "cache")
    store.delete_list_entry("never there", "backend")
    assert store.list_entry("abc") == listed("AbC", "station")
    assert store.cache_size() == 1
    store.delete_list_entry("ABC", "station")
    assert store.list_entry("abc") is None


def test_replacing_the_backend_list_leaves_station_and_cache_alone(store: Store) -> None:
    for tag in ("A", "B"):
        store.save_list_entry(listed(tag, note="old"))
    store.save_list_entry(listed("S", "station"))
    store.save_cache_entry(cached("B"))
    new = [listed("b", status="Blocked", expiry_date=NOON), listed("C")]
    store.replace_backend_list(new)
    assert store.list_entries("backend") == new
    assert (store.list_size("station"), store.cache_size()) == (1, 1)
    store.replace_backend_list([])
    assert (store.list_size("backend"), store.list_size("station")) == (0, 1)


def test_changing_the_backend_list_saves_and_removes(store: Store) -> None:
    store.replace_backend_list([listed("A"), listed("B"), listed("C")])
    store.save_list_entry(listed("B", "station"))
    store.change_backend_list([listed("a", status="Blocked"), listed("D")], ["b", "never there"])
    assert store.list_entries("backend") == [listed("a", status="Blocked"), listed("C"), listed("D")]
    assert store.list_entries("station") == [listed("B", "station")]
    store.change_backend_list([], [])
    assert store.list_size("backend") == 3


def test_a_list_with_a_bad_entry_changes_nothing(store: Store) -> None:
    store.replace_backend_list([listed("A")])
    for bad in (listed("B", "station"), listed("B", expiry_date=NOON.replace(tzinfo=None))):
        with pytest.raises(ValueError, match=r"backend|zone"):
            store.replace_backend_list([listed("C"), bad])
        with pytest.raises(ValueError, match=r"backend|zone"):
            store.change_backend_list([listed("C"), bad], ["A"])
    assert store.list_entries("backend") == [listed("A")]


def test_a_list_that_the_disk_refuses_half_way_changes_nothing() -> None:
    empty_tables()
    store = disk_store()
    store.replace_backend_list([listed("A")])
    with pytest.raises(IntegrityError):
        store.replace_backend_list([listed("B"), listed("C", status=None)])
    assert disk_store().list_entries("backend") == [listed("A")]


def test_listed_tags_leave_the_cache(store: Store) -> None:
    for tag in ("a", "B", "C"):
        store.save_cache_entry(cached(tag))
    store.save_list_entry(listed("A"))
    store.save_list_entry(listed("b", "station"))
    store.drop_listed_from_cache()
    store.drop_listed_from_cache()
    assert [tag for tag in ("A", "B", "C") if store.cache_entry(tag)] == ["C"]
    assert (store.list_size("backend"), store.list_size("station")) == (1, 1)


# -- what cannot be stored


def test_text_that_no_database_can_hold_is_cleaned(store: Store) -> None:
    store.set_value("a\ud800", "b\udfff\x00")
    assert store.values("") == {"a\ufffd": "b\ufffd\x00"}
    assert store.value("a\ud800") == "b\ufffd\x00"
    queued = store.enqueue(call("m\ud800", payload='"\ud800"'))
    assert (queued.payload, queued.message_ids) == ('"\ufffd"', ("m\ufffd",))
    assert store.queued_by_message_id("m\ud800") == queued
    store.save_cache_entry(cached("t\ud800"))
    assert store.cache_entry("T\ud800") == cached("t\ufffd")


@pytest.mark.parametrize("number", [2**63, -(2**63) - 1, 10**5000, 1.5], ids=["above", "below", "huge", "float"])
def test_numbers_beyond_64_bit_are_refused_by_name(store: Store, number: Any) -> None:
    with pytest.raises(ValueError, match="transaction_id"):
        store.save_transaction(transaction(transaction_id=number))
    with pytest.raises(ValueError, match="attempts"):
        store.enqueue(call(attempts=number))
    assert (store.transaction("u1"), store.queue_depth()) == (None, 0)


def test_times_without_a_zone_are_refused_by_name(store: Store) -> None:
    with pytest.raises(ValueError, match="started_at"):
        store.save_transaction(transaction(started_at=NOON.replace(tzinfo=None)))


# -- units of work


def fill(store: Any) -> None:
    store.set_value("a", "1")
    store.save_transaction(transaction("u1", transaction_id=7))
    for name in ("m1", "m2", "m3"):
        store.enqueue(call(name))
    store.update_queued(replace(store.queued(2), parked_reason="refused"))
    store.save_cache_entry(cached("CARD"))
    store.save_list_entry(IdTagEntry("L", "Accepted", "station"))
    store.replace_backend_list([listed("A"), listed("B")])


def change_everything(store: Any) -> None:
    store.set_value("a", "2")
    store.set_value("b", "2")
    store.save_transaction(replace(store.open_transaction(), stopped_at=NOON))
    store.save_transaction(transaction("u2"))
    store.delete_queued(1)
    store.keep_delivered(delivered(1))
    store.update_queued(replace(store.queued(2), parked_reason=""))
    store.update_queued(replace(store.queued(3), attempts=3))
    store.enqueue(call("m4"))
    store.clear_cache()
    store.save_cache_entry(cached("NEW"))
    store.save_list_entry(IdTagEntry("l", "Blocked", "station"))
    store.change_backend_list([listed("NEW")], ["A"])
    store.drop_listed_from_cache()
    store.replace_backend_list([listed("b", status="Invalid"), listed("X")])
    store.delete_list_entry("x", "backend")


def everything(store: Any) -> tuple[Any, ...]:
    """What can be seen of a store."""
    tags = ("CARD", "NEW", "L")
    return (
        store.values(""),
        store.open_transaction(),
        [store.transaction(uid) for uid in ("u1", "u2", "u3")],
        [store.transaction_by_id(number) for number in (0, 1, 7)],
        store.next_queued(),
        store.queue_depth(),
        (store.parked_calls(), store.parked_depth()),
        [store.queued(seq) for seq in range(1, 40)],
        [store.queued_by_message_id(name) for name in ("m1", "m2", "m3", "m4")],
        store.undated_depth("b1"),
        [store.delivered_calls(uid) for uid in ("", "u1")],
        store.cache_size(),
        [(store.cache_entry(tag), store.list_entry(tag)) for tag in tags],
        [(store.list_entries(source), store.list_size(source)) for source in ("backend", "station")],
    )


def disk_or_same(store: Any) -> Any:
    """The store as it is after a crash."""
    return store if isinstance(store, MemoryStore) else disk_store()


def test_a_unit_of_work_is_undone_completely(store: Any) -> None:
    fill(store)
    before = everything(store)
    with failing_unit(store):
        change_everything(store)
        assert everything(store) != before
    assert everything(store) == before
    assert everything(disk_or_same(store)) == before


def test_a_unit_of_work_that_ends_well_outlives_a_crash(store: Any) -> None:
    fill(store)
    with store.atomic():
        change_everything(store)
        inside = everything(store)
    assert everything(store) == inside
    assert everything(disk_or_same(store)) == inside


def test_a_crash_in_the_middle_leaves_nothing_of_the_unit_of_work_on_the_disk() -> None:
    empty_tables()
    store = disk_store()
    fill(store)
    before = everything(store)
    unit = store.atomic()
    unit.__enter__()
    change_everything(store)
    assert everything(disk_store()) == before


@pytest.mark.parametrize("write_before", [True, False])
@pytest.mark.parametrize("write_after", [True, False])
def test_a_savepoint_undoes_only_itself(store: Any, write_before: bool, write_after: bool) -> None:
    fill(store)
    with store.atomic():
        if write_before:
            store.enqueue(call("before"))
        before = everything(store)
        with failing_unit(store), store.atomic():
            change_everything(store)
        assert everything(store) == before
        if write_after:
            store.enqueue(call("after"))
        inside = everything(store)
    assert everything(store) == inside
    assert everything(disk_or_same(store)) == inside


def test_the_outer_unit_undoes_savepoints_that_ended_well(store: Any) -> None:
    fill(store)
    before = everything(store)
    with failing_unit(store), store.atomic():
        change_everything(store)
    assert everything(store) == before


def test_a_refused_record_leaves_the_unit_of_work_usable(store: Any) -> None:
    with store.atomic():
        with pytest.raises(ValueError, match="64 bit"):
            store.enqueue(call(attempts=2**70))
        store.set_value("a", "1")
    assert disk_or_same(store).value("a") == "1"


# -- both stores agree, whatever happens

_names = st.sampled_from(["m1", "m2", "m3", "m4"])
_seqs = st.integers(1, 12)
_tags = st.sampled_from(["CARD", "card", "NEW", "L"])
_times = st.none() | st.integers(0, 3).map(lambda day: NOON + timedelta(days=day))
_entries = st.builds(cached, _tags, st.sampled_from(["Accepted", "Blocked"]), expiry_date=_times, updated_at=_times)
_sources = st.sampled_from(["backend", "station"])
_backend_list = st.lists(
    st.builds(listed, _tags, status=st.sampled_from(["Accepted", "Blocked"])),
    max_size=3,
    unique_by=lambda entry: entry.id_tag.casefold(),
)
_operation = st.one_of(
    st.tuples(st.just("set_value"), st.sampled_from("ab"), st.none() | st.sampled_from("12")),
    st.tuples(
        st.just("save_transaction"),
        st.builds(
            transaction,
            st.sampled_from(["u1", "u2", "u3"]),
            transaction_id=st.sampled_from([None, 0, 1, 7]),
            stopped_at=_times,
            last_wh=st.integers(0, 2),
        ),
    ),
    st.tuples(
        st.just("enqueue"),
        st.builds(
            call,
            _names,
            boot_id=st.sampled_from(["", "b1"]),
            payload=st.sampled_from(["{}", '["Sample.Clock"]']),
            transaction_uid=st.sampled_from(["", "u1"]),
        ),
    ),
    st.tuples(st.just("thin_meter_values")),
    st.tuples(st.just("parked_depth")),
    st.tuples(
        st.just("update_queued"),
        st.builds(call, _names, seq=_seqs, parked_reason=st.sampled_from(["", "x"]), attempts=st.integers(0, 1)),
    ),
    st.tuples(st.just("delete_queued"), _seqs),
    st.tuples(st.just("save_cache_entry"), _entries),
    st.tuples(st.just("save_list_entry"), st.builds(listed, _tags, _sources)),
    st.tuples(st.just("delete_list_entry"), _tags, _sources),
    st.tuples(st.just("replace_backend_list"), _backend_list),
    st.tuples(st.just("change_backend_list"), _backend_list, st.lists(_tags, max_size=2)),
    st.tuples(st.just("drop_listed_from_cache")),
    st.tuples(st.just("delete_cache_entry"), _tags),
    st.tuples(st.just("evict_cache_entry"), st.just(NOON + timedelta(days=1))),
    st.tuples(st.just("clear_cache")),
    st.tuples(st.just("next_queued")),
    st.tuples(st.just("queue_depth")),
    st.tuples(st.just("open_transaction")),
    st.tuples(st.just("crash")),
)
_program = st.recursive(
    st.lists(_operation, max_size=6),
    lambda inner: st.lists(_operation | st.tuples(st.just("unit"), inner, st.booleans()), max_size=8),
    max_leaves=6,
)


def run(store: Any, program: list[Any], depth: int, crash: Callable[[], None]) -> list[Any]:
    """Do it all; what every step answered."""
    answers: list[Any] = []
    for name, *arguments in program:
        if name == "unit":
            inner, fails = arguments
            try:
                with store.atomic():
                    answers.append(run(store, inner, depth + 1, crash))
                    if fails:
                        raise PowerCut
            except PowerCut:
                answers.append("undone")
        elif name == "crash":
            if depth == 0:
                crash()
        else:
            try:
                answers.append(getattr(store, name)(*arguments))
            except KeyError as error:
                answers.append(repr(error))
    return answers


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(_operation | st.tuples(st.just("unit"), _program, st.booleans()), max_size=12))
def test_both_stores_answer_alike_to_any_sequence_of_operations(program: list[Any]) -> None:
    empty_tables()
    memory, disk = MemoryStore(), disk_store()
    assert run(memory, program, 0, lambda: None) == run(disk, program, 0, disk._forget)
    assert everything(memory) == everything(disk)
    assert everything(memory) == everything(disk_store())


# -- charging profiles


def installed(profile_id: int = 1, **more: Any) -> InstalledProfile:
    fields: dict[str, Any] = {
        "profile_id": profile_id, "connector_id": 1, "stack_level": 0, "purpose": "TxProfile", "kind": "Absolute",
        "unit": "A", "period_starts": b"\0\0\0\0", "period_limits": b"\x01\0\0\0",
    }  # fmt: skip
    return InstalledProfile(**{**fields, **more})


def test_charging_profiles_come_back_with_every_field_by_their_id(store: Store) -> None:
    full = installed(
        -5, connector_id=0, stack_level=3, purpose="TxDefaultProfile", kind="Recurring", unit="W",
        period_starts=bytes(range(256)) * 1350, period_limits=bytes(reversed(range(256))) * 1350, period_phases=b"\0\1",
        recurrency_kind="Daily", valid_from_s=-(2**40), valid_to_s=2**40, start_s=0, duration_s=2**62,
        transaction_uid="u1", origin="SetChargingProfile", installed_at=NOON,
    )  # fmt: skip
    store.save_charging_profile(installed(7))
    store.save_charging_profile(full)
    assert disk_or_same(store).charging_profiles() == [full, installed(7)]


def test_a_charging_profile_is_replaced_and_deleted_by_its_id(store: Store) -> None:
    store.save_charging_profile(installed(1))
    store.save_charging_profile(installed(1, unit="W", period_starts=b""))
    assert store.charging_profiles() == [installed(1, unit="W", period_starts=b"")]
    store.delete_charging_profile(2)
    store.delete_charging_profile(10**30)
    store.delete_charging_profile(1)
    assert store.charging_profiles() == []


def test_a_failed_unit_of_work_leaves_the_charging_profiles(store: Store) -> None:
    store.save_charging_profile(installed(1))
    with failing_unit(store):
        store.delete_charging_profile(1)
        store.save_charging_profile(installed(2))
    assert disk_or_same(store).charging_profiles() == [installed(1)]


# -- the security log


def test_security_events_come_back_as_they_were_written_in_order(store: Store) -> None:
    written = [
        store.add_security_event(SecurityEvent("FirmwareUpdated", NOON, "1.2 → 1.3", "waiting", "m1", "boot")),
        store.add_security_event(SecurityEvent("InvalidMessages", NOON + timedelta(seconds=1))),
    ]
    assert store.security_events() == written
    assert written[0].seq < written[1].seq
    assert store.waiting_security_event() == written[0]
    assert store.undated_security_events("boot") == [written[0]]
    assert store.undated_security_events("") == []


def test_a_security_event_is_replaced_by_seq_and_one_that_is_gone_stays_gone(store: Store) -> None:
    event = store.add_security_event(SecurityEvent("FirmwareUpdated", NOON, "", "waiting", "m1"))
    store.update_security_event(replace(event, delivery="delivered", message_id="m2"))
    assert store.security_events() == [replace(event, delivery="delivered", message_id="m2")]
    assert store.waiting_security_event() is None
    store.clear_security_log()
    store.update_security_event(event)
    assert store.security_events() == []


def test_clearing_the_security_log_keeps_what_waits_and_never_uses_a_seq_again(store: Store) -> None:
    waiting = store.add_security_event(SecurityEvent("FirmwareUpdated", NOON, "", "waiting", "m1"))
    last = store.add_security_event(SecurityEvent("InvalidMessages", NOON))
    store.clear_security_log()
    assert store.security_events() == [waiting]
    assert store.add_security_event(SecurityEvent("InvalidMessages", NOON)).seq > last.seq


def test_the_security_log_rolls(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("ocppclient.memory_store", "station.store"):
        monkeypatch.setattr(f"{module}.SECURITY_LOG_LENGTH", 3)
    for number in range(7):
        delivery = "waiting" if number in (0, 2) else "delivered"
        store.add_security_event(SecurityEvent("FirmwareUpdated", NOON, str(number), delivery))
    assert [event.tech_info for event in store.security_events()] == ["2", "4", "5", "6"]


def test_a_security_event_of_a_unit_of_work_that_failed_never_was(store: Store) -> None:
    kept = store.add_security_event(SecurityEvent("FirmwareUpdated", NOON, "", "waiting"))
    with failing_unit(store):
        store.update_security_event(replace(kept, delivery="delivered"))
        store.add_security_event(SecurityEvent("InvalidMessages", NOON))
    assert store.security_events() == [kept]


# -- certificates and private keys


def test_certificates_come_back_by_kind_in_the_order_of_their_installation(store: Store) -> None:
    rows = [Certificate("Root", "bb", "PEM b", NOON), Certificate("Root", "aa", "PEM a", NOON, key_id="k")]
    other = Certificate("Other", "aa", "PEM", NOON)
    for row in (*rows, other):
        store.save_certificate(row)
    assert store.certificates("Root") == rows
    assert store.certificates("Other") == [other]
    replaced = replace(rows[0], fallback=True)
    store.save_certificate(replaced)
    assert store.certificates("Root") == [replaced, rows[1]]
    store.delete_certificate("Root", "aa")
    store.delete_certificate("Root", "nothing")
    assert store.certificates("Root") == [replaced]
    assert store.certificates("Other") == [other]


def test_private_keys_are_kept_by_id_the_oldest_first(store: Store) -> None:
    for name in ("b", "a", "b"):
        store.save_private_key(name, f"PEM {name}")
    assert store.private_key_ids() == ["b", "a"]
    assert store.private_key("a") == "PEM a"
    assert store.private_key("c") is None
    store.delete_private_key("b")
    assert store.private_key_ids() == ["a"]


def test_a_certificate_and_its_key_are_written_together_or_not_at_all(store: Store) -> None:
    with failing_unit(store):
        store.save_private_key("k", "PEM")
        store.save_certificate(Certificate("Root", "aa", "PEM", NOON, key_id="k"))
    assert store.private_key_ids() == []
    assert store.certificates("Root") == []


def test_a_job_comes_back_as_it_was_saved_and_is_replaced_by_uid(store: Store) -> None:
    job = Job("j1", "download", '{"location": "http://h/é"}', created_at=NOON)
    store.save_job(job)
    assert store.job("j1") == job
    assert store.job("j2") is None
    again = replace(job, run=2, state="failed", stage="x", progress=50, result='{"failure": "network"}')
    store.save_job(again)
    assert store.job("j1") == again


def test_unfinished_jobs_are_those_that_wait_or_run_the_oldest_first(store: Store) -> None:
    for uid, state in (("a", "queued"), ("b", "done"), ("c", "running"), ("d", "failed"), ("e", "cancelled")):
        store.save_job(Job(uid, "upload", "{}", state=state, created_at=NOON))
    assert [job.uid for job in store.unfinished_jobs()] == ["a", "c"]


def test_only_the_newest_finished_jobs_are_kept_and_no_unfinished_one_goes(store: Store) -> None:
    store.save_job(Job("waits", "upload", "{}"))
    for number in range(JOBS_KEPT + 5):
        store.save_job(Job(f"j{number}", "upload", "{}", state="done"))
    store.save_job(Job("new", "upload", "{}"))
    kept = [number for number in range(JOBS_KEPT + 5) if store.job(f"j{number}") is not None]
    assert kept == list(range(5, JOBS_KEPT + 5))
    assert store.job("waits") is not None
    assert store.job("new") is not None


def test_a_job_of_a_unit_of_work_that_failed_never_was(store: Store) -> None:
    store.save_job(Job("kept", "upload", "{}"))
    with failing_unit(store):
        store.save_job(Job("kept", "upload", "{}", state="cancelled"))
        store.save_job(Job("lost", "upload", "{}"))
    assert store.job("kept") == Job("kept", "upload", "{}")
    assert store.job("lost") is None
