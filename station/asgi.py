"""The web as one ASGI application: pages, and the websocket of the live view (logged in, from our own pages only)."""

# ruff: noqa: E402
from __future__ import annotations

import os
from typing import Any

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "station.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()  # sets Django up: before anything that imports models

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.conf import settings
from django.urls import path

from station.consumers import LiveConsumer

#: Every websocket of the station.
WEBSOCKETS = [path("ws/live", LiveConsumer.as_asgi())]


async def _websocket(scope: Any, receive: Any, send: Any) -> None:
    """With HTTPS, plain websockets are refused like plain pages; a websocket's scope tells TLS by its port only."""
    if settings.HTTPS_PORT is None or scope["server"][1] == settings.HTTPS_PORT:
        await _checked(scope, receive, send)
    else:
        await send({"type": "websocket.close", "code": 1008})


_checked = AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(WEBSOCKETS)))
application = ProtocolTypeRouter({"http": http, "websocket": _websocket})
