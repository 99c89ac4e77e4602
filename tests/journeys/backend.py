"""A Central System on loopback that does what a test tells it, also everything a real one should never do.

It speaks the websocket through the sans-I/O protocol of `websockets`, so that a connection can be cut, refused, left
unread (half-open) or silent at will. Every frame of both sides goes into its story; `wire.py` and `ledger.py` judge it.
"""

from __future__ import annotations

import contextlib
import json
import select
import socket
import ssl
import struct
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import count
from typing import Any

from websockets.exceptions import InvalidState, ProtocolError
from websockets.frames import Frame, Opcode
from websockets.http11 import Request
from websockets.protocol import SEND_EOF
from websockets.server import ServerProtocol

from tests.journeys.story import CALL, CALLERROR, CALLRESULT, Entry, Story

MAX_FRAME_BYTES = 16 * 1024 * 1024


# --- what a scripted answer can be, besides a plain dict (the payload of a CALLRESULT) ----------------------------


@dataclass(frozen=True)
class Silence:
    """Never answer this CALL."""


@dataclass(frozen=True)
class Error:
    """Answer with a CALLERROR."""

    code: str = "InternalError"
    description: str = "as the test asked"


@dataclass(frozen=True)
class Raw:
    """Answer with this text; `{id}` becomes the unique id of the CALL."""

    text: str


@dataclass(frozen=True)
class Late:
    """Answer after a while (other CALLs are answered meanwhile), also when the connection was replaced since."""

    after_s: float
    answer: Any


@dataclass(frozen=True)
class Cut:
    """Close the TCP connection abruptly instead of answering."""


@dataclass(frozen=True)
class AnswerThenCut:
    """Answer, and close the connection right after it."""

    answer: Any


NULL = Raw('[3,"{id}",null]')


class RemoteError(Exception):
    """The station answered a CALL with a CALLERROR."""

    def __init__(self, code: str, description: str, details: object) -> None:
        super().__init__(f"{code}: {description} {details}")
        self.code = code
        self.description = description
        self.details = details


