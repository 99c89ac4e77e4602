"""The panel of the simulated station: lamps and buzzer to look at, contacts to press, and the coil's supply."""

from __future__ import annotations

from hardware.panel import INPUTS, OUTPUTS, Decoder, encode

_REPEAT_S = 1.0
_DARK_AFTER_S = 3.0  # as GPIO lines fall when their process dies


class Panel:
    """One panel. `enable_is_wired`: the contactor's coil has its supply from the enable line."""

    def __init__(self, *, enable_is_wired: bool = False) -> None:
        self.powered = False
        self.valid_frames = 0
        self.enable_is_wired = enable_is_wired
        self.outputs = dict.fromkeys(OUTPUTS, False)
        self._inputs = dict.fromkeys(INPUTS, False)
        self._decoder = Decoder("out", OUTPUTS)
        self._output = bytearray()
        self._now = self._told_at = self._heard_at = 0.0

    @property
    def coil_is_supplied(self) -> bool:
        """The contactor can close."""
        return not self._inputs["estop"] and (self.outputs["enable"] or not self.enable_is_wired)

    def power_on(self) -> None:
        """Start."""
        self.powered = True
        self._told_at = 0.0

    def power_off(self) -> None:
        """Dark."""
        self.powered = False
        self.outputs = dict.fromkeys(OUTPUTS, False)
        self._output.clear()

    def receive(self, data: bytes) -> None:
        """Bytes of the host."""
        for values in self._decoder.feed(data) if self.powered else ():
            self.valid_frames += 1
            self._heard_at = self._now
            self.outputs |= values

    def step(self, now: float, pressed: set[str]) -> None:
        """`pressed` has the names of the open contacts."""
        self._now = now
        inputs = {name: name in pressed for name in INPUTS}
        if not self.powered:
            self._inputs = inputs
            return
        if now - self._heard_at >= _DARK_AFTER_S:
            self.outputs = dict.fromkeys(OUTPUTS, False)
        if inputs != self._inputs or now - self._told_at >= _REPEAT_S:
            self._inputs, self._told_at = inputs, now
            self._output += encode("in", inputs)

    def take_output(self) -> bytes:
        """The bytes sent since the last call."""
        data = bytes(self._output)
        self._output.clear()
        return data
