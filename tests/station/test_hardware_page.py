"""The hardware page: choose, try, save; refused while a session needs the present devices."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from hardware.interfaces import HardwareConfig, PortHealth
from hardware.probe import Probed
from station import ask, in_force, provisioning
from station.ask import Reply
from station.command_face import StationConsumer
from station.models import Transaction
from station.views import hardware as view
from tests.appliance import disk_store
from tests.station.test_worker import CHARGING, VIEW, Bench

FORM = {
    "board": "evse_din", "board_port": "/dev/b", "board_unit": 2, "board_baud": 0,
    "meter": "orno514", "meter_port": "/dev/m", "meter_unit": 3, "meter_baud": 2400, "meter_parity": "N",
    "reader": "rdm6300", "reader_port": "/dev/r", "reader_baud": 0, "uid_order": "normal", "em4100": "id8",
    "panel": "gpiod", "panel_port": "/dev/gpiochip0", "panel_estop": "GPIO5",
}  # fmt: skip


@pytest.fixture
def inside() -> Client:
    provisioning.apply(provisioning.Provision())
    client = Client()
    client.force_login(User.objects.create_superuser("installer"))
    return client


class Station:
    """Takes the orders of the page."""

    def __init__(self) -> None:
        self.orders: list[str] = []
        self.reply = Reply(True, "The station starts again.")

    def __call__(self, command: str, argument: Any, user: str) -> Reply:
        self.orders.append(command)
        return self.reply


@pytest.fixture(autouse=True)
def station(monkeypatch: pytest.MonkeyPatch) -> Station:
    played = Station()
    monkeypatch.setattr(ask, "order", played)
    return played


def text(answer: Any) -> str:
    return str(answer.content.decode())


def test_the_page_offers_every_device_of_the_registry(inside: Client) -> None:
    page = text(inside.get("/hardware"))
    for title in ("OpenEVSE controller", "EVSE-DIN", "SDM230", "OR-WE-515", "PN532", "RDM6300", "GPIO"):
        assert title in page


def test_each_device_has_its_own_group_with_a_trial_and_what_it_does_after_a_power_cut(inside: Client) -> None:
    page = text(inside.get("/hardware"))
    for heading in ("Charging board", "Energy meter", "Card reader", "Panel (optional)"):
        assert f"<legend>{heading}</legend>" in page
    assert page.count('name="test"') == 4
    assert "boot lock or authorisation lock" in page
    page = text(inside.post("/hardware", {**FORM, "board_unit": 0}))
    assert "cut off while charging, it offers 6 A" in page
    assert "greater than or equal to 1" in page.split("<legend>Energy meter")[0], "the error stands at its device"


def test_what_is_saved_is_what_the_station_starts_with(inside: Client) -> None:
    answer = inside.post("/hardware", FORM, follow=True)
    assert "Saved. The station starts again" in text(answer)
    stored = provisioning.load().hardware
    assert (stored.board, stored.board_unit, stored.board_port) == ("evse_din", 2, "/dev/b")
    assert (stored.meter, stored.meter_baud, stored.meter_parity) == ("orno514", 2400, "N")
    assert (stored.reader, stored.options["em4100"], stored.options["panel_estop"]) == ("rdm6300", "id8", "GPIO5")
    inside.post("/hardware", {**FORM, "meter_baud": 0, "meter_parity": ""})
    assert (provisioning.load().hardware.meter_baud, provisioning.load().hardware.meter_parity) == (0, "")


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"board": "abc"}, "not one of the available choices"),
        ({"meter_unit": 0}, "greater than or equal to 1"),
        ({"reader_port": "/dev/b"}, "The board is on this port already: give the reader an own adapter."),
        ({"meter_port": "/dev/b"}, "set the meter to 9600 baud 8N1 as the board, not 2400 baud 8N1"),
        ({"meter_port": "/dev/b", "meter_baud": 0, "meter_unit": 2}, "have the same Modbus address 2"),
        ({"board": "openevse", "meter_port": "/dev/b"}, "Only devices on Modbus RTU can share one"),
    ],
)
def test_what_cannot_be_is_refused_with_the_reason(inside: Client, change: dict[str, Any], said: str) -> None:
    assert said in text(inside.post("/hardware", {**FORM, **change}))
    assert provisioning.load().hardware == HardwareConfig()


def test_board_and_meter_on_one_rs485_adapter_are_saved(inside: Client) -> None:
    assert "Saved" in text(inside.post("/hardware", {**FORM, "meter_port": "/dev/b", "meter_baud": 9600}, follow=True))
    assert provisioning.load().hardware.share_a_port


def test_while_a_session_runs_nothing_is_changed_or_tried(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(view, "probe", lambda *_: pytest.fail("the line belongs to the session"))
    Transaction.objects.create(
        uid="u", id_tag="A", started_at=datetime.now(UTC), meter_start_wh=0, last_wh=0, connector_id=1,
        start_delivered=False, start_parked=False, deauthorised=False, remote=False,
    )  # fmt: skip
    for extra in ({}, {"test": "meter"}):
        assert "A session is running" in text(inside.post("/hardware", {**FORM, **extra}))
    assert provisioning.load().hardware == HardwareConfig()


def test_a_device_is_tried_with_what_the_form_says_and_nothing_is_saved(
    inside: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried: list[tuple[str, HardwareConfig]] = []

    def fake(what: str, config: HardwareConfig) -> Probed:
        tried.append((what, config))
        return Probed(True, "orno514 unit 3 answers: 3 good frames.", PortHealth("meter", "orno514", "/dev/m", True))

    monkeypatch.setattr(view, "probe", fake)
    assert "orno514 unit 3 answers: 3 good frames." in text(inside.post("/hardware", {**FORM, "test": "meter"}))
    ((what, config),) = tried
    assert (what, config.meter, config.meter_unit, config.options["em4100"]) == ("meter", "orno514", 3, "id8")
    assert provisioning.load().hardware == HardwareConfig()


def test_the_port_that_the_station_uses_is_not_taken_away_from_it(
    inside: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    inside.post("/hardware", FORM)
    monkeypatch.setattr(view, "probe", lambda *_: pytest.fail("the port is in use"))
    for port in ("/dev/b", "/dev/m", "/dev/r"):
        trial = {**FORM, "board_port": port, "meter": "", "reader": "", "test": "board"}
        assert "The station itself uses this port now" in text(inside.post("/hardware", trial))


def test_only_an_installer_may_open_it(client: Client) -> None:
    provisioning.apply(provisioning.Provision())
    client.force_login(User.objects.create_user("viewer"))
    assert client.get("/hardware").status_code == 403


def test_what_waits_for_a_start_is_said_with_a_button_that_names_its_consequence(
    inside: Client, station: Station
) -> None:
    disk_store().set_value(in_force.VALUE, in_force.stored())
    assert "Restart now" not in text(inside.get("/hardware"))
    station.reply = Reply(False, "The devices are changed when the session has ended.")
    page = text(inside.post("/hardware", FORM, follow=True))
    assert "Saved; it counts from the next start. The devices are changed when the session has ended." in page
    assert "Restart now, away for some seconds" in page
    station.reply = Reply(False, "Nothing was changed.", heard=False)
    page = text(inside.post("/hardware", {**FORM, "board_unit": 3}, follow=True))
    assert "Nothing was changed" not in page, "it was saved"
    station.orders.clear()
    inside.post("/hardware", {"restart": "yes"})
    assert station.orders == ["apply"]
    assert provisioning.load().hardware.board_unit == 3


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.worker.stop(5)


def test_the_worker_starts_again_with_them_but_not_during_a_session(bench: Bench) -> None:
    bench.charge_point.shown = replace(VIEW, transaction=CHARGING)
    bench.start()
    face = StationConsumer(bench.worker)
    refused, why = bench.worker.call(lambda: face._obey("hardware", None, "admin")).result(5)
    assert not refused
    assert "when the session has ended" in why
    assert bench.reboots == []
    bench.charge_point.shown = VIEW
    assert bench.worker.call(lambda: face._obey("hardware", None, "admin")).result(5)[0]
    assert bench.reboots == [(False, 0)]
