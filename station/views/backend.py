"""The backend page: the settings, their live trial in stages, and saving with a way back (commit-confirm)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django import forms
from django.contrib import messages
from django.contrib.auth import authenticate
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from ocppclient.link import ConnectionSettings, address_for, final_url
from ocppclient.sentence import quoted
from station import ask, backend_settings, commissioning, present
from station.provision_rules import Wrong
from station.roles import Role, needs
from station.sentences import spoken

PROFILES = {
    0: gettext_lazy("0: no protection (only inside a private network)"),
    1: gettext_lazy("1: password, without encryption"),
    2: gettext_lazy("2: TLS and password"),
    3: gettext_lazy("3: TLS with the station's own certificate"),
}
#: Stage → what it is called.
STAGES = {
    "dns": gettext_lazy("Name (DNS)"),
    "tcp": gettext_lazy("Connection (TCP)"),
    "tls": gettext_lazy("Encryption (TLS)"),
    "http": gettext_lazy("Web server (HTTP)"),
    "subprotocol": gettext_lazy("Protocol (OCPP 1.6)"),
    "boot": gettext_lazy("Registration (BootNotification)"),
}
#: Verdict on a stage → colour and words.
_VERDICTS = {
    "passed": ("available", gettext_lazy("passed")),
    "doubtful": ("waiting", gettext_lazy("doubtful")),
    "failed": ("fault", gettext_lazy("failed")),
    "left out": ("unavailable", gettext_lazy("left out")),
}
_CHANGES = {
    "on trial": (
        "charging",
        gettext_lazy(
            "The new settings are being proven. If the backend does not accept the station, "
            "the old settings come back by themselves."
        ),
    ),
    "confirmed": ("available", gettext_lazy("The new settings are proven: the backend accepted the station.")),
    "taken back": ("fault", gettext_lazy("The new settings did not work, and the old ones are back")),
    "kept": ("waiting", gettext_lazy("The settings were saved without proof.")),
}


class BackendForm(forms.Form):
    """What the operator's data sheet says. The rules of the fields are those of the provisioning file."""

    url = forms.CharField(
        required=False,
        label=gettext_lazy("Backend address"),
        help_text=gettext_lazy("As the operator gives it, without the charge point id. Empty: no backend."),
        widget=forms.TextInput(
            attrs={
                "inputmode": "url",
                "autocapitalize": "none",
                "autocomplete": "off",
                "spellcheck": "false",
                "placeholder": "wss://backend.example/ocpp",
            }
        ),
    )
    charge_point_id = forms.CharField(
        required=False,
        label=gettext_lazy("Charge point id"),
        help_text=gettext_lazy("Under which the backend knows this station."),
        widget=forms.TextInput(attrs={"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}),
    )
    security_profile = forms.TypedChoiceField(
        label=gettext_lazy("Security profile"), coerce=int, choices=list(PROFILES.items())
    )
    authorization_key = forms.CharField(
        required=False,
        label=gettext_lazy("Password of the station (AuthorizationKey)"),
        help_text=gettext_lazy(
            "For profiles 1 and 2, 16 to 40 characters. Never shown; leave it empty to keep the present one."
        ),
        widget=forms.PasswordInput(render_value=True, attrs={"autocomplete": "new-password"}),
    )
    system_roots = forms.BooleanField(
        required=False,
        label=gettext_lazy("Trust public certificate authorities too"),
        help_text=gettext_lazy(
            "For backends with a certificate of a public authority; otherwise install the operator's root."
        ),
    )
    own_password = forms.CharField(
        required=False,
        label=gettext_lazy("Your own password"),
        help_text=gettext_lazy("Only needed to lower the security profile."),
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )

    def __init__(self, present_profile: int, data: Any = None, initial: Any = None) -> None:
        super().__init__(data, initial=initial)
        if not present_profile:
            del self.fields["own_password"]

    def clean(self) -> dict[str, Any]:
        """Each field by its rule."""
        cleaned = super().clean() or {}
        for name in ("url", "charge_point_id", "authorization_key"):
            try:
                cleaned[name] = backend_settings.field(name, cleaned.get(name, ""))
            except Wrong as wrong:
                self.add_error(name, gettext("It %(wrong)s.") % {"wrong": spoken(quoted(wrong))})
        if cleaned.get("url") and not cleaned.get("charge_point_id") and "charge_point_id" not in self.errors:
            self.add_error("charge_point_id", gettext("Write the id under which the backend knows this station."))
        return cleaned

    @property
    def values(self) -> dict[str, Any]:
        """What the station gets."""
        return {name: self.cleaned_data[name] for name in backend_settings.FIELDS}


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def backend(request: HttpRequest) -> HttpResponse:
    """Show, try, save, or save without proof."""
    profile = present.configuration().security_profile
    form = BackendForm(profile, request.POST if request.method == "POST" else None, _initial(profile))
    problem = ""
    if form.is_valid():
        problem = _obey(request, form, profile)
        if not problem and not form.errors and request.POST.get("do") != "try":
            return redirect("backend")
    context = {"form": form, "problem": problem, "full_url": _full_url(form), **_state(request)}
    return render(request, "station/backend.html", context, status=422 if problem or form.errors else 200)


@require_GET
@needs(Role.INSTALLER)
def state(request: HttpRequest) -> HttpResponse:
    """The trial and the change as a piece of the page, asked for again while something goes on."""
    return render(request, "station/_backend_state.html", _state(request))


@require_GET
@needs(Role.INSTALLER)
def address(request: HttpRequest) -> JsonResponse:
    """The URL that would be opened, while somebody types."""
    form = BackendForm(0, request.GET)
    form.is_valid()
    return JsonResponse({"url": _full_url(form)})


def _obey(request: HttpRequest, form: BackendForm, present_profile: int) -> str:
    """Do what the button says; returns what went wrong in words."""
    user = request.user.get_username()
    if request.POST.get("do") == "try":
        return ask.trial(form.values, user)[0].text
    if form.cleaned_data["security_profile"] < present_profile and form.cleaned_data["url"]:
        own = authenticate(request, username=user, password=form.cleaned_data["own_password"])
        if own is None:
            form.add_error("own_password", gettext("To lower the security profile, enter your own password once more."))
            return ""
    unproven = request.POST.get("do") == "keep"
    reply = ask.order("backend", {"values": form.values, "unproven": unproven}, user)
    if not reply.ok:
        return reply.text
    messages.success(request, reply.text)
    return ""


def _initial(profile: int) -> dict[str, Any]:
    """What is stored, or what was typed and did not work: nothing has to be typed twice."""
    change = backend_settings.change() or {}
    typed = change.get("wanted", {}) if change.get("state") == "taken back" else {}
    return {**backend_settings.stored(), "security_profile": profile, "authorization_key": "", **typed}


def _full_url(form: BackendForm) -> str:
    """What will really be opened; "" while it cannot be told."""
    given = {**form.initial, **(form.cleaned_data if form.is_bound else {})}
    profile = int(given.get("security_profile") or 0)
    try:
        url = address_for(profile, str(given.get("url", "")), str(backend_settings.stored().get("secure_url", "")))
        return final_url(ConnectionSettings(url, str(given.get("charge_point_id", ""))))
    except ValueError:
        return ""


def _shown(stage: Mapping[str, Any]) -> dict[str, Any]:
    """A stage of the trial in the reader's language, with its colour."""
    kind, word = _VERDICTS[stage["verdict"]]
    return {**stage, "title": STAGES[stage["name"]], "kind": kind, "word": word}


def _state(request: HttpRequest) -> dict[str, Any]:
    change = backend_settings.change()
    shown = ask.snapshot()
    trial = ask.trial(None, request.user.get_username())[1] if shown else None
    if trial:
        stages = [_shown(stage) for stage in trial["stages"]]
        trial = {**trial, "stages": stages, "doing": STAGES.get(trial["next"], "")}
    on_trial = change is not None and change["state"] == "on trial"
    return {
        "trial": trial,
        "change": change,
        "change_kind": _CHANGES[change["state"]][0] if change else "",
        "change_words": _CHANGES[change["state"]][1] if change else "",
        "link": shown["backend"] if shown else None,
        "setting_up": commissioning.unfinished() != "",
        "busy": on_trial or bool(trial and trial["running"]),
    }
