"""Meter values (OCTT group 9)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.journeys.rig import Rig

ENERGY = "Energy.Active.Import.Register"


@pytest.mark.parametrize("measurands", ["", ENERGY, f"{ENERGY},Current.Import,Voltage"])
def test_TC_070_sampled_meter_values(rig: Rig, measurands: str):
    """MTR-01, MTR-02, MTR-06, MTR-07, MTR-11, MTR-19, CLK-05"""
    rig.configure(ClockAlignedDataInterval=0, MeterValueSampleInterval=1, MeterValuesSampledData=measurands)
    session = rig.start_session()
    samples = [rig.backend.next("MeterValues").payload for _ in range(4)]
    times = []
    for sample in samples:
        assert (sample["connectorId"], sample["transactionId"]) == (1, session.transaction_id)
        [value] = sample["meterValue"]
        assert [s.get("measurand", ENERGY) for s in value["sampledValue"]] == (measurands or ENERGY).split(",")
        for one in value["sampledValue"]:
            assert one["context"] == "Sample.Periodic"
            assert one.get("format", "Raw") == "Raw"
            assert one.get("location") != "EV"
        times.append(datetime.fromisoformat(value["timestamp"]))
    assert {b - a for a, b in pairwise(times)} == {timedelta(seconds=1)}
    begin = datetime.fromisoformat(session.start.payload["timestamp"])
    assert abs(times[0] - begin - timedelta(seconds=1)) <= timedelta(milliseconds=20), (
        "the grid begins with the session"
    )


def test_TC_071_clock_aligned_meter_values(rig: Rig):
    """MTR-01, MTR-03, MTR-04, MTR-05, MTR-07"""
    rig.configure(
        MeterValueSampleInterval=0, ClockAlignedDataInterval=2, MeterValuesAlignedData=f"{ENERGY},Current.Import"
    )
    session = rig.start_session()
    values = [rig.backend.next("MeterValues").payload for _ in range(3)]
    times = []
    for message in values:
        mean, value = message["meterValue"]  # the current is the mean of the interval, told with the time of its start
        assert {s["context"] for entry in (mean, value) for s in entry["sampledValue"]} == {"Sample.Clock"}
        assert [s.get("measurand", ENERGY) for s in value["sampledValue"]] == [ENERGY]
        assert [s["measurand"] for s in mean["sampledValue"]] == ["Current.Import"]
        assert mean["timestamp"] < value["timestamp"]
        times.append(datetime.fromisoformat(value["timestamp"]).astimezone(UTC))
    assert all((moment.second % 2, moment.microsecond) == (0, 0) for moment in times)
    assert {b - a for a, b in pairwise(times)} == {timedelta(seconds=2)}
    assert values[-1]["transactionId"] == session.transaction_id
