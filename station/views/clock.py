"""The time page: whose time the station has, what keeps this computer's clock, and setting it from a phone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError, available_timezones

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext as _
from django.utils.translation import gettext_lazy, ngettext
from django.utils.translation import gettext_noop as noop
from django.views.decorators.http import require_GET, require_POST

from ocppclient.clock import parse_utc
from station import ask, commissioning, local_list, provisioning
from station.clock.servers import MOST, fits
from station.roles import Role, needs
from station.wiring import time_zone

_UNIT_S = 60
#: State of a time server → kind of chip, and its words.
_SERVERS = {
    "in use": ("available", noop("in use")),
    "good": ("available", noop("good")),
    "no answer": ("fault", noop("no answer")),
}


class ServersForm(forms.Form):
    """Time servers, one a line."""

    servers = forms.CharField(
        required=False,
        label=gettext_lazy("Time servers"),
        help_text=gettext_lazy("One a line, up to four. Empty: only those of the operating system."),
        widget=forms.Textarea(
            attrs={"rows": 4, "autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}
        ),
    )

    def clean_servers(self) -> list[str]:
        """Their names."""
        names: list[str] = self.cleaned_data["servers"].split()
        for name in names:
            if not fits(name):
                raise forms.ValidationError(_("%(name)s is no host name and no address."), params={"name": name})
        if len(names) > MOST:
            raise forms.ValidationError(_("Name four time servers at most."))
        return names


class ZoneForm(forms.Form):
    """Whose time of day the report of the set-up tells, and the charging hours are in."""

    time_zone = forms.ChoiceField(label=gettext_lazy("Time zone"))

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        zones = sorted({"UTC", *available_timezones()})
        self.fields["time_zone"].choices = [(zone, zone) for zone in zones]  # type: ignore[attr-defined]


@require_GET
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """What is, and the forms."""
    return _shown(request)


@require_GET
@needs(Role.INSTALLER)
def state(request: HttpRequest) -> HttpResponse:
    """The part of the page that changes by itself."""
    return render(request, "station/_time_state.html", _seen(request))


@require_POST
@needs(Role.INSTALLER)
def change(request: HttpRequest) -> HttpResponse:
    """One order: `do` is "phone", "servers" or "zone"."""
    match request.POST.get("do"):
        case "phone":
            _tell(request, {"do": "phone", "utc": request.POST.get("utc", "")})
        case "servers":
            servers = ServersForm(request.POST)
            if not servers.is_valid():
                return _shown(request, servers=servers)
            _tell(request, {"do": "servers", "servers": servers.cleaned_data["servers"]})
        case "zone":
            zone = ZoneForm(request.POST)
            if not zone.is_valid():
                return _shown(request, zone=zone)
            commissioning.say("language", time_zone=zone.cleaned_data["time_zone"])
            local_list.poke(request.user.get_username())  # the charging hours are in it
            messages.success(request, _("The time zone is saved."))
    return redirect("time")


def _tell(request: HttpRequest, order: dict[str, Any]) -> None:
    reply, told = ask.clock(order, request.user.get_username())
    text = reply.text if told is not None or not reply.heard else _("The station does not look at its clock yet.")
    messages.add_message(request, messages.SUCCESS if reply.ok else messages.WARNING, text)


def _shown(request: HttpRequest, servers: ServersForm | None = None, zone: ZoneForm | None = None) -> HttpResponse:
    seen = _seen(request)
    chosen = seen["told"]["chosen"] if seen["told"] else []
    context = {
        **seen,
        "servers_form": servers or ServersForm(initial={"servers": "\n".join(chosen)}),
        "zone_form": zone or ZoneForm(initial={"time_zone": seen["zone"]}),
    }
    return render(request, "station/time.html", context, status=422 if servers or zone else 200)


def _seen(request: HttpRequest) -> dict[str, Any]:
    shown = ask.snapshot()
    _reply, told = ask.clock(None, request.user.get_username())
    system = told["system"] if told else None
    clock = shown["clock"] if shown else None
    zone = time_zone(provisioning.load())
    now = parse_utc(clock["utc"]) if clock else datetime.now(UTC)
    return {
        "told": told,
        "problem": _("The station's controller does not answer.") if clock is None else told["problem"] if told else "",
        "clock": clock,
        "kind": "fault" if clock is None else "available" if clock["confirmed"] else "waiting",
        "sentence": sentence(clock) if clock else "",
        "now": now,
        "local": _local(now, zone),
        "zone": zone,
        "system": system,
        "answered": ago(system["age_s"]) if system and system["age_s"] is not None else "",
        "servers": [
            {"name": one["name"], "chip": chip, "words": _(words)}
            for one in (system["servers"] if system else ())
            for chip, words in [_SERVERS[one["state"]]]
        ],
    }


def _local(now: datetime, zone: str) -> str:
    try:
        return f"{now.astimezone(ZoneInfo(zone)):%Y-%m-%d %H:%M:%S}"
    except (ZoneInfoNotFoundError, ValueError):  # the system forgot a zone that it knew
        return f"{now:%Y-%m-%d %H:%M:%S}"


def sentence(clock: dict[str, Any]) -> str:
    """Whose time the station has, and since when; `clock` as in the snapshot."""
    when = ago(clock["told_s"] or 0)
    named = {"ago": when, "by": clock["by"]}
    match clock["source"]:
        case "ntp" if clock["by"]:
            return _("The clock is set from NTP (%(by)s), %(ago)s.") % named
        case "ntp":
            return _("The clock is set from NTP, %(ago)s.") % named
        case "backend":
            return _("The clock is set from the backend, %(ago)s.") % named
        case "phone":
            return _("The clock is set from the phone of %(by)s, %(ago)s.") % named
    if clock["synchronised"]:
        return _("Nobody has confirmed the clock since the start: it shows what this computer believes.")
    return _("The clock is a guess: this computer lost its time, and nobody has told it yet.")


def ago(seconds: float) -> str:
    """In one unit."""
    span = timedelta(seconds=round(seconds))
    if span < timedelta(minutes=2):
        return ngettext("%(count)d second ago", "%(count)d seconds ago", span.seconds) % {"count": span.seconds}
    minutes = round(span.total_seconds() / _UNIT_S)
    if minutes < 2 * _UNIT_S:
        return ngettext("%(count)d minute ago", "%(count)d minutes ago", minutes) % {"count": minutes}
    hours = round(minutes / _UNIT_S)
    return ngettext("%(count)d hour ago", "%(count)d hours ago", hours) % {"count": hours}
