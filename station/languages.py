"""In which language the station speaks to whoever asks (docs/translations.md)."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase
from django.urls import reverse
from django.utils import translation
from django.utils.translation.trans_real import parse_accept_lang_header

from station import provisioning

GetResponse = Callable[[HttpRequest], HttpResponseBase]

#: Code → its own name. The first is the one of the source texts, of logs, commands and the API.
LANGUAGES: dict[str, str] = dict(settings.LANGUAGES)
#: A link to this query parameter switches the language of a browser (every page has them at its foot).
PARAMETER = "language"
#: A year, seconds.
_KEPT_S = 365 * 24 * 3600
#: What programs ask: always the language of the source texts.
_PROGRAMS = ("/api/", "/healthz", "/readyz", "/metrics")


def language(get_response: GetResponse) -> GetResponse:
    """Middleware: answer in the person's language, and remember a choice made with `?language=`."""

    def answer(request: HttpRequest) -> HttpResponseBase:
        asked = request.GET.get(PARAMETER, "") if request.method in ("GET", "HEAD") else ""
        chosen = asked if asked in LANGUAGES else of_request(request)
        with translation.override(chosen):
            response = get_response(request)
        response.headers.setdefault("Content-Language", chosen)
        if asked in LANGUAGES:
            response.set_cookie(
                settings.LANGUAGE_COOKIE_NAME,
                asked,
                max_age=_KEPT_S,
                secure=settings.SESSION_COOKIE_SECURE,
                httponly=True,
                samesite="Lax",
            )
        return response

    return answer


def of_request(request: HttpRequest) -> str:
    """The language of the answer to a request, a code of LANGUAGES."""
    if request.path_info.startswith(_PROGRAMS):
        return settings.LANGUAGE_CODE
    driver = reverse("driver")
    is_stranger = request.path_info == driver or request.path_info.startswith(f"{driver}/")
    return of_browser(request.COOKIES, request.headers.get("Accept-Language", ""), is_stranger=is_stranger)


def of_browser(cookies: Mapping[str, str], accepts: str, *, is_stranger: bool = False) -> str:
    """The choice made in this browser, else the station's, else what the browser asks for.

    Args:
        accepts: its header Accept-Language.
        is_stranger: somebody whom the station's own language does not concern, as a driver: the browser's comes first.
    """
    chosen = cookies.get(settings.LANGUAGE_COOKIE_NAME, "")
    if chosen in LANGUAGES:
        return chosen
    stations, own = of_station(), accepted(accepts)
    return (own or stations if is_stranger else stations or own) or settings.LANGUAGE_CODE


def of_station() -> str:
    """What was chosen in the set-up, "" before that."""
    code = (provisioning.stored("commissioning", "language") or {}).get("language", "")
    return code if code in LANGUAGES else ""


def accepted(header: str) -> str:
    """The best of our languages for a header Accept-Language, "" when it names none of them."""
    for tag, _ in parse_accept_lang_header(header):
        code = tag.split("-")[0].lower()
        if code in LANGUAGES:
            return code
    return ""
