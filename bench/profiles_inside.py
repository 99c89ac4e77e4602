"""`python -m bench.profiles_inside <empty folder>`: big charging profiles through the domain and its database on disk.

Prints one JSON object: what was measured → its runs. A process of its own, because Django takes its folder once.
"""

from __future__ import annotations

import gc
import json
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from itertools import count, pairwise
from pathlib import Path
from typing import Any
from unittest.mock import Mock

CERTIFIED = 86_400
RUNS = 9
#: Big profiles, each followed by its composite schedule, while the ticks are watched.
BURST = 6
ROUNDS = 3

_ids = (f"bench-{number}" for number in count())


def set_charging_profile(periods: int, profile_id: int = 1, connector_id: int = 1, **more: object) -> str:
    """The frame; every period differs from its neighbours, spelled with blanks as most backends do."""
    schedule = {
        "startSchedule": f"{datetime.now(UTC).replace(microsecond=0, tzinfo=None)}Z",
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": n, "limit": 6 + n % 100 / 10} for n in range(periods)],
    }
    profile = {
        "chargingProfileId": profile_id,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        **more,
        "chargingSchedule": schedule,
    }
    payload = {"connectorId": connector_id, "csChargingProfiles": profile}
    return json.dumps([2, next(_ids), "SetChargingProfile", payload])


def get_composite_schedule(duration_s: int = 86_400) -> str:
    return json.dumps([2, next(_ids), "GetCompositeSchedule", {"connectorId": 1, "duration": duration_s}])


def periods_told(answer: str) -> int:
    """How many periods a GetCompositeSchedule.conf holds."""
    return len(json.loads(answer)[2]["chargingSchedule"]["chargingSchedulePeriod"])


def main(folder: str) -> None:
    os.environ["STATION_DATA_DIR"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "station.settings"
    import django

    django.setup()
    from ocppclient.charge_point import ChargePoint
    from ocppclient.clock import Clock
    from ocppclient.events import Connected, FrameReceived, Reading, SendFrame
    from ocppclient.settings import ChargePointSettings
    from station.database import open_store

    sys.setswitchinterval(0.001)  # as runstation does

    def station() -> ChargePoint:
        made = ChargePoint(open_store(), Clock(), ChargePointSettings())
        made.handle(Reading(limit_a=32.0))
        boot = made.handle(Connected())[-1]
        assert isinstance(boot, SendFrame)
        answer = {"status": "Accepted", "interval": 300, "currentTime": datetime.now(UTC).isoformat()}
        made.handle(FrameReceived(json.dumps([3, json.loads(boot.text)[1], answer])))
        return made

    def answer_to(text: str) -> str:
        first = charge_point.handle(FrameReceived(text))[0]
        assert isinstance(first, SendFrame)
        return first.text

    def timed(frame: Callable[[], str], expected: str) -> Iterator[tuple[float, float]]:
        """Wall and processor time of each answer, ms; the first run (schemas are compiled then) does not count."""
        for run in range(RUNS + 1):
            text = frame()
            wall, processor = time.perf_counter(), time.process_time()
            answer = answer_to(text)
            took = ((time.perf_counter() - wall) * 1000, (time.process_time() - processor) * 1000)
            assert expected in answer[:300], answer[:300]
            if run:
                yield took

    charge_point = station()
    found: dict[str, list[float]] = {}
    for periods in (CERTIFIED, 1000):
        for name, frame in (("set", lambda: set_charging_profile(periods)), ("get", get_composite_schedule)):  # noqa: B023
            walls, processors = zip(*timed(frame, "Accepted"), strict=True)
            found[f"{name} {periods}"], found[f"{name} {periods} cpu"] = list(walls), list(processors)
        found[f"told {periods}"] = [float(periods_told(answer_to(get_composite_schedule())))]
        answer_to(set_charging_profile(periods))

    # memory: ten profiles at ten places
    charge_point.handle(FrameReceived(json.dumps([2, next(_ids), "ClearChargingProfile", {}])))
    before = resident_mib()
    for level in range(4):
        for connector_id in (0, 1):
            answer_to(set_charging_profile(CERTIFIED, 10 + level * 2 + connector_id, connector_id, stackLevel=level))
    for level in range(2):
        most = {"stackLevel": level, "chargingProfilePurpose": "ChargePointMaxProfile"}
        assert "Accepted" in answer_to(set_charging_profile(CERTIFIED, 20 + level, 0, **most))
    assert len(charge_point.smart_charging.installed) == 10
    found["memory"] = [resident_mib() - before]
    walls, _ = zip(*timed(get_composite_schedule, "Accepted"), strict=True)
    found["get over ten"] = list(walls)
    charge_point.handle(FrameReceived(json.dumps([2, next(_ids), "ClearChargingProfile", {}])))

    # ticks of the station's own worker, while big frames come as the link's thread brings them
    bad = [set_charging_profile(CERTIFIED).replace('"limit": 6.5}', '"limit": -1}', 1) for _ in range(BURST)]
    good = [text for _ in range(BURST) for text in (set_charging_profile(CERTIFIED), get_composite_schedule())]
    for name, texts in (("", good), (" refused", bad)):
        rounds = [ticks_while(station, texts) for _ in range(ROUNDS)]
        found[f"tick late{name}"], found[f"thread late{name}"] = (list(worst) for worst in zip(*rounds, strict=True))
    print(json.dumps(found))


def ticks_while(station: Callable[[], Any], texts: list[str]) -> tuple[float, float]:
    """How late a tick was, and how long another thread waited for the processor: the worst ones, ms."""
    from ocppclient import codec
    from ocppclient.clock import Clock
    from ocppclient.events import FrameReceived, Tick
    from station.database import open_store
    from station.live_feed import LiveFeed
    from station.worker import TICK_S, Domain, Outside, StationWorker

    ticks: list[float] = []

    class Watched:
        """The charge point, and when it got its ticks."""

        def __init__(self, charge_point: Any) -> None:
            self._charge_point = charge_point

        def __getattr__(self, name: str) -> Any:
            return getattr(self._charge_point, name)

        def handle(self, event: Any) -> Any:
            if isinstance(event, Tick):
                ticks.append(time.perf_counter())
            return self._charge_point.handle(event)

    class NoLink:
        """A link that takes everything: its own work belongs to the measurement over loopback."""

        def send(self, text: str, session: int | None = None) -> None:
            text.encode()

        def frame_done(self) -> None:
            handled.set()

    handled, ended = threading.Event(), threading.Event()
    overslept: list[float] = []

    def hardware() -> None:
        while not ended.is_set():
            began = time.perf_counter()
            ended.wait(0.005)
            overslept.append((time.perf_counter() - began - 0.005) * 1000)

    worker, clock = StationWorker(lambda error: os._exit(1)), Clock()
    worker.start(lambda: Domain(open_store(), Watched(station()), clock)).result()
    nothing = Mock()  # no hardware, no settings
    worker.go(Outside(NoLink(), nothing, LiveFeed(clock.monotonic), nothing, nothing, nothing))  # type: ignore[arg-type]
    watcher = threading.Thread(target=hardware)
    watcher.start()
    for number, text in enumerate(texts):
        handled.clear()
        worker.put(FrameReceived(text, codec.read(text)))
        handled.wait(10)
        ended.wait(0.1 + 0.009 * (number // 2))  # every phase of the tick is met
    ended.set()
    watcher.join()
    worker.stop(10)
    late = [(after - before - TICK_S) * 1000 for before, after in pairwise(ticks)]
    return max(late), max(overslept)


def resident_mib() -> float:
    """Resident memory of this process."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


if __name__ == "__main__":
    main(sys.argv[1])
