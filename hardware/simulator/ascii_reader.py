"""A reader that sends each card as one line of text, by itself and once a swipe; it can be asked nothing."""

from __future__ import annotations

from hardware.simulator.cards import Card, CardQueue

LINE_END = b"\r\n"
_LONGEST_TEXT = 64


class AsciiReader:
    """One reader with the cards that are held to it.

    `second_uid` (another card in the field) does not matter to it: what it reads it sends.
    """

    def __init__(self, cards: CardQueue) -> None:
        self.cards = cards
        self.powered = False
        self.valid_frames = 0
        self.second_uid: bytes | None = None
        self._output = bytearray()

    def power_on(self) -> None:
        """Start."""
        self.powered = True

    def power_off(self) -> None:
        """Fall silent."""
        self.powered = False
        self._output.clear()

    def receive(self, data: bytes) -> None:
        """The reader does not listen."""

    def step(self, now: float, arrived: Card | None) -> None:
        """Send a card that was put on just now."""
        if self.powered and arrived is not None:
            self._output += arrived.uid + LINE_END

    def take_output(self) -> bytes:
        """The bytes sent since the last call."""
        data = bytes(self._output)
        self._output.clear()
        return data

    @staticmethod
    def uid(text: str) -> bytes:
        """The text of a swipe. Raises ValueError with the cure."""
        if not text.isascii() or not text.isprintable() or len(text) > _LONGEST_TEXT:
            raise ValueError(f"'uid' must be 1 to {_LONGEST_TEXT} printable ASCII characters for this reader.")
        return text.encode()

    @staticmethod
    def text(uid: bytes) -> str:
        """As people write the card."""
        return uid.decode()
