"""The SDM driver against a behavioural meter: polling, line trouble, and what it refuses to believe."""

from __future__ import annotations

import math
from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.drivers.modbus_meter import ModbusMeter
from hardware.drivers.plausibility import Plausibility, Raw
from hardware.drivers.sdm import MODELS
from hardware.interfaces import MeterSample
from hardware.serial_port import Counters, LineLost
from tests.hardware.fakes import FakeLine, FakeMeter, VirtualTime, repeatable


class Bench:
    def __init__(self, model: str = "sdm230", **options: float) -> None:
        self.clock = VirtualTime()
        self.meter = FakeMeter(self.clock)
        self.line = FakeLine(self.clock, self.meter)
        self.counters = Counters()
        self.samples: list[MeterSample] = []
        self.failures: list[bool] = []
        self.driver = ModbusMeter(
            model,
            MODELS[model],
            self.clock,
            self.counters,
            self.samples.append,
            self.failures.append,
            **options,  # type: ignore[arg-type]
        )
        self.driver.attach(self.line)

    def run(self, seconds: float) -> None:
        until = self.clock() + seconds
        while self.clock() < until:
            self.driver.step()

    def until(self, condition: Callable[[], bool], within_s: float) -> float:
        started = self.clock()
        while not condition():
            assert self.clock() - started <= within_s, "it did not happen in time"
            self.driver.step()
        return self.clock() - started


def test_the_first_sample_comes_at_once_and_has_all_values() -> None:
    bench = Bench()
    bench.meter.values.update({0: 231.5, 6: 15.5, 12: 3550.0, 0x46: 49.98, 0x48: 1234.567})
    assert bench.until(lambda: bool(bench.samples), 1) < 0.5
    (sample,) = bench.samples
    assert sample.energy_wh == 1234567
    assert sample.power_w == pytest.approx(3550.0)
    assert sample.current_a == pytest.approx(15.5)
    assert sample.voltage_v == pytest.approx(231.5)
    assert sample.frequency_hz == pytest.approx(49.98)
    assert sample.at == bench.clock()
    assert bench.meter.requests == [(0x0000, 14), (0x0046, 6)]


def test_three_phases_give_the_sum_the_largest_and_the_mean() -> None:
    bench = Bench("sdm630")
    volts, amps, watts = (
        {0: 230.0, 2: 232.0, 4: 234.0},
        {6: 10.0, 8: 12.0, 10: 11.0},
        {12: 2300.0, 14: 2784.0, 16: 2574.0},
    )
    bench.meter.values.update({**volts, **amps, **watts})
    bench.until(lambda: bool(bench.samples), 1)
    (sample,) = bench.samples
    assert (sample.power_w, sample.current_a, sample.voltage_v) == (7658.0, 12.0, 232.0)
    assert bench.meter.requests == [(0x0000, 18), (0x0046, 6)]


def test_an_unwired_phase_does_not_lower_the_mean_voltage() -> None:
    bench = Bench("sdm630")
    bench.until(lambda: bool(bench.samples), 1)
    assert bench.samples[0].voltage_v == 230.0


def test_it_reads_every_five_seconds_idle_and_every_second_when_energy_flows() -> None:
    bench = Bench()
    bench.run(20.9)
    assert len(bench.samples) == 5
    assert bench.driver.set_fast(True)
    assert not bench.driver.set_fast(True)
    bench.line.wake()
    before = len(bench.samples)
    bench.run(10)
    assert 10 <= len(bench.samples) - before <= 11
    assert max(b.at - a.at for a, b in pairwise(bench.samples[before:])) <= 1.05


def test_requests_keep_their_distance() -> None:
    bench = Bench()
    bench.driver.set_fast(True)
    bench.meter.corrupt = 3
    bench.run(20)
    assert min(b - a for a, b in pairwise(bench.meter.times)) >= 0.1


def test_a_fresh_reading_comes_as_soon_as_the_line_allows() -> None:
    bench = Bench()
    bench.run(2)
    before = len(bench.samples)
    bench.driver.request_fresh()
    assert bench.until(lambda: len(bench.samples) > before, 2) < 0.5


def test_while_energy_flows_a_fresh_register_comes_before_the_whole_reading() -> None:
    bench = Bench()
    bench.driver.set_fast(True)
    bench.run(2.8)
    before = len(bench.samples)
    bench.meter.values[0x48] += 0.005
    bench.driver.request_fresh()
    assert bench.until(lambda: len(bench.samples) > before, 2) < 0.2  # the gap, one request and its answer
    assert bench.meter.requests[-1][0] == 0x46
    assert bench.samples[-1].energy_wh == bench.samples[-2].energy_wh + 5
    before = len(bench.samples)
    assert bench.until(lambda: len(bench.samples) > before, 2) < 0.3, "the whole reading follows at once"


