"""The decisions of the EVSE: limits, start and stop, and the host's own checks. No line, no thread, time by hand."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.evse import Decision, Evse, Mode, Setpoint
from hardware.interfaces import BoardState, Fault, FaultCode, MeterSample
from tests.hardware.fakes import repeatable

ASLEEP = BoardState(
    at=0.0, cp="B", ev_connected=True, relay_closed=False, enabled=False, limit_a=16, max_a=32, synchronised=True,
    pilot_is_live=False,
)  # fmt: skip
GROUND_FAULT = Fault(FaultCode.GROUND_FAULT, True)


class Desk:
    """An Evse with time and facts at hand."""

    def __init__(self, max_current_a: float = 16.0) -> None:
        self.evse = Evse(max_current_a, 230.0)
        self.now = 100.0
        self.board = ASLEEP
        self.setpoint = Setpoint()
        self.meter: MeterSample | None = None
        self.last: Decision

    def decide(self, after_s: float = 0.0, **facts: object) -> Decision:
        self.now += after_s
        self.board = replace(self.board, at=self.now, **facts)  # type: ignore[arg-type]
        self.last = self.evse.decide(self.now, self.board, self.setpoint, self.meter)
        return self.last

    def want(self, amps: float, authorised: bool = True, after_s: float = 0.0) -> Decision:
        self.setpoint = Setpoint(amps, authorised)
        return self.decide(after_s)

    def measure(self, amps: float = 0.0, volts: float = 230.0, after_s: float = 1.0) -> Decision:
        self.now += after_s
        self.meter = MeterSample(self.now, 0, current_a=amps, voltage_v=volts)
        return self.decide()

    def charge(self, amps: float = 16.0) -> None:
        self.want(amps)
        self.decide(cp="C", relay_closed=True, enabled=True, limit_a=float(math.floor(amps)))

    def faults(self) -> dict[FaultCode, bool]:
        return {fault.code: fault.blocking for fault in self.last.faults}


# --- limits -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("amps", "expected"),
    [(16, 16), (15.99, 15), (6, 6), (32, 16), (1e9, 16), (math.inf, 16), (10.0000000001, 10), (9.9999999999, 10)],
)
def test_the_limit_is_the_smallest_of_all_rounded_down(amps: float, expected: int) -> None:
    decision = Desk().want(amps)
    assert (decision.demand.mode, decision.demand.limit_a) == (Mode.ON, expected)


@pytest.mark.parametrize("amps", [5.99, 0, -1, math.nan, -math.inf])
def test_less_than_six_ampere_is_a_pause(amps: float) -> None:
    assert Desk().want(amps).demand.mode is Mode.OFF


def test_the_board_and_the_installer_limit_too() -> None:
    desk = Desk(max_current_a=25.0)
    desk.board = replace(ASLEEP, max_a=20)
    assert desk.want(32).demand.limit_a == 20
    desk = Desk(max_current_a=13.8)
    assert desk.want(32).demand.limit_a == 13
    desk = Desk(max_current_a=5.0)
    assert desk.want(32).demand.mode is Mode.OFF


def test_a_board_with_a_higher_minimum_pauses_below_it() -> None:
    desk = Desk()
    desk.board = replace(ASLEEP, min_a=8)
    assert desk.want(7).demand.mode is Mode.OFF
    assert desk.want(8, after_s=6).demand.mode is Mode.ON


def test_without_permission_nothing_is_ever_on() -> None:
    assert Desk().want(16, authorised=False).demand.mode is Mode.OFF


def test_decreases_act_at_once_and_increases_at_most_every_five_seconds() -> None:
    desk = Desk()
    desk.charge(16)
    assert desk.want(10, after_s=1).demand.limit_a == 10
    assert desk.want(16, after_s=1).demand.limit_a == 10
    assert desk.want(8, after_s=1).demand.limit_a == 8
    assert desk.want(16, after_s=4.9).demand.limit_a == 8
    assert desk.decide(after_s=0.2).demand.limit_a == 16


def test_a_resumed_pause_is_an_increase_but_a_new_start_is_immediate() -> None:
    desk = Desk()
    desk.charge(16)
    assert desk.want(0, after_s=10).demand.mode is Mode.OFF
    assert desk.want(16, after_s=2).demand.mode is Mode.OFF
    assert desk.want(16, after_s=3).demand.mode is Mode.ON
    desk.want(0, authorised=False, after_s=1)
    desk.decide(relay_closed=False, enabled=False)
    assert desk.want(16, after_s=0.1).demand.mode is Mode.ON


def test_asleep_the_advertised_limit_still_respects_a_smaller_board() -> None:
    desk = Desk()
    assert desk.decide(max_a=10).demand.limit_a == 10


def test_offered_is_the_pilot_while_enabled_and_zero_else() -> None:
    desk = Desk()
    desk.charge(10)
    assert desk.last.offered_a == 10
    assert desk.decide(enabled=False).offered_a == 0
    assert desk.decide(enabled=True, faults=(GROUND_FAULT,)).offered_a == 0


# --- faults -----------------------------------------------------------------------------------------------------------
def test_a_blocking_fault_withdraws_energy_and_a_warning_does_not() -> None:
    desk = Desk()
    desk.charge()
    assert desk.decide(faults=(Fault(FaultCode.RESET_FAILED, False),)).demand.mode is Mode.ON
    assert desk.decide(faults=(GROUND_FAULT,)).demand.mode is Mode.OFF
    assert desk.decide(after_s=1, faults=()).demand.mode is Mode.OFF
    assert desk.decide(after_s=4.1).demand.mode is Mode.ON


def test_faults_come_worst_first_and_once_each() -> None:
    desk = Desk()
    warning, other = Fault(FaultCode.RESET_FAILED, False), Fault(FaultCode.OVER_TEMP, True)
    faults = desk.decide(faults=(warning, other, GROUND_FAULT, Fault(FaultCode.GROUND_FAULT, True, "again"))).faults
    assert [fault.code for fault in faults] == [FaultCode.GROUND_FAULT, FaultCode.OVER_TEMP, FaultCode.RESET_FAILED]


def test_a_pilot_unknown_for_ten_seconds_is_a_fault_until_a_good_one_is_seen() -> None:
    desk = Desk()
    desk.decide(cp="?")
    assert desk.decide(after_s=9.9).faults == ()
    desk.decide(after_s=0.2)
    assert desk.faults() == {FaultCode.PILOT_FAULT: True}
    desk.decide(cp="B")
    assert desk.faults() == {FaultCode.PILOT_FAULT: True}, "a sleeping board does not look"
    assert desk.decide(cp="B", pilot_is_live=True).faults == ()


def test_a_pilot_fault_ends_with_the_unplugging_too() -> None:
    desk = Desk()
    desk.decide(cp="E")
    desk.decide(after_s=10)
    assert desk.faults() == {FaultCode.PILOT_FAULT: True}
    assert desk.decide(cp="A", ev_connected=False).faults == ()


def test_a_lost_board_is_only_a_lost_board() -> None:
    desk = Desk()
    desk.charge()
    lost = (Fault(FaultCode.BOARD_COMM, True),)
    for _ in range(30):
        desk.measure(amps=16)
        desk.decide(cp="?", faults=lost, synchronised=False, enabled=False, limit_a=6)
    assert desk.faults() == {FaultCode.BOARD_COMM: True}
    assert desk.last.demand.mode is Mode.OFF


# --- stop sequence ----------------------------------------------------------------------------------------------------
def test_a_relay_that_stays_closed_is_cut_after_4_5_seconds_and_welded_after_two_more() -> None:
    desk = Desk()
    desk.charge()
    assert desk.want(0, authorised=False).demand.mode is Mode.OFF
    assert desk.decide(after_s=4.4).demand.mode is Mode.OFF
    assert desk.decide(after_s=0.2).demand.mode is Mode.CUT
    assert desk.decide(after_s=1.5).faults == ()
    desk.decide(after_s=0.5)
    assert desk.faults() == {FaultCode.RELAY_STUCK: True}
    assert desk.last.demand.mode is Mode.CUT
    assert desk.want(16, after_s=60).demand.mode is Mode.CUT
    assert desk.decide(after_s=1, relay_closed=False).demand.mode is Mode.OFF
    desk.evse.rebooted()
    desk.decide()
    assert desk.faults() == {FaultCode.RELAY_STUCK: True}, "no restart repairs it"
    assert desk.evse.repaired(desk.board, desk.meter)
    assert desk.decide().faults == ()


def test_a_weld_is_kept_over_a_restart_of_the_station_until_its_repair_is_confirmed_and_true() -> None:
    desk = Desk()
    desk.decide()
    for _ in range(4):
        desk.measure(0.6)
    again = Desk()
    again.evse = Evse(16.0, 230.0, desk.evse.weld)
    again.want(16)
    assert again.faults() == {FaultCode.RELAY_STUCK: True}
    assert again.last.demand.mode is Mode.OFF
    again.measure(0.6)
    assert not again.evse.repaired(again.board, again.meter)
    again.measure(0.0)
    assert not again.evse.repaired(replace(again.board, relay_closed=True), again.meter)
    assert again.evse.repaired(again.board, again.meter)
    assert again.decide(after_s=10).demand.mode is Mode.ON


def test_a_relay_that_opens_in_time_is_no_fault() -> None:
    desk = Desk()
    desk.charge()
    desk.want(0)
    desk.decide(after_s=4.4)
    desk.decide(after_s=0.05, relay_closed=False)
    assert desk.decide(after_s=20).faults == ()


def test_after_a_cut_that_worked_a_new_start_is_possible() -> None:
    desk = Desk()
    desk.charge()
    desk.want(0, authorised=False)
    desk.decide(after_s=5)
    assert desk.last.demand.mode is Mode.CUT
    assert desk.want(16, after_s=0.1).demand.mode is Mode.CUT
    assert desk.decide(after_s=1, relay_closed=False).demand.mode is Mode.ON


def test_current_with_an_open_contactor_for_three_seconds_is_a_weld() -> None:
    desk = Desk()
    desk.decide()
    desk.measure(0.6)
    desk.measure(0.6)
    desk.measure(0.6)
    assert desk.last.faults == ()
    desk.measure(0.6)
    assert desk.faults() == {FaultCode.RELAY_STUCK: True}


def test_half_an_ampere_or_an_interruption_is_no_weld() -> None:
    desk = Desk()
    desk.decide()
    for amps in (0.5, 0.6, 0.6, 0.6, 0.4, 0.6, 0.6, 0.6, 0.5):
        desk.measure(amps)
    assert desk.last.faults == ()


def test_current_is_no_weld_while_the_last_word_of_the_board_is_old() -> None:
    desk = Desk()
    desk.decide()
    for _ in range(10):
        desk.now += 1
        meter = MeterSample(desk.now, 0, current_a=16.0)
        desk.evse.decide(desk.now, desk.board, desk.setpoint, meter)  # board.at stays: nothing heard since
    assert desk.decide().faults == ()


def test_a_reading_from_before_the_contactor_opened_is_no_weld() -> None:
    desk = Desk()
    desk.charge()
    desk.measure(16.0)
    desk.want(0)
    for _ in range(20):
        desk.decide(after_s=1, relay_closed=False)
    assert desk.last.faults == ()


# --- a car that does not obey -----------------------------------------------------------------------------------------
def test_a_car_that_still_draws_two_seconds_after_the_end_of_the_offer_is_a_warning_until_it_may_charge_again() -> None:
    desk = Desk()
    desk.charge()
    desk.measure(16.0)
    desk.want(0)
    desk.decide()
    desk.measure(16.0, after_s=1.9)
    assert desk.last.faults == ()
    desk.measure(16.0, after_s=0.2)
    assert desk.faults() == {FaultCode.EV_IGNORES_PILOT: False}
    desk.decide(after_s=10, relay_closed=False)
    assert desk.faults() == {FaultCode.EV_IGNORES_PILOT: False}
    desk.want(16)
    desk.decide(after_s=10)
    assert desk.faults() == {}


def test_a_car_that_stops_in_time_is_no_warning() -> None:
    desk = Desk()
    desk.charge()
    desk.measure(16.0)
    desk.want(0)
    desk.decide()
    for amps in (16.0, 0.9, 0.0, 0.0):
        desk.measure(amps, after_s=1)
    assert desk.last.faults == ()


def test_a_car_that_asks_for_six_seconds_without_an_offer_is_a_warning_until_it_asks_no_more() -> None:
    desk = Desk()
    desk.decide(cp="C", pilot_is_live=True)
    assert desk.decide(after_s=5.9).faults == ()
    desk.decide(after_s=0.2)
    assert desk.faults() == {FaultCode.EV_IGNORES_PILOT: False}
    assert desk.decide(cp="B").faults == ()


# --- over-current -----------------------------------------------------------------------------------------------------
def test_too_much_current_for_seven_seconds_is_latched_until_the_car_is_unplugged() -> None:
    desk = Desk()
    desk.charge(10)
    desk.measure(10, after_s=10)
    for _ in range(7):
        desk.measure(11.6)
        assert desk.last.faults == ()
    desk.measure(11.6)
    assert desk.faults() == {FaultCode.OVER_CURRENT: True}
    assert desk.last.demand.mode is Mode.OFF
    desk.decide(after_s=60, relay_closed=False, enabled=False)
    assert desk.faults() == {FaultCode.OVER_CURRENT: True}
    assert desk.decide(after_s=1, ev_connected=False).faults == ()


def test_current_within_the_tolerance_or_short_is_no_over_current() -> None:
    desk = Desk()
    desk.charge(10)
    desk.measure(10, after_s=10)
    for amps in [11.5] * 20 + [11.6] * 7 + [11.0] + [11.6] * 7 + [11.0]:
        desk.measure(amps)
    assert desk.last.faults == ()


@pytest.mark.parametrize("by_the_board", [False, True])
def test_after_a_decrease_the_car_has_seven_seconds_to_follow(by_the_board: bool) -> None:
    desk = Desk()
    desk.charge(16)
    desk.measure(16, after_s=20)
    if not by_the_board:
        desk.want(6)
    desk.decide(limit_a=6.0)
    for _ in range(13):
        desk.measure(16)
    assert desk.last.faults == ()
    desk.measure(16)
    assert desk.faults() == {FaultCode.OVER_CURRENT: True}


# --- voltage, temperature, a board that offers too much ---------------------------------------------------------------
@pytest.mark.parametrize(("volts", "code"), [(253.1, FaultCode.OVER_VOLTAGE), (195.4, FaultCode.UNDER_VOLTAGE)])
def test_a_wrong_voltage_for_five_seconds_is_a_warning(volts: float, code: FaultCode) -> None:
    desk = Desk()
    for _ in range(5):
        desk.measure(volts=volts)
    assert desk.last.faults == ()
    desk.measure(volts=volts)
    assert desk.faults() == {code: False}
    assert desk.measure(volts=230).faults == ()


@pytest.mark.parametrize("volts", [252.9, 195.6])
def test_a_voltage_at_the_edge_is_fine(volts: float) -> None:
    desk = Desk()
    for _ in range(20):
        desk.measure(volts=volts)
    assert desk.last.faults == ()


def test_heat_halves_quarters_and_stops_the_current_until_it_is_cool() -> None:
    desk = Desk(max_current_a=32)
    desk.charge(32)
    assert desk.decide(after_s=10, temperature_c=64.9).demand.limit_a == 32
    assert desk.decide(after_s=10, temperature_c=65.0).demand.limit_a == 16
    assert desk.faults() == {FaultCode.TEMP_DERATE: False}
    assert desk.decide(after_s=10, temperature_c=63.0).demand.limit_a == 16
    assert desk.decide(after_s=10, temperature_c=68.0).demand.limit_a == 8
    assert desk.decide(after_s=10, temperature_c=71.0).demand.mode is Mode.OFF
    assert desk.decide(after_s=10, temperature_c=62.0, limit_a=8.0).demand.limit_a == 32
    assert desk.last.faults == ()


def test_heat_leaves_a_small_installation_at_six_ampere() -> None:
    desk = Desk(max_current_a=10)
    desk.charge(10)
    assert desk.decide(after_s=10, temperature_c=69).demand.limit_a == 6


def test_a_pilot_above_the_limit_for_ten_seconds_is_answered_with_no_energy() -> None:
    desk = Desk()
    desk.charge(16)
    desk.want(10)
    desk.decide()  # and the board does not follow
    assert desk.decide(after_s=9.9).demand.mode is Mode.ON
    assert desk.decide(after_s=0.2).demand.mode is Mode.OFF
    assert desk.decide(after_s=30, enabled=False, relay_closed=False).demand.mode is Mode.OFF
    assert desk.decide(limit_a=10.0).demand.mode is Mode.ON


# --- for all histories ------------------------------------------------------------------------------------------------
amps = st.one_of(st.floats(0, 40), st.just(math.nan), st.just(-1.0))
histories = st.lists(
    st.tuples(
        st.floats(0, 12),  # seconds
        amps,
        st.booleans(),  # authorised
        st.booleans(),  # relay
        st.booleans(),  # enabled
        st.sampled_from(
            [(), (GROUND_FAULT,), (Fault(FaultCode.RESET_FAILED, False),), (Fault(FaultCode.BOARD_COMM, True),)]
        ),
        st.floats(0, 40),  # measured
        st.sampled_from([None, 20.0, 66.0, 69.0, 75.0]),
        st.sampled_from([0.0, 10.0, 32.0]),
    ),
    max_size=25,
)


@repeatable
@given(histories)
def test_never_on_without_permission_with_a_blocking_fault_or_above_any_limit(history: list[tuple]) -> None:  # type: ignore[type-arg]
    desk = Desk(max_current_a=20)
    limit, raised_at = desk.decide().demand.limit_a, -math.inf
    was_on = False
    for seconds, wanted, authorised, relay, enabled, faults, measured, celsius, max_a in history:
        desk.setpoint = Setpoint(wanted, authorised)
        desk.board = replace(
            desk.board, relay_closed=relay, enabled=enabled, faults=faults, temperature_c=celsius, max_a=max_a
        )
        decision = desk.measure(measured, after_s=seconds)
        demand = decision.demand
        assert demand.limit_a >= 6
        assert demand.limit_a <= 20
        if demand.mode is Mode.ON:
            assert authorised
            assert not any(fault.blocking for fault in decision.faults)
            assert demand.limit_a <= wanted + 1e-6
            assert demand.limit_a <= (max_a or 20)
            if was_on and demand.limit_a > limit:
                assert desk.now - raised_at >= 5.0
        if demand.limit_a != limit:
            raised_at = desk.now
        limit, was_on = demand.limit_a, demand.mode is Mode.ON
        assert decision.offered_a == 0 or enabled
