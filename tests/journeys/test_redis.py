"""Two processes over a real Redis: the worker answers what a page of another process asks (design.md section 4)."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from channels_redis.core import RedisChannelLayer

from tests.journeys.station import Station


@pytest.fixture
def redis_url(tmp_path: Path) -> Iterator[str]:
    program = shutil.which("redis-server")
    assert program, "redis-server is missing; `make test` installs it"
    socket = tmp_path / "redis.sock"
    server = subprocess.Popen(
        [program, "--port", "0", "--unixsocket", str(socket), "--save", "", "--dir", str(tmp_path)],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert server.stdout is not None
    for line in server.stdout:
        if "ready to accept connections" in line.lower():
            break
    yield f"unix://{socket}"
    server.terminate()
    server.wait(10)
    server.stdout.close()


async def ask(url: str) -> dict[str, object]:
    layer = RedisChannelLayer(hosts=[{"address": url, "socket_timeout": None}])
    try:
        channel = await layer.new_channel()
        await layer.send("station", {"type": "station.snapshot", "reply_channel": channel, "frames": False})
        return dict(await asyncio.wait_for(layer.receive(channel), 20))
    finally:
        await layer.flush()
        await layer.close_pools()


def test_the_worker_answers_a_page_of_another_process(tmp_path: Path, redis_url: str) -> None:
    (tmp_path / "station").mkdir()
    station = Station(
        tmp_path / "station", {"identity": {"model": "R-1"}}, environment={"STATION_REDIS_URL": redis_url}
    )
    station.start()
    try:
        answer = asyncio.run(ask(redis_url))
        assert answer["type"] == "live.snapshot"
        assert isinstance(answer["snapshot"], dict)
        assert answer["snapshot"]
    finally:
        assert station.terminate() == 0
