"""The simulated car asks, draws and fills up as its parameters say (hardware.md, section 10.2)."""

import pytest

from hardware.simulator.ev import ElectricVehicle
from hardware.simulator.ev_parameters import EvParameters
from hardware.simulator.pilot import Pilot, PilotMode, amps_to_duty, duty_to_amps
from tests.hardware.simulator.rig import Rig

STEADY = Pilot(PilotMode.STEADY)


def offer(amps: float) -> Pilot:
    return Pilot(PilotMode.PWM, amps_to_duty(amps))


def drive(ev: ElectricVehicle, seconds: float, pilot: Pilot, *, energised: bool = True, phases: int = 1) -> None:
    for _ in range(round(seconds / 0.02)):
        ev.step(0.02, pilot, [230.0] * phases if energised else ())


def charging_car(amps: float = 16, **parameters: object) -> ElectricVehicle:
    ev = ElectricVehicle()
    ev.plug(parameters)
    drive(ev, 8, offer(amps))
    return ev


@pytest.mark.parametrize(("amps", "duty"), [(6, 10), (16, 26.67), (32, 53.33), (51, 85), (63, 89.2), (80, 96)])
def test_the_duty_cycle_means_amperes_both_ways(amps: float, duty: float):
    assert amps_to_duty(amps) == pytest.approx(duty, abs=0.01)
    assert duty_to_amps(amps_to_duty(amps)) == pytest.approx(amps)


@pytest.mark.parametrize("duty", [0, 2.9, 5, 7.9, 97.5, 100])
def test_an_invalid_duty_cycle_offers_nothing(duty: float):
    assert duty_to_amps(duty) == 0


def test_a_car_asks_for_energy_after_the_offer_and_ramps_up_to_just_below_it():
    ev = ElectricVehicle()
    ev.plug({})
    drive(ev, 5, STEADY, energised=False)
    assert ev.pilot_load == "B"
    drive(ev, 1.1, offer(16), energised=False)
    assert ev.pilot_load == "B"
    drive(ev, 0.2, offer(16), energised=False)
    assert ev.pilot_load == "C"
    assert ev.current_a == 0
    drive(ev, 1, offer(16))
    assert ev.current_a == pytest.approx(4, abs=0.1)
    drive(ev, 5, offer(16))
    assert ev.current_a == pytest.approx(15.6)


def test_ready_after_delays_the_first_asking_only():
    ev = ElectricVehicle()
    ev.plug({"ready_after_s": 10})
    drive(ev, 9.9, offer(16), energised=False)
    assert ev.pilot_load == "B"
    drive(ev, 0.2, offer(16), energised=False)
    assert ev.pilot_load == "C"
    drive(ev, 3, STEADY, energised=False)
    drive(ev, 1.5, offer(16), energised=False)
    assert ev.pilot_load == "C"


def test_a_new_offer_is_followed_after_the_reaction_time():
    ev = charging_car(16)
    drive(ev, 0.9, offer(8))
    assert ev.current_a == pytest.approx(15.6)
    drive(ev, 1, offer(8))
    assert ev.current_a == pytest.approx(7.6)
    assert ev.power_factor == 0.95


def test_a_slow_car_follows_after_eight_seconds():
    ev = charging_car(16, react_delay_s=8)
    drive(ev, 7.8, offer(8))
    assert ev.current_a == pytest.approx(15.6)
    drive(ev, 1, offer(8))
    assert ev.current_a == pytest.approx(7.6)


def test_when_the_offer_ends_the_car_stops_drawing_and_then_asking():
    ev = charging_car(16)
    drive(ev, 0.15, STEADY)
    assert ev.current_a == pytest.approx(15.6)
    drive(ev, 1.0, STEADY)
    assert ev.current_a == 0
    assert ev.pilot_load == "B"


def test_a_car_that_ignores_the_end_of_the_offer_must_be_opened_under_load():
    ev = charging_car(16, ignore_pwm_off=True)
    drive(ev, 3, STEADY)
    assert ev.current_a == pytest.approx(15.6)
    assert ev.pilot_load == "C"
    drive(ev, 0.02, STEADY, energised=False)
    assert ev.current_a == 0


