"""The websocket of an open page: snapshots and frames to the browser, commands from it to the station's worker."""

from __future__ import annotations

import logging
import time
from typing import Any

from channels.db import database_sync_to_async
from channels.exceptions import ChannelFull
from channels.generic.websocket import AsyncJsonWebsocketConsumer
from django.contrib.sessions.models import Session
from django.utils import timezone, translation
from django.utils.translation import gettext

from station.languages import of_browser
from station.live import GROUP, STATION, shown_to
from station.middleware import CHOOSE
from station.roles import Role, refusal, role_now, role_of
from station.sentences import all_spoken

log = logging.getLogger("station.web")

#: What a browser may ask the station for: name → type of its argument (None: it has none), and who may.
COMMANDS: dict[str, tuple[type | None, Role]] = {
    "stop": (None, Role.VIEWER),
    "charge_now": (None, Role.OPERATOR),
    "swipe": (str, Role.OPERATOR),
    "resend": (int, Role.OPERATOR),
    "acknowledge": (None, Role.OPERATOR),
}
#: An open page looks that often whether its session still counts, seconds (logout, expiry, another password).
SESSION_CHECK_S = 60
#: So often a page asks for everything again: the worker publishes only while somebody watches (station/live_feed.py).
ASK_S = 25


class LiveConsumer(AsyncJsonWebsocketConsumer):  # type: ignore[misc]
    """One open page. With `?frames=1` it gets the frames as well.

    To the browser: {"type": "snapshot", "snapshot"}, {"type": "frames", "frames", "reset"}, {"type": "reply", "ok",
    "text"}, {"type": "pong"}. From it: {"type": "ping"}, {"type": "command", "command", "argument"}.
    """

    async def connect(self) -> None:
        """Join the live group, and ask the worker for what is known now."""
        if not self.scope["user"].is_authenticated:
            await self.close()  # before accept: the handshake is refused
            return
        self.role = await database_sync_to_async(role_of)(self.scope["user"])
        if self.role < Role.VIEWER or self.scope["session"].get(CHOOSE):
            await self.close()
            return
        accepts = dict(self.scope["headers"]).get(b"accept-language", b"").decode("latin-1")
        self.language = await database_sync_to_async(of_browser)(self.scope["cookies"], accepts)
        self.wants_frames = self.role >= Role.OPERATOR and b"frames=1" in self.scope["query_string"].split(b"&")
        self.session_checked_at = time.monotonic()
        self.newest_frame = 0
        await self.channel_layer.group_add(GROUP, self.channel_name)
        await self.accept()
        await self._ask()

    async def _ask(self) -> None:
        """Ask the worker for everything; `frames` says whether its ring of frames is wanted as well."""
        self.asked_at = time.monotonic()
        wanted = self.wants_frames and not self.newest_frame
        question = {"type": "station.snapshot", "reply_channel": self.channel_name, "frames": wanted}
        try:
            await self.channel_layer.send(STATION, question)
        except ChannelFull:
            log.warning("the station's worker does not take messages (is it running?)")

    async def disconnect(self, code: int) -> None:
        """Leave the group."""
        await self.channel_layer.group_discard(GROUP, self.channel_name)

    async def receive(self, text_data: str | None = None, bytes_data: bytes | None = None, **kwargs: Any) -> None:
        """Only text is spoken here."""
        if not text_data:
            await self.close(code=1008)
        else:
            await super().receive(text_data=text_data)

    async def receive_json(self, content: Any, **kwargs: Any) -> None:
        """A ping or a command of the person."""
        match content:
            case {"type": "ping"}:
                if not await self._session_counts():
                    await self.close(code=4401)
                    return
                await self.send_json({"type": "pong"})
                if time.monotonic() - self.asked_at >= ASK_S:
                    await self._ask()
            case {"type": "command", "command": str(command)} if command in COMMANDS:
                await self._command(command, content.get("argument"))
            case _:
                await self.close(code=1008)

    async def _command(self, command: str, argument: Any) -> None:
        wanted, role = COMMANDS[command]
        if not await self._session_counts(at_once=True):
            await self.close(code=4401)
        elif (held := await database_sync_to_async(role_now)(self.scope["user"].pk)) < role:
            with translation.override(self.language):
                await self._refuse(refusal(held, role))
        elif wanted is not None and (not isinstance(argument, wanted) or isinstance(argument, bool)):
            await self._refuse(f"{command} needs {'a number' if wanted is int else 'a text'}.")  # no page of ours
        else:
            message = {
                "type": "station.command",
                "command": command,
                "argument": argument if wanted else None,
                "reply_channel": self.channel_name,
                "user": self.scope["user"].get_username(),
            }
            try:
                await self.channel_layer.send(STATION, message)
            except ChannelFull:
                with translation.override(self.language):
                    await self._refuse(
                        gettext("The station's controller takes no commands now. Try again in a moment.")
                    )

    async def _refuse(self, text: str) -> None:
        await self.send_json({"type": "reply", "ok": False, "text": text})

    async def _session_counts(self, at_once: bool = False) -> bool:
        if not at_once and time.monotonic() - self.session_checked_at < SESSION_CHECK_S:
            return True
        self.session_checked_at = time.monotonic()
        return bool(await database_sync_to_async(_session_counts)(self.scope["session"].session_key))

    @classmethod
    async def decode_json(cls, text_data: str) -> Any:
        """What is not JSON closes the socket like any other nonsense."""
        try:
            return await super().decode_json(text_data)
        except (ValueError, RecursionError):
            return None

    # -- from the worker
    async def live_snapshot(self, message: dict[str, Any]) -> None:
        """A new snapshot."""
        with translation.override(self.language):
            snapshot = shown_to(self.role, all_spoken(message["snapshot"]))
        await self.send_json({"type": "snapshot", "snapshot": {**snapshot, "role": self.role.word}})

    async def live_frames(self, message: dict[str, Any]) -> None:
        """New frames; with `reset` all that are kept, of which the page gets only what it has not."""
        frames = message["frames"]
        if not self.wants_frames or not frames:
            return
        newest = frames[-1]["seq"]
        reset = bool(message.get("reset")) and (not self.newest_frame or newest < self.newest_frame)  # or a new worker
        fresh = frames if reset else [frame for frame in frames if frame["seq"] > self.newest_frame]
        self.newest_frame = newest
        if fresh:
            await self.send_json({"type": "frames", "frames": fresh, "reset": reset})

    async def live_reply(self, message: dict[str, Any]) -> None:
        """What became of a command."""
        with translation.override(self.language):
            text = all_spoken(str(message["text"]))
        await self.send_json({"type": "reply", "ok": bool(message["ok"]), "text": text})


def _session_counts(session_key: str | None) -> bool:
    return Session.objects.filter(session_key=session_key, expire_date__gt=timezone.now()).exists()
