"""The history in the Django admin: readable by role, searchable, as CSV, and never changed by anybody."""

from __future__ import annotations

import csv
import io
from typing import Any

import pytest
from django.test import Client

from ocppclient.events import Explain
from ocppclient.store import DeliveredCall, QueuedCall, SecurityEvent, Transaction
from station.roles import Role
from tests.appliance import disk_store
from tests.station.test_pages import NASTY, NOON
from tests.station.test_roles import browser

OPERATORS = ["transaction", "deliveredcall", "queuedcall", "reason"]
TABLES = [*OPERATORS, "securityevent"]


@pytest.fixture(autouse=True)
def _history() -> None:
    store = disk_store()
    for number, id_tag in enumerate(("=cmd", NASTY[:20])):
        store.save_transaction(
            Transaction(uid=f"u{number}", connector_id=1, id_tag=id_tag, meter_start_wh=1000, started_at=NOON,
                        stopped_at=NOON, meter_stop_wh=3500, reason="Local")
        )  # fmt: skip
    store.keep_delivered(DeliveredCall(7, "StartTransaction", NASTY, "{}", "u0", NOON, NOON, NOON))
    store.enqueue(QueuedCall("StopTransaction", NASTY, ("m",), transaction_uid="u0", parked_reason=f"refused {NASTY}"))
    store.add_reason(Explain("ReserveNow", "Rejected", f"rule {NASTY}", NASTY, "RSV-01"), NOON)
    store.add_security_event(SecurityEvent("FirmwareUpdated", NOON, NASTY))


def path(table: str, rest: str = "") -> str:
    return f"/admin/station/{table}/{rest}"


def text(answer: Any) -> str:
    assert answer.status_code == 200
    return str(answer.content.decode())


@pytest.mark.parametrize("table", TABLES)
def test_every_table_is_listed_searched_and_opened_and_shows_strangers_texts_as_text(
    table: str, inside: Client
) -> None:
    assert path(table) in text(inside.get("/admin/"))
    listed = text(inside.get(path(table)))
    assert f"/admin/station/{table}/" in listed
    number = {"deliveredcall": 7}.get(table, 1)
    for page in (
        listed,
        text(inside.get(path(table, "?q=nothing-like-it"))),
        text(inside.get(path(table, f"{number}/change/"))),
    ):
        assert NASTY not in page
        assert "<style" not in page


def test_a_session_shows_its_energy_and_the_filters_work(inside: Client) -> None:
    assert "2.500" in text(inside.get(path("transaction")))
    assert "2.500" not in text(inside.get(path("transaction", "?reason__exact=Remote")))
    assert "2.500" in text(inside.get(path("transaction", "?q=cmd")))


@pytest.mark.parametrize("table", TABLES)
@pytest.mark.parametrize("rest", ["add/", "1/delete/", "7/delete/"])
def test_nobody_adds_or_deletes(table: str, rest: str, inside: Client) -> None:
    assert inside.get(path(table, rest)).status_code in (302, 403)  # 302: there is no such row
    assert inside.post(path(table, rest), {"post": "yes"}).status_code in (302, 403)
    assert "addlink" not in text(inside.get(path(table)))
    assert "delete_selected" not in text(inside.get(path(table)))


def test_nobody_changes(inside: Client) -> None:
    shown = text(inside.get(path("transaction", "1/change/")))
    assert 'name="_save"' not in shown
    assert inside.post(path("transaction", "1/change/"), {"id_tag": "OTHER"}).status_code == 403
    assert disk_store().transaction("u0").id_tag == "=cmd"  # type: ignore[union-attr]


def test_chosen_rows_come_as_csv_without_formulas(inside: Client) -> None:
    order = {"action": "as_csv", "_selected_action": ["1", "2"]}
    answer = inside.post(path("transaction"), order)
    assert "attachment" in answer["Content-Disposition"]
    rows = list(csv.DictReader(io.StringIO(answer.content.decode(), newline="")))
    assert sorted(row["id_tag"] for row in rows) == ["'=cmd", NASTY[:20]]
    assert {row["meter_stop_wh"] for row in rows} == {"3500"}
    assert {row["started_at"] for row in rows} == {"2026-03-01T12:00:00.000Z"}


@pytest.mark.parametrize(
    ("role", "tables"), [(Role.OPERATOR, OPERATORS), (Role.INSTALLER, TABLES), (Role.MANUFACTURER, TABLES)]
)
def test_each_role_reads_its_tables(role: Role, tables: list[str]) -> None:
    client = browser(role)
    index = text(client.get("/admin/"))
    for table in TABLES:
        assert (path(table) in index) == (table in tables)
        assert client.get(path(table)).status_code == (200 if table in tables else 403)


def test_a_viewer_does_not_get_in() -> None:
    client = browser(Role.VIEWER)
    assert client.get(path("transaction")).status_code in (302, 403)
    assert "/admin/" not in text(client.get("/more"))
