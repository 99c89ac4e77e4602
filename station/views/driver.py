"""The page of the driver and the receipt, open to everybody, and the sign with the QR code that leads to the page."""

from __future__ import annotations

import segno
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods, require_safe

from station import commissioning, driver, provisioning
from station.roles import Role, needs
from station.views.sessions import Row


@login_not_required
@require_safe
def page(request: HttpRequest) -> HttpResponse:
    """State, energy and time for whoever stands at the station; renewed by its script, or by hand without one."""
    if not driver.is_open():
        raise Http404
    return render(request, "station/driver.html", {"sight": driver.sight()})


@login_not_required
@require_safe
def receipt(request: HttpRequest, token: str) -> HttpResponse:
    """What a session has taken, to print or to keep; whoever has the link sees it."""
    found = driver.receipt_of(token)
    if found is None:
        raise Http404
    provision = provisioning.load()
    said = commissioning.said().get("identity", {})
    context = {
        "row": Row(found, ""),
        "name": said.get("name") or provision.backend.charge_point_id,
        "location": said.get("location", ""),
        "identity": provision.identity,
    }
    return render(request, "station/receipt.html", context)


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def sign(request: HttpRequest) -> HttpResponse:
    """The sign to print, and the switch."""
    if request.method == "POST":
        is_open = "open" in request.POST
        driver.switch(is_open)
        driver.switch_receipts("receipt" in request.POST)
        messages.success(
            request, gettext("Drivers can see the page.") if is_open else gettext("The page is switched off.")
        )
        return redirect("driversign")
    address = request.build_absolute_uri(reverse("driver"))
    code = segno.make(address, error="m").svg_inline(scale=6, border=3, dark="#000", light="#fff", omitsize=True)
    context = {
        "address": address,
        "code": code,
        "is_open": driver.is_open(),
        "gives_receipts": driver.gives_receipts(),
    }
    return render(request, "station/driver_sign.html", context)
