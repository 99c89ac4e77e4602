"""Registers of the Eastron SDM120, SDM230 and SDM630: float32, high word first (hardware.md, section 4.1)."""

from __future__ import annotations

from dataclasses import dataclass

from hardware import modbus_rtu as rtu
from hardware.drivers.modbus_meter import Instant, Register
from hardware.drivers.rtu_link import RtuLink

_REGISTER_ADDRESS, _REGISTER_COUNT = 0x0046, 6  # frequency, import, export


@dataclass(frozen=True)
class SdmRegisters:
    """Where a model keeps voltage, current and power of each phase. One read of `count` registers from 0 has all.

    `count` differs from the length of the energy block: a reply tells its length, not its address, so that a late
    energy reply can never be taken for watts.
    """

    count: int
    volts: tuple[int, ...]
    amps: tuple[int, ...]
    watts: tuple[int, ...]
    step_wh: float = 1.0
    quiet_s: float = 0.05

    @property
    def phases(self) -> int:
        return len(self.volts)

    def read_instant(self, link: RtuLink) -> Instant | None:
        values = _floats(link, 0, self.count)
        if values is None:
            return None
        volts, amps, watts = (tuple(values[at // 2] for at in where) for where in (self.volts, self.amps, self.watts))
        return Instant(volts, amps, watts)

    def read_register(self, link: RtuLink) -> Register | None:
        values = _floats(link, _REGISTER_ADDRESS, _REGISTER_COUNT)
        return None if values is None else Register(import_kwh=values[1], hertz=values[0])


_ONE_PHASE = SdmRegisters(14, (0x00,), (0x06,), (0x0C,))
MODELS = {
    "sdm120": _ONE_PHASE,
    "sdm230": _ONE_PHASE,
    "sdm630": SdmRegisters(18, (0x00, 0x02, 0x04), (0x06, 0x08, 0x0A), (0x0C, 0x0E, 0x10)),
}


def _floats(link: RtuLink, address: int, count: int) -> tuple[float, ...] | None:
    words = link.read(rtu.READ_INPUT, address, count)
    if words is None:
        return None
    return tuple(rtu.registers_float(words[i], words[i + 1]) for i in range(0, count, 2))
