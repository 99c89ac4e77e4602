"""The driver's page: open to everybody, says nothing about cards, asks the station rarely, and can be switched off."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from ocppclient.store import Transaction
from station import ask, commissioning, driver
from station.roles import Role
from tests.appliance import disk_store
from tests.station.test_roles import browser

CHARGING: dict[str, Any] = {
    "state": {"status": "Charging", "sentence": "Card 04A1B2C3 charges."},
    "at": "2026-03-01T13:00:00.000Z",
    "session": {
        "id_tag": "04A1B2C3",
        "energy_wh": 2874,
        "elapsed_s": 2829,
        "running": True,
        "uid": "u1",
        "stopped_at": None,
    },
    "meter": {"power_w": 3648.0},
    "limit": {"offered_a": 10.5},
    "box": {"ev_connected": True},
    "reservation": {"id": 1, "id_tag": "04FFEE"},
}


class Station:
    """Answers with `snapshot`; counts how often it is asked."""

    def __init__(self) -> None:
        self.snapshot: dict[str, Any] | None = copy.deepcopy(CHARGING)
        self.asked = 0

    def __call__(self) -> dict[str, Any] | None:
        self.asked += 1
        return self.snapshot


@pytest.fixture(autouse=True)
def station(monkeypatch: pytest.MonkeyPatch) -> Iterator[Station]:
    cache.clear()
    station = Station()
    monkeypatch.setattr(ask, "snapshot", station)
    yield station
    cache.clear()


def text(client: Client) -> str:
    answer = client.get("/driver")
    assert answer.status_code == 200
    return " ".join(answer.content.decode().split())


def test_a_stranger_sees_state_energy_and_time_and_no_card(client: Client) -> None:
    page = text(client)
    for part in (
        "Your car is charging.",
        "<b>2.87</b>",
        "<b>47</b> <span>minutes</span>",
        "Now 3.6 kW",
        "up to 10.5 A",
    ):
        assert part in page
    assert "04A1" not in page.split("<main>")[1].split("<footer>")[0]
    assert "Sign out" not in page


def test_a_long_session_is_told_in_hours(station: Station, client: Client) -> None:
    assert station.snapshot is not None
    station.snapshot["session"]["elapsed_s"] = 5 * 3600 + 7 * 60
    assert "<b>5:07</b> <span>hours:minutes</span>" in text(client)


def test_whoever_comes_to_the_login_sees_what_the_station_does_now(client: Client) -> None:
    page = client.get("/login").content.decode()
    assert "Your car is charging." in page
    assert "04A1" not in page
    assert "kWh" not in page
    driver.switch(False)
    assert "Your car is charging." not in client.get("/login").content.decode()


@pytest.mark.parametrize(("plugged", "words"), [(True, "Hold your card to the reader."), (False, "Plug in your car.")])
def test_a_driver_is_told_what_is_missing(plugged: bool, words: str, station: Station, client: Client) -> None:
    box = {"ev_connected": plugged}
    station.snapshot = {**CHARGING, "state": {"status": "Preparing", "sentence": ""}, "session": None, "box": box}
    page = text(client)
    assert words in page
    assert ("Plug in your car" in page) is not plugged


@pytest.mark.parametrize("status", ["Available", "Preparing", "SuspendedEV", "SuspendedEVSE", "Finishing", "Reserved",
                                    "Unavailable", "Faulted"])  # fmt: skip
def test_every_state_has_its_words(status: str, station: Station, client: Client) -> None:
    station.snapshot = {**CHARGING, "state": {"status": status, "sentence": "04A1"}, "session": None}
    page = text(client)
    assert driver._SENTENCES[status] in page
    assert "kWh" not in page


def test_a_station_that_does_not_answer_is_said_in_words(station: Station, client: Client) -> None:
    station.snapshot = None
    assert "The station does not answer at the moment." in text(client)


def test_many_strangers_ask_the_station_once(station: Station, client: Client) -> None:
    for _ in range(5):
        text(client)
    assert station.asked == 1


def test_the_page_can_be_switched_off_and_on(client: Client) -> None:
    installer = browser(Role.INSTALLER)
    assert installer.post("/driver-sign", {}).status_code == 302
    assert client.get("/driver").status_code == 404
    assert "checked" not in installer.get("/driver-sign").content.decode()
    installer.post("/driver-sign", {"open": "on"})
    assert client.get("/driver").status_code == 200


def test_the_sign_has_the_code_of_the_address_at_which_it_is_looked_at() -> None:
    page = browser(Role.INSTALLER).get("/driver-sign").content.decode()
    assert "http://testserver/driver" in page or "/driver</p>" in page
    assert "<svg" in page.split('class="code"')[1][:200]
    assert "<style" not in page


def link(page: str) -> str:
    """The link to the receipt on the page, "" when there is none."""
    found = re.search(r'href="(/driver/receipt/[^"]+)"', page)
    return found.group(1) if found else ""


def charged(began: datetime, uid: str = "u1", **more: Any) -> None:
    disk_store().save_transaction(
        Transaction(
            uid=uid, connector_id=1, id_tag="04A1B2C3", meter_start_wh=1000, started_at=began, transaction_id=4711,
            start_delivered=True, **{"stopped_at": began + timedelta(minutes=65), "meter_stop_wh": 8321, **more},
        )
    )  # fmt: skip


def test_the_driver_gets_a_receipt_without_a_card_number(client: Client) -> None:
    charged(datetime.now(UTC) - timedelta(hours=2))
    commissioning.say("identity", name="Bay 12", location="Hall 3")
    receipt = " ".join(client.get(link(text(client))).content.decode().split())
    for part in ("Bay 12", "Hall 3", "<b>7.321</b>", "<b>1:05</b>", "1000 Wh", "8321 Wh", "4711", 'id="print"'):
        assert part in receipt
    assert "04A1" not in receipt
    assert "u1" not in receipt


def test_the_receipt_of_a_running_session_says_so(client: Client) -> None:
    charged(datetime.now(UTC), stopped_at=None, meter_stop_wh=None, last_wh=1500)
    receipt = client.get(link(text(client))).content.decode()
    assert "<b>0.500</b>" in receipt
    assert "still runs" in receipt


@pytest.mark.parametrize(("minutes", "shown"), [(14, True), (16, False)])
def test_the_link_is_for_who_stands_there_and_not_for_who_comes_later(
    minutes: int, shown: bool, station: Station, client: Client
) -> None:
    assert station.snapshot is not None
    ended = datetime(2026, 3, 1, 13, tzinfo=UTC) - timedelta(minutes=minutes)
    station.snapshot["session"] |= {"running": False, "stopped_at": ended.isoformat()}
    assert bool(link(text(client))) is shown


def test_a_receipt_cannot_be_guessed_or_turned_into_another(client: Client) -> None:
    charged(datetime.now(UTC))
    charged(datetime.now(UTC), uid="u2")
    token = link(text(client)).rpartition("/")[2]
    assert token.startswith("u1:")
    for made_up in ("u1", "u1:", token.replace("u1", "u2"), f"{token}x", token[:-1]):
        assert client.get(f"/driver/receipt/{made_up}").status_code == 404


def test_a_receipt_is_there_for_90_days(client: Client) -> None:
    charged(datetime(2026, 3, 1, 12, tzinfo=UTC))
    token = link(text(client)).rpartition("/")[2]
    assert driver.receipt_of(token, datetime(2026, 5, 29, tzinfo=UTC))
    assert driver.receipt_of(token, datetime(2026, 5, 31, tzinfo=UTC)) is None


@pytest.mark.parametrize("left_on", [{"open": "on"}, {"receipt": "on"}, {}])
def test_receipts_can_be_switched_off_and_links_that_are_out_there_follow(
    left_on: dict[str, str], client: Client
) -> None:
    charged(datetime.now(UTC))
    address = link(text(client))
    installer = browser(Role.INSTALLER)
    installer.post("/driver-sign", left_on)
    assert client.get(address).status_code == 404
    cache.clear()
    if "open" in left_on:
        assert not link(text(client))
    installer.post("/driver-sign", {"open": "on", "receipt": "on"})
    assert client.get(address).status_code == 200