def test_a_damaged_answer_is_asked_for_again_and_counted() -> None:
    bench = Bench()
    bench.meter.corrupt = 2
    bench.until(lambda: bool(bench.samples), 3)
    assert bench.counters.checksum_errors == 2
    assert bench.failures == []


def test_the_echo_of_a_cheap_adapter_is_no_answer() -> None:
    bench = Bench()
    bench.meter.echo = True
    bench.until(lambda: bool(bench.samples), 1)
    assert bench.samples[0].voltage_v == 230.0


def test_a_late_answer_is_never_taken_for_another_block() -> None:
    bench = Bench()
    bench.meter.values.update({0x48: 230.0})  # an energy that would look fine as a voltage
    bench.run(0.5)
    for delay in (0.36, 0.40, 0.45, 0.5):
        bench.meter.late_s = delay
        bench.driver.request_fresh()
        bench.run(2)
    assert {sample.energy_wh for sample in bench.samples} == {230_000}
    assert {sample.power_w for sample in bench.samples} == {0.0}


def test_nothing_is_asked_while_a_late_answer_still_trickles_in() -> None:
    bench = Bench()
    bench.run(1)
    bench.meter.mute = True
    bench.driver.request_fresh()
    asked_at, requests = bench.clock(), len(bench.meter.requests)
    for n in range(25):
        bench.line.deliver(b"x", 0.3 + n * 0.02)
    bench.run(1)
    assert bench.meter.times[requests + 1] - asked_at >= 0.3 + 24 * 0.02 + 0.05


def test_a_silent_meter_that_never_answered_is_lost_after_three_seconds() -> None:
    bench = Bench()
    bench.meter.mute = True
    assert 3.0 <= bench.until(lambda: bench.failures == [True], 8) < 5.5
    assert bench.samples == []


def test_a_meter_that_falls_silent_is_lost_after_six_seconds_and_recovers_alone() -> None:
    bench = Bench()
    bench.driver.set_fast(True)
    bench.run(5)
    bench.meter.mute = True
    last = bench.samples[-1].at
    bench.run(3)
    assert bench.failures == []
    bench.until(lambda: bench.failures == [True], 8)
    assert 6.0 <= bench.clock() - last < 9.0
    bench.meter.mute = False
    bench.until(lambda: bench.failures == [True, False], 3)
    assert len(bench.samples) > 5


def test_a_refusing_meter_is_lost_too() -> None:
    bench = Bench()
    bench.meter.exception = 2
    bench.until(lambda: bench.failures == [True], 8)
    assert "exception 2" in bench.counters.error


def test_a_lost_line_is_a_lost_meter() -> None:
    bench = Bench()
    bench.run(1)
    bench.line.cut()
    with pytest.raises(LineLost):
        bench.run(6)
    bench.driver.lost("cut")
    assert bench.failures == []
    bench.clock.now += 6
    bench.driver.lost("cut")
    assert bench.failures == [True]
    bench.line = FakeLine(bench.clock, bench.meter)
    bench.driver.attach(bench.line)
    bench.run(1)
    assert bench.failures == [True, False]


@pytest.mark.parametrize("address", [0, 6, 12, 0x46, 0x48])
@pytest.mark.parametrize("value", [math.nan, math.inf, -math.inf])
def test_what_is_not_a_number_is_never_a_sample(address: int, value: float) -> None:
    bench = Bench()
    bench.run(1)
    bench.meter.values[address] = value
    before = len(bench.samples)
    bench.run(5)
    assert len(bench.samples) == before
    assert "not a number" in bench.driver.warning
    bench.run(10)
    assert bench.failures == [True]


@repeatable
@given(st.binary(min_size=1, max_size=60), st.integers(1, 5))
def test_garbage_and_tiny_chunks_do_not_matter(garbage: bytes, chunk: int) -> None:
    bench = Bench()
    bench.line.chunk = chunk
    bench.line.deliver(garbage, 0.06)
    bench.run(2)
    assert bench.samples
    assert {sample.energy_wh for sample in bench.samples} == {12345}


# --- plausibility -----------------------------------------------------------------------------------------------------
def raw(kwh: float, amps: float = 10.0, volts: float = 230.0) -> Raw:
    return Raw((volts,), (amps,), (2300.0,), 50.0, kwh)


def judge(readings: list[tuple[float, Raw]], **options: float) -> list[int | None]:
    plausibility = Plausibility(16.0, 230.0, phases=1, **options)  # type: ignore[arg-type]
    samples = [plausibility.judge(at, reading) for at, reading in readings]
    return [sample.energy_wh if sample else None for sample in samples]


