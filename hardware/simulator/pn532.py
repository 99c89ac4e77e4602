"""A PN532 reader on a UART: wakes, acknowledges, lists the card in its field (hardware.md, section 5.1)."""

from __future__ import annotations

from hardware import pn532 as codec
from hardware.simulator.cards import Card, CardQueue

_DIAGNOSE, _GET_GENERAL_STATUS, _READ_REGISTER, _WRITE_REGISTER = 0x00, 0x04, 0x06, 0x08
_SET_BAUD_RATE, _SET_PARAMETERS, _POWER_DOWN = 0x10, 0x12, 0x16
_IN_DATA_EXCHANGE, _IN_COMMUNICATE_THRU, _IN_DESELECT, _IN_SELECT = 0x40, 0x42, 0x44, 0x54
_TIMEOUT_STATUS = 0x01
_MAX_RETRIES_ITEM = 0x05
_FOR_EVER = 0xFF
_FIRMWARE = bytes([0x32, 0x01, 0x06, 0x07])  # PN532 v1.6, ISO 14443 A/B and 18092
_LINE_TEST = 0x00
_SIMPLE_ANSWERS = {
    codec.SAM_CONFIGURATION: b"",
    _SET_BAUD_RATE: b"",
    _SET_PARAMETERS: b"",
    _WRITE_REGISTER: b"",
    _GET_GENERAL_STATUS: bytes([0x00, 0x00, 0x00, 0x80]),
    codec.IN_RELEASE: b"\x00",
    _IN_DESELECT: b"\x00",
    _IN_SELECT: b"\x00",
    _IN_DATA_EXCHANGE: bytes([_TIMEOUT_STATUS]),
    _IN_COMMUNICATE_THRU: bytes([_TIMEOUT_STATUS]),
}
# SENS_RES and SEL_RES of a MIFARE Classic, Ultralight and a triple-size UID
_ANNOUNCED = {4: (0x0004, 0x08), 7: (0x0044, 0x00), 10: (0x0084, 0x00)}


class Pn532:
    """One reader with the cards that are held to it.

    `second_uid`: another card lies in the field all the time a card is held (fault `two_cards`); the chip then
    finds one or the other.
    """

    def __init__(self, cards: CardQueue) -> None:
        self.cards = cards
        self.powered = False
        self.valid_frames = 0
        self.second_uid: bytes | None = None
        self._output = bytearray()
        self._reset()

    def _reset(self) -> None:
        self._awake = False
        self._ready_for_cards = False  # SAMConfiguration done: before it the chip is in low-battery mode
        self._retries = _FOR_EVER
        self._listing = False
        self._found_second = False
        self._decoder = codec.Decoder()

    def power_on(self) -> None:
        """Start, asleep until the host wakes the line."""
        self._reset()
        self.powered = True

    def power_off(self) -> None:
        """Fall silent and forget everything."""
        self._reset()
        self.powered = False
        self._output.clear()

    def receive(self, data: bytes) -> None:
        """Bytes of the host."""
        if not self.powered:
            return
        if not self._awake:
            if b"\x55" not in data and bytes(10) not in data:
                return
            self._awake = True
        for frame in self._decoder.feed(data):
            match frame:
                case codec.Frame(codec.HOST, command) if command:
                    self.valid_frames += 1
                    self._listing = False
                    self._output += codec.ACK
                    self._execute(command[0], command[1:])
                case codec.Ack():
                    self._listing = False  # the host aborts the running command

    def step(self, now: float, arrived: Card | None) -> None:
        """Answer a listing that waits for a card."""
        if self._listing and self.cards.card is not None:
            self._listing = False
            self._list_targets()

    def take_output(self) -> bytes:
        """The bytes sent since the last call."""
        data = bytes(self._output)
        self._output.clear()
        return data

    @staticmethod
    def uid(text: str) -> bytes:
        """The card of a swipe. Raises ValueError with the cure."""
        try:
            raw = bytes.fromhex(text)
        except ValueError:
            raw = b""
        if len(raw) not in _ANNOUNCED:
            raise ValueError(
                f"'uid' {text!r} is not the hex of 4, 7 or 10 bytes, which this reader reads. Try \"04A1B2C3\"."
            )
        return raw

    @staticmethod
    def text(uid: bytes) -> str:
        """As people write the card."""
        return uid.hex().upper()

    def _execute(self, command: int, params: bytes) -> None:
        match command:
            case codec.GET_FIRMWARE_VERSION:
                self._answer(command, _FIRMWARE)
            case codec.RF_CONFIGURATION:
                if len(params) >= 4 and params[0] == _MAX_RETRIES_ITEM:
                    self._retries = params[3]
                self._answer(command, b"")
            case codec.IN_LIST_PASSIVE_TARGET:
                self._list(params)
            case _ if command == _DIAGNOSE:
                self._answer(command, params if params[:1] == bytes([_LINE_TEST]) else b"\x00")
            case _ if command == _READ_REGISTER:
                self._answer(command, bytes(len(params) // 2))
            case _ if command == _POWER_DOWN:
                self._answer(command, b"\x00")
                self._awake = False
            case _ if command in _SIMPLE_ANSWERS:
                self._ready_for_cards = self._ready_for_cards or command == codec.SAM_CONFIGURATION
                self._answer(command, _SIMPLE_ANSWERS[command])
            case _:
                self._output += codec.ERROR

    def _list(self, params: bytes) -> None:
        if not self._ready_for_cards:
            self._output += codec.ERROR
            return
        is_type_a = len(params) >= 2 and params[1] == 0x00
        if is_type_a and self.cards.poll() is not None:
            self._list_targets()
        elif self._retries == _FOR_EVER and is_type_a:
            self._listing = True
        else:
            self._answer(codec.IN_LIST_PASSIVE_TARGET, b"\x00")

    def _list_targets(self) -> None:
        card = self.cards.poll()
        if card is None:
            return
        uid = card.uid
        if self.second_uid is not None:
            uid = self.second_uid if self._found_second else uid
            self._found_second = not self._found_second
        sens_res, sel_res = _ANNOUNCED.get(len(uid), _ANNOUNCED[4])
        self._output += codec.encode_frame(codec.CHIP, codec.poll_answer([codec.Target(uid, sens_res, sel_res)]))

    def _answer(self, command: int, data: bytes) -> None:
        self._output += codec.encode_frame(codec.CHIP, bytes([command + 1]) + data)
