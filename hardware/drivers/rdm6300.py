"""Driver of the RDM6300 and RDM630 card readers, EM4100 tags (hardware.md, section 5.2).

They only talk: a frame every 50 to 100 ms while a tag is held. Silence cannot be told from a dead reader.
"""

from __future__ import annotations

import math
from collections.abc import Callable

from hardware.drivers.port_loss import PortLoss
from hardware.drivers.presentation import Presentation
from hardware.em4100 import Decoder
from hardware.sentence import NOTHING
from hardware.serial_port import Counters, Line

REPEATS_WITHIN_S = 0.3  # the frames of one presentation; an unfinished frame is older than that only by accident
ALONE_AFTER_S = 0.15  # a module that sends each tag once: nothing more came


class Rdm6300:
    """The reader on its line (a `Device`).

    The checksum is an XOR and cannot see two errors in the same column, so a tag counts when two frames say the same,
    or when one frame stayed alone and nothing near it was damaged.

    Args:
        on_card: the tag as upper-case hex, once a presentation; on the line's thread.
        on_failed: True when the port was gone for 5 s, False when it is back.
        id_only: without the version byte: 8 digits instead of 10.
    """

    warning = NOTHING
    description = "rdm6300"

    def __init__(
        self,
        clock: Callable[[], float],
        counters: Counters,
        on_card: Callable[[str], None],
        on_failed: Callable[[bool], None],
        *,
        id_only: bool = False,
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._on_card = on_card
        self._loss = PortLoss(clock, on_failed)
        self._id_only = id_only
        self._decoder = Decoder()
        self._presentation = Presentation()
        self._line: Line | None = None
        self._received_at = clock()
        self._candidate: bytes | None = None  # seen once, not told yet
        self._candidate_at = 0.0
        self._told: bytes | None = None  # of the presentation that goes on
        self._damaged_at = -math.inf

    def attach(self, line: Line) -> None:
        self._line = line
        self._decoder.reset()
        self._candidate = self._told = None
        self._loss.judge(present=True)

    def lost(self, reason: str) -> None:
        self._line = None
        self._loss.judge(present=False)

    def farewell(self) -> None:
        """Nothing can be said to this reader."""

    def step(self) -> None:
        assert self._line is not None
        data = self._line.read(ALONE_AFTER_S if self._candidate is not None else 1.0)
        now = self._clock()
        self._loss.judge(present=True)
        if data:
            self._take(data, now)
        elif self._candidate is not None and now - self._candidate_at >= ALONE_AFTER_S:
            if now - self._damaged_at >= REPEATS_WITHIN_S:
                self._tell(self._candidate, now)
            self._candidate = None

    def _take(self, data: bytes, now: float) -> None:
        if now - self._received_at >= REPEATS_WITHIN_S:
            self._decoder.reset()
            self._candidate = self._told = None
        self._received_at = now
        damaged = self._decoder.damaged
        tags = self._decoder.feed(data)
        if self._decoder.damaged > damaged:
            self._damaged_at = now
            self._counters.damaged(now, self._decoder.damaged - damaged)
        for tag in tags:
            self._counters.good(now)
            if tag in (self._candidate, self._told):
                self._tell(tag, now)
            else:
                self._candidate, self._candidate_at = tag, now

    def _tell(self, tag: bytes, now: float) -> None:
        self._candidate, self._told = None, tag
        card = (tag[1:] if self._id_only else tag).hex().upper()
        if self._presentation.sees(card, now):
            self._on_card(card)
