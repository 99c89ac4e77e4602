"""The bytes on each line with their times: a bounded ring to read by number."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass

_ENTRIES = 2000


@dataclass(frozen=True, slots=True)
class LogEntry:
    """One piece of traffic. `at_s` is real seconds since the simulator started; `sender` is host or device."""

    seq: int
    at_s: float
    port: str
    sender: str
    data: bytes


class ByteLog:
    """The newest 2000 pieces."""

    def __init__(self) -> None:
        self._entries: deque[LogEntry] = deque(maxlen=_ENTRIES)
        self.last_seq = 0

    def add(self, at_s: float, port: str, sender: str, data: bytes) -> None:
        """Note what was on a line."""
        self.last_seq += 1
        self._entries.append(LogEntry(self.last_seq, at_s, port, sender, data))

    def since(self, seq: int) -> list[LogEntry]:
        """The entries after number `seq`, oldest first, as far as they are still there."""
        return [entry for entry in self._entries if entry.seq > seq]
