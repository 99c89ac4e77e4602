"""RAPI, the text protocol of the OpenEVSE controller: bytes <-> frozen frames (hardware.md, section 2.2).

A line is `$` words [` :SS`] `^XX` CR. XX is the XOR of every byte from `$` up to, not including, the `^`.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import reduce
from operator import xor

MAX_COMMAND_BYTES = 31  # from `$` to before CR; the board drops a longer line without a word
MAX_COMMAND_TOKENS = 10
_MAX_LINE_BYTES = 256  # of what the host accepts; bounds the buffer
_ASYNC_NAMES = frozenset({"AT", "AB", "AN", "WF"})
_HEX = frozenset("0123456789abcdefABCDEF")


@dataclass(frozen=True)
class Command:
    """A command as the board sees it: two-letter name, parameters, sequence id (1..255) or None."""

    name: str
    params: tuple[str, ...] = ()
    seq: int | None = None


@dataclass(frozen=True)
class BadCommand:
    """A line the board must refuse with `$NK^21` (without a sequence id)."""

    reason: str


@dataclass(frozen=True)
class Response:
    """`$OK` or `$NK`. A negative answer may carry parameters as well (`$NK 6`)."""

    ok: bool
    params: tuple[str, ...] = ()
    seq: int | None = None


@dataclass(frozen=True)
class AsyncMessage:
    """A line the board sends on its own: AT (state), AB (booted), AN (button), WF (long press)."""

    name: str
    params: tuple[str, ...] = ()


def encode_command(text: str, seq: int | None = None) -> bytes:
    """One command line, `text` without its `$` ("SC 16 V"), with checksum and CR.

    Raises ValueError when the board would drop the line for its length, or for a sequence id outside 1..255.
    """
    line = _encode("$" + text, seq)
    if len(line) - 1 > MAX_COMMAND_BYTES:
        raise ValueError(f"RAPI command longer than {MAX_COMMAND_BYTES} bytes: {text!r}")
    return line


def encode_response(ok: bool, params: str = "", seq: int | None = None) -> bytes:
    """One answer line of the board; `params` are the words after OK/NK, separated by spaces."""
    return _encode(("$OK" if ok else "$NK") + (f" {params}" if params else ""), seq)


def encode_async(name: str, params: str = "") -> bytes:
    """One line the board sends on its own: `encode_async("AT", "03 03 16 0140")`."""
    return _encode(f"${name}" + (f" {params}" if params else ""), None)


class HostDecoder:
    """The host's side of the line: bytes of the board -> answers and messages.

    Boot text, echoes of commands and unknown lines are skipped; a line without a good `^XX` is never handed out.

    Attributes:
        checksum_errors: lines that started with `$` and failed their checksum.
    """

    def __init__(self) -> None:
        self.checksum_errors = 0
        self._lines = _Lines(_MAX_LINE_BYTES)

    def feed(self, data: bytes) -> list[Response | AsyncMessage]:
        """The frames that `data` completes, in order."""
        frames = (self._parse(line) for line in self._lines.feed(data))
        return [frame for frame in frames if frame is not None]

    def _parse(self, line: bytes) -> Response | AsyncMessage | None:
        body, mark, checksum = line.rpartition(b"^")
        if not mark or not _equals_hex(checksum, _xor(body)) or not body.isascii():
            self.checksum_errors += 1
            return None
        name, params, seq = _split(body)
        if name in ("OK", "NK"):
            return Response(name == "OK", params, seq)
        if name in _ASYNC_NAMES:
            return AsyncMessage(name, params)
        return None


class BoardDecoder:
    """The board's side of the line, as the firmware's receiver: bytes of the host -> commands.

    Accepts the legacy additive `*XX` sum and lines without a checksum; drops lines that are too long.
    """

    def __init__(self) -> None:
        self._lines = _Lines(MAX_COMMAND_BYTES)

    def feed(self, data: bytes) -> list[Command | BadCommand]:
        """The commands that `data` completes, in order."""
        return [self._parse(line) for line in self._lines.feed(data)]

    def _parse(self, line: bytes) -> Command | BadCommand:
        body = line
        for mark, checksum_of in ((b"^", _xor), (b"*", _sum)):
            if mark in line:
                body, _, checksum = line.rpartition(mark)
                if not _equals_hex(checksum, checksum_of(body)):
                    return BadCommand("checksum")
                break
        name, params, seq = _split(body)
        if not name:
            return BadCommand("empty")
        if len(params) + 1 > MAX_COMMAND_TOKENS:
            return BadCommand("too many tokens")
        return Command(name, params, seq)


class _Lines:
    """Cuts a byte stream into `$`...CR lines. Any `$` restarts the line; the buffer is bounded."""

    def __init__(self, max_bytes: int) -> None:
        self._max_bytes = max_bytes
        self._line: bytearray | None = None  # None: waiting for a `$`

    def feed(self, data: bytes) -> list[bytes]:
        lines = []
        for byte in data:
            if byte == 0x24:  # $
                self._line = bytearray(b"$")
            elif self._line is None:
                continue
            elif byte == 0x0D:
                lines.append(bytes(self._line))
                self._line = None
            elif len(self._line) >= self._max_bytes:
                self._line = None
            else:
                self._line.append(byte)
        return lines


def _encode(body: str, seq: int | None) -> bytes:
    if seq is not None:
        if not 1 <= seq <= 255:
            raise ValueError(f"RAPI sequence id outside 1..255: {seq}")
        body += f" :{seq:02X}"
    raw = body.encode("latin-1", "replace")
    return raw + b"^%02X\r" % _xor(raw)


def _split(body: bytes) -> tuple[str, tuple[str, ...], int | None]:
    """Name, parameters and sequence id. Empty words are dropped: the board sends two spaces in `$GI`."""
    words = [word for word in body[1:].decode("latin-1").split(" ") if word]
    seq = None
    if words and len(words[-1]) == 3 and words[-1][0] == ":" and set(words[-1][1:]) <= _HEX:
        seq = int(words.pop()[1:], 16) or None
    return (words[0] if words else ""), tuple(words[1:]), seq


def _xor(data: bytes) -> int:
    return reduce(xor, data, 0)


def _sum(data: bytes) -> int:
    return sum(data) & 0xFF


def _equals_hex(text: bytes, value: int) -> bool:
    return text.upper() == b"%02X" % value
