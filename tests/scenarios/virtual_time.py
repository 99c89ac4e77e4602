"""Threads in virtual time: one runs at a time, and time moves only when all of them wait."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Killed(BaseException):
    """The task ends at once, as a process does that is killed."""


class _Task:
    def __init__(self, name: str) -> None:
        self.name = name
        self.until = 0.0
        self.ready: Callable[[], bool] = lambda: True
        self.go = threading.Semaphore(0)
        self.is_killed = False
        self.thread: threading.Thread | None = None


class VirtualThreads:
    """Real threads, so that drivers run unmodified, but handed on like a baton.

    `now` is seconds; `pause` is what a task calls instead of waiting.
    """

    def __init__(self, now: float) -> None:
        self.now = now
        self._tasks: list[_Task] = []
        self._running: _Task | None = None
        self._back = threading.Semaphore(0)
        self._error: BaseException | None = None

    def spawn(self, name: str, function: Callable[[], object]) -> None:
        """A new task; it runs when the others wait."""
        task = _Task(name)

        def run() -> None:
            task.go.acquire()
            try:
                if not task.is_killed:
                    function()
            except Killed:
                pass
            except BaseException as error:
                self._error = error
            self._tasks.remove(task)
            self._back.release()

        task.thread = threading.Thread(target=run, name=name, daemon=True)
        self._tasks.append(task)
        task.thread.start()

    def pause(self, until: float, ready: Callable[[], bool]) -> None:
        """On a task: wait until `ready()` or until it is `until`, whatever comes first."""
        task = self._running
        assert task is not None, "only a task may pause"
        task.until, task.ready = until, ready
        self._back.release()
        task.go.acquire()
        if task.is_killed:
            raise Killed

    def run_ready(self) -> None:
        """Let every task run that can, until all of them wait for time or for something to happen."""
        while (task := self._next_ready()) is not None:
            self._hand_to(task)

    def next_at(self) -> float:
        """When the first task has waited enough; infinite without tasks."""
        return min((task.until for task in self._tasks), default=float("inf"))

    def kill(self) -> None:
        """End all tasks where they are."""
        for task in list(self._tasks):
            task.is_killed = True
            self._hand_to(task)

    @property
    def alive(self) -> bool:
        """A task has not ended."""
        return bool(self._tasks)

    def _next_ready(self) -> _Task | None:
        return next((task for task in self._tasks if task.until <= self.now or task.ready()), None)

    def _hand_to(self, task: _Task) -> None:
        self._running = task
        task.go.release()
        self._back.acquire()
        self._running = None
        if self._error is not None:
            raise self._error
