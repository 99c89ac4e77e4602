"""Access tokens for machines: a name, a role, and only the hash of the secret, which is shown once.

The secret has 256 random bits, so a plain SHA-256 of it is enough; a slow hash would only slow every request.
"""

from __future__ import annotations

import hashlib
import secrets
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponseBase, JsonResponse
from django.utils import timezone

from station.models import ApiToken
from station.roles import Role, refusal, role_of

_PREFIX = "station_"
LOOPBACK = ("127.0.0.1", "::1")


def issue(name: str, role: Role, owner: User) -> tuple[ApiToken, str]:
    """A new token and its secret, which nobody can read again.

    Raises:
        ValueError: the role is none, or higher than the owner's.
    """
    if not Role.NOBODY < role <= role_of(owner):
        raise ValueError(f"A token has at most the role of its owner, {role_of(owner).word}.")
    secret = _PREFIX + secrets.token_urlsafe(32)
    return ApiToken.objects.create(name=name, role=role.word, digest=_digest(secret), owner=owner), secret


def found(request: HttpRequest) -> ApiToken | None:
    """The token of `Authorization: Bearer …`; notes the day of its use, with one write a day."""
    scheme, _, secret = request.headers.get("Authorization", "").partition(" ")
    if scheme.lower() != "bearer":
        return None
    token = ApiToken.objects.select_related("owner").filter(digest=_digest(secret.strip())).first()
    if token is not None and token.last_used_on != (today := timezone.now().date()):
        ApiToken.objects.filter(pk=token.pk).update(last_used_on=today)
    return token


def role_of_token(token: ApiToken) -> Role:
    """Never above what its owner may now: a demoted or removed owner's tokens follow."""
    return min(Role[token.role.upper()], role_of(token.owner))


def role_of_request(request: HttpRequest) -> Role:
    """Of the token when one is given, else of who is signed in."""
    if "Authorization" in request.headers:
        token = found(request)
        return role_of_token(token) if token else Role.NOBODY
    return role_of(request.user)


def problem(status: int, code: str, sentence: str, cure: str) -> JsonResponse:
    """The one form of every error that machines get."""
    return JsonResponse({"code": code, "sentence": sentence, "cure": cure}, status=status)


def machines(role: Role, *, on_loopback: bool = False) -> Callable[[Any], Any]:
    """For views that machines read: a token or a session of this role; others get JSON instead of the login page.

    Args:
        on_loopback: programs of this very computer need neither.
    """

    def guard(view: Callable[..., HttpResponseBase]) -> Any:
        @login_not_required
        @wraps(view)
        def answer(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponseBase:
            if on_loopback and request.META.get("REMOTE_ADDR") in LOOPBACK:
                return view(request, *args, **kwargs)
            held = role_of_request(request)
            if held >= role:
                return view(request, *args, **kwargs)
            if held:
                return problem(403, "role", refusal(held, role), "Use a token of a higher role.")
            return problem(
                401,
                "token",
                "This needs an access token.",
                "Send `Authorization: Bearer …`; see the page Tokens.",
            )

        answer.role = role  # type: ignore[attr-defined]
        return answer

    return guard


def _digest(secret: str) -> str:
    return hashlib.sha256(secret.encode()).hexdigest()
