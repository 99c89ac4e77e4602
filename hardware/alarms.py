"""Emergency stop, tampering, open door: latched until the cause is gone and a person has confirmed (hardware.md, 9)."""

from __future__ import annotations

from hardware.interfaces import Fault, FaultCode, PanelInputs
from hardware.sentence import NOTHING, Sentence


class Alarms:
    """The panel's contacts as faults."""

    def __init__(self) -> None:
        self._inputs = PanelInputs()
        self._latched: dict[FaultCode, Fault] = {}

    def take(self, inputs: PanelInputs) -> None:
        """The contacts as they are now."""
        self._inputs = inputs
        if inputs.estop:
            self._latched.setdefault(FaultCode.ESTOP, Fault(FaultCode.ESTOP, True))
        if inputs.tamper or inputs.door:
            info = Sentence("door") if not inputs.tamper else NOTHING
            self._latched.setdefault(FaultCode.TAMPER, Fault(FaultCode.TAMPER, False, info))

    def acknowledge(self) -> bool:
        """A person confirms that the place is safe: what has no cause any more ends. False when something is left."""
        self._latched.clear()
        self.take(self._inputs)
        return not self._latched

    @property
    def emergency(self) -> bool:
        """No energy, whatever anybody wants."""
        return FaultCode.ESTOP in self._latched

    @property
    def faults(self) -> tuple[Fault, ...]:
        return tuple(self._latched.values())
