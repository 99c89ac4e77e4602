"""OpenAPI, made from the endpoints themselves; docs/openapi.json is this text (a test compares them)."""

from __future__ import annotations

import json
import re
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from station.api.rules import Endpoint
from station.roles import Role

PREFIX = "api/v1/"
#: Page of the navigation, which is the tag of its operations → why the API has nothing of it.
WITHOUT = {
    "users": "a program must not make itself, or others, a new way in",
    "tokens": "a program must not make itself, or others, a new way in",
    "label": "it holds the secrets of the label, which a person prints beside the station",
    "driversign": "a sheet of paper with a QR code",
    "factory_reset": "a person types what will be deleted, or holds the button",
}


class OpenApi(Endpoint):
    """The description of this API."""

    roles = {"GET": Role.VIEWER}

    @extend_schema(exclude=True)
    def get(self, request: Request) -> Response:
        return Response(described())


def described() -> dict[str, Any]:
    """The whole document; each operation names its role in `x-role`."""
    from django.urls import include, path
    from drf_spectacular.generators import SchemaGenerator

    from station.api import urls

    views = {_bare(f"/{PREFIX}{pattern.pattern}"): pattern.callback.cls for pattern in urls.urlpatterns}
    patterns = [path(PREFIX, include(urls.urlpatterns))]
    document: dict[str, Any] = SchemaGenerator(patterns=patterns).get_schema(request=None, public=True)
    for address, operations in document["paths"].items():
        view = views[_bare(address)]
        for method, operation in operations.items():
            operation["x-role"] = view.roles[method.upper()].word
            operation["tags"] = [view.page]
    return document


def _bare(address: str) -> str:
    """Without the names of its parameters, which Django and OpenAPI write differently."""
    return re.sub(r"[<{][^>}]*[>}]", "{}", address)


def openapi() -> str:
    """As docs/openapi.json holds it."""
    return json.dumps(described(), indent=1, ensure_ascii=False) + "\n"
