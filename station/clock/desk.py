"""Looks at the computer's clock every few seconds: the charge point hears of it, and the system's clock follows ours.

Only on a station that rules its computer's clock (STATION_CLOCK=ON) anything is set.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import asdict
from typing import Any, Protocol

from ocppclient.clock import Clock, parse_utc
from ocppclient.events import Action, Event, Explain, TimeTold
from ocppclient.sentence import NOTHING, Sentence, quoted
from station.clock.picture import Refused, Seen, SystemTime
from station.clock.servers import MOST, fits

log = logging.getLogger("station.clock")

#: The charge point believes the time servers for 120 s after it heard of them last.
LOOK_EVERY_S = 10.0
#: The system's clock follows ours when it is off by more, and not more often than this.
TOLERANCE_S, SHIFT_EVERY_S = 1.0, 60.0


class Kept(Protocol):
    """What lasts (station/clock/servers.py), on the domain thread."""

    def chosen(self) -> list[str]:
        """The time servers that people chose."""

    def choose(self, names: list[str]) -> None:
        """Keep them."""


class ClockDesk:
    """Belongs to one event loop.

    Args:
        computer: None: nobody looks at it, and only phones tell the time here.
        kept: the time servers that people chose.
        recall: runs something with `kept` where the database may be touched.
        handle: hands an event to the charge point; what it answers.
        clock: the station's; only read.
        rules: this computer's clock is the station's to set.
    """

    def __init__(
        self,
        computer: SystemTime | None,
        kept: Kept,
        recall: Callable[[Callable[[], Any]], Awaitable[Any]],
        handle: Callable[[Event], Awaitable[Sequence[Action]]],
        clock: Clock,
        *,
        rules: bool,
    ) -> None:
        self._computer = computer
        self._kept = kept
        self._recall = recall
        self._handle = handle
        self._clock = clock
        self._rules = rules
        self._seen: Seen | None = None
        self._problem = NOTHING
        self._shift_at = float("-inf")
        self._one_at_a_time = asyncio.Lock()

    async def run(self) -> None:
        """Tick, for ever."""
        while True:
            await self.tick()
            await asyncio.sleep(LOOK_EVERY_S)

    async def tick(self) -> None:
        """Look, tell, and let the system follow."""
        computer = self._computer
        if computer is None:
            return
        async with self._one_at_a_time:
            self._seen = seen = await computer.look()
            if seen.synchronised:
                await self._handle(TimeTold("ntp", seen.utc, seen.at_s, seen.server))
            if not self._rules:
                return
            try:
                await self._rule(computer, seen)
            except Refused as refused:
                if self._problem != str(refused):
                    log.warning("%s", refused)
                self._problem = quoted(refused)
            else:
                self._problem = NOTHING

    async def _rule(self, computer: SystemTime, seen: Seen) -> None:
        if seen.enabled is False:  # by whomever: also by a station that lost its power while it set the clock
            await computer.enable()
        servers = await self._recall(self._kept.chosen)
        await computer.use_servers(servers)
        if seen.synchronised or not self._clock.confirmed:
            return
        ahead_s = (self._clock.utc_at(seen.at_s) - seen.system).total_seconds()
        now = self._clock.monotonic()
        if abs(ahead_s) > TOLERANCE_S and now - self._shift_at >= SHIFT_EVERY_S:
            self._shift_at = now
            await computer.shift(ahead_s)
            log.info("The system's clock follows the station's: moved by %+.1f s", ahead_s)

    # -- what people order

    async def obey(self, order: Mapping[str, Any], user: str) -> tuple[bool, Sentence]:
        """Do it: {"do": "phone", "utc"} or {"do": "servers", "servers": [names]}. Returns whether, and words."""
        match order.get("do"), order:
            case "phone", {"utc": str(text)}:
                return await self._set_from_phone(text, user)
            case "servers", {"servers": list(names)}:
                return await self._choose(list(dict.fromkeys(map(str, names))))
        return False, Sentence("The station does not know this order.")

    async def _set_from_phone(self, text: str, user: str) -> tuple[bool, Sentence]:
        try:
            told = TimeTold("phone", parse_utc(text), self._clock.monotonic(), user)
        except ValueError:
            return False, Sentence("The time of the phone did not arrive. Reload the page and try again.")
        for action in await self._handle(told):
            if isinstance(action, Explain) and action.what == "clock":
                return False, action.rule
        await self.tick()
        return True, Sentence("The clock is set from the phone.")

    async def _choose(self, names: list[str]) -> tuple[bool, Sentence]:
        if not self._rules:
            return False, Sentence("The clock of this computer is kept by its operating system.")
        if len(names) > MOST or not all(map(fits, names)):
            return False, Sentence("Name up to four time servers, each as a host name or an address.")
        await self._recall(lambda: self._kept.choose(names))
        await self.tick()
        if self._problem:
            return False, self._problem
        return True, Sentence("The time servers are set.")

    # -- what pages show

    async def told(self) -> dict[str, Any]:
        """Everything for the page, as plain values."""
        seen = self._seen
        told: dict[str, Any] = {"rules": self._rules, "problem": self._problem, "system": None}
        if seen is not None:
            told["system"] = {
                "program": seen.program, "synchronised": seen.synchronised, "server": seen.server, "age_s": seen.age_s,
                "offset_s": seen.offset_s, "servers": [asdict(one) for one in seen.servers],
                "rtc_ahead_s": seen.rtc_ahead_s,
                "behind_s": (self._clock.utc_at(seen.at_s) - seen.system).total_seconds(),
            }  # fmt: skip
        return {**told, "chosen": await self._recall(self._kept.chosen) if self._rules else []}
