"""Eastron SDM120, SDM230 and SDM630 on a Modbus RTU line: registers and answers (hardware.md, section 4.1)."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable, Sequence

from hardware import modbus_rtu as rtu
from hardware.simulator.metrology import MeterValues, Metrology, PhaseValues
from hardware.simulator.rtu_slave import RtuSlave

MODELS = ("sdm120", "sdm230", "sdm630")
_METER_CODES = {"sdm120": 0x0020, "sdm230": 0x002B, "sdm630": 0x0070}  # unverified, as in hardware.md
_INPUT_END = 0x0200  # gaps below it read 0, above it the address is illegal
_HOLDING_END = 0x0100
_SERIAL_ADDRESS = 0xFC00
_MAX_COUNT = 80
_NODE_ADDRESS = 0x0014
_IMPORT_ADDRESSES = frozenset({0x0048, 0x0156, 0x0180})
_FACTORY_SETTINGS = {0x000A: 3.0, 0x000C: 100.0, 0x0012: 0.0, 0x0014: 1.0, 0x0018: 1000.0, 0x001C: 2.0}


class Sdm:
    """One meter.

    `before_energy` is called before a register value leaves the meter, so that no power cut can take it back.

    Attributes:
        slave: its side of the line. nan: all measured values read NaN.
    """

    def __init__(
        self,
        model: str,
        metrology: Metrology,
        *,
        unit: int = 1,
        serial: int = 20_000_001,
        before_energy: Callable[[], None] = lambda: None,
    ) -> None:
        self.model = model
        self.metrology = metrology
        self.slave = RtuSlave(unit, self._read, self._write)
        self.powered = False
        self.nan = False
        self._serial = serial
        self._settings = {**_FACTORY_SETTINGS, _NODE_ADDRESS: float(unit)}
        self._before_energy = before_energy

    def power_on(self) -> None:
        """Start; settings written before take effect now, as on the real meter."""
        self.powered = True
        self.slave.unit = int(self._settings[_NODE_ADDRESS])
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
        if function != rtu.WRITE_MULTIPLE:
            return rtu.ILLEGAL_FUNCTION
        if address not in self._settings or len(values) != 2:
            return rtu.ILLEGAL_ADDRESS
        value = rtu.registers_float(values[0], values[1])
        if not math.isfinite(value) or (address == _NODE_ADDRESS and not 1 <= value <= 247):
            return rtu.ILLEGAL_VALUE
        self._settings[address] = value
        return 0

    def _read(self, function: int, address: int, count: int) -> list[int] | int:
        """Register words, or the code of the exception."""
        if not 1 <= count <= _MAX_COUNT:
            return rtu.ILLEGAL_VALUE
        last = address + count
        if function == rtu.READ_INPUT and last <= _INPUT_END:
            if any(address <= energy + 1 and energy < last for energy in _IMPORT_ADDRESSES):
                self._before_energy()
            return self._words(address, count, self._input)
        if function == rtu.READ_HOLDING and last <= _HOLDING_END:
            return self._words(address, count, lambda start: self._settings.get(start, 0.0))
        if function == rtu.READ_HOLDING and address >= _SERIAL_ADDRESS and last <= _SERIAL_ADDRESS + 4:
            identity = struct.unpack(">4H", struct.pack(">IHH", self._serial, _METER_CODES[self.model], 0))
            return list(identity[address - _SERIAL_ADDRESS : last - _SERIAL_ADDRESS])
        return rtu.ILLEGAL_ADDRESS

    @staticmethod
    def _words(address: int, count: int, value_at: Callable[[int], float]) -> list[int]:
        first = address & ~1  # every value takes two registers and starts at an even one
        words: list[int] = []
        for start in range(first, address + count, 2):
            words += rtu.float_registers(value_at(start))
        return words[address - first : address - first + count]

    def _input(self, address: int) -> float:
        values = self.metrology.values
        registers = _THREE_PHASE if self.model == "sdm630" else _SINGLE_PHASE
        read = registers.get(address)
        if read is None:
            return 0.0
        return math.nan if self.nan else read(values)


def _angle_deg(phase: PhaseValues) -> float:
    return math.degrees(math.acos(phase.power_factor))


def _each(read: Callable[[PhaseValues], float], number: int) -> Callable[[MeterValues], float]:
    return lambda values: read(values.phases[number]) if number < len(values.phases) else 0.0


def _total(read: Callable[[PhaseValues], float]) -> Callable[[MeterValues], float]:
    return lambda values: sum(read(phase) for phase in values.phases)


def _mean(read: Callable[[PhaseValues], float]) -> Callable[[MeterValues], float]:
    return lambda values: sum(read(phase) for phase in values.phases) / len(values.phases)


def _import_kwh(values: MeterValues) -> float:
    return values.import_wh / 1000


def _frequency(values: MeterValues) -> float:
    return values.frequency_hz


def _total_power_factor(values: MeterValues) -> float:
    apparent = sum(phase.volt_amperes for phase in values.phases)
    return sum(phase.watts for phase in values.phases) / apparent if apparent else 1.0


_PHASE_READS: Sequence[Callable[[PhaseValues], float]] = (
    lambda phase: phase.volts,
    lambda phase: phase.amps,
    lambda phase: phase.watts,
    lambda phase: phase.volt_amperes,
    lambda phase: phase.reactive_var,
    lambda phase: phase.power_factor,
    _angle_deg,
)
_COMMON: dict[int, Callable[[MeterValues], float]] = {
    0x0046: _frequency,
    0x0048: _import_kwh,
    0x0054: _total(lambda phase: phase.watts),
    0x0156: _import_kwh,
}
# V A W VA var PF angle, six registers apart; the single-phase meters have the first of each three
_SINGLE_PHASE = {
    **{6 * index: _each(read, 0) for index, read in enumerate(_PHASE_READS)},
    **_COMMON,
    0x0102: _each(lambda phase: phase.amps, 0),
    0x0180: _import_kwh,
}
_THREE_PHASE = {
    **{6 * index + 2 * n: _each(read, n) for index, read in enumerate(_PHASE_READS) for n in range(3)},
    **_COMMON,
    0x002A: _mean(lambda phase: phase.volts),
    0x002E: _mean(lambda phase: phase.amps),
    0x0030: _total(lambda phase: phase.amps),
    0x0034: _total(lambda phase: phase.watts),
    0x0038: _total(lambda phase: phase.volt_amperes),
    0x003C: _total(lambda phase: phase.reactive_var),
    0x003E: _total_power_factor,
    **{0x00C8 + 2 * n: _each(lambda phase: phase.volts * math.sqrt(3), n) for n in range(3)},
    0x00CE: _mean(lambda phase: phase.volts * math.sqrt(3)),
}