class ScriptedBackend:
    """The Central System of one station, on 127.0.0.1.

    Args:
        log_tail: gives the last lines of the station's log, for failure messages.

    Attributes:
        cards: idTagInfo by upper-case idTag, used by the default answers of Authorize and StartTransaction; a card that
            is not in it is Accepted.
        interval_s: the interval in BootNotification.conf.
    """

    def __init__(self, log_tail: Callable[[], str] = lambda: "") -> None:
        self.story = Story()
        self.log_tail = log_tail
        self.cards: dict[str, dict] = {}
        self.interval_s = 300
        self.transaction_ids = count(1001)
        self._always: dict[str, Any] = {}
        self._next: dict[str, list[Any]] = {}
        self._cursor: dict[str, int] = {}
        self._call_ids = count(1)
        self._connections: list[Connection] = []
        self._connection_numbers = count(1)
        self._listener: socket.socket | None = None
        self._acceptor: threading.Thread | None = None
        self._muted = False
        self._frozen = False
        #: HTTP status to refuse handshakes with; None accepts them.
        self.refuse_with: int | None = None
        #: New connections speak TLS with this context; None: plain text.
        self.tls: ssl.SSLContext | None = None
        #: Refuses a handshake with 401 when it returns False for the request's headers (lower-case names).
        self.admits: Callable[[dict[str, str]], bool] = lambda headers: True
        #: What the handshake answers; None: no subprotocol at all.
        self.subprotocol: str | None = "ocpp1.6"
        self.port = 0
        self.come_up()

    # --- lifetime and the state of the line ------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """The endpoint without the identity, as the provisioning file wants it."""
        return f"{'wss' if self.tls else 'ws'}://127.0.0.1:{self.port}/ocpp"

    def come_up(self) -> None:
        """Listen; after `go_down` on the same port as before."""
        listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listener.bind(("127.0.0.1", self.port))
        listener.listen(16)
        self.port = listener.getsockname()[1]
        self._listener = listener
        self._acceptor = threading.Thread(target=self._accept, args=(listener,), daemon=True)
        self._acceptor.start()
        self.story.note(f"backend listens on port {self.port}")

    def go_down(self, abruptly: bool = True) -> None:
        """Stop listening and close every connection."""
        listener, self._listener = self._listener, None
        if listener is not None:
            # close() alone does not wake accept() on Linux.
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
            self._acceptor.join(5)
        self.drop(abruptly)
        self.story.note("backend went down")

    def drop(self, abruptly: bool = True) -> None:
        """Close the present connections, by a TCP reset or by a websocket close; listening goes on."""
        for connection in list(self._connections):
            connection.close(abruptly)

    def close(self) -> None:
        """End of the test: everything is closed, every thread is gone."""
        if self._listener is not None:
            self.go_down()
        for connection in list(self._connections):
            connection.close()

    def mute(self) -> None:
        """From now on receive, but answer no CALL (pings are still answered)."""
        self._muted = True
        self.story.note("backend is mute")

    def unmute(self) -> None:
        self._muted = False
        self.story.note("backend answers again")

    def freeze(self) -> None:
        """From now on read nothing from any connection, old or new: half-open, no pong, no handshake."""
        self._frozen = True
        self.story.note("backend is frozen: nothing is read")

    def thaw(self) -> None:
        """End of `freeze`; what was connected meanwhile is cut (what it sent was never received)."""
        self.drop()
        self._frozen = False
        self.story.note("backend is no longer frozen")

    @property
    def frozen(self) -> bool:
        return self._frozen

    def _accept(self, listener: socket.socket) -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(self, sock, next(self._connection_numbers))
            self._connections.append(connection)
            connection.thread.start()

    def forget(self, connection: Connection) -> None:
        if connection in self._connections:
            self._connections.remove(connection)
        with self.story.changed:
            self.story.changed.notify_all()

    # --- the script ------------------------------------------------------------------------------------------------

    def answer_next(self, action: str, *answers: Any) -> None:
        """Use these answers, in order, for the next CALLs of the action; afterwards `answer_always` counts again."""
        self._next.setdefault(action, []).extend(answers)

    def answer_always(self, action: str, answer: Any) -> None:
        """Use this answer from now on: a payload, one of the answer classes, or a function of the CALL's Entry."""
        self._always[action] = answer

    def reset_script(self) -> None:
        """Back to the default answers; whatever was not consumed of the story is skipped."""
        self._always.clear()
        self._next.clear()
        self.cards.clear()
        self.refuse_with = None
        self.admits = lambda headers: True
        self.subprotocol = "ocpp1.6"
        if self._muted:
            self.unmute()
        if self._frozen:
            self.thaw()
        if self._listener is None:
            self.come_up()
        self.skip()

    def respond(self, connection: Connection, call: Entry) -> None:
        """Answer a CALL of the station as the script says."""
        if self._muted:
            return
        queue = self._next.get(call.action)
        answer = queue.pop(0) if queue else self._always.get(call.action, self.default_answer)
        self._give(connection, call, answer)

    def _give(self, connection: Connection, call: Entry, answer: Any) -> None:
        match answer:
            case Silence():
                self.story.note(f"no answer to {call.action} {call.id}", connection.number)
            case Cut():
                connection.close()
            case AnswerThenCut():
                self._give(connection, call, answer.answer)
                connection.close()
            case Late():
                timer = threading.Timer(answer.after_s, self._give_late, (connection, call, answer.answer))
                timer.daemon = True
                timer.start()
            case Error():
                connection.send(json.dumps([CALLERROR, call.id, answer.code, answer.description, {}]))
            case Raw():
                connection.send(answer.text.replace("{id}", call.id))
            case _ if callable(answer):
                self._give(connection, call, answer(call))
            case _:
                connection.send(json.dumps([CALLRESULT, call.id, answer]))

    def _give_late(self, connection: Connection, call: Entry, answer: Any) -> None:
        newest = self.connection
        self._give(connection if connection.open or newest is None else newest, call, answer)

    def default_answer(self, call: Entry) -> dict:
        """What a well-behaved Central System says to this CALL."""
        match call.action:
            case "BootNotification":
                return {"status": "Accepted", "currentTime": utc_now(), "interval": self.interval_s}
            case "Heartbeat":
                return {"currentTime": utc_now()}
            case "Authorize":
                return {"idTagInfo": self.card(call.payload.get("idTag", ""))}
            case "StartTransaction":
                # A naive backend: it gives a new id to every StartTransaction that arrives, copies included.
                return {"transactionId": next(self.transaction_ids), "idTagInfo": self.card(call.payload["idTag"])}
            case "DataTransfer":
                return {"status": "UnknownVendorId"}
            case "SignCertificate":
                return {"status": "Accepted"}
            case _:
                return {}

    def card(self, id_tag: str) -> dict:
        return self.cards.get(id_tag.upper(), {"status": "Accepted"})

    # --- what the test asks of the station -------------------------------------------------------------------------

    @property
    def connection(self) -> Connection | None:
        """The newest websocket that is open."""
        return next((c for c in reversed(self._connections) if c.open), None)

    def wait_connected(self, timeout_s: float = 10) -> Connection:
        """Wait until a websocket is open."""
        if not self.story.wait(lambda: self.connection, timeout_s):
            self.fail(f"no websocket connection within {timeout_s} s")
        return self.connection

    def wait_disconnected(self, timeout_s: float = 10) -> None:
        """Wait until no websocket is open."""
        if not self.story.wait(lambda: self.connection is None, timeout_s):
            self.fail(f"the websocket was still open after {timeout_s} s")

    def wait_hung_up(self, connection: Connection, timeout_s: float) -> bool:
        """Whether the station ends this connection in time; works while frozen, because nothing is read for it."""
        deadline, poll = time.monotonic() + timeout_s, threading.Event()
        while not connection.hung_up():
            if time.monotonic() >= deadline:
                return False
            poll.wait(0.05)
        return True

    def send(self, text: str | bytes) -> None:
        """Send this text (or these bytes, as a binary message) to the station, whatever it is."""
        self.wait_connected().send(text)

    def call(self, action: str, payload: dict | None = None, timeout_s: float = 10) -> dict:
        """Send a CALL and wait for its answer; returns the payload of the CALLRESULT.

        Raises:
            RemoteError: the station answered with a CALLERROR.
        """
        start = len(self.story)
        call_id = self.send_call(action, payload)
        message = self.wait_answer(call_id, timeout_s, start).message
        if message[0] == CALLERROR:
            raise RemoteError(*message[2:5])
        return message[2]

    def send_call(self, action: str, payload: dict | None = None) -> str:
        """Send a CALL; returns its unique id."""
        call_id = f"backend-{next(self._call_ids)}"
        self.send(json.dumps([CALL, call_id, action, payload or {}]))
        return call_id

    def wait_answer(self, call_id: str, timeout_s: float = 10, start: int = 0) -> Entry:
        """The station's CALLRESULT or CALLERROR with this id, in the story from position `start` on."""

        def found() -> Entry | None:
            return next(
                (e for _, e in self.story.scan(start) if e.source == "station" and e.is_answer_to(call_id)), None
            )

        answer = self.story.wait(found, timeout_s)
        if answer is None:
            self.fail(f"no answer to {call_id} within {timeout_s} s")
        return answer

    # --- what the test expects of the station ----------------------------------------------------------------------

    def wait_for(
        self, action: str, where: Callable[[dict], object] | None = None, timeout_s: float = 10, why: str = ""
    ) -> Entry:
        """The next CALL of this action whose payload satisfies `where`; it and all before it count as consumed.

        Each action has its own place in the story, because the order of messages of different kinds is often free.
        """
        found = self.story.wait(lambda: self._find(action, where), timeout_s)
        if not found:
            seen = [e.text for _, e in self._unconsumed(action)]
            self.fail(
                f"expected {action} {why or 'as the predicate says'} within {timeout_s} s; unconsumed {action}: {seen}"
            )
        position, entry = found
        self._cursor[action] = position + 1
        return entry

    def wait_status(self, status: str, connector: int = 1, timeout_s: float = 10, **fields: object) -> Entry:
        """The next StatusNotification with this status of this connector, and these further fields."""
        wanted = {"status": status, "connectorId": connector, **fields}
        return self.wait_for("StatusNotification", matches(wanted), timeout_s, why=f"with {wanted}")

    def next(self, action: str, timeout_s: float = 10) -> Entry:
        """The very next CALL of this action, whatever its payload."""
        return self.wait_for(action, None, timeout_s, why="(any)")

    def expect_no(self, action: str, for_s: float = 1.0, where: Callable[[dict], object] | None = None) -> None:
        """Fail when an unconsumed CALL of this action (with such a payload) is there or comes within this time."""
        found = self.story.wait(lambda: self._find(action, where), for_s)
        if found:
            self.fail(f"unexpected {action}: {found[1].text}")

    def skip(self) -> None:
        """Everything that came so far counts as consumed."""
        end = len(self.story)
        self._cursor.clear()
        self._skipped = end

    _skipped = 0

    def calls(self, action: str | None = None, since: float = 0.0) -> list[Entry]:
        """All CALLs of the station so far (of one action), consumed or not."""
        return [e for e in self.story.entries() if e.source == "station" and e.is_call(action) and e.at >= since]

    def _unconsumed(self, action: str) -> list[tuple[int, Entry]]:
        start = self._cursor.get(action, self._skipped)
        return [(p, e) for p, e in self.story.scan(start) if e.source == "station" and e.is_call(action)]

    def _find(self, action: str, where: Callable[[dict], object] | None) -> tuple[int, Entry] | None:
        return next(((p, e) for p, e in self._unconsumed(action) if where is None or where(e.payload)), None)

    def fail(self, reason: str) -> None:
        """Fail the test with the whole story."""
        __tracebackhide__ = True
        raise AssertionError(f"{reason}\n--- story ---\n{self.story}\n--- log of the station ---\n{self.log_tail()}")


