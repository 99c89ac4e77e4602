"""The backend page: what is typed is judged, tried and saved; a lower profile needs the password again."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from typing import Any

import pytest
from django.core.cache import cache
from django.test import Client

from ocppclient.clock import Clock
from ocppclient.link import ConnectionSettings
from ocppclient.settings import Identity
from station import ask, backend_settings
from station.ask import Reply
from station.backend_desk import Prepared
from station.backend_settings import Unfit
from station.backend_trial import Trials
from station.command_face import StationConsumer
from tests.ocppclient.backend import backend
from tests.ocppclient.test_trial import answering, status
from tests.station.test_cards import configure
from tests.station.test_worker import Bench, bench

__all__ = ["bench"]

TYPED = {"url": "ws://new.example/ocpp", "charge_point_id": "CP 2", "security_profile": "0", "authorization_key": ""}
STAGE = {"name": "http", "verdict": "failed", "took_s": 0.25, "text": "404: path or <id> wrong"}


class Worker:
    """What the page says to the worker, and what it hears."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, Any]] = []
        self.tried: list[Any] = []
        self.reply = Reply(True, "Saved.")
        self.trial: dict[str, Any] | None = None

    def order(self, command: str, argument: Any, user: str) -> Reply:
        self.orders.append((command, argument))
        return self.reply

    def ask_trial(self, values: Any, user: str) -> tuple[Reply, Any]:
        if values is not None:
            self.tried.append(values)
        return (self.reply if values else Reply(True, "")), self.trial

    def snapshot(self) -> dict[str, Any]:
        link = {"kind": "available", "word": "Connected", "registration_words": "accepted by the backend",
                "last_byte_age_s": 3, "url": "ws://old/ocpp/CP1", "last_error": "", "state": "connected"}  # fmt: skip
        return {"backend": link}


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    cache.clear()
    played = Worker()
    monkeypatch.setattr(ask, "order", played.order)
    monkeypatch.setattr(ask, "trial", played.ask_trial)
    monkeypatch.setattr(ask, "snapshot", played.snapshot)
    return played


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode().replace("&#x27;", "'"))


def test_the_page_shows_the_link_and_the_full_address_and_never_the_key(inside: Client, worker: Worker) -> None:
    configure(backend={"url": "ws://old/ocpp", "charge_point_id": "BAY 1/2", "authorization_key": "TOPSECRETTOPSECRET"})
    shown = text(inside.get("/backend"))
    assert "ws://old/ocpp/BAY%201%2F2" in shown
    assert "accepted by the backend" in shown
    assert "TOPSECRET" not in shown


def test_the_full_address_follows_the_typing(inside: Client, worker: Worker) -> None:
    ask_for = {"url": "wss://b.example/x/", "charge_point_id": "a b", "security_profile": "2"}
    assert inside.get("/backend/address", ask_for).json() == {"url": "wss://b.example/x/a%20b"}
    assert inside.get("/backend/address", {"url": "http://b"}).json() == {"url": ""}
    upgraded = {"url": "ws://b.example/x", "charge_point_id": "a", "security_profile": "2"}
    assert inside.get("/backend/address", upgraded).json() == {"url": "wss://b.example/x/a"}


def test_a_trial_is_ordered_and_shown_with_times_and_cures(inside: Client, worker: Worker) -> None:
    worker.reply = Reply(True, "")
    worker.trial = {"running": True, "url": "ws://new/CP", "at": "", "stages": [STAGE], "next": "boot"}
    answer = inside.post("/backend", {**TYPED, "authorization_key": "typed-just-now-16", "do": "try"})
    assert answer.status_code == 200
    assert worker.tried == [
        {"url": "ws://new.example/ocpp", "charge_point_id": "CP 2", "security_profile": 0,
         "authorization_key": "typed-just-now-16", "system_roots": False}
    ]  # fmt: skip
    shown = text(answer)
    assert "404: path or &lt;id&gt; wrong" in shown
    assert "0.25 s" in shown
    assert "Registration (BootNotification) …" in shown
    assert 'data-busy="yes"' in shown
    assert 'value="CP 2"' in shown
    assert worker.orders == []


@pytest.mark.parametrize(("button", "unproven"), [("save", False), ("keep", True)])
def test_saving_orders_it_with_or_without_proof(inside: Client, worker: Worker, button: str, unproven: bool) -> None:
    answer = inside.post("/backend", {**TYPED, "do": button})
    assert answer.status_code == 302
    ((command, argument),) = worker.orders
    assert command == "backend"
    assert argument["unproven"] is unproven


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"url": "https://b.example"}, "It begins with https://; write wss:// instead."),
        ({"url": "ws://b.example/a b"}, "It has a blank in the middle"),
        ({"charge_point_id": ""}, "Write the id under which the backend knows this station."),
        ({"charge_point_id": "x" * 49}, "It has 49 characters"),
        ({"authorization_key": "short"}, "It has 5 characters"),
        ({"security_profile": "9"}, "Select a valid choice"),
    ],
)
def test_bad_input_is_refused_beside_its_field_and_kept(
    inside: Client, worker: Worker, wrong: dict[str, str], words: str
) -> None:
    answer = inside.post("/backend", {**TYPED, **wrong, "do": "save"})
    assert answer.status_code == 422
    assert words in text(answer)
    assert (worker.orders, worker.tried) == ([], [])


