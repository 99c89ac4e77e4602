"""Who does the jobs of this process: Celery's solo worker in a thread, or another process over Redis."""

from __future__ import annotations

import asyncio
import logging
import queue
import threading
from contextlib import suppress
from typing import Any

from django.conf import settings

from station.supervisor import Ended

log = logging.getLogger("station.jobs")


class JobWorker:
    """Takes hints that rows wait and has Celery run them. Celery is imported at the first hint, never before.

    A worker that dies is started again by the supervisor; the rows wait meanwhile, and nothing else notices.
    """

    def __init__(self) -> None:
        self._hints: queue.SimpleQueue[str] = queue.SimpleQueue()
        self._hinted = threading.Event()
        self._thread: threading.Thread | None = None

    def hint(self, uid: str) -> None:
        """A row waits; from any thread, returns at once."""
        self._hints.put(uid)
        self._hinted.set()

    async def run(self) -> None:
        """Do jobs until something fails; raises `Ended`."""
        ended = asyncio.Event()
        loop = asyncio.get_running_loop()

        def work() -> None:
            try:
                self._work()
            except Exception:
                log.exception("The worker for jobs crashed")
            with suppress(RuntimeError):  # the station has ended meanwhile
                loop.call_soon_threadsafe(ended.set)

        threading.Thread(target=work, name="jobs", daemon=True).start()
        await ended.wait()
        raise Ended("the worker for jobs ended")

    def _work(self) -> None:
        """In its thread: hand hints to Celery, and be Celery's worker when no other process is."""
        self._hinted.wait()
        from station import jobs
        from station.celery import app, run_job

        waiting: list[str] = []
        if not settings.REDIS_URL and not (self._thread and self._thread.is_alive()):
            waiting = jobs.unfinished()  # of a worker that died
            self._thread = threading.Thread(target=_celery, args=(app,), name="celery", daemon=True)
            self._thread.start()
        for uid in waiting:
            _send(run_job, uid)
        while self._thread is None or self._thread.is_alive():
            with suppress(queue.Empty):
                _send(run_job, self._hints.get(timeout=1.0))


def _send(task: Any, uid: str) -> None:
    try:
        task.apply_async((uid,), retry=False)
    except Exception as error:  # Redis is gone: the hint is repeated while the row waits
        log.warning("The job could not be handed to Celery: %s", error)


def _celery(app: object) -> None:
    """Made in the thread it runs in: its clean-up of database connections belongs there (runtime.md, section 2)."""
    from celery.worker import WorkController

    WorkController(
        app=app,
        hostname="station@localhost",
        pool_cls="solo",
        concurrency=1,
        loglevel=None,
        without_gossip=True,
        without_mingle=True,
        without_heartbeat=True,
        optimization="fair",
    ).start()
