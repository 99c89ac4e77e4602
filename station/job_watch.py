"""What became of jobs: their rows are looked at while one is under way, and changes become events."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ocppclient.events import JobProgressed
from ocppclient.store import UNFINISHED, Job

#: How often the rows are looked at, seconds.
LOOK_EVERY_S = 0.3


class JobWatch:
    """Belongs to the domain thread; at its start it tells every row once, since nobody knows what was told before."""

    def __init__(self, read: Callable[[], Sequence[Job]], monotonic: Callable[[], float]) -> None:
        self._read = read
        self._monotonic = monotonic
        self._look = True
        self._looked_at = float("-inf")
        self._seen: dict[str, JobProgressed] = {}

    def expect(self) -> None:
        """A job was started."""
        self._look = True

    def news(self) -> list[JobProgressed]:
        """What changed since the last look."""
        now = self._monotonic()
        if not self._look or now - self._looked_at < LOOK_EVERY_S:
            return []
        self._looked_at = now
        rows = self._read()
        self._look = any(row.state in UNFINISHED for row in rows)
        found = {
            row.uid: JobProgressed(row.uid, row.run, row.state, row.stage, row.progress, row.result) for row in rows
        }
        news = [event for uid, event in found.items() if self._seen.get(uid) != event]
        self._seen = found
        return news
