"""The network page: what is connected, changes with a way back, the hotspot, the order of the uplinks."""

from __future__ import annotations

from itertools import permutations
from typing import Any

from django import forms
from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.utils.translation import gettext_noop as noop
from django.views.decorators.http import require_GET, require_POST

from ocppclient.sentence import quoted
from station import ask
from station.hosts import machine_addresses
from station.network import rules
from station.network.policy import KINDS
from station.roles import Role, needs, role_of
from station.sentences import spoken
from station.views.answers import tell

_NAMES = {
    "ethernet": gettext_lazy("Ethernet"),
    "wifi": gettext_lazy("WiFi"),
    "mobile": gettext_lazy("Mobile network"),
}
#: State of a device, modem or change (translated in the page) → kind of chip.
_CHIPS = {
    noop("connected"): "available",
    noop("connecting"): "charging",
    noop("failed"): "fault",
    noop("unplugged"): "unavailable",
    noop("off"): "unavailable",
    noop("on trial"): "charging",
    noop("confirmed"): "available",
    noop("taken back"): "fault",
    noop("starting"): "waiting",
    noop("locked"): "waiting",
    noop("disabled"): "unavailable",
    noop("searching"): "waiting",
    noop("registered"): "available",
}
#: Of these one is chosen (rules.SECURITIES).
_PROTECTIONS = {
    "wpa": gettext_lazy("Password (WPA2 or WPA3)"),
    "wpa3": gettext_lazy("Password (WPA3 only)"),
    "open": gettext_lazy("Open, without a password"),
}
_SECURITIES = {
    "wpa": gettext_lazy("password"),
    "wpa3": gettext_lazy("password (WPA3)"),
    "open": gettext_lazy("open"),
    "wep": gettext_lazy("WEP, not supported"),
    "enterprise": gettext_lazy("company login, not supported"),
}
_WHY_OPEN = {
    "set-up": gettext_lazy("while the station is being set up"),
    "no network": gettext_lazy("because no other network is left"),
    "guests": gettext_lazy("while somebody uses it"),
}
_TYPED = {"autocapitalize": "none", "autocomplete": "off", "spellcheck": "false"}


class _Form(forms.Form):
    """The rules are those of station/network/rules.py; `kind` is what they judge by."""

    kind = ""

    def clean(self) -> dict[str, Any]:
        """All fields together."""
        cleaned = super().clean() or {}
        try:
            rules.wanted({**cleaned, "kind": self.kind})
        except rules.Unfit as unfit:
            self.add_error(unfit.field if unfit.field in self.fields else None, spoken(quoted(unfit)))
        return cleaned


class WifiForm(_Form):
    """Join a WiFi."""

    kind = "wifi"
    ssid_hex = forms.CharField(required=False, widget=forms.HiddenInput)
    ssid = forms.CharField(
        required=False, strip=False, label=gettext_lazy("Name of the WiFi (SSID)"), widget=forms.TextInput(attrs=_TYPED)
    )
    security = forms.ChoiceField(
        label=gettext_lazy("Protection"), choices=[(key, _PROTECTIONS[key]) for key in rules.SECURITIES]
    )
    key = forms.CharField(
        required=False,
        strip=False,
        label=gettext_lazy("Password of the WiFi"),
        help_text=gettext_lazy("8 to 63 characters. It is never shown."),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )
    hidden = forms.BooleanField(required=False, label=gettext_lazy("Hidden: it does not tell its name"))


