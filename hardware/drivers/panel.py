"""Driver of the panel: lamps, buzzer, contacts, the enable line of the contactor's coil (hardware.md, section 6)."""

from __future__ import annotations

import math
import threading
from collections.abc import Callable
from dataclasses import replace

from hardware.button import Button
from hardware.interfaces import CardSignal, Hold, PanelInputs, Show
from hardware.panel import INPUTS, Decoder, Picture, encode, is_steady, outputs
from hardware.sentence import NOTHING, Sentence
from hardware.serial_port import Counters, Line

REPEAT_S = 1.0  # both sides repeat what they know; a panel that hears nothing for 3 s switches everything off
TICK_S = 0.1
SILENT_AFTER_S = 3.0
ENABLE_LASTS_S = 10.0  # without a word from the board's side the coil loses its supply


class PanelDriver:
    """The panel on its line (a `Device` and a `Panel`).

    Args:
        on_inputs: the contacts, at every change and once at the start; on the line's thread.
        on_hold: the button was let go after it was held for so long; likewise.
        wake: makes the line's thread look at what is wanted at once.
    """

    description = "panel"

    def __init__(
        self,
        clock: Callable[[], float],
        counters: Counters,
        on_inputs: Callable[[PanelInputs], None],
        wake: Callable[[], None] = lambda: None,
        on_hold: Callable[[Hold], None] = lambda hold: None,
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._on_inputs = on_inputs
        self._on_hold = on_hold
        self._wake = wake
        self._lock = threading.Lock()  # guards the picture
        self._picture = Picture()
        self._enabled_at = -math.inf
        self._decoder = Decoder("in", INPUTS)
        self._line: Line | None = None
        self._inputs: PanelInputs | None = None
        self._button = Button()
        self._told: dict[str, bool] = {}
        self._told_at = self._heard_at = -math.inf
        self.warning = NOTHING

    # --- Panel --------------------------------------------------------------------------------------------------------
    def show(self, show: Show, *, warning: bool, alarm: bool) -> None:
        self._change(show=show, warning=warning, alarm=alarm)

    def signal(self, signal: CardSignal) -> None:
        self._change(signal=signal, signal_at=self._clock())

    def enable(self, on: bool) -> None:
        self._enabled_at = self._clock()
        self._change(enable=on)

    def _change(self, **changes: object) -> None:
        with self._lock:
            before = self._picture
            self._picture = replace(before, **changes)  # type: ignore[arg-type]
            changed = self._picture != before
        if changed:
            self._wake()

    # --- Device -------------------------------------------------------------------------------------------------------
    def attach(self, line: Line) -> None:
        self._line = line
        self._decoder = Decoder("in", INPUTS)
        self._inputs = None
        self._told = {}
        self._heard_at = self._clock()

    def lost(self, reason: str) -> None:
        self._line = None
        self._let_go_of_button()

    def farewell(self) -> None:
        """Dark, and no supply for the coil: whoever starts next decides anew."""
        assert self._line is not None
        self._line.write(encode("out", dict.fromkeys(outputs(Picture(), 0.0), False)))

    def step(self) -> None:
        assert self._line is not None
        now = self._clock()
        if (hold := self._button.hold(now)) is not self._picture.hold:
            self._change(hold=hold, hold_at=now)
        picture = self._picture
        if now - self._enabled_at >= ENABLE_LASTS_S:
            picture = replace(picture, enable=False)
        wanted = outputs(picture, now)
        if wanted != self._told or now - self._told_at >= REPEAT_S:
            self._line.write(encode("out", wanted))
            self._told, self._told_at = wanted, now
        wait_s = REPEAT_S if is_steady(picture, now) and not self._button.is_down else TICK_S
        self._take(self._line.read(wait_s))

    def _take(self, data: bytes) -> None:
        errors = self._decoder.checksum_errors
        frames = self._decoder.feed(data)
        now = self._clock()
        if self._decoder.checksum_errors > errors:
            self._counters.damaged(now, self._decoder.checksum_errors - errors)
        for values in frames:
            self._heard_at = now
            self._counters.good(now)
            inputs = PanelInputs(**values)
            if inputs != self._inputs:
                self._inputs = inputs
                self._on_inputs(inputs)
            if (asked := self._button.take(inputs.button, now)) is not None:
                self._on_hold(asked)
        if now - self._heard_at >= SILENT_AFTER_S:
            self._heard_at = now
            self._let_go_of_button()
            self._counters.timeout(now, Sentence("the panel is silent: the emergency stop cannot be seen"))

    def _let_go_of_button(self) -> None:
        """What is not heard any more is held by nobody."""
        self._button.forget()
        self._change(hold=None)
