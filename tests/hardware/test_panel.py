"""The panel: patterns of lamps and buzzer, its frames, the driver, the alarms, and GPIO lines."""

from __future__ import annotations

import sys
from types import ModuleType
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from hardware.alarms import Alarms
from hardware.drivers.panel import PanelDriver
from hardware.gpio_line import GpioLine
from hardware.interfaces import CardSignal, FaultCode, Hold, PanelInputs, Show
from hardware.panel import INPUTS, OUTPUTS, Decoder, Picture, encode, is_steady, outputs
from hardware.serial_port import Counters, LineLost
from tests.hardware.fakes import FakeLine, VirtualTime, repeatable

DARK = dict.fromkeys(OUTPUTS, False)


def lit(picture: Picture, seconds: float = 12.0) -> list[str]:
    """The colours that are seen, in order, sampled every 50 ms without repetitions."""
    seen: list[str] = []
    for n in range(int(seconds / 0.05)):
        now = outputs(picture, 100 + n * 0.05)
        colour = lamps_of(now)
        if not seen or seen[-1] != colour:
            seen.append(colour)
    return seen


def lamps_of(values: dict[str, bool]) -> str:
    return "".join(letter for letter, name in (("r", "red"), ("g", "green"), ("b", "blue")) if values[name]) or "-"


# --- patterns ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("show", "colours"),
    [
        (Show.AVAILABLE, {"g"}),
        (Show.PREPARING, {"g", "-"}),
        (Show.CHARGING, {"b", "-"}),
        (Show.PAUSED, {"b", "-"}),
        (Show.FINISHED, {"gb"}),
        (Show.RESERVED, {"rg"}),
        (Show.UNAVAILABLE, {"rgb", "-"}),
        (Show.FAULTED, {"r"}),
    ],
)
def test_every_state_has_its_colour(show: Show, colours: set[str]) -> None:
    assert set(lit(Picture(show=show))) == colours


def test_no_two_states_look_the_same() -> None:
    looks = {show: tuple(tuple(outputs(Picture(show=show), n / 20).values()) for n in range(120)) for show in Show}
    assert len(set(looks.values())) == len(Show)


def test_a_warning_flashes_red_beside_the_state() -> None:
    assert set(lit(Picture(show=Show.AVAILABLE, warning=True))) == {"g", "r"}


def beeps(signal: CardSignal) -> int:
    return sum_of_beeps(Picture(signal=signal, signal_at=50.0))


def sum_of_beeps(picture: Picture) -> int:
    sounds = [outputs(picture, 50 + n / 100)["buzzer"] for n in range(300)]
    return sum(1 for before, now in zip([False, *sounds], sounds, strict=False) if now and not before)


@pytest.mark.parametrize(
    ("signal", "count"),
    [(CardSignal.ACCEPTED, 1), (CardSignal.REJECTED, 3), (CardSignal.SEEN, 0), (CardSignal.WAITING, 0)],
)
def test_an_accepted_card_beeps_once_and_a_rejected_one_three_times(signal: CardSignal, count: int) -> None:
    assert beeps(signal) == count


def test_the_alarm_of_the_emergency_stop_is_continuous() -> None:
    assert all(outputs(Picture(alarm=True), n / 10)["buzzer"] for n in range(100))


def test_after_a_signal_the_state_is_shown_again() -> None:
    picture = Picture(show=Show.AVAILABLE, signal=CardSignal.REJECTED, signal_at=10.0)
    assert outputs(picture, 10.0)["red"]
    assert outputs(picture, 11.3) == {**DARK, "green": True}
    assert is_steady(picture, 11.3)
    assert not is_steady(picture, 10.5)


# --- frames -----------------------------------------------------------------------------------------------------------
bits = st.fixed_dictionaries({name: st.booleans() for name in INPUTS})


@repeatable
@given(st.lists(bits, max_size=4), st.binary(max_size=40), st.integers(1, 9))
def test_frames_come_back_in_any_pieces_after_any_noise(sent: list[dict[str, bool]], noise: bytes, chunk: int) -> None:
    stream = noise + b"".join(encode("in", values) for values in sent)
    decoder = Decoder("in", INPUTS)
    heard = [values for at in range(0, len(stream), chunk) for values in decoder.feed(stream[at : at + chunk])]
    assert heard == sent


@repeatable
@given(bits, st.lists(st.tuples(st.integers(0, 200), st.integers(0, 7)), min_size=1, max_size=3, unique=True))
def test_flipped_bits_are_never_another_contact(values: dict[str, bool], flips: list[tuple[int, int]]) -> None:
    frame = bytearray(encode("in", values))
    for position, bit in flips:
        frame[position % len(frame)] ^= 1 << bit
    assert all(heard == values for heard in Decoder("in", INPUTS).feed(bytes(frame) + b"\n"))


