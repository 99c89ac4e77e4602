"""Which devices the station has: choose them and their ports, try them, save."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from typing import Any

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.contrib import messages
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_http_methods

from hardware import registry
from hardware.interfaces import HardwareConfig
from hardware.probe import Probed, probe
from hardware.serial_port import found_ports
from station import provisioning
from station.errors import StartupError
from station.hardware_form import OPTIONS, HardwareForm
from station.live import STATION
from station.models import Transaction
from station.roles import Role, needs

DEVICES = ("board", "meter", "reader", "panel")
BUSY = "A session is running: it needs the present devices. Try again when it has ended."


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """The form; `test` tries one device with what the form says, otherwise it is saved and the station starts again."""
    present = provisioning.load().hardware
    form = HardwareForm(request.POST if request.method == "POST" else None, initial=_initial(present))
    result: tuple[str, Probed] | None = None
    if request.method == "POST" and form.is_valid():
        what = request.POST.get("test", "")
        if what not in ("", *DEVICES):
            raise SuspiciousOperation("there is no such device")
        if Transaction.objects.filter(stopped_at=None).exists():
            form.add_error(None, BUSY)
        elif what:
            result = _tried(what, form, present)
        elif _saved(form, request.user.get_username()):
            messages.success(request, "Saved. The station starts again with these devices, which takes some seconds.")
            return redirect("hardware")
    context = {
        "form": form,
        "ports": found_ports(),
        "result": result,
        "board": registry.BOARDS.get(form["board"].value()),
        "kinds": [
            ("Boards", registry.BOARDS), ("Meters", registry.METERS), ("Readers", registry.READERS),
            ("Panels", registry.PANELS),
        ],
    }  # fmt: skip
    return render(request, "station/hardware.html", context)


def _initial(config: HardwareConfig) -> dict[str, Any]:
    fields = {name: getattr(config, name) for name in HardwareForm.base_fields if hasattr(config, name)}
    return {**fields, **{name: config.options.get(name, "") for name in OPTIONS}}


def _tried(what: str, form: HardwareForm, present: HardwareConfig) -> tuple[str, Probed] | None:
    values = dict(form.cleaned_data)
    in_use = [getattr(present, f"{device}_port") for device in DEVICES if getattr(present, device)]
    if values[f"{what}_port"] and values[f"{what}_port"] in in_use:
        form.add_error(None, "The station itself uses this port now: the dashboard shows what it hears.")
        return None
    options = {name: values.pop(name) for name in OPTIONS if name in values}
    try:
        return what, probe(what, replace(present, **values, options=options))
    except ValueError as error:
        form.add_error(None, f"This cannot be tried: {error}.")
        return None


def _saved(form: HardwareForm, user: str) -> bool:
    try:
        provisioning.save_hardware(form.cleaned_data)
    except StartupError as error:
        form.add_error(None, str(error))
        return False
    with contextlib.suppress(ChannelFull):
        message = {"type": "station.command", "command": "hardware", "user": user}
        async_to_sync(get_channel_layer().send)(STATION, message)
    return True
