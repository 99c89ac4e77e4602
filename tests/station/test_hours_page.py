"""The charging hours: what a region sets, what the owner is asked, chooses and removes, and the random delays."""

from __future__ import annotations

import json
import re
from datetime import time
from typing import Any

import pytest
from django.test import Client

from ocppclient.configuration import KEYS
from station import alerts, ask, charging_hours, commissioning, local_list, present, provisioning
from station.ask import Reply
from station.charging_hours import Peak
from station.models import Setting
from station.regions import REGIONS
from station.roles import Role
from station.wiring import charge_point_settings, time_zone
from tests.appliance import disk_store
from tests.station.test_roles import browser

UK = "Mon-Fri 08:00-11:00,Mon-Fri 16:00-22:00"
PEAK, DELAY = "OpenStation.PeakHours", "OpenStation.RandomisedDelay"


class Station:
    """Keeps the keys as the worker would."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, Any]] = []
        self.refuses = False
        self.live: dict[str, Any] | None = None

    def order(self, command: str, argument: Any, user: str) -> Reply:
        self.orders.append((command, argument))
        if self.refuses:
            return Reply(False, "It does not fit.")
        if command == "configure":
            disk_store().set_value(f"key.{argument['key']}", argument["value"])
        return Reply(True, "Done.")

    def snapshot(self) -> dict[str, Any] | None:
        return self.live


@pytest.fixture(autouse=True)
def station(monkeypatch: pytest.MonkeyPatch) -> Station:
    played = Station()
    monkeypatch.setattr(ask, "order", played.order)
    monkeypatch.setattr(ask, "snapshot", played.snapshot)
    return played


def in_the(region: str) -> None:
    Setting.objects.update_or_create(section="charging", name="region", defaults={"value": json.dumps(region)})


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def rows(*rules: tuple[str, str, str]) -> dict[str, str]:
    told = {"do": "save", "form-TOTAL_FORMS": str(len(rules)), "form-INITIAL_FORMS": "0"}
    for number, rule in enumerate(rules):
        told |= {f"form-{number}-{name}": word for name, word in zip(("days", "begin", "end"), rule, strict=True)}
    return told


# -- the region


def test_every_region_names_keys_of_this_station_with_values_that_fit() -> None:
    for region in REGIONS.values():
        for name, value in region.configuration.items():
            key = KEYS[name.casefold()]
            assert key.format(key.parse(value)) == value


def test_without_a_region_nothing_waits() -> None:
    """What the certificate was given for stays as it was"""
    config = present.configuration()
    assert config.peak_hours == ()
    assert (config.randomised_delay, config.power_return_delay_min, config.power_return_delay_max) == (0, 0, 0)
    assert time_zone(provisioning.load()) == "UTC"


def test_a_region_sets_defaults_and_everybody_else_wins_over_it() -> None:
    in_the("UK")
    config = present.configuration()
    assert config.get(KEYS[PEAK.casefold()]) == tuple(UK.split(","))
    assert (config.randomised_delay, config.power_return_delay_min, config.power_return_delay_max) == (600, 120, 720)
    Setting.objects.create(section="ocpp", name=DELAY, value='"300"')
    assert present.configuration().randomised_delay == 300
    disk_store().set_value(f"key.{DELAY}", "1800")
    assert present.configuration().randomised_delay == 1800


def test_the_hours_are_in_the_time_zone_that_people_chose_else_in_the_regions() -> None:
    in_the("UK")
    assert charge_point_settings(provisioning.load()).time_zone == "Europe/London"
    commissioning.say("language", language="en", time_zone="Europe/Berlin")
    assert charge_point_settings(provisioning.load()).time_zone == "Europe/Berlin"


def test_another_time_zone_is_told_to_the_station(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    poked: list[str] = []
    monkeypatch.setattr(local_list, "poke", poked.append)
    monkeypatch.setattr(ask, "clock", lambda order, user: (Reply(True, ""), None))
    inside.post("/time/change", {"do": "zone", "time_zone": "Europe/London"})
    inside.post("/setup/language", {"do": "next", "language": "en", "time_zone": "Europe/Paris"})
    assert len(poked) == 2


# -- the owner is asked


def test_the_owner_is_asked_on_first_use_and_accepts(inside: Client, station: Station) -> None:
    in_the("UK")
    commissioning.say("handover", open=[])
    (alert,) = alerts.alerts(Role.OPERATOR)
    assert (alert.kind, alert.url) == ("waiting", "/charging-hours")
    page = text(inside.get("/charging-hours"))
    assert "Monday to Friday, 08:00 to 11:00" in page
    assert "Monday to Friday, 16:00 to 22:00" in page
    assert "By the clock of Europe/London" in page
    assert "Accept these hours" in page
    inside.post("/charging-hours/change", {"do": "accept"})
    assert "Accept these hours" not in text(inside.get("/charging-hours"))
    assert alerts.alerts(Role.OPERATOR) == []
    assert station.orders == [], "they are as they were"


def test_the_set_up_offers_them_where_the_limits_are_set(inside: Client) -> None:
    assert "Accept these hours" not in text(inside.get("/setup/limits"))
    in_the("UK")
    assert '<a href="/charging-hours">Charging hours</a>' in text(inside.get("/setup/limits"))


def test_the_owner_removes_them(inside: Client, station: Station) -> None:
    in_the("UK")
    page = text(inside.post("/charging-hours/change", {"do": "remove"}, follow=True))
    assert station.orders == [("configure", {"key": PEAK, "value": ""})]
    assert "There are none: the station charges at any time." in page
    assert not charging_hours.are_offered()


def test_nobody_is_asked_outside_of_a_region(inside: Client) -> None:
    assert not charging_hours.are_offered()
    assert "Accept these hours" not in text(inside.get("/charging-hours"))


def test_the_owner_changes_them_with_days_in_words_and_empty_rows_are_none(inside: Client, station: Station) -> None:
    told = rows(("Mon-Fri", "16:00", "19:00"), ("Sat", "22:00", "00:00"), ("", "", ""), ("Mon-Fri", "16:00", "19:00"))
    page = text(inside.post("/charging-hours/change", told, follow=True))
    assert station.orders == [("configure", {"key": PEAK, "value": "Mon-Fri 16:00-19:00,Sat 22:00-24:00"})]
    assert "Saturday, 22:00 to 00:00" in page


@pytest.mark.parametrize(
    ("rule", "words"),
    [
        (("Mon", "", "10:00"), "Say from when to when."),
        (("Mon", "10:00", "10:00"), "These hours are empty"),
        (("Mon", "25:00", "10:00"), "Enter a valid time."),
        (("Moonday", "09:00", "10:00"), "Select a valid choice."),
    ],
)
def test_what_is_no_rule_comes_back_with_a_sentence(
    inside: Client, station: Station, rule: tuple[str, str, str], words: str
) -> None:
    answer = inside.post("/charging-hours/change", rows(rule))
    assert answer.status_code == 422
    assert words in text(answer)
    assert station.orders == []


def test_a_refusal_of_the_station_is_shown_and_nothing_counts_as_decided(inside: Client, station: Station) -> None:
    in_the("UK")
    station.refuses = True
    assert "It does not fit." in text(inside.post("/charging-hours/change", {"do": "remove"}, follow=True))
    assert charging_hours.are_offered()


def test_days_that_the_backend_chose_are_kept_by_the_form(inside: Client) -> None:
    disk_store().set_value(f"key.{PEAK}", "Sat-Mon 22:00-06:00")
    page = text(inside.get("/charging-hours"))
    assert "Sat-Mon, 22:00 to 06:00" in page
    assert '<option value="Sat-Mon" selected>' in page


def test_what_the_factory_wrote_wrong_breaks_no_page(inside: Client) -> None:
    Setting.objects.create(section="ocpp", name=PEAK, value='"<b>,Mon 8-9,Sat 10:00-11:00"')
    page = text(inside.get("/charging-hours"))
    assert "Saturday, 10:00 to 11:00" in page
    assert "Mon 8-9" not in page


@pytest.mark.parametrize("rule", ["Mon-Fri 08:00-11:00", "Sat 22:00-24:00", "Mon-Sun 00:00-24:00", "Sun 22:00-06:00"])
def test_a_rule_is_the_same_after_it_was_shown(rule: str) -> None:
    assert Peak.of(rule).text == rule
    assert charging_hours.written([Peak("Mon", time(8), time(9))] * 2) == "Mon 08:00-09:00"


# -- charge now


LIVE = {
    "limit": {"waiting": True}, "state": {"sentence": "Waiting for the off-peak hours, from 22:00."},
    "clock": {"confirmed": True},
}  # fmt: skip


def test_a_session_that_waits_can_be_let_go(inside: Client, station: Station) -> None:
    station.live = LIVE
    assert "Waiting for the off-peak hours, from 22:00." in text(inside.get("/charging-hours"))
    inside.post("/charging-hours/change", {"do": "charge_now"})
    assert station.orders == [("charge_now", None)]


def test_without_a_sure_clock_the_page_says_that_the_hours_do_not_count(inside: Client, station: Station) -> None:
    in_the("UK")
    station.live = {**LIVE, "limit": {"waiting": False}, "clock": {"confirmed": False}}
    page = text(inside.get("/charging-hours"))
    assert "Nobody has confirmed the clock since the start" in page
    assert "Charge now</button>" not in page


# -- spreading the load


def test_an_installer_chooses_region_and_delays(inside: Client, station: Station) -> None:
    told = {"region": "UK", "randomised": "0", "return_min": "0", "return_max": "0"}
    inside.post("/charging-hours/spreading", told)
    assert station.orders == [("settings", None)], "what was not touched is the region's"
    assert present.configuration().randomised_delay == 600
    station.orders.clear()
    inside.post(
        "/charging-hours/spreading", {"region": "UK", "randomised": "900", "return_min": "120", "return_max": "720"}
    )
    assert station.orders == [("configure", {"key": DELAY, "value": "900"})]


@pytest.mark.parametrize(
    ("change", "words"),
    [({"randomised": "1801"}, "It takes 0 to 1800 s."), ({"return_min": "800"}, "This is more than the longest.")],
)
def test_delays_out_of_range_come_back(inside: Client, station: Station, change: dict[str, str], words: str) -> None:
    told = {"region": "", "randomised": "600", "return_min": "120", "return_max": "720", **change}
    answer = inside.post("/charging-hours/spreading", told)
    assert answer.status_code == 422
    assert words in text(answer)
    assert station.orders == []


def test_an_operator_chooses_hours_but_no_delays() -> None:
    """The hours are the owner's (regulation 10), the delays are the installer's"""
    client = browser(Role.OPERATOR)
    assert client.post("/charging-hours/change", {"do": "accept"}).status_code == 302
    assert client.post("/charging-hours/spreading", {}).status_code == 403
    assert 'name="randomised"' not in text(client.get("/charging-hours"))
