"""Waiting for a file descriptor in a way that another thread can end."""

from __future__ import annotations

import contextlib
import enum
import math
import os
import select
import threading
from collections.abc import Callable


class Wait(enum.Enum):
    """How a wait ended. Data that is ready comes before a wake-up of the same moment."""

    READY = enum.auto()
    WOKEN = enum.auto()
    TIME_OUT = enum.auto()


class Waiter:
    """One thread waits for `fd` to become readable; any thread may `wake` it, also after `close`."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._wake_out, self._wake_in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._poll = select.poll()
        self._poll.register(fd, select.POLLIN)
        self._poll.register(self._wake_out, select.POLLIN)
        self._lock = threading.Lock()  # so that `wake` never writes to a descriptor someone else got since
        self._is_open = True

    def wait(self, timeout_s: float) -> Wait:
        """Until `fd` is readable (or its other end is gone), for `timeout_s` at most, or until woken."""
        ready = dict(self._poll.poll(math.ceil(max(timeout_s, 0.0) * 1000)))
        if self._wake_out in ready:
            os.read(self._wake_out, 1 << 20)  # all of it: many wake-ups are one
        if self._fd in ready:
            return Wait.READY
        return Wait.WOKEN if ready else Wait.TIME_OUT

    def wake(self) -> None:
        """Make the present or the next `wait` return at once."""
        # A full pipe raises BlockingIOError: the thread is being woken already.
        with self._lock, contextlib.suppress(BlockingIOError):
            if self._is_open:
                os.write(self._wake_in, b"w")

    def close(self, release: Callable[[], object]) -> None:
        """Call `release`, which closes `fd`; harmless when repeated."""
        with self._lock:
            if not self._is_open:
                return
            self._is_open = False
            with contextlib.suppress(OSError):
                release()
            os.close(self._wake_in)
            os.close(self._wake_out)