class EthernetForm(_Form):
    """How a wired interface gets its address."""

    kind = "ethernet"
    interface = forms.ChoiceField(label=gettext_lazy("Interface"))
    method = forms.ChoiceField(
        label=gettext_lazy("Address"),
        choices=[("auto", gettext_lazy("From the network (DHCP)")), ("manual", gettext_lazy("Fixed, as typed below"))],
    )
    address = forms.CharField(
        required=False,
        label=gettext_lazy("Address and length"),
        help_text=gettext_lazy("For example 192.168.1.20/24."),
        widget=forms.TextInput(attrs=_TYPED),
    )
    gateway = forms.CharField(
        required=False,
        label=gettext_lazy("Router"),
        help_text=gettext_lazy("Empty: none."),
        widget=forms.TextInput(attrs=_TYPED),
    )
    dns = forms.CharField(
        required=False,
        label=gettext_lazy("Name servers"),
        help_text=gettext_lazy("Up to three, with spaces between."),
        widget=forms.TextInput(attrs=_TYPED),
    )

    def __init__(self, interfaces: list[str], data: Any = None) -> None:
        super().__init__(data)
        field = self.fields["interface"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = [(name, name) for name in interfaces]


class MobileForm(_Form):
    """The SIM's operator."""

    kind = "mobile"
    apn = forms.CharField(
        required=False,
        label=gettext_lazy("APN"),
        help_text=gettext_lazy("As the operator of the SIM says."),
        widget=forms.TextInput(attrs=_TYPED),
    )
    pin = forms.CharField(
        required=False,
        label=gettext_lazy("PIN of the SIM"),
        help_text=gettext_lazy("Empty when it asks for none."),
        widget=forms.PasswordInput(attrs={"inputmode": "numeric", "autocomplete": "off"}),
    )
    username = forms.CharField(
        required=False, label=gettext_lazy("User name of the APN"), widget=forms.TextInput(attrs=_TYPED)
    )
    password = forms.CharField(
        required=False,
        strip=False,
        label=gettext_lazy("Password of the APN"),
        widget=forms.PasswordInput(attrs={"autocomplete": "off"}),
    )


@require_GET
@needs(Role.VIEWER)
def network(request: HttpRequest) -> HttpResponse:
    """What is; the forms for installers."""
    chosen = request.GET.get("wifi", "")
    seen = _seen(request)
    cell = next((cell for cell in seen.get("cells", []) if cell["hex"] == chosen), None)
    return render(request, "station/network.html", {**seen, **_forms(seen, cell), "chosen": cell})


@require_GET
@needs(Role.VIEWER)
def state(request: HttpRequest) -> HttpResponse:
    """The part of the page that changes by itself."""
    return render(request, "station/_network_state.html", _seen(request))


@require_POST
@needs(Role.INSTALLER)
def change(request: HttpRequest) -> HttpResponse:
    """One change, or one order: `do` as the desk knows it."""
    if not settings.NETWORK:
        return redirect("network")
    order: dict[str, Any] = {"do": request.POST.get("do", "")}
    typed: _Form | None = None
    seen: dict[str, Any] = {}
    match order["do"]:
        case "wifi" | "ethernet" | "mobile" as kind:
            seen = _seen(request)
            made = _forms(seen, None, request.POST, kind)
            typed = made[f"{kind}_form"]
            if not typed.is_valid():
                return render(request, "station/network.html", {**seen, **made}, status=422)
            order = {"do": "change", "kind": kind, **typed.cleaned_data}
        case "order":
            order["kinds"] = request.POST.get("kinds", "").split(",")
        case "hotspot":
            order["open"] = request.POST.get("open") == "yes"
    reply, _ = ask.network(order, request.user.get_username())
    if typed is not None and not reply.ok:
        typed.add_error(None, reply.text)
        context = {**seen, **_forms(seen, None), f"{order['kind']}_form": typed}
        return render(request, "station/network.html", context, status=422)
    tell(request, reply)
    return redirect("network")


@require_GET
@login_not_required
def keep(request: HttpRequest, token: str) -> HttpResponse:
    """The link on the new path: whoever opens it proves that the station can be reached there."""
    ok, text = False, gettext("This link belongs to no change of the network, or to an older one.")
    if settings.NETWORK:
        reply, _ = ask.network({"do": "keep", "token": token, "local": arrived_at(request)}, "the link")
        ok, text = reply.ok, reply.text
    return render(request, "station/network_kept.html", {"ok": ok, "text": text})


def _seen(request: HttpRequest) -> dict[str, Any]:
    """What the desk tells, as this role may see it. Looking at the page on the new path is its proof."""
    if not settings.NETWORK:
        return {"ruled": False, "addresses": machine_addresses()}
    user = request.user.get_username()
    reply, told = ask.network(None, user)
    if told is None:
        return {"ruled": True, "problem": reply.text or gettext("The network is not ruled by this station.")}
    current = told["change"]
    if current and current["token"] and arrived_at(request) in current["addresses"]:
        _, again = ask.network({"do": "keep", "token": current["token"], "local": arrived_at(request)}, user)
        told = again or told
        current = told["change"]
    for device in told["devices"]:
        device["chip"] = _CHIPS[device["state"]]
    for cell in told["cells"]:
        cell["protection"] = _SECURITIES[cell["security"]]
        cell["fits"] = cell["security"] in rules.SECURITIES
    is_installer = role_of(request.user) >= Role.INSTALLER
    if current:
        current["chip"] = _CHIPS[current["state"]]
        current["links"] = [
            f"{request.scheme}://{address}:{request.META.get('SERVER_PORT', '80')}/network/keep/{current['token']}"
            for address in current["addresses"]
            if current["token"] and is_installer
        ]
    if told["hotspot"]:
        told["hotspot"]["why"] = _WHY_OPEN.get(told["hotspot"]["why"], "")
        if not is_installer:
            told["hotspot"]["passphrase"] = ""
    return {
        **told, "ruled": True, "is_installer": is_installer,
        "busy": bool(current) and current["state"] == "on trial",
    }  # fmt: skip


def _forms(seen: dict[str, Any], cell: dict[str, Any] | None, data: Any = None, kind: str = "") -> dict[str, Any]:
    """The forms; `kind` is the one that was sent with `data`."""
    wired = [device["interface"] for device in seen.get("devices", []) if device["kind"] == "ethernet"]
    wifi_initial = {"ssid_hex": cell["hex"], "ssid": cell["ssid"], "security": cell["security"]} if cell else {}
    return {
        "wifi_form": WifiForm(data if kind == "wifi" else None, initial=wifi_initial),
        "ethernet_form": EthernetForm(wired, data if kind == "ethernet" else None),
        "mobile_form": MobileForm(data if kind == "mobile" else None),
        "orders": [(",".join(kinds), " → ".join(str(_NAMES[kind]) for kind in kinds)) for kinds in permutations(KINDS)],
        "present_order": ",".join(seen.get("order", [])),
    }


def arrived_at(request: HttpRequest) -> str:
    """The station's own address on this connection: of the socket, not what the browser claims."""
    return str(request.META.get("SERVER_NAME", ""))
