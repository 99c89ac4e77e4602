"""What happened between a station and the scripted backend: every frame and every event, in order, with times."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

CALL, CALLRESULT, CALLERROR = 2, 3, 4


@dataclass(frozen=True)
class Entry:
    """One line of the story.

    Attributes:
        at: monotonic seconds.
        connection: number of the websocket connection; 0 for what belongs to none.
        source: "station" or "backend" for a frame that this side sent, "note" for an event.
        text: the frame as it was on the wire, or the words of the note.
        message: the frame decoded; None when it is not a JSON array.
    """

    at: float
    connection: int
    source: str
    text: str
    message: list | None = None

    def is_call(self, action: str | None = None) -> bool:
        """A CALL, of this action when one is given."""
        return (
            self.message is not None
            and len(self.message) == 4
            and self.message[0] == CALL
            and (action is None or self.message[2] == action)
        )

    def is_answer_to(self, call_id: str) -> bool:
        """A CALLRESULT or CALLERROR with this id."""
        return (
            self.message is not None
            and len(self.message) >= 2
            and self.message[0] in (CALLRESULT, CALLERROR)
            and self.message[1] == call_id
        )

    @property
    def id(self) -> str:
        return self.message[1]

    @property
    def action(self) -> str:
        return self.message[2]

    @property
    def payload(self) -> dict:
        """The payload of a CALL."""
        return self.message[3]

    @property
    def content(self) -> str:
        """Action and payload of a CALL exactly as they were on the wire, without the unique id."""
        return self.action + self.text[self.text.index("{") :]


def decode(text: str) -> list | None:
    """The frame as a list; None when it is not a JSON array."""
    try:
        message = json.loads(text)
    except (ValueError, RecursionError):
        return None
    return message if isinstance(message, list) else None


class Story:
    """The entries, safe for several threads; whoever waits is woken at each new entry."""

    def __init__(self) -> None:
        self.changed = threading.Condition()
        self._entries: list[Entry] = []

    def add(self, connection: int, source: str, text: str) -> Entry:
        message = None if source == "note" else decode(text)
        with self.changed:
            entry = Entry(time.monotonic(), connection, source, text, message)
            self._entries.append(entry)
            self.changed.notify_all()
        return entry

    def note(self, text: str, connection: int = 0) -> Entry:
        return self.add(connection, "note", text)

    def entries(self) -> list[Entry]:
        with self.changed:
            return list(self._entries)

    def newest(self, number: int) -> list[Entry]:
        """The last entries, oldest first."""
        with self.changed:
            return self._entries[-number:]

    def __len__(self) -> int:
        return len(self._entries)

    def wait(self, condition: Callable[[], object], timeout_s: float) -> object:
        """Wait until the condition is true (it is asked after each new entry); returns its last value."""
        with self.changed:
            return self.changed.wait_for(condition, timeout_s)

    def scan(self, start: int = 0) -> Iterator[tuple[int, Entry]]:
        """Entries with their position, from `start` on; call it while holding `changed`."""
        for position in range(start, len(self._entries)):
            yield position, self._entries[position]

    def __str__(self) -> str:
        return render(self.entries())


def render(entries: list[Entry]) -> str:
    """The story for people: seconds since its beginning, connection, direction, frame."""
    if not entries:
        return "(nothing happened)"
    origin = entries[0].at
    arrows = {"station": "<- ", "backend": " ->", "note": " * "}
    return "\n".join(
        f"{entry.at - origin:9.3f} #{entry.connection:<2} {arrows[entry.source]} {shorten(entry.text)}"
        for entry in entries
    )


def shorten(text: str, longest: int = 400) -> str:
    return text if len(text) <= longest else f"{text[:longest]}… ({len(text)} characters)"
