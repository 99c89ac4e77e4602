"""When is a card presented anew? One event a presentation (hardware.md, section 5.1)."""

from __future__ import annotations

SAME_CARD_S = 2.0  # the same card is not presented twice within this time …
GONE_AFTER_S = 1.0  # … nor while it was out of sight for less than this: cards held to a reader flicker


class Presentation:
    """Tells the first sight of a card from the many that follow while it is held to the reader."""

    def __init__(self) -> None:
        self._card = ""
        self._told_at = 0.0
        self._seen_at = 0.0

    def sees(self, card: str, now: float) -> bool:
        """True when this sight of `card` is a new presentation."""
        same = card == self._card and (now - self._seen_at < GONE_AFTER_S or now - self._told_at < SAME_CARD_S)
        self._seen_at = now
        if same:
            return False
        self._card, self._told_at = card, now
        return True
