"""The one inbox of the domain thread: events of all threads in order, readings coalesced, calls with an answer."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future
from typing import Any

from ocppclient.events import Event, Reading


class Entry:
    """One thing to do: an event, or a call whose result somebody waits for."""

    __slots__ = ("call", "event", "result")

    def __init__(self, event: Event | None, call: Callable[[], Any] | None = None) -> None:
        self.event = event
        self.call = call
        self.result: Future[Any] = Future()


def edges(reading: Reading) -> tuple[object, ...]:
    """What of a reading must not be skipped; the rest (energy, current, amperes) is a level: the newest one counts."""
    return (reading.ready, reading.ev_connected, reading.ev_requests, reading.contactor_closed, reading.faults)


class Inbox:
    """Any thread puts, the domain thread takes.

    A Reading replaces a waiting one when both tell the same edges; an intermediate reading with another plug, contactor
    or fault state keeps its place among cards and frames.
    """

    def __init__(self) -> None:
        self._entries: deque[Entry] = deque()
        self._ready = threading.Condition()
        self._waiting_reading: Entry | None = None

    def put(self, event: Event) -> None:
        """Append an event."""
        with self._ready:
            waiting = self._waiting_reading
            if isinstance(event, Reading):
                if waiting is not None and isinstance(waiting.event, Reading) and edges(waiting.event) == edges(event):
                    waiting.event = event
                    return
                self._waiting_reading = entry = Entry(event)
            else:
                entry = Entry(event)
            self._entries.append(entry)
            self._ready.notify()

    def call(self, call: Callable[[], Any]) -> Future[Any]:
        """Have the domain thread call something, in its turn."""
        entry = Entry(None, call)
        with self._ready:
            self._entries.append(entry)
            self._ready.notify()
        return entry.result

    def take(self, timeout_s: float) -> Entry | None:
        """The oldest entry; None when there is none within the time."""
        with self._ready:
            if not self._entries:
                self._ready.wait(max(0.0, timeout_s))
            if not self._entries:
                return None
            entry = self._entries.popleft()
            if entry is self._waiting_reading:
                self._waiting_reading = None
            return entry

    def __len__(self) -> int:
        return len(self._entries)
