"""Doing the jobs: each is a row; what is done here may be killed at any moment and is then done again.

Only one process does jobs on a data folder, one at a time. Nothing here touches the hardware or the charge point.
"""

from __future__ import annotations

import fcntl
import json
import logging
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import OperationalError, connections

from ocppclient.clock import parse_utc
from ocppclient.sentence import Sentence, packed, quoted
from ocppclient.store import UNFINISHED
from station.models import Job

log = logging.getLogger("station.jobs")

#: A file in the staging folder that nobody touched for so long belongs to nobody.
_FORGOTTEN_S = 2 * 86_400.0
#: A row is written at most so often while a job goes on, seconds.
_TELL_EVERY_S = 0.5


#: Called whenever a job goes on: the process that does nothing else feeds its watchdog by it.
gone_on: list[Callable[[], None]] = []


class JobFailed(Exception):
    """A job did not succeed: `failure` in one word, the text in one sentence without a full stop."""

    def __init__(self, failure: str, reason: str) -> None:
        super().__init__(reason)
        self.failure = failure


class Cancelled(Exception):
    """Nobody wants the job any more."""


@dataclass(frozen=True)
class Task:
    """What a job is given.

    Attributes:
        run: 1 at the first attempt.
        staging: a folder for files; names in it begin with `uid`.
        tell: says the stage and how far it is, percent; raises Cancelled when nobody wants the job any more.
    """

    uid: str
    run: int
    arguments: Mapping[str, Any]
    staging: Path
    tell: Callable[[str, int], None]

    @property
    def now(self) -> datetime:
        """UTC by the station's clock, when the job was queued; the argument "sure": somebody has confirmed it."""
        return parse_utc(self.arguments["now"])


def staging_folder() -> Path:
    """Where files wait; only the station's user may read it."""
    folder: Path = settings.DATA_DIR / "staging"
    folder.mkdir(mode=0o700, exist_ok=True)
    return folder


def run(uid: str) -> None:
    """Do the job of this row, unless it is done, unwanted, or somebody else is at it."""
    try:
        with _alone() as alone:
            row = Job.objects.filter(uid=uid, state__in=UNFINISHED).first()
            if row is None:
                return
            if not alone:
                log.warning("Another process does the jobs of this data folder; %s waits", row.kind)
                return
            _run(row)
    finally:
        connections.close_all()


def _run(row: Job) -> None:
    log.info("Job %s begins (run %d)", row.kind, row.run)
    _tidy(staging_folder())
    writer = _Writer(row.uid, row.run)
    task = Task(row.uid, row.run, json.loads(row.arguments), staging_folder(), writer.tell)
    try:
        writer.write(state="running", stage="", progress=0)
        result = _doer(row.kind)(task)
    except Cancelled:
        log.info("Job %s was cancelled", row.kind)
    except JobFailed as failed:
        log.warning("Job %s failed: %s", row.kind, failed)
        writer.end("failed", {"failure": failed.failure, "reason": packed(quoted(failed))})
    except Exception as error:
        log.exception("Job %s failed", row.kind)
        reason = Sentence("the station failed ({error}); its log says why", error=type(error).__name__)
        writer.end("failed", {"failure": "internal", "reason": packed(reason)})
    else:
        log.info("Job %s is done", row.kind)
        writer.end("done", result)


def _tidy(folder: Path) -> None:
    """Remove what nobody came for: files of jobs that were given up, of uploads that broke off."""
    for path in folder.iterdir():
        with suppress(OSError):
            if path.is_file() and time.time() - path.stat().st_mtime > _FORGOTTEN_S:
                path.unlink()


def _doer(kind: str) -> Callable[[Task], Mapping[str, object]]:
    """Imported only when needed: each brings its own weight."""
    from station import firmware_jobs, upload_job
    from station.updates import job

    return {
        "download": firmware_jobs.download,
        "install": firmware_jobs.install,
        "look": job.look,
        "upload": upload_job.upload,
    }[kind]


class _Writer:
    """Writes one run of one row, and notices by it that the run is unwanted."""

    def __init__(self, uid: str, run: int) -> None:
        self._row = Job.objects.filter(uid=uid, run=run, state__in=UNFINISHED)
        self._told: tuple[str, int] = ("", 0)
        self._told_at = float("-inf")

    def write(self, **columns: object) -> None:
        if not self._row.update(**columns):
            raise Cancelled

    def tell(self, stage: str, progress: int) -> None:
        for listener in gone_on:
            listener()
        now, news = time.monotonic(), (stage, progress)
        if stage == self._told[0] and now - self._told_at < _TELL_EVERY_S:
            return
        self._told, self._told_at = news, now
        try:
            self.write(stage=stage, progress=progress)
        except OperationalError:  # the database is busy for longer than its timeout: the next piece tells it
            log.warning("The progress of a job could not be written")

    def end(self, state: str, result: Mapping[str, object]) -> None:
        try:
            self.write(state=state, result=json.dumps(result))
        except Cancelled:
            log.info("Nobody wanted it any more")


@contextmanager
def _alone() -> Iterator[bool]:
    """True when no other process does jobs; the lock ends with the process, however it ends."""
    descriptor = os.open(settings.DATA_DIR / "jobs.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            yield False
        else:
            yield True
    finally:
        os.close(descriptor)


def unfinished() -> list[str]:
    """The uids of the rows that wait or were interrupted, the oldest first."""
    try:
        return list(Job.objects.filter(state__in=UNFINISHED).order_by("id").values_list("uid", flat=True))
    finally:
        connections.close_all()
