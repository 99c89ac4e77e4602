"""What is known right now and may be forgotten by a reboot: the newest Reading, and which boot this is."""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, field

from ocppclient.events import Fault, Meter, Reading

MINIMUM_CURRENT_A = 6.0  # IEC 61851-1: nothing between 0 and 6 A can be offered
#: A register that reads less by more than this, for longer than that, was exchanged or reset (fault F21).
_REGISTER_DROP_WH = 10
_REGISTER_DROP_S = 60.0

log = logging.getLogger(__name__)


@dataclass
class Facts:
    """Levels that the features look at; only the front door writes them.

    Attributes:
        reading: the newest Reading; `ready` is False until the hardware was read.
        energy_wh: the register in this boot, None before it was read. It never runs backwards (conformance MTR-10);
            when the device itself starts anew, what it counts from there on is added.
        boot_id: identifies this boot in durable rows.
        heard_at: monotonic time of the backend's last sign of life, of the start of the process before the first.
    """

    reading: Reading = field(default_factory=lambda: Reading(ready=False))
    energy_wh: int | None = None
    boot_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])
    heard_at: float = 0.0
    _offset_wh: int = 0
    _segment: int | None = None
    _dropped: Meter | None = None  # the first reading that was too low

    def take(self, reading: Reading) -> None:
        """A new Reading replaces the former."""
        self.reading = reading
        if (meter := reading.meter) is None:
            return
        if self.energy_wh is not None and meter.segment != self._segment:
            log.warning("The energy register went on from another value: %d Wh", meter.energy_wh)
            self._offset_wh = self.energy_wh - meter.energy_wh
        self._segment = meter.segment
        register_wh = max(meter.energy_wh, 0) + self._offset_wh
        if self.energy_wh is None or register_wh >= self.energy_wh - _REGISTER_DROP_WH:
            self.energy_wh = max(self.energy_wh or 0, register_wh)
            self._dropped = None
        elif self._dropped is None or meter.energy_wh < self._dropped.energy_wh:
            self._dropped = meter
        elif meter.at - self._dropped.at >= _REGISTER_DROP_S:
            log.warning("The energy register fell from %d to %d Wh and stays there", self.energy_wh, meter.energy_wh)
            self._offset_wh = self.energy_wh - self._dropped.energy_wh
            self.energy_wh = meter.energy_wh + self._offset_wh
            self._dropped = None

    @property
    def blocking_faults(self) -> tuple[Fault, ...]:
        """Faults that make energy delivery impossible."""
        return tuple(fault for fault in self.reading.faults if fault.blocking)
