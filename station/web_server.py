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
from twisted.logger import ILogObserver, STDLibLogObserver, globalLogPublisher

log = logging.getLogger("station.web")

#: A view that still runs at the end gets so long (runtime.md 1.3), seconds.
KILL_TIMEOUT_S = 3.0


class WebServer(Server):  # type: ignore[misc]
    """One HTTP and websocket server on the reactor of the process.

    Args:
        listening: called with the real host and port.
        failed: called with the reason when the port cannot be opened.
    """

    def __init__(
        self,
        application: Any,
        host: str,
        port: int,
        *,
        listening: Callable[[str, int], None],
        failed: Callable[[str], None],
    ) -> None:
        super().__init__(
            application=application,
            endpoints=build_endpoint_description_strings(host=host or "0.0.0.0", port=port),
            signal_handlers=False,
            server_name="station",
        )
        self._listening = listening
        self._failed = failed

    def listen_success(self, port: Any) -> None:
        """Daphne listens."""
        address = port.getHost()
        self._listening(address.host, address.port)

    def listen_error(self, failure: Any) -> None:
        """Daphne would log it and end with code 0."""
        self._failed(failure.getErrorMessage())
        super().listen_error(failure)

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
