"""Plain HTTP when the pages live on HTTPS: the landing page, the phones' captive probes, and redirects; nothing else.

Phones ask such addresses after they joined a hotspot. They get the landing page until the person pressed "Continue",
then what their system takes for "online", so that they stay joined.
"""

from __future__ import annotations

import time
from collections import OrderedDict
from collections.abc import Callable

from django.conf import settings
from django.core.exceptions import DisallowedHost, MiddlewareNotUsed
from django.http import HttpRequest, HttpResponse, HttpResponseBase, HttpResponseRedirect
from django.http.request import split_domain_port
from django.template.loader import render_to_string

from station import provisioning
from station.tokens import LOOPBACK
from station.web_certificate import certificate

GetResponse = Callable[[HttpRequest], HttpResponseBase]

_APPLE = b"<HTML><HEAD><TITLE>Success</TITLE></HEAD><BODY>Success</BODY></HTML>"
#: Path → what the system that asks takes for "online": Apple, Android and ChromeOS, Windows, Firefox, GNOME.
PROBES = {
    "/hotspot-detect.html": _APPLE,
    "/library/test/success.html": _APPLE,
    "/generate_204": b"",
    "/gen_204": b"",
    "/connecttest.txt": b"Microsoft Connect Test",
    "/ncsi.txt": b"Microsoft NCSI",
    "/canonical.html": b'<meta http-equiv="refresh" content="0;url=https://support.mozilla.org/kb/captive-portal"/>',
    "/success.txt": b"success\n",
    "/check_network_status.txt": b"NetworkManager is online\n",
}
#: Programs of this computer ask these without TLS.
_LOCAL = ("/healthz", "/readyz")
#: Who pressed "Continue" counts so long, seconds; and so many are remembered.
CONTINUED_S, REMEMBERED = 3600.0, 100


def front_door(get_response: GetResponse) -> GetResponse:
    """Middleware; without HTTPS there is none of it."""
    if settings.HTTPS_PORT is None:
        raise MiddlewareNotUsed
    continued: OrderedDict[str, float] = OrderedDict()

    def answer(request: HttpRequest) -> HttpResponseBase:
        peer, path = request.META.get("REMOTE_ADDR", ""), request.path_info
        if request.is_secure() or (path in _LOCAL and peer in LOOPBACK):
            return get_response(request)
        if request.method not in ("GET", "HEAD"):
            return HttpResponse("Only over HTTPS.", status=403, content_type="text/plain")
        if path in PROBES:
            if time.monotonic() - continued.get(peer, float("-inf")) < CONTINUED_S:
                kind = "text/plain" if path.endswith(".txt") else "text/html"
                return HttpResponse(PROBES[path], status=200 if PROBES[path] else 204, content_type=kind)
            return HttpResponseRedirect(_here(request))
        try:
            host = split_domain_port(request.get_host())[0]
        except DisallowedHost:  # the hotspot's DNS sends every name here
            host = split_domain_port(request.META.get("HTTP_HOST", ""))[0]
            if host.strip("[]") != request.META["SERVER_NAME"]:  # an address that is as new as the hotspot is our own
                return HttpResponseRedirect(_here(request))
        if path == "/continue":
            continued.pop(peer, None)
            continued[peer] = time.monotonic()
            while len(continued) > REMEMBERED:
                continued.popitem(last=False)
        elif path != "/":
            return HttpResponseRedirect(secure_url(host) + request.get_full_path().lstrip("/"))
        return _landing(request, host, path == "/continue")

    return answer


def secure_url(host: str) -> str:
    """Where the pages are, for a host as it stands in a Host header (IPv6 in brackets)."""
    port = settings.HTTPS_PORT
    return f"https://{host}/" if port == 443 else f"https://{host}:{port}/"


def _here(request: HttpRequest) -> str:
    """The landing page by the address on which this very connection arrived: that one works for whoever asks."""
    host, port = request.META["SERVER_NAME"], request.META["SERVER_PORT"]
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}/" if port == "80" else f"http://{shown}:{port}/"


def _landing(request: HttpRequest, host: str, has_continued: bool) -> HttpResponse:
    identity = provisioning.load().identity
    context = {
        "identity": identity,
        "certificate": certificate().show(),
        "address": secure_url(host),
        "browser": _for_the_browser(request, secure_url(host)),
        "has_continued": has_continued,
    }
    return HttpResponse(render_to_string("station/landing.html", context))


def _for_the_browser(request: HttpRequest, address: str) -> str:
    """The pages in the real browser: Android opens it from the small window of its login by this kind of link."""
    if "Android" not in request.headers.get("User-Agent", ""):
        return address
    return f"intent://{address.removeprefix('https://')}#Intent;scheme=https;action=android.intent.action.VIEW;end"
