"""Whole sessions with every combination of families that an installer may choose: the bytes of each, one behaviour."""

from __future__ import annotations

import itertools

import pytest

from tests.scenarios.rig import StationRig

TAG = "010063E9AE"


@pytest.mark.parametrize("board", ["openevse", "evse_din"])
@pytest.mark.parametrize(("meter", "step_wh"), [("sdm120", 1), ("orno514", 10)])
@pytest.mark.parametrize(("reader", "card"), [("pn532", "04A1B2C3"), ("rdm6300", TAG), ("ascii", "any text")])
def test_a_session_from_plug_to_stop_has_the_right_energy(
    board: str, meter: str, step_wh: int, reader: str, card: str
) -> None:
    rig = StationRig(board=board, meter=meter, reader=reader)
    rig.plug()
    rig.until(lambda: rig.status() == "Preparing")
    rig.swipe(card)
    rig.until(lambda: rig.status() == "Charging", 30)
    rig.run(60)
    rig.swipe(card)
    rig.until(lambda: bool(rig.of("StopTransaction")), 30)
    start, stop = rig.of("StartTransaction")[0], rig.of("StopTransaction")[0]
    assert start["idTag"] == card
    assert stop["reason"] == "Local"
    truth_wh = rig.simulation.metrology.energy_wh
    assert truth_wh - step_wh <= stop["meterStop"] <= truth_wh
    assert not rig.simulation.world.energised
    rig.unplug()
    rig.until(lambda: rig.status() == "Available")


def on_one_line(**more) -> StationRig:
    """Board and meter behind one RS-485 adapter."""
    config = {"meter_port": "board", "meter_unit": 2}
    return StationRig(board="evse_din", meter="sdm120", shared_line=True, meter_unit=2, config=config, **more)


def test_board_and_meter_on_one_adapter_charge_a_car_to_the_watt_hour():
    rig = on_one_line()
    rig.charge()
    rig.limit(10)
    rig.until(lambda: rig.state["offered_a"] == 10, 10)
    rig.run(120)
    rig.swipe()
    rig.until(lambda: rig.stop is not None)
    assert rig.stop["meterStop"] == rig.metrology_wh
    assert rig.error_codes() == {"NoError"}
    board, meter = rig.health("board"), rig.health("meter")
    assert board.path == meter.path
    assert min(board.frames, meter.frames) > 100
    assert meter.timeouts == board.checksum_errors == meter.checksum_errors == 0
    assert board.timeouts <= 2, "while it boots"
    traffic = [(e.sender, e.data) for e in rig.simulation.log.since(0) if e.port == "board"][-400:]
    asked = [data[0] for sender, data in traffic if sender == "host"]
    assert set(asked) == {1, 2}
    for (sender, data), (answerer, answer) in itertools.pairwise(traffic):
        if sender == "host":
            assert (answerer, answer[0]) == ("device", data[0]), "one transaction at a time, each answered by its unit"


def test_a_dead_meter_on_the_shared_line_is_a_warning_and_keeps_the_board_answering():
    rig = on_one_line()
    rig.charge()
    rig.simulation.meter.power_off()
    rig.until(lambda: "meter_comm" in rig.faults(), 20)
    rig.run(30)
    assert rig.faults() == {"meter_comm": False}
    assert rig.state["relay"]
    asked_at = rig.threads.now
    rig.limit(8)
    rig.until(lambda: rig.state["offered_a"] == 8, 5)
    assert rig.threads.now - asked_at < 3.0
    rig.simulation.meter.power_on()
    rig.until(lambda: rig.faults() == {}, 10)


def test_a_dead_board_on_the_shared_line_is_a_fault_and_the_meter_counts_on():
    rig = on_one_line()
    rig.plug()
    rig.until(lambda: rig.status() == "Preparing")
    rig.simulation.board.power_off()
    rig.until(lambda: rig.status() == "Faulted", 15)
    frames = rig.health("meter").frames
    rig.run(30)
    assert rig.faults() == {"board_comm": True}
    assert rig.health("meter").frames > frames + 5
    rig.simulation.board.power_on(rig.threads.now)
    rig.until(lambda: rig.status() == "Preparing", 20)


def test_the_shared_adapter_pulled_out_loses_both_and_both_come_back():
    rig = on_one_line()
    rig.charge()
    rig.link("board", "unplugged", seconds=15)
    rig.until(lambda: set(rig.faults()) == {"board_comm", "meter_comm"}, 14)
    assert not rig.health("meter").is_open
    rig.until(lambda: rig.faults() == {} and rig.health("meter").is_open, 20)
    assert rig.health("meter").reconnects == 1
    rig.until(lambda: rig.status() == "Charging", 20)
    assert rig.stop is None


@pytest.mark.parametrize("mode", [{"mode": "corrupt"}, {"mode": "late", "delay_s": 0.4}, {"mode": "echo"}])
def test_a_bad_shared_line_makes_no_false_value(mode):
    rig = on_one_line()
    rig.charge()
    before = rig.threads.now
    rig.link("board", **mode)
    rig.run(120)
    rig.link("board", "ok")
    rig.until(lambda: rig.faults() == {}, 30)
    truth = rig.simulation.metrology.energy_wh
    samples = {r.meter for r in rig.readings if r.meter is not None and r.meter.at > before}
    assert all(s.energy_wh <= truth and s.segment == 0 and 200 < s.voltage_v < 260 for s in samples)
    assert rig.error_codes() <= {"NoError", "InternalError", "PowerMeterFailure"}
