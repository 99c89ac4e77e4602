"""What open pages get: snapshots at most four a second and only while somebody watches, and the ring of frames."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Coroutine, Sequence
from contextlib import suppress
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, Protocol

from hardware.interfaces import BoxReading, PortHealth
from ocppclient.link import LinkStatus
from ocppclient.view import View
from station import live
from station.history import Measurement
from station.sentences import all_packed

FRAMES_KEPT = 1000
#: Pages get news that often at most, and a sign of life that often at least, seconds.
SHORTEST_S, LONGEST_S = 0.25, 5.0
#: A page asks every 30 s; without a question for so long nobody watches.
WATCHED_S = 60.0
_EPOCH = datetime(2000, 1, 1, tzinfo=UTC)


class Layer(Protocol):
    """The part of a channel layer that is needed."""

    async def send(self, channel: str, message: dict[str, Any]) -> None: ...
    async def group_send(self, group: str, message: dict[str, Any]) -> None: ...


class LiveFeed:
    """Belongs to the domain thread, except `connect_to`.

    Args:
        monotonic: seconds.
        simulator_url: page of the simulator's control, "" with real hardware.
        keep: what every frame, its secrets masked, is also given to.
    """

    def __init__(
        self,
        monotonic: Callable[[], float],
        simulator_url: str = "",
        keep: Callable[[datetime, str, str], None] = lambda at, direction, text: None,
    ) -> None:
        self._monotonic = monotonic
        self._began_at = monotonic()
        self._simulator_url = simulator_url
        self._keep = keep
        self._frames: deque[dict[str, Any]] = deque(maxlen=FRAMES_KEPT)
        self._fresh: list[dict[str, Any]] = []
        self._seq = 0
        self._counts = {"in": 0, "out": 0}
        self._watched_until = 0.0
        self._looked_at = self._sent_at = float("-inf")
        self._sent: tuple[object, ...] = ()
        self._layer: Layer | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def connect_to(self, layer: Layer, loop: asyncio.AbstractEventLoop) -> None:
        """Where messages go: the channel layer, on the loop it lives on."""
        self._layer, self._loop = layer, loop

    def frame(self, at: datetime, direction: str, text: str) -> None:
        """A frame went "in" or "out"."""
        self._seq += 1
        self._counts[direction] += 1
        shown = live.frame(self._seq, at, direction, text)
        self._keep(at, direction, shown["text"])
        self._frames.append(shown)
        if self.watched:
            self._fresh.append(shown)
            del self._fresh[:-FRAMES_KEPT]

    @property
    def watched(self) -> bool:
        """A page is open."""
        return self._monotonic() < self._watched_until

    @property
    def due(self) -> bool:
        """It is time to look whether there is news."""
        return self.watched and self._monotonic() - self._looked_at >= SHORTEST_S

    def publish(
        self,
        view: View,
        box: BoxReading | None,
        link: LinkStatus,
        now_utc: datetime,
        ports: tuple[PortHealth, ...],
        minutes: Sequence[Measurement] = (),
    ) -> None:
        """Send what is new to all pages."""
        now = self._looked_at = self._monotonic()
        if self._fresh:
            self._group({"type": "live.frames", "frames": self._fresh})
            self._fresh = []
        # Times alone are no news: the page lets them tick on by itself.
        told = (
            replace(view, clock_utc=_EPOCH, in_flight_s=0.0),
            replace(link, last_byte_at=None),
            box and (box.ready, box.faults),
            [(port.path, port.is_open, port.error, port.device) for port in ports],
        )
        if told != self._sent or now - self._sent_at >= LONGEST_S:
            self._sent, self._sent_at = told, now
            snapshot = self._snapshot(view, box, link, now_utc, ports, minutes)
            self._group({"type": "live.snapshot", "snapshot": snapshot})

    def answer(
        self,
        channel: str,
        view: View,
        box: BoxReading | None,
        link: LinkStatus,
        now_utc: datetime,
        ports: tuple[PortHealth, ...],
        frames: bool = True,
        minutes: Sequence[Measurement] = (),
        watch: bool = True,
    ) -> None:
        """A page asks for everything (with the ring of frames, or without), and says by it whether it watches on."""
        if watch:
            if not self.watched:
                self._fresh = []
            self._watched_until = self._monotonic() + WATCHED_S
        snapshot = self._snapshot(view, box, link, now_utc, ports, minutes)
        self._send(channel, {"type": "live.snapshot", "snapshot": snapshot})
        if frames:
            self._send(channel, {"type": "live.frames", "frames": list(self._frames), "reset": True})

    def _snapshot(
        self,
        view: View,
        box: BoxReading | None,
        link: LinkStatus,
        now_utc: datetime,
        ports: tuple[PortHealth, ...],
        minutes: Sequence[Measurement],
    ) -> dict[str, Any]:
        shown: dict[str, Any] = live.snapshot(
            view,
            box,
            link,
            now_utc,
            self._monotonic(),
            ports=ports,
            minutes=minutes,
            frames=self._counts,
            simulator_url=self._simulator_url,
            uptime_s=self._monotonic() - self._began_at,
        )
        return dict(all_packed(shown))

    def _group(self, message: dict[str, Any]) -> None:
        if self._layer is not None:
            self._later(self._layer.group_send(live.GROUP, message))

    def _send(self, channel: str, message: dict[str, Any]) -> None:
        if self._layer is not None:
            self._later(self._layer.send(channel, message))

    def _later(self, sending: Any) -> None:
        # A layer that is full or gone (Redis) drops hints; the next snapshot tells everything again (runtime.md 1.5).
        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(_drop_failures(sending), self._loop)


async def _drop_failures(sending: Coroutine[Any, Any, None]) -> None:
    with suppress(Exception):
        await sending
