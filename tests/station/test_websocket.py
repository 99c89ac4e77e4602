"""The websocket of the live view: logged in, from our own pages, snapshots and frames in, commands out."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from channels.layers import channel_layers, get_channel_layer
from channels.testing import WebsocketCommunicator
from django.conf import settings
from django.contrib.sessions.models import Session
from django.test import Client

from station import consumers, live
from station.asgi import application

Talk = Callable[[WebsocketCommunicator], Awaitable[None]]


def page(client: Client | None, origin: str = "http://127.0.0.1:8080", query: str = "") -> WebsocketCommunicator:
    headers = [(b"origin", origin.encode()), (b"host", b"127.0.0.1:8080")]
    if client:
        session = client.cookies[settings.SESSION_COOKIE_NAME].value
        headers.append((b"cookie", f"{settings.SESSION_COOKIE_NAME}={session}".encode()))
    return WebsocketCommunicator(application, f"/ws/live{query}", headers)


def talk(client: Client, conversation: Talk, query: str = "") -> None:
    """Run a conversation on an open socket."""

    async def run() -> None:
        socket = page(client, query=query)
        accepted, _ = await socket.connect()
        assert accepted
        await conversation(socket)
        await socket.disconnect()

    asyncio.run(run())


def is_accepted(socket: WebsocketCommunicator) -> bool:
    async def run() -> bool:
        accepted, _ = await socket.connect()
        await socket.disconnect()
        return bool(accepted)

    return asyncio.run(run())


@pytest.fixture(autouse=True)
def _no_old_messages() -> None:
    channel_layers.backends.clear()


async def asked_of_the_station() -> dict[str, Any]:
    return dict(await asyncio.wait_for(get_channel_layer().receive(live.STATION), 5))


def test_a_stranger_is_refused() -> None:
    assert not is_accepted(page(None))


@pytest.mark.parametrize("origin", ["http://evil.example", "null", "http://127.0.0.1.evil.example"])
def test_a_foreign_page_is_refused_even_with_the_cookie(origin: str, inside: Client) -> None:
    assert not is_accepted(page(inside, origin))


def test_our_own_page_is_accepted(inside: Client) -> None:
    assert is_accepted(page(inside))


def test_a_new_page_asks_the_station_and_gets_its_answer(inside: Client) -> None:
    async def conversation(socket: WebsocketCommunicator) -> None:
        question = await asked_of_the_station()
        assert question["type"] == "station.snapshot"
        layer = get_channel_layer()
        await layer.send(question["reply_channel"], {"type": "live.snapshot", "snapshot": {"at": "now"}})
        assert await socket.receive_json_from() == {
            "type": "snapshot",
            "snapshot": {"at": "now", "role": "manufacturer"},
        }
        await layer.group_send(live.GROUP, {"type": "live.snapshot", "snapshot": {"at": "later"}})
        assert (await socket.receive_json_from())["snapshot"]["at"] == "later"

    talk(inside, conversation)


def test_only_a_page_that_asks_for_frames_gets_them(inside: Client) -> None:
    frames = {"type": "live.frames", "frames": [{"seq": 1, "text": "[]"}], "reset": True}

    async def with_frames(socket: WebsocketCommunicator) -> None:
        assert (await asked_of_the_station())["frames"] is True
        await get_channel_layer().group_send(live.GROUP, frames)
        assert await socket.receive_json_from() == {"type": "frames", "frames": frames["frames"], "reset": True}

    async def without(socket: WebsocketCommunicator) -> None:
        await get_channel_layer().group_send(live.GROUP, frames)
        await socket.send_json_to({"type": "ping"})
        assert await socket.receive_json_from() == {"type": "pong"}

    talk(inside, with_frames, "?frames=1")
    talk(inside, without)


def test_a_page_gets_every_frame_once_and_all_of_a_new_worker(inside: Client) -> None:
    def ring(*numbers: int) -> dict[str, Any]:
        return {"type": "live.frames", "frames": [{"seq": seq} for seq in numbers], "reset": True}

    async def conversation(socket: WebsocketCommunicator) -> None:
        async def got() -> tuple[list[int], bool]:
            message = await socket.receive_json_from()
            return [frame["seq"] for frame in message["frames"]], message["reset"]

        layer = get_channel_layer()
        for message in (ring(1, 2), {**ring(3), "reset": False}, ring(1, 2, 3, 4), ring(1, 2, 3, 4), ring(1)):
            await layer.group_send(live.GROUP, message)
        assert await got() == ([1, 2], True)
        assert await got() == ([3], False)
        assert await got() == ([4], False)
        assert await got() == ([1], True)

    talk(inside, conversation, "?frames=1")


def test_an_open_page_asks_again_so_that_the_station_knows_it_is_watched(
    inside: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(consumers, "ASK_S", 0)

    async def conversation(socket: WebsocketCommunicator) -> None:
        await asked_of_the_station()
        await socket.send_json_to({"type": "ping"})
        assert (await asked_of_the_station())["type"] == "station.snapshot"

    talk(inside, conversation)


def test_a_command_goes_to_the_station_with_the_name_of_who_gave_it(inside: Client) -> None:
    async def conversation(socket: WebsocketCommunicator) -> None:
        await asked_of_the_station()
        await socket.send_json_to({"type": "command", "command": "stop"})
        command = await asked_of_the_station()
        reply = command.pop("reply_channel")
        assert command == {"type": "station.command", "command": "stop", "argument": None, "user": "admin"}
        await get_channel_layer().send(reply, {"type": "live.reply", "ok": True, "text": "Stopping."})
        assert await socket.receive_json_from() == {"type": "reply", "ok": True, "text": "Stopping."}
        await socket.send_json_to({"type": "command", "command": "resend", "argument": 7})
        assert (await asked_of_the_station())["argument"] == 7

    talk(inside, conversation)


@pytest.mark.parametrize("argument", ["7", None, True, 1.5])
def test_a_command_with_a_bad_argument_is_refused_in_words(argument: object, inside: Client) -> None:
    async def conversation(socket: WebsocketCommunicator) -> None:
        await socket.send_json_to({"type": "command", "command": "resend", "argument": argument})
        assert await socket.receive_json_from() == {"type": "reply", "ok": False, "text": "resend needs a number."}

    talk(inside, conversation)


@pytest.mark.parametrize(
    "nonsense",
    [
        "{",
        "[1]",
        "null",
        '{"type":"command","command":"format"}',
        '{"type":"command","command":["stop"]}',
        "[" * 9999,
    ],
)
def test_nonsense_closes_the_socket(nonsense: str, inside: Client) -> None:
    async def run() -> None:
        socket = page(inside)
        await socket.connect()
        await socket.send_to(text_data=nonsense)
        closed = await socket.receive_output(5)
        assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
        await socket.disconnect()

    asyncio.run(run())


def test_binary_frames_close_the_socket(inside: Client) -> None:
    async def run() -> None:
        socket = page(inside)
        await socket.connect()
        await socket.send_to(bytes_data=b"\x00")
        closed = await socket.receive_output(5)
        assert (closed["type"], closed["code"]) == ("websocket.close", 1008)
        await socket.disconnect()

    asyncio.run(run())


def test_a_session_that_ended_closes_the_socket(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(consumers, "SESSION_CHECK_S", 0)

    async def run() -> None:
        socket = page(inside)
        await socket.connect()
        await socket.send_json_to({"type": "ping"})
        assert await socket.receive_json_from() == {"type": "pong"}
        await sync_to_async(Session.objects.update)(expire_date=datetime(2020, 1, 1, tzinfo=UTC))
        await socket.send_json_to({"type": "ping"})
        closed = await socket.receive_output(5)
        assert (closed["type"], closed["code"]) == ("websocket.close", 4401)
        await socket.disconnect()

    asyncio.run(run())


def test_a_command_of_an_ended_session_is_not_passed_on(inside: Client) -> None:
    async def run() -> None:
        socket = page(inside)
        await socket.connect()
        await asked_of_the_station()
        await sync_to_async(Session.objects.all().delete)()
        await socket.send_json_to({"type": "command", "command": "stop"})
        assert (await socket.receive_output(5))["code"] == 4401
        with pytest.raises(TimeoutError):
            await asyncio.wait_for(get_channel_layer().receive(live.STATION), 0.05)
        await socket.disconnect()

    asyncio.run(run())
