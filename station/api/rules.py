"""What every endpoint shares: who may, in which role, and errors as {code, sentence, cure}."""

from __future__ import annotations

import logging
from typing import Any

from django.core.exceptions import NON_FIELD_ERRORS, PermissionDenied
from django.forms import BaseForm
from django.http import Http404
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication, SessionAuthentication
from rest_framework.parsers import JSONParser
from rest_framework.permissions import BasePermission
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from station import tokens
from station.ask import Reply
from station.roles import Role, refusal, role_of

log = logging.getLogger("station.api")


class Problem(exceptions.APIException):
    """An error with its code, its sentence and its cure."""

    def __init__(self, status: int, code: str, sentence: str, cure: str) -> None:
        super().__init__(sentence)
        self.status_code, self.told = status, {"code": code, "sentence": sentence, "cure": cure}


class TokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer …`; the user is the token's owner, with the role of the token at most."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        """Nothing when no token is given; a wrong one is refused, whatever session there is."""
        if "Authorization" not in request.headers:
            return None
        token = tokens.found(request._request)
        if token is None:
            raise exceptions.AuthenticationFailed("This token does not count (any more).")
        user: Any = token.owner
        user.role_cap = tokens.role_of_token(token)
        return user, token

    def authenticate_header(self, request: Request) -> str:
        """Makes the answer to strangers a 401."""
        return "Bearer"


class _TokenScheme(OpenApiAuthenticationExtension):
    target_class = "station.api.rules.TokenAuthentication"
    name = "token"

    def get_security_definition(self, auto_schema: Any) -> dict[str, str]:
        """As OpenAPI says it."""
        return {"type": "http", "scheme": "bearer", "description": "An installer makes it on the page Tokens."}


class HasRole(BasePermission):
    """The endpoint's `roles` name for each method the role that it needs; a method without one is closed."""

    def has_permission(self, request: Request, view: Any) -> bool:
        """Refuse with the reason."""
        needed = view.roles.get("GET" if request.method == "HEAD" else request.method, Role.MANUFACTURER)
        if not request.user.is_authenticated:
            return False
        if (held := role_of(request.user)) < needed:
            raise Problem(403, "role", refusal(held, needed), "Use a token of a higher role.")
        return True


class Json(JSONParser):
    """JSON; what is nested absurdly deep is refused like any other nonsense."""

    def parse(self, *arguments: Any, **options: Any) -> Any:
        """One document."""
        try:
            return super().parse(*arguments, **options)
        except RecursionError as error:
            raise exceptions.ParseError("This is nested too deeply.") from error


class Endpoint(APIView):
    """One address. `page`: the page of the navigation that shows or does the same; `roles`: method → role."""

    page = ""
    roles: dict[str, Role] = {}
    authentication_classes = [TokenAuthentication, SessionAuthentication]
    permission_classes = [HasRole]
    renderer_classes = [JSONRenderer]
    parser_classes = [Json]

    def get_exception_handler(self) -> Any:
        """Errors have one form."""
        return _told


def outcome(reply: Reply, cure: str) -> Response:
    """What became of a command; refused by the station: 409, not heard: 503."""
    if not reply.heard:
        raise Problem(503, "controller", reply.text, "Try again in a moment; /readyz tells what is wrong.")
    if not reply.ok:
        raise Problem(409, "refused", reply.text, cure)
    return Response({"sentence": reply.text})


def first_of(form: BaseForm) -> str:
    """The first error of a form that is not valid, with the name of its field."""
    name, errors = next(iter(form.errors.items()))
    return str(errors[0]) if name == NON_FIELD_ERRORS else f"{name}: {errors[0]}"


def unheard() -> Problem:
    """The worker did not answer a question."""
    return Problem(
        503, "controller", "The station's controller does not answer.", "Try again; /readyz tells what is wrong."
    )


def _told(error: Exception, context: dict[str, Any]) -> Response:
    match error:
        case Problem():
            return Response(error.told, status=error.status_code)
        case exceptions.ValidationError():
            told = {"code": "value", "sentence": _first(error.detail), "cure": "See `fields`, and docs/openapi.json."}
            return Response({**told, "fields": error.detail}, status=400)
        case exceptions.NotAuthenticated() | exceptions.AuthenticationFailed():
            told = {
                "code": "token",
                "sentence": str(error.detail),
                "cure": "Send `Authorization: Bearer …`; see the page Tokens.",
            }
            return Response(told, status=401, headers={"WWW-Authenticate": "Bearer"})
        case Http404():
            cure = "Ask for the list to see what there is."
            return Response({"code": "missing", "sentence": "There is no such thing here.", "cure": cure}, status=404)
        case PermissionDenied():
            return Response({"code": "role", "sentence": str(error), "cure": "Use another token."}, status=403)
        case exceptions.APIException():
            cure = "See docs/openapi.json for what this address takes."
            told = {"code": error.default_code, "sentence": str(error.detail), "cure": cure}
            return Response(told, status=error.status_code)
    log.exception("%s failed", context["request"].path)
    told = {"code": "bug", "sentence": "The station made a mistake; it is in its log.", "cure": "Report it."}
    return Response(told, status=500)


def _first(detail: Any) -> str:
    """One sentence of the errors of a serializer, with the name of its field."""
    match detail:
        case dict() if detail:
            name, rest = next(iter(detail.items()))
            return f"{name}: {_first(rest)}"
        case list() if detail:
            return _first(detail[0])
    return str(detail)
