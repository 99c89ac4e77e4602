"""PN532 over a UART (HSU): bytes <-> frozen frames and the few commands the station uses (hardware.md, 5.1).

Frame: 00 00 FF LEN LCS TFI data… DCS 00; LEN+LCS and TFI+data+DCS are 0 modulo 256. TFI D4 host, D5 chip.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

HOST = 0xD4
CHIP = 0xD5
ACK = bytes.fromhex("0000FF00FF00")
NACK = bytes.fromhex("0000FFFF0000")
ERROR = bytes.fromhex("0000FF01FF7F8100")
WAKE = b"\x55\x55" + bytes(14)  # before the first command after power-up; the chip sleeps until then

GET_FIRMWARE_VERSION = 0x02
SAM_CONFIGURATION = 0x14
RF_CONFIGURATION = 0x32
IN_LIST_PASSIVE_TARGET = 0x4A
IN_RELEASE = 0x52

FIRMWARE_VERSION_COMMAND = bytes([GET_FIRMWARE_VERSION])
SAM_NORMAL_COMMAND = bytes([SAM_CONFIGURATION, 0x01, 0x00, 0x00])
# Retries = 1: with the default (for ever) InListPassiveTarget answers only when a card comes.
ONE_RETRY_COMMAND = bytes([RF_CONFIGURATION, 0x05, 0x00, 0x01, 0x01])
POLL_TYPE_A_COMMAND = bytes([IN_LIST_PASSIVE_TARGET, 0x01, 0x00])
RELEASE_COMMAND = bytes([IN_RELEASE, 0x00])

_MAX_LENGTH = 265  # TFI and 264 bytes: the largest extended frame of the chip


@dataclass(frozen=True)
class Frame:
    """An information frame: direction byte and its data, which begins with the command (or answer) code."""

    tfi: int
    data: bytes


@dataclass(frozen=True)
class Ack:
    """The chip took the command; sent by the host it aborts the running one."""


@dataclass(frozen=True)
class Nack:
    """Please repeat the last frame."""


@dataclass(frozen=True)
class ErrorFrame:
    """The chip did not understand the frame at application level."""


@dataclass(frozen=True)
class Firmware:
    """Answer to GetFirmwareVersion: `ic` is 0x32 for a PN532."""

    ic: int
    version: int
    revision: int

    def __str__(self) -> str:
        return f"PN5{self.ic:02X} v{self.version}.{self.revision}"


@dataclass(frozen=True)
class Target:
    """A card in the field (ISO 14443 A): its UID, byte 0 first (4, 7 or 10 bytes), and how it announced itself."""

    uid: bytes
    sens_res: int
    sel_res: int


def encode_frame(tfi: int, data: bytes) -> bytes:
    """A normal frame, or an extended one above 254 bytes of data. Raises ValueError above 264."""
    body = bytes([tfi]) + data
    length = len(body)
    if length > _MAX_LENGTH:
        raise ValueError(f"PN532 frame of {len(data)} bytes; at most {_MAX_LENGTH - 1}")
    if length <= 255:
        head = bytes([length, -length & 0xFF])
    else:
        high, low = divmod(length, 256)
        head = bytes([0xFF, 0xFF, high, low, -(high + low) & 0xFF])
    return b"\x00\x00\xff" + head + body + bytes([-sum(body) & 0xFF, 0x00])


def host_frame(command: bytes) -> bytes:
    """A command of the host to the chip: `host_frame(POLL_TYPE_A_COMMAND)`."""
    return encode_frame(HOST, command)


class Decoder:
    """Bytes of either direction -> frames, resynchronising at every start code.

    Attributes:
        checksum_errors: frames with a good length whose data checksum was wrong.
    """

    def __init__(self) -> None:
        self.checksum_errors = 0
        self._buffer = bytearray()

    def reset(self) -> None:
        """Forget a half-received frame (after a timeout)."""
        self._buffer.clear()

    def feed(self, data: bytes) -> list[Frame | Ack | Nack | ErrorFrame]:
        """The frames that `data` completes, in order. Never more than about 280 bytes are kept."""
        self._buffer += data
        frames: list[Frame | Ack | Nack | ErrorFrame] = []
        while True:
            start = self._buffer.find(b"\x00\xff")
            if start < 0:
                del self._buffer[: -1 if self._buffer.endswith(b"\x00") else None]
                return frames
            del self._buffer[:start]
            taken, frame = self._at_start_code()
            if not taken:
                return frames
            if frame is not None:
                frames.append(frame)
            del self._buffer[:taken]

    def _at_start_code(self) -> tuple[int, Frame | Ack | Nack | ErrorFrame | None]:
        """Bytes to drop (0: wait for more) and the frame they were, if any. The buffer begins with 00 FF."""
        buffer = self._buffer
        if len(buffer) < 4:
            return 0, None
        head, length, check = 4, buffer[2], buffer[3]
        if (length, check) == (0x00, 0xFF):
            return 4, Ack()
        if (length, check) == (0xFF, 0x00):
            return 4, Nack()
        if (length, check) == (0xFF, 0xFF):
            if len(buffer) < 7:
                return 0, None
            head, length, check = 7, buffer[4] << 8 | buffer[5], buffer[4] + buffer[5] + buffer[6]
        else:
            check += length
        if check & 0xFF or not 1 <= length <= _MAX_LENGTH:
            return 1, None
        end = head + length + 1
        if len(buffer) < end:
            return 0, None
        body = bytes(buffer[head:end])
        if length == 1 and body == b"\x7f\x81":
            return end, ErrorFrame()
        if sum(body) & 0xFF:
            self.checksum_errors += 1
            return 1, None
        return end, Frame(body[0], body[1:-1])


def parse_firmware(data: bytes) -> Firmware | None:
    """Data of a chip frame -> firmware, None when it is not that answer."""
    if len(data) < 5 or data[0] != GET_FIRMWARE_VERSION + 1:
        return None
    return Firmware(data[1], data[2], data[3])


def parse_targets(data: bytes) -> tuple[Target, ...] | None:
    """Data of a chip frame -> the cards seen (empty: none), None when it is no answer to a type A poll."""
    if len(data) < 2 or data[0] != IN_LIST_PASSIVE_TARGET + 1:
        return None
    targets = []
    rest = data[2:]
    for _ in range(data[1]):
        if len(rest) < 5 or len(rest) < 5 + rest[4]:
            return None
        sel_res, end = rest[3], 5 + rest[4]
        targets.append(Target(rest[5:end], rest[1] << 8 | rest[2], sel_res))
        rest = rest[end:]
        if sel_res & 0x20 and rest:  # ISO 14443-4: an ATS follows, its first byte is its length
            rest = rest[max(rest[0], 1) :]
    return tuple(targets)


def poll_answer(targets: Sequence[Target]) -> bytes:
    """Data of the chip's answer to a type A poll; the inverse of `parse_targets` for cards without an ATS."""
    data = bytes([IN_LIST_PASSIVE_TARGET + 1, len(targets)])
    for number, target in enumerate(targets, 1):
        sens = target.sens_res.to_bytes(2, "big")
        data += bytes([number]) + sens + bytes([target.sel_res, len(target.uid)]) + target.uid
    return data