def test_bad_input_is_refused_in_the_language_of_the_page(inside: Client, worker: Worker) -> None:
    answer = inside.post("/backend", {**TYPED, "authorization_key": "short", "do": "save"}, HTTP_ACCEPT_LANGUAGE="de")
    assert "Der Wert hat 5 Zeichen; der Schlüssel des Backends" in text(answer)


def test_what_the_station_refuses_is_said_and_nothing_is_lost(inside: Client, worker: Worker) -> None:
    worker.reply = Reply(False, "Security profile 2 needs a root certificate.")
    answer = inside.post("/backend", {**TYPED, "do": "save"})
    assert answer.status_code == 422
    assert "needs a root certificate" in text(answer)
    assert 'value="ws://new.example/ocpp"' in text(answer)


def test_a_lower_profile_needs_the_password_again(inside: Client, worker: Worker) -> None:
    configure(backend={"url": "ws://b/", "charge_point_id": "x", "security_profile": 1, "authorization_key": "k" * 16})
    for own in ("", "wrong"):
        answer = inside.post("/backend", {**TYPED, "own_password": own, "do": "save"})
        assert "enter your own password once more" in text(answer)
        assert worker.orders == []
    assert inside.post("/backend", {**TYPED, "own_password": "correct horse", "do": "save"}).status_code == 302
    assert len(worker.orders) == 1


def test_what_was_taken_back_is_said_and_can_be_corrected(inside: Client, worker: Worker) -> None:
    configure(backend={"url": "ws://old/ocpp", "charge_point_id": "CP1"})
    wanted = {"url": "ws://typo/ocpp", "charge_point_id": "CP1", "security_profile": 0, "system_roots": False}
    change = {"state": "taken back", "at": "2026-03-01T12:00:00Z", "by": "ann", "why": "404", "wanted": wanted}
    backend_settings.note_change(change)
    shown = text(inside.get("/backend"))
    assert "did not work, and the old ones are back: 404" in shown
    assert 'value="ws://typo/ocpp"' in shown


def test_a_page_without_a_worker_says_so(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "GLANCE_S", 0.01)
    assert "the controller does not answer" in text(inside.get("/backend"))


# -- the worker's side


class Desk:
    """Prepares what it is told to."""

    def __init__(self, port: int) -> None:
        self.port = port

    def prepare(self, values: dict[str, Any]) -> Prepared:
        if not values:
            raise Unfit("There is nothing to try.")
        return Prepared(ConnectionSettings(f"ws://127.0.0.1:{self.port}/", "CP1"), Identity(), "")

    def save(self, values: dict[str, Any], by: str, *, unproven: bool) -> str:
        if not values:
            raise Unfit("It cannot work.")
        return f"Saved by {by}."


class Layer:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.sent: list[dict[str, Any]] = []

    async def send(self, channel: str, message: dict[str, Any]) -> None:
        self.sent.append(message)


def test_a_trial_runs_beside_the_worker_and_its_stages_are_told(bench: Bench) -> None:
    bench.start()

    async def test() -> None:
        async with backend(answering(status("Accepted"))) as (port, _):
            face = StationConsumer(bench.worker, Desk(port), Trials(Clock()))  # type: ignore[arg-type]
            face.channel_layer = layer = Layer()
            await face.station_trial({"reply_channel": "r"})
            assert layer.sent[-1] == {"type": "live.trial", "ok": True, "text": "", "trial": None}
            await face.station_trial({"reply_channel": "r", "values": {}})
            assert (layer.sent[-1]["ok"], layer.sent[-1]["text"]) == (False, "There is nothing to try.")
            await face.station_trial({"reply_channel": "r", "values": {"url": "x"}})
            assert layer.sent[-1]["trial"]["running"] is True
            assert layer.sent[-1]["trial"]["next"] == "dns"
            (trial,) = (task for task in asyncio.all_tasks() if task.get_name() == "backend trial")
            await asyncio.wait_for(trial, 10)
            await face.station_trial({"reply_channel": "r"})
            assert layer.sent[-1]["trial"]["running"] is False
            told = layer.sent[-1]["trial"]
            assert [stage["name"] for stage in told["stages"]] == ["dns", "tcp", "http", "subprotocol", "boot"]
            assert (told["next"], told["url"]) == ("", f"ws://127.0.0.1:{port}/CP1")

    asyncio.run(test())


def test_saving_is_answered_in_words(bench: Bench) -> None:
    bench.start()
    face = StationConsumer(bench.worker, Desk(1), Trials(Clock()))  # type: ignore[arg-type]
    argument = {"values": {"url": "x"}, "unproven": False}
    assert face._obey("backend", argument, "ann") == (True, "Saved by ann.")
    assert face._obey("backend", {**argument, "values": {}}, "ann") == (False, "It cannot work.")


def test_the_desk_is_looked_after_at_every_tick_and_may_fail(bench: Bench) -> None:
    ticks: list[int] = []

    def watch() -> None:
        ticks.append(1)
        raise OSError("disk")

    bench.start()
    assert bench.worker._outside is not None
    bench.worker._outside = replace(bench.worker._outside, watch=watch)
    bench.worker.call(bench.worker._watch).result(5)
    bench.done()
    assert ticks
