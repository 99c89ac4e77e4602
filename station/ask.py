"""A page asks the station's worker something and waits for the answer (design.md, section 4: reply-bearing calls)."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import dataclass
from typing import Any

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.conf import settings

from ocppclient.sentence import Sentence
from station.live import STATION
from station.sentences import all_spoken, spoken

log = logging.getLogger("station.web")

#: The worker answers within milliseconds, or says after 5 s that it is stuck (station/command_face.py).
PATIENCE_S = 6.0
#: NetworkManager, or what keeps the computer's clock, is asked in between.
NETWORK_PATIENCE_S = 15.0
#: A page that only shows something does not wait as long for a worker that is not there.
GLANCE_S = 1.0


@dataclass(frozen=True)
class Reply:
    """What became of a command, in the reader's language; `heard` is False when nobody answered."""

    ok: bool
    text: str
    heard: bool = True


_UNHEARD = Sentence("The station's controller does not answer. Nothing was changed; try again.")


def order(command: str, argument: Any, user: str) -> Reply:
    """Give the worker a command (see `StationConsumer.station_command`) and wait for its answer."""
    message = {"type": "station.command", "command": command, "argument": argument, "user": user}
    answer = async_to_sync(_asked)(message, PATIENCE_S)
    if answer is None:
        return _unheard()
    return Reply(bool(answer["ok"]), all_spoken(answer["text"]))


def snapshot() -> dict[str, Any] | None:
    """What the dashboard shows now (station/live.py); None when the worker does not answer."""
    answer = async_to_sync(_asked)({"type": "station.snapshot", "frames": False, "watch": False}, GLANCE_S)
    return None if answer is None else all_spoken(answer["snapshot"])


def frames() -> list[dict[str, Any]] | None:
    """The newest OCPP messages on the wire (station/live.py), oldest first; None when the worker does not answer."""
    message = {"type": "station.snapshot", "frames": True, "watch": False}
    answer = async_to_sync(_asked)(message, PATIENCE_S, "live.frames")
    return None if answer is None else answer["frames"]


def trial(values: dict[str, Any] | None, user: str) -> tuple[Reply, dict[str, Any] | None]:
    """Have backend settings tried, or (None) see what the last trial is at (station/backend_trial.py)."""
    message = {"type": "station.trial", "values": values, "user": user}
    answer = async_to_sync(_asked)(message, GLANCE_S if values is None else PATIENCE_S)
    if answer is None:
        return _unheard(), None
    return Reply(bool(answer["ok"]), all_spoken(answer["text"])), all_spoken(answer["trial"])


def network(order: dict[str, Any] | None, user: str) -> tuple[Reply, dict[str, Any] | None]:
    """Order something of the network, or (None) only see it (station/network/desk.py); None: nobody rules it here."""
    message = {"type": "station.network", "order": order, "user": user}
    answer = async_to_sync(_asked)(message, GLANCE_S if order is None else NETWORK_PATIENCE_S)
    if answer is None:
        return _unheard(), None
    return Reply(bool(answer["ok"]), all_spoken(answer["text"])), all_spoken(answer["network"])


def clock(order: dict[str, Any] | None, user: str) -> tuple[Reply, dict[str, Any] | None]:
    """Order something of the clock, or (None) only see it (station/clock/desk.py); None: nobody has looked yet."""
    message = {"type": "station.clock", "order": order, "user": user}
    answer = async_to_sync(_asked)(message, GLANCE_S if order is None else NETWORK_PATIENCE_S)
    if answer is None:
        return _unheard(), None
    return Reply(bool(answer["ok"]), all_spoken(answer["text"])), all_spoken(answer["clock"])


def _unheard() -> Reply:
    return Reply(False, spoken(_UNHEARD), heard=False)


async def _asked(message: dict[str, Any], patience_s: float, kind: str = "") -> dict[str, Any] | None:
    """The answer (of this kind, when several come)."""
    layer = get_channel_layer()
    try:
        channel = await layer.new_channel()
        await layer.send(STATION, {**message, "reply_channel": channel})
        async with asyncio.timeout(patience_s):
            while True:
                answer: dict[str, Any] = await layer.receive(channel)
                if not kind or answer["type"] == kind:
                    return answer
    except (ChannelFull, TimeoutError):
        return None
    except Exception as error:
        if not settings.REDIS_URL:
            raise
        log.warning("The worker cannot be asked over Redis: %s", error)  # its exceptions are imported with it alone
        return None
