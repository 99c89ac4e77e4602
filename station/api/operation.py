"""What the endpoints say about themselves in OpenAPI, and how they read what was sent."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request
from rest_framework.serializers import Serializer

from station.api import shapes

_PROBLEMS = dict.fromkeys((400, 401, 403, 404, 409, 503), shapes.Problem)
_PIECE = 2**16


def operation(answer: Any, *, many: bool = False, **options: Any) -> Any:
    """OpenAPI of one method: its answer and every error's form."""
    code = options.pop("code", 200)
    shape = answer if isinstance(answer, dict) else {code: answer(many=many) if many else answer}
    return extend_schema(responses={**shape, **_PROBLEMS}, **options)


def asked(kind: type[Serializer], request: Request) -> dict[str, Any]:
    """The query, checked."""
    return _checked(kind, request.query_params)


def taken(kind: type[Serializer], request: Request) -> dict[str, Any]:
    """The body, checked."""
    return _checked(kind, request.data)


def _checked(kind: type[Serializer], data: Any) -> dict[str, Any]:
    shape = kind(data=data)
    shape.is_valid(raise_exception=True)
    return dict(shape.validated_data)


class Pieces(BaseParser):
    """A file as it is sent, piece by piece; `media_type` of a subclass names its kind."""

    media_type = "application/octet-stream"

    def parse(self, stream: Any, media_type: Any = None, parser_context: Any = None) -> Iterator[bytes]:
        """Nothing is read before somebody takes it."""
        return iter(lambda: stream.read(_PIECE), b"")


class ZipPieces(Pieces):
    """A ZIP."""

    media_type = "application/zip"


class ZipFile(BaseRenderer):
    """Only named for the negotiation and OpenAPI: the endpoint writes the file itself."""

    media_type, format, charset, render_style = "application/zip", "zip", None, "binary"

    def render(self, data: Any, accepted_media_type: Any = None, renderer_context: Any = None) -> bytes:
        """Errors are rendered by the JSON renderer, which stands before this one."""
        raise NotImplementedError


def pieces_of(request: Request) -> Iterator[bytes]:
    """The file in the body; a body of another kind holds none."""
    return request.data if isinstance(request.data, Iterator) else iter(())
