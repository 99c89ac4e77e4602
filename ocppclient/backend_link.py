"""The backend link: ONE supervisor loop to which every exit path of a websocket session returns.

OCPP-J 1.6 sections 3 to 7; conformance RPC-04…06, 29…31; field problems 1…7.
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import replace

from ocppclient import codec
from ocppclient.clock import Clock
from ocppclient.connection import (
    CLOSE_TIMEOUT_S,
    MAX_BACKLOG_BYTES,
    ConnectionClosed,
    LinkFailure,
    Socket,
    broadcast,
    explain_end,
    open_socket,
)
from ocppclient.events import AliveSeen, Connected, Disconnected, Event, FrameReceived, KeyFormAccepted
from ocppclient.link import (
    BackOff,
    ConnectionSettings,
    LinkError,
    LinkState,
    LinkStatus,
    final_url,
    has_other_key_form,
)
from ocppclient.sentence import Sentence

__all__ = ["BackendLink", "ConnectionSettings", "LinkStatus", "final_url"]

log = logging.getLogger("station.backend")

#: Received frames that the domain thread has not taken yet; beyond it the socket is not read (back-pressure).
MAX_UNREAD_FRAMES = 32
MAX_UNREAD_BYTES = 32 * 2**20
#: A session of this length was stable: the back-off starts anew (field problem 3).
STABLE_S = 60.0
#: Something was sent and nothing came back for so long: ask with a ping instead of waiting for the next regular one.
PROBE_AFTER_S = 10.0
#: Frames from this length on are parsed and checked in a thread of their own before they reach the domain.
BESIDE = 262_144


class BackendLink:
    """The link to the backend.

    `run()` belongs to one asyncio loop; all other methods may be called from any thread. Per session `on_event` gets
    (on the loop) Connected, then FrameReceived and AliveSeen, then Disconnected; a failed attempt gives Disconnected.
    KeyFormAccepted comes before Connected when the other form of a hex key was accepted after the configured one was
    refused; its taker remembers it (field problem 7).

    Args:
        settings: None: no backend is configured, the link stays off until `reconnect`.
        on_event: takes the events; must not block.
        clock: monotonic time of the status; its UTC judges the dates of certificates. It is only read.
        rng: jitter of the back-off.
    """

    def __init__(
        self,
        settings: ConnectionSettings | None,
        on_event: Callable[[Event], None],
        clock: Clock,
        rng: random.Random | None = None,
    ) -> None:
        self._settings = settings
        self._wanted = settings is not None
        self._on_event = on_event
        self._clock = clock
        self._monotonic = clock.monotonic
        self._back_off = BackOff(rng or random.Random())
        self._ping_interval_s = settings.ping_interval_s if settings else 0.0
        self._last_ping_at = 0.0
        self._status = LinkStatus(since=self._monotonic())
        self._socket: Socket | None = None
        self._sessions = 0
        self._unread: deque[int] = deque()  # sizes of the frames the domain thread has not taken
        self._told: set[str] = set()  # failures that were logged in this outage
        self._other_key_form = False
        self._key_form_tried = False
        self._known_addresses: dict[str, str] = {}
        self._at_once = False
        self._close_with = (1000, "")
        self._order = asyncio.Event()
        self._ping_due_changed = asyncio.Event()
        self._room = asyncio.Event()
        self._room.set()
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._early: list[Callable[[], None]] = []  # orders that came before run()

    # --- from any thread -----------------------------------------------------------------------------------------

    def send(self, text: str, session: int | None = None) -> None:
        """Send one message; messages keep their order. Without an open session it is dropped (the outbox re-sends).

        Args:
            session: how many Connected events the caller had taken when it made the message; a message that was made
                for a session which has ended meanwhile is dropped. None: whatever session is open.
        """
        self._post(lambda: self._send(text, session))

    def frame_done(self) -> None:
        """The oldest FrameReceived was taken from the inbox: there is room for one more."""
        self._post(self._frame_done)

    def reconnect(self, settings: ConnectionSettings | None, reason: str) -> None:
        """Open a new session at once (with new settings unless None), in place of one that exists."""

        def order() -> None:
            if settings is not None:
                self._settings = settings
                self._ping_interval_s = settings.ping_interval_s
            self._other_key_form = self._key_form_tried = False
            self._wanted = self._settings is not None
            self._at_once = True
            self._back_off.reset()
            self._told.clear()
            self._give_order(1000, reason)

        self._post(order)

    def use(self, settings: ConnectionSettings) -> None:
        """The next attempt takes these settings; a session that exists and the back-off stay as they are."""

        def order() -> None:
            self._settings = settings
            self._other_key_form = self._key_form_tried = False

        self._post(order)

    def close(self, reason: str, retry: bool, code: int = 1000) -> None:
        """Close the session; with `retry` the link tries again after its back-off, without it stays off."""

        def order() -> None:
            self._wanted = self._wanted and retry
            if self._socket is not None or not retry:
                self._give_order(code, reason)

        self._post(order)

    def set_ping_interval(self, seconds: float) -> None:
        """WebSocketPingInterval, effective at once; 0 switches pings off."""

        def order() -> None:
            self._ping_interval_s = seconds
            self._ping_due_changed.set()

        self._post(order)

    def status(self) -> LinkStatus:
        """The link as it is now."""
        status, link = self._status, self._socket
        return replace(status, last_byte_at=link.last_byte_at) if link else status

    def _post(self, order: Callable[[], None]) -> None:
        with self._lock:
            if self._loop is None:
                self._early.append(order)
            elif not self._loop.is_closed():
                self._loop.call_soon_threadsafe(order)

    # --- the supervisor loop -------------------------------------------------------------------------------------

    async def run(self) -> None:
        """Keep the link as ordered until cancelled; no failure of the link ends it."""
        with self._lock:
            self._loop = asyncio.get_running_loop()
            early, self._early = self._early, []
        for order in early:
            order()
        try:
            while True:
                self._order.clear()
                self._at_once = False
                if self._settings is None or not self._wanted:
                    self._become("off")
                    await self._order.wait()
                    continue
                settings = self._settings
                if self._other_key_form:
                    settings = replace(settings, key_as_text=not settings.key_as_text)
                if error := await self._attempt_until_ordered(settings):
                    await self._wait_after(error, settings)
        finally:
            with self._lock:
                self._loop = None
            self._become("off")

    async def _attempt_until_ordered(self, settings: ConnectionSettings) -> LinkError | None:
        """Run one attempt (and its session) until it ends by itself or by an order.

        Returns:
            Why it ended, when the back-off has to be waited for; None to go on at once.
        """
        attempt = asyncio.ensure_future(self._attempt(settings))
        order = asyncio.ensure_future(self._order.wait())
        try:
            await asyncio.wait({attempt, order}, return_when=asyncio.FIRST_COMPLETED)
            if not attempt.done() and (link := self._socket) is not None:
                code, reason = self._close_with
                link.verdict = LinkError("ordered", Sentence("closed by this station: {reason}", reason=reason))
                await link.close(code, reason.encode()[:120].decode(errors="ignore"))
                await asyncio.wait({attempt}, timeout=CLOSE_TIMEOUT_S)
            return attempt.result() if attempt.done() and self._wanted and not self._at_once else None
        finally:
            order.cancel()
            if not attempt.done():
                attempt.cancel()
                await asyncio.wait({attempt})

    async def _attempt(self, settings: ConnectionSettings) -> LinkError | None:
        self._become("connecting", url=final_url(settings), attempts=self._status.attempts + 1)
        try:
            link = await open_socket(settings, self._clock, self._known_addresses)
        except LinkFailure as failure:
            if failure.error.kind == "password" and has_other_key_form(settings) and not self._key_form_tried:
                self._key_form_tried = self._other_key_form = True
                log.info(
                    "The backend refuses the key; trying it in its other form (%s)", _form(not settings.key_as_text)
                )
                return None
            self._other_key_form = False
            self._tell(failure.error, level=logging.DEBUG)
            self._on_event(Disconnected(failure.error.text, failure.error.kind))
            return failure.error
        if self._other_key_form:
            self._settings, self._other_key_form = settings, False
            self._on_event(KeyFormAccepted(settings.key_as_text))
        self._key_form_tried = False
        return await self._session(link, settings)

    async def _session(self, link: Socket, settings: ConnectionSettings) -> LinkError:
        opened_at = self._last_ping_at = self._monotonic()
        self._sessions += 1
        self._socket = link
        attempts = self._status.attempts
        self._become("connected", attempts=0, subprotocol_warning=link.subprotocol_warning)
        log.info("Connected to %s%s", self._status.url, f" (attempt {attempts})" if attempts > 1 else "")
        if link.subprotocol_warning:
            log.warning("%s", link.subprotocol_warning.capitalize())
        self._on_event(Connected(link.verified_by, link.valid))
        error = LinkError("closed", Sentence("the connection was given up"))
        try:
            async with asyncio.TaskGroup() as tasks:
                pings = tasks.create_task(self._keep_alive(link, settings.pong_timeout_s))
                error = await self._read(link)
                pings.cancel()
        finally:
            link.transport.abort()
            self._socket = None
            self._status = replace(self._status, last_byte_at=link.last_byte_at)
            if self._monotonic() - opened_at >= STABLE_S:
                self._back_off.reset()
                self._told.clear()
            self._tell(error, level=logging.INFO)
            self._on_event(Disconnected(error.text, error.kind))
        return error

    async def _read(self, link: Socket) -> LinkError:
        try:
            while True:
                data = await link.recv(decode=False)
                self._unread.append(len(data))
                self._update_room()
                text = data.decode(errors="replace")
                # a big profile is parsed beside the domain thread and this loop: both go on meanwhile
                read = await asyncio.to_thread(codec.read, text) if len(text) >= BESIDE else None
                self._on_event(FrameReceived(text, read))
                await self._room.wait()
        except ConnectionClosed as closed:
            return explain_end(link, closed)

    async def _keep_alive(self, link: Socket, pong_timeout_s: float) -> None:
        """Ping when it is due; a line that stays silent after a ping is half-open and is dropped (RPC-29)."""
        while True:
            self._ping_due_changed.clear()
            due_in_s = self._ping_due_in_s(link)
            if due_in_s is None or due_in_s > 0:
                await _wait_at_most(self._ping_due_changed, due_in_s)
                continue
            self._last_ping_at = self._monotonic()
            try:
                pong = asyncio.ensure_future(await link.ping())
            except ConnectionClosed:
                return
            if not await self._heard(link, pong, pong_timeout_s):
                text = Sentence(
                    "the backend did not answer a ping within {pong_timeout_s:g} s: the connection was dead",
                    pong_timeout_s=pong_timeout_s,
                )
                link.give_up(LinkError("mute", text))
                return
            if pong.cancelled() or pong.exception() is not None:
                return
            self._on_event(AliveSeen())

    def _ping_due_in_s(self, link: Socket) -> float | None:
        if self._ping_interval_s <= 0:
            return None
        due_at = self._last_ping_at + self._ping_interval_s
        if link.silent_since is not None:
            due_at = min(due_at, link.silent_since + PROBE_AFTER_S)
        return due_at - self._monotonic()

    async def _heard(self, link: Socket, pong: asyncio.Future[float], timeout_s: float) -> bool:
        """The pong came (or the connection ended) before the line was silent for timeout_s."""
        asked_at = self._monotonic()
        while not pong.done():
            if not self._room.is_set():
                asked_at = self._monotonic()  # the pong waits behind frames that we do not read: not the peer's fault
            left_s = max(asked_at, link.last_byte_at) + timeout_s - self._monotonic()
            if left_s <= 0:
                return False
            await asyncio.wait({pong}, timeout=left_s)
        return True

    async def _wait_after(self, error: LinkError, settings: ConnectionSettings) -> None:
        delay_s = self._back_off.next_s(settings.reconnect_min_s, settings.reconnect_max_s)
        self._become("waiting", next_attempt_at=self._monotonic() + delay_s)
        log.debug("Next attempt in %.1f s", delay_s)
        await _wait_at_most(self._order, delay_s)

    # --- on the loop ---------------------------------------------------------------------------------------------

    def _send(self, text: str, session: int | None) -> None:
        link = self._socket
        if link is None or (session is not None and session != self._sessions):
            log.debug("Not connected: a message is dropped; what must arrive is sent again")
            return
        broadcast([link], text.encode(errors="replace"), text=True)  # writes at once, in order, without waiting
        if link.silent_since is None:
            link.silent_since = self._monotonic()
            self._ping_due_changed.set()
        if link.backlog_bytes > MAX_BACKLOG_BYTES:
            link.give_up(
                LinkError("overload", Sentence("the backend does not read what is sent; the connection was dropped"))
            )

    def _frame_done(self) -> None:
        if self._unread:
            self._unread.popleft()
        self._update_room()

    def _update_room(self) -> None:
        if len(self._unread) < MAX_UNREAD_FRAMES and sum(self._unread) < MAX_UNREAD_BYTES:
            self._room.set()
        else:
            self._room.clear()

    def _give_order(self, code: int, reason: str) -> None:
        self._close_with = (code, reason)
        self._order.set()

    def _tell(self, error: LinkError, level: int) -> None:
        """Each distinct failure once per outage as a warning; repeats at `level`."""
        if error.kind == "ordered":
            log.info("Backend connection %s", error.text)
            return
        self._status = replace(self._status, last_error=error.text, last_error_kind=error.kind)
        log.log(level if error.text in self._told else logging.WARNING, "No backend connection: %s", error.text)
        self._told.add(error.text)

    def _become(
        self,
        state: LinkState,
        *,
        url: str | None = None,
        attempts: int | None = None,
        next_attempt_at: float | None = None,
        subprotocol_warning: Sentence | None = None,
    ) -> None:
        former = self._status
        self._status = replace(
            former,
            state=state,
            since=self._monotonic(),
            url=former.url if url is None else url,
            attempts=former.attempts if attempts is None else attempts,
            next_attempt_at=next_attempt_at,
            subprotocol_warning=former.subprotocol_warning if subprotocol_warning is None else subprotocol_warning,
        )


async def _wait_at_most(event: asyncio.Event, timeout_s: float | None) -> None:
    with suppress(TimeoutError):
        async with asyncio.timeout(timeout_s):
            await event.wait()


def _form(as_text: bool) -> str:
    return "text" if as_text else "bytes"
