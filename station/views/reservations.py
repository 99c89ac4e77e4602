"""Reservations: the one that holds now, ending it by hand, and how the former ones ended."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _
from django.views.decorators.http import require_http_methods

from ocppclient.clock import parse_utc
from ocppclient.reservation import HISTORY
from station import ask
from station.models import Value
from station.roles import Role, needs
from station.views.answers import tell

#: How a reservation ended (ocppclient/reservation.py) → in plain words, and the kind of chip.
_ENDS = {
    "used": (_("used"), "available"),
    "cancelled": (_("cancelled by the backend"), "unavailable"),
    "withdrawn": (_("ended here"), "unavailable"),
    "replaced": (_("replaced by the backend"), "unavailable"),
    "expired": (_("not used in time"), "waiting"),
    "fault": (_("ended by a fault"), "fault"),
    "unavailable": (_("ended: out of service"), "waiting"),
    "other backend": (_("ended: another backend"), "unavailable"),
}


@dataclass(frozen=True)
class Past:
    """One reservation that is over."""

    reservation_id: int
    id_tag: str
    group: bool
    made_at: datetime | None
    until: datetime
    ended_at: datetime
    word: str
    kind: str
    by: str


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def page(request: HttpRequest) -> HttpResponse:
    """What is reserved and what was; POST ends the present one."""
    if request.method == "POST":
        _end(request)
        return redirect("reservations")
    snapshot = ask.snapshot()
    present = snapshot["reservation"] if snapshot else None
    context = {
        "silent": snapshot is None,
        "present": present and {**present, "until": parse_utc(present["until"])},
        "online": snapshot is not None and snapshot["backend"]["state"] == "connected",
        "past": past(),
    }
    return render(request, "station/reservations.html", context)


def _end(request: HttpRequest) -> None:
    asked = request.POST.get("reservation", "")
    if "sure" not in request.POST or not asked.lstrip("-").isdecimal():
        messages.warning(request, gettext("Nothing was ended: tick the box first."))
        return
    reply = ask.order("reservation_end", int(asked), request.user.get_username())
    tell(request, reply)


def past() -> list[Past]:
    """The newest first."""
    row = Value.objects.filter(name=HISTORY).first()
    entries: list[dict[str, Any]] = json.loads(row.value) if row else []
    return [_past(entry) for entry in reversed(entries)]


def _past(entry: Mapping[str, Any]) -> Past:
    word, kind = _ENDS.get(entry["how"], (entry["how"], "unavailable"))
    return Past(
        reservation_id=entry["reservation_id"],
        id_tag=entry["id_tag"],
        group=bool(entry["parent_id_tag"]),
        made_at=parse_utc(entry["made_at"]) if entry["made_at"] else None,
        until=parse_utc(entry["expiry_date"]),
        ended_at=parse_utc(entry["ended_at"]),
        word=str(word),
        kind=kind,
        by=entry["by"],
    )
