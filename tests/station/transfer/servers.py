"""Real servers on loopback that hand out and take files, with faults: http, https, ftp, ftps."""

from __future__ import annotations

import socket
import ssl
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


class Web:
    """A server whose answers the test decides: `answer(handler)` for every request; what came is in `seen`."""

    def __init__(self, answer: Callable[[Any], None], tls: ssl.SSLContext | None = None) -> None:
        self.seen: list[tuple[str, str, dict[str, str]]] = []
        self.bodies: list[bytes] = []
        self.stop = threading.Event()  # long answers end by it
        web = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            stopped = web.stop

            def _any(self) -> None:
                web.seen.append((self.command, self.path, dict(self.headers)))
                with suppress(OSError):
                    answer(self)
                self.close_connection = True

            do_GET = do_PUT = do_POST = _any  # noqa: N815

            def read_body(self) -> bytes:
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                web.bodies.append(body)
                return body

            def reply(self, status: int, body: bytes = b"", **headers: str) -> None:
                self.send_response(status)
                headers.setdefault("Content_Length", str(len(body)))
                for name, value in headers.items():
                    self.send_header(name.replace("_", "-"), value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        if tls is not None:
            self._server.socket = tls.wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *arguments: None  # a handshake that failed
        self.port: int = self._server.server_address[1]
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()
        self.scheme = "https" if tls else "http"

    def url(self, path: str = "/file.bin", host: str = "127.0.0.1", user: str = "") -> str:
        return f"{self.scheme}://{f'{user}@' if user else ''}{host}:{self.port}{path}"

    def close(self) -> None:
        self.stop.set()
        self._server.shutdown()
        self._server.server_close()


@contextmanager
def web(answer: Callable[[Any], None], tls: ssl.SSLContext | None = None) -> Iterator[Web]:
    server = Web(answer, tls)
    try:
        yield server
    finally:
        server.close()


@dataclass
class Ftp:
    """A small FTP server, passive only, over what it is told: enough of RFC 959, 2428, 3659 and 4217.

    Attributes:
        files: path → content.
        cut_after: the data connection of a transfer breaks after so many bytes, once.
        refuse: command → answer instead of doing it.
        implicit: TLS from the first byte.
    """

    tls: ssl.SSLContext | None = None
    implicit: bool = False
    files: dict[str, bytes] = field(default_factory=dict)
    cut_after: int | None = None
    refuse: dict[str, str] = field(default_factory=dict)
    commands: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def url(self, path: str, user: str = "") -> str:
        return f"{'ftps' if self.tls else 'ftp'}://{f'{user}@' if user else ''}127.0.0.1:{self.port}{path}"

    def close(self) -> None:
        with suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # the thread that accepts would hold it open
        self._listener.close()

    def _accept(self) -> None:
        while True:
            try:
                link, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(link,), daemon=True).start()

    def _serve(self, link: socket.socket) -> None:
        with suppress(OSError), ExitStack() as closing:
            closing.callback(link.close)
            link.settimeout(10)
            if self.implicit:
                assert self.tls is not None
                link = closing.enter_context(self.tls.wrap_socket(link, server_side=True))
            self._session(link, closing)

    def _session(self, link: socket.socket, closing: ExitStack) -> None:
        def say(text: str) -> None:
            link.sendall(f"{text}\r\n".encode())

        def lines() -> Iterator[str]:
            buffer = b""
            while True:
                while b"\r\n" not in buffer:
                    piece = link.recv(1024)
                    if not piece:
                        return
                    buffer += piece
                line, buffer = buffer.split(b"\r\n", 1)
                yield line.decode()

        say("220 ready")
        offset, passive, private = 0, None, False
        for line in lines():
            self.commands.append(line)
            command, _, argument = line.partition(" ")
            if command in self.refuse:
                say(self.refuse[command])
                continue
            match command:
                case "AUTH":
                    assert self.tls is not None
                    say("234 go")
                    link = closing.enter_context(self.tls.wrap_socket(link, server_side=True))
                case "USER":
                    say("331 password")
                case "PASS":
                    say("230 in")
                case "PBSZ" | "TYPE" | "NOOP":
                    say("200 ok")
                case "PROT":
                    private = argument == "P"
                    say("200 ok")
                case "SIZE" if argument in self.files:
                    say(f"213 {len(self.files[argument])}")
                case "MDTM" if argument in self.files:
                    say("213 20260101000000")
                case "EPSV" | "PASV":
                    passive = socket.create_server(("127.0.0.1", 0))
                    closing.callback(passive.close)
                    passive.settimeout(10)
                    port = passive.getsockname()[1]
                    # the address is a lie: data must go to the server of the session all the same
                    where = f"10,9,8,7,{port // 256},{port % 256}"
                    say(f"229 (|||{port}|)" if command == "EPSV" else f"227 ({where})")
                case "REST":
                    offset = int(argument)
                    say("350 ok")
                case "RETR" if argument in self.files:
                    say("150 here")
                    with self._data(passive, private) as data:
                        content = self.files[argument][offset:]
                        data.sendall(content if self.cut_after is None else content[: self.cut_after])
                    say("226 done" if self.cut_after is None else "426 broken")
                    offset, self.cut_after = 0, None
                case "STOR":
                    say("150 go")
                    taken = self.files.get(argument, b"")[:offset]
                    with self._data(passive, private) as data:
                        while piece := data.recv(4096):
                            taken += piece
                            if self.cut_after is not None and len(taken) >= self.cut_after:
                                break
                    self.files[argument] = taken
                    say("226 done" if self.cut_after is None else "426 broken")
                    offset, self.cut_after = 0, None
                case "QUIT":
                    say("221 bye")
                    return
                case _:
                    say("550 no")

    @contextmanager
    def _data(self, passive: socket.socket | None, private: bool) -> Iterator[socket.socket]:
        assert passive is not None
        data, _ = passive.accept()
        data.settimeout(10)
        if private:
            assert self.tls is not None
            data = self.tls.wrap_socket(data, server_side=True)
        try:
            yield data
        finally:
            if isinstance(data, ssl.SSLSocket):
                with suppress(OSError):
                    data.unwrap()
            data.close()


@contextmanager
def ftp(**options: Any) -> Iterator[Ftp]:
    server = Ftp(**options)
    try:
        yield server
    finally:
        server.close()
