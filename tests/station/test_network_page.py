"""The network page: what each role sees, what is refused."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers, get_channel_layer
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from ocppclient.sentence import Sentence
from station import ask, commissioning, live, provisioning
from station.ask import Reply
from station.command_face import StationConsumer
from station.network.kept import Settings, backend_target
from station.roles import Role, assign
from tests.station.test_cards import configure

XSS = "<script>alert(1)</script>"


def told(**more: Any) -> dict[str, Any]:
    device = {"interface": "eth0", "kind": "ethernet", "name": "Ethernet", "state": "connected",
              "addresses": ["192.168.1.5"], "gateway": "", "ssid": "", "is_hotspot": False, "is_default": True,
              "health": "reaches the backend"}  # fmt: skip
    cell = {"ssid": XSS, "hex": XSS.encode().hex(), "signal": 60, "words": "good", "security": "wpa"}
    modem = {"state": "registered", "signal": 40, "operator": XSS, "words": "fair", "needs": "pin"}
    hotspot = {"ssid": "charger-1", "passphrase": "pass-word", "open": True, "why": "order", "left_s": 800}
    return {"problem": "", "devices": [device], "cells": [cell], "modem": modem, "hotspot": hotspot,
            "order": ["wifi", "ethernet", "mobile"], "change": None, **more}  # fmt: skip


class Worker:
    """What the page orders, and what it hears."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.reply = Reply(True, "Done.")
        self.told: dict[str, Any] | None = told()

    def network(self, order: dict[str, Any] | None, user: str) -> tuple[Reply, dict[str, Any] | None]:
        if order is not None:
            self.orders.append(order)
        return self.reply, self.told


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    played = Worker()
    monkeypatch.setattr(ask, "network", played.network)
    monkeypatch.setattr(settings, "NETWORK", True)
    return played


@pytest.fixture
def viewer() -> Client:
    user = User.objects.create_user("viewer")
    assign(user, Role.VIEWER)
    client = Client()
    client.force_login(user)
    return client


