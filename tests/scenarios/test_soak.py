"""Hours of sessions over lines that change one byte in a hundred: in the end all Wh are there (hardware.md, 10.4; P7).

`make test` runs two hours of the world, `make prove` a day; both at speed 60.
"""

from __future__ import annotations

import itertools
import random

import pytest

from tests.scenarios.rig import StationRig

SPEED = 60
LINES = ("board", "meter", "reader")


@pytest.fixture
def hours(request: pytest.FixtureRequest) -> int:
    return 24 if request.config.getoption("--campaign") == "long" else 2


def tap(rig: StationRig, wanted: str) -> None:
    """Hold the card to the reader until the station took it, as a person does; a damaged reading is none."""
    for _ in range(6):
        rig.swipe()
        for _ in range(60):
            rig.run(0.1)
            if rig.status() in wanted:
                return
    raise AssertionError(f"the card was never taken; {rig.picture()}")


def test_a_day_of_sessions_on_bad_lines_loses_no_watt_hour(hours: int) -> None:
    rng = random.Random(1)
    rig = StationRig({"MeterValueSampleInterval": "30"}, speed=SPEED)
    for port in LINES:
        rig.link(port, "corrupt", rate=0.01)
    end_s = rig.state["world_s"] + hours * 3600
    while rig.state["world_s"] < end_s:
        rig.plug(capacity_kwh=100, soc=rng.uniform(5, 60), current_a=rng.choice((10, 16, 32)))
        rig.until(lambda: rig.status() == "Preparing", 60)
        tap(rig, "Charging")
        rig.run(rng.uniform(600, 5400) / SPEED)
        if rng.random() < 0.5:
            tap(rig, "Finishing")
        rig.unplug()
        rig.until(lambda: rig.status() == "Available", 60)
        rig.run(rng.uniform(60, 600) / SPEED)
    starts, stops = rig.of("StartTransaction"), rig.of("StopTransaction")
    assert len(starts) == len(stops) >= hours / 2
    assert rig.error_codes() == {"NoError"}, "no false fault"
    assert {start["idTag"] for start in starts} == {"04A1B2C3"}, "no false card"
    sessions = [(start["meterStart"], stop["meterStop"]) for start, stop in zip(starts, stops, strict=True)]
    register = [wh for session in sessions for wh in session]
    assert register == sorted(register)
    assert register[0] == 0
    assert all(before[1] == after[0] for before, after in itertools.pairwise(sessions)), "nothing flowed in between"
    assert register[-1] == rig.state["energy_wh"] == rig.metrology_wh
    assert sum(stop_wh - start_wh for start_wh, stop_wh in sessions) == rig.metrology_wh > hours * 1000
    assert all(rig.health(port).checksum_errors > 10 * hours for port in ("board", "meter"))
