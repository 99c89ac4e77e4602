"""The driver's page: open to everybody, says nothing about cards, asks the station rarely, and can be switched off."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from station import ask, driver
from station.roles import Role
from tests.station.test_roles import browser

CHARGING: dict[str, Any] = {
    "state": {"status": "Charging", "sentence": "Card 04A1B2C3 charges."},
    "session": {"id_tag": "04A1B2C3", "energy_wh": 2874, "elapsed_s": 2829, "running": True, "uid": "u1"},
    "meter": {"power_w": 3648.0},
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
    for part in ("Your car is charging.", "<b>2.87</b>", "<b>47</b> <span>minutes</span>", "3.6 kW"):
        assert part in page
    assert "04" not in page.split("<main>")[1].split("<footer>")[0]
    assert "Sign out" not in page


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
