"""The cards that people hold to the reader: one after the other, long enough to be seen, far enough apart.

All times are real seconds: a reader polls in real time, whatever the speed of the world.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_UNSEEN_FOR_S = 10.0  # so long a person waits for the beep
_GAP_S = 0.7  # two empty polls of a 250 ms poller and a margin
_SAME_CARD_GAP_S = 2.5  # a driver takes the same card within 2 s for a bounce (hardware.md, section 5.1)
_EMPTY_POLLS = 3
_NOT_POLLED_S = 5.0


@dataclass(frozen=True)
class Card:
    """One swipe: what the reader reads, and for how long at least the card is held. `gap_s` overrides the pause."""

    uid: bytes
    hold_s: float = 0.6
    gap_s: float | None = None


class CardQueue:
    """Presents one card at a time and makes sure that a polling reader sees each swipe exactly once."""

    def __init__(self, *, polled: bool) -> None:
        self._polled = polled  # False: the reader sends the card by itself, no host has to ask
        self._waiting: deque[Card] = deque()
        self._card: Card | None = None
        self._since = 0.0
        self._seen = False
        self._last_uid = b""
        self._left_at = float("-inf")
        self._empty_polls = _EMPTY_POLLS

    def __len__(self) -> int:
        return len(self._waiting) + (self._card is not None)

    def swipe(self, card: Card) -> None:
        """Hold a card to the reader, after those that wait already."""
        self._waiting.append(card)

    @property
    def card(self) -> Card | None:
        """The card on the reader."""
        return self._card

    def step(self, now: float) -> Card | None:
        """Take cards away and put the next one on. The card that was put on just now, if any."""
        card = self._card
        if card is not None:
            held_s = now - self._since
            if held_s < card.hold_s or (not self._seen and self._polled and held_s < _UNSEEN_FOR_S):
                return None
            self._card = None
            self._last_uid, self._left_at = card.uid, now
            self._empty_polls = 0
        if not self._waiting or not self._may_follow(now, self._waiting[0]):
            return None
        self._card = self._waiting.popleft()
        self._since, self._seen = now, False
        return self._card

    def poll(self) -> Card | None:
        """The reader looks into its field."""
        if self._card is None:
            self._empty_polls += 1
        else:
            self._seen = True
        return self._card

    def _may_follow(self, now: float, card: Card) -> bool:
        apart_s = now - self._left_at
        if card.gap_s is not None:
            return apart_s >= card.gap_s
        if apart_s < (_SAME_CARD_GAP_S if card.uid == self._last_uid else _GAP_S):
            return False
        return not self._polled or self._empty_polls >= _EMPTY_POLLS or apart_s >= _NOT_POLLED_S
