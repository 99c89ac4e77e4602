"""Tells the launcher that this boot is a good one (`deploy/launcher.py` counts the failed ones).

Good is: the domain ticks and writes its database, the drivers of the hardware run, and the pages answer where this
process serves them; all of it for a while. What the hardware or the backend say does not matter: a station that shows a
fault has started.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Awaitable, Callable

log = logging.getLogger("station")

#: So long without a break, seconds: what crashes at the first messages is a failed boot as well.
STEADY_S = 30.0


async def prove(works: Callable[[], Awaitable[bool]]) -> None:
    """Ask until everything worked for STEADY_S, then tell it; without a launcher it returns at once."""
    channel = os.environ.get("STATION_PROOF_FD", "")
    if not channel.isdecimal():
        return
    steady_s = float(os.environ.get("STATION_STEADY_S", STEADY_S))
    look_s = steady_s / 5  # few looks: each is a write to the card
    loop = asyncio.get_running_loop()
    since: float | None = None
    while since is None or loop.time() - since < steady_s:
        await asyncio.sleep(look_s)
        if not await works():
            since = None
        elif since is None:
            since = loop.time()
    try:
        os.write(int(channel), b"+")
    except OSError as error:  # the launcher is gone: it does not count any more
        log.warning("The launcher could not be told that this boot is a good one: %s", error)
