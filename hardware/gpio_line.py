"""GPIO lines as the line of a panel (hardware.md, section 6). The only importer of gpiod (libgpiod 2, kernel 5.10).

The kernel lets the lines go when the process dies: the enable line then opens the contactor.
"""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hardware.panel import INPUTS, OUTPUTS, Decoder, encode
from hardware.sentence import Sentence
from hardware.serial_port import LineLost
from hardware.waiter import Wait, Waiter

DEBOUNCE = timedelta(milliseconds=20)
REPEAT_S = 1.0


class GpioLine:
    """The lines of one chip that are wired to the panel. Speaks the frames of `hardware.panel` with the driver.

    Contacts are normally closed to ground with the pull-up of the chip: open (pressed, removed, or a broken wire) is 1.

    Args:
        chip: path such as /dev/gpiochip0. wiring: output or input -> line name; "!" before a name inverts it.

    Raises:
        LineLost: gpiod is not installed, or chip or lines cannot be had.
    """

    def __init__(self, chip: str, wiring: Mapping[str, str]) -> None:
        try:
            import gpiod
            from gpiod import line as gpio
        except ImportError as error:
            raise LineLost(Sentence("the package gpiod is not installed")) from error
        self._gpio = gpio
        self._outputs = {name: line.removeprefix("!") for name, line in wiring.items() if name in OUTPUTS and line}
        self._inputs = {name: line.removeprefix("!") for name, line in wiring.items() if name in INPUTS and line}
        config: dict[Any, Any] = {
            line: gpiod.LineSettings(
                direction=gpio.Direction.OUTPUT,
                active_low=wiring[name].startswith("!"),
                output_value=gpio.Value.INACTIVE,
            )
            for name, line in self._outputs.items()
        } | {
            line: gpiod.LineSettings(
                direction=gpio.Direction.INPUT,
                edge_detection=gpio.Edge.BOTH,
                bias=gpio.Bias.PULL_UP,
                active_low=wiring[name].startswith("!"),
                debounce_period=DEBOUNCE,
            )
            for name, line in self._inputs.items()
        }
        if not config:
            raise LineLost(Sentence("no GPIO line is wired: name at least one (panel_red, panel_estop …)"))
        try:
            self._request = gpiod.request_lines(chip, config=config, consumer="station")
        except (OSError, ValueError) as error:
            raise LineLost(Sentence("the GPIO lines cannot be had: {error}", error=str(error))) from error
        self._waiter = Waiter(self._request.fd)
        self._decoder = Decoder("out", OUTPUTS)
        self._is_new = True  # the level counts from the start: the edge may have been before us

    def write(self, data: bytes) -> None:
        gpio = self._gpio
        for values in self._decoder.feed(data):
            levels = {
                self._outputs[name]: gpio.Value.ACTIVE if on else gpio.Value.INACTIVE
                for name, on in values.items()
                if name in self._outputs
            }
            if levels:
                self._guarded(lambda levels=levels: self._request.set_values(levels))

    def read(self, timeout_s: float) -> bytes:
        """The contacts: at the start, after an edge, and once a second."""
        if not self._is_new:
            match self._waiter.wait(min(timeout_s, REPEAT_S)):
                case Wait.READY:
                    self._guarded(self._request.read_edge_events)
                case Wait.WOKEN:
                    return b""
                case Wait.TIME_OUT:
                    pass
        self._is_new = False
        levels = self._guarded(lambda: self._request.get_values(list(self._inputs.values()))) if self._inputs else []
        pairs = zip(self._inputs, levels, strict=True)
        return encode("in", {name: level == self._gpio.Value.ACTIVE for name, level in pairs})

    def wake(self) -> None:
        self._waiter.wake()

    def close(self) -> None:
        self._waiter.close(self._request.release)

    @staticmethod
    def _guarded(call: Any) -> Any:
        try:
            return call()
        except OSError as error:
            raise LineLost(Sentence("GPIO failed: {error}", error=str(error))) from error
