"""The loopback Central System: what it answers, what it tells, and its control."""

from __future__ import annotations

import asyncio
import json
import urllib.request
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.asyncio.server import serve

from station.backendsim import CentralSystem

Scenario = Callable[["Bench"], Awaitable[None]]


class Bench:
    """A running Central System and one charge point that speaks to it by hand."""

    def __init__(self, central: CentralSystem, port: int, told: list[str]) -> None:
        self.central, self.port, self.told = central, port, told
        self.link: ClientConnection

    async def send(self, text: str) -> Any:
        await self.link.send(text)
        return json.loads(await asyncio.wait_for(self.link.recv(), 5))

    async def call(self, action: str, payload: dict[str, Any]) -> Any:
        return await self.send(json.dumps([2, "id", action, payload]))

    async def get(self, path: str, **headers: str) -> Any:
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", headers=headers)

        def fetch() -> Any:
            with urllib.request.urlopen(request, timeout=5) as response:
                return json.loads(response.read())

        return await asyncio.to_thread(fetch)


def run(scenario: Scenario, **options: Any) -> list[str]:
    """Run a scenario; the story that was told."""
    told: list[str] = []

    async def main() -> None:
        central = CentralSystem(told.append, **options)
        async with serve(
            central.connection, "127.0.0.1", 0, subprotocols=["ocpp1.6"], process_request=central.http
        ) as server:  # type: ignore[list-item]
            bench = Bench(central, next(iter(server.sockets)).getsockname()[1], told)
            uri = f"ws://127.0.0.1:{bench.port}/ocpp/HALL%203"
            async with connect(uri, subprotocols=["ocpp1.6"], proxy=None) as bench.link:  # type: ignore[list-item]
                await scenario(bench)

    asyncio.run(main())
    return told


def test_a_session_is_answered_and_told_as_a_story() -> None:
    async def scenario(bench: Bench) -> None:
        boot = await bench.call("BootNotification", {"chargePointVendor": "V", "chargePointModel": "M"})
        assert boot[0] == 3
        assert boot[2]["status"] == "Accepted"
        assert boot[2]["interval"] == 60
        start = {"connectorId": 1, "idTag": "A", "meterStart": 100, "timestamp": "2026-01-01T00:00:00Z"}
        first = await bench.call("StartTransaction", start)
        assert first[2] == {"transactionId": 1, "idTagInfo": {"status": "Accepted", "parentIdTag": "FAMILY"}}
        assert await bench.call("StartTransaction", start) == first  # sent again after a lost answer
        assert (await bench.call("Authorize", {"idTag": "bad"}))[2]["idTagInfo"]["status"] == "Invalid"
        values = {"timestamp": "2026-01-01T00:01:00Z", "sampledValue": [{"value": "150", "unit": "Wh"}]}
        await bench.call("MeterValues", {"connectorId": 1, "transactionId": 1, "meterValue": [values]})
        stop = {"transactionId": 1, "meterStop": 4100, "timestamp": "2026-01-01T01:00:00Z", "reason": "Remote"}
        assert (await bench.call("StopTransaction", stop))[2] == {}
        state = await bench.get("/state")
        (transaction,) = state["stations"]["HALL 3"]["transactions"]
        assert transaction["meter_stop"] == 4100

    told = run(scenario, interval_s=60, rejected=frozenset({"BAD"}), parents={"a": "FAMILY"})
    story = "\n".join(line.partition(" ")[2] for line in told)
    assert "HALL 3 has started: V M; accepted" in story
    assert "HALL 3 starts transaction 1 with card A at 100 Wh: Accepted" in story
    assert "HALL 3 transaction 1: 150 Wh" in story
    assert "HALL 3 stops transaction 1: 4000 Wh (Remote)" in story


@pytest.mark.parametrize(
    ("frame", "code"),
    [
        ('[2,"1","NoSuchThing",{}]', "NotImplemented"),
        ('[2,"1","Heartbeat",{"extra":1}]', "FormationViolation"),
        ('[2,"1","Authorize",{}]', "FormationViolation"),
        ('[2,"1",["x"],{}]', "NotImplemented"),
    ],
)
def test_bad_requests_get_a_callerror(frame: str, code: str) -> None:
    async def scenario(bench: Bench) -> None:
        answer = await bench.send(frame)
        assert answer[:3] == [4, "1", code]

    assert any("sent a bad" in line for line in run(scenario))


def test_nonsense_is_told_and_survived() -> None:
    async def scenario(bench: Bench) -> None:
        for nonsense in ("not json", "[]", "[2]", '{"a":1}', "[3,5]"):
            await bench.link.send(nonsense)
        assert (await bench.call("Heartbeat", {}))[0] == 3

    assert sum("not OCPP" in line for line in run(scenario)) == 5


def test_the_control_starts_and_stops_remotely() -> None:
    async def scenario(bench: Bench) -> None:
        async def answer(action: str, payload: dict[str, Any]) -> None:
            frame = json.loads(await asyncio.wait_for(bench.link.recv(), 5))
            assert frame[2:] == [action, payload]
            await bench.link.send(json.dumps([3, frame[1], {"status": "Accepted"}]))

        for path, action, payload in (
            ("/remote-start?id_tag=A", "RemoteStartTransaction", {"idTag": "A"}),
            ("/reset?type=Hard", "Reset", {"type": "Hard"}),
            ("/call?action=ClearCache", "ClearCache", {}),
        ):
            got, _ = await asyncio.gather(bench.get(path), answer(action, payload))
            assert got == {"status": "Accepted"}
        assert await bench.get("/remote-stop") == {"error": "no transaction is running"}
        with pytest.raises(urllib.error.HTTPError, match="403"):
            await bench.get("/state", Origin="http://evil.example")
        with pytest.raises(urllib.error.HTTPError, match="404"):
            await bench.get("/")

    run(scenario)
