"""GPIO lines as the line of a panel (hardware.md, section 6). The only importer of gpiod (libgpiod 2, kernel 5.10).

The kernel lets the lines go when the process dies: the enable line then opens the contactor.
"""

from __future__ import annotations

import contextlib
import math
import os
import select
import threading
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from hardware.panel import INPUTS, OUTPUTS, Decoder, encode
from hardware.serial_port import LineLost

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
            raise LineLost("the package gpiod is not installed") from error
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
            raise LineLost("no GPIO line is wired: name at least one (panel_red, panel_estop …)")
        try:
            self._request = gpiod.request_lines(chip, config=config, consumer="station")
        except (OSError, ValueError) as error:
            raise LineLost(f"the GPIO lines cannot be had: {error}") from error
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(self._request.fd, select.POLLIN)
        self._poll.register(self._wake_out, select.POLLIN)
        self._decoder = Decoder("out", OUTPUTS)
        self._is_new = True  # the level counts from the start: the edge may have been before us
        self._open_lock = threading.Lock()
        self._is_open = True

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
            ready = dict(self._poll.poll(math.ceil(max(0.0, min(timeout_s, REPEAT_S)) * 1000)))
            if self._wake_out in ready:
                os.read(self._wake_out, 1 << 20)
            if self._request.fd in ready:
                self._guarded(self._request.read_edge_events)
            elif ready:
                return b""
        self._is_new = False
        levels = self._guarded(lambda: self._request.get_values(list(self._inputs.values()))) if self._inputs else []
        pairs = zip(self._inputs, levels, strict=True)
        return encode("in", {name: level == self._gpio.Value.ACTIVE for name, level in pairs})

    def wake(self) -> None:
        with self._open_lock, contextlib.suppress(BlockingIOError):
            if self._is_open:
                os.write(self._wake_in, b"w")

    def close(self) -> None:
        with self._open_lock:
            if not self._is_open:
                return
            self._is_open = False
            with contextlib.suppress(OSError):
                self._request.release()
            os.close(self._wake_in)
            os.close(self._wake_out)

    @staticmethod
    def _guarded(call: Any) -> Any:
        try:
            return call()
        except OSError as error:
            raise LineLost(f"GPIO failed: {error}") from error
