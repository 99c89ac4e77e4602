"""Question and answer over RAPI: one command in flight, matched by sequence id (hardware.md, sections 2.2 and 2.6)."""

from __future__ import annotations

from collections.abc import Callable

from hardware.rapi import AsyncMessage, HostDecoder, Response, encode_command
from hardware.sentence import Sentence
from hardware.serial_port import Counters, Line

ANSWER_TIMEOUT_S = 1.0
RETRY_INTERVAL_S = 1.5


class RapiLink:
    """Commands over one open line. Messages the board sends on its own go to `on_message` the moment they are read.

    Attributes:
        silent: the last question had no answer, in spite of all its tries.
    """

    def __init__(
        self,
        line: Line,
        clock: Callable[[], float],
        counters: Counters,
        on_message: Callable[[AsyncMessage], None],
    ) -> None:
        self._line = line
        self._clock = clock
        self._counters = counters
        self._on_message = on_message
        self._decoder = HostDecoder()
        self._seq = 0
        self.silent = False

    def ask(self, text: str, tries: int = 1) -> Response | None:
        """Send a command and wait for its answer, 1 s each try, a try every 1.5 s; None when nothing came.

        Every try has a new sequence id, so that a late answer to an earlier one is never taken for this one's.
        """
        self.silent = False
        for attempt in range(tries):
            sent_at = self.tell(text)
            answer = self._await(sent_at + ANSWER_TIMEOUT_S)
            if answer is not None and answer.seq is not None:
                return answer
            if answer is None:  # otherwise a `$NK` without an id: our line arrived damaged, ask again at once
                self._counters.timeout(self._clock(), Sentence("no answer to ${text}", text=text))
                if attempt + 1 < tries:
                    self.listen(sent_at + RETRY_INTERVAL_S)
        self.silent = True
        return None

    def tell(self, text: str) -> float:
        """Send a command without waiting for an answer; returns when it was sent (monotonic seconds)."""
        self._seq = self._seq % 255 + 1
        self._line.write(encode_command(text, self._seq))
        return self._clock()

    def listen(self, until: float) -> None:
        """Take messages of the board until `until`; a wake-up does not end it."""
        while (now := self._clock()) < until:
            self.take(self._line.read(until - now))

    def take(self, data: bytes) -> Response | None:
        """Feed received bytes; returns the answer to the last command if it is among them."""
        answer = None
        errors = self._decoder.checksum_errors
        frames = self._decoder.feed(data)
        now = self._clock()
        if frames:
            self._counters.good(now, len(frames))
        if self._decoder.checksum_errors > errors:
            self._counters.damaged(now, self._decoder.checksum_errors - errors)
        for frame in frames:
            match frame:
                case AsyncMessage():
                    self._on_message(frame)
                case Response(seq=self._seq) | Response(ok=False, seq=None):
                    answer = frame
                case Response():
                    pass  # late, or not ours
        return answer

    def _await(self, until: float) -> Response | None:
        while (now := self._clock()) < until:
            answer = self.take(self._line.read(until - now))
            if answer is not None:
                return answer
        return None
