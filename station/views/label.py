"""The label of the station (address, fingerprint, QR codes) and the certificate of its pages."""

from __future__ import annotations

import socket
from datetime import UTC, datetime
from typing import Any

import segno
from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.safestring import mark_safe
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods
from segno import helpers

from ocppclient.sentence import quoted
from station import provisioning
from station.errors import StartupError
from station.front_door import secure_url
from station.roles import Role, needs
from station.sentences import spoken
from station.web_certificate import RENEW, certificate


class CertificateForm(forms.Form):
    """A certificate of the owner's with its key."""

    text = forms.CharField(
        label=gettext_lazy("Certificate chain and private key (PEM)"),
        max_length=100_000,
        widget=forms.Textarea(attrs={"rows": 6, "spellcheck": "false", "placeholder": "-----BEGIN CERTIFICATE-----"}),
        help_text=gettext_lazy(
            "The station's certificate first, then those up to the root, and the key without a pass phrase."
        ),
    )


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """What belongs on the label; an own certificate, a new one made here, or back to the station's."""
    ours, form = certificate(), CertificateForm(request.POST if "text" in request.POST else None)
    secure = settings.HTTPS_PORT is not None
    try:
        if request.method == "POST" and secure:
            if "make" in request.POST:
                ours.make()
                return _done(
                    request, gettext("The station has a new certificate. Browsers ask again; print a new label.")
                )
            if "remove" in request.POST:
                ours.remove()
                return _done(request, gettext("The station uses the certificate that it made itself."))
            if form.is_valid():
                ours.install(form.cleaned_data["text"])
                return _done(request, gettext("Your certificate is in use from the next connection on."))
    except (ValueError, StartupError) as problem:
        form.add_error(None, gettext("This cannot be used: %(problem)s.") % {"problem": spoken(quoted(problem))})
    shown = ours.show() if secure else None
    host = f"{socket.gethostname()}.local"
    address = secure_url(host) if secure else f"http://{request.get_host()}/"
    context = {
        "form": form,
        "identity": provisioning.load().identity,
        "shown": shown,
        "ends_soon": shown is not None and shown.not_after - datetime.now(UTC) < RENEW,
        "address": address,
        "address_qr": _svg(segno.make(address, micro=False)),
        "network": provisioning.stored("hotspot", "ssid") or "",
        "network_qr": _network_qr(),
    }
    return render(request, "station/label.html", context, status=422 if form.errors else 200)


def _network_qr() -> Any:
    ssid, passphrase = provisioning.stored("hotspot", "ssid"), provisioning.stored("hotspot", "passphrase")
    if not ssid or not passphrase:
        return ""
    return _svg(segno.make(helpers.make_wifi_data(ssid, passphrase, "WPA"), micro=False))


def _svg(code: segno.QRCode) -> Any:
    return mark_safe(code.svg_inline(scale=5, light="#fff", svgclass="qr"))


def _done(request: HttpRequest, text: str) -> HttpResponse:
    messages.success(request, text)
    return redirect("label")
