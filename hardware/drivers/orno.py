"""Registers of the ORNO OR-WE-514 and OR-WE-515 meters, one phase (hardware.md, section 4.2).

Each value is read alone, as on the captured lines of such meters; whether they allow blocks is not known.
"""

from __future__ import annotations

from hardware import modbus_rtu as rtu
from hardware.drivers.modbus_meter import Instant, Register
from hardware.drivers.rtu_link import RtuLink

FREQUENCY, VOLTAGE, CURRENT, POWER, ENERGY = 0x0130, 0x0131, 0x0139, 0x0140, 0xA000
_FREQUENCY_EVERY = 10  # readings: nobody waits for it
_SLACK_W = 20.0


class OrnoRegisters:
    """u16 volts/100 and hertz/100; u32 amperes/1000, watts and kWh/100: the register moves in steps of 10 Wh.

    Current, power and energy have answers of the same length. So a late answer is waited for, and values that do not
    belong together (more watts than volts times amperes, a register that is what current or power just were) are no
    reading.
    """

    phases = 1
    step_wh = 10.0
    quiet_s = 0.5

    def __init__(self) -> None:
        self._hertz = 0.0
        self._readings = 0
        self._others: tuple[int, int] = (0, 0)  # current and power as they were answered last
        self._energy = 0  # the register as it was answered last

    def read_instant(self, link: RtuLink) -> Instant | None:
        if (volts := _u16(link, VOLTAGE)) is None:
            return None  # and nobody waits for the others
        amps, watts = _u32(link, CURRENT), _s32(link, POWER)
        if amps is None or watts is None:
            return None
        self._others = (amps, watts)
        instant = Instant((volts / 100,), (amps / 1000,), (float(watts),))
        return instant if abs(watts) <= 1.1 * volts / 100 * amps / 1000 + _SLACK_W else None

    def read_register(self, link: RtuLink) -> Register | None:
        energy = _u32(link, ENERGY)
        if energy is None or (energy in self._others and energy != self._energy):
            return None  # the answer to another question, once more
        self._energy = energy
        if self._readings % _FREQUENCY_EVERY == 0:
            hertz = _u16(link, FREQUENCY)
            self._hertz = 0.0 if hertz is None else hertz / 100
        self._readings += 1
        return Register(energy / 100, self._hertz)


def _u16(link: RtuLink, address: int) -> int | None:
    words = link.read(rtu.READ_HOLDING, address, 1)
    return None if words is None else words[0]


def _u32(link: RtuLink, address: int) -> int | None:
    words = link.read(rtu.READ_HOLDING, address, 2)
    return None if words is None else words[0] << 16 | words[1]


def _s32(link: RtuLink, address: int) -> int | None:
    value = _u32(link, address)
    return value if value is None or value < 1 << 31 else value - (1 << 32)
