"""One websocket to the backend: opened in stages with a limit each, tolerant of sloppy peers, its failures in words.

OCPP-J 1.6 section 3; conformance RPC-01…05, RPC-31; field problems 4…7; websockets 17.4 (runtime.md section 6).
"""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from datetime import datetime

from websockets.asyncio.client import ClientConnection
from websockets.asyncio.connection import broadcast
from websockets.client import ClientProtocol
from websockets.datastructures import Headers
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidMessage, InvalidStatus, NegotiationError
from websockets.typing import Subprotocol
from websockets.uri import WebSocketURI, parse_uri

from ocppclient import tls
from ocppclient.clock import Clock
from ocppclient.link import ConnectionSettings, LinkError, authorization_header, final_url
from ocppclient.sentence import NOTHING, Sentence, quoted

__all__ = [
    "CLOSE_TIMEOUT_S",
    "MAX_BACKLOG_BYTES",
    "ConnectionClosed",
    "LinkFailure",
    "Socket",
    "broadcast",
    "explain_end",
    "knock",
    "open_socket",
    "resolve",
]

SUBPROTOCOL = Subprotocol("ocpp1.6")
#: A SetChargingProfile with 86400 periods has 3.4…5 MB (product.md, ORS-15).
MAX_MESSAGE_BYTES = 16 * 2**20
#: A peer that does not read: so much may wait in our write buffer before we give up on it.
MAX_BACKLOG_BYTES = 32 * 2**20
#: So long may a peer keep the socket open after the closing handshake.
CLOSE_TIMEOUT_S = 2.0

_HTTP_CURES = {
    401: (
        "password",
        Sentence("the backend refuses the password; check the authorization key and the charge point id"),
    ),
    403: (
        "unauthorised",
        Sentence("the backend forbids the connection; check the charge point id and the security profile"),
    ),
    404: ("http", Sentence("the backend does not know this path or charge point id; check both")),
    426: ("http", Sentence("the backend does not accept this websocket request; check the address")),
    429: ("http", Sentence("the backend says that this station connects too often; it tries again later")),
}
_CLOSE_WORDS = {
    1000: Sentence("normal closure"),
    1001: Sentence("going away"),
    1002: Sentence("protocol error"),
    1003: Sentence("unsupported data"),
    1007: Sentence("invalid data"),
    1008: Sentence("policy violation"),
    1009: Sentence("message too big"),
    1011: Sentence("internal error"),
    1012: Sentence("service restart"),
    1013: Sentence("try again later"),
}


#: (stage, what was found): "tcp", "tls", "http", "subprotocol".
Passed = Callable[[str, Sentence], None]


class LinkFailure(Exception):
    """An attempt failed; `error` says why."""

    def __init__(self, error: LinkError) -> None:
        super().__init__(error.text)
        self.error = error


class _Protocol(ClientProtocol):
    """The library's handshake, tolerant where real backends are sloppy (field problem 5)."""

    subprotocol_warning = NOTHING

    def process_subprotocol(self, headers: Headers) -> Subprotocol | None:
        answer = ", ".join(headers.get_all("Sec-WebSocket-Protocol")).strip()
        names = [name.strip().lower() for name in answer.split(",") if name.strip()]
        if SUBPROTOCOL in names:
            if answer != SUBPROTOCOL:
                self.subprotocol_warning = Sentence(
                    "the backend spells the subprotocol {answer!r} instead of 'ocpp1.6'", answer=answer
                )
            return SUBPROTOCOL
        if not names:
            self.subprotocol_warning = Sentence(
                "the backend did not confirm the subprotocol ocpp1.6; it is used all the same"
            )
            return None
        raise NegotiationError(
            Sentence("the backend wants to speak {answer!r}, this station speaks ocpp1.6", answer=answer)
        )


