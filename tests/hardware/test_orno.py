"""The ORNO meters: the bytes of a real one, late answers, coarse steps, and values that do not belong together."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import modbus_rtu as rtu
from hardware.drivers import orno
from hardware.drivers.modbus_meter import ModbusMeter
from hardware.drivers.orno import OrnoRegisters
from hardware.drivers.rtu_link import RtuLink
from hardware.interfaces import MeterSample
from hardware.serial_port import Counters
from hardware.simulator.metrology import MeterValues, Metrology, PhaseValues
from hardware.simulator.orno import Orno
from tests.hardware.fakes import FakeLine, VirtualTime, repeatable

#: Captured from a real OR-WE-514: request, answer.
CAPTURED = {
    orno.VOLTAGE: ("010301310001d439", "0103025a6602ce"),
    orno.FREQUENCY: ("01030130000185f9", "010302138974d2"),
    orno.CURRENT: ("01030139000215fa", "010304000005c138f3"),
    orno.POWER: ("010301400002c423", "01030400000147bb91"),
    orno.ENERGY: ("0103a0000002e60b", "010304000305300977"),
}


class Meter:
    """Answers each request as the captured meter does, with the trouble of a line."""

    line: FakeLine

    def __init__(self, clock: VirtualTime) -> None:
        self.clock = clock
        self.values = {address: bytes.fromhex(answer)[3:-2] for address, (_, answer) in CAPTURED.items()}
        self.requests: list[bytes] = []
        self.late_s: dict[int, float] = {}  # address -> how late its next answer comes
        self.damage: Callable[[bytes], bytes] = lambda answer: answer
        self._decoder = rtu.RequestDecoder()

    def receive(self, data: bytes) -> None:
        self.requests.append(data)
        for request in self._decoder.feed(data):
            assert isinstance(request, rtu.ReadRegisters)
            words = self.values[request.address]
            values = [int.from_bytes(words[n : n + 2], "big") for n in range(0, len(words), 2)]
            answer = self.damage(rtu.read_response(1, request.function, values))
            self.line.deliver(answer, self.late_s.pop(request.address, 0.04))

    def set(self, address: int, value: int) -> None:
        self.values[address] = value.to_bytes(len(self.values[address]), "big")


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualTime()
        self.meter = Meter(self.clock)
        self.line = FakeLine(self.clock, self.meter)
        self.counters = Counters()
        self.samples: list[MeterSample] = []
        self.failures: list[bool] = []
        self.driver = ModbusMeter(
            "orno514", OrnoRegisters(), self.clock, self.counters, self.samples.append, self.failures.append
        )
        self.driver.attach(self.line)

    def run(self, seconds: float) -> None:
        until = self.clock() + seconds
        while self.clock() < until:
            self.driver.step()


def test_the_bytes_of_a_real_meter_become_a_sample() -> None:
    bench = Bench()
    bench.run(1.5)
    assert {request.hex() for request in bench.meter.requests} == {request for request, _ in CAPTURED.values()}
    sample = bench.samples[0]
    assert (sample.energy_wh, sample.current_a, sample.power_w) == (1_979_360, 1.473, 327.0)
    assert sample.voltage_v == pytest.approx(231.42)
    assert sample.frequency_hz == pytest.approx(50.01)


@pytest.mark.parametrize("address", CAPTURED)
def test_the_simulated_meter_answers_as_the_real_one(address: int) -> None:
    metrology = Metrology(1, seed=1, energy_wh=1_979_369)
    metrology.values = MeterValues((PhaseValues(231.42, 1.473, 0.959),), 50.01, 1_979_369)
    meter = Orno("orno514", metrology)
    meter.power_on()
    request, answer = CAPTURED[address]
    meter.receive(bytes.fromhex(request))
    assert meter.take_output().hex() == answer


def test_a_simulated_meter_refuses_what_a_real_one_is_not_known_to_have() -> None:
    meter = Orno("orno514", Metrology(1, seed=1, energy_wh=0))
    meter.power_on()
    meter.receive(rtu.read_request(1, rtu.READ_HOLDING, orno.FREQUENCY, 18))
    assert meter.take_output() == rtu.exception_response(1, rtu.READ_HOLDING, rtu.ILLEGAL_ADDRESS)
    meter.receive(rtu.write_registers_request(1, orno.ENERGY, (0, 0)))
    assert meter.take_output() == rtu.exception_response(1, rtu.WRITE_MULTIPLE, rtu.ILLEGAL_FUNCTION)


def test_steps_of_ten_watt_hours_are_no_jump() -> None:
    bench = Bench()
    bench.driver.set_fast(True)
    bench.run(2)
    energies = []
    for step in range(1, 5):
        bench.meter.set(orno.ENERGY, 0x30530 + step)
        before = len(bench.samples)
        while len(bench.samples) == before:
            bench.driver.step()
        energies.append(bench.samples[-1].energy_wh)
    assert energies == [1_979_360 + 10 * step for step in range(1, 5)]
    assert bench.driver.warning == ""


@pytest.mark.parametrize("address", [orno.CURRENT, orno.POWER, orno.ENERGY])
def test_a_late_answer_is_never_taken_for_another_value(address: int) -> None:
    bench = Bench()
    bench.run(2)
    for late_s in (0.3, 0.35, 0.45, 0.6, 0.75):
        bench.meter.late_s[address] = late_s
        bench.driver.request_fresh()
        bench.run(6)
    assert {(s.energy_wh, s.current_a, s.power_w) for s in bench.samples} == {(1_979_360, 1.473, 327.0)}


def test_more_watts_than_volts_times_amperes_are_no_reading() -> None:
    bench = Bench()
    bench.run(2)
    before = len(bench.samples)
    bench.meter.set(orno.POWER, 197_936)  # the register's value where the watts should be
    bench.run(10)
    assert len(bench.samples) == before
    assert bench.failures == [True]


def test_energy_that_flows_back_is_negative_power() -> None:
    bench = Bench()
    bench.meter.set(orno.POWER, (1 << 32) - 300)
    bench.run(2)
    assert bench.samples[-1].power_w == -300


@repeatable
@given(st.binary(min_size=1, max_size=60), st.integers(1, 5), st.integers(0, 30))
def test_garbage_and_tiny_chunks_do_not_matter(garbage: bytes, chunk: int, position: int) -> None:
    bench = Bench()
    bench.line.chunk = chunk
    bench.line.deliver(garbage, position / 20)
    bench.run(5)
    assert {(s.energy_wh, s.current_a, s.power_w) for s in bench.samples} == {(1_979_360, 1.473, 327.0)}


@repeatable
@given(st.lists(st.tuples(st.integers(0, 8), st.integers(1, 255)), min_size=1, max_size=3), st.integers(1, 4))
def test_damaged_answers_are_no_false_reading(damage: list[tuple[int, int]], every: int) -> None:
    bench = Bench()
    answers = 0

    def damaged(answer: bytes) -> bytes:
        nonlocal answers
        answers += 1
        changed = bytearray(answer)
        for position, change in damage if answers % every == 0 else []:
            changed[position % len(changed)] ^= change
        return bytes(changed)

    bench.meter.damage = damaged
    bench.run(12)
    assert {(s.energy_wh, s.current_a, s.power_w) for s in bench.samples} <= {(1_979_360, 1.473, 327.0)}


@repeatable
@given(st.lists(st.integers(0, 0xFFFFFFFF), min_size=5, max_size=5))
def test_registers_of_any_content_raise_nothing(values: list[int]) -> None:
    clock = VirtualTime()
    meter = Meter(clock)
    for address, value in zip(CAPTURED, values, strict=True):
        meter.set(address, value & (1 << 8 * len(meter.values[address])) - 1)
    line = FakeLine(clock, meter)
    link = RtuLink(line, clock, Counters(), who="the meter", unit=1, baud=9600, gap_s=0.1)
    instant = OrnoRegisters().read_instant(link)
    register = OrnoRegisters().read_register(link)
    assert register is not None
    assert register.import_kwh >= 0
    if instant is not None:
        assert abs(instant.watts[0]) <= 1.1 * instant.volts[0] * instant.amps[0] + 20
