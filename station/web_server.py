"""Daphne inside the station's process: says when it listens, never hangs at the end, and its errors are seen.

The asyncio reactor has to be installed before this module is imported (runtime.md, section 1).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any, cast

from daphne.endpoints import build_endpoint_description_strings
from daphne.server import Server
from twisted.internet import defer, reactor
from twisted.internet.error import CannotListenError
from twisted.logger import ILogObserver, STDLibLogObserver, globalLogPublisher

from station.web_tls import CurrentCertificate

log = logging.getLogger("station.web")

#: A view that still runs at the end gets so long (runtime.md 1.3), seconds.
KILL_TIMEOUT_S = 3.0


class WebServer(Server):  # type: ignore[misc]
    """One HTTP and websocket server on the reactor of the process.

    Args:
        listening: called with the host and port of the pages.
        failed: called with the environment variable and the reason when a port cannot be opened.
        secure: with HTTPS its host, its port and what makes its connections; the pages live there then.
    """

    def __init__(
        self,
        application: Any,
        host: str,
        port: int,
        *,
        listening: Callable[[str, int], None],
        failed: Callable[[str, str], None],
        secure: tuple[str, int, CurrentCertificate] | None = None,
    ) -> None:
        super().__init__(
            application=application,
            endpoints=build_endpoint_description_strings(host=host or "0.0.0.0", port=port),
            signal_handlers=False,
            server_name="station",
            ready_callable=self._listen_securely,  # the last step before the reactor runs
        )
        self._secure = secure
        self._listening = listening
        self._failed = failed

    def listen_success(self, port: Any) -> None:
        """Daphne listens."""
        if self._secure is None:
            address = port.getHost()
            self._listening(address.host, address.port)

    def listen_error(self, failure: Any) -> None:
        """Daphne would log it and end with code 0."""
        self._failed("STATION_HTTP", failure.getErrorMessage())
        super().listen_error(failure)

    def _listen_securely(self) -> None:
        """The same pages behind TLS; Daphne's endpoints are text, which cannot carry a certificate that changes."""
        if self._secure is None:
            return
        host, number, certificate = self._secure
        current = cast(Any, reactor)
        try:
            port = current.listenSSL(number, self.http_factory, certificate, interface=host or "0.0.0.0")
        except CannotListenError as error:
            self._failed("STATION_HTTPS", str(error))
            current.callWhenRunning(current.stop)
        else:
            address = port.getHost()
            self._listening(address.host, address.port)

    def kill_all_applications(self) -> Any:
        """Cancel what runs; a sync view in its thread cannot be cancelled, so wait only so long."""
        running = [
            application
            for details in self.connections.values()
            if (application := details.get("application_instance")) is not None and not application.done()
        ]
        for application in running:
            application.cancel()
        if not running:
            return None
        return defer.Deferred.fromFuture(asyncio.ensure_future(asyncio.wait(running, timeout=KILL_TIMEOUT_S)))


def serve(server: WebServer) -> None:
    """Run the reactor until `stop`."""
    # Daphne throws Twisted's log away, and with it every error of a callback.
    globalLogPublisher.addObserver(cast(ILogObserver, STDLibLogObserver("twisted")))
    server.run()


def stop() -> None:
    """End the reactor; on its thread."""
    current = cast(Any, reactor)
    if current.running:
        current.stop()
