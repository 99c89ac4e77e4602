"""Looking after the station: firmware, self-test, diagnostics, backup, certificates, what it is."""

from __future__ import annotations

from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any, get_args
from urllib.parse import unquote

from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import OpenApiParameter
from rest_framework import serializers as s
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from ocppclient.certificates import CENTRAL_SYSTEM_ROOT, MANUFACTURER_ROOT
from ocppclient.charge_point_certificate import State
from ocppclient.sentence import quoted
from station import ask, models, self_test
from station.api import shapes
from station.api.operation import Pieces, ZipFile, ZipPieces, asked, operation, pieces_of, taken
from station.api.rules import Endpoint, Problem, outcome
from station.backup import PARTS
from station.backup_file import BackupProblem
from station.provision_rules import Wrong
from station.roles import Role
from station.sentences import spoken
from station.updates import kept
from station.views import about, backup, firmware, security, updates
from station.views.answers import zip_file

_FILE = {(200, "application/zip"): OpenApiTypes.BINARY}


# -- firmware


class Slot(s.Serializer):
    """Which installed release."""

    slot = s.CharField(max_length=100)


class Older(s.Serializer):
    """How a release is brought."""

    allow_older = s.BooleanField(default=False, help_text="Also when it is older than what runs.")


class Firmware(Endpoint):
    """Releases."""

    page = "firmware"
    roles = {"GET": Role.INSTALLER, "POST": Role.INSTALLER, "DELETE": Role.INSTALLER}
    parser_classes = [Pieces]

    @operation(OpenApiTypes.OBJECT, summary="What runs, what else is installed, what goes on, how it ended before")
    def get(self, request: Request) -> Response:
        now = firmware.state_now()
        others = [{"slot": item.slot, "version": item.version, "why_not": why} for item, why in now["others"]]
        past = [
            {name: getattr(one, name) for name in ("at", "who", "version", "word", "reason")} for one in now["past"]
        ]
        return Response({"running": now["running"], "others": others, "update": now["update"], "past": past})

    @operation(
        shapes.Done, request={"application/octet-stream": OpenApiTypes.BINARY}, parameters=[Older],
        summary="Bring a release file: it is installed as soon as nobody charges",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        older = asked(Older, request)["allow_older"]
        try:
            reply = firmware.bring(pieces_of(request), request.user.get_username(), allow_older=older)
        except firmware.Unusable as problem:
            raise Problem(400, "value", str(problem), "Take the file of a release for this model.") from problem
        return outcome(reply, "GET firmware tells what goes on.")

    @operation(shapes.Done, summary="Cancel the update that is under way, until it is being installed")
    def delete(self, request: Request) -> Response:
        reply = ask.order("cancel_update", None, request.user.get_username())
        return outcome(reply, "GET firmware tells what goes on, and whether it can be cancelled.")


class UpdateSettings(s.Serializer):
    """Looking for updates."""

    url = s.CharField(allow_blank=True, max_length=2000, help_text="https address of the seller's list; empty: off.")
    install_at_night = s.BooleanField(default=False, help_text="Install by itself, at night, when nobody charges.")


class Version(s.Serializer):
    """Which release."""

    version = s.CharField(max_length=100)


class Updates(Endpoint):
    """Looking for updates."""

    page = "firmware"
    roles = {"GET": Role.INSTALLER, "PUT": Role.INSTALLER}

    @operation(OpenApiTypes.OBJECT, summary="Settings, when the list of updates was asked for, what it offers")
    def get(self, request: Request) -> Response:
        return Response(updates.told())

    @operation(shapes.Done, request=UpdateSettings, parameters=[shapes.DryRun], summary="Where to look for updates")
    def put(self, request: Request) -> Response:
        wanted = taken(UpdateSettings, request)
        try:
            if asked(shapes.DryRun, request)["dry_run"]:
                kept.checked(wanted)
                return shapes.would_be_taken()
            reply = updates.save(wanted, request.user.get_username())
        except Wrong as wrong:
            raise Problem(400, "value", f"url {spoken(quoted(wrong))}.", "Change this field.") from wrong
        return outcome(reply, "GET firmware/updates tells what was found.")


class UpdateLook(Endpoint):
    """A question."""

    page = "firmware"
    roles = {"POST": Role.INSTALLER}

    @operation(shapes.Done, request=None, summary="Ask for updates now; GET firmware/updates tells the answer")
    def post(self, request: Request) -> Response:
        return outcome(updates.order_look(request.user.get_username()), "Set the address of the list first.")


class UpdateInstall(Endpoint):
    """An installation."""

    page = "firmware"
    roles = {"POST": Role.INSTALLER}

    @operation(shapes.Done, request=Version, summary="Download and install what was found, as soon as nobody charges")
    def post(self, request: Request) -> Response:
        reply = updates.order_install(taken(Version, request)["version"], request.user.get_username())
        return outcome(reply, "GET firmware/updates tells what is offered.")


class FirmwareReturn(Endpoint):
    """Going back."""

    page = "firmware"
    roles = {"POST": Role.INSTALLER}

    @operation(shapes.Done, request=Slot, summary="Run another installed release again, as soon as nobody charges")
    def post(self, request: Request) -> Response:
        reply = firmware.go_back(taken(Slot, request)["slot"], request.user.get_username())
        return outcome(reply, "GET firmware tells which releases can run, and why the others cannot.")


# -- self-test and diagnostics


class SelfTest(Endpoint):
    """The newest self-test."""

    page = "selftest"
    roles = {"GET": Role.INSTALLER, "POST": Role.INSTALLER}

    @operation(OpenApiTypes.OBJECT, summary="State and checks of the newest self-test; null before the first")
    def get(self, request: Request) -> Response:
        row = models.SelfTest.objects.order_by("-id").first()
        return Response({"test": row and _told(row)})

    @operation(OpenApiTypes.OBJECT, request=None, code=202, summary="Ask for a self-test; one that waits is answered")
    def post(self, request: Request) -> Response:
        return Response({"test": _told(self_test.ask(request.user.get_username(), datetime.now(UTC)))}, status=202)


def _told(row: models.SelfTest) -> dict[str, Any]:
    return {"id": row.pk, "asked_at": row.asked_at, "by": row.asked_by, "state": row.state, **self_test.report_of(row)}


class Diagnostics(Endpoint):
    """The archive."""

    page = "diagnostics"
    roles = {"GET": Role.OPERATOR}
    renderer_classes = [JSONRenderer, ZipFile]

    @operation(_FILE, summary="Logs and state in one file, without secrets")
    def get(self, request: Request) -> HttpResponse:
        return zip_file(*firmware.archive())


# -- backup


class Backup(s.Serializer):
    """What the file is to hold."""

    parts = s.ListField(child=s.ChoiceField(list(PARTS)), default=list(PARTS))
    passphrase = s.CharField(
        allow_blank=True, default="", trim_whitespace=False,
        help_text="Encrypts the file. Without it the file holds no secrets, certificates or users.",
    )  # fmt: skip


class Restore(s.Serializer):
    """What of the file counts. The passphrase comes in the header `X-Passphrase` (percent-encoded UTF-8), never in the
    address, which ends up in logs."""

    parts = s.CharField(default="", help_text="Names with commas between; empty: all that fits.")
    takes_place = s.BooleanField(default=False, help_text="This unit takes the place of the other at the backend.")
    dry_run = s.BooleanField(default=False, help_text="Only tell what would be restored, part by part.")


class Backups(Endpoint):
    """Saving."""

    page = "backup"
    roles = {"POST": Role.INSTALLER}
    renderer_classes = [JSONRenderer, ZipFile]

    @operation(_FILE, request=Backup, summary="A backup as it is now")
    def post(self, request: Request) -> HttpResponse:
        wanted = taken(Backup, request)
        try:
            return zip_file(*backup.made(wanted["parts"], wanted["passphrase"]))
        except BackupProblem as problem:
            raise Problem(400, "value", str(problem), "Choose other parts, or give a passphrase.") from problem


class Restores(Endpoint):
    """Restoring."""

    page = "backup"
    roles = {"POST": Role.INSTALLER}
    parser_classes = [ZipPieces]

    @operation(
        OpenApiTypes.OBJECT, request={"application/zip": OpenApiTypes.BINARY},
        parameters=[Restore, OpenApiParameter("X-Passphrase", str, OpenApiParameter.HEADER)],
        summary="Restore a backup: the station starts again with it, or (dry_run) tell what would be restored",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        wanted = asked(Restore, request)
        passphrase = unquote(request.headers.get("X-Passphrase", ""))
        parts = [part.strip() for part in wanted["parts"].split(",") if part.strip()]
        wishes = (pieces_of(request), passphrase, parts, wanted["takes_place"], request.user.get_username())
        try:
            if wanted["dry_run"]:
                plan, seen = backup.looked_at(*wishes)
                return Response(
                    {"serial": seen.told.serial, "software": seen.told.software, "made_at": seen.told.made_at,
                     "holds": seen.told.parts, "would_restore": plan.parts, "same_unit": plan.same_unit,
                     "secrets": plan.secrets, "lines": [asdict(line) for line in seen.lines],
                     "changes": [asdict(change) for change in seen.changes]}
                )  # fmt: skip
            return outcome(backup.restored_from(*wishes), "GET status tells what runs.")
        except BackupProblem as problem:
            raise Problem(400, "value", str(problem), "dry_run=1 tells what a file holds.") from problem


# -- certificates and security


class NewCertificate(s.Serializer):
    """A root to be trusted."""

    kind = s.ChoiceField([CENTRAL_SYSTEM_ROOT, MANUFACTURER_ROOT])
    pem = s.CharField(max_length=20_000)


class Certificate(s.Serializer):
    """One installed certificate."""

    id = s.IntegerField()
    kind = s.CharField()
    name = s.CharField()
    issuer = s.CharField()
    serial_number = s.CharField()
    fingerprint = s.CharField()
    not_before = s.DateTimeField()
    not_after = s.DateTimeField()
    state = s.CharField()


class Certificates(Endpoint):
    """Whom the station trusts, and its own."""

    page = "certificates"
    roles = {"GET": Role.INSTALLER, "POST": Role.INSTALLER}

    @operation(Certificate, many=True, summary="Installed certificates and until when they count")
    def get(self, request: Request) -> Response:
        return Response([_shown(row) for row in models.Certificate.objects.order_by("id")])

    @operation(shapes.Done, request=NewCertificate, summary="Install a root certificate (PEM)")
    def post(self, request: Request) -> Response:
        reply = ask.order("certificate_install", taken(NewCertificate, request), request.user.get_username())
        return outcome(reply, "Give one certificate in PEM form that is valid today.")


class CertificateRequest(s.Serializer):
    """The newest request for a certificate of the station itself."""

    at = s.DateTimeField()
    by = s.CharField(help_text="Who wanted it, in words.")
    state = s.ChoiceField(list(get_args(State)))
    reason = s.CharField(allow_blank=True, help_text="Why it was given up, or what came was discarded.")


class NewestRequest(s.Serializer):
    """Null before the first."""

    request = CertificateRequest(allow_null=True)


class CertificateRequests(Endpoint):
    """SignCertificate."""

    page = "certificates"
    roles = {"GET": Role.INSTALLER, "POST": Role.INSTALLER}

    @operation(NewestRequest, summary="What became of the newest request for a certificate of its own")
    def get(self, request: Request) -> Response:
        return Response(NewestRequest({"request": security.asked()}).data)

    @operation(shapes.Done, request=None, summary="Ask the backend for a new certificate of the station itself")
    def post(self, request: Request) -> Response:
        reply = ask.order("certificate_request", None, request.user.get_username())
        return outcome(reply, "GET certificates/request tells what the one before came to.")


class OneCertificate(Endpoint):
    """One of them."""

    page = "certificates"
    roles = {"GET": Role.INSTALLER, "DELETE": Role.INSTALLER}

    @operation(Certificate, summary="One certificate")
    def get(self, request: Request, pk: int) -> Response:
        return Response(_shown(get_object_or_404(models.Certificate, pk=pk)))

    @operation(shapes.Done, summary="Remove it, also the last of its kind; what that means stands on the page")
    def delete(self, request: Request, pk: int) -> Response:
        row = get_object_or_404(models.Certificate, pk=pk)
        argument = {"kind": row.kind, "fingerprint": row.fingerprint}
        return outcome(
            ask.order("certificate_remove", argument, request.user.get_username()), "Look at the list again."
        )


def _shown(row: models.Certificate) -> dict[str, Any]:
    shown = security.row_of(row)
    names = ("name", "issuer", "serial_number", "not_before", "not_after")
    told = {name: getattr(shown.about, name) for name in names}
    return {"id": row.pk, "kind": row.kind, "fingerprint": row.fingerprint, **told, "state": str(shown.state[1])}


class SecurityEvent(s.ModelSerializer):
    """One event of the security log."""

    class Meta:
        model = models.SecurityEvent
        fields = ["seq", "type", "at", "tech_info", "delivery"]


class SecurityLog(Endpoint):
    """What happened to the security of the station."""

    page = "security_log"
    roles = {"GET": Role.INSTALLER, "DELETE": Role.INSTALLER}

    @operation(SecurityEvent, many=True, parameters=[shapes.Range], summary="Security events, newest first")
    def get(self, request: Request) -> Response:
        wanted = asked(shapes.Range, request)
        found = models.SecurityEvent.objects.order_by("-seq")
        if "before" in wanted:
            found = found.filter(seq__lt=wanted["before"])
        return Response(SecurityEvent(found[: wanted["limit"]], many=True).data)

    @operation(shapes.Done, summary="Clear it, which is a security event itself")
    def delete(self, request: Request) -> Response:
        return outcome(ask.order("security_log_clear", None, request.user.get_username()), "Try again in a moment.")


# -- what it is


class About(Endpoint):
    """What this station is."""

    page = "about"
    roles = {"GET": Role.VIEWER}

    @operation(OpenApiTypes.OBJECT, summary="Model, serial number, versions, support")
    def get(self, request: Request) -> Response:
        return Response(about.told())