@repeatable
@given(st.binary(max_size=300))
def test_no_bytes_ever_raise_or_press_anything(data: bytes) -> None:
    assert Decoder("in", INPUTS).feed(data) == []


def test_a_frame_of_the_other_direction_or_with_an_unknown_name_is_none() -> None:
    assert Decoder("in", INPUTS).feed(encode("out", DARK) + encode("in", {"bell": True})) == []


# --- the driver -------------------------------------------------------------------------------------------------------
class FakePanel:
    """Lamps that remember, contacts that the test presses."""

    line: FakeLine

    def __init__(self, clock: VirtualTime) -> None:
        self.clock = clock
        self.outputs = dict(DARK)
        self.history: list[tuple[float, dict[str, bool]]] = []
        self._decoder = Decoder("out", OUTPUTS)

    def receive(self, data: bytes) -> None:
        for values in self._decoder.feed(data):
            self.outputs |= values
            self.history.append((self.clock(), dict(values)))

    def press(self, **inputs: bool) -> None:
        self.line.deliver(encode("in", {**dict.fromkeys(INPUTS, False), **inputs}))


class Bench:
    def __init__(self) -> None:
        self.clock = VirtualTime()
        self.panel = FakePanel(self.clock)
        self.line = FakeLine(self.clock, self.panel)
        self.counters = Counters()
        self.inputs: list[PanelInputs] = []
        self.holds: list[Hold] = []
        self.driver = PanelDriver(self.clock, self.counters, self.inputs.append, self.line.wake, self.holds.append)
        self.driver.attach(self.line)

    def run(self, seconds: float) -> None:
        until = self.clock() + seconds
        while self.clock() < until:
            self.driver.step()


def test_the_lamps_follow_at_once() -> None:
    bench = Bench()
    bench.driver.show(Show.AVAILABLE, warning=False, alarm=False)
    bench.run(0.01)
    assert bench.panel.outputs == {**DARK, "green": True}
    bench.driver.show(Show.FAULTED, warning=False, alarm=True)
    bench.run(0.01)
    assert bench.panel.outputs == {**DARK, "red": True, "buzzer": True}


def test_what_is_shown_is_repeated_every_second_and_not_more_often() -> None:
    bench = Bench()
    bench.driver.show(Show.AVAILABLE, warning=False, alarm=False)
    bench.run(10)
    assert 10 <= len(bench.panel.history) <= 12


def test_a_card_is_seen_and_heard_within_a_tenth_of_a_second() -> None:
    bench = Bench()
    bench.run(2)
    before, at = len(bench.panel.history), bench.clock()
    bench.driver.signal(CardSignal.ACCEPTED)
    bench.run(0.3)
    beep = next(when for when, values in bench.panel.history[before:] if values["buzzer"])
    assert beep - at < 0.1
    assert not bench.panel.outputs["buzzer"]


def test_contacts_are_told_at_the_start_and_at_every_change() -> None:
    bench = Bench()
    bench.panel.press(estop=True)
    bench.run(0.1)
    bench.panel.press(estop=True)
    bench.panel.press(door=True)
    bench.run(0.1)
    assert bench.inputs == [PanelInputs(estop=True), PanelInputs(door=True)]


def test_the_enable_line_falls_when_nobody_asks_for_it_any_more() -> None:
    bench = Bench()
    for _ in range(15):
        bench.driver.enable(True)
        bench.run(1)
        assert bench.panel.outputs["enable"]
    bench.run(9)
    assert bench.panel.outputs["enable"]
    bench.run(2.5)
    assert not bench.panel.outputs["enable"]


def test_at_the_end_everything_is_dark_and_the_coil_without_supply() -> None:
    bench = Bench()
    bench.driver.enable(True)
    bench.run(1)
    bench.driver.farewell()
    assert bench.panel.outputs == DARK


def test_a_silent_panel_is_told_on_the_hardware_page() -> None:
    bench = Bench()
    bench.run(4)
    assert "emergency stop cannot be seen" in bench.counters.error
    bench.panel.press()
    bench.run(0.1)
    assert bench.counters.error == ""


# --- the button -------------------------------------------------------------------------------------------------------
def held(bench: Bench, seconds: float) -> None:
    """Somebody holds the button; the panel says so once a second, and that it was let go."""
    bench.panel.press()
    bench.run(0.1)
    until = bench.clock() + seconds
    while bench.clock() < until:
        bench.panel.press(button=True)
        bench.run(min(1.0, until - bench.clock()))
    bench.panel.press()
    bench.run(0.1)


