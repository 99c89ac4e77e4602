"""Loopback peers for the tests of the link: scripted websocket servers, raw TCP servers, a proxy that can fall mute."""

from __future__ import annotations

import asyncio
import random
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any

from websockets.asyncio.server import Server, ServerConnection, serve

from ocppclient.backend_link import BackendLink, ConnectionSettings
from ocppclient.clock import Clock
from ocppclient.events import Connected, Disconnected, Event, FrameReceived

PATIENCE_S = 10.0


class Events:
    """Takes the events of a connection and lets a test wait for them."""

    def __init__(self, take_frames: bool = True) -> None:
        self.all: list[Event] = []
        self.connection: BackendLink | None = None
        self._take_frames = take_frames
        self._news = asyncio.Event()

    def __call__(self, event: Event) -> None:
        self.all.append(event)
        if self._take_frames and isinstance(event, FrameReceived) and self.connection is not None:
            self.connection.frame_done()
        self._news.set()

    def count(self, kind: type) -> int:
        return sum(isinstance(event, kind) for event in self.all)

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.all if isinstance(event, kind)]

    @property
    def frames(self) -> list[str]:
        return [event.text for event in self.of(FrameReceived)]

    async def until(self, kind: type, times: int = 1) -> Any:
        """The `times`-th event of this kind."""
        async with asyncio.timeout(PATIENCE_S):
            while self.count(kind) < times:
                self._news.clear()
                await self._news.wait()
        return self.of(kind)[times - 1]


async def until(condition: Callable[[], bool]) -> None:
    """Wait until the condition holds; only for facts that come without an event."""
    async with asyncio.timeout(PATIENCE_S):
        while not condition():  # noqa: ASYNC110 - these facts have no event
            await asyncio.sleep(0.002)


def settings_for(port: int, **changes: Any) -> ConnectionSettings:
    """Quick settings for a server on this port of the loopback."""
    quick = ConnectionSettings(
        url=f"ws://127.0.0.1:{port}/ocpp",
        charge_point_id="CP1",
        reconnect_min_s=0.01,
        reconnect_max_s=0.02,
        open_timeout_s=5,
        ping_interval_s=0,
    )
    return replace(quick, **changes)


@asynccontextmanager
async def station(
    settings: ConnectionSettings | None, *, take_frames: bool = True, clock: Clock | None = None, **options: Any
) -> AsyncIterator[tuple[BackendLink, Events]]:
    """A running connection and its events; its clock is confirmed unless another one is given."""
    if clock is None:
        clock = Clock()
        clock.confirm()
    events = Events(take_frames)
    connection = BackendLink(settings, events, clock, random.Random(7), **options)
    events.connection = connection
    task = asyncio.create_task(connection.run())
    try:
        yield connection, events
    finally:
        task.cancel()
        await asyncio.wait({task})
        if not task.cancelled() and (error := task.exception()):
            raise error


Handler = Callable[[ServerConnection], Awaitable[None]]


async def silent(link: ServerConnection) -> None:
    """A backend that only listens."""
    async for _ in link:
        pass


@asynccontextmanager
async def backend(handler: Handler = silent, **options: Any) -> AsyncIterator[tuple[int, Server]]:
    """A websocket server on a free port."""
    values: dict[str, Any] = {"subprotocols": ["ocpp1.6"], "ping_interval": None, "close_timeout": 1, **options}
    async with serve(handler, "127.0.0.1", 0, **values) as server:
        yield next(iter(server.sockets)).getsockname()[1], server


@asynccontextmanager
async def tcp_server(
    handler: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
    context: ssl.SSLContext | None = None,
) -> AsyncIterator[int]:
    """A raw server on a free port; the handlers are cancelled at the end."""
    tasks: set[asyncio.Task[None]] = set()

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)  # type: ignore[arg-type]
        try:
            await handler(reader, writer)
        except (ConnectionError, asyncio.CancelledError, asyncio.IncompleteReadError):
            pass
        finally:
            tasks.discard(task)  # type: ignore[arg-type]
            writer.transport.abort()

    server = await asyncio.start_server(guarded, "127.0.0.1", 0, ssl=context)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in list(tasks):
            task.cancel()
        if tasks:
            await asyncio.wait(tasks)


class Proxy:
    """Forwards to a port until `mute`: then it stays open and swallows everything (a dropped NAT entry)."""

    def __init__(self, target: int) -> None:
        self.target = target
        self.mute = False

    async def __call__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        back, forth = await asyncio.open_connection("127.0.0.1", self.target)
        try:
            async with asyncio.TaskGroup() as pumps:
                pumps.create_task(self._pump(reader, forth))
                pumps.create_task(self._pump(back, writer))
        finally:
            forth.transport.abort()

    async def _pump(self, source: asyncio.StreamReader, sink: asyncio.StreamWriter) -> None:
        while data := await source.read(65536):
            if not self.mute:
                sink.write(data)
        raise ConnectionResetError


__all__ = [
    "Connected",
    "Disconnected",
    "Events",
    "Proxy",
    "backend",
    "settings_for",
    "silent",
    "station",
    "tcp_server",
    "until",
]
