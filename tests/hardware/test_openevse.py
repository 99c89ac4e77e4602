"""The OpenEVSE driver against a behavioural board on an in-process line and a clock that stands still."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.drivers import openevse_words as words
from hardware.drivers.openevse import OpenEvse
from hardware.evse import Demand, Mode
from hardware.interfaces import BoardState, FaultCode
from hardware.rapi import encode_async, encode_response
from hardware.serial_port import Counters, LineLost
from tests.hardware.fakes import FakeBoard, FakeLine, VirtualTime, repeatable

OFF, ON_16 = Demand(Mode.OFF, 16), Demand(Mode.ON, 16)


class Bench:
    """A driver on a board, and what it reported."""

    def __init__(self, *, attach: bool = True, **board: object) -> None:
        self.clock = VirtualTime()
        self.board = FakeBoard(self.clock, **board)  # type: ignore[arg-type]
        self.line = FakeLine(self.clock, self.board)
        self.counters = Counters()
        self.demand = OFF
        self.states: list[BoardState] = []
        self.reboots = 0
        self.driver = OpenEvse(self.clock, self.counters, self._supervise, self._rebooted)
        if attach:
            self.driver.attach(self.line)

    def _supervise(self, state: BoardState) -> Demand:
        self.states.append(state)
        return self.demand

    def _rebooted(self) -> None:
        self.reboots += 1

    @property
    def state(self) -> BoardState:
        return self.states[-1]

    def run(self, seconds: float) -> None:
        until = self.clock() + seconds
        while self.clock() < until:
            self.driver.step()

    def until(self, condition: Callable[[], bool], within_s: float) -> float:
        """Run until it holds; how long it took."""
        started = self.clock()
        while not condition():
            assert self.clock() - started <= within_s, "it did not happen in time"
            self.driver.step()
        return self.clock() - started

    def synchronise(self) -> Bench:
        self.until(lambda: bool(self.states) and self.state.synchronised, 5)
        return self

    def commands_since(self, mark: int) -> list[str]:
        """What was sent since, without the polls."""
        return [c for c in self.board.commands[mark:] if c not in ("GS", "SY", "GE", "GP", "GF")]

    def mark(self) -> int:
        return len(self.board.commands)

    def faults(self) -> dict[FaultCode, bool]:
        return {fault.code: fault.blocking for fault in self.state.faults}


def charging() -> Bench:
    bench = Bench().synchronise()
    bench.board.plug()
    bench.demand = ON_16
    bench.until(lambda: bench.state.relay_closed, 3)
    return bench


# --- connect and re-sync (section 2.6) --------------------------------------------------------------------------------
def test_connecting_asks_sleeps_and_configures_in_the_order_of_the_procedure_and_never_enables() -> None:
    bench = Bench().synchronise()
    bench.run(30)
    first = "GV GS FS SB GE GC G4 GY GF GP GI,SV 230000,SY 10 6,SY,GS,SC 16 V"
    assert ",".join(bench.board.commands[:16]) == first.replace(" G", ",G").replace(" FS", ",FS").replace(" SB", ",SB")
    assert "FE" not in bench.board.commands
    assert bench.board.state == 0xFE
    assert (bench.state.max_a, bench.state.min_a, bench.state.limit_a) == (32, 6, 16)
    assert bench.state.firmware == "8.2.3"
    assert bench.driver.description == "openevse 8.2.3"
    assert bench.state.temperature_c == pytest.approx(27.4)
    assert bench.state.trip_counters == (10, 0, 1)


def test_a_boot_locked_board_is_put_to_sleep_before_it_is_unlocked() -> None:
    bench = Bench(boot_locked=True).synchronise()
    commands = bench.board.commands
    assert commands.index("FS") < commands.index("SB") < commands.index("GC")
    assert bench.board.state == 0xFE
    assert not bench.board.boot_locked


def test_a_build_without_boot_lock_is_known_and_named() -> None:
    bench = Bench()
    bench.board.has_boot_lock = False
    bench.synchronise()
    assert bench.state.boot_safe is False
    assert "no boot lock" in bench.driver.warning
    assert Bench().synchronise().state.boot_safe is True


def test_a_build_that_starts_with_its_authorisation_lock_is_as_safe() -> None:
    bench = Bench()
    bench.board.has_boot_lock, bench.board.auth_lock = False, True
    bench.synchronise()
    assert bench.state.boot_safe is True
    assert bench.driver.warning == ""


def test_a_board_that_falls_silent_while_it_is_synchronised_is_told_in_time() -> None:
    bench = Bench()
    answer = bench.board.receive

    def receive(data: bytes) -> None:
        if "GE" not in bench.board.commands:
            answer(data)

    bench.board.receive = receive  # type: ignore[method-assign]
    assert bench.until(lambda: bool(bench.states) and bool(bench.state.faults), 20) < 16
    assert bench.state.faults[0].code is FaultCode.BOARD_COMM


def test_an_open_authorisation_lock_of_a_board_that_was_up_for_long_says_nothing() -> None:
    bench = Bench()
    bench.board.has_boot_lock, bench.board.auth_lock = False, False
    bench.synchronise()
    assert bench.state.boot_safe is None
    assert bench.driver.warning == ""


@pytest.mark.parametrize(("state", "code"), [(0x06, FaultCode.GROUND_FAULT), (0x08, FaultCode.RELAY_STUCK)])
def test_a_boot_locked_board_in_a_fault_is_told_and_stays_locked(state: int, code: FaultCode) -> None:
    bench = Bench(attach=False, boot_locked=True)
    bench.board.fail(state, hard=True)
    bench.driver.attach(bench.line)
    bench.synchronise().run(10)
    assert bench.faults() == {code: True}
    assert bench.board.boot_locked
    assert "SB" not in bench.board.commands


@pytest.mark.parametrize(("state", "code"), [(0x06, FaultCode.GROUND_FAULT), (0x08, FaultCode.RELAY_STUCK)])
def test_a_fault_present_at_boot_is_reported_and_never_masked(state: int, code: FaultCode) -> None:
    bench = Bench(attach=False)
    bench.board.fail(state, hard=True)
    bench.driver.attach(bench.line)
    bench.demand = ON_16
    bench.synchronise().run(60)
    assert bench.faults() == {code: True}
    assert {c for c in bench.board.commands if not c.startswith(("G", "SY"))} == set()
    assert bench.board.state == state


def test_a_silent_board_is_asked_again_until_it_answers() -> None:
    bench = Bench()
    bench.board.deaf = True
    bench.run(4)
    assert not bench.state.synchronised
    bench.board.deaf = False
    bench.synchronise()
    assert bench.faults() == {}


def test_while_the_self_test_runs_nothing_but_questions_are_sent() -> None:
    bench = Bench()
    bench.board.state = 0x00
    bench.run(3)
    assert set(bench.board.commands) == {"GV", "GS"}
    assert not bench.state.synchronised
    bench.board.boot()
    bench.synchronise()
    assert bench.board.state == 0xFE


def test_a_reboot_of_the_board_is_noticed_and_it_is_put_to_sleep_within_a_second() -> None:
    bench = Bench().synchronise()
    bench.board.plug()
    mark = bench.mark()
    bench.board.boot()
    assert bench.until(lambda: bench.board.state == 0xFE, 2) < 1.0
    bench.synchronise()
    assert bench.reboots == 1
    assert not bench.board.relay
    assert "SC 16 V" in bench.commands_since(mark)
    assert "SV 230000" in bench.commands_since(mark)


def test_a_missed_boot_message_of_a_boot_locked_board_is_noticed_by_its_flag() -> None:
    bench = Bench().synchronise()
    bench.board.boot_locked, bench.board.state, bench.board.amps = True, 0x00, 32
    bench.run(3)
    assert bench.state.synchronised
    assert not bench.board.boot_locked
    assert (bench.board.state, bench.board.amps) == (0xFE, 16)


def test_a_missed_boot_of_an_unlocked_board_is_noticed_by_its_state_and_limit() -> None:
    bench = Bench().synchronise()
    bench.board.state, bench.board.amps = 0x01, 32
    bench.run(6)
    assert (bench.board.state, bench.board.amps) == (0xFE, 16)


def test_the_moment_without_a_state_after_enabling_is_not_a_reboot() -> None:
    bench = charging()
    since_enabled = [state for state in bench.states if state.ev_connected is not True][-1:]
    bench.run(3)
    assert bench.reboots == 0
    assert bench.states[-1].synchronised
    assert all(state.synchronised for state in bench.states[bench.states.index(since_enabled[0]) :])


def test_a_board_without_a_state_for_three_seconds_is_told_and_can_still_be_put_to_sleep() -> None:
    bench = charging()
    bench.run(5)
    bench.board.state, bench.board.relay = 0x00, False
    bench.run(2.5)
    assert bench.state.cp == "C"
    bench.run(2)
    assert (bench.state.cp, bench.state.ev_connected, bench.state.enabled) == ("?", None, False)
    bench.demand = OFF
    bench.run(1)
    assert (bench.board.state, bench.state.cp) == (0xFE, "B")


def test_no_car_is_believed_only_after_the_restarted_board_had_its_first_look() -> None:
    bench = Bench().synchronise()
    assert bench.state.ev_connected is None
    bench.run(0.6)
    assert bench.state.ev_connected is False
    bench.board.plug()
    bench.run(1)
    seen: list[bool | None] = []
    bench.states.clear()
    bench.board.plugged = False  # the board restarts and has not looked yet
    bench.board.boot()
    bench.clock.after(0.3, bench.board.plug)
    bench.run(3)
    for state in bench.states:
        seen += [state.ev_connected] if not seen or seen[-1] != state.ev_connected else []
    assert seen in ([True, None, True], [None, True])


def test_after_a_reboot_a_demanded_charge_goes_on_with_its_limit() -> None:
    bench = charging()
    bench.board.boot()
    bench.until(lambda: bench.reboots == 1, 1)
    bench.until(lambda: bench.state.synchronised and bench.state.relay_closed, 6)
    assert bench.board.amps == 16


# --- start, limits, stop ----------------------------------------------------------------------------------------------
def test_starting_sets_the_volatile_limit_first_and_enables_at_once() -> None:
    bench = Bench().synchronise()
    bench.run(5)
    mark, bench.demand = bench.mark(), Demand(Mode.ON, 13)
    assert bench.until(lambda: "FE" in bench.board.commands[mark:], 1.1) < 1.1
    assert bench.commands_since(mark) == ["SC 13 V", "FE"]
    sent = dict(zip(bench.board.commands, bench.board.times, strict=True))
    assert sent["FE"] - sent["SC 13 V"] < 0.02


def test_a_wake_up_makes_a_new_demand_act_within_milliseconds() -> None:
    bench = Bench().synchronise()
    bench.run(20.13)

    def want() -> None:
        bench.demand = ON_16
        bench.line.wake()

    bench.clock.after(0.05, want)
    wanted_at = bench.clock() + 0.05
    bench.until(lambda: "FE" in bench.board.commands, 2)
    assert bench.board.times[bench.board.commands.index("FE")] - wanted_at < 0.02


def test_the_car_gets_energy_and_every_step_is_reported_at_once() -> None:
    bench = Bench().synchronise()
    bench.run(2)
    bench.clock.after(0.5, bench.board.plug)
    plugged_at = bench.clock() + 0.5
    bench.until(lambda: bench.state.ev_connected is True, 1)
    assert bench.clock() - plugged_at < 0.3
    assert (bench.state.cp, bench.state.enabled) == ("B", False)
    bench.demand = ON_16
    bench.until(lambda: bench.state.cp == "B" and bench.state.enabled, 2)
    bench.until(lambda: bench.state.cp == "C" and bench.state.relay_closed, 2)
    assert bench.state.limit_a == 16


def test_a_lower_limit_is_sent_and_verified_without_wearing_the_eeprom() -> None:
    bench = charging()
    mark, bench.demand = bench.mark(), Demand(Mode.ON, 10)
    bench.run(2)
    assert bench.commands_since(mark) == ["SC 10 V"]
    assert bench.state.limit_a == 10
    assert all(c.endswith("V") for c in bench.board.commands if c.startswith("SC"))


def test_pausing_and_stopping_sleep_and_watch_the_relay_four_times_a_second() -> None:
    bench = charging()
    bench.run(5)
    bench.board.relay_opens_after_s = 2.0
    mark, bench.demand = bench.mark(), OFF
    assert bench.until(lambda: not bench.state.relay_closed, 4) < 3.4
    assert bench.commands_since(mark) == ["FS"]
    assert bench.board.commands[mark:].count("GS") >= 6


def test_switching_off_comes_before_a_new_limit() -> None:
    bench = charging()
    bench.run(5)
    mark, bench.demand = bench.mark(), Demand(Mode.OFF, 10)
    bench.run(1)
    assert bench.commands_since(mark) == ["FS", "SC 10 V"]


def test_cutting_disables_the_board_and_sleep_brings_it_back() -> None:
    bench = charging()
    bench.demand = Demand(Mode.CUT, 16)
    bench.until(lambda: bench.state.cp == "F", 2)
    assert bench.state.ev_connected is None
    bench.demand = OFF
    bench.until(lambda: bench.state.cp == "B", 2)
    assert bench.state.ev_connected is True


def test_no_power_while_the_board_keeps_a_pilot_above_the_limit() -> None:
    bench = Bench().synchronise()
    bench.board.stubborn = True
    bench.demand = Demand(Mode.ON, 10)
    bench.run(12)
    assert "FE" not in bench.board.commands
    assert 3 <= bench.board.commands.count("SC 10 V") <= 8
    bench.board.stubborn = False
    bench.run(3)
    assert "FE" in bench.board.commands


def test_a_board_that_raises_its_pilot_by_itself_is_corrected_at_once() -> None:
    bench = charging()
    bench.run(5)
    bench.board.amps = 32
    bench.board.say_state()
    changed_at = bench.clock()
    bench.until(lambda: bench.board.amps == 16, 1.5)
    assert bench.clock() - changed_at < 1.1


def test_a_board_that_lowers_its_pilot_is_corrected_after_two_seconds() -> None:
    bench = charging()
    bench.run(5)
    bench.board.amps = 6
    bench.board.say_state()
    assert 1.9 <= bench.until(lambda: bench.board.amps == 16, 5) <= 3.2


def test_a_changed_pilot_without_a_message_is_found_by_polling() -> None:
    bench = charging()
    bench.board.amps = 32
    bench.run(6.5)
    assert bench.board.amps == 16


def test_a_refused_limit_is_not_hammered() -> None:
    bench = Bench().synchronise()
    bench.board.hot_cap = 8
    bench.demand = ON_16
    mark = bench.mark()
    bench.run(30)
    assert bench.commands_since(mark).count("SC 16 V") <= 4
    assert bench.board.amps == 8
    assert bench.board.state != 0xFE  # 8 A is within the limit: it charges, slowly
    bench.board.hot_cap = None
    bench.run(13)
    assert bench.board.amps == 16


def test_an_auth_locked_board_is_unlocked_only_to_start() -> None:
    bench = Bench(attach=False)
    bench.board.auth_lock = True
    bench.driver.attach(bench.line)
    bench.synchronise().run(5)
    assert "S4 0" not in bench.board.commands
    bench.board.plug()
    bench.demand = ON_16
    bench.until(lambda: bench.state.relay_closed, 5)
    assert bench.board.commands.index("S4 0") < bench.board.commands.index("FE")


def test_an_unplugged_auth_locked_board_locks_again_and_is_unlocked_for_the_next_demand() -> None:
    bench = Bench(attach=False)
    bench.board.auth_lock = True
    bench.driver.attach(bench.line)
    bench.demand = ON_16
    bench.board.plug()
    bench.until(lambda: bool(bench.states) and bench.state.relay_closed, 6)
    bench.board.unplug()
    bench.run(0.01)
    assert bench.state.ev_connected is False
    bench.run(2)
    assert bench.board.auth_lock is False


# --- heartbeat --------------------------------------------------------------------------------------------------------
def test_the_heartbeat_is_set_to_ten_seconds_and_pulsed_at_least_every_three_also_asleep() -> None:
    bench = Bench().synchronise()
    bench.run(60)
    pulses = [at for at, c in zip(bench.board.times, bench.board.commands, strict=True) if c.startswith("SY")]
    assert bench.board.heartbeat == (10, 6)
    assert max(b - a for a, b in pairwise(pulses)) <= 3.0


def test_supervision_that_was_changed_is_set_again() -> None:
    bench = Bench().synchronise()
    bench.board.heartbeat = (0, 6)
    bench.run(4)
    assert bench.board.heartbeat == (10, 6)


def test_a_lost_pulse_is_repeated_soon() -> None:
    bench = Bench().synchronise()
    bench.run(5)
    receive = bench.board.receive
    pulses: list[float] = []

    def lose_pulses(data: bytes) -> None:
        if data.startswith(b"$SY"):
            pulses.append(bench.clock())
        else:
            receive(data)

    bench.board.receive = lose_pulses  # type: ignore[method-assign]
    bench.run(8)
    assert len(pulses) >= 4


def test_a_missed_heartbeat_is_acknowledged_and_the_limit_restored() -> None:
    bench = charging()
    bench.demand = Demand(Mode.ON, 10)
    bench.run(3)
    bench.board.missed_heartbeat, bench.board.amps = 2, 6
    mark = bench.mark()
    bench.run(4)
    commands, times = bench.board.commands[mark:], bench.board.times[mark:]
    acknowledged = commands.index("SY 165")
    assert commands[acknowledged + 1] == "SC 10 V"
    assert times[acknowledged + 1] - times[acknowledged] < 0.02
    assert (bench.board.amps, bench.board.missed_heartbeat) == (10, 1)


# --- faults -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("state", "code"),
    [
        (0x04, FaultCode.VENT_REQUIRED),
        (0x05, FaultCode.DIODE),
        (0x06, FaultCode.GROUND_FAULT),
        (0x07, FaultCode.NO_GROUND),
        (0x08, FaultCode.RELAY_STUCK),
        (0x09, FaultCode.GFCI_SELFTEST),
        (0x0A, FaultCode.OVER_TEMP),
        (0x0B, FaultCode.OVER_CURRENT),
        (0x0C, FaultCode.PILOT_FAULT),
        (0x0E, FaultCode.RELAY_NO_CLOSE),
    ],
)
def test_every_fault_of_the_board_is_reported_at_once_as_blocking(state: int, code: FaultCode) -> None:
    bench = charging()
    mark = bench.mark()
    bench.board.fail(state)
    bench.until(lambda: bench.faults() == {code: True}, 0.3)
    bench.demand = OFF  # which is what the decision above it does
    bench.run(20)
    assert bench.commands_since(mark) == []
    assert not bench.state.enabled


def test_a_fault_that_the_board_clears_by_itself_is_over_and_idle_means_asleep_again() -> None:
    bench = charging()
    bench.board.fail(0x06)
    bench.demand = OFF
    bench.run(10)
    bench.board.state = 0x01
    bench.board._car_reacts()
    bench.board.say_state()
    bench.until(lambda: bench.board.state == 0xFE, 1)
    assert bench.faults() == {}
    assert not bench.board.relay


def test_a_latched_fault_says_so() -> None:
    bench = charging()
    bench.board.fail(0x06, hard=True)
    bench.run(0.1)
    assert "latched" in bench.state.faults[0].info


def test_switched_off_safety_checks_are_a_warning_on_the_hardware_page() -> None:
    bench = Bench(attach=False)
    bench.board.ecf = "0229"
    bench.driver.attach(bench.line)
    bench.synchronise()
    assert "earth" in bench.driver.warning
    assert "self-test" in bench.driver.warning


# --- trouble on the line ----------------------------------------------------------------------------------------------
def test_a_deaf_board_is_lost_only_after_eight_seconds_and_comes_back_by_itself() -> None:
    bench = charging()
    bench.run(5)
    bench.board.deaf = True
    bench.run(5.9)
    assert bench.faults() == {}
    bench.until(lambda: bench.faults() == {FaultCode.BOARD_COMM: True}, 4)
    assert bench.counters.last_frame_at is not None
    assert 8.0 <= bench.clock() - bench.counters.last_frame_at <= 9.3
    assert (bench.state.cp, bench.state.ev_connected, bench.state.enabled) == ("?", None, False)
    bench.demand = OFF
    bench.board.deaf = False
    mark = bench.mark()
    bench.until(lambda: bench.state.synchronised, 5)
    assert bench.faults() == {}
    assert "FS" in bench.commands_since(mark)


def test_five_deaf_seconds_before_the_relay_closes_are_no_fault() -> None:
    bench = charging()
    bench.board.deaf = True
    bench.run(5)
    bench.board.deaf = False
    bench.run(2)
    assert not any(state.faults for state in bench.states)
    assert bench.state.synchronised


def test_a_lost_line_is_reported_after_eight_seconds_and_a_new_one_synchronised_afresh() -> None:
    bench = charging()
    bench.line.cut()
    with pytest.raises(LineLost):
        bench.run(2)
    for _ in range(6):
        bench.driver.lost("cut")
        bench.clock.now += 2
    bench.driver.lost("cut")
    assert bench.faults() == {FaultCode.BOARD_COMM: True}
    bench.line = FakeLine(bench.clock, bench.board)
    bench.demand = OFF
    bench.driver.attach(bench.line)
    bench.synchronise()
    assert bench.board.state == 0xFE


def test_a_garbled_answer_is_asked_for_again() -> None:
    bench = Bench().synchronise()
    bench.run(5)
    bench.demand = ON_16
    bench.board.garble_next_answer = True
    bench.until(lambda: bench.board.state == 0x01, 4)


def test_a_late_answer_is_dropped_by_its_sequence_id() -> None:
    bench = Bench().synchronise()
    bench.run(5)
    receive = bench.board.receive

    def answer_late(data: bytes) -> None:  # with "ground fault", to an earlier question
        bench.line.deliver(encode_response(True, "06 0 01 0000", seq=0x7F))
        bench.line.deliver(encode_response(True, "06 0 01 0000"))
        receive(data)

    bench.board.receive = answer_late  # type: ignore[method-assign]
    bench.run(5)
    assert all(state.faults == () for state in bench.states)
    assert bench.counters.timeouts == 0


def test_a_command_that_arrives_damaged_is_repeated_with_a_new_id() -> None:
    bench = Bench().synchronise()
    bench.run(5)
    bench.demand = ON_16
    mark = bench.mark()
    receive = bench.board.receive
    damaged: list[bytes] = []

    def damage_first(data: bytes) -> None:
        if data.startswith(b"$FE") and not damaged:
            damaged.append(data)
            data = data.replace(b"FE", b"FX")
        receive(data)

    bench.board.receive = damage_first  # type: ignore[method-assign]
    bench.until(lambda: bench.board.state == 0x01, 4)
    assert bench.commands_since(mark)[-1] == "FE"
    resent = [data for data in bench.line.sent if data.startswith(b"$FE")]
    assert len(set(resent)) == len(resent) == 2


@pytest.mark.parametrize("text", ["AT 03", "AT zz 01 16 0140", "AT 03 03 x 0140", "AB", "AN 0", "WF 02", "AT 3 3 16 1"])
def test_nonsense_of_the_board_changes_nothing_and_breaks_nothing(text: str) -> None:
    bench = Bench().synchronise()
    bench.run(2)
    name, *params = text.split(" ", 1)
    bench.line.deliver(encode_async(name, " ".join(params)))
    bench.run(5)
    assert bench.state.synchronised
    assert bench.board.state == 0xFE
    assert not bench.state.relay_closed


@repeatable
@given(st.lists(st.text("0123456789abcdefg -", max_size=6), max_size=5))
def test_no_words_of_the_board_ever_raise(params: list[str]) -> None:
    words.parse_status(tuple(params))
    words.parse_state_message(tuple(params))
    words.parse_ints(tuple(params))
    words.hottest(tuple(params))


@repeatable
@given(st.binary(max_size=80), st.integers(1, 7))
def test_garbage_and_tiny_chunks_never_disturb_a_charge(garbage: bytes, chunk: int) -> None:
    bench = charging()
    bench.line.chunk = chunk
    bench.line.deliver(garbage + b"\r")
    bench.run(3)
    assert bench.state.relay_closed
    assert not bench.state.faults


# --- reset ------------------------------------------------------------------------------------------------------------
def test_a_reset_sleeps_waits_for_the_relay_restarts_and_synchronises() -> None:
    bench = charging()
    bench.run(5)
    mark = bench.mark()
    bench.driver.request_reset()
    bench.until(lambda: "FR" in bench.board.commands, 3)
    assert bench.commands_since(mark) == ["FS", "FR"]
    assert not bench.board.relay
    bench.demand = OFF
    bench.until(lambda: bench.reboots > 0 and bench.state.synchronised, 8)
    assert bench.faults() == {}


def test_in_a_fault_a_reset_is_the_bare_restart() -> None:
    bench = charging()
    bench.board.fail(0x08)
    bench.demand = OFF
    bench.run(2)
    mark = bench.mark()
    bench.driver.request_reset()
    bench.until(lambda: bench.reboots > 0 and bench.state.synchronised, 8)
    assert bench.commands_since(mark)[0] == "FR"
    assert bench.faults() == {}


def test_a_board_that_does_not_restart_is_a_warning_and_goes_on() -> None:
    bench = Bench().synchronise()
    bench.run(2)
    bench.board.reset_is_broken = True
    bench.driver.request_reset()
    bench.run(14)
    assert bench.faults() == {}
    bench.run(4)
    assert bench.faults() == {FaultCode.RESET_FAILED: False}
    assert bench.state.synchronised
    bench.board.boot()
    bench.run(2)
    assert bench.faults() == {}


def test_a_restart_that_failed_is_tried_again_as_often_as_wanted() -> None:
    bench = Bench().synchronise()
    bench.run(2)
    bench.board.reset_is_broken = True
    bench.driver.request_reset(retries=2)
    bench.run(40)
    assert (bench.board.commands.count("FR"), bench.faults()) == (3, {})
    bench.run(20)
    assert (bench.board.commands.count("FR"), bench.faults()) == (3, {FaultCode.RESET_FAILED: False})


def test_a_retry_that_succeeds_is_no_failure() -> None:
    bench = Bench().synchronise()
    bench.run(2)
    bench.board.reset_is_broken = True
    bench.driver.request_reset(retries=1)
    bench.run(10)
    bench.board.reset_is_broken = False
    bench.until(lambda: bench.reboots > 0 and bench.state.synchronised, 25)
    bench.run(30)
    assert bench.faults() == {}


# --- farewell and pace ------------------------------------------------------------------------------------------------
def test_leaving_an_authorised_charge_leaves_the_board_as_it_is() -> None:
    bench = charging()
    mark = bench.mark()
    bench.driver.farewell()
    assert bench.board.commands[mark:] == []


def test_leaving_without_permission_leaves_the_board_asleep() -> None:
    bench = charging()
    bench.demand = OFF
    bench.driver.farewell()
    assert bench.board.state == 0xFE


def test_idle_the_board_is_asked_about_twice_a_second_and_no_more() -> None:
    bench = Bench().synchronise()
    bench.run(10)
    mark = bench.mark()
    bench.run(60)
    assert 90 <= len(bench.board.commands) - mark <= 130
