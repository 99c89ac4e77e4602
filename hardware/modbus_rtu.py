"""Modbus RTU for holding and input registers: bytes <-> frozen frames, both sides (hardware.md, section 4.3).

The end of a frame is known from its length, never from silence, so chunk boundaries mean nothing here.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass

READ_HOLDING = 0x03
READ_INPUT = 0x04
WRITE_SINGLE = 0x06
WRITE_MULTIPLE = 0x10
ILLEGAL_FUNCTION = 1
ILLEGAL_ADDRESS = 2
ILLEGAL_VALUE = 3
_MAX_FRAME_BYTES = 256


@dataclass(frozen=True)
class ReadRegisters:
    """Read `count` registers from `address` (function 3 holding, 4 input)."""

    unit: int
    function: int
    address: int
    count: int


@dataclass(frozen=True)
class WriteRegisters:
    """Write `values` from `address` on (function 6: exactly one, 16: several)."""

    unit: int
    function: int
    address: int
    values: tuple[int, ...]


@dataclass(frozen=True)
class OtherRequest:
    """A well-formed request for a function this station does not use; a slave answers ILLEGAL_FUNCTION."""

    unit: int
    function: int


@dataclass(frozen=True)
class RegistersReply:
    """The registers that a read returned. The address is not on the wire: only the length tells replies apart."""

    unit: int
    function: int
    registers: tuple[int, ...]


@dataclass(frozen=True)
class WriteReply:
    """A write was done. `value` is the count of registers (function 16) or the written value (function 6)."""

    unit: int
    function: int
    address: int
    value: int


@dataclass(frozen=True)
class ExceptionReply:
    """The slave refused: `function` without its 0x80 bit, `code` 1 function, 2 address, 3 value, 4 failure …"""

    unit: int
    function: int
    code: int


Request = ReadRegisters | WriteRegisters | OtherRequest
Reply = RegistersReply | WriteReply | ExceptionReply


def _crc_table() -> tuple[int, ...]:
    table = []
    for value in range(256):
        for _ in range(8):
            value = (value >> 1) ^ 0xA001 if value & 1 else value >> 1
        table.append(value)
    return tuple(table)


_CRC_TABLE = _crc_table()


def crc16(data: bytes) -> int:
    """CRC-16/MODBUS: polynomial 0xA001 reflected, start 0xFFFF; sent low byte first."""
    crc = 0xFFFF
    for byte in data:
        crc = (crc >> 8) ^ _CRC_TABLE[(crc ^ byte) & 0xFF]
    return crc


def read_request(unit: int, function: int, address: int, count: int) -> bytes:
    """Request for `count` registers (1..125) from `address`, function 3 or 4."""
    return _frame(struct.pack(">BBHH", unit, function, address, count))


def write_registers_request(unit: int, address: int, values: Sequence[int]) -> bytes:
    """Function 16: write 1..123 registers from `address` on."""
    head = struct.pack(">BBHHB", unit, WRITE_MULTIPLE, address, len(values), 2 * len(values))
    return _frame(head + struct.pack(f">{len(values)}H", *values))


def write_register_request(unit: int, address: int, value: int) -> bytes:
    """Function 6: write one register."""
    return _frame(struct.pack(">BBHH", unit, WRITE_SINGLE, address, value))


def read_response(unit: int, function: int, registers: Sequence[int]) -> bytes:
    """Answer to a read (function 3 or 4)."""
    head = struct.pack(">BBB", unit, function, 2 * len(registers))
    return _frame(head + struct.pack(f">{len(registers)}H", *registers))


def write_registers_response(unit: int, address: int, count: int) -> bytes:
    """Answer to function 16. (The answer to function 6 is its request, byte by byte.)"""
    return _frame(struct.pack(">BBHH", unit, WRITE_MULTIPLE, address, count))


def exception_response(unit: int, function: int, code: int) -> bytes:
    """Refusal of a request; `function` as it was in the request."""
    return _frame(struct.pack(">BBB", unit, function | 0x80, code))


def float_registers(value: float) -> tuple[int, int]:
    """IEEE 754 single, high word first, as the Eastron meters store it. Too large a value becomes infinity."""
    try:
        raw = struct.pack(">f", value)
    except OverflowError:
        raw = struct.pack(">f", float("inf") if value > 0 else float("-inf"))
    high, low = struct.unpack(">HH", raw)
    return high, low


def registers_float(high: int, low: int) -> float:
    """The inverse of `float_registers`; may be NaN or infinite, the caller judges."""
    value: float = struct.unpack(">f", struct.pack(">HH", high, low))[0]
    return value


class ReplyDecoder:
    """The master's side for one request: finds its answer among garbage, echo and foreign frames.

    A frame is taken by unit, function, expected length and checksum, the first that is complete. The echo of a
    function 6 request equals its answer and cannot be told from it.

    Attributes:
        checksum_errors: frames of the right shape whose checksum was wrong.
    """

    def __init__(self, unit: int, function: int, count: int) -> None:
        self.checksum_errors = 0
        self._unit = unit
        self._function = function
        self._length = 8 if function in (WRITE_SINGLE, WRITE_MULTIPLE) else 5 + 2 * count
        self._count = count
        self._buffer = bytearray()

    def feed(self, data: bytes) -> Reply | None:
        """The answer once it is complete, else None. Bytes after the answer are dropped."""
        for byte in data:
            self._buffer.append(byte)
            reply = self._ending_here()
            if reply is not None:
                self._buffer.clear()
                return reply
        del self._buffer[:-_MAX_FRAME_BYTES]
        return None

    def _ending_here(self) -> Reply | None:
        tail = bytes(self._buffer[-5:])
        if len(tail) == 5 and tail[0] == self._unit and tail[1] == self._function | 0x80 and _is_sound(tail):
            return ExceptionReply(self._unit, self._function, tail[2])
        tail = bytes(self._buffer[-self._length :])
        if len(tail) < self._length or tail[0] != self._unit or tail[1] != self._function:
            return None
        if self._function in (WRITE_SINGLE, WRITE_MULTIPLE):
            if not self._checked(tail):
                return None
            address, value = struct.unpack(">HH", tail[2:6])
            return WriteReply(self._unit, self._function, address, value)
        if tail[2] != 2 * self._count or not self._checked(tail):
            return None
        return RegistersReply(self._unit, self._function, struct.unpack(f">{self._count}H", tail[3:-2]))

    def _checked(self, frame: bytes) -> bool:
        sound = _is_sound(frame)
        self.checksum_errors += not sound
        return sound


class RequestDecoder:
    """The slave's side: bytes of the master -> requests for any unit. Bad frames are silently skipped."""

    def __init__(self) -> None:
        self._buffer = bytearray()

    def feed(self, data: bytes) -> list[Request]:
        """The requests that `data` completes, in order."""
        requests = []
        for byte in data:
            self._buffer.append(byte)
            del self._buffer[:-_MAX_FRAME_BYTES]
            for start in range(len(self._buffer) - 7):
                if (request := _request(self._buffer, start)) is not None:
                    requests.append(request)
                    self._buffer.clear()
                    break
        return requests


def _request(buffer: bytearray, start: int) -> Request | None:
    """The request from `start` to exactly the end of the buffer, or None."""
    length = len(buffer) - start
    unit, function = buffer[start], buffer[start + 1]
    if function == WRITE_MULTIPLE:
        size = buffer[start + 6]
        if length != 9 + size:
            return None
        frame = bytes(buffer[start:])
        address, count = struct.unpack(">HH", frame[2:6])
        if size != 2 * count or not _is_sound(frame):
            return None
        return WriteRegisters(unit, function, address, struct.unpack(f">{count}H", frame[7:-2]))
    if length != 8:
        return None
    frame = bytes(buffer[start:])
    if not _is_sound(frame):
        return None
    address, value = struct.unpack(">HH", frame[2:6])
    if function in (READ_HOLDING, READ_INPUT):
        return ReadRegisters(unit, function, address, value)
    if function == WRITE_SINGLE:
        return WriteRegisters(unit, function, address, (value,))
    return OtherRequest(unit, function)


def _frame(body: bytes) -> bytes:
    return body + struct.pack("<H", crc16(body))


def _is_sound(frame: bytes) -> bool:
    return crc16(frame[:-2]) == frame[-2] | frame[-1] << 8
