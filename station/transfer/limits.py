"""How long and how large a transfer may be, and who is told how far it is."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ocppclient.sentence import Sentence
from station.transfer.address import TransferFailed

#: (bytes so far, bytes in all or 0 when unknown); it may raise to end the transfer.
Progress = Callable[[int, int], None]


@dataclass(frozen=True)
class Limits:
    """Bounds of one attempt.

    Attributes:
        size: bytes; more is refused.
        total_s: the whole attempt.
        connect_s: until the connection stands, TLS included.
        answer_s: until the server has answered a request with all its headers.
        idle_s: without a single byte.
        slowest: bytes per second, on average over `slow_s`; slower is given up (the next attempt goes on from there).
        keep_free: bytes of the disk that stay free.
    """

    size: int = 512 * 1024 * 1024
    total_s: float = 4 * 3600
    connect_s: float = 30
    answer_s: float = 60
    idle_s: float = 60
    slowest: float = 200
    slow_s: float = 120
    keep_free: int = 64 * 1024 * 1024


class Pace:
    """Watches one attempt against its limits; call `moved` after every piece."""

    def __init__(self, limits: Limits, progress: Progress, monotonic: Callable[[], float]) -> None:
        self.limits = limits
        self._progress = progress
        self._monotonic = monotonic
        self._end_at = monotonic() + limits.total_s
        self._window_at = monotonic()
        self._window_bytes: int | None = None

    def moved(self, done: int, total: int) -> None:
        """So many bytes are there now, of so many (0: unknown).

        Raises:
            TransferFailed: too long or too slow; or what the progress callback raises.
        """
        now = self._monotonic()
        if now >= self._end_at:
            raise TransferFailed(
                "timeout", Sentence("the transfer took longer than {total_s:g} s", total_s=self.limits.total_s)
            )
        if self._window_bytes is None:
            self._window_at, self._window_bytes = now, done
        elif now - self._window_at >= self.limits.slow_s:
            rate = (done - self._window_bytes) / (now - self._window_at)
            if rate < self.limits.slowest:
                raise TransferFailed(
                    "timeout", Sentence("the transfer was too slow: {rate:.0f} bytes a second", rate=rate)
                )
            self._window_at, self._window_bytes = now, done
        self._progress(done, total)

    def fits(self, size: int) -> None:
        """Raises TransferFailed when a file of that size is not wanted."""
        if size > self.limits.size:
            raise TransferFailed("size", Sentence("the file is larger than {size} MiB", size=self.limits.size // 2**20))
