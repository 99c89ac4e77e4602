"""Looking for updates, as people order it on the page Firmware; what the API does as well."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_POST

from station import ask
from station.roles import Role, needs
from station.sentences import spoken
from station.updates import kept
from station.updates.form import AddressForm
from station.views import firmware
from station.views.answers import tell


@require_POST
@needs(Role.INSTALLER)
def address(request: HttpRequest) -> HttpResponse:
    """Where to look, and whether to install by night."""
    form = AddressForm(request.POST)
    if form.is_valid():
        return _told(request, save(form.cleaned_data, request.user.get_username()))
    context = {"form": firmware.ReleaseForm(), "address": form, **firmware.state_now()}
    return render(request, "station/firmware.html", context)


@require_POST
@needs(Role.INSTALLER)
def look(request: HttpRequest) -> HttpResponse:
    """Ask now."""
    return _told(request, order_look(request.user.get_username()))


@require_POST
@needs(Role.INSTALLER)
def install(request: HttpRequest) -> HttpResponse:
    """Install what was found: the very version that the page showed."""
    return _told(request, order_install(request.POST.get("version", ""), request.user.get_username()))


def _told(request: HttpRequest, reply: ask.Reply) -> HttpResponse:
    tell(request, reply)
    return redirect("firmware")


# -- what the API does as well


def save(values: Mapping[str, Any], user: str) -> ask.Reply:
    """Store checked values; a station that does not answer now reads them at its next start."""
    kept.choose(values)
    reply = ask.order("updates", {"do": "settings"}, user)
    if reply.heard:
        return reply
    text = gettext("Saved; it counts from the next start. The station's controller does not answer now.")
    return ask.Reply(True, text)


def order_look(user: str) -> ask.Reply:
    """Ask for updates now."""
    return ask.order("updates", {"do": "look"}, user)


def order_install(version: str, user: str) -> ask.Reply:
    """Have the version installed that was found."""
    return ask.order("updates", {"do": "install", "version": version}, user)


def told() -> dict[str, Any]:
    """Settings and what was found, as plain values in the reader's language."""
    found = kept.found()
    return {
        **asdict(kept.chosen()),
        "asks": bool(found.job),
        "asked_at": found.asked_at or None,
        "answered_at": found.answered_at or None,
        "problem": spoken(found.why),
        "offer": asdict(found.offer) if found.offer else None,
    }
