"""What is known right now and may be forgotten by a reboot: the newest Reading, and which boot this is."""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field

from ocppclient.events import Fault, Reading

MINIMUM_CURRENT_A = 6.0  # IEC 61851-1: nothing between 0 and 6 A can be offered


@dataclass
class Facts:
    """Levels that the features look at; only the front door writes them.

    Attributes:
        reading: the newest Reading; `ready` is False until the hardware was read.
        energy_wh: the newest register value seen in this boot, None before the first.
        boot_id: identifies this boot in durable rows.
    """

    reading: Reading = field(default_factory=lambda: Reading(ready=False))
    energy_wh: int | None = None
    boot_id: str = field(default_factory=lambda: uuid.uuid4().hex[:12])

    def take(self, reading: Reading) -> None:
        """A new Reading replaces the former. The energy register never runs backwards (conformance MTR-10)."""
        self.reading = reading
        if reading.meter is not None and reading.meter.energy_wh >= (self.energy_wh or 0):
            self.energy_wh = reading.meter.energy_wh

    @property
    def blocking_faults(self) -> tuple[Fault, ...]:
        """Faults that make energy delivery impossible."""
        return tuple(fault for fault in self.reading.faults if fault.blocking)