class Connection:
    """One TCP connection: the handshake, then frames, in a thread of its own."""

    def __init__(self, backend: ScriptedBackend, sock: socket.socket, number: int) -> None:
        self.backend = backend
        self.number = number
        self.open = False
        self.path = ""
        self.headers: dict[str, str] = {}
        #: Of a TLS connection: the cipher suite, the version, subject and serial number of the client certificate.
        self.cipher = self.tls_version = self.client = self.client_serial = ""
        self.thread = threading.Thread(target=self._run, daemon=True)
        self._sock = sock
        self._lock = threading.RLock()
        self._protocol = ServerProtocol(
            select_subprotocol=lambda _protocol, _offered: backend.subprotocol, max_size=MAX_FRAME_BYTES
        )
        self._parts: list[bytes] = []
        self._cut = False
        self._gone = threading.Event()
        self._wake_receiver, self._wake_sender = socket.socketpair()

    def _run(self) -> None:
        reason = "by the station"
        try:
            self._secure()
            while self._readable():
                data = self._receive()
                if not data:
                    break
                with self._lock:
                    self._protocol.receive_data(data)
                    events = self._protocol.events_received()
                    self._flush()
                for event in events:
                    self._take(event)
        except (OSError, ProtocolError) as error:
            reason = str(error)
        finally:
            with self._lock:
                was_open, self.open = self.open, False
                if self._cut:
                    reason = "cut by the backend"
                    # Linger 0: close() sends a TCP reset and drops what was not sent yet.
                    self._sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                self._sock.close()
            self._wake_receiver.close()
            self._wake_sender.close()
            if was_open:
                self.backend.story.note(f"disconnected ({reason})", self.number)
            self.backend.forget(self)
            self._gone.set()

    def _secure(self) -> None:
        """The TLS handshake, when there is to be one."""
        if self.backend.tls is None:
            return
        try:
            self._sock = secured = self.backend.tls.wrap_socket(self._sock, server_side=True)
        except (OSError, ssl.SSLError) as error:
            self.backend.story.note(f"the TLS handshake failed: {error}", self.number)
            raise
        self.cipher, self.tls_version, _ = secured.cipher()
        certificate = secured.getpeercert() or {}
        self.client = ", ".join(f"{name}={value}" for part in certificate.get("subject", ()) for name, value in part)
        self.client_serial = certificate.get("serialNumber", "").lstrip("0")
        self.backend.story.note(f"{self.tls_version} {self.cipher} {self.client}".strip(), self.number)

    def _receive(self) -> bytes:
        if isinstance(self._sock, ssl.SSLSocket):
            with self._lock:  # one TLS connection takes no reader beside a writer
                return self._sock.recv(65536)
        return self._sock.recv(65536)

    def _readable(self) -> bool:
        """Wait for bytes; False when the connection is to be cut."""
        if isinstance(self._sock, ssl.SSLSocket) and self._sock.pending() and not self._cut:
            return True
        while not self._cut:
            watched = [self._wake_receiver] if self.backend.frozen else [self._wake_receiver, self._sock]
            ready, _, _ = select.select(watched, [], [])
            if self._sock in ready and not self.backend.frozen:
                return True
            if self._wake_receiver in ready:
                self._wake_receiver.recv(64)
        return False

    def _take(self, event: object) -> None:
        if isinstance(event, Request):
            self._shake_hands(event)
        elif isinstance(event, Frame):
            match event.opcode:
                case Opcode.TEXT | Opcode.BINARY | Opcode.CONT:
                    if event.opcode != Opcode.CONT:
                        self._parts = []
                    self._parts.append(bytes(event.data))
                    if event.fin:
                        self._received(b"".join(self._parts).decode("utf-8", "replace"))
                case Opcode.CLOSE:
                    self.backend.story.note("the station closes the websocket", self.number)

    def _shake_hands(self, request: Request) -> None:
        self.path = request.path
        self.headers = {name.lower(): value for name, value in request.headers.raw_items()}
        with self._lock:
            refuse_with = self.backend.refuse_with if self.backend.admits(self.headers) else 401
            if refuse_with is not None:
                self._protocol.send_response(self._protocol.reject(refuse_with, "as the test asked\n"))
            else:
                response = self._protocol.accept(request)
                self._protocol.send_response(response)
                self.open = response.status_code == 101
            self._flush()
        if self.open:
            offered = self.headers.get("sec-websocket-protocol", "")
            self.backend.story.note(f"connected to {self.path} offering {offered!r}", self.number)
        else:
            self.backend.story.note(f"refused a handshake to {self.path}", self.number)

    def _received(self, text: str) -> None:
        entry = self.backend.story.add(self.number, "station", text)
        if entry.is_call():
            self.backend.respond(self, entry)

    def send(self, text: str | bytes) -> None:
        """Send one message; a connection that is gone swallows it."""
        with self._lock:
            if not self.open:
                return
            try:
                if isinstance(text, str):
                    self._protocol.send_text(text.encode("utf-8", "surrogatepass"))
                else:
                    self._protocol.send_binary(text)
            except InvalidState:  # the station is closing the websocket
                self.open = False
                return
            shown = text if isinstance(text, str) else text.decode("utf-8", "replace")
            self.backend.story.add(self.number, "backend", shown)
            try:
                self._flush()
            except OSError:
                self.open = False

    def hung_up(self) -> bool:
        """The station has closed its side."""
        with self._lock:
            if self._gone.is_set():
                return True
            poll = select.poll()
            poll.register(self._sock, select.POLLRDHUP | select.POLLHUP | select.POLLERR)
            return bool(poll.poll(0))

    def close(self, abruptly: bool = True) -> None:
        """End the connection: a TCP reset, or the closing handshake of the websocket."""
        with self._lock:
            if self._gone.is_set():
                return
            if not abruptly and self.open:
                self.backend.story.note("the backend closes the websocket", self.number)
                with contextlib.suppress(InvalidState):
                    self._protocol.send_close(1001)
                    self._flush()
                return
            self._cut = True
        with contextlib.suppress(OSError):
            self._wake_sender.send(b"x")
        if threading.current_thread() is not self.thread:
            self._gone.wait(5)

    def _flush(self) -> None:
        for data in self._protocol.data_to_send():
            if data == SEND_EOF:
                self._sock.shutdown(socket.SHUT_WR)
            else:
                self._sock.sendall(data)


def matches(wanted: dict) -> Callable[[dict], bool]:
    """A predicate: the payload has all these fields with these values."""
    return lambda payload: all(payload.get(name) == value for name, value in wanted.items())


def utc_now() -> str:
    return datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%f")[:-3] + "Z"
