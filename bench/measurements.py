"""The measurements: each starts its own station, takes several runs and gives one or more figures."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tests.journeys.rig import Rig
from tests.journeys.story import Entry

IDLE_S = 20.0
SESSIONS = 7
STARTS = 5
CALLS = 2000


@dataclass(frozen=True)
class Figure:
    """One line of the table: `runs` are all values, `target` must not be exceeded by their median."""

    name: str
    unit: str
    target: float
    runs: list[float] = field(default_factory=list)

    @property
    def median(self) -> float:
        return statistics.median(self.runs)

    @property
    def met(self) -> bool:
        return self.median <= self.target


@contextmanager
def station(folder: Path, *, web: bool = False) -> Iterator[Rig]:
    """A running station with its backend, idle and online."""
    rig = Rig(folder, {"hardware": {"reader": "pn532"}}, web=web)
    try:
        yield rig.start()
    finally:
        rig.close()


def pause(seconds: float) -> None:
    threading.Event().wait(seconds)


def answer_to_get_configuration(folder: Path) -> list[Figure]:
    """One key, one call after the other."""
    p50, p99 = [], []
    with station(folder) as rig:
        for _ in range(3):
            took = []
            for _ in range(CALLS):
                position = len(rig.backend.story)
                rig.backend.call("GetConfiguration", {"key": ["HeartbeatInterval"]})
                call, answer = [e for _, e in rig.backend.story.scan(position) if e.source != "note"][:2]
                took.append((answer.at - call.at) * 1000)
            quantiles = statistics.quantiles(took, n=100)
            p50.append(quantiles[49])
            p99.append(quantiles[98])
    return [
        Figure("GetConfiguration of one key, p50", "ms", 1, p50),
        Figure("GetConfiguration of one key, p99", "ms", 5, p99),
    ]


def remote_start_and_stop(folder: Path) -> list[Figure]:
    """Sessions with the car plugged in, started and stopped from afar."""
    starts, stops = [], []
    with station(folder) as rig:
        for _ in range(SESSIONS):
            rig.sim.plug()
            rig.backend.wait_status("Preparing")
            pause(0.5)
            request = send(rig, "RemoteStartTransaction", {"idTag": rig.card, "connectorId": 1})
            session = rig.wait_started()
            starts.append((session.start.at - request.at) * 1000)
            rig.backend.wait_status("Charging", timeout_s=20)
            rig.sim.wait(lambda s: s["power_w"] > 3000, 20, "full power")
            log_seq = rig.sim.state()["log_seq"]
            with relay_watch(rig) as opened_at:
                request = send(rig, "RemoteStopTransaction", {"transactionId": session.transaction_id})
                stop = rig.backend.next("StopTransaction")
            relay_s = opened_at[0] - told_to_stop_at(rig, log_seq)
            stops.append((stop.at - request.at - relay_s) * 1000)
            rig.backend.wait_status("Finishing")
            rig.sim.unplug()
            rig.backend.wait_status("Available")
    return [
        Figure("RemoteStart → StartTransaction, car plugged in", "ms", 50, starts),
        Figure("RemoteStop → StopTransaction, without the board's relay time", "ms", 100, stops),
    ]


def send(rig: Rig, action: str, payload: dict) -> Entry:
    """Send a CALL; the entry tells when it left."""
    call_id = rig.backend.send_call(action, payload)
    return next(e for e in reversed(rig.backend.story.entries()) if e.is_call(action) and e.id == call_id)


@contextmanager
def relay_watch(rig: Rig) -> Iterator[list[float]]:
    """When the simulated contactor opened (monotonic seconds), by asking every two milliseconds."""
    opened_at: list[float] = []
    ended = threading.Event()

    def watch() -> None:
        while not ended.wait(0.002):
            if not rig.sim.state()["relay"]:
                opened_at.append(time.monotonic())
                return

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        yield opened_at
        watcher.join(5)
    finally:
        ended.set()
    if not opened_at:
        raise RuntimeError("the contactor did not open")


def told_to_stop_at(rig: Rig, log_seq: int) -> float:
    """When the board was told to stop ($FS or $FD came over its line), monotonic seconds."""
    before = time.monotonic()
    uptime_s = rig.sim.state()["uptime_s"]
    started_at = (before + time.monotonic()) / 2 - uptime_s
    entries = rig.sim.request("GET", f"/log?since={log_seq}")["entries"]
    commands = [
        e["at_s"]
        for e in entries
        if e["port"] == "board" and e["from"] == "host" and ("$FS" in e["text"] or "$FD" in e["text"])
    ]
    return started_at + commands[0]


def start_of_the_process(folder: Path) -> list[Figure]:
    """From exec to the BootNotification on the wire; the first start makes the database, the others find it."""
    first, later = [], []
    rig = Rig(folder)
    try:
        for run in range(STARTS + 1):
            began = time.monotonic()
            rig.station.launch()
            took = rig.backend.next("BootNotification", 30).at - began
            (later if run else first).append(took)
            rig.station.wait_simulator()
            rig.station.wait_ready()
            rig.station.terminate()
            rig.backend.skip()
    finally:
        rig.close()
    return [
        Figure("process start → BootNotification sent", "s", 1.5, later),
        Figure("  the same with a new data folder (informative)", "s", 3, first),
    ]


def memory_and_idle_processor(folder: Path) -> list[Figure]:
    """`runstation --simulate` with the web server, online and idle."""
    memory, processor = [], []
    with station(folder, web=True) as rig:
        pause(3)
        for _ in range(3):
            before_s, began = processor_s(rig.station.members()), time.monotonic()
            pause(IDLE_S / 2 if processor else IDLE_S)
            used_s = processor_s(rig.station.members()) - before_s
            processor.append(100 * used_s / (time.monotonic() - began))
            memory.append(sum(pss_mib(pid) for pid in rig.station.members()))
    return [
        Figure("memory of all processes (PSS)", "MiB", 150, memory),
        Figure("idle CPU, share of one core", "%", 2, processor),
    ]


def thirty_days_offline(folder: Path) -> list[Figure]:
    """What a month without the backend costs, and how fast it drains, in the domain with its database on disk."""
    program = [sys.executable, "-m", "bench.queue_inside", str(folder)]
    done = subprocess.run(program, stdout=subprocess.PIPE, check=True, text=True)
    found: dict[str, list[float]] = json.loads(done.stdout.splitlines()[-1])
    return [
        Figure("messages queued by 30 days offline, a value a minute", "", 100_000, found["rows"]),
        Figure("  each of them on disk", "B", 1000, found["bytes per row"]),
        Figure("  a reading and a tick while offline", "ms", 10, found["sample"]),
        Figure("  drained with a backend that answers at once, a message", "ms", 3, found["drain"]),
        Figure("thinning of a queue of 100000", "ms", 2000, found["thin"]),
    ]


def pss_mib(pid: int) -> float:
    """Proportional set size of a process."""
    rollup = Path(f"/proc/{pid}/smaps_rollup").read_text()
    return next(int(line.split()[1]) for line in rollup.splitlines() if line.startswith("Pss:")) / 1024


def processor_s(pids: list[int]) -> float:
    """User and system time of the processes so far."""
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
        ticks += int(fields[11]) + int(fields[12])
    return ticks / os.sysconf("SC_CLK_TCK")


MEASUREMENTS: list[Callable[[Path], list[Figure]]] = [
    answer_to_get_configuration,
    remote_start_and_stop,
    start_of_the_process,
    memory_and_idle_processor,
    thirty_days_offline,
]
