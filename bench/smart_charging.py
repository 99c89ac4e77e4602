"""Charging profiles at the certified limit of 86,400 periods."""

from __future__ import annotations

import json
import queue
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from websockets.exceptions import ConnectionClosed
from websockets.sync.server import ServerConnection, serve

from bench.measurements import Figure, pss_mib
from bench.profiles_inside import CERTIFIED, get_composite_schedule, periods_told, set_charging_profile
from tests.journeys.station import Station

RUNS = 7


def through_the_domain(folder: Path) -> list[Figure]:
    """`ChargePoint.handle` with the database on disk: JSON, checks, commit, answer."""
    program = [sys.executable, "-m", "bench.profiles_inside", str(folder)]
    done = subprocess.run(program, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    if found[f"told {CERTIFIED}"][0] < CERTIFIED - 60 or found["told 1000"][0] < 900:
        raise RuntimeError(f"the composite schedule is not complete: {found}")
    return [
        Figure(f"SetChargingProfile of {CERTIFIED} periods, in the domain", "ms", 100, found[f"set {CERTIFIED}"]),
        Figure("  of this, processor time", "ms", 100, found[f"set {CERTIFIED} cpu"]),
        Figure(f"GetCompositeSchedule of {CERTIFIED} periods, in the domain", "ms", 130, found[f"get {CERTIFIED}"]),
        Figure("  of this, processor time", "ms", 130, found[f"get {CERTIFIED} cpu"]),
        Figure("SetChargingProfile of 1000 periods, in the domain", "ms", 5, found["set 1000"]),
        Figure("GetCompositeSchedule of 1000 periods, in the domain", "ms", 5, found["get 1000"]),
        Figure("GetCompositeSchedule over ten big profiles (informative)", "ms", 1000, found["get over ten"]),
        Figure("memory after ten such profiles, in the domain", "MiB", 60, found["memory"]),
        Figure("ticks while such frames are handled: the latest is late by", "ms", 50, found["tick late"]),
        Figure("  another thread waits for the processor, at worst", "ms", 50, found["thread late"]),
        Figure("ticks while such frames are refused: the latest is late by", "ms", 50, found["tick late refused"]),
        Figure("  another thread waits for the processor, at worst", "ms", 50, found["thread late refused"]),
    ]


def over_loopback(folder: Path) -> list[Figure]:
    """The whole process, a websocket away; the backend here looks at no more than the answer's first characters."""
    with backend() as (port, talk):
        provision: dict[str, Any] = {
            "backend": {"charge_point_id": "CP1", "url": f"ws://127.0.0.1:{port}"},
            "hardware": {"board": "openevse", "meter": "sdm230", "reader": "pn532"},
        }
        station = Station(folder, provision)
        try:
            station.start()
            talk.booted.wait(20)
            threading.Event().wait(3)
            figures = {
                "set": _answers(talk, lambda: set_charging_profile(CERTIFIED)),
                "get": _answers(talk, get_composite_schedule),
                "set 1000": _answers(talk, lambda: set_charging_profile(1000)),
                "get 1000": _answers(talk, get_composite_schedule),
            }
            talk.ask(json.dumps([2, "clear", "ClearChargingProfile", {}]))
            before = sum(map(pss_mib, station.members()))
            for level in range(4):
                talk.ask(set_charging_profile(CERTIFIED, 10 + level, 0, stackLevel=level))
                talk.ask(set_charging_profile(CERTIFIED, 20 + level, 1, stackLevel=level))
            for level in range(2):
                most = {"stackLevel": level, "chargingProfilePurpose": "ChargePointMaxProfile"}
                talk.ask(set_charging_profile(CERTIFIED, 30 + level, 0, **most))
            figures["memory"] = [sum(map(pss_mib, station.members())) - before]
        finally:
            station.close()
    return [
        Figure(f"SetChargingProfile of {CERTIFIED} periods, over loopback", "ms", 100, figures["set"]),
        Figure(f"GetCompositeSchedule of {CERTIFIED} periods, over loopback", "ms", 130, figures["get"]),
        Figure("SetChargingProfile of 1000 periods, over loopback", "ms", 5, figures["set 1000"]),
        Figure("GetCompositeSchedule of 1000 periods, over loopback", "ms", 5, figures["get 1000"]),
        Figure("memory of the station after ten such profiles", "MiB", 60, figures["memory"]),
    ]


class Talk:
    """One connection with a station: its CALLs are answered, answers to ours are waited for."""

    def __init__(self) -> None:
        self.booted = threading.Event()
        self._link: ServerConnection | None = None
        self._answers: queue.SimpleQueue[tuple[float, str]] = queue.SimpleQueue()

    def serve(self, link: ServerConnection) -> None:
        self._link = link
        with suppress(ConnectionClosed):
            while True:
                text = str(link.recv())
                at = time.perf_counter()
                if text.startswith("[2,"):
                    self._reply(link, json.loads(text))
                else:
                    self._answers.put((at, text))

    def _reply(self, link: ServerConnection, call: list[Any]) -> None:
        now = f"{datetime.now(UTC).replace(tzinfo=None)}Z"
        accepted = {"status": "Accepted", "interval": 300, "currentTime": now}
        link.send(json.dumps([3, call[1], accepted if call[2] == "BootNotification" else {"currentTime": now}]))
        if call[2] == "StatusNotification":
            self.booted.set()

    def ask(self, text: str) -> tuple[float, str]:
        """Send a CALL; milliseconds until its answer was there, and the answer."""
        assert self._link is not None
        began = time.perf_counter()
        self._link.send(text)
        at, answer = self._answers.get(timeout=30)
        return (at - began) * 1000, answer


@contextmanager
def backend() -> Iterator[tuple[int, Talk]]:
    """A websocket server without anything that costs time."""
    talk = Talk()
    server = serve(
        talk.serve, "127.0.0.1", 0, subprotocols=["ocpp1.6"], compression=None, max_size=2**24, ping_interval=None  # type: ignore[list-item]
    )  # fmt: skip
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.socket.getsockname()[1], talk
    finally:
        server.shutdown()


def _answers(talk: Talk, frame: Callable[[], str]) -> list[float]:
    """Each answer in ms; the first one (schemas are compiled then) does not count."""
    took = []
    for _ in range(RUNS + 1):
        spent_ms, answer = talk.ask(frame())
        if '"Accepted"' not in answer[:200] or ("scheduleStart" in answer[:200] and periods_told(answer) < 900):
            raise RuntimeError(f"not accepted, or not complete: {answer[:300]}")
        took.append(spent_ms)
    return took[1:]


MEASUREMENTS: list[Callable[[Path], list[Figure]]] = [through_the_domain, over_loopback]