def test_a_single_jump_of_energy_is_rejected() -> None:
    assert judge([(0, raw(10.0)), (1, raw(11.0)), (2, raw(10.002))]) == [10_000, None, 10_002]


def test_the_energy_of_a_long_silence_is_believed() -> None:
    assert judge([(0, raw(10.0)), (3600, raw(13.6))]) == [10_000, 13_600]


@pytest.mark.parametrize("kwh", [11.0, 0.0, 9.9])
def test_three_consistent_readings_are_believed_after_all(kwh: float) -> None:
    readings = [(0.0, raw(10.0)), (1.0, raw(kwh)), (2.0, raw(kwh)), (3.0, raw(kwh + 0.001)), (4.0, raw(kwh + 0.002))]
    assert judge(readings) == [10_000, None, None, round(kwh * 1000) + 1, round(kwh * 1000) + 2]


def test_three_different_odd_readings_are_not_believed() -> None:
    assert judge([(0, raw(10.0)), (1, raw(11.0)), (2, raw(5.0)), (3, raw(20.0)), (4, raw(10.001))])[1:4] == [None] * 3


def test_a_drop_within_the_resolution_of_a_float_is_none() -> None:
    assert judge([(0, raw(10.0)), (1, raw(9.9993)), (2, raw(10.0))]) == [10_000, 10_000, 10_000]
    assert judge([(0, raw(131_072.0156)), (1, raw(131_072.0))]) == [131_072_016, 131_072_016]


def test_the_coarse_steps_of_a_very_large_register_are_no_jump() -> None:
    assert judge([(0, raw(131_072.0)), (1, raw(131_072.0156)), (2, raw(131_072.0312))]) == [
        131_072_000,
        131_072_016,
        131_072_031,
    ]


@pytest.mark.parametrize("volts", [-1.0, 300.5])
def test_an_impossible_voltage_is_never_believed(volts: float) -> None:
    assert judge([(at, raw(10.0, volts=volts)) for at in range(9)]) == [None] * 9


def test_a_negative_register_is_never_believed() -> None:
    assert judge([(at, raw(-1.0)) for at in range(9)]) == [None] * 9


def test_a_high_current_is_believed_when_it_lasts() -> None:
    assert judge([(at, raw(10.0, amps=24.5)) for at in range(3)]) == [None, None, 10_000]
    assert judge([(0, raw(10.0, amps=24.0))]) == [10_000]


def test_a_hurried_world_may_be_allowed_for() -> None:
    readings = [(at, raw(10.0 + at * 0.1)) for at in range(4)]  # 360 kW
    assert None in judge(readings)
    assert judge(readings, energy_rate_factor=100.0) == [10_000, 10_100, 10_200, 10_300]


def test_a_register_that_stands_still_while_energy_flows_is_no_reading_until_it_moves() -> None:
    """2.3 kW and no Wh: a frozen meter must not give energy away unseen"""
    energies = judge([(at, raw(10.0)) for at in range(120)] + [(120 + at, raw(10.01 + at / 1000)) for at in range(9)])
    assert energies[:90] == [10_000] * 90
    assert energies[110:120] == [None] * 10
    assert energies[-1] == 10_018


def test_a_register_that_rises_slowly_or_without_power_is_not_frozen() -> None:
    assert None not in judge([(at, raw(10.0 + at * 230 / 3_600_000, amps=1.0)) for at in range(3000)])
    idle = [(at, Raw((230.0,), (0.0,), (0.0,), 50.0, 10.0)) for at in range(3000)]
    assert None not in judge(idle)


def test_a_coarse_register_is_given_its_steps() -> None:
    assert None not in judge([(at, raw(10.0 + at * 2300 / 3600 // 10 / 100)) for at in range(3000)], step_wh=10.0)


def test_an_odd_frequency_is_left_out() -> None:
    plausibility = Plausibility(16.0, 230.0, phases=1)
    sample = plausibility.judge(0, Raw((230.0,), (1.0,), (230.0,), 0.0, 1.0))
    assert sample is not None
    assert sample.frequency_hz is None


@repeatable
@given(st.lists(st.floats(width=32), min_size=5, max_size=5), st.lists(st.floats(0, 20), max_size=10))
def test_the_register_never_falls_and_nothing_raises(words: list[float], rises: list[float]) -> None:
    plausibility = Plausibility(16.0, 230.0, phases=1)
    plausibility.judge(0, Raw((words[0],), (words[1],), (words[2],), words[3], words[4]))
    plausibility, kwh, last = Plausibility(16.0, 230.0, phases=1), 100.0, 0
    for at, rise in enumerate(rises):
        kwh += rise / 1000
        sample = plausibility.judge(float(at), raw(kwh))
        if sample is not None:
            assert sample.energy_wh >= last
            last = sample.energy_wh
