"""Firmware: what is installed, what goes on, bringing a release file, going back; and the diagnostics download."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils import translation
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods, require_POST

from ocppclient.firmware import CANCELLABLE, HISTORY
from ocppclient.sentence import Sentence, quoted
from station import ask, diagnostics_archive, firmware_files, releases
from station.models import Job, Value
from station.release_archive import BadRelease
from station.roles import Role, needs
from station.sentences import spoken, unpacked
from station.updates import kept
from station.updates.form import AddressForm
from station.views.answers import tell, zip_file

#: Stage of the update (ocppclient/firmware.py) → in plain words.
_STAGES = {
    "scheduled": gettext_lazy("waits for its time, or for the end of the session"),
    "downloading": gettext_lazy("is being downloaded"),
    "paused": gettext_lazy("paused: somebody charges"),
    "waiting": gettext_lazy("waits for its time, or for the end of the session"),
    "installing": gettext_lazy("is being checked and unpacked"),
    "switching": gettext_lazy("the station is about to start again with it"),
    "trial": gettext_lazy("has started and proves itself"),
}
#: Kind of update → who wanted it.
_KINDS = {
    "classic": gettext_lazy("the backend"),
    "signed": gettext_lazy("the backend, signed"),
    "local": gettext_lazy("a file brought here"),
    "found": gettext_lazy("found in the list of updates"),
    "rollback": gettext_lazy("going back, ordered here"),
}
#: End of an update → in plain words, and the kind of chip.
_ENDS = {
    "Installed": (gettext_lazy("installed"), "available"),
    "cancelled": (gettext_lazy("cancelled"), "unavailable"),
    "DownloadFailed": (gettext_lazy("not downloaded"), "fault"),
    "InvalidSignature": (gettext_lazy("wrong signature"), "fault"),
    "InstallVerificationFailed": (gettext_lazy("refused"), "fault"),
    "InstallationFailed": (gettext_lazy("not installed"), "fault"),
}


class ReleaseForm(forms.Form):
    """The file of a release."""

    file = forms.FileField(
        label=gettext_lazy("Release file"), error_messages={"required": gettext_lazy("Choose a file first.")}
    )
    allow_older = forms.BooleanField(
        label=gettext_lazy("Install it also when it is older than what runs"),
        required=False,
        help_text=gettext_lazy("An older version may lack repairs of its security."),
    )


@dataclass(frozen=True)
class _Past:
    """One update that is over."""

    at: str
    who: str
    version: str
    word: str
    kind: str
    reason: str


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """What is installed and what goes on; POST brings a release."""
    form = ReleaseForm(request.POST or None, request.FILES or None)
    if request.method == "POST" and form.is_valid():
        try:
            older = form.cleaned_data["allow_older"]
            reply = bring(form.cleaned_data["file"].chunks(), request.user.get_username(), allow_older=older)
        except Unusable as problem:
            form.add_error("file", str(problem))
        else:
            if reply.ok:
                messages.success(request, reply.text)
                return redirect("firmware")
            form.add_error(None, reply.text)
    return render(request, "station/firmware.html", {"form": form, "address": AddressForm.of_stored(), **state_now()})


@require_GET
@needs(Role.INSTALLER)
def state(request: HttpRequest) -> HttpResponse:
    """The piece of the page that changes by itself."""
    return render(request, "station/_firmware_state.html", state_now())


@require_POST
@needs(Role.INSTALLER)
def roll_back(request: HttpRequest) -> HttpResponse:
    """Run another installed release again."""
    reply = go_back(request.POST.get("slot", ""), request.user.get_username())
    tell(request, reply)
    return redirect("firmware")


@require_POST
@needs(Role.INSTALLER)
def cancel(request: HttpRequest) -> HttpResponse:
    """Give up the update that is under way."""
    reply = ask.order("cancel_update", None, request.user.get_username())
    tell(request, reply)
    return redirect("firmware")


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def diagnostics(request: HttpRequest) -> HttpResponse:
    """What the archive holds; POST answers with it."""
    if request.method != "POST":
        return render(request, "station/diagnostics.html")
    return zip_file(*archive())


# -- what the API does as well


class Unusable(ValueError):
    """The release cannot be installed, or not be stored; the text says why."""


def bring(pieces: Iterable[bytes], user: str, *, allow_older: bool) -> ask.Reply:
    """Store a release, and have it installed.

    Raises:
        Unusable: nothing of it is kept.
    """
    try:
        brought = firmware_files.store(pieces, allow_older=allow_older)
    except BadRelease as bad:
        raise Unusable(spoken(Sentence("The file is not installed: {problem}.", problem=quoted(bad)))) from bad
    except OSError as error:
        raise Unusable(
            gettext("The file cannot be stored (%(strerror)s). Make room on the disk.") % {"strerror": error.strerror}
        ) from error
    argument = {
        "file": brought.file, "sha256": brought.sha256, "version": brought.version, "allow_older": allow_older,
    }  # fmt: skip
    reply = ask.order("install_release", argument, user)
    if not reply.ok and reply.heard:  # otherwise the station may have taken it all the same
        firmware_files.discard(brought)
    return reply


def go_back(slot: str, user: str) -> ask.Reply:
    """Have another installed release run again."""
    ours = releases.here()
    wanted = next((item for item in ours.installed() if item.slot == slot), None) if ours else None
    if wanted is None or ours is None or _why_not(wanted, ours):
        return ask.Reply(False, gettext("That release cannot run any more."))
    return ask.order("roll_back_release", {"slot": slot, "version": wanted.version}, user)


def archive() -> tuple[bytes, str]:
    """The diagnostics as they are now, and the name of their file."""
    with translation.override(settings.LANGUAGE_CODE):  # whoever helps reads English
        state = ask.snapshot() or {"controller": "does not answer"}
    with tempfile.TemporaryDirectory(prefix="diagnostics-", dir=settings.DATA_DIR) as folder:
        target = Path(folder) / "archive"
        diagnostics_archive.build(target, "DiagnosticsLog", diagnostics_archive.Span(), state)
        return target.read_bytes(), f"diagnostics-{datetime.now(UTC):%Y%m%d-%H%M}.zip"


def state_now() -> dict[str, Any]:
    """What runs, what else is installed, what goes on, and how it ended before."""
    ours = releases.here()
    installed = ours.installed() if ours else []
    update = _stored("firmware.update")
    present = None
    if isinstance(update, dict):
        job = Job.objects.filter(uid=update["job"]).first() if update["job"] else None
        present = {
            "who": _KINDS.get(update["kind"], update["kind"]),
            "version": update["version"],
            "words": _STAGES.get(update["stage"], update["stage"]),
            "percent": job.progress if job and job.state == "running" else None,
            "waits": job is not None and job.state == "queued",
            "cancellable": update["stage"] in CANCELLABLE,
        }
    return {
        "running": releases.running_version(ours),
        "has_slots": ours is not None,
        "others": [(item, _why_not(item, ours)) for item in installed if not item.current] if ours else [],
        "update": present,
        "found": kept.found(),
        "past": [_past(entry) for entry in reversed(_stored(HISTORY) or [])],
    }


def _why_not(release: releases.Installed, ours: releases.Releases) -> str:
    """Why a release cannot run any more; "" when it can."""
    schema = str(ours.manifest(ours.own_slot).get("schema", ""))
    if release.schema != schema:
        return gettext("The present version has changed the database; this one cannot read it.")
    return ""


def _past(entry: Mapping[str, str]) -> _Past:
    word, kind = _ENDS.get(entry["status"], (entry["status"], "unavailable"))
    who = _KINDS.get(entry["kind"], entry["kind"])
    return _Past(entry["at"], str(who), entry["version"], str(word), kind, unpacked(entry["reason"]))


def _stored(name: str) -> Any:
    row = Value.objects.filter(name=name).first()
    return json.loads(row.value) if row else None
