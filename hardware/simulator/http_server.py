"""A small HTTP/1.1 server on a selector: one thread, one request a connection (http.server would double the memory)."""

from __future__ import annotations

import contextlib
import selectors
import socket
from collections.abc import Callable
from dataclasses import dataclass, field

from hardware.simulator.control import Reply

_MAX_REQUEST_BYTES = 64 * 1024
_IDLE_S = 10.0
_MOST_CONNECTIONS = 64
_REASONS = {200: "OK", 400: "Bad Request", 404: "Not Found", 405: "Method Not Allowed", 413: "Content Too Large"}


@dataclass
class _Connection:
    sock: socket.socket
    since: float
    received: bytearray = field(default_factory=bytearray)
    to_send: bytes = b""


class HttpServer:
    """Listens on `host:port` (0: any free one) and answers with `handler(method, target, body)`.

    Raises OSError when the address is taken. Register `self` as data of the selector's keys: `on_ready` is called.
    """

    def __init__(self, host: str, port: int, handler: Callable[[str, str, bytes], Reply]) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self._listener = socket.socket(family, socket.SOCK_STREAM)
        try:
            self._listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            self._listener.bind((host, port))
            self._listener.listen(_MOST_CONNECTIONS)
        except OSError:
            self._listener.close()
            raise
        self._listener.setblocking(False)
        self._handler = handler
        self._connections: dict[int, _Connection] = {}
        self._selector: selectors.BaseSelector | None = None

    @property
    def port(self) -> int:
        """The port it listens on."""
        return int(self._listener.getsockname()[1])

    def register(self, selector: selectors.BaseSelector) -> None:
        """Be woken by `selector`."""
        self._selector = selector
        selector.register(self._listener, selectors.EVENT_READ, self.on_ready)

    def close(self) -> None:
        """Close everything."""
        for fd in list(self._connections):
            self._close(fd)
        if self._selector is not None:
            self._selector.unregister(self._listener)
        self._listener.close()

    def on_ready(self, fd: int, events: int, now: float) -> None:
        """A socket of this server can be read or written."""
        if fd == self._listener.fileno():
            self._accept(now)
            return
        connection = self._connections.get(fd)
        if connection is None:
            return
        try:
            if events & selectors.EVENT_WRITE:
                self._send(connection)
            elif events & selectors.EVENT_READ:
                self._receive(connection)
        except OSError:
            self._close(fd)

    def drop_idle(self, now: float) -> None:
        """Close connections that say nothing for too long."""
        for fd, connection in list(self._connections.items()):
            if now - connection.since > _IDLE_S:
                self._close(fd)

    def _accept(self, now: float) -> None:
        assert self._selector is not None
        try:
            sock, _ = self._listener.accept()
        except OSError:
            return
        if len(self._connections) >= _MOST_CONNECTIONS:
            sock.close()
            return
        sock.setblocking(False)
        self._connections[sock.fileno()] = _Connection(sock, now)
        self._selector.register(sock, selectors.EVENT_READ, self.on_ready)

    def _receive(self, connection: _Connection) -> None:
        data = connection.sock.recv(16 * 1024)
        if not data:
            self._close(connection.sock.fileno())
            return
        if connection.to_send:
            return
        connection.received += data
        reply, head_only = self._answer(bytes(connection.received))
        if reply is None:
            return
        head = (
            f"HTTP/1.1 {reply.status} {_REASONS.get(reply.status, 'Error')}\r\n"
            f"Content-Type: {reply.content_type}\r\nContent-Length: {len(reply.body)}\r\n"
            "Cache-Control: no-store\r\nX-Content-Type-Options: nosniff\r\nConnection: close\r\n\r\n"
        )
        connection.to_send = head.encode() + (b"" if head_only else reply.body)
        self._send(connection)

    def _answer(self, received: bytes) -> tuple[Reply | None, bool]:
        """The reply once the request is complete, else None; and whether it asked for the head only."""
        head, end, rest = received.partition(b"\r\n\r\n")
        if not end:
            too_long = len(received) > _MAX_REQUEST_BYTES
            return (Reply(413, b'{"error": "The request is too long."}\n') if too_long else None), False
        lines = head.decode("latin-1").split("\r\n")
        words = lines[0].split(" ")
        headers = {
            name.strip().lower(): value.strip() for name, _, value in (line.partition(":") for line in lines[1:])
        }
        length = headers.get("content-length", "0")
        if len(words) != 3 or not words[2].startswith("HTTP/1.") or not length.isdecimal():
            return Reply(400, b'{"error": "This is not an HTTP/1.1 request with a Content-Length."}\n'), False
        if int(length) > _MAX_REQUEST_BYTES:
            return Reply(413, b'{"error": "The body is too long."}\n'), False
        if len(rest) < int(length):
            return None, False
        return self._handler(words[0], words[1], rest[: int(length)]), words[0] == "HEAD"

    def _send(self, connection: _Connection) -> None:
        assert self._selector is not None
        sock = connection.sock
        with contextlib.suppress(BlockingIOError):
            connection.to_send = connection.to_send[sock.send(connection.to_send) :]
        if connection.to_send:
            self._selector.modify(sock, selectors.EVENT_WRITE, self.on_ready)
            return
        sock.shutdown(socket.SHUT_WR)
        self._close(sock.fileno())

    def _close(self, fd: int) -> None:
        connection = self._connections.pop(fd, None)
        if connection is not None:
            assert self._selector is not None
            self._selector.unregister(connection.sock)
            connection.sock.close()
