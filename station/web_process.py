"""`runweb`: the pages in a process of their own, so that a dead web never stops a charge.

The worker is asked over Redis (design.md, section 4).
"""

from __future__ import annotations

import asyncio
import logging
import signal
import ssl
import sys
from collections.abc import Callable
from contextlib import suppress
from typing import TYPE_CHECKING, NoReturn

from django.conf import settings

from station import sd_notify
from station.errors import EX_CONFIG, EX_TEMPFAIL, StartupError
from station.preflight import check_port
from station.process import leave, make_loop
from station.web_certificate import certificate

if TYPE_CHECKING:
    from station.web_server import WebServer

log = logging.getLogger("station")

#: The server of this very process has to answer a request within so long, seconds.
ANSWER_S = 8.0
#: So often it is looked whether the certificate of the web ends soon.
CERTIFICATE_LOOK_S = 12 * 3600.0


def check_web_ports() -> None:
    """The ports of the pages are free, and HTTPS has its certificate; raises StartupError."""
    check_port(settings.HTTP_HOST, settings.HTTP_PORT, "STATION_HTTP", "web server")
    if settings.HTTPS_PORT is not None:
        check_port(settings.HTTPS_HOST, settings.HTTPS_PORT, "STATION_HTTPS", "secure web server")
        certificate().ensure()


def web_server(listening: Callable[[str, int], None], failed: Callable[[str, str], None]) -> WebServer:
    """The server of all pages, on the reactor that `make_loop` has installed."""
    from station.asgi import application
    from station.web_server import WebServer
    from station.web_tls import CurrentCertificate

    secure = None
    if settings.HTTPS_PORT is not None:
        secure = (settings.HTTPS_HOST, settings.HTTPS_PORT, CurrentCertificate(certificate()))
    return WebServer(
        application, settings.HTTP_HOST, settings.HTTP_PORT, listening=listening, failed=failed, secure=secure
    )


def url_of(host: str, port: int) -> str:
    """Where the pages are, "" without a host."""
    scheme = "http" if settings.HTTPS_PORT is None else "https"
    return f"{scheme}://{f'[{host}]' if ':' in host else host}:{port}/" if host else ""


def cannot_listen(variable: str, reason: str) -> StartupError:
    """A port was taken after `check_web_ports`."""
    return StartupError(f"The web server cannot listen ({reason}). Set {variable} to a free host:port.", EX_TEMPFAIL)


async def watch_certificate() -> None:
    """Renew the web's certificate in time; the web server takes the new file by itself."""
    while True:
        await asyncio.sleep(CERTIFICATE_LOOK_S)
        await asyncio.to_thread(certificate().ensure)


def run(say: Callable[[str], None]) -> NoReturn:
    """Serve until SIGTERM.

    Raises:
        StartupError: 78 there is no Redis to ask the worker over; 75 the port is taken.
    """
    if not settings.REDIS_URL:
        raise StartupError(
            "STATION_REDIS_URL is not set: without Redis the pages cannot ask the station. Set it for both, or leave "
            "this process out: `runstation` serves the pages itself.",
            EX_CONFIG,
        )
    check_web_ports()
    loop = make_loop(web=True)
    from station.web_server import serve, stop

    failures: list[StartupError] = []
    tasks: list[asyncio.Task[None]] = []

    def listening(host: str, port: int) -> None:
        say(f"The pages are at {url_of(host, port)}\n")
        sd_notify.notify(sd_notify.READY)
        tasks.append(loop.create_task(feed_watchdog(host, port, sd_notify.watchdog_s())))
        if settings.HTTPS_PORT is not None:
            tasks.append(loop.create_task(watch_certificate()))

    def end() -> None:
        sd_notify.notify(sd_notify.STOPPING)
        stop()

    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, end)
    serve(web_server(listening, lambda variable, reason: failures.append(cannot_listen(variable, reason))))
    for failure in failures:
        sys.stderr.write(f"{failure}\n")
    leave(failures[0].exit_code if failures else 0, loop)


async def feed_watchdog(
    host: str, port: int, watchdog_s: float, tell: Callable[[str], None] = sd_notify.notify
) -> None:
    """Ask our own server, and tell systemd when it answered; without a watchdog it ends at once."""
    if watchdog_s <= 0:
        return
    while True:
        if await answers(host, port):
            tell(sd_notify.ALIVE)
        else:
            log.error("The web server did not answer its own request within %g s", ANSWER_S)
        await asyncio.sleep(watchdog_s / sd_notify.SIGNS)


async def answers(host: str, port: int) -> bool:
    """A view runs where this process listens: /healthz answers 200."""
    host, itself = {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host), None
    if settings.HTTPS_PORT is not None:  # it asks itself: there is nobody to be proven
        itself = ssl.create_default_context()
        itself.check_hostname, itself.verify_mode = False, ssl.CERT_NONE
    with suppress(OSError, TimeoutError):
        async with asyncio.timeout(ANSWER_S):
            reader, writer = await asyncio.open_connection(host, port, ssl=itself)
            try:
                name = f"[{host}]" if ":" in host else host
                writer.write(f"GET /healthz HTTP/1.1\r\nHost: {name}:{port}\r\nConnection: close\r\n\r\n".encode())
                return (await reader.readline()).split()[1:2] == [b"200"]
            finally:
                writer.close()
    return False
