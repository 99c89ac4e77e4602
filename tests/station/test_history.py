"""What is measured becomes a row a minute, in batches, and never more than a week of them."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ocppclient.events import Meter, Reading
from station import history
from station.history import BATCH, KEPT, History, Measurement
from station.models import Measurement as Row
from station.store import MEASUREMENTS
from tests.appliance import disk_store

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
MINUTE = int(NOON.timestamp()) // 60


class Bench:
    """A history on a clock that the test moves."""

    def __init__(self) -> None:
        self.batches: list[list[Measurement]] = []
        self.history = History(lambda rows: self.batches.append(list(rows)))
        self.now = 1000.0
        self.utc = NOON

    def draws(self, watt: float | None, ampere: float | None, for_s: int, *, meter: bool = True) -> None:
        for _ in range(for_s * 2):
            if meter:
                self.history.take(Reading(meter=Meter(self.now, 0, power_w=watt, current_a=ampere)))
            self.history.update(self.now, self.utc)
            self.now += 0.5
            self.utc += timedelta(seconds=0.5)


def test_a_minute_is_the_mean_of_its_seconds_with_the_limit_at_its_end() -> None:
    bench = Bench()
    bench.history.limit(16.0)
    bench.draws(3600.0, 16.0, 30)
    bench.history.limit(8.0)
    bench.draws(1800.0, 8.0, 31)
    assert bench.history.unwritten == [Measurement(MINUTE, 2700, 12_000, 8000)]


def test_minutes_are_written_in_batches_and_at_the_end() -> None:
    bench = Bench()
    bench.draws(0.0, 0.0, 60 * BATCH)
    assert bench.batches == []
    assert len(bench.history.unwritten) == BATCH - 1
    bench.draws(0.0, 0.0, 1)
    assert [row.minute for row in bench.batches[0]] == list(range(MINUTE, MINUTE + BATCH))
    bench.draws(0.0, 0.0, 60)
    bench.history.close()
    assert [row.minute for row in bench.batches[1]] == [MINUTE + BATCH]
    bench.history.close()
    assert len(bench.batches) == 2


def test_a_meter_that_says_nothing_or_nothing_new_leaves_the_minute_empty() -> None:
    bench = Bench()
    bench.draws(None, None, 60)
    bench.draws(3600.0, 16.0, 60)
    bench.draws(None, None, 181, meter=False)
    told = [(row.power_w, row.current_ma) for row in bench.history.unwritten]
    assert told == [(None, None), (3600, 16_000), (3600, 16_000), (None, None), (None, None)]


def test_a_clock_that_is_set_back_counts_the_minute_again() -> None:
    bench = Bench()
    bench.draws(1000.0, 4.0, 90)
    bench.utc = NOON
    bench.draws(2000.0, 8.0, 61)
    told = [(row.minute, row.power_w) for row in bench.history.unwritten]
    assert told == [(MINUTE, 1000), (MINUTE + 1, 1000), (MINUTE, 2000)]


def rows(*minutes: int, power_w: int = 0) -> list[Measurement]:
    return [Measurement(minute, power_w, None, 16_000) for minute in minutes]


def test_a_minute_that_comes_twice_is_kept_once_and_those_of_a_wrong_clock_go() -> None:
    store = disk_store()
    store.add_measurements(rows(MINUTE, MINUTE + 1, MINUTE + 5_000_000))
    store.add_measurements([*rows(MINUTE + 1, power_w=7), *rows(MINUTE + 2)])
    kept = MEASUREMENTS.select("ORDER BY minute")
    assert [(row.minute, row.power_w) for row in kept] == [(MINUTE, 0), (MINUTE + 1, 7), (MINUTE + 2, 0)]
    assert kept[0] == Measurement(MINUTE, 0, None, 16_000)


def test_a_minute_that_comes_twice_in_one_batch_is_kept_once() -> None:
    disk_store().add_measurements([*rows(MINUTE), *rows(MINUTE, power_w=9)])
    assert [row.power_w for row in MEASUREMENTS.select("")] == [9]


def test_only_the_newest_minutes_are_kept_however_long_the_station_was_off(monkeypatch) -> None:
    monkeypatch.setattr(history, "KEPT", 20)
    assert KEPT == 8 * 24 * 60
    store = disk_store()
    for begin in range(0, 100, 10):
        store.add_measurements(rows(*range(MINUTE + begin, MINUTE + begin + 10)))
    assert [row.minute for row in Row.objects.order_by("minute")] == list(range(MINUTE + 80, MINUTE + 100))
    store.add_measurements(rows(MINUTE + 5_000_000))
    assert Row.objects.count() == 20