@pytest.mark.parametrize(
    ("seconds", "asked"),
    [(4.5, []), (5.5, [Hold.SHORT]), (14.0, [Hold.SHORT]), (16.0, [Hold.LONG]), (29.0, [Hold.LONG]),
     (31.0, [Hold.VERY_LONG]), (59.0, [Hold.VERY_LONG]), (61.0, [])],
)  # fmt: skip
def test_a_button_asks_when_it_is_let_go_and_a_stuck_one_asks_for_nothing(seconds: float, asked: list[Hold]) -> None:
    bench = Bench()
    held(bench, seconds)
    assert bench.holds == asked


def test_each_stage_of_holding_looks_and_sounds_different() -> None:
    looks = {}
    for hold in Hold:
        picture = Picture(show=Show.AVAILABLE, hold=hold, hold_at=50.0)
        looks[hold] = (set(lit(picture)), sum_of_beeps(picture))
    assert looks == {
        Hold.SHORT: ({"rgb", "-"}, 1), Hold.LONG: ({"rg", "-"}, 2), Hold.VERY_LONG: ({"r", "-"}, 3)
    }  # fmt: skip


def test_the_lamps_tell_each_stage_when_it_is_reached_and_the_state_again_afterwards() -> None:
    bench = Bench()
    bench.driver.show(Show.AVAILABLE, warning=False, alarm=False)
    bench.panel.press()
    bench.run(0.1)
    pressed_at = bench.clock()
    for _ in range(40):
        bench.panel.press(button=True)
        bench.run(1)
    first = {
        colours: next(at - pressed_at for at, values in bench.panel.history if lamps_of(values) == colours)
        for colours in ("rgb", "rg", "r")
    }
    assert [round(first[colours]) for colours in ("rgb", "rg", "r")] == [5, 15, 30]
    bench.panel.press()
    bench.run(0.5)
    assert lamps_of(bench.panel.outputs) == "g"


def test_a_button_that_is_down_at_the_start_asks_for_nothing_until_it_was_seen_up() -> None:
    bench = Bench()
    for _ in range(8):
        bench.panel.press(button=True)
        bench.run(1)
    bench.panel.press()
    bench.run(0.1)
    assert bench.holds == []
    held(bench, 6)
    assert bench.holds == [Hold.SHORT]


@pytest.mark.parametrize("is_lost", [True, False])
def test_a_panel_that_is_lost_or_silent_while_its_button_is_held_asks_for_nothing(is_lost: bool) -> None:
    bench = Bench()
    bench.panel.press()
    bench.run(0.1)
    for _ in range(7):
        bench.panel.press(button=True)
        bench.run(1)
    if is_lost:
        bench.driver.lost("unplugged")
        bench.driver.attach(bench.line)
    else:
        bench.run(5)
    bench.panel.press()
    bench.run(0.5)
    assert bench.holds == []
    assert lamps_of(bench.panel.outputs) != "rgb"


# --- alarms -----------------------------------------------------------------------------------------------------------
def codes(alarms: Alarms) -> list[FaultCode]:
    return [fault.code for fault in alarms.faults]


def test_an_emergency_stop_lasts_until_it_is_released_and_confirmed() -> None:
    alarms = Alarms()
    alarms.take(PanelInputs(estop=True))
    assert (alarms.emergency, alarms.acknowledge(), alarms.emergency) == (True, False, True)
    alarms.take(PanelInputs())
    assert alarms.emergency
    assert alarms.acknowledge()
    assert not alarms.emergency


@pytest.mark.parametrize("inputs", [PanelInputs(tamper=True), PanelInputs(door=True)])
def test_an_opened_housing_is_a_warning_until_it_is_confirmed(inputs: PanelInputs) -> None:
    alarms = Alarms()
    alarms.take(inputs)
    alarms.take(PanelInputs())
    assert codes(alarms) == [FaultCode.TAMPER]
    assert not alarms.faults[0].blocking
    assert not alarms.emergency
    assert alarms.acknowledge()
    assert codes(alarms) == []


