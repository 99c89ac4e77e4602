"""The simulated meter measures what flows and answers as an SDM does (hardware.md, sections 4.1 and 10.3)."""

import math

import pytest

from hardware import modbus_rtu as rtu
from hardware.simulator.metrology import Metrology, PhaseValues
from hardware.simulator.sdm import Sdm
from tests.hardware.simulator.rig import Rig


def floats(reply: rtu.Reply | None) -> list[float]:
    assert isinstance(reply, rtu.RegistersReply)
    words = reply.registers
    return [rtu.registers_float(words[i], words[i + 1]) for i in range(0, len(words), 2)]


def read(rig: Rig, address: int, count: int, function: int = rtu.READ_INPUT, unit: int = 1) -> rtu.Reply | None:
    rig.listen("meter")
    rig.send("meter", rtu.read_request(unit, function, address, count))
    rig.run(0.2)
    return rtu.ReplyDecoder(unit, function, count).feed(rig.listen("meter"))


def read_kwh(rig: Rig) -> float:
    return floats(read(rig, 0x48, 2))[0]


def test_the_golden_frames_of_the_reference():
    metrology = Metrology(1, seed=1, energy_wh=12_345)
    meter = Sdm("sdm230", metrology)
    meter.power_on()
    metrology.gain = 1.0
    meter.receive(bytes.fromhex("010400480002F1DD"))
    assert meter.take_output() == bytes.fromhex("0104044145851FDD35")
    meter.receive(bytes.fromhex("0110001C0002044000000 0E736".replace(" ", "")))
    assert meter.take_output() == bytes.fromhex("0110001C0002800E")
    meter.receive(rtu.read_request(1, rtu.READ_INPUT, 0x5000, 2))
    assert meter.take_output() == bytes.fromhex("018402C2C1")


def test_gaps_read_zero_and_blocks_of_any_start_are_answered():
    rig = Rig({"meter": {"energy_wh": 12_345.0}})
    rig.run(2)
    block = floats(read(rig, 0x0000, 38))
    assert block[0] == pytest.approx(230, abs=4)
    assert block[1] == block[2] == 0
    assert floats(read(rig, 0x0046, 6))[0] == pytest.approx(50, abs=0.03)
    assert read(rig, 0x0049, 2) == rtu.RegistersReply(1, rtu.READ_INPUT, (rtu.float_registers(12.345)[1], 0))


@pytest.mark.parametrize(("address", "count", "code"), [(0x1FF, 2, 2), (0x5000, 2, 2), (0, 0, 3), (0, 81, 3)])
def test_reads_outside_are_refused(address: int, count: int, code: int):
    rig = Rig()
    assert read(rig, address, count) == rtu.ExceptionReply(1, rtu.READ_INPUT, code)


def test_another_unit_and_a_bad_checksum_meet_silence():
    rig = Rig()
    assert read(rig, 0, 2, unit=2) is None
    rig.send("meter", bytes.fromhex("01040000000271CC"))
    rig.run(0.5)
    assert rig.listen("meter") == b""


def test_the_serial_number_and_a_new_node_number_after_a_restart():
    rig = Rig(seed=7)
    reply = read(rig, 0xFC00, 2, rtu.READ_HOLDING)
    assert isinstance(reply, rtu.RegistersReply)
    assert reply.registers[0] << 16 | reply.registers[1] == 20_000_007
    rig.send("meter", rtu.write_registers_request(1, 0x14, rtu.float_registers(9.0)))
    assert read(rig, 0, 2) is not None
    rig.simulation.power_cut(1)
    rig.run(2)
    assert read(rig, 0, 2) is None
    assert read(rig, 0, 2, unit=9) is not None


def test_energy_is_what_really_flowed_within_the_class_of_the_meter():
    rig = Rig(seed=3)
    rig.start_charging()
    before, meter_before = 0.0, rig.simulation.metrology.energy_wh
    for _ in range(60):
        rig.run(1, tick_s=0.05)
        before += rig.simulation.world.power_w / 3600
    counted = rig.simulation.metrology.energy_wh - meter_before
    assert counted == pytest.approx(before, rel=0.005)
    assert counted == pytest.approx(before * rig.simulation.metrology.gain, rel=0.0005)
    assert read_kwh(rig) == pytest.approx(int(rig.simulation.metrology.energy_wh) / 1000, abs=0.002)
    volts, amps, watts = (floats(read(rig, address, 2))[0] for address in (0x00, 0x06, 0x0C))
    assert amps == pytest.approx(rig.current_a, rel=0.01)
    assert watts == pytest.approx(volts * amps * 0.99, rel=0.01)


