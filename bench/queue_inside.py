"""`python -m bench.queue_inside <empty folder>`: thirty days offline through the domain and its database on disk.

Prints one JSON object: what was measured → its runs. A process of its own, because Django takes its folder once.
"""

from __future__ import annotations

import json
import os
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

DAYS = 30
INTERVAL_S = 60
#: A session of 23 hours a day, a value a minute, and one every quarter of an hour by the clock: the worst usual case.
CHARGING_S, PAUSE_S = 23 * 3600, 3600
QUOTA = 100_000


def main(folder: str) -> None:
    os.environ["STATION_DATA_DIR"] = folder
    os.environ["DJANGO_SETTINGS_MODULE"] = "station.settings"
    import django

    django.setup()
    from django.db import connection

    from ocppclient.charge_point import ChargePoint
    from ocppclient.clock import Clock
    from ocppclient.events import Action, CardSwiped, Connected, Event, FrameReceived, Meter, Reading, SendFrame, Tick
    from ocppclient.settings import ChargePointSettings
    from ocppclient.store import QueuedCall
    from station.database import open_store

    now = 0.0
    start = datetime.now(UTC)
    store = open_store()
    clock = Clock(lambda: now, lambda: start + timedelta(seconds=now))
    keys = {"AllowOfflineTxForUnknownId": "true", "MeterValueSampleInterval": str(INTERVAL_S)}
    settings = ChargePointSettings(configuration={**keys, "ClockAlignedDataInterval": "900"})
    charge_point = ChargePoint(store, clock, settings)
    found: dict[str, list[float]] = {}

    # thirty days
    took, events, wh = 0.0, 0, 1000
    for _ in range(DAYS):
        for length_s, plugged in ((CHARGING_S, True), (PAUSE_S, False)):
            story: list[Event] = [Reading(ev_connected=plugged, limit_a=32.0, meter=Meter(now, wh))]
            if plugged:
                story += [CardSwiped("CARD1"), Reading(ev_connected=True, contactor_closed=True, meter=Meter(now, wh))]
            for event in story:
                charge_point.handle(event)
            for _ in range(length_s // INTERVAL_S):
                now += INTERVAL_S
                wh += 50 * plugged
                reading = Reading(ev_connected=plugged, contactor_closed=plugged, meter=Meter(now, wh))
                began = time.perf_counter()
                charge_point.handle(reading)
                charge_point.handle(Tick())
                took += time.perf_counter() - began
                events += 1
    found["rows"] = [float(store.queue_depth())]
    found["bytes per row"] = [sum(file.stat().st_size for file in Path(folder).glob("*sqlite3*")) / found["rows"][0]]
    found["sample"] = [took / events * 1000]

    # the backend is back, and answers at once
    def answer(actions: list[Action]) -> list[Action]:
        frame = next((json.loads(item.text) for item in actions if isinstance(item, SendFrame)), None)
        if frame is None:
            return []
        info = {"idTagInfo": {"status": "Accepted"}, "status": "Accepted", "transactionId": 1, "interval": 300}
        payload = {**info, "currentTime": clock.utc().isoformat()}
        return charge_point.handle(FrameReceived(json.dumps([3, frame[1], payload])))

    rows = store.queue_depth()
    began = time.perf_counter()
    actions = charge_point.handle(Connected())
    while actions := answer(actions):
        pass
    took = time.perf_counter() - began
    assert store.queue_depth() == 0, store.queue_depth()
    found["drain"] = [took / rows * 1000]
    found["drain all"] = [took]

    # the quota
    payload = json.dumps({"connectorId": 1, "meterValue": [{"context": "Sample.Periodic", "padding": "x" * 180}]})
    with store.atomic():
        for number in range(QUOTA):
            store.enqueue(QueuedCall("MeterValues", payload, (f"{number:036}",), transaction_uid="u1"))
    began = time.perf_counter()
    with store.atomic():
        thinned = store.thin_meter_values()
    found["thin"] = [(time.perf_counter() - began) * 1000]
    assert thinned > QUOTA // 2 - 5, thinned
    connection.close()
    print(json.dumps(found))


if __name__ == "__main__":
    main(sys.argv[1])
