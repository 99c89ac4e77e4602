"""About this station: what it is, what runs on it, whose work that is, and where flaws are reported."""

from __future__ import annotations

import platform
from dataclasses import asdict
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_safe

from station import ask, licences, provisioning, releases
from station.roles import Role, needs
from station.updates import kept

#: security.txt is made when it is asked for; what was fetched counts so long (RFC 9116 section 2.5.5: below a year).
_FRESH = timedelta(days=30)


@require_safe
@needs(Role.VIEWER)
def page(request: HttpRequest) -> HttpResponse:
    """One page for whoever has to tell on the telephone what this is."""
    provision, facts = provisioning.load(), _facts()
    until = provision.support.until
    context = {
        **facts,
        "identity": provision.identity,
        "support": provision.support,
        "support_until": date.fromisoformat(until) if until else None,
        "support_ended": bool(until) and date.fromisoformat(until) < datetime.now(UTC).date(),
        "vendored": licences.vendored(),
        "packages": licences.packages(),
    }
    return render(request, "station/about.html", context)


@login_not_required
@require_safe
def security_txt(request: HttpRequest) -> HttpResponse:
    """RFC 9116: for whoever found a flaw; there is none until the factory named a contact."""
    support = provisioning.load().support
    if not support.security_contact:
        raise Http404
    expires = (datetime.now(UTC) + _FRESH).replace(microsecond=0)
    lines = [f"Contact: {support.security_contact}", f"Expires: {expires:%Y-%m-%dT%H:%M:%SZ}"]
    if support.security_policy:
        lines.append(f"Policy: {support.security_policy}")
    return HttpResponse("\n".join([*lines, "Preferred-Languages: en", ""]), content_type="text/plain; charset=utf-8")


def told() -> dict[str, Any]:
    """The same for programs, without the licences."""
    provision = provisioning.load()
    return {"identity": asdict(provision.identity), **_facts(), "support": asdict(provision.support)}


def _facts() -> dict[str, Any]:
    ours, snapshot = releases.here(), ask.snapshot()
    return {
        "running": releases.running_version(ours),
        "release": ours.own_slot if ours else "",
        "newer": offer.version if (offer := kept.found().offer) else "",
        "uptime_s": snapshot["uptime_s"] if snapshot else None,
        "machine_uptime_s": _machine_uptime_s(),
        "machine": f"{platform.system()} {platform.release()} {platform.machine()}, Python {platform.python_version()}",
    }


def _machine_uptime_s() -> int | None:
    try:
        return int(float(Path("/proc/uptime").read_text().split()[0]))
    except (OSError, ValueError, IndexError):
        return None
