"""Every long loop is a named task that is started again when it ends, within a budget (runtime.md 1.4)."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import Awaitable, Callable

log = logging.getLogger("station.supervisor")

#: So many ends of one task within WINDOW_S use up its budget.
BUDGET = 5
WINDOW_S = 60.0
#: Waits between an end and the next start, seconds; the last one repeats.
BACK_OFF_S = (0.2, 1.0, 3.0, 5.0)
#: The event loop stood still for so long: worth a line, seconds.
LAG_S = 0.25
_LAG_EVERY_S = 0.5


class Ended(Exception):
    """A supervised task ended for a reason that needs no traceback."""


class Supervisor:
    """Owns tasks of one loop.

    Args:
        spent: called with a sentence when a task has used up its budget.
        back_off_s: see BACK_OFF_S.
        monotonic: seconds.
    """

    def __init__(
        self,
        spent: Callable[[str], None],
        back_off_s: tuple[float, ...] = BACK_OFF_S,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._spent = spent
        self._back_off_s = back_off_s
        self._monotonic = monotonic
        self._tasks: set[asyncio.Task[None]] = set()

    def add(self, name: str, loop: Callable[[], Awaitable[None]], *, essential: bool = True) -> None:
        """Run `loop()`, and again whenever it ends.

        Args:
            essential: it has a budget; what is not (the pages' messages over Redis) is tried for ever, every 5 s.
        """
        task = asyncio.get_running_loop().create_task(self._supervise(name, loop, essential), name=name)
        self._tasks.add(task)

    async def _supervise(self, name: str, loop: Callable[[], Awaitable[None]], essential: bool) -> None:
        ends: deque[float] = deque()
        told = ""
        while True:
            try:
                await loop()
                log.error("%s ended; it is started again", name)
            except Ended as ended:
                log.error("%s: %s; it is started again", name, ended)
            except Exception as error:
                again, told = told, repr(error)
                if essential or again != told:
                    log.exception("%s crashed; it is started again", name)
            now = self._monotonic()
            ends.append(now)
            while now - ends[0] > WINDOW_S:
                ends.popleft()
            if essential and len(ends) >= BUDGET:
                self._spent(f"{name} ended {BUDGET} times within {WINDOW_S:g} s")
                return
            await asyncio.sleep(self._back_off_s[min(len(ends), len(self._back_off_s)) - 1])

    async def stop(self) -> None:
        """Cancel all tasks and wait until they are gone (2 s at most)."""
        for task in self._tasks:
            task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=2)
        self._tasks.clear()


async def until(condition: Callable[[], bool], every_s: float) -> None:
    """Wait for a fact of another process or thread that announces nothing: look again and again."""
    while not condition():  # noqa: ASYNC110
        await asyncio.sleep(every_s)


async def watch_lag() -> None:
    """Tell when something blocked the event loop (runtime.md 1.8)."""
    loop = asyncio.get_running_loop()
    while True:
        before = loop.time()
        await asyncio.sleep(_LAG_EVERY_S)
        lag_s = loop.time() - before - _LAG_EVERY_S
        if lag_s > LAG_S:
            log.warning("The event loop was blocked for %.0f ms", lag_s * 1000)