def test_the_same_seed_gives_the_same_error_and_noise():
    def readings(seed: int) -> list[float]:
        metrology = Metrology(1, seed, 0.0)
        values = []
        for _ in range(20):
            metrology.step(0.5, [PhaseValues(230, 10, 0.99)], 50)
            values.append(metrology.values.phases[0].amps)
        return values

    assert readings(5) == readings(5)
    assert readings(5) != readings(6)
    assert max(readings(5)) - min(readings(5)) < 0.05


def test_below_the_starting_current_nothing_is_counted():
    metrology = Metrology(1, 1, 0.0)
    for _ in range(100):
        metrology.step(60, [PhaseValues(230, 0.019, 0.95)], 50)
    assert metrology.energy_wh == 0


def test_three_phases_are_measured_by_an_sdm630():
    rig = Rig(phases=3, meter="sdm630")
    rig.start_charging()
    block = floats(read(rig, 0, 18))
    assert block[0:3] == pytest.approx([230] * 3, abs=9)
    assert block[3:6] == pytest.approx([15.6] * 3, rel=0.01)
    total = floats(read(rig, 0x34, 2))[0]
    assert total == pytest.approx(sum(block[6:9]))
    assert total == pytest.approx(rig.simulation.world.power_w, rel=0.01)
    assert floats(read(rig, 0x30, 2))[0] == pytest.approx(46.8, rel=0.01)
    before = rig.simulation.metrology.energy_wh
    rig.run(36, tick_s=0.05)
    assert rig.simulation.metrology.energy_wh - before == pytest.approx(total / 100, rel=0.02)


def test_a_single_phase_car_on_three_phases_loads_one():
    rig = Rig(phases=3, meter="sdm630")
    rig.start_charging(phases=1)
    assert floats(read(rig, 6, 6)) == pytest.approx([15.6, 0, 0], rel=0.01)


def test_a_welded_contactor_lets_current_flow_that_the_meter_sees():
    rig = Rig()
    rig.start_charging(ignore_pwm_off=True)
    rig.fault("weld")
    rig.ask("FS")
    rig.run(4)
    assert not rig.simulation.board.relay_closed
    assert rig.state["relay"]
    assert floats(read(rig, 6, 2))[0] > 15


def test_the_faults_of_the_meter():
    rig = Rig()
    rig.start_charging()
    rig.fault("meter_nan")
    assert math.isnan(floats(read(rig, 0, 2))[0])
    rig.fault("meter_nan", active=False)

    rig.fault("meter_exception", value=4)
    assert read(rig, 0, 2) == rtu.ExceptionReply(1, rtu.READ_INPUT, 4)
    rig.fault("meter_exception", active=False)

    rig.fault("meter_wrong_unit")
    rig.run(0.1)
    rig.send("meter", rtu.read_request(1, rtu.READ_INPUT, 0, 2))
    rig.run(0.2)
    assert rig.listen("meter")[0] == 2
    rig.fault("meter_wrong_unit", active=False)

    rig.fault("meter_freeze")
    frozen = read_kwh(rig)
    rig.run(20, tick_s=0.1)
    assert read_kwh(rig) == frozen
    rig.fault("meter_freeze", active=False)

    rig.fault("meter_jump", value=100_000)
    assert read_kwh(rig) == pytest.approx(frozen + 100, abs=0.02)
    rig.fault("meter_reset")
    assert read_kwh(rig) < 0.01


def test_over_and_undervoltage():
    rig = Rig()
    rig.run(1)
    rig.fault("overvoltage", value=270)
    rig.run(1)
    assert floats(read(rig, 0, 2))[0] == pytest.approx(270, rel=0.01)
    rig.fault("overvoltage", active=False)
    rig.fault("brownout")
    rig.run(1)
    assert floats(read(rig, 0, 2))[0] == pytest.approx(184, rel=0.01)


def test_a_reply_takes_its_time_on_a_9600_baud_line():
    rig = Rig()
    rig.send("meter", rtu.read_request(1, rtu.READ_INPUT, 0, 14))
    assert rig.listen("meter") == b""
    rig.run(0.02)
    assert rig.listen("meter") == b""
    rig.run(0.02)
    assert len(rig.listen("meter")) == 33