# --- GPIO -------------------------------------------------------------------------------------------------------------
class FakeGpio:
    """A stand-in for the package gpiod that remembers what was asked of the kernel (this kernel has no gpio-sim)."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, pipe: int) -> None:
        self.requests: list[dict[str, Any]] = []
        self.values: dict[str, str] = {}
        self.levels = {"GPIO5": "inactive", "GPIO6": "inactive"}
        self.released = False
        self.fd = pipe
        self.error: OSError | None = None

        class Names:
            def __init__(self, *names: str) -> None:
                for name in names:
                    setattr(self, name, name.lower())

        line = ModuleType("gpiod.line")
        line.Direction = Names("INPUT", "OUTPUT")  # type: ignore[attr-defined]
        line.Edge = Names("BOTH")  # type: ignore[attr-defined]
        line.Bias = Names("PULL_UP")  # type: ignore[attr-defined]
        line.Value = Names("ACTIVE", "INACTIVE")  # type: ignore[attr-defined]
        gpiod = ModuleType("gpiod")
        gpiod.line = line  # type: ignore[attr-defined]
        gpiod.LineSettings = lambda **settings: settings  # type: ignore[attr-defined]
        gpiod.request_lines = self.request_lines  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "gpiod", gpiod)
        monkeypatch.setitem(sys.modules, "gpiod.line", line)

    def request_lines(self, path: str, config: dict[str, Any], consumer: str) -> FakeGpio:
        if self.error:
            raise self.error
        self.requests.append({"path": path, "config": config, "consumer": consumer})
        return self

    def set_values(self, values: dict[str, str]) -> None:
        if self.error:
            raise self.error
        self.values |= values

    def get_values(self, lines: list[str]) -> list[str]:
        return [self.levels[line] for line in lines]

    def read_edge_events(self) -> list[object]:
        import os

        os.read(self.fd, 100)
        return []

    def release(self) -> None:
        self.released = True


WIRING = {"red": "GPIO17", "buzzer": "!GPIO27", "enable": "GPIO22", "estop": "GPIO5", "door": "!GPIO6", "tamper": ""}


@pytest.fixture
def gpio(monkeypatch: pytest.MonkeyPatch) -> Any:
    import os

    reading, writing = os.pipe()
    fake = FakeGpio(monkeypatch, reading)
    fake.edge = lambda: os.write(writing, b"e")  # type: ignore[attr-defined]
    yield fake
    os.close(reading)
    os.close(writing)


def test_the_lines_are_asked_for_as_the_wiring_needs_them(gpio: FakeGpio) -> None:
    GpioLine("/dev/gpiochip0", WIRING).close()
    (request,) = gpio.requests
    assert (request["path"], request["consumer"]) == ("/dev/gpiochip0", "station")
    config = request["config"]
    assert set(config) == {"GPIO17", "GPIO27", "GPIO22", "GPIO5", "GPIO6"}
    assert config["GPIO17"] == {"direction": "output", "active_low": False, "output_value": "inactive"}
    assert config["GPIO27"]["active_low"]
    estop = config["GPIO5"]
    assert (estop["direction"], estop["bias"], estop["edge_detection"]) == ("input", "pull_up", "both")
    assert estop["debounce_period"].total_seconds() == 0.02
    assert config["GPIO6"]["active_low"]
    assert gpio.released


def test_frames_move_the_lines_and_contacts_become_frames(gpio: FakeGpio) -> None:
    line = GpioLine("/dev/gpiochip0", WIRING)
    line.write(encode("out", {**DARK, "red": True, "enable": True}))
    assert gpio.values == {"GPIO17": "active", "GPIO27": "inactive", "GPIO22": "active"}
    assert line.read(0.0) == encode("in", {"estop": False, "door": False})  # at once: an edge may have been before us
    gpio.levels["GPIO5"] = "active"
    gpio.edge()  # type: ignore[attr-defined]
    assert line.read(5.0) == encode("in", {"estop": True, "door": False})
    line.wake()
    assert line.read(5.0) == b""
    line.close()
    line.close()
    line.wake()


def test_a_broken_chip_is_a_lost_line(gpio: FakeGpio) -> None:
    line = GpioLine("/dev/gpiochip0", WIRING)
    gpio.error = OSError(19, "No such device")
    with pytest.raises(LineLost, match="No such device"):
        line.write(encode("out", DARK))
    line.close()
    with pytest.raises(LineLost, match="cannot be had"):
        GpioLine("/dev/gpiochip0", WIRING)


def test_without_a_wired_line_or_without_the_package_the_reason_is_told(
    gpio: FakeGpio, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(LineLost, match="no GPIO line is wired"):
        GpioLine("/dev/gpiochip0", {"red": ""})
    monkeypatch.setitem(sys.modules, "gpiod", None)
    with pytest.raises(LineLost, match="gpiod is not installed"):
        GpioLine("/dev/gpiochip0", WIRING)
