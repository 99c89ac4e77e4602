"""Importing cards: the preview tells what will happen to each line, and exactly that happens, or nothing."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from ocppclient.store import IdTagEntry
from station import card_csv, card_import
from station.card_import import Kind, ListMoved, apply, plan
from station.models import IdTag
from tests.appliance import disk_store

LONG_AGO, SOME_DAY = datetime(2020, 1, 1, tzinfo=UTC), datetime(2098, 1, 1, tzinfo=UTC)


def put(id_tag: str, source: str = "station", **more: object) -> None:
    disk_store().save_list_entry(
        IdTagEntry(**{"id_tag": id_tag, "status": "Accepted", "source": source, **more})  # type: ignore[arg-type]
    )


def lines(text: str) -> list[card_csv.Line]:
    return card_csv.read(text.encode())


def kinds(text: str) -> list[str]:
    return [outcome.kind for outcome in plan(lines(text)).outcomes]


def do(text: str) -> card_import.Plan:
    return apply(lines(text), plan(lines(text)).digest)


def station_list() -> list[str]:
    return [entry.id_tag for entry in disk_store().list_entries("station")]


def test_each_line_is_new_changed_unchanged_kept_or_wrong() -> None:
    put("A", note="same")
    put("B", note="old")
    put("C", "backend")
    text = "id_tag,note\nA,same\nB,new\nc,mine\nD,\n,oops\n"
    assert kinds(text) == [Kind.UNCHANGED, Kind.CHANGED, Kind.KEPT, Kind.NEW, Kind.ERROR]
    assert plan(lines(text)).counts == {"error": 1, "new": 1, "changed": 1, "kept": 1, "unchanged": 1}


def test_a_preview_writes_nothing() -> None:
    plan(lines("A\nB\n"))
    assert station_list() == []


def test_new_cards_become_entries_of_the_station() -> None:
    do("id_tag,status,parent_id_tag,expiry_date,note\nAbC,Blocked,P,2098-01-01,Bob\nD,,,,\n")
    found = disk_store().list_entry("aBc")
    assert found is not None
    assert found.updated_at is not None
    assert abs(found.updated_at - datetime.now(UTC)) < timedelta(minutes=1)
    assert (found.id_tag, found.status, found.parent_id_tag, found.expiry_date, found.note, found.source) == (
        "AbC", "Blocked", "P", SOME_DAY, "Bob", "station",
    )  # fmt: skip
    assert IdTag.objects.get(id_tag="D").status == "Accepted"


def test_a_change_says_from_what_to_what_and_keeps_the_columns_that_the_file_leaves_out() -> None:
    put("A", status="Blocked", parent_id_tag="P", expiry_date=SOME_DAY, note="Bob")
    (outcome,) = plan(lines("id_tag,note\na,Eve\n")).outcomes
    assert outcome.details == ("note: Bob → Eve",)
    do("id_tag,note\na,Eve\n")
    found = disk_store().list_entry("A")
    assert found is not None
    assert (found.id_tag, found.status, found.parent_id_tag, found.expiry_date, found.note) == (
        "A", "Blocked", "P", SOME_DAY, "Eve",
    )  # fmt: skip


def test_an_empty_cell_clears_but_an_empty_status_unblocks_nobody() -> None:
    put("A", status="Blocked", parent_id_tag="P", expiry_date=SOME_DAY, note="Bob")
    do("A,,,,,\n")
    found = disk_store().list_entry("A")
    assert found is not None
    assert (found.status, found.parent_id_tag, found.expiry_date, found.note) == ("Blocked", "", None, "")


def test_cards_that_are_not_in_the_file_stay() -> None:
    put("A")
    do("B\n")
    assert station_list() == ["A", "B"]


def test_entries_of_the_backend_are_neither_changed_nor_doubled() -> None:
    put("A", "backend", status="Blocked")
    done = do("id_tag,status\nA,Accepted\nB,Accepted\n")
    assert done.outcomes[0].details == ("the backend's entry wins",)
    assert station_list() == ["B"]
    assert IdTag.objects.get(source="backend").status == "Blocked"


def test_a_line_that_was_the_backends_elsewhere_is_not_adopted() -> None:
    done = do("id_tag,source\nA,backend\nB,station\n")
    assert [outcome.kind for outcome in done.outcomes] == [Kind.KEPT, Kind.NEW]
    assert station_list() == ["B"]


def test_nothing_is_imported_while_a_line_has_an_error() -> None:
    put("A", note="old")
    done = do("id_tag,note\nA,new\nB,\nX,ok\nx,twice\n")
    assert done.counts[Kind.ERROR] == 1
    assert station_list() == ["A"]
    assert IdTag.objects.get().note == "old"


def test_an_expiry_in_the_past_is_told_but_no_error() -> None:
    (outcome,) = plan(lines("id_tag,expiry_date\nA,2020-01-01\n")).outcomes
    assert outcome.kind == Kind.NEW
    assert outcome.details == ("has expired already (2020-01-01 00:00:00 UTC)",)
    put("B", expiry_date=LONG_AGO)
    (outcome,) = plan(lines("id_tag,expiry_date\nB,2020-01-01\n")).outcomes
    assert (outcome.kind, len(outcome.details)) == (Kind.UNCHANGED, 1)


@pytest.mark.parametrize(
    "meanwhile",
    [("B", "station", "x"), ("A", "backend", ""), ("A", "station", "other")],
    ids=["new", "backend", "note"],
)
def test_what_was_not_in_the_preview_does_not_happen(meanwhile: tuple[str, str, str]) -> None:
    put("A", note="old")
    text = "id_tag,note\nA,new\nB,new\n"
    shown = plan(lines(text)).digest
    tag, source, note = meanwhile
    put(tag, source, note=note)
    before = list(IdTag.objects.order_by("id").values())
    with pytest.raises(ListMoved):
        apply(lines(text), shown)
    assert list(IdTag.objects.order_by("id").values()) == before


def test_an_export_imported_again_changes_nothing() -> None:
    put("=A", note="-1", parent_id_tag="@P", expiry_date=datetime(2027, 1, 1, 1, 2, 3, 456789, tzinfo=UTC))
    put("'+B", status="Blocked", note="a, b; c")
    put("C", "backend", note="x")
    text = card_csv.write([*disk_store().list_entries("station"), *disk_store().list_entries("backend")])
    assert kinds(text) == [Kind.UNCHANGED, Kind.UNCHANGED, Kind.KEPT]


def test_ten_thousand_cards_are_planned_and_imported() -> None:
    text = "".join(f"CARD{number:06},Accepted,P,2098-12-31,note\n" for number in range(10_000))
    do(text)
    assert disk_store().list_size("station") == 10_000
    assert do(text).counts[Kind.UNCHANGED] == 10_000
