"""The web as one ASGI application: pages, and the websocket of the live view (logged in, from our own pages only)."""

# ruff: noqa: E402
from __future__ import annotations

import os

os.environ.setdefault("DJANGO_SETTINGS_MODULE", "station.settings")

from django.core.asgi import get_asgi_application

http = get_asgi_application()  # sets Django up: before anything that imports models

from channels.auth import AuthMiddlewareStack
from channels.routing import ProtocolTypeRouter, URLRouter
from channels.security.websocket import AllowedHostsOriginValidator
from django.urls import path

from station.consumers import LiveConsumer

#: Every websocket of the station.
WEBSOCKETS = [path("ws/live", LiveConsumer.as_asgi())]

application = ProtocolTypeRouter(
    {
        "http": http,
        "websocket": AllowedHostsOriginValidator(AuthMiddlewareStack(URLRouter(WEBSOCKETS))),
    }
)
