"""A reader that sends each card as one line of text, by itself and once a swipe; it can be asked nothing."""

from __future__ import annotations

from hardware.simulator.cards import CardQueue

LINE_END = b"\r\n"


class AsciiReader:
    """One reader with the cards that are held to it."""

    def __init__(self, cards: CardQueue) -> None:
        self.cards = cards
        self.powered = False
        self.valid_frames = 0
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

    def card_arrived(self, uid: bytes) -> None:
        """A card was put on: send it."""
        if self.powered:
            self._output += uid + LINE_END

    def take_output(self) -> bytes:
        """The bytes sent since the last call."""
        data = bytes(self._output)
        self._output.clear()
        return data