def test_a_full_car_stops_asking_and_tops_up_below_97_percent():
    ev = charging_car(16, soc=99.999, capacity_kwh=1, drain_w=0)
    drive(ev, 30, offer(16))
    assert ev.soc_percent == 100
    assert ev.pilot_load == "B"
    ev.change({"drain_w": 20_000})
    drive(ev, 7, offer(16))
    assert ev.pilot_load == "C"


def test_the_current_tapers_above_95_percent():
    ev = charging_car(16, soc=97.5)
    assert ev.current_a == pytest.approx(15.6 / 2, rel=0.01)


def test_pause_and_resume_open_and_close_s2():
    ev = charging_car(16)
    ev.change({"paused": True})
    drive(ev, 2, offer(16))
    assert ev.pilot_load == "B"
    ev.change({"paused": False})
    drive(ev, 2, offer(16))
    assert ev.pilot_load == "C"


def test_a_car_that_sleeps_after_a_pause_is_woken_by_state_f_or_a_new_plug():
    ev = charging_car(16, sleep_no_wake=True)
    drive(ev, 5, STEADY)
    drive(ev, 30, offer(16))
    assert ev.pilot_load == "B"
    drive(ev, 4, Pilot(PilotMode.FAULT))
    drive(ev, 2, offer(16))
    assert ev.pilot_load == "C"


def test_an_old_car_asks_without_waiting_for_the_offer():
    ev = ElectricVehicle()
    ev.plug({"simplified": True})
    drive(ev, 1.5, STEADY, energised=False)
    assert ev.pilot_load == "C"


@pytest.mark.parametrize(
    ("parameters", "amps"),
    [
        ({"overdraw_a": 5}, 20.6),
        ({"weird_limit_a": 20}, 0.05),
        ({"current_a": 10}, 10),
        ({"obc_max_a": 10}, 10),
        ({"undershoot_a": 0}, 16),
    ],
)
def test_habits_change_what_is_drawn(parameters: dict[str, object], amps: float):
    assert charging_car(16, **parameters).current_a == pytest.approx(amps)


def test_energy_arrives_in_the_battery_with_losses():
    ev = charging_car(16, capacity_kwh=60, soc=50)
    before = ev.soc_percent
    drive(ev, 3600, offer(16))
    expected = 230 * 15.6 * 0.99 * 0.9 / 60_000 * 100
    assert ev.soc_percent - before == pytest.approx(expected, rel=0.001)


def test_a_bouncing_plug_does_not_end_the_connection_for_the_board():
    rig = Rig()
    rig.boot()
    rig.simulation.world.plug({"cp_bounce": 5})
    rig.run(1)
    assert rig.ask("G0").startswith("$OK 1")
    rig.ask("FE")
    rig.run_until(lambda: rig.board_state() == "C")
    rig.run(3)
    rig.simulation.world.ev.change({"cp_bounce": 5})
    rig.run(1)
    assert rig.board_state() == "C"
    assert rig.state["relay"]


@pytest.mark.parametrize(
    "changes", [{"wheels": 4}, {"soc": 101}, {"current_a": "ten"}, {"paused": 1}, {"capacity_kwh": True}, {"phases": 0}]
)
def test_wrong_parameters_change_nothing_and_say_what_is_possible(changes: dict[str, object]):
    ev = ElectricVehicle()
    ev.plug({"soc": 50})
    with pytest.raises(ValueError, match=next(iter(changes))):
        ev.change({"current_a": 7, **changes} if "current_a" not in changes else changes)
    assert ev.parameters == EvParameters()
    assert ev.soc_percent == 50


def test_pausing_the_station_ends_in_state_b_and_an_overdrawing_car_is_measured():
    rig = Rig()
    rig.start_charging()
    assert rig.current_a == pytest.approx(15.6)
    rig.simulation.world.ev.change({"overdraw_a": 8})
    rig.run(4)
    assert rig.current_a == pytest.approx(23.6)
    rig.ask("FS")
    rig.run(3.5)
    assert rig.state["cp"] == "B"
    assert rig.current_a == 0
