"""Question and answer over Modbus RTU with one unit: one request in flight, gaps kept (hardware.md, section 4.3)."""

from __future__ import annotations

import math
from collections.abc import Callable

from hardware import modbus_rtu as rtu
from hardware.sentence import Sentence
from hardware.serial_port import Counters, Line, drain

TRIES = 3
TURNAROUND_S = 0.27  # what a slave and a USB adapter take beside the bytes on the wire


class RtuLink:
    """Requests over one open line.

    Args:
        who: names the device in errors: "the meter".
        gap_s: silence that the device needs between the end of an answer and the next request.
        quiet_s: after a time-out the line must be silent for so long before anything is asked: the address is not in
            a reply, so a late one must never be taken for the answer to a later request of the same length.
        tries: how often a request is sent that nobody answers.

    Attributes:
        refusal: the exception code of the last answer, 0 when it was none.
        asked_at: when a request was last sent or answered.
    """

    def __init__(
        self,
        line: Line,
        clock: Callable[[], float],
        counters: Counters,
        *,
        who: str,
        unit: int,
        baud: int,
        gap_s: float,
        quiet_s: float = 0.05,
        tries: int = TRIES,
    ) -> None:
        self._line = line
        self._clock = clock
        self._counters = counters
        self._who = who
        self._unit = unit
        self._baud = baud
        self._gap_s = gap_s
        self._quiet_s = quiet_s
        self._tries = tries
        self.refusal = 0
        self.asked_at = -math.inf

    def read(self, function: int, address: int, count: int) -> tuple[int, ...] | None:
        """`count` registers from `address` by function 3 or 4; None when nobody answered or the device refused."""
        request = rtu.read_request(self._unit, function, address, count)
        reply = self._ask(request, function, count, 5 + 2 * count)
        return reply.registers if isinstance(reply, rtu.RegistersReply) else None

    def write(self, address: int, value: int) -> bool:
        """One register by function 16; False when nobody confirmed it. Only for what may be written twice."""
        request = rtu.write_registers_request(self._unit, address, (value,))
        reply = self._ask(request, rtu.WRITE_MULTIPLE, 1, 8)
        return isinstance(reply, rtu.WriteReply) and (reply.address, reply.value) == (address, 1)

    def _ask(self, request: bytes, function: int, count: int, answer_bytes: int) -> rtu.Reply | None:
        for _ in range(self._tries):
            self._keep_gap()
            decoder = rtu.ReplyDecoder(self._unit, function, count)
            self._line.write(request)
            self.asked_at = self._clock()
            reply = self._await(decoder, len(request) + answer_bytes)
            self.asked_at = now = self._clock()  # the gap counts from the end of the answer
            if decoder.checksum_errors:
                self._counters.damaged(now, decoder.checksum_errors)
            if reply is None:
                self._counters.timeout(now, Sentence("no answer from {who}", who=self._who))
                drain(self._line, self._clock, self._quiet_s, at_most_s=max(1.0, 2 * self._quiet_s))
                continue
            self._counters.good(now)
            self.refusal = reply.code if isinstance(reply, rtu.ExceptionReply) else 0
            if self.refusal:  # an answer: asking again would not change it
                self._counters.error = Sentence(
                    "{who} refuses with exception {refusal}", who=self._who, refusal=self.refusal
                )
            return reply
        return None

    def _await(self, decoder: rtu.ReplyDecoder, bytes_on_the_wire: int) -> rtu.Reply | None:
        until = self._clock() + bytes_on_the_wire * 11 / self._baud + TURNAROUND_S
        while (now := self._clock()) < until:
            reply = decoder.feed(self._line.read(until - now))
            if reply is not None:
                return reply
        return None

    def _keep_gap(self) -> None:
        while (now := self._clock()) < self.asked_at + self._gap_s:
            self._line.read(self.asked_at + self._gap_s - now)  # stray bytes belong to no request
