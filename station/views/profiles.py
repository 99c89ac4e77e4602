"""The charging profiles: which are installed, what they allow in the coming hours, and what was drawn before."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.utils.translation import gettext_lazy
from django.views.decorators.http import require_GET

from ocppclient.charging_hours import OVERRIDDEN
from ocppclient.charging_hours import profile_of as profile_of_hours
from ocppclient.charging_profile import Profile, Unit
from ocppclient.profile_rules import seconds
from ocppclient.settings import Electrical
from ocppclient.smart_charging import profile_of
from ocppclient.store import InstalledProfile
from station import present, provisioning
from station.history import Measurement
from station.models import Transaction, Value
from station.outlook import PURPOSES, Curve, Outlook, described, limited, measured
from station.roles import Role, needs
from station.sentences import spoken
from station.store import MEASUREMENTS, PROFILES
from station.wiring import time_zone
from station.worker import HARDWARE_LIMIT

#: What the chart can show: hours ahead → hours before.
SPANS = {1: 0.25, 6: 2, 24: 6}
LONGEST = max(SPANS)

ORIGINS = {
    "SetChargingProfile": gettext_lazy("set by the backend"),
    "RemoteStartTransaction": gettext_lazy("came with a remote start"),
}


@dataclass(frozen=True)
class Installed:
    """One profile as the list shows it."""

    row: InstalledProfile
    periods: int
    when: str
    kind: str
    state: str

    @property
    def purpose(self) -> str:
        """What its purpose means."""
        return str(PURPOSES[self.row.purpose])

    @property
    def origin(self) -> str:
        """Who brought it."""
        return str(ORIGINS.get(self.row.origin, ORIGINS["SetChargingProfile"]))


@needs(Role.VIEWER)
@require_GET
def profiles(request: HttpRequest) -> HttpResponse:
    """The page; its chart comes from `profiles_chart`, the present limit over the websocket."""
    now = datetime.now(UTC)
    outlook, rows = outlook_now(now)
    installed = []
    for profile in outlook.profiles:
        kind, state = outlook.state(profile)
        row = rows[profile.profile_id]
        installed.append(Installed(row, len(profile.periods), described(profile), kind, state))
    lines = [(datetime.fromtimestamp(line.from_s, UTC), line) for line in outlook.lines(LONGEST * 3600)]
    context = {"installed": installed, "lines": lines, "sentence": outlook.sentence(), "spans": SPANS}
    return render(request, "station/profiles.html", context)


@needs(Role.VIEWER)
@require_GET
def profiles_chart(request: HttpRequest) -> JsonResponse:
    """The curves of `?hours=` (1, 6, 24) in `?unit=` A or W: moments in seconds since 1970, values (null: nothing).

    What is allowed are steps that hold until the next moment; "measured" are means of a minute at its middle.
    """
    asked = request.GET.get("hours", "")
    hours = int(asked) if asked in {str(span) for span in SPANS} else LONGEST
    return JsonResponse(curves(hours, "W" if request.GET.get("unit") == "W" else "A"))


def curves(hours: int, unit: Unit) -> dict[str, Any]:
    """What the chart draws; `hours` is one of `SPANS`."""
    now = datetime.now(UTC)
    outlook, _ = outlook_now(now)
    from_s, span_s = outlook.now_s - int(SPANS[hours] * 3600), hours * 3600
    rows: list[Measurement] = MEASUREMENTS.select(
        "WHERE minute >= %s AND minute <= %s ORDER BY minute", from_s // 60, outlook.now_s // 60
    )
    drawn = [
        outlook.allowed(span_s, unit),
        *(outlook.said_by(profile, span_s, unit) for profile in outlook.profiles),
        limited(rows, unit, _electrical(), outlook.now_s),
        measured(rows, unit),
    ]
    return {
        "now": outlook.now_s,
        "from": from_s,
        "to": outlook.now_s + span_s,
        "unit": unit,
        "curves": [_plain(curve) for curve in drawn],
    }


def _plain(curve: Curve) -> dict[str, Any]:
    return {"kind": curve.kind, "name": spoken(curve.name), "x": curve.x, "y": curve.y}


def outlook_now(now: datetime) -> tuple[Outlook, dict[int, InstalledProfile]]:
    """What the profiles allow from `now` on, and their rows."""
    rows = {row.profile_id: row for row in PROFILES.select("ORDER BY profile_id")}
    running = Transaction.objects.filter(stopped_at=None).order_by("-id").first()
    hardware = Value.objects.filter(name=HARDWARE_LIMIT).first()
    outlook = Outlook(
        [profile_of(row) for row in rows.values()],
        running.uid if running else "",
        seconds(running.started_at) if running else None,
        _electrical(),
        float(hardware.value) if hardware else 0.0,
        seconds(now),
        _peak_hours(running.uid if running else "", now),
    )
    return outlook, rows


def _peak_hours(running: str, now: datetime) -> Profile | None:
    """As the worker has them; whether the clock is sure is not asked: the chart shows what is to come."""
    texts = present.configuration().peak_hours
    overridden = Value.objects.filter(name=OVERRIDDEN).first()
    if not texts or (overridden and overridden.value == running):
        return None
    return profile_of_hours(texts, time_zone(provisioning.load()), now, now + timedelta(hours=LONGEST))


def _electrical() -> Electrical:
    given = {name: provisioning.stored("electrical", name) for name in Electrical.__dataclass_fields__}
    return Electrical(**{name: value for name, value in given.items() if value is not None})
