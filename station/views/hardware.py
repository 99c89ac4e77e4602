"""Which devices the station has: choose them and their ports, try them, save."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from django.core.exceptions import SuspiciousOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from hardware import registry
from hardware.probe import Probed, probe
from hardware.serial_port import found_ports
from ocppclient.sentence import Sentence, quoted
from station import ask, in_force, provisioning
from station.hardware_form import OPTIONS, HardwareForm
from station.models import Transaction
from station.roles import Role, needs
from station.sentences import spoken
from station.views.answers import tell

DEVICES = ("board", "meter", "reader", "panel")
BUSY = Sentence("A session is running: it needs the present devices. Try again when it has ended.")


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """The form; `test` tries one device with what the form says, `restart` only starts the station again, otherwise
    the form is saved and the station starts again."""
    form = HardwareForm(request.POST if request.method == "POST" else None, initial=stored())
    result: tuple[str, Probed] | None = None
    user = request.user.get_username()
    if request.method == "POST" and "restart" in request.POST:
        reply = ask.order("apply", None, user)
        tell(request, reply)
        return redirect("hardware")
    if request.method == "POST" and form.is_valid():
        what = request.POST.get("test", "")
        if what not in ("", *DEVICES):
            raise SuspiciousOperation(gettext("there is no such device"))
        try:
            if not what:
                reply = save(form, user)
                tell(request, reply)
                return redirect("hardware")
            result = what, tried(what, form)
        except NotNow as problem:
            form.add_error(None, spoken(quoted(problem)))
    context = {
        "form": form,
        "ports": found_ports(),
        "result": result,
        "waits_for_start": in_force.wait_for_start(),
        "board": registry.BOARDS.get(form["board"].value()),
        "kinds": [
            (gettext("Boards"), registry.BOARDS), (gettext("Meters"), registry.METERS),
            (gettext("Readers"), registry.READERS), (gettext("Panels"), registry.PANELS),
        ],
    }  # fmt: skip
    return render(request, "station/hardware.html", context)


# -- what the API does as well


class NotNow(ValueError):
    """The devices cannot be changed or tried now; the text says why."""


def stored() -> dict[str, Any]:
    """The devices as they are stored, by the names of the form."""
    config = provisioning.load().hardware
    fields = {name: getattr(config, name) for name in HardwareForm.base_fields if hasattr(config, name)}
    return {**fields, **{name: config.options.get(name, "") for name in OPTIONS}}


def save(form: HardwareForm, user: str) -> ask.Reply:
    """Save a form that is valid, and have the station start again; what is saved counts from its next start on.

    Raises:
        NotNow: a session runs; nothing is saved.
    """
    _check_idle()
    provisioning.save_hardware(form.cleaned_data)
    reply = ask.order("hardware", None, user)
    if reply.ok:
        return ask.Reply(True, gettext("Saved. The station starts again with these devices, which takes some seconds."))
    if reply.heard:
        return ask.Reply(False, gettext("Saved; it counts from the next start.") + " " + reply.text)
    text = gettext("Saved; it counts from the next start. The station's controller does not answer now.")
    return ask.Reply(False, text)


def tried(what: str, form: HardwareForm) -> Probed:
    """Try one device with what a valid form says; it takes some seconds, and nothing is saved.

    Raises:
        NotNow: a session runs, the port is in use, or no such device is chosen.
    """
    _check_idle()
    present, values = provisioning.load().hardware, dict(form.cleaned_data)
    if not values[what]:
        raise NotNow(Sentence("No device of this kind is chosen."))
    in_use = [getattr(present, f"{device}_port") for device in DEVICES if getattr(present, device)]
    if values[f"{what}_port"] and values[f"{what}_port"] in in_use:
        raise NotNow(Sentence("The station itself uses this port now: the dashboard shows what it hears."))
    options = {name: values.pop(name) for name in OPTIONS if name in values}
    try:
        return probe(what, replace(present, **values, options=options))
    except ValueError as error:
        raise NotNow(Sentence("This cannot be tried: {error}.", error=quoted(error))) from error


def _check_idle() -> None:
    if Transaction.objects.filter(stopped_at=None).exists():
        raise NotNow(BUSY)
