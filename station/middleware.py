"""What every answer of the web passes: the content security policy, static files, and the idle time of a session."""

from __future__ import annotations

import gzip
import time
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect, JsonResponse
from django.shortcuts import redirect
from django.urls import reverse
from django.utils.translation import gettext as _
from whitenoise.middleware import WhiteNoiseMiddleware

from station import disk_room
from station.memory_watch import MIB

GetResponse = Callable[[HttpRequest], HttpResponseBase]

#: Everything comes from the station itself; nothing inline, no eval, never inside a frame of another page.
POLICY = "default-src 'self'; object-src 'none'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
#: A session is written again at most that often, seconds: the SD card should not age from people looking at a page.
RENEW_S = 60
#: Static files of these types are compressed; fonts and pictures are already.
_TEXTS = ("text/", "application/javascript", "application/json", "image/svg+xml")
#: In the session of whoever signed in with a one-time password.
CHOOSE = "choose_a_password"


def content_security_policy(get_response: GetResponse) -> GetResponse:
    """Set the policy, and keep pages (they hold what only logged-in people may see) out of caches."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        response = get_response(request)
        response.headers["Content-Security-Policy"] = POLICY
        response.headers.setdefault("Cache-Control", "no-store")
        return response

    return answer


def session_idle(get_response: GetResponse) -> GetResponse:
    """Let a session end SESSION_COOKIE_AGE after the last request, without a database write for each of them."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        session = request.session
        seen_at = session.get("seen_at", 0) if settings.SESSION_COOKIE_NAME in request.COOKIES else None
        if seen_at is not None and not session.is_empty() and abs(time.time() - seen_at) >= RENEW_S:
            session["seen_at"] = int(time.time())
        return get_response(request)

    return answer


def own_password_first(get_response: GetResponse) -> GetResponse:
    """Whoever came in with a one-time password sees nothing before they chose one of their own."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        caged = settings.SESSION_COOKIE_NAME in request.COOKIES and request.session.get(CHOOSE)
        if caged and request.path_info not in (reverse("password"), reverse("logout"), reverse("healthz")):
            return redirect("password")
        return get_response(request)

    return answer


class StaticFiles(WhiteNoiseMiddleware):  # type: ignore[misc]
    """WhiteNoise, with the small file in one piece (an ASGI server cannot stream from a plain file object), and
    compressed once a process: no build step, and no stale copy beside a file."""

    @staticmethod
    def serve(static_file: Any, request: HttpRequest) -> HttpResponse:
        """The file, a part of it, or 304."""
        streaming = WhiteNoiseMiddleware.serve(static_file, request)
        content, status = b"".join(streaming.streaming_content), streaming.status_code
        headers = dict(streaming.headers)
        streaming.close()
        if headers.get("Content-Type", "").startswith(_TEXTS):
            headers["Vary"] = "Accept-Encoding"
            if status == 200 and content and "gzip" in request.headers.get("Accept-Encoding", ""):
                content = _packed(content)
                headers |= {"Content-Encoding": "gzip", "Content-Length": str(len(content))}
        return HttpResponse(content, status=status, headers=headers)


@lru_cache(maxsize=256)  # all files of all pages, and those of the admin
def _packed(content: bytes) -> bytes:
    return gzip.compress(content, mtime=0)


def room_for_uploads(get_response: GetResponse) -> GetResponse:
    """A large body is written to the disk when a view (or the CSRF check before it) reads it: only for somebody who
    signed in, and only while the station keeps its own room. The last of the middleware: nothing has read it yet.
    """

    def answer(request: HttpRequest) -> HttpResponseBase:
        length = request.META.get("CONTENT_LENGTH") or ""
        if not length.isdecimal() or int(length) <= settings.DATA_UPLOAD_MAX_MEMORY_SIZE:
            return get_response(request)
        is_program = request.path_info.startswith("/api/")  # its views ask for the token before they read
        if not is_program and not request.user.is_authenticated:
            return redirect("login")
        free, total = disk_room.of_disk(settings.DATA_DIR)
        if free - int(length) >= 2 * disk_room.floor_of(total):
            return get_response(request)
        named = {"size": -(-int(length) // MIB), "free": free // MIB}
        sentence = _("The disk has no room for this file of %(size)d MiB: %(free)d MiB are free.") % named
        cure = _("Remove files that are not the station's, or use a larger disk.")
        if is_program:
            return JsonResponse({"code": "disk", "sentence": sentence, "cure": cure}, status=507)
        messages.warning(request, f"{sentence} {cure}")
        return HttpResponseRedirect(request.path)

    return answer
