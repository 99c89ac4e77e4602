"""A reader of EM4100 tags that repeats a frame as long as the tag is held, and listens to nobody (hardware.md, 5.2)."""

from __future__ import annotations

from hardware import em4100
from hardware.simulator.cards import Card, CardQueue

_REPEAT_S = 0.065


class Rdm6300:
    """One reader with the tags that are held to it.

    `second_uid`: another tag lies in the field all the time; two tags drown each other, nothing is read.
    """

    def __init__(self, cards: CardQueue) -> None:
        self.cards = cards
        self.powered = False
        self.valid_frames = 0
        self.second_uid: bytes | None = None
        self._output = bytearray()
        self._next_at = 0.0

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
        """Send the tag that is held, again and again."""
        card = self.cards.card
        if not self.powered or card is None or self.second_uid is not None:
            return
        if arrived is not None or now >= self._next_at:
            self._next_at = now + _REPEAT_S
            self._output += em4100.encode_frame(card.uid)

    def take_output(self) -> bytes:
        """The bytes sent since the last call."""
        data = bytes(self._output)
        self._output.clear()
        return data

    @staticmethod
    def uid(text: str) -> bytes:
        """The tag of a swipe: 10 hex digits, or the 8 of its id. Raises ValueError with the cure."""
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""
        if len(raw) not in (4, em4100.TAG_BYTES):
            raise ValueError(
                f"'uid' {text!r} is not the hex of an EM4100 tag, 5 bytes (or 4 without the version byte), which this "
                'reader reads. Try "010063E9AE".'
            )
        return raw.rjust(em4100.TAG_BYTES, b"\x01")

    @staticmethod
    def text(uid: bytes) -> str:
        """As people write the tag."""
        return uid.hex().upper()
