"""The box as a whole: real threads, in-process devices, a clock that may run faster than the wall's."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator

import pytest

from hardware.box import Box
from hardware.interfaces import BoxReading, FaultCode, HardwareConfig
from hardware.serial_port import Line, LineLost
from tests.hardware.fakes import FakeBoard, FakeChip, FakeLine, FakeMeter, RealTime

PATIENCE_S = 15.0  # only ever waited for in full by a failing test


class Rig:
    """A box with a board, a meter and a reader on in-process lines."""

    def __init__(self, *, speed: float = 6.0, **config: object) -> None:
        self.clock = RealTime(speed)
        self.board = FakeBoard(RealTime(speed))
        self.meter = FakeMeter(RealTime(speed))
        self.chip = FakeChip(RealTime(speed))
        self.unplugged: set[str] = set()
        self.readings: queue.Queue[BoxReading] = queue.Queue()
        self.cards: queue.Queue[str] = queue.Queue()
        self.crashes: queue.Queue[tuple[str, BaseException]] = queue.Queue()
        self.listen: Callable[[BoxReading], None] = lambda reading: None
        settings = {"board_port": "/b", "meter_port": "/m", "reader_port": "/r", **config}
        self.box = Box(
            HardwareConfig(**settings),  # type: ignore[arg-type]
            on_reading=self._take,
            on_card=self.cards.put,
            on_crash=lambda name, error: self.crashes.put((name, error)),
            clock=self.clock,
            open_line=self._open,
        )

    def _open(self, path: str, baud: int, parity: str) -> Line:
        if path in self.unplugged:
            raise LineLost("no such port")
        device = {"/b": self.board, "/m": self.meter, "/r": self.chip}[path]
        return FakeLine(device.clock, device)

    def _take(self, reading: BoxReading) -> None:
        self.listen(reading)
        self.readings.put(reading)

    def until(self, condition: Callable[[BoxReading], bool]) -> BoxReading:
        """The next reading for which it holds."""
        while True:
            reading = self.readings.get(timeout=PATIENCE_S)
            if condition(reading):
                return reading

    def start(self) -> BoxReading:
        self.box.start()
        return self.until(lambda reading: reading.ready)

    def plug(self) -> None:
        self.board.clock.after(0, self.board.plug)

    def charge(self, amps: float = 16.0) -> BoxReading:
        self.plug()
        self.until(lambda reading: reading.ev_connected is True)
        self.box.setpoint(amps, True)
        return self.until(lambda reading: reading.contactor_closed)

    def pull(self, path: str) -> None:
        self.unplugged.add(path)
        device = {"/b": self.board, "/m": self.meter, "/r": self.chip}[path]
        device.clock.after(0, device.line.cut)


@pytest.fixture
def make_rig() -> Iterator[Callable[..., Rig]]:
    rigs: list[Rig] = []

    def make(**options: object) -> Rig:
        rigs.append(Rig(**options))  # type: ignore[arg-type]
        return rigs[-1]

    yield make
    for rig in rigs:
        rig.listen = lambda reading: None
        rig.box.stop()


MakeRig = Callable[..., Rig]


def codes(reading: BoxReading) -> dict[FaultCode, bool]:
    return {fault.code: fault.blocking for fault in reading.faults}


# --- ready ------------------------------------------------------------------------------------------------------------
def test_nothing_is_claimed_before_the_box_has_started(make_rig: MakeRig) -> None:
    reading = make_rig().box.reading
    assert (reading.ready, reading.ev_connected, reading.offered_a, reading.meter) == (False, None, 0.0, None)


def test_it_is_ready_when_board_and_meter_have_answered(make_rig: MakeRig) -> None:
    rig = make_rig()
    reading = rig.start()
    assert reading.meter is not None
    assert reading.meter.energy_wh == 12345
    assert (reading.ev_connected, reading.contactor_closed, reading.offered_a) == (False, False, 0.0)
    assert (reading.limit_a, reading.faults) == (32.0, ())
    assert reading.temperature_c == pytest.approx(27.4)
    assert rig.box.reading.ready
    assert rig.board.state == 0xFE


def test_without_a_meter_the_board_is_enough(make_rig: MakeRig) -> None:
    assert make_rig(meter="", reader="").start().meter is None


def test_a_silent_meter_delays_ready_until_it_is_a_fault(make_rig: MakeRig) -> None:
    rig = make_rig(speed=8.0)
    rig.meter.mute = True
    reading = rig.start()
    assert codes(reading) == {FaultCode.METER_COMM: False}
    assert reading.meter is None


def test_unknown_devices_are_refused_by_name() -> None:
    for name in ("board", "meter", "reader"):
        with pytest.raises(ValueError, match=f"unknown {name} 'nonsense'; known: "):
            Rig(**{name: "nonsense"})  # type: ignore[arg-type]


# --- charging ---------------------------------------------------------------------------------------------------------
def test_a_plug_is_told_within_a_third_of_a_second(make_rig: MakeRig) -> None:
    rig = make_rig(speed=1.0, meter="", reader="")
    rig.start()
    plugged_at = rig.clock()
    rig.plug()
    reading = rig.until(lambda reading: reading.ev_connected is True)
    assert reading.at - plugged_at < 0.3
    assert (reading.ev_requests, reading.offered_a) == (False, 0.0)


def test_a_setpoint_becomes_energy_and_its_withdrawal_ends_it(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.start()
    reading = rig.charge(13.7)
    assert (reading.ev_requests, reading.offered_a, rig.board.amps) == (True, 13.0, 13)
    rig.box.setpoint(0.0, False)
    reading = rig.until(lambda reading: not reading.contactor_closed)
    assert (reading.ev_connected, reading.offered_a, reading.faults) == (True, 0.0, ())


def test_an_open_contactor_is_told_with_a_meter_reading_taken_after_it(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.start()
    rig.charge(16.0)
    rig.box.setpoint(0.0, False)
    last_closed = rig.until(lambda reading: reading.offered_a == 0.0)
    opened = rig.until(lambda reading: not reading.contactor_closed)
    assert opened.meter is not None
    assert last_closed.meter is not None
    assert opened.meter.at > last_closed.meter.at
    assert opened.at - opened.meter.at < 0.3  # at six-fold speed: the sample that the opening asked for


def test_a_setpoint_reaches_the_board_without_waiting_for_the_next_poll(make_rig: MakeRig) -> None:
    rig = make_rig(speed=1.0, meter="", reader="")
    rig.start()
    rig.plug()
    rig.until(lambda reading: reading.ev_connected is True)
    wanted_at = rig.clock()
    rig.box.setpoint(16.0, True)
    rig.until(lambda reading: reading.offered_a == 16.0)
    assert rig.board.times[rig.board.commands.index("FE")] - wanted_at < 0.15


def test_zero_ampere_is_a_pause_that_keeps_the_car_connected(make_rig: MakeRig) -> None:
    rig = make_rig(speed=8.0)
    rig.start()
    rig.charge()
    rig.box.setpoint(0.0, True)
    paused = rig.until(lambda reading: not reading.contactor_closed)
    assert (paused.offered_a, paused.ev_connected) == (0.0, True)
    rig.box.setpoint(10.0, True)
    assert rig.until(lambda reading: reading.contactor_closed).offered_a == 10.0


def test_samples_come_every_second_while_energy_may_flow(make_rig: MakeRig) -> None:
    rig = make_rig(speed=8.0)
    rig.start()
    rig.charge()
    samples = []
    while len(samples) < 4:
        reading = rig.readings.get(timeout=PATIENCE_S)
        if reading.meter not in samples:
            samples.append(reading.meter)
    assert samples[-1].at - samples[0].at < 4.5  # idle it would be 15


def test_permission_alone_makes_the_meter_read_at_once(make_rig: MakeRig) -> None:
    rig = make_rig(speed=3.0)
    rig.start()
    wanted_at = rig.clock()
    rig.box.setpoint(16.0, True)
    reading = rig.until(lambda reading: reading.meter is not None and reading.meter.at > wanted_at)
    assert reading.at - wanted_at < 2.5  # idle it would be five


def test_a_fresh_meter_reading_comes_on_request(make_rig: MakeRig) -> None:
    rig = make_rig()
    first = rig.start().meter
    rig.meter.values[0x48] = 12.346
    rig.box.refresh_meter()
    reading = rig.until(lambda reading: reading.meter != first)
    assert reading.meter is not None
    assert reading.meter.energy_wh == 12346
    assert first is not None
    assert reading.meter.at - first.at < 3.0


def test_nothing_new_is_no_reading(make_rig: MakeRig) -> None:
    rig = make_rig(speed=20.0, meter="", reader="")
    rig.start()
    rig.board.clock.after(15.0, rig.board.plug)
    assert rig.readings.get(timeout=PATIENCE_S).ev_connected is True


# --- unplugging -------------------------------------------------------------------------------------------------------
def test_an_unplug_without_permission_is_told_at_once(make_rig: MakeRig) -> None:
    rig = make_rig(speed=1.0, meter="", reader="")
    rig.start()
    rig.plug()
    rig.until(lambda reading: reading.ev_connected is True)
    unplugged_at = rig.clock()
    rig.board.clock.after(0, rig.board.unplug)
    assert rig.until(lambda reading: reading.ev_connected is False).at - unplugged_at < 0.3


def test_an_unplug_of_a_charging_car_opens_the_contactor_at_once_and_counts_after_a_second(make_rig: MakeRig) -> None:
    rig = make_rig(meter="", reader="")
    rig.start()
    rig.charge()
    unplugged_at = rig.clock()
    rig.board.clock.after(0, rig.board.unplug)
    opened = rig.until(lambda reading: not reading.contactor_closed)
    assert opened.ev_connected is True
    assert 1.0 <= rig.until(lambda reading: reading.ev_connected is False).at - unplugged_at < 2.5


def test_a_bounce_of_the_pilot_is_not_an_unplug(make_rig: MakeRig) -> None:
    rig = make_rig(speed=1.0, meter="", reader="")  # 0.4 s are real ones: busy cores must not stretch them
    rig.start()
    rig.charge()
    rig.board.clock.after(0, rig.board.unplug)
    rig.board.clock.after(0.4, rig.board.plug)
    rig.until(lambda reading: not reading.contactor_closed)
    while not (reading := rig.readings.get(timeout=PATIENCE_S)).contactor_closed:
        assert reading.ev_connected is True
    assert reading.ev_connected is True


# --- faults -----------------------------------------------------------------------------------------------------------
def test_a_fault_of_the_board_is_told_at_once_and_energy_is_withdrawn(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.start()
    rig.charge()
    rig.board.clock.after(0, lambda: rig.board.fail(0x06))
    reading = rig.until(lambda reading: bool(reading.faults))
    assert codes(reading) == {FaultCode.GROUND_FAULT: True}
    assert (reading.offered_a, reading.contactor_closed) == (0.0, False)


def test_a_welded_contactor_seen_by_the_meter_blocks(make_rig: MakeRig) -> None:
    rig = make_rig(speed=8.0)
    rig.start()
    rig.meter.values[6] = 5.0
    reading = rig.until(lambda reading: bool(reading.faults))
    assert codes(reading) == {FaultCode.RELAY_STUCK: True}
    rig.box.setpoint(16.0, True)
    rig.plug()
    rig.until(lambda reading: reading.ev_connected is True)
    assert "FE" not in rig.board.commands


def test_a_lost_board_is_a_blocking_fault_and_comes_back_alone(make_rig: MakeRig) -> None:
    rig = make_rig(speed=10.0)
    rig.start()
    rig.charge()
    lost_at = rig.clock()
    rig.pull("/b")
    reading = rig.until(lambda reading: FaultCode.BOARD_COMM in codes(reading))
    assert reading.at - lost_at > 6.5
    assert (reading.ev_connected, reading.offered_a, codes(reading)[FaultCode.BOARD_COMM]) == (None, 0.0, True)
    rig.unplugged.clear()
    reading = rig.until(lambda reading: FaultCode.BOARD_COMM not in codes(reading) and reading.contactor_closed)
    assert rig.box.health()[0].reconnects >= 1


def test_lost_meter_and_reader_are_warnings_and_charging_goes_on(make_rig: MakeRig) -> None:
    rig = make_rig(speed=10.0)
    rig.start()
    rig.charge()
    rig.pull("/m")
    rig.pull("/r")
    reading = rig.until(lambda reading: len(reading.faults) == 2)
    assert codes(reading) == {FaultCode.METER_COMM: False, FaultCode.READER_COMM: False}
    assert reading.contactor_closed
    rig.unplugged.clear()
    assert rig.until(lambda reading: not reading.faults).contactor_closed


def test_ports_that_were_never_configured_are_named_as_faults(make_rig: MakeRig) -> None:
    rig = make_rig(speed=10.0)
    rig.unplugged |= {"/b", "/m", "/r"}
    rig.box.start()
    reading = rig.until(lambda reading: len(reading.faults) == 3)
    assert not reading.ready
    assert reading.faults[0].code is FaultCode.BOARD_COMM


def test_a_reset_restarts_the_board_and_leaves_it_asleep(make_rig: MakeRig) -> None:
    rig = make_rig(speed=8.0, meter="", reader="")
    rig.start()
    rig.charge()
    rig.box.setpoint(0.0, False)
    assert rig.box.reset_board()
    rig.until(lambda reading: not reading.contactor_closed)
    rig.until(lambda reading: reading.ev_connected is None)  # it restarts
    rig.until(lambda reading: reading.ev_connected is True)
    rebooted = threading.Event()
    rig.board.clock.after(3.0, rebooted.set)
    assert rebooted.wait(PATIENCE_S)
    after_restart = rig.board.commands[rig.board.commands.index("FR") + 1 :]
    assert "FS" in after_restart
    assert "FE" not in after_restart
    assert rig.box.board_restarts > 0
    assert rig.board.state == 0xFE
    assert rig.box.reading.faults == ()


# --- cards, health, callbacks -----------------------------------------------------------------------------------------
def test_a_card_is_delivered_once(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.start()
    rig.chip.clock.after(0, lambda: setattr(rig.chip, "card", bytes.fromhex("04A1B2C3")))
    assert rig.cards.get(timeout=PATIENCE_S) == "04A1B2C3"
    assert rig.cards.empty()


def test_an_ascii_reader_is_delivered_too(make_rig: MakeRig) -> None:
    rig = make_rig(reader="ascii")
    rig.start()
    rig.chip.line.deliver(b"CARD 7\r\n")
    assert rig.cards.get(timeout=PATIENCE_S) == "CARD 7"


def test_health_names_every_line_and_its_device(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.start()
    board, meter, reader = rig.box.health()
    assert (board.name, board.device, board.path, board.is_open) == ("board", "openevse 8.2.3", "/b", True)
    assert (meter.name, meter.device, meter.is_open) == ("meter", "sdm230 unit 1", True)
    assert (reader.name, reader.path) == ("reader", "/r")
    assert board.frames > 10
    assert board.error == ""


def test_a_crash_in_a_callback_is_reported_and_the_box_goes_on(make_rig: MakeRig) -> None:
    rig = make_rig(meter="", reader="")
    rig.start()

    def fail(reading: BoxReading) -> None:
        rig.listen = lambda reading: None
        raise ZeroDivisionError("oops")

    rig.listen = fail
    rig.plug()
    name, error = rig.crashes.get(timeout=PATIENCE_S)
    assert (name, str(error)) == ("board", "oops")
    rig.box.setpoint(16.0, True)
    assert rig.until(lambda reading: reading.contactor_closed).offered_a == 16.0


def test_a_setpoint_never_waits_for_a_slow_listener_and_may_come_from_one(make_rig: MakeRig) -> None:
    rig = make_rig(meter="", reader="")
    rig.start()
    inside, go_on = threading.Event(), threading.Event()

    def slow(reading: BoxReading) -> None:
        rig.listen = lambda reading: None
        rig.box.setpoint(10.0, True)
        inside.set()
        go_on.wait(PATIENCE_S)

    rig.listen = slow
    rig.plug()
    assert inside.wait(PATIENCE_S)
    rig.box.setpoint(12.0, True)  # returns although the listener still sits in its call
    assert rig.box.reading.ev_connected is True
    go_on.set()
    assert rig.until(lambda reading: reading.contactor_closed).offered_a == 12.0


def test_readings_are_told_one_at_a_time(make_rig: MakeRig) -> None:
    rig = make_rig(speed=10.0)
    busy = threading.Lock()
    overlaps: list[BoxReading] = []

    def listen(reading: BoxReading) -> None:
        if not busy.acquire(blocking=False):
            overlaps.append(reading)
            return
        rig.box.health()
        busy.release()

    rig.listen = listen
    rig.start()
    rig.charge()
    rig.box.setpoint(0.0, False)
    rig.until(lambda reading: not reading.contactor_closed)
    assert overlaps == []


# --- stopping ---------------------------------------------------------------------------------------------------------
def test_stopping_leaves_an_authorised_charge_running(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.start()
    rig.charge()
    rig.box.stop()
    assert (rig.board.state, rig.board.relay) == (3, True)
    assert rig.board.line.is_closed
    assert rig.meter.line.is_closed
    assert rig.chip.line.is_closed


def test_stopping_without_permission_leaves_the_board_asleep(make_rig: MakeRig) -> None:
    rig = make_rig()
    rig.start()
    rig.charge()
    rig.box.setpoint(0.0, False)
    rig.box.stop()
    assert rig.board.state == 0xFE


def test_a_box_that_was_never_started_stops(make_rig: MakeRig) -> None:
    make_rig().box.stop()
