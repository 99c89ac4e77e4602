"""The charging hours: the default hours that the owner accepts, changes or removes, and the random delays."""

from __future__ import annotations

import json
from typing import Any

from django import forms
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_POST

from ocppclient.configuration import Configuration, Int
from station import ask, charging_hours, present, provisioning
from station.charging_hours import DAYS, KEY, Peak
from station.models import Setting
from station.regions import REGIONS
from station.roles import Role, needs, role_of
from station.sentences import spoken, spoken_lazy
from station.wiring import time_zone

#: Field → the configuration key behind it.
_DELAYS: dict[str, Any] = {
    "randomised": Configuration.randomised_delay,
    "return_min": Configuration.power_return_delay_min,
    "return_max": Configuration.power_return_delay_max,
}
#: Empty rows for more rules.
_EXTRA = 2


class PeakForm(forms.Form):
    """One rule of the week; without days it is none."""

    days = forms.ChoiceField(label=gettext_lazy("Days"), required=False)
    begin = forms.TimeField(
        label=gettext_lazy("From"), required=False, widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    )
    end = forms.TimeField(
        label=gettext_lazy("To"), required=False, widget=forms.TimeInput(format="%H:%M", attrs={"type": "time"})
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        named = {days: spoken_lazy(words) for days, words in DAYS.items()}
        if (own := self.initial.get("days")) and own not in named:
            named[own] = own
        self.fields["days"].choices = [("", gettext_lazy("none")), *named.items()]  # type: ignore[attr-defined]

    def clean(self) -> dict[str, Any]:
        """Whole, or empty."""
        cleaned = super().clean() or {}
        begin, end = cleaned.get("begin"), cleaned.get("end")
        if cleaned.get("days") and not self.errors:
            if begin is None or end is None:
                raise forms.ValidationError(gettext("Say from when to when."))
            if begin == end and begin.hour + begin.minute:
                raise forms.ValidationError(gettext("These hours are empty: begin and end are the same."))
        return cleaned

    @property
    def peak(self) -> Peak | None:
        """What was said."""
        said = self.cleaned_data
        return Peak(said["days"], said["begin"], said["end"]) if said.get("days") else None


PeakForms = forms.formset_factory(PeakForm, extra=_EXTRA, max_num=KEY.longest, absolute_max=KEY.longest)  # type: ignore[attr-defined]


class SpreadForm(forms.Form):
    """The random delays, and the region that sets the defaults of everything here."""

    region = forms.ChoiceField(
        label=gettext_lazy("Rules of"),
        required=False,
        help_text=gettext_lazy("Sets what nobody has chosen on this page, by a key or by the backend."),
    )
    randomised = forms.IntegerField(label=gettext_lazy("Longest random delay (s)"))
    return_min = forms.IntegerField(label=gettext_lazy("After a power cut at least (s)"))
    return_max = forms.IntegerField(
        label=gettext_lazy("After a power cut at most (s)"), help_text=gettext_lazy("0: as any other start.")
    )

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        names = {"UK": gettext_lazy("United Kingdom (Smart Charge Points Regulations 2021)")}
        self.fields["region"].choices = [  # type: ignore[attr-defined]
            ("", gettext_lazy("no country")),
            *((name, names.get(name, name)) for name in REGIONS),
        ]
        for name, key in _DELAYS.items():
            assert isinstance(key, Int)
            field = self.fields[name]
            assert isinstance(field, forms.IntegerField)
            field.min_value, field.max_value = key.low, key.high
            field.widget.attrs.update({"min": key.low, "max": key.high})

    def clean(self) -> dict[str, Any]:
        """The shortest is not the longest."""
        cleaned = super().clean() or {}
        shortest, longest = cleaned.get("return_min"), cleaned.get("return_max")
        for name, key in _DELAYS.items():
            if (seconds := cleaned.get(name)) is not None and not key.low <= seconds <= key.high:
                self.add_error(name, gettext("It takes %(low)s to %(high)s s.") % {"low": key.low, "high": key.high})
        if shortest is not None and longest and shortest > longest:
            self.add_error("return_min", gettext("This is more than the longest."))
        return cleaned


@require_GET
@needs(Role.OPERATOR)
def page(request: HttpRequest) -> HttpResponse:
    """What counts now, and the forms."""
    return _shown(request)


@require_POST
@needs(Role.OPERATOR)
def change(request: HttpRequest) -> HttpResponse:
    """`do`: "accept" the hours as they are, "save" others, "remove" them, or "charge_now"."""
    user = request.user.get_username()
    match request.POST.get("do"):
        case "charge_now":
            _tell(request, ask.order("charge_now", None, user))
        case "accept":
            charging_hours.decide(user)
            messages.success(request, gettext("The hours are accepted."))
        case "remove":
            _choose(request, [], gettext("There are no peak hours any more: the station charges at any time."))
        case "save":
            rows = PeakForms(request.POST)
            if not rows.is_valid():
                return _shown(request, rows=rows)
            _choose(request, [form.peak for form in rows if form.peak], gettext("The hours are saved."))
    return redirect("hours")


@require_POST
@needs(Role.INSTALLER)
def spread(request: HttpRequest) -> HttpResponse:
    """The region, then the delays: what is not as the region has it is the station's own."""
    form = SpreadForm(request.POST)
    if not form.is_valid():
        return _shown(request, spreading=form)
    said, user = form.cleaned_data, request.user.get_username()
    before = _delays()
    if said["region"] != _region():
        Setting.objects.update_or_create(
            section="charging", name="region", defaults={"value": json.dumps(said["region"])}
        )
        reply = ask.order("settings", None, user)
        if not reply.ok:
            _tell(request, reply)
            return redirect("hours")
    for name, key in _DELAYS.items():
        if said[name] != before[name]:
            reply = ask.order("configure", {"key": key.name, "value": str(said[name])}, user)
            if not reply.ok:
                _tell(request, reply)
                return redirect("hours")
    messages.success(request, gettext("Saved."))
    return redirect("hours")


def _choose(request: HttpRequest, peaks: list[Peak], done: str) -> None:
    user = request.user.get_username()
    reply = ask.order("configure", {"key": KEY.name, "value": charging_hours.written(peaks)}, user)
    if not reply.ok:
        _tell(request, reply)
        return
    charging_hours.decide(user)
    messages.success(request, done)


def _tell(request: HttpRequest, reply: ask.Reply) -> None:
    (messages.success if reply.ok else messages.warning)(request, reply.text)


def _region() -> str:
    return provisioning.stored("charging", "region") or ""


def _delays() -> dict[str, int]:
    config = present.configuration()
    return {name: config.get(key) for name, key in _DELAYS.items()}


def _shown(request: HttpRequest, rows: Any | None = None, spreading: SpreadForm | None = None) -> HttpResponse:
    peaks = charging_hours.now()
    initial = [{"days": peak.days, "begin": peak.begin, "end": peak.end} for peak in peaks]
    live = ask.snapshot()
    delays = _delays()
    context = {
        "peaks": [spoken(peak.words) for peak in peaks],
        "offered": charging_hours.are_offered(),
        "rows": rows or PeakForms(initial=initial),
        "spreading": spreading or SpreadForm(initial={"region": _region(), **delays}),
        "delays": delays,
        "zone": time_zone(provisioning.load()),
        "waiting": bool(live and live["limit"]["waiting"]),
        "sentence": live["state"]["sentence"] if live else "",
        "sure_of_time": live is None or live["clock"]["confirmed"],
        "may_set": role_of(request.user) >= Role.INSTALLER,
    }
    return render(request, "station/hours.html", context, status=422 if rows or spreading else 200)
