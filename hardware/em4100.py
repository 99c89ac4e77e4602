"""The frames of RDM6300 and RDM630 readers for EM4100 tags, 125 kHz: bytes <-> tag numbers (hardware.md, section 5.2).

02, ten hex digits (version byte, 4 bytes of the id), two hex digits (their XOR), 03; some clones put CR LF before 03.
"""

from __future__ import annotations

TAG_BYTES = 5
_STX, _ETX = 0x02, 0x03
_DIGITS = 2 * TAG_BYTES + 2
_HEX = frozenset(b"0123456789ABCDEFabcdef")


def encode_frame(tag: bytes) -> bytes:
    """What the reader sends for a tag of 5 bytes. Raises ValueError for another length."""
    if len(tag) != TAG_BYTES:
        raise ValueError(f"an EM4100 tag has {TAG_BYTES} bytes, not {len(tag)}")
    return b"\x02" + (tag + bytes([_xor(tag)])).hex().upper().encode() + b"\x03"


class Decoder:
    """Bytes of the reader -> tags of 5 bytes. A new 02 restarts a frame; nothing but hex digits may be inside.

    Attributes:
        damaged: frames that began and were not whole.
    """

    def __init__(self) -> None:
        self.damaged = 0
        self._digits: bytearray | None = None  # None: outside a frame

    def reset(self) -> None:
        """Forget an unfinished frame."""
        self._digits = None

    def feed(self, data: bytes) -> list[bytes]:
        """The tags that `data` completes, in order."""
        tags = []
        for byte in data:
            if byte == _STX:
                self.damaged += self._digits is not None
                self._digits = bytearray()
            elif self._digits is None:
                continue
            elif byte == _ETX:
                tag = _tag(self._digits)
                self._digits = None
                if tag is None:
                    self.damaged += 1
                else:
                    tags.append(tag)
            elif (byte in _HEX or byte in b"\r\n") and len(self._digits) < _DIGITS + 2:
                self._digits.append(byte)
            else:
                self._digits = None
                self.damaged += 1
        return tags


def _tag(content: bytearray) -> bytes | None:
    digits = content.removesuffix(b"\r\n")
    if len(digits) != _DIGITS or not _HEX.issuperset(digits):
        return None
    *tag, check = bytes.fromhex(digits.decode())
    return bytes(tag) if _xor(bytes(tag)) == check else None


def _xor(data: bytes) -> int:
    result = 0
    for byte in data:
        result ^= byte
    return result
