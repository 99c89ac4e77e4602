"""Which devices the station has: choose them and their ports, try them, save."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.contrib import messages
from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods

from hardware import registry
from hardware.interfaces import HardwareConfig
from hardware.probe import Probed, probe
from hardware.serial_port import found_ports
from station import ask, in_force, provisioning
from station.errors import StartupError
from station.hardware_form import OPTIONS, HardwareForm
from station.models import Transaction
from station.roles import Role, needs

DEVICES = ("board", "meter", "reader", "panel")
BUSY = gettext_lazy("A session is running: it needs the present devices. Try again when it has ended.")


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """The form; `test` tries one device with what the form says, `restart` only starts the station again, otherwise
    the form is saved and the station starts again."""
    present = provisioning.load().hardware
    form = HardwareForm(request.POST if request.method == "POST" else None, initial=_initial(present))
    result: tuple[str, Probed] | None = None
    if request.method == "POST" and "restart" in request.POST:
        reply = ask.order("apply", None, request.user.get_username())
        (messages.success if reply.ok else messages.warning)(request, reply.text)
        return redirect("hardware")
    if request.method == "POST" and form.is_valid():
        what = request.POST.get("test", "")
        if what not in ("", *DEVICES):
            raise SuspiciousOperation(gettext("there is no such device"))
        if Transaction.objects.filter(stopped_at=None).exists():
            form.add_error(None, BUSY)
        elif what:
            result = _tried(what, form, present)
        elif _saved(form):
            reply = ask.order("hardware", None, request.user.get_username())
            if reply.ok:
                text = gettext("Saved. The station starts again with these devices, which takes some seconds.")
                messages.success(request, text)
            elif reply.heard:
                messages.warning(request, gettext("Saved; it counts from the next start.") + " " + reply.text)
            else:
                text = gettext("Saved; it counts from the next start. The station's controller does not answer now.")
                messages.warning(request, text)
            return redirect("hardware")
    context = {
        "form": form,
        "ports": found_ports(),
        "result": result,
        "waits_for_start": in_force.wait_for_start(),
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
        form.add_error(None, gettext("The station itself uses this port now: the dashboard shows what it hears."))
        return None
    options = {name: values.pop(name) for name in OPTIONS if name in values}
    try:
        return what, probe(what, replace(present, **values, options=options))
    except ValueError as error:
        form.add_error(None, gettext("This cannot be tried: %(error)s.") % {"error": error})
        return None


def _saved(form: HardwareForm) -> bool:
    try:
        provisioning.save_hardware(form.cleaned_data)
    except StartupError as error:
        form.add_error(None, str(error))
        return False
    return True
