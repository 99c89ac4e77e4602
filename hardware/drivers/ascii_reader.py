"""Driver of card readers that send plain text: one card a line, or between STX and ETX."""

from __future__ import annotations

from collections.abc import Callable

from hardware.drivers.port_loss import PortLoss
from hardware.drivers.presentation import Presentation
from hardware.sentence import NOTHING
from hardware.serial_port import Counters, Line

MAX_LENGTH = 64
STALE_AFTER_S = 1.0  # a card is sent in one go: what came so long before belongs to another one
_ENDS = frozenset(b"\r\n\x03")
_STX = 0x02


class AsciiDecoder:
    """Bytes -> card texts: lines ended by CR, LF or ETX, blanks stripped, printable ASCII only, at most 64 characters.

    Attributes:
        rejected: lines that were too long or not printable.
    """

    def __init__(self) -> None:
        self.rejected = 0
        self._line = bytearray()
        self._is_bad = False

    def reset(self) -> None:
        """Forget an unfinished line."""
        self._line.clear()
        self._is_bad = False

    def feed(self, data: bytes) -> list[str]:
        """The cards that `data` completes, in order."""
        cards = []
        for byte in data:
            if byte == _STX:
                self.reset()
            elif byte in _ENDS:
                card = self._line.decode("ascii").strip()
                self.rejected += self._is_bad
                if card and not self._is_bad:
                    cards.append(card)
                self.reset()
            elif len(self._line) >= MAX_LENGTH or not (0x20 <= byte <= 0x7E or byte == 0x09):
                self._is_bad = True
            else:
                self._line.append(byte)
        return cards


class AsciiReader:
    """The reader on its line (a `Device`). It cannot be asked anything: only a lost port tells of a failure.

    Args:
        on_card: the text of a card, once a presentation; on the line's thread.
        on_failed: True when the port was gone for 5 s, False when it is back.
    """

    warning = NOTHING
    description = "ascii"

    def __init__(
        self,
        clock: Callable[[], float],
        counters: Counters,
        on_card: Callable[[str], None],
        on_failed: Callable[[bool], None],
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._on_card = on_card
        self._loss = PortLoss(clock, on_failed)
        self._decoder = AsciiDecoder()
        self._presentation = Presentation()
        self._line: Line | None = None
        self._received_at = clock()

    def attach(self, line: Line) -> None:
        self._line = line
        self._decoder.reset()
        self._loss.judge(present=True)

    def lost(self, reason: str) -> None:
        self._line = None
        self._loss.judge(present=False)

    def farewell(self) -> None:
        """Nothing can be said to this reader."""

    def step(self) -> None:
        assert self._line is not None
        data = self._line.read(1.0)
        now = self._clock()
        self._loss.judge(present=True)
        if not data:
            return
        if now - self._received_at >= STALE_AFTER_S:
            self._decoder.reset()
        self._received_at = now
        rejected = self._decoder.rejected
        cards = self._decoder.feed(data)
        if self._decoder.rejected > rejected:
            self._counters.damaged(now, self._decoder.rejected - rejected)
        for card in cards:
            self._counters.good(now)
            if self._presentation.sees(card, now):
                self._on_card(card)
