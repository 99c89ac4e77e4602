"""Updates where people and programs meet them: pages, dashboard, metrics, API, and the worker's command."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.utils import translation

import tests.appliance  # noqa: F401
from ocppclient.clock import Clock
from ocppclient.events import ReleaseOffered
from ocppclient.sentence import Sentence, packed
from station import alerts, commissioning, metrics
from station.ask import Reply
from station.command_face import StationConsumer
from station.models import Setting, Value
from station.provision_file import UpdateSettings
from station.roles import Role, assign
from station.updates import kept
from station.updates.desk import UpdateDesk
from station.updates.kept import VALUE, Found
from tests.station.test_api_care import Program
from tests.station.test_security_pages import Station
from tests.station.test_worker import Bench, bench
from tests.station.updates.test_desk import ADDRESS, OFFER

__all__ = ["bench"]
ASKED = "2026-03-01T12:00:00.000Z"
FOUND = Found(ADDRESS, ASKED, ASKED, ASKED, "", OFFER)


@pytest.fixture
def station(monkeypatch: pytest.MonkeyPatch) -> Station:
    station = Station()
    monkeypatch.setattr("station.ask.order", station)
    return station


def keep(found: Found) -> None:
    kept.choose({"url": found.address})
    Value.objects.update_or_create(name=VALUE, defaults={"value": json.dumps(asdict(found))})


def test_without_an_address_the_page_only_asks_for_one(inside: Client) -> None:
    page = inside.get("/firmware").content.decode()
    assert "Address of the list of updates" in page
    assert "Look for updates now" not in page
    assert kept.chosen() == UpdateSettings()


def test_an_address_is_stored_and_the_worker_hears_of_it(inside: Client, station: Station) -> None:
    inside.post("/firmware/updates", {"url": f" {ADDRESS} ", "install_at_night": "on"})
    assert kept.chosen() == UpdateSettings(ADDRESS, True)
    assert station.orders == [("admin", "updates", {"do": "settings"})]
    assert f'value="{ADDRESS}"' in inside.get("/firmware").content.decode()
    inside.post("/firmware/updates", {"url": ""})
    assert kept.chosen() == UpdateSettings()


def test_a_worker_that_is_not_there_reads_it_later(inside: Client, station: Station) -> None:
    station.answer = Reply(False, "The controller does not answer. Nothing was changed.", heard=False)
    page = inside.post("/firmware/updates", {"url": ADDRESS}, follow=True).content.decode()
    assert "counts from the next start" in page
    assert "Nothing was changed" not in page
    assert kept.chosen().url == ADDRESS


@pytest.mark.parametrize("url", ["http://plain.example/u.json", "https://me:pw@h/u", "https://", "seller"])
def test_an_address_that_cannot_work_is_refused_with_what_was_typed(inside: Client, station: Station, url: str) -> None:
    page = inside.post("/firmware/updates", {"url": url}).content.decode()
    assert "must be an address that begins with https://" in page
    assert f'value="{url}"' in page
    assert (kept.chosen().url, station.orders) == ("", [])


def test_what_was_found_is_shown_with_its_notes_and_ordered_by_its_version(inside: Client, station: Station) -> None:
    keep(replace(FOUND, offer=replace(OFFER, notes="Charts.\n<b>bold")))
    page = inside.get("/firmware").content.decode()
    for part in ("2.0.0", "repairs security", "Charts.<br>&lt;b&gt;bold", f'datetime="{ASKED}"', 'data-busy="no"'):
        assert part in page
    inside.post("/firmware/install", {"version": "2.0.0"})
    inside.post("/firmware/look")
    assert [order[2] for order in station.orders] == [{"do": "install", "version": "2.0.0"}, {"do": "look"}]


def test_the_page_tells_what_a_question_is_at(inside: Client) -> None:
    keep(replace(FOUND, offer=None))
    assert "Nothing newer" in inside.get("/firmware/state").content.decode()
    keep(replace(FOUND, offer=None, job="j"))
    piece = inside.get("/firmware/state").content.decode()
    assert 'data-busy="yes"' in piece
    assert "asks for updates" in piece
    problem = packed(Sentence("{host} answered {answer}", host="seller.example", answer="503"))
    keep(replace(FOUND, offer=None, answered_at="", problem=problem))
    piece = inside.get("/firmware/state").content.decode()
    assert "seller.example answered 503" in piece
    assert "Nothing newer" not in piece
    with translation.override("de"):
        assert (
            "seller.example antwortete"
            in inside.get("/firmware/state", headers={"accept-language": "de"}).content.decode()
        )


def test_while_one_is_installed_no_second_one_is_offered(inside: Client) -> None:
    keep(FOUND)
    update = {"kind": "found", "stage": "downloading", "version": "2.0.0", "job": ""}
    Value.objects.create(name="firmware.update", value=json.dumps(update))
    page = inside.get("/firmware").content.decode()
    assert "found in the list of updates" in page
    assert 'action="/firmware/install"' not in page


def test_the_owner_is_told_on_the_dashboard_and_by_about(inside: Client) -> None:
    """EN 303 645 5.3; UK schedule 1"""
    commissioning.say("handover", open=[])
    keep(FOUND)
    (alert,) = alerts.alerts(Role.INSTALLER)
    assert (alert.kind, alert.url) == ("waiting", "/firmware")
    assert "it repairs the security" in alert.text
    (alert,) = alerts.alerts(Role.VIEWER)
    assert alert.url == ""
    assert "2.0.0 can be installed" in inside.get("/about").content.decode()
    keep(replace(FOUND, offer=replace(OFFER, security=False)))
    assert alerts.alerts(Role.INSTALLER)[0].text == "Version 2.0.0 can be installed."
    keep(replace(FOUND, offer=None))
    assert alerts.alerts(Role.INSTALLER) == []


def test_the_metrics_tell_it() -> None:
    assert b"station_update" not in metrics.text(None, Found())
    text = metrics.text(None, FOUND).decode()
    assert 'station_update_available{security="true",version="2.0.0"} 1.0' in text
    assert "station_update_list_timestamp_seconds 1.7723664e+09" in text
    assert 'version="2.0.0"' not in metrics.text(None, replace(FOUND, offer=None)).decode()


@pytest.mark.parametrize("path", ["/firmware/updates", "/firmware/look", "/firmware/install"])
def test_an_operator_orders_no_updates(client: Client, station: Station, path: str) -> None:
    user = User.objects.create_user("op", password="x")
    assign(user, Role.OPERATOR)
    client.force_login(user)
    assert client.post(path, {"url": ADDRESS, "version": "2.0.0"}).status_code == 403
    assert station.orders == []
    assert not Setting.objects.filter(section="updates").exists()


def test_programs_do_the_same(station: Station) -> None:
    program = Program()
    refused = program("PUT", "firmware/updates", {"url": "http://plain.example"})
    assert (refused.status_code, refused.json()["code"]) == (400, "value")
    assert program("PUT", "firmware/updates", {"url": ADDRESS, "install_at_night": True}).status_code == 200
    keep(FOUND)
    told = program("GET", "firmware/updates").json()
    assert (told["url"], told["install_at_night"], told["asks"], told["problem"]) == (ADDRESS, True, False, "")
    assert (told["answered_at"], told["offer"]["version"]) == (ASKED, "2.0.0")
    assert program("POST", "firmware/updates/look").status_code == 200
    assert program("POST", "firmware/updates/install", {"version": "2.0.0"}).status_code == 200
    station.answer = Reply(False, "That version is not offered any more. Load the page again.")
    assert program("POST", "firmware/updates/install", {"version": "1"}).status_code == 409
    assert [order[2]["do"] for order in station.orders] == ["settings", "look", "install", "install"]


def test_the_worker_obeys(bench: Bench) -> None:
    keep(FOUND)
    bench.start()
    values: dict[str, Any] = {VALUE: json.dumps(asdict(FOUND))}

    class Store:
        value = staticmethod(values.get)
        set_value = staticmethod(values.__setitem__)

    worker = bench.worker
    desk = UpdateDesk(Clock(), Store(), worker.handle_now, lambda: False, "1.0.0")  # type: ignore[arg-type]
    face = StationConsumer(worker, updates=desk)

    def obey(**argument: str) -> tuple[bool, str]:
        return worker.call(lambda: face._obey("updates", argument, "admin")).result(5)

    assert obey(do="install", version="2.0.0")[0] is False  # nobody has read what was found yet
    assert obey(do="settings") == (True, "Saved.")
    assert obey(do="install", version="1.9.0")[0] is False
    assert obey(do="install", version="2.0.0")[0] is True
    assert bench.handled == [ReleaseOffered(OFFER.location, OFFER.sha256, "2.0.0")]
    assert obey(do="dance")[0] is False
