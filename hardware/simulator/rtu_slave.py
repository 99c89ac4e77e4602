"""The slave's side of a Modbus RTU line: whose request it is, and what goes back (hardware.md, section 4.3)."""

from __future__ import annotations

from collections.abc import Callable

from hardware import modbus_rtu as rtu


class RtuSlave:
    """One unit on a bus. Requests for another unit and bad checksums meet silence.

    Args:
        read: (function, address, count) -> register words, or the code of an exception.
        write: (function, address, values) -> 0 when done, or the code of an exception.

    Attributes:
        exception_code: every read is refused with it, 0: none.
        wrong_unit: answers under the next unit number.
        valid_frames: requests for this unit since the simulator started.
    """

    def __init__(
        self,
        unit: int,
        read: Callable[[int, int, int], list[int] | int],
        write: Callable[[int, int, tuple[int, ...]], int],
    ) -> None:
        self.unit = unit
        self.exception_code = 0
        self.wrong_unit = False
        self.valid_frames = 0
        self._read = read
        self._write = write
        self._decoder = rtu.RequestDecoder()
        self._output = bytearray()

    def reset(self) -> None:
        """Forget what was half heard and not yet sent."""
        self._decoder = rtu.RequestDecoder()
        self._output.clear()

    def receive(self, data: bytes) -> None:
        """Bytes of the master."""
        for request in self._decoder.feed(data):
            if request.unit == self.unit:
                self.valid_frames += 1
                self._output += self._answer(request)

    def take_output(self) -> bytes:
        """The bytes sent since the last call."""
        data = bytes(self._output)
        self._output.clear()
        return data

    def _answer(self, request: rtu.Request) -> bytes:
        unit = self.unit + 1 if self.wrong_unit else self.unit
        match request:
            case rtu.ReadRegisters(_, function, address, count):
                words = self.exception_code or self._read(function, address, count)
                if isinstance(words, int):
                    return rtu.exception_response(unit, function, words)
                return rtu.read_response(unit, function, words)
            case rtu.WriteRegisters(_, function, address, values):
                if code := self._write(function, address, values):
                    return rtu.exception_response(unit, function, code)
                if function == rtu.WRITE_SINGLE:
                    return rtu.write_register_request(unit, address, values[0])  # the answer repeats the request
                return rtu.write_registers_response(unit, address, len(values))
            case _:
                return rtu.exception_response(unit, request.function, rtu.ILLEGAL_FUNCTION)
