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
from itertools import count
from pathlib import Path

CERTIFIED = 86_400
RUNS = 9
#: Big profiles, each followed by its composite schedule, while the ticks are watched.
BURST = 12
TICK_S = 0.1

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
    from ocppclient import profile_frame
    from ocppclient.charge_point import ChargePoint
    from ocppclient.clock import Clock
    from ocppclient.events import Connected, FrameReceived, Reading, SendFrame, Tick
    from ocppclient.settings import ChargePointSettings
    from station.database import open_store
    from station.inbox import Inbox

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

    # ticks, while big frames come as the link's thread brings them: the very loop of the station's worker
    inbox = Inbox()
    handled = threading.Event()
    ended = threading.Event()
    overslept: list[float] = []

    # made before: the encoder would keep the other threads waiting
    texts = [text for _ in range(BURST) for text in (set_charging_profile(CERTIFIED), get_composite_schedule())]

    def link() -> None:
        for number, text in enumerate(texts):
            handled.clear()
            inbox.put(FrameReceived(text, profile_frame.read(text)))
            handled.wait(10)
            ended.wait(0.1 + 0.009 * (number // 2))  # every phase of the tick is met

    def hardware() -> None:
        while not ended.is_set():
            began = time.perf_counter()
            ended.wait(0.005)
            overslept.append((time.perf_counter() - began - 0.005) * 1000)

    feeder, watcher = threading.Thread(target=link), threading.Thread(target=hardware)
    feeder.start()
    watcher.start()
    late: list[float] = []
    next_tick_at = time.perf_counter() + TICK_S
    while feeder.is_alive():
        entry = inbox.take(next_tick_at - time.perf_counter())
        now = time.perf_counter()
        if now >= next_tick_at:
            late.append((now - next_tick_at) * 1000)
            next_tick_at = now + TICK_S
            charge_point.handle(Tick())
        if entry is not None and entry.event is not None:
            charge_point.handle(entry.event)
            handled.set()
    ended.set()
    watcher.join()
    found["tick late"], found["thread late"] = [max(late)], [max(overslept)]
    print(json.dumps(found))


def resident_mib() -> float:
    """Resident memory of this process."""
    gc.collect()
    status = Path("/proc/self/status").read_text()
    return next(int(line.split()[1]) for line in status.splitlines() if line.startswith("VmRSS:")) / 1024


if __name__ == "__main__":
    main(sys.argv[1])
