"""Reservations and the cache: what is shown, and what a person can end or forget after one question."""

from __future__ import annotations

import json
import re
from typing import Any

import pytest
from django.test import Client

from ocppclient.reservation import HISTORY
from station import ask
from station.ask import Reply
from station.roles import Role
from tests.appliance import disk_store
from tests.station.test_cards import put
from tests.station.test_pages import NASTY
from tests.station.test_roles import browser

PRESENT = {"id": 17, "id_tag": "04A1B2C3", "group": True, "until": "2030-05-06T07:08:00.000Z"}
ENDED = {
    "reservation_id": 16, "connector_id": 1, "id_tag": f"A{NASTY}", "parent_id_tag": "", "accepted_by": "x",
    "expiry_date": "2026-03-01T13:00:00.000Z", "made_at": "2026-03-01T12:00:00.000Z",
    "ended_at": "2026-03-01T12:30:00.000Z", "how": "withdrawn", "by": "ann",
}  # fmt: skip


class Station:
    """What the pages order, and what they are told."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, Any]] = []
        self.reservation: dict[str, Any] | None = PRESENT
        self.link = "connected"
        self.silent = False

    def order(self, command: str, argument: Any, user: str) -> Reply:
        self.orders.append((command, argument))
        return Reply(True, "Done.")

    def snapshot(self) -> dict[str, Any] | None:
        return None if self.silent else {"reservation": self.reservation, "backend": {"state": self.link}}


@pytest.fixture(autouse=True)
def station(monkeypatch: pytest.MonkeyPatch) -> Station:
    played = Station()
    monkeypatch.setattr(ask, "order", played.order)
    monkeypatch.setattr(ask, "snapshot", played.snapshot)
    return played


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode().replace("&#x27;", "'"))


def test_the_present_reservation_is_shown_with_what_ending_it_means(inside: Client, station: Station) -> None:
    page = text(inside.get("/reservations"))
    for part in ("Reservation 17", "04A1B2C3 and its group", "2030-05-06 07:08 UTC", "End the reservation now"):
        assert part in page
    assert "OCPP has no message that tells the backend" in page
    assert "The backend is not connected now" not in page
    station.link = "waiting"
    assert "The backend is not connected now" in text(inside.get("/reservations"))


def test_nothing_reserved_and_nobody_answering_are_told_apart(inside: Client, station: Station) -> None:
    station.reservation = None
    assert "Nothing is reserved now." in text(inside.get("/reservations"))
    station.silent = True
    page = text(inside.get("/reservations"))
    assert "does not answer" in page
    assert "Nothing is reserved now." not in page


def test_a_reservation_is_ended_only_after_the_box_was_ticked(inside: Client, station: Station) -> None:
    inside.post("/reservations", {"reservation": "17"})
    inside.post("/reservations", {"reservation": "x", "sure": "on"})
    assert station.orders == []
    assert inside.post("/reservations", {"reservation": "17", "sure": "on"}).status_code == 302
    assert station.orders == [("reservation_end", 17)]


def test_the_history_says_how_each_one_ended(inside: Client) -> None:
    used = {**ENDED, "reservation_id": 15, "how": "used", "by": "", "made_at": None, "parent_id_tag": "FLEET"}
    unknown = {**ENDED, "reservation_id": 14, "how": "a later word"}
    disk_store().set_value(HISTORY, json.dumps([unknown, used, ENDED]))
    page = text(inside.get("/reservations"))
    assert page.index("<b>16</b>") < page.index("<b>15</b>") < page.index("<b>14</b>")
    for part in ("ended here", "· ann", ">used<", "and its group", "a later word", "2026-03-01 12:30 UTC"):
        assert part in page
    assert NASTY not in page


@pytest.mark.parametrize("path", ["/reservations", "/cards/cache"])
def test_a_viewer_does_not_see_these_pages(path: str, station: Station) -> None:
    client = browser(Role.VIEWER)
    assert client.get(path).status_code == 403
    assert client.post(path, {"sure": "on", "reservation": "17"}).status_code == 403
    assert station.orders == []


def test_the_remembered_cards_are_forgotten_after_the_box_was_ticked(inside: Client, station: Station) -> None:
    put("LISTED")
    assert "No card is remembered." in text(inside.get("/cards/cache"))
    assert "Forget remembered cards" not in text(inside.get("/cards?show=cache"))
    put("CACHED", "cache")
    page = text(inside.get("/cards/cache"))
    assert "1 card is remembered." in page
    assert "only cards of the list can start a session" in page
    assert 'href="/cards/cache"' in text(inside.get("/cards?show=cache"))
    inside.post("/cards/cache")
    assert station.orders == []
    inside.post("/cards/cache", {"sure": "on"})
    assert station.orders == [("cache_clear", None)]


def test_a_cache_that_does_not_count_is_told(inside: Client) -> None:
    disk_store().set_value("key.AuthorizationCacheEnabled", "false")
    assert "switched off (AuthorizationCacheEnabled)" in text(inside.get("/cards/cache"))
