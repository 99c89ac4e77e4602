"""What systemd hears from us, over a socket that plays its part."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from pathlib import Path

import pytest

import tests.appliance  # noqa: F401
from station import sd_notify
from station.sd_notify import ALIVE, WRITE_EVERY_S, Pulse, Signs, notify, watchdog_s
from station.supervisor import until
from station.web_process import answers, feed_watchdog


@pytest.fixture
def systemd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[socket.socket]:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind(str(tmp_path / "notify"))
        channel.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "notify"))
        yield channel


def test_a_state_arrives_as_one_datagram(systemd: socket.socket) -> None:
    notify(sd_notify.READY)
    assert systemd.recv(100) == b"READY=1"


def test_an_abstract_socket_is_reached(monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"station-test-{os.getpid()}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as channel:
        channel.bind("\0" + name)
        channel.settimeout(5)
        monkeypatch.setenv("NOTIFY_SOCKET", "@" + name)
        notify(sd_notify.STOPPING)
        assert channel.recv(100) == b"STOPPING=1"


def test_a_socket_that_is_gone_is_a_warning_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv("NOTIFY_SOCKET", str(tmp_path / "gone"))
    notify(sd_notify.READY)
    assert "could not be told READY=1" in caplog.text


def test_the_watchdogs_time_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    for text, seconds in (("30000000", 30.0), ("", 0.0), ("x", 0.0)):
        monkeypatch.setenv("WATCHDOG_USEC", text)
        assert watchdog_s() == seconds
    monkeypatch.delenv("WATCHDOG_USEC")
    assert watchdog_s() == 0.0


class Bench:
    """A pulse with a clock and a database of its own."""

    def __init__(self, watchdog_s: float = 30.0) -> None:
        self.now = 100.0
        self.broken = False
        self.writes: list[float] = []
        self.signs: list[float] = []
        self.pulse = Pulse(self._write, lambda: self.now, watchdog_s, self._sign)

    def _write(self) -> None:
        if self.broken:
            raise OSError("No space left on device")
        self.writes.append(self.now)

    def _sign(self, state: str) -> None:
        assert state == ALIVE
        self.signs.append(self.now)

    def live(self, seconds: float) -> int:
        """Tick ten times a second; returns how many ticks failed."""
        failed = 0
        for _ in range(round(seconds * 10)):
            self.now = round(self.now + 0.1, 1)
            try:
                self.pulse.tick()
            except OSError:
                failed += 1
        return failed


def test_a_living_domain_gives_three_signs_within_the_time_and_writes_once_a_minute() -> None:
    bench = Bench()
    bench.live(121)
    gaps = [later - earlier for earlier, later in zip(bench.signs, bench.signs[1:], strict=False)]
    assert max(gaps) <= 10.2
    assert len(bench.writes) == 3
    assert bench.writes[1] - bench.writes[0] == pytest.approx(WRITE_EVERY_S, abs=1.1)


def test_a_database_that_cannot_be_written_starves_the_watchdog_and_heals() -> None:
    bench = Bench()
    bench.live(1)
    bench.broken = True
    assert bench.live(120) <= 12  # tried again every 10 s, not at every tick
    assert max(bench.signs) <= 100.2 + WRITE_EVERY_S
    bench.broken = False
    bench.live(11)
    assert bench.signs[-1] > 221


def test_without_a_watchdog_nothing_is_written() -> None:
    bench = Bench(watchdog_s=0.0)
    bench.live(100)
    assert (bench.writes, bench.signs) == ([], [])


def test_what_goes_on_feeds_the_watchdog_three_times_within_its_time_and_not_at_every_step() -> None:
    now, told = 100.0, []
    signs = Signs(9.0, lambda: now, told.append)
    for _ in range(100):
        signs()
        now += 0.1
    assert told == [ALIVE] * 4
    silent = Signs(0.0, lambda: now, told.append)
    silent()
    assert len(told) == 4


async def _serve_once(answer: bytes) -> tuple[bool, bytes]:
    asked: list[bytes] = []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(serve, "127.0.0.1", 0) as server:
        port = server.sockets[0].getsockname()[1]
        return await answers("127.0.0.1", port), asked[0]


def test_the_web_is_alive_when_a_view_of_it_answers() -> None:
    alive, asked = asyncio.run(_serve_once(b"HTTP/1.1 200 OK\r\n\r\n"))
    assert alive
    assert asked.startswith(b"GET /healthz HTTP/1.1\r\nHost: 127.0.0.1:")
    assert not asyncio.run(_serve_once(b"HTTP/1.1 500 Internal Server Error\r\n\r\n"))[0]
    assert not asyncio.run(_serve_once(b""))[0]


def test_a_web_server_that_does_not_answer_starves_its_watchdog(caplog: pytest.LogCaptureFixture) -> None:
    told: list[str] = []

    async def look() -> None:
        with socket.socket() as closed:
            closed.bind(("127.0.0.1", 0))  # bound, but nobody listens
            feeding = asyncio.create_task(feed_watchdog("127.0.0.1", closed.getsockname()[1], 30.0, told.append))
            await until(lambda: "did not answer" in caplog.text, 0.01)
            feeding.cancel()

    asyncio.run(asyncio.wait_for(look(), 20))
    assert told == []


def test_without_a_watchdog_the_web_asks_itself_nothing() -> None:
    told: list[str] = []
    asyncio.run(feed_watchdog("127.0.0.1", 1, 0.0, told.append))
    assert told == []
