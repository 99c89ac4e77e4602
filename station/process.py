"""The loop of a process, and its end, which is not the interpreter's own (runtime.md 1.2, 1.3)."""

from __future__ import annotations

import asyncio
import logging
import os
import sys
from contextlib import suppress
from typing import NoReturn


def make_loop(web: bool) -> asyncio.AbstractEventLoop:
    """The loop of this process; with `web` Twisted's reactor runs on it."""
    loop = asyncio.new_event_loop()
    if web:
        from twisted.internet import asyncioreactor

        asyncioreactor.install(loop)  # type: ignore[no-untyped-call]
    asyncio.set_event_loop(loop)
    return loop


def cancel_all(loop: asyncio.AbstractEventLoop) -> None:
    """Cancel what still runs on a loop that has stopped, and wait 1 s at most."""
    rest = asyncio.all_tasks(loop)
    for task in rest:
        task.cancel()
    if rest:
        with suppress(Exception):
            loop.run_until_complete(asyncio.wait(rest, timeout=1))


def leave(code: int, loop: asyncio.AbstractEventLoop | None = None) -> NoReturn:
    """End this process now, with everything written; the interpreter's end crashes or waits for threads."""
    if loop is not None:
        cancel_all(loop)
    logging.shutdown()
    flush()
    os._exit(code)


def flush() -> None:
    """Write what stands in the standard streams."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(OSError, ValueError):
            stream.flush()