def test_a_station_that_does_not_rule_its_network_says_so_and_orders_nothing(
    inside: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("station.views.network.machine_addresses", lambda: ["192.0.2.77"])
    page = inside.get("/network").content.decode()
    assert "does not rule the network" in page
    assert "192.0.2.77" in page
    assert "<form" not in page.split("<main>")[1]
    assert inside.post("/network/change", {"do": "scan"}).status_code == 302


def test_an_installer_sees_everything_and_strange_names_stay_text(worker: Worker, inside: Client) -> None:
    page = inside.get("/network").content.decode()
    assert XSS not in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    for words in ("reaches the backend", "signal fair, 40 %", "asks for its PIN", "pass-word", "It closes in 800 s."):
        assert words in page
    assert "Passwort (WPA2 oder WPA3)" in inside.get("/network", headers={"accept-language": "de"}).content.decode()
    chosen = inside.get("/network", {"wifi": XSS.encode().hex()}).content.decode()
    assert f'value="{XSS.encode().hex()}"' in chosen


def test_a_viewer_sees_the_state_and_neither_secrets_nor_buttons(worker: Worker, viewer: Client) -> None:
    assert worker.told is not None
    worker.told["change"] = {"kind": "wifi", "what": XSS, "by": "ina", "state": "on trial", "why": "", "left_s": 50,
                             "token": "t0ken", "addresses": ["192.168.7.9"]}  # fmt: skip
    for path in ("/network", "/network/state"):
        page = viewer.get(path).content.decode()
        assert "192.168.1.5" in page
        assert "pass-word" not in page
        assert "t0ken" not in page
        assert "<button" not in page.split("<main>")[-1]
    assert viewer.post("/network/change", {"do": "hotspot", "open": "yes"}).status_code == 403


def test_what_is_typed_is_judged_and_nothing_is_ordered(worker: Worker, inside: Client) -> None:
    for typed, words in (
        ({"do": "wifi", "ssid": "Home", "security": "wpa", "key": "short"}, "8 to 63 characters"),
        ({"do": "ethernet", "interface": "eth0", "method": "manual", "address": "1.2.3.4"}, "with the length"),
        ({"do": "mobile", "apn": "a b"}, "An APN is letters"),
    ):
        answer = inside.post("/network/change", typed)
        assert answer.status_code == 422
        assert words in answer.content.decode()
    assert worker.orders == []


def test_a_change_is_ordered_as_it_was_typed_and_the_key_is_never_shown_again(worker: Worker, inside: Client) -> None:
    key = " !\"'<&;" + "x" * 56
    typed = {"do": "wifi", "ssid": " Café ", "security": "wpa", "key": key, "hidden": "on"}
    assert inside.post("/network/change", typed).status_code == 302
    assert worker.orders[-1] == {"do": "change", "kind": "wifi", "ssid_hex": "", "ssid": " Café ", "security": "wpa",
                                 "key": key, "hidden": True}  # fmt: skip
    worker.reply = Reply(False, "This station has no wifi interface.")
    answer = inside.post("/network/change", {**typed, "key": "correct horse"})
    assert answer.status_code == 422
    assert "no wifi interface" in answer.content.decode()
    assert "correct horse" not in answer.content.decode()


def test_the_other_buttons_order_what_they_say(worker: Worker, inside: Client) -> None:
    inside.post("/network/change", {"do": "hotspot", "open": "yes"})
    inside.post("/network/change", {"do": "order", "kinds": "wifi,mobile,ethernet"})
    inside.post("/network/change", {"do": "keep anyway"})
    assert worker.orders == [
        {"do": "hotspot", "open": True}, {"do": "order", "kinds": ["wifi", "mobile", "ethernet"]},
        {"do": "keep anyway"},
    ]  # fmt: skip


def test_looking_at_the_page_on_the_new_path_is_the_proof(worker: Worker, inside: Client) -> None:
    assert worker.told is not None
    worker.told["change"] = {"kind": "wifi", "what": "Home", "by": "ina", "state": "on trial", "why": "", "left_s": 50,
                             "token": "t0ken", "addresses": ["192.168.7.9"]}  # fmt: skip
    page = inside.get("/network", SERVER_NAME="192.168.1.5", SERVER_PORT="8080", headers={"host": "localhost"})
    assert worker.orders == []
    assert 'href="http://192.168.7.9:8080/network/keep/t0ken"' in page.content.decode()
    inside.get("/network/state", SERVER_NAME="192.168.7.9", headers={"host": "localhost"})
    assert worker.orders == [{"do": "keep", "token": "t0ken", "local": "192.168.7.9"}]


def test_the_link_needs_no_login_and_says_where_it_arrived(worker: Worker, client: Client) -> None:
    page = client.get("/network/keep/t0ken", SERVER_NAME="192.168.7.9", headers={"host": "localhost"})
    assert "It works" in page.content.decode()
    assert worker.orders == [{"do": "keep", "token": "t0ken", "local": "192.168.7.9"}]
    assert not page.cookies
    worker.reply = Reply(False, "The change was taken back already.")
    assert "Not yet" in client.get("/network/keep/t0ken").content.decode()


def test_the_command_face_brings_orders_to_the_desk_and_answers_without_one() -> None:
    channel_layers.backends.clear()

    class Desk:
        async def obey(self, order: dict[str, Any], user: str) -> tuple[bool, str]:
            return False, f"{user}: {order['do']}"

        async def told(self) -> dict[str, Any]:
            return {"problem": "none"}

    async def asked(desk: Any) -> Any:
        face = StationConsumer(worker=None, network=desk)  # type: ignore[arg-type]
        face.channel_layer = get_channel_layer()

        async def answer() -> None:
            await face.station_network(await face.channel_layer.receive(live.STATION))

        return (await asyncio.gather(sync_to_async(ask.network)({"do": "scan"}, "ina"), answer()))[0]

    assert asyncio.run(asked(Desk())) == (Reply(False, "ina: scan"), {"problem": "none"})
    assert asyncio.run(asked(None)) == (Reply(True, ""), None)


def test_a_network_service_that_takes_its_time_holds_up_no_other_command() -> None:
    channel_layers.backends.clear()

    class Desk:
        def __init__(self) -> None:
            self.may_go_on = asyncio.Event()

        async def obey(self, order: dict[str, Any], user: str) -> tuple[bool, Sentence]:
            await self.may_go_on.wait()
            return True, Sentence("Done.")

        async def told(self) -> None:
            return None

    async def asked() -> dict[str, Any]:
        desk = Desk()
        face = StationConsumer(worker=None, network=desk)  # type: ignore[arg-type]
        face.channel_layer = layer = get_channel_layer()
        channel = await layer.new_channel()
        async with asyncio.timeout(10):
            await face.station_network({"order": {"do": "scan"}, "user": "ina", "reply_channel": channel})
            desk.may_go_on.set()  # only now: the face was free again before the desk answered
            answer: dict[str, Any] = await layer.receive(channel)
            return answer

    assert asyncio.run(asked())["ok"] is True


def test_the_hotspot_is_made_once_and_its_order_is_kept() -> None:
    kept = Settings()
    assert kept.setting_up()
    assert kept.hotspot() == kept.hotspot()
    assert provisioning.stored("hotspot", "ssid") == kept.hotspot().ssid, "the label reads it there"
    assert kept.order() == ["ethernet", "wifi", "mobile"]
    kept.set_order(["mobile", "wifi", "ethernet"])
    assert Settings().order()[0] == "mobile"


def test_set_up_lasts_until_the_hand_over_or_a_backend_and_own_passwords() -> None:
    assert backend_target() is None
    configure(backend={"url": "wss://backend.example/ocpp", "charge_point_id": "CP1"})
    assert backend_target() == ("backend.example", 443)
    assert not Settings().setting_up()
    commissioning.begin(datetime(2026, 3, 1, tzinfo=UTC))
    assert Settings().setting_up(), "the installer still hangs on the hotspot"
    commissioning.say("handover", at="2026-03-01T12:00:00Z", open=[])
    assert not Settings().setting_up()
