"""The pages: the live dashboard, the frame log, and what every page is told."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_safe

from station import __version__, ask, commissioning, provisioning
from station.alerts import alerts
from station.navigation import pages_for
from station.outlook import averaged
from station.roles import PURPOSES, Role, needs, role_of
from station.store import MEASUREMENTS
from station.unit import serial_number
from station.views import sessions, setup

PAGE_LENGTH = 50
#: Hours of the power chart → minutes of one point of it.
SPANS = {1: 1, 24: 2, 168: 15}


def station_facts(request: HttpRequest) -> dict[str, Any]:
    """For every page: what the station is called, and its software."""
    if not request.user.is_authenticated:
        return {"version": __version__}
    role = role_of(request.user)
    here = (request.resolver_match.url_name or "").split("_")[0] if request.resolver_match else ""
    return {
        "version": __version__,
        "role": role,
        "navigation": pages_for(role),
        "here": here,
        "setup_step": setup.way_back(request, here),
        "station_name": (provisioning.stored(commissioning.SECTION, "identity") or {}).get("name")
        or provisioning.stored("backend", "charge_point_id")
        or gettext("Charging station"),
    }


@require_GET
@needs(Role.VIEWER)
def dashboard(request: HttpRequest) -> HttpResponse:
    """The live view; its numbers come over the websocket."""
    context = {
        "rows": sessions.latest(request),
        "alerts": alerts(role_of(request.user)),
        "network_is_ruled": settings.NETWORK,
        "serial": serial_number(),
        "sets_the_clock": role_of(request.user) >= Role.INSTALLER,
    }
    return render(request, "station/dashboard.html", context)


@require_GET
@needs(Role.VIEWER)
def dashboard_alerts(request: HttpRequest) -> HttpResponse:
    """What needs attention as a piece of the dashboard, asked for again every minute."""
    found = alerts(role_of(request.user), network=_network(request))
    return render(request, "station/_alerts.html", {"alerts": found})


@require_GET
@needs(Role.VIEWER)
def dashboard_uplinks(request: HttpRequest) -> HttpResponse:
    """The ways to the world as a piece of the dashboard, asked for when it was opened, and again and again."""
    return render(request, "station/_uplinks.html", {"network": _network(request)})


def _network(request: HttpRequest) -> dict[str, Any] | None:
    """What the network desk tells; None: nobody rules the network here, or nobody answers."""
    return ask.network(None, request.user.get_username())[1] if settings.NETWORK else None


@require_GET
@needs(Role.VIEWER)
def dashboard_chart(request: HttpRequest) -> JsonResponse:
    """Power of the last `?hours=` (1, 24, 168) in W, as means of so many minutes that a screen can show them."""
    asked = request.GET.get("hours", "")
    return JsonResponse(power(next((span for span in SPANS if str(span) == asked), 1)))


def power(hours: int) -> dict[str, Any]:
    """What the chart draws; `hours` is one of `SPANS`."""
    now = int(datetime.now(UTC).timestamp())
    rows = MEASUREMENTS.select("WHERE minute >= %s AND minute <= %s ORDER BY minute", now // 60 - hours * 60, now // 60)
    curve = averaged(rows, SPANS[hours])
    shown = {"kind": curve.kind, "name": gettext("Power"), "x": curve.x, "y": curve.y}
    return {"now": now, "from": now - hours * 3600, "curves": [shown]}


@require_GET
@needs(Role.VIEWER)
def latest_transactions(request: HttpRequest) -> HttpResponse:
    """The last transactions as a piece of the dashboard, asked for again when something changed."""
    return render(request, "station/_latest.html", {"rows": sessions.latest(request)})


@require_GET
@needs(Role.OPERATOR)
def frames(request: HttpRequest) -> HttpResponse:
    """Every message between station and backend, live; secrets are masked before they leave the worker."""
    return render(request, "station/frames.html")


@require_GET
@needs(Role.VIEWER)
def more(request: HttpRequest) -> HttpResponse:
    """Every page that this person may open, with what it is for."""
    return render(request, "station/more.html", {"purpose": PURPOSES[role_of(request.user)]})


@require_safe
@needs(Role.VIEWER)
def session(request: HttpRequest) -> JsonResponse:
    """An open and visible page asks for it every few minutes: somebody is there (see `session_idle`)."""
    return JsonResponse({"user": request.user.get_username()})