class Socket(ClientConnection):
    """The library's connection, with the time of the last byte and a limit for peers that never close.

    Attributes:
        last_byte_at: monotonic seconds.
        silent_since: when something was sent after which nothing has been heard; None while nothing is owed.
        verdict: why we gave the connection up ourselves.
        verified_by: fingerprints of the backend's verified chain, its own certificate first; () without TLS.
        valid: from when until when that chain is valid; None without TLS.
    """

    def __init__(self, uri: WebSocketURI, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self.host = uri.host
        self.last_byte_at = monotonic()
        self.silent_since: float | None = None
        self.verdict: LinkError | None = None
        self.verified_by: tuple[str, ...] = ()
        self.valid: tuple[datetime, datetime] | None = None
        self._closing = False
        self._handshake = _Protocol(uri, subprotocols=[SUBPROTOCOL], max_size=MAX_MESSAGE_BYTES)
        super().__init__(
            self._handshake,
            ping_interval=None,  # backend_link.py pings by itself
            close_timeout=CLOSE_TIMEOUT_S,
            max_queue=4,
            write_limit=MAX_BACKLOG_BYTES,  # send() never blocks; the backlog is checked instead
        )

    @property
    def subprotocol_warning(self) -> Sentence:
        """The backend speaks, but did not agree on ocpp1.6 as it should; "" when it did."""
        return self._handshake.subprotocol_warning

    @property
    def backlog_bytes(self) -> int:
        """Bytes the peer has not taken yet."""
        return self.transport.get_write_buffer_size()

    def data_received(self, data: bytes) -> None:
        self.last_byte_at = self._monotonic()
        self.silent_since = None
        super().data_received(data)
        if self.protocol.close_expected() and not self._closing:
            self._closing = True
            self.loop.call_later(CLOSE_TIMEOUT_S, self.transport.abort)

    def give_up(self, error: LinkError) -> None:
        """Drop the connection without a closing handshake: nobody would answer it."""
        self.verdict = self.verdict or error
        self.transport.abort()


async def open_socket(
    settings: ConnectionSettings,
    clock: Clock,
    known_addresses: dict[str, str],
    passed: Passed = lambda stage, detail: None,
) -> Socket:
    """Open the websocket: name and TCP, TLS, upgrade; each stage has `open_timeout_s`. No proxy, no redirects.

    Args:
        clock: judges the dates of certificates.
        known_addresses: host name → address that worked last; used when the name cannot be resolved (fault F17).
        passed: is told of each stage that worked.

    Raises:
        LinkFailure: in words, with the cure.
    """
    uri = parse_uri(final_url(settings))
    where = f"{uri.host}:{uri.port}"
    transport = await _open_line(settings, clock, uri, known_addresses, passed)
    link = Socket(uri, clock.monotonic)
    try:
        if uri.secure:
            link.verified_by = tls.verified_by(_ssl_object(transport))
            link.valid = tls.validity(_ssl_object(transport))
        transport.set_protocol(link)
        link.connection_made(transport)
        headers = {}
        if header := authorization_header(settings):
            headers["Authorization"] = header
        async with _stage(
            settings, Sentence("{where} takes the connection but does not answer the websocket request", where=where)
        ):
            await link.handshake(headers, settings.user_agent)
    except BaseException as error:
        transport.abort()
        if isinstance(error, LinkFailure) or not isinstance(error, Exception):
            raise
        cause = link.connection_exc if isinstance(link.connection_exc, ssl.SSLError) else error
        raise LinkFailure(_explain(cause, uri.host, where)) from error
    passed("http", Sentence("101: the backend takes the connection"))
    passed("subprotocol", link.subprotocol_warning or quoted("ocpp1.6"))
    return link


async def knock(settings: ConnectionSettings, clock: Clock, passed: Passed) -> None:
    """TCP and TLS only, and away again: nothing is asked of the websocket server.

    Raises:
        LinkFailure: in words, with the cure.
    """
    transport = await _open_line(settings, clock, parse_uri(final_url(settings)), {}, passed)
    transport.abort()


async def resolve(settings: ConnectionSettings) -> list[str]:
    """The addresses of the backend's host, as the network's DNS knows it now.

    Raises:
        LinkFailure: in words, with the cure.
    """
    uri = parse_uri(final_url(settings))
    loop = asyncio.get_running_loop()
    try:
        async with _stage(
            settings, Sentence("the network's DNS does not answer for {host}; check the network", host=uri.host)
        ):
            found = await loop.getaddrinfo(uri.host, uri.port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise LinkFailure(_explain(error, uri.host, f"{uri.host}:{uri.port}")) from error
    return list(dict.fromkeys(str(address[0]) for *_, address in found))


async def _open_line(
    settings: ConnectionSettings, clock: Clock, uri: WebSocketURI, known_addresses: dict[str, str], passed: Passed
) -> asyncio.Transport:
    """TCP, and TLS for wss://."""
    where = f"{uri.host}:{uri.port}"
    loop = asyncio.get_running_loop()
    transport: asyncio.Transport | None = None
    try:
        context = await asyncio.to_thread(tls.client_context, settings, clock) if uri.secure else None
        async with _stage(
            settings, Sentence("{where} does not answer; check the address, the network and the firewall", where=where)
        ):
            transport = await _connect_tcp(loop, uri, known_addresses)
        passed("tcp", Sentence("{address}, port {port}", address=known_addresses[uri.host], port=uri.port))
        if context is not None:
            async with _stage(
                settings,
                Sentence("{where} takes the connection but does not answer TLS; is it a wss:// port?", where=where),
            ):
                transport = await loop.start_tls(
                    transport,
                    transport.get_protocol(),
                    context,
                    server_hostname=uri.host,
                    ssl_handshake_timeout=settings.open_timeout_s + 1,
                    ssl_shutdown_timeout=CLOSE_TIMEOUT_S,
                )
            tls.check_dates(_ssl_object(transport), clock.utc(), clock.confirmed, uri.host)
            tls.check_name(_ssl_object(transport), settings, uri.host)
            passed("tls", tls.describe(_ssl_object(transport)))
        if transport is None:  # only start_tls of a transport that is already closed gives that
            raise ConnectionResetError
        return transport
    except BaseException as error:
        if transport is not None:
            transport.abort()
        if isinstance(error, LinkFailure) or not isinstance(error, Exception):
            raise
        raise LinkFailure(_explain(error, uri.host, where)) from error


def _ssl_object(transport: asyncio.Transport | None) -> ssl.SSLObject:
    if transport is None:
        raise ConnectionResetError
    found: ssl.SSLObject = transport.get_extra_info("ssl_object")
    return found


async def _connect_tcp(
    loop: asyncio.AbstractEventLoop, uri: WebSocketURI, known_addresses: dict[str, str]
) -> asyncio.Transport:
    try:
        transport, _ = await loop.create_connection(asyncio.Protocol, uri.host, uri.port, happy_eyeballs_delay=0.25)
    except socket.gaierror:
        if uri.host not in known_addresses:
            raise
        transport, _ = await loop.create_connection(asyncio.Protocol, known_addresses[uri.host], uri.port)
    known_addresses[uri.host] = transport.get_extra_info("peername")[0]
    raw = transport.get_extra_info("socket")
    raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return transport


@asynccontextmanager
async def _stage(settings: ConnectionSettings, mute: Sentence) -> AsyncIterator[None]:
    """Limit one stage; `mute` is what a timeout means."""
    try:
        async with asyncio.timeout(settings.open_timeout_s):
            yield
    except TimeoutError as error:
        raise LinkFailure(
            LinkError(
                "timeout",
                Sentence("{mute} (waited {open_timeout_s:g} s)", mute=mute, open_timeout_s=settings.open_timeout_s),
            )
        ) from error


def _explain(error: BaseException, host: str, where: str) -> LinkError:
    match error:
        case ssl.SSLError():
            return tls.explain(error, host)
        case tls.WildcardOnly() | tls.OutOfDate():
            return LinkError("certificate", quoted(error))
        case socket.gaierror():
            return LinkError(
                "dns",
                Sentence("the name {host} cannot be resolved; check the address and the network's DNS", host=host),
            )
        case ConnectionRefusedError():
            return LinkError(
                "refused",
                Sentence("{where} refuses connections; is the backend running, is the port right?", where=where),
            )
        case ConnectionResetError() | ConnectionAbortedError() | BrokenPipeError():
            return LinkError(
                "reset", Sentence("{where} broke the connection off while it was being opened", where=where)
            )
        case InvalidStatus():
            return _explain_status(error.response.status_code, error.response.headers.get("Location"))
        case NegotiationError():
            return LinkError(
                "subprotocol", Sentence("{error}; the backend needs an endpoint for OCPP 1.6-J", error=quoted(error))
            )
        case InvalidMessage():
            return LinkError(
                "http", Sentence("{where} does not answer like a websocket server; check address and port", where=where)
            )
        case InvalidHandshake():
            return LinkError(
                "http", Sentence("{where} fails the websocket handshake: {error}", where=where, error=quoted(error))
            )
        case ValueError():
            return LinkError("settings", quoted(error))
        case OSError():
            return LinkError(
                "network",
                Sentence("{where} cannot be reached: {error}", where=where, error=quoted(error.strerror or error)),
            )
        case _:
            raise error


def _explain_status(status: int, location: str | None) -> LinkError:
    if 300 <= status < 400:
        redirects = Sentence("the backend redirects")
        if location:
            redirects = Sentence("the backend redirects to {location}", location=location)
        return LinkError(
            "http",
            Sentence(
                "{status}: {redirects}; redirects are refused, enter the new address",
                status=status,
                redirects=redirects,
            ),
        )
    if status >= 500:
        return LinkError(
            "http", Sentence("{status}: the backend has a problem of its own; it is tried again", status=status)
        )
    kind, cure = _HTTP_CURES.get(status, ("http", Sentence("the backend refuses the connection; check the address")))
    return LinkError(kind, Sentence("{status}: {cure}", status=status, cure=cure))


def explain_end(link: Socket, closed: ConnectionClosed) -> LinkError:
    """Why a session ended, in words."""
    if link.verdict is not None:
        return link.verdict
    by_backend, by_us = closed.rcvd, closed.sent
    if by_us is not None and (by_backend is None or closed.rcvd_then_sent is False):
        text = (
            Sentence("a message longer than 16 MiB came")
            if by_us.code == 1009
            else _close_text(by_us.code, by_us.reason)
        )
        return LinkError("closed", Sentence("this station closed the connection: {text}", text=text))
    if by_backend is not None:
        text = _close_text(by_backend.code, by_backend.reason)
        return LinkError("closed", Sentence("the backend closed the connection ({text})", text=text))
    if isinstance(link.connection_exc, ssl.SSLError):
        return tls.explain(link.connection_exc, link.host)
    return LinkError("closed", Sentence("the connection broke without a closing handshake (1006)"))


def _close_text(code: int, reason: str) -> Sentence:
    told = repr(reason) if reason else ""
    if words := _CLOSE_WORDS.get(code):
        return (
            Sentence("{code} {words} {reason}", code=code, words=words, reason=told)
            if told
            else Sentence("{code} {words}", code=code, words=words)
        )
    return quoted(Sentence("{code} {told}", code=code, told=told).strip())
