"""The why log as people look through it."""

from __future__ import annotations

import csv
import io
from datetime import UTC, datetime

import pytest
from django.test import Client

from ocppclient.events import Explain
from tests.appliance import disk_store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.fixture(autouse=True)
def _reasons() -> None:
    store = disk_store()
    store.add_reason(Explain("card", "refused", "The card is blocked.", "04A1", "AUT-02"), NOON)
    store.add_reason(Explain("ReserveNow", "Rejected", "Reserved already.", '=cmd|" /C calc"', "RSV-04"), NOON)
    store.add_reason(Explain("ChangeConfiguration", "Rejected", "Takes 1 to 10800.", "-5", "CFG-07"), NOON)


def found(client: Client, query: str) -> list[dict[str, str]]:
    text = client.get(f"/why/export?{query}").content.decode()
    return list(csv.DictReader(io.StringIO(text, newline="")))


@pytest.mark.parametrize(
    ("query", "what"),
    [
        ("", ["ChangeConfiguration", "ReserveNow", "card"]),
        ("what=card", ["card"]),
        ("verdict=Rejected", ["ChangeConfiguration", "ReserveNow"]),
        ("q=BLOCKED", ["card"]),
        ("q=rsv-04+already", ["ReserveNow"]),
        ("q=10800&what=card", []),
    ],
)
def test_the_log_is_filtered_by_what_and_verdict_and_searched(query: str, what: list[str], inside: Client) -> None:
    assert [row["what"] for row in found(inside, query)] == what
    page = inside.get(f"/why?{query}").content.decode()
    shown = page.split('class="lines reasons"')[-1] if what else ""
    for name in ("card", "ReserveNow", "ChangeConfiguration"):
        assert (f"<b>{name}</b>" in shown) == (name in what)
    assert ("Nothing fits" in page) == (not what)


def test_the_csv_holds_no_formula(inside: Client) -> None:
    values = [row["value"] for row in found(inside, "")]
    assert values == ["'-5", '\'=cmd|" /C calc"', "04A1"]
