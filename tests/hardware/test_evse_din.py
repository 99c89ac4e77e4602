"""The driver of the EVSE-DIN family: golden frames, sequences on the simulated board, what it refuses to believe."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware import modbus_rtu as rtu
from hardware.drivers import evse_din_words as words
from hardware.drivers.evse_din import EvseDin
from hardware.evse import Demand, Mode
from hardware.interfaces import BoardState, FaultCode
from hardware.serial_port import Counters, LineLost
from hardware.simulator.evse_din import EvseDin as SimulatedBoard
from hardware.simulator.openevse_build import BoardSense
from tests.hardware.fakes import FakeLine, VirtualTime, repeatable
from tests.hardware.sim_line import SimLine, step_until
from tests.hardware.simulator.rig import Rig, Sections

FLAGS_INDEX = words.FLAGS - words.SETTINGS_ADDRESS
STATUS_REQUEST = bytes.fromhex("010303E8000A45BD")
STATUS_REPLY = bytes.fromhex("010314002000000001000500000012000100000000000021C5")
SETTINGS_REQUEST = bytes.fromhex("010307D00012C54A")
SETTINGS_REPLY = bytes.fromhex(
    "010324002000010005000100000209" + "00000000FFFF0003" + "0006000A0010001900200030003F005042EE"
)


class Bench:
    """The driver on a simulated board with a car. `demand` is what the station wants of it."""

    def __init__(self, stored: Sections | None = None, **config: object) -> None:
        self.rig = Rig(stored, board="evse_din", **config)
        self.line = SimLine(self.rig, "board")
        self.counters = Counters()
        self.demand = Demand(Mode.OFF, 16)
        self.states: list[BoardState] = []
        self.reboots = 0
        self.driver = EvseDin(self.line.clock, self.counters, self._supervise, self._rebooted)
        self.driver.attach(self.line)

    def _supervise(self, state: BoardState) -> Demand:
        self.states.append(state)
        return self.demand

    def _rebooted(self) -> None:
        self.reboots += 1

    @property
    def state(self) -> BoardState:
        return self.states[-1]

    @property
    def registers(self) -> list[int]:
        return self.rig.simulation.board.memory()["registers"]  # type: ignore[return-value]

    def step(self) -> None:
        self.driver.step()

    def until(self, condition: Callable[[], object], within_s: float = 10.0) -> float:
        return step_until(self.rig, self.step, condition, within_s)

    def run(self, seconds: float) -> None:
        until = self.rig.now + seconds
        while self.rig.now < until:
            self.step()

    def ready(self) -> Bench:
        self.until(lambda: self.states and self.state.synchronised)
        return self

    def charge(self, amps: int = 16) -> Bench:
        self.until(lambda: self.states and self.state.synchronised)
        self.rig.simulation.world.plug({})
        self.until(lambda: self.state.ev_connected)
        self.want(Mode.ON, amps)
        self.until(lambda: self.state.relay_closed)
        self.until(lambda: self.rig.current_a > amps - 1, 30)
        return self

    def want(self, mode: Mode, amps: int = 16) -> None:
        self.demand = Demand(mode, amps)
        self.line.wake()

    def writes(self) -> list[tuple[int, int]]:
        """Registers and values that were written, in order."""
        decoder = rtu.RequestDecoder()
        requests = [request for frame in self.line.sent for request in decoder.feed(frame)]
        return [(r.address, r.values[0]) for r in requests if isinstance(r, rtu.WriteRegisters)]


# --- golden frames ----------------------------------------------------------------------------------------------------
def test_the_requests_are_the_reference_s() -> None:
    bench = Bench().ready()
    assert bench.line.sent[:2] == [STATUS_REQUEST, STATUS_REQUEST] or bench.line.sent[0] == STATUS_REQUEST
    assert SETTINGS_REQUEST in bench.line.sent
    bench.rig.simulation.world.plug({})
    bench.until(lambda: bench.state.ev_connected)
    bench.want(Mode.ON, 16)
    bench.until(lambda: bench.state.relay_closed)
    assert bytes.fromhex("011003E80001020010" + "83B4") in bench.line.sent
    bench.want(Mode.CUT)
    bench.until(lambda: not bench.state.relay_closed)
    assert bytes.fromhex("011003EC0001020001" + "423C") in bench.line.sent


def test_the_reference_s_answers_are_understood() -> None:
    status = rtu.ReplyDecoder(1, rtu.READ_HOLDING, 10).feed(STATUS_REPLY)
    assert isinstance(status, rtu.RegistersReply)
    parsed = words.parse_status(status.registers)
    assert parsed == words.Status(configured=32, on_pilot=0, vehicle=1, firmware=18, evse=1, bits=0)
    assert (parsed.cp, parsed.ev_connected, parsed.relay_closed) == ("A", False, False)
    reply = rtu.ReplyDecoder(1, rtu.READ_HOLDING, 18).feed(SETTINGS_REPLY)
    assert isinstance(reply, rtu.RegistersReply)
    assert words.parse_settings(reply.registers, 18) == words.Settings(
        boot_a=32, minimum_a=5, flags=0x0209, firmware=18
    )


def test_the_simulated_board_answers_as_the_reference_has_it() -> None:
    board = SimulatedBoard({})
    board.power_on(0.0)
    board.step(0.02, 2.0, BoardSense())
    board.receive(STATUS_REQUEST)
    assert board.take_output() == STATUS_REPLY
    board.step(0.02, 3.0, BoardSense())
    board.receive(rtu.write_registers_request(1, words.FLAGS, (0x0209,)))
    board.take_output()
    board.step(0.02, 4.0, BoardSense())
    board.receive(SETTINGS_REQUEST)
    assert board.take_output() == SETTINGS_REPLY
    board.step(0.02, 5.0, BoardSense())
    board.receive(bytes.fromhex("011003E8000102001083B4"))
    assert board.take_output() == bytes.fromhex("011003E8000181B9")


# --- contact ----------------------------------------------------------------------------------------------------------
def test_after_contact_the_board_offers_nothing_and_is_disabled_for_good() -> None:
    bench = Bench().ready()
    assert bench.state.enabled is False
    assert (bench.state.cp, bench.state.ev_connected, bench.state.max_a) == ("A", False, 80.0)
    flags = bench.registers[FLAGS_INDEX]
    assert flags & words.DISABLED
    assert not flags & words.UNWANTED_FLAGS
    assert bench.driver.description == "evse_din revision 18"


def test_what_it_would_offer_after_a_power_cut_is_lowered_to_the_least() -> None:
    bench = Bench().ready()
    assert bench.registers[0] == 6


def test_settings_that_fit_already_are_not_written_again() -> None:
    stored = {"evse_din": {"registers": Bench().ready().registers}}
    bench = Bench(stored).ready()
    bench.run(120)
    assert {register for register, _ in bench.writes()} <= {words.CONFIGURED_A}


def test_bit_15_is_never_written() -> None:
    registers = Bench().ready().registers
    registers[FLAGS_INDEX] |= words.BOOTLOADER
    bench = Bench({"evse_din": {"registers": registers}}).ready()
    assert bench.writes()
    assert not any(register == words.FLAGS and value & words.BOOTLOADER for register, value in bench.writes())


def test_requests_keep_the_distance_that_the_board_needs() -> None:
    bench = Bench().ready()
    before = bench.counters.timeouts  # it does not answer before it has booted
    bench.charge()
    bench.run(10)
    assert bench.counters.timeouts == before


def test_without_an_answer_the_board_is_lost_after_five_seconds_and_comes_back() -> None:
    bench = Bench().ready()
    bench.rig.simulation.lines["board"].set_mode(link("mute"), bench.rig.now)
    silent_s = bench.until(lambda: bench.state.faults, 15)
    assert 4.0 <= silent_s <= 8.0
    assert bench.state.faults[0].code is FaultCode.BOARD_COMM
    assert (bench.state.cp, bench.state.ev_connected) == ("?", None)
    bench.rig.simulation.lines["board"].set_mode(link("ok"), bench.rig.now)
    bench.until(lambda: bench.state.synchronised and not bench.state.faults, 10)


def test_a_lost_port_is_a_lost_board() -> None:
    bench = Bench().ready()
    bench.rig.simulation.lines["board"].set_mode(link("unplugged"), bench.rig.now)
    with pytest.raises(LineLost):
        bench.step()
    bench.driver.lost("unplugged")
    assert not bench.state.synchronised
    bench.rig.run(6)
    bench.driver.lost("unplugged")
    assert [fault.code for fault in bench.state.faults] == [FaultCode.BOARD_COMM]


def test_old_firmware_is_refused_with_the_reason() -> None:
    clock = VirtualTime()
    board = Registers(clock, {**dict(zip(range(1000, 1007), (32, 0, 1, 5, 0, 8, 1), strict=True)), **SETTINGS})
    driver = EvseDin(clock, Counters(), lambda state: Demand(Mode.OFF, 6), lambda: None)
    driver.attach(FakeLine(clock, board))
    for _ in range(5):
        driver.step()
    assert "too old" in driver.warning
    assert board.writes == []


# --- sequences --------------------------------------------------------------------------------------------------------
def test_energy_is_permitted_with_the_right_limit_from_the_first_moment() -> None:
    bench = Bench().ready()
    bench.rig.simulation.world.plug({})
    bench.until(lambda: bench.state.ev_connected)
    bench.want(Mode.ON, 13)
    took_s = bench.until(lambda: bench.state.relay_closed)
    assert took_s < 6.0
    assert bench.rig.pilot_a == pytest.approx(13)
    assert (bench.state.limit_a, bench.state.enabled, bench.state.cp) == (13.0, True, "C")


@pytest.mark.parametrize("amps", [10, 6, 16])
def test_a_new_limit_reaches_the_pilot_within_a_second(amps: int) -> None:
    bench = Bench().charge(12)
    bench.want(Mode.ON, amps)
    assert bench.until(lambda: bench.rig.pilot_a == pytest.approx(amps)) < 1.5
    bench.until(lambda: bench.state.limit_a == amps, 2)


def test_a_stop_takes_the_offer_away_and_lets_the_car_end() -> None:
    bench = Bench().charge()
    bench.want(Mode.OFF)
    took_s = bench.until(lambda: not bench.state.relay_closed)
    assert took_s < 4.5
    assert (words.COMMANDS, words.TURN_OFF_NOW) not in bench.writes()
    assert bench.rig.pilot_a == 0


def test_a_car_that_goes_on_drawing_is_switched_off_after_three_seconds() -> None:
    bench = Bench().charge()
    bench.rig.fault("ignore_pwm_off")
    bench.want(Mode.OFF)
    took_s = bench.until(lambda: not bench.rig.state["relay"])
    assert 3.0 <= took_s < 4.5
    assert (words.COMMANDS, words.TURN_OFF_NOW) in bench.writes()


def test_a_cut_opens_at_once() -> None:
    bench = Bench().charge()
    bench.rig.fault("ignore_pwm_off")
    bench.want(Mode.CUT)
    assert bench.until(lambda: not bench.rig.state["relay"]) < 1.5


def test_a_short_pause_does_not_wear_the_eeprom_and_a_long_rest_disables_the_board() -> None:
    bench = Bench().charge()
    written = len([1 for register, _ in bench.writes() if register == words.FLAGS])
    bench.want(Mode.OFF)
    bench.run(20)
    bench.want(Mode.ON)
    bench.until(lambda: bench.state.relay_closed, 15)
    assert len([1 for register, _ in bench.writes() if register == words.FLAGS]) == written
    bench.want(Mode.OFF)
    bench.run(35)
    assert bench.registers[FLAGS_INDEX] & words.DISABLED


def test_a_board_that_was_disabled_offers_nothing_after_a_power_cut() -> None:
    bench = Bench().ready()
    bench.rig.simulation.world.plug({})
    bench.rig.simulation.power_cut(1.0)
    bench.rig.run(20)
    assert bench.rig.pilot_a == 0
    assert not bench.rig.state["relay"]


def test_a_power_cut_while_charging_is_noticed_and_the_limit_told_again() -> None:
    bench = Bench().charge(13)
    bench.rig.simulation.power_cut(1.0)
    bench.until(lambda: bench.rig.pilot_a == pytest.approx(13), 20)
    assert bench.reboots == 1
    bench.until(lambda: bench.state.relay_closed, 10)


def test_an_unplug_under_load_opens_the_contactor_at_once() -> None:
    bench = Bench().charge()
    bench.rig.simulation.world.ev.unplug()
    bench.rig.run(0.3)
    assert not bench.rig.state["relay"]
    bench.until(lambda: bench.state.ev_connected is False, 3)


def test_at_the_end_of_the_program_an_idle_board_is_left_disabled_and_a_charging_one_as_it_is() -> None:
    bench = Bench().ready()
    bench.driver.farewell()
    assert bench.registers[FLAGS_INDEX] & words.DISABLED
    charging = Bench().charge()
    charging.driver.farewell()
    charging.rig.run(5)
    assert charging.rig.state["relay"]


def test_somebody_else_s_disabling_is_undone_while_energy_is_wanted() -> None:
    bench = Bench().charge()
    board = bench.rig.simulation.board
    bench.rig.run(0.5)
    bench.rig.send("board", rtu.write_registers_request(1, words.FLAGS, (bench.registers[FLAGS_INDEX] | 0x4000,)))
    bench.rig.listen("board")
    assert bench.registers[FLAGS_INDEX] & words.DISABLED
    bench.until(lambda: not bench.registers[FLAGS_INDEX] & words.DISABLED, 10)
    bench.until(lambda: board.relay_closed, 15)


# --- faults -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(("fault", "code"), [("diode_short", FaultCode.DIODE), ("vent", FaultCode.VENT_REQUIRED)])
def test_a_car_that_is_wrong_is_a_fault_until_it_is_unplugged(fault: str, code: FaultCode) -> None:
    bench = Bench().ready()
    bench.rig.fault(fault)
    bench.rig.simulation.world.plug({})
    bench.until(lambda: bench.state.ev_connected)
    bench.want(Mode.ON)
    bench.until(lambda: [f.code for f in bench.state.faults] == [code] and bench.state.cp == "F")
    assert bench.state.faults[0].blocking
    assert (bench.state.enabled, bench.state.ev_connected) == (False, None)
    bench.want(Mode.OFF)
    bench.rig.simulation.world.ev.unplug()
    bench.rig.fault(fault, active=False)
    bench.until(lambda: bench.state.faults == () and bench.state.ev_connected is False)


def test_leakage_opens_the_contactor_and_is_cleared_when_the_car_is_gone() -> None:
    bench = Bench().charge()
    bench.rig.fault("ground_fault", value=30.0)
    bench.until(lambda: [f.code for f in bench.state.faults] == [FaultCode.GROUND_FAULT])
    assert not bench.rig.state["relay"]
    bench.want(Mode.OFF)
    bench.run(5)
    assert bench.state.faults
    bench.rig.fault("ground_fault", active=False)
    bench.rig.simulation.world.ev.unplug()
    bench.until(lambda: bench.state.faults == (), 10)


def test_a_pilot_failure_is_an_e() -> None:
    bench = Bench().ready()
    bench.rig.fault("pilot_short")
    bench.until(lambda: bench.state.cp == "E")
    assert bench.state.ev_connected is None


# --- what cannot be true ----------------------------------------------------------------------------------------------
@repeatable
@given(st.lists(st.integers(0, 0xFFFF), min_size=0, max_size=20))
def test_registers_of_any_content_are_a_status_or_none(registers: list[int]) -> None:
    status = words.parse_status(tuple(registers))
    if status is not None:
        assert status.cp in "ABCDEF"
        assert len(registers) == words.STATUS_COUNT
    settings = words.parse_settings(tuple(registers), 18)
    if settings is not None:
        assert not settings.wanted_flags(True) & words.UNWANTED_FLAGS


@repeatable
@given(st.binary(max_size=80), st.integers(0, 40), st.integers(1, 7))
def test_garbage_before_any_answer_raises_nothing_and_makes_no_false_state(
    garbage: bytes, position: int, chunk: int
) -> None:
    clock = VirtualTime()
    board = Registers(clock, IDLE)
    states: list[BoardState] = []

    def supervise(state: BoardState) -> Demand:
        states.append(state)
        return Demand(Mode.OFF, 6)

    driver = EvseDin(clock, Counters(), supervise, lambda: None)
    line = FakeLine(clock, board)
    line.chunk = chunk
    driver.attach(line)
    line.deliver(garbage, position / 20)
    until = clock() + 8
    while clock() < until:
        driver.step()
    assert states[-1].synchronised
    assert not any(state.relay_closed or state.ev_connected or state.enabled or state.faults for state in states)


@repeatable
@given(st.lists(st.tuples(st.integers(0, 24), st.integers(1, 255)), min_size=1, max_size=4), st.integers(0, 12))
def test_damaged_answers_make_no_false_state(damage: list[tuple[int, int]], every: int) -> None:
    clock = VirtualTime()
    board = Registers(clock, IDLE, damage=damage, every=every + 2)
    states: list[BoardState] = []

    def supervise(state: BoardState) -> Demand:
        states.append(state)
        return Demand(Mode.OFF, 6)

    driver = EvseDin(clock, Counters(), supervise, lambda: None)
    driver.attach(FakeLine(clock, board))
    until = clock() + 20
    while clock() < until:
        driver.step()
    assert not any(state.relay_closed or state.ev_connected or state.enabled or state.faults for state in states)


# --- helpers ----------------------------------------------------------------------------------------------------------
SETTINGS = dict(
    zip(
        range(2000, 2018),
        (6, 1, 5, 1, 0, 0x4201, 0, 0, 0xFFFF, 3, 6, 10, 16, 25, 32, 48, 63, 80),
        strict=True,
    )
)
IDLE = {**dict(zip(range(1000, 1010), (0, 0, 1, 5, 0, 18, 3, 0, 0, 0), strict=True)), **SETTINGS}


def link(mode: str):  # type: ignore[no-untyped-def]
    from hardware.simulator.line import link_mode

    return link_mode(mode, {})


class Registers:
    """A board that is nothing but its registers; some of its answers are damaged."""

    line: FakeLine

    def __init__(
        self,
        clock: VirtualTime,
        registers: dict[int, int],
        damage: list[tuple[int, int]] | None = None,
        every: int = 2,
    ) -> None:
        self.clock = clock
        self.registers = dict(registers)
        self.writes: list[tuple[int, int]] = []
        self._damage, self._every, self._answers = damage or [], every, 0
        self._decoder = rtu.RequestDecoder()

    def receive(self, data: bytes) -> None:
        for request in self._decoder.feed(data):
            answer = bytearray(self._answer(request))
            self._answers += 1
            if self._answers % self._every == 0:
                for position, change in self._damage:
                    answer[position % len(answer)] ^= change
            self.line.deliver(bytes(answer), 0.03)

    def _answer(self, request: rtu.Request) -> bytes:
        match request:
            case rtu.ReadRegisters(unit, function, address, count):
                values = [self.registers.get(address + n) for n in range(count)]
                if None in values:
                    return rtu.exception_response(unit, function, rtu.ILLEGAL_ADDRESS)
                return rtu.read_response(unit, function, [value for value in values if value is not None])
            case rtu.WriteRegisters(unit, _, address, values):
                self.writes.append((address, values[0]))
                self.registers[address] = values[0]
                return rtu.write_registers_response(unit, address, 1)
        raise AssertionError(request)
