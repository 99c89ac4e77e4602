"""The appliance: worker and web as processes of their own over a real Redis, as deploy/ sets them up (design.md 4)."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from channels_redis.core import RedisChannelLayer

from tests.journeys.appliance import RedisServer, Systemd, Web
from tests.journeys.rig import Rig, RigMaker
from tests.journeys.station import Station, free_port, until


@pytest.fixture
def redis(tmp_path: Path) -> Iterator[RedisServer]:
    server = RedisServer(tmp_path).start()
    yield server
    server.kill()


async def ask(url: str) -> dict[str, object]:
    layer = RedisChannelLayer(hosts=[{"address": url, "socket_timeout": None}])
    try:
        channel = await layer.new_channel()
        await layer.send("station", {"type": "station.snapshot", "reply_channel": channel, "frames": False})
        return dict(await asyncio.wait_for(layer.receive(channel), 20))
    finally:
        await layer.flush()
        await layer.close_pools()


def test_the_worker_answers_a_page_of_another_process(tmp_path: Path, redis: RedisServer) -> None:
    (tmp_path / "station").mkdir()
    station = Station(
        tmp_path / "station", {"identity": {"model": "R-1"}}, environment={"STATION_REDIS_URL": redis.url}
    )
    station.start()
    try:
        answer = asyncio.run(ask(redis.url))
        assert answer["type"] == "live.snapshot"
        assert isinstance(answer["snapshot"], dict)
        assert answer["snapshot"]
    finally:
        assert station.terminate() == 0


def test_systemd_hears_of_the_processes_when_they_are_ready_alive_and_stopping(
    tmp_path: Path, redis: RedisServer
) -> None:
    (tmp_path / "station").mkdir()
    worker_unit, web_unit, jobs_unit = (Systemd(tmp_path, name) for name in ("worker", "web", "jobs"))
    station = Station(
        tmp_path / "station",
        {"identity": {"model": "R-1"}},
        environment={"STATION_REDIS_URL": redis.url, **worker_unit.environment},
    )
    web = Web(station, {"STATION_HTTPS": f"127.0.0.1:{free_port()}", **web_unit.environment})
    jobs = Web(station, jobs_unit.environment, "runjobs")
    try:
        station.start()
        assert "READY=1" in worker_unit.wait("WATCHDOG=1") + worker_unit.wait("WATCHDOG=1")
        web.start()
        assert web_unit.next(30) == "READY=1"
        web_unit.wait("WATCHDOG=1")
        jobs.start()
        assert jobs_unit.next(30) == "READY=1"
        jobs_unit.wait("WATCHDOG=1")
        jobs_unit.wait("WATCHDOG=1")
        assert jobs.terminate() == 0
        assert web.terminate() == 0
        web_unit.wait("STOPPING=1")
        assert station.terminate() == 0
        worker_unit.wait("STOPPING=1")
    finally:
        jobs.kill()
        web.kill()
        station.close()
        for unit in (worker_unit, web_unit, jobs_unit):
            unit.close()


def controller_answers(web: Web) -> bool:
    status, text = web.get("/readyz")
    return status in (200, 503) and bool(json.loads(text)["checks"]["controller"]["ok"])


def charge_on(rig: Rig) -> None:
    """The car gets energy, and the backend hears of it."""
    rig.charge_wh(2)
    rig.backend.skip()
    rig.backend.next("MeterValues", timeout_s=20)


def test_killed_web_and_killed_redis_leave_the_session_alone(make_rig: RigMaker, redis: RedisServer) -> None:
    """P8, F2: what people look at may die; the charge and its messages go on, and everything comes back."""
    rig = make_rig({"ocpp": {"MeterValueSampleInterval": 1}})
    rig.station.environment["STATION_REDIS_URL"] = redis.url
    rig.start()
    web = Web(rig.station, {}).start().wait()
    try:
        until(lambda: controller_answers(web), 30, lambda: f"the worker answers the web; log:\n{web.log()}")
        rig.begin_journey()
        rig.start_session()
        charge_on(rig)
        redis.kill()
        status, text = web.get("/readyz")
        assert (status, json.loads(text)["checks"]["controller"]["ok"]) == (503, False)
        charge_on(rig)
        web.kill()
        charge_on(rig)
        rig.sim.unplug()
        rig.backend.next("StopTransaction", timeout_s=20)
        redis.start()
        web.start().wait()
        until(lambda: controller_answers(web), 60, lambda: f"the worker answers again; log:\n{web.log()}")
    finally:
        web.kill()


def test_the_web_alone_needs_redis_and_says_so(tmp_path: Path) -> None:
    (tmp_path / "station").mkdir()
    web = Web(Station(tmp_path / "station", {"identity": {"model": "R-1"}}), {}).start()
    try:
        until(lambda: "STATION_REDIS_URL is not set" in web.log(), 30, web.log)
        assert web.wait_end() == 78
    finally:
        web.kill()
