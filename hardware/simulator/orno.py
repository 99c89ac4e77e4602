"""ORNO OR-WE-514 and OR-WE-515 on a Modbus RTU line: registers and answers (hardware.md, section 4.2).

Only the values that are known are there; a read that reaches beside them is refused.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware import modbus_rtu as rtu
from hardware.simulator.metrology import MeterValues, Metrology
from hardware.simulator.rtu_slave import RtuSlave

MODELS = ("orno514", "orno515")
_ENERGY = 0xA000
_NO_VALUE = 0xFFFFFFFF


class Orno:
    """One meter, one phase. Energy is shown in steps of 10 Wh.

    `before_energy` is called before the register leaves the meter, so that no power cut can take it back.

    Attributes:
        slave: its side of the line. nan: it has no values (all ones).
    """

    def __init__(
        self,
        model: str,
        metrology: Metrology,
        *,
        unit: int = 1,
        before_energy: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self.metrology = metrology
        self.slave = RtuSlave(unit, self._read, self._write)
        self.powered = False
        self.nan = False
        self._before_energy = before_energy

    def power_on(self) -> None:
        """Start."""
        self.powered = True
        self.slave.reset()

    def power_off(self) -> None:
        """Fall silent."""
        self.powered = False
        self.slave.reset()

    def receive(self, data: bytes) -> None:
        """Bytes of the master."""
        if self.powered:
            self.slave.receive(data)

    def take_output(self) -> bytes:
        """The bytes sent since the last call."""
        return self.slave.take_output()

    def _write(self, function: int, address: int, values: tuple[int, ...]) -> int:
        return rtu.ILLEGAL_FUNCTION  # settings need the maker's own program

    def _read(self, function: int, address: int, count: int) -> list[int] | int:
        if function != rtu.READ_HOLDING:
            return rtu.ILLEGAL_FUNCTION
        found = _VALUES.get(address)
        if found is None or count != found[0]:
            return rtu.ILLEGAL_ADDRESS
        if address == _ENERGY:
            self._before_energy()
        value = _NO_VALUE if self.nan else found[1](self.metrology.values)
        return [value & 0xFFFF] if count == 1 else [value >> 16 & 0xFFFF, value & 0xFFFF]


#: address -> registers, raw value
_VALUES: dict[int, tuple[int, Callable[[MeterValues], int]]] = {
    0x0130: (1, lambda values: round(100 * values.frequency_hz)),
    0x0131: (1, lambda values: round(100 * values.phases[0].volts)),
    0x0139: (2, lambda values: round(1000 * values.phases[0].amps)),
    0x0140: (2, lambda values: round(values.phases[0].watts)),
    0x0148: (2, lambda values: round(values.phases[0].reactive_var)),
    0x0150: (2, lambda values: round(values.phases[0].volt_amperes)),
    0x0158: (1, lambda values: round(1000 * values.phases[0].power_factor)),
    _ENERGY: (2, lambda values: values.import_wh // 10),
}
