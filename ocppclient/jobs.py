"""Slow work that somebody beside the charge point does: a row each, started by a hint, never waited for."""

from __future__ import annotations

import json
import uuid
from collections.abc import Mapping
from dataclasses import replace

from ocppclient.clock import Clock, format_utc
from ocppclient.codec import dumps
from ocppclient.events import Action, JobProgressed, RunJob
from ocppclient.store import UNFINISHED, Job, Store

#: A job that still waits after so long gets its hint again: brokers lose messages, rows do not.
_HINT_S = 30.0


class Jobs:
    """Starts jobs, cancels them, and repeats the hint for those that nobody has begun."""

    def __init__(self, store: Store, clock: Clock, actions: list[Action]) -> None:
        self._store = store
        self._clock = clock
        self._actions = actions
        #: uid → when the next hint is due; the former boot's jobs go on with this one.
        self._hint_at = {job.uid: clock.monotonic() for job in store.unfinished_jobs()}

    def start(self, kind: str, arguments: Mapping[str, object]) -> str:
        """Make a job; returns its uid."""
        job = Job(str(uuid.uuid4()), kind, dumps(arguments), created_at=self._clock.utc())
        self._queue(job)
        return job.uid

    def again(self, uid: str) -> bool:
        """Start it once more, with what it has done so far; False when its row is gone."""
        job = self._store.job(uid)
        if job is None:
            return False
        self._queue(replace(job, run=job.run + 1, state="queued", stage="", progress=0, result="{}"))
        return True

    def cancel(self, uid: str) -> None:
        """Nobody wants it any more; who does it notices by its row."""
        self._hint_at.pop(uid, None)
        job = self._store.job(uid)
        if job is not None and job.state in UNFINISHED:
            self._store.save_job(replace(job, state="cancelled"))

    def is_current(self, event: JobProgressed, uid: str) -> bool:
        """The event tells about this job, and about its present run."""
        job = self._store.job(uid) if event.uid == uid else None
        return job is not None and job.run == event.run and job.state != "cancelled"

    def progressed(self, event: JobProgressed) -> None:
        """Somebody works at it: no more hints."""
        if event.state != "queued":
            self._hint_at.pop(event.uid, None)

    def update(self) -> None:
        """Repeat the hints that are due."""
        now = self._clock.monotonic()
        for uid, due_at in self._hint_at.items():
            if now >= due_at:  # the value changes, not the keys
                self._hint_at[uid] = now + _HINT_S
                self._actions.append(RunJob(uid))

    def _queue(self, job: Job) -> None:
        """With the station's time and whether it is sure: whoever does the job meets certificates."""
        now = {"now": format_utc(self._clock.utc()), "sure": self._clock.confirmed}
        self._store.save_job(replace(job, arguments=dumps({**json.loads(job.arguments), **now})))
        self._hint_at[job.uid] = self._clock.monotonic() + _HINT_S
        self._actions.append(RunJob(job.uid))
