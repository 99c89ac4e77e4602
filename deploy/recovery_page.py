"""The page of safe mode: needs neither Django nor the database, only Python's standard library.

Whoever reaches it reads what is the matter; log lines, diagnostics and actions are for installers of this station.
"""

from __future__ import annotations

import io
import json
import os
import secrets
import socket
import ssl
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from http.cookies import CookieError, SimpleCookie
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from socketserver import TCPServer
from typing import Any
from urllib.parse import parse_qs

import safe_mode
from installers import Installers, Unreadable
from recovery_html import Words, language_of, page, starting

#: Wrong passwords of one address within LOCK_S that shut it out.
ATTEMPTS, LOCK_S = 5, 900.0
#: A person who does nothing signs in again after so long, seconds.
SESSION_S = 900.0
#: An idle connection is closed after so long, seconds.
IDLE_S = 15.0
LONGEST_FORM = 4096
#: Of the logs, bytes.
LARGEST_DIAGNOSTICS = 16 * 2**20
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'self'; form-action 'self'; frame-ancestors 'none'; "
    "base-uri 'none'",
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "same-origin",
    "Cache-Control": "no-store",
}


class Page:
    """Serves while it is entered, on STATION_HTTP and STATION_HTTPS like the station's own pages.

    Args:
        state: what safe mode is about (`safe_mode.SafeMode.facts`).
    """

    def __init__(self, releases: Path, state: Callable[[], Mapping[str, Any]]) -> None:
        self.releases = releases
        self.state = state
        self.data = safe_mode.data_folder(releases)
        self.installers = Installers(self.data)
        self.sessions: dict[str, float] = {}
        self._wrong: dict[str, list[float]] = {}
        self._lock = threading.Lock()
        self._servers: list[ThreadingHTTPServer] = []

    def __enter__(self) -> Page:
        """A port that cannot be opened is said and left out: the contactor is held open without a page as well."""
        plain = os.environ.get("STATION_HTTP", "").strip() or "127.0.0.1:8080"
        secure = os.environ.get("STATION_HTTPS", "").strip()
        secure_port = self._serve(secure, is_secure=True) if secure else None
        self._serve(plain, secure_port=secure_port)
        return self

    def __exit__(self, *_: object) -> None:
        for server in self._servers:
            server.shutdown()
            server.server_close()
        self._servers.clear()

    def _serve(self, address: str, *, is_secure: bool = False, secure_port: int | None = None) -> int | None:
        """The port, None when it cannot be opened; with `secure_port` everything is redirected there."""
        host, _, port = address.rpartition(":")
        host = host.strip("[]")

        class Handler(_Handler):
            pass

        Handler.page, Handler.secure_port = self, secure_port
        server = None
        try:
            server = (_Server6 if ":" in host else _Server)((host, int(port)), Handler)
            if is_secure:
                context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
                context.minimum_version = ssl.TLSVersion.TLSv1_2
                own = self.data / "https" / "own.pem"
                context.load_cert_chain(own if own.exists() else self.data / "https" / "made.pem")
                server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
        except (OSError, ValueError, OverflowError) as error:
            sys.stderr.write(f"launcher: the recovery page cannot be served at {address} ({error})\n")
            if server is not None:
                server.server_close()
            return None
        self._servers.append(server)
        threading.Thread(target=server.serve_forever, args=(0.2,), daemon=True).start()
        return int(port)

    # --- who is it -----------------------------------------------------------------------------------------------

    def sign_in(self, address: str, name: str, password: str) -> str:
        """A session for an installer.

        Raises:
            PermissionError: why not, a text of `recovery_html`.
        """
        now = time.monotonic()
        with self._lock:  # one at a time: each guess costs the computer some memory
            recent = [at for at in self._wrong.get(address, []) if now - at < LOCK_S]
            if len(recent) >= ATTEMPTS:
                raise PermissionError("Too many wrong passwords. Wait 15 minutes.")
            try:
                if self.installers.knows(name, password):
                    session = secrets.token_urlsafe(32)
                    self.sessions = {session: now, **{key: at for key, at in self.sessions.items() if self._lasts(at)}}
                    return session
            except Unreadable as error:
                text = "The users cannot be read. Switch the power off and on to try again."
                raise PermissionError(text) from error
            self._wrong = {key: ats for key, ats in self._wrong.items() if now - ats[-1] < LOCK_S}
            self._wrong[address] = [*recent, now]
        raise PermissionError("Name and password do not belong together, or this user is no installer.")

    def signed_in(self, session: str) -> bool:
        """It is an installer, who was here a moment ago."""
        at = self.sessions.get(session)
        if at is None or not self._lasts(at):
            return False
        self.sessions[session] = time.monotonic()
        return True

    @staticmethod
    def _lasts(at: float) -> bool:
        return time.monotonic() - at < SESSION_S

    # --- what it shows -------------------------------------------------------------------------------------------

    def css(self) -> bytes:
        """The looks and the colours of the station's pages, if the release has them."""
        folder, found = self.releases / "current" / "static" / "station", b""
        for name in ("station.css", "frame.css"):
            with suppress(OSError):
                found += (folder / name).read_bytes()
        return found

    def diagnostics(self) -> bytes:
        """A zip of what is known: the state and the logs, which hold no secrets; never the database."""
        found = io.BytesIO()
        with zipfile.ZipFile(found, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("safe_mode.json", json.dumps(dict(self.state()), indent=1))
            for name in ("trial.json", "rolled_back.json"):
                with suppress(OSError):
                    archive.writestr(name, (self.releases / name).read_bytes())
            left = LARGEST_DIAGNOSTICS
            for path in sorted((self.data / "logs").glob("*.log*")):
                with suppress(OSError):
                    content = path.read_bytes()[:left]
                    left -= len(content)
                    archive.writestr(f"logs/{path.name}", content)
        return found.getvalue()


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def server_bind(self) -> None:
        """Without looking up our name, which may take long where no DNS server answers."""
        TCPServer.server_bind(self)
        self.server_name, self.server_port = self.server_address[:2]


class _Server6(_Server):
    address_family = socket.AF_INET6


class _Handler(BaseHTTPRequestHandler):
    """One request. `secure_port`: everything is redirected there."""

    page: Page
    secure_port: int | None
    timeout = IDLE_S
    protocol_version = "HTTP/1.1"
    server_version, sys_version = "station", ""

    def do_GET(self) -> None:
        """The page for every path, so that a phone's probes lead to it as well."""
        path = self.path.partition("?")[0]
        if self._redirects():
            return
        if path == "/style.css":
            self._answer(200, self.page.css(), "text/css")
        elif path in ("/healthz", "/readyz"):
            self._answer(503, b'{"ok": false, "safe_mode": true}', "application/json")
        elif path == "/diagnostics.zip" and self._is_installer():
            self._answer(200, self.page.diagnostics(), "application/zip", 'attachment; filename="diagnostics.zip"')
        elif path == "/":
            self._html(page(self.page.state(), self._words(), self._is_installer()))
        else:
            self._go("/")

    def do_POST(self) -> None:
        """Sign in, or act."""
        if self.secure_port is not None:
            self._answer(403, b"Only over HTTPS.", "text/plain")
            return
        form = self._form()
        if self.path == "/login":
            name = form.get("username", "")
            try:
                session = self.page.sign_in(self.client_address[0], name, form.get("password", ""))
            except PermissionError as error:
                self._html(page(self.page.state(), self._words(), False, str(error), name), 403)
            else:
                secure = "; Secure" if isinstance(self.connection, ssl.SSLSocket) else ""
                self._go("/", f"recovery={session}; HttpOnly; SameSite=Strict; Path=/{secure}")
        elif self.path == "/act" and self._is_installer():
            action = safe_mode.GO_BACK if form.get("action") == "back" else safe_mode.TRY_AGAIN
            try:
                safe_mode.wish(self.page.releases, action)
            except OSError as error:
                sys.stderr.write(f"launcher: what a person wants could not be noted ({error})\n")
                self._go("/")
            else:
                self._html(starting(self._words()))
        else:
            self._go("/")

    # --- pieces --------------------------------------------------------------------------------------------------

    def _redirects(self) -> bool:
        if self.secure_port is None:
            return False
        address = self.connection.getsockname()[0]
        host = f"[{address}]" if ":" in address else address
        self._go(f"https://{host}/" if self.secure_port == 443 else f"https://{host}:{self.secure_port}/")
        return True

    def _is_installer(self) -> bool:
        try:
            cookie = SimpleCookie(self.headers.get("Cookie", "")).get("recovery")
        except CookieError:
            return False
        return cookie is not None and self.page.signed_in(cookie.value)

    def _words(self) -> Words:
        return Words(language_of(self.headers.get("Accept-Language", "")))

    def _form(self) -> dict[str, str]:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal() or int(length) > LONGEST_FORM:
            self.close_connection = True
            return {}
        fields = parse_qs(self.rfile.read(int(length)).decode("utf-8", "replace"))
        return {name: values[0] for name, values in fields.items()}

    def _html(self, text: str, status: int = 200) -> None:
        self._answer(status, text.encode(), "text/html; charset=utf-8")

    def _go(self, where: str, cookie: str = "") -> None:
        self.send_response(303)
        self.send_header("Location", where)
        if cookie:
            self.send_header("Set-Cookie", cookie)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def _answer(self, status: int, content: bytes, kind: str, disposition: str = "") -> None:
        self.send_response(status)
        for name, value in HEADERS.items():
            self.send_header(name, value)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(content)))
        if disposition:
            self.send_header("Content-Disposition", disposition)
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_: object) -> None:
        """Requests are not worth a line."""
