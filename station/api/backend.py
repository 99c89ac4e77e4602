"""The backend settings: what is stored, a trial in stages, and saving with a way back (station/backend_desk.py)."""

from __future__ import annotations

from typing import Any

from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from station import ask, backend_settings, present
from station.api import shapes
from station.api.operation import asked, operation, taken
from station.api.rules import Endpoint, Problem, outcome
from station.provision_rules import Wrong
from station.roles import Role


class Settings(s.Serializer):
    """As the operator's data sheet says it."""

    url = s.CharField(allow_blank=True, max_length=500, help_text="ws:// or wss://, without the charge point id.")
    charge_point_id = s.CharField(allow_blank=True, max_length=48)
    security_profile = s.ChoiceField([0, 1, 2, 3], default=0)
    authorization_key = s.CharField(
        allow_blank=True, default="", max_length=1000, trim_whitespace=False,
        help_text="Left out or empty: the stored one, if host and port stay the same.",
    )  # fmt: skip
    system_roots = s.BooleanField(default=False)


class Wanted(Settings):
    """Settings to be kept."""

    unproven = s.BooleanField(default=False, help_text="Keep them without the backend's acceptance.")


class Backend(Endpoint):
    """The settings and their last change."""

    page = "backend"
    roles = {"GET": Role.INSTALLER, "PUT": Role.INSTALLER}

    @operation(OpenApiTypes.OBJECT, summary="Settings without the key, the last change, the last trial")
    def get(self, request: Request) -> Response:
        stored = backend_settings.stored()
        key = bool(stored.get("authorization_key"))
        shown = {name: stored.get(name) for name in backend_settings.FIELDS if name != "authorization_key"}
        change = backend_settings.change()
        told = {name: change[name] for name in ("state", "at", "by", "why")} if change else None
        trial = ask.trial(None, request.user.get_username())[1]
        return Response({"settings": {**shown, "has_key": key}, "change": told, "trial": trial})

    @operation(
        shapes.Done,
        request=Wanted,
        parameters=[shapes.DryRun],
        summary="Save; the former ones come back unless the backend accepts the station",
    )
    def put(self, request: Request) -> Response:
        wanted = taken(Wanted, request)
        unproven = wanted.pop("unproven")
        if wanted["url"] and wanted["security_profile"] < present.configuration().security_profile:
            sentence = "A program cannot lower the security profile."
            raise Problem(403, "role", sentence, "Do it on the page Backend, which asks for your password.")
        values = _fitting(wanted)
        if asked(shapes.DryRun, request)["dry_run"]:
            return _judged(values)
        argument = {"values": values, "unproven": unproven}
        return outcome(ask.order("backend", argument, request.user.get_username()), "Try the settings first.")


class BackendTrial(Endpoint):
    """A trial beside the running link."""

    page = "backend"
    roles = {"POST": Role.INSTALLER}

    @operation(shapes.Done, request=Settings, summary="Try them stage by stage; GET backend tells how far it is")
    def post(self, request: Request) -> Response:
        reply, _ = ask.trial(_fitting(taken(Settings, request)), request.user.get_username())
        return outcome(ask.Reply(reply.ok, reply.text or "The trial has begun.", reply.heard), "Change the settings.")


def _judged(values: dict[str, Any]) -> Response:
    key = str(present.configuration().authorization_key)
    try:
        backend_settings.checked(backend_settings.completed(values, key))
    except backend_settings.Unfit as unfit:
        raise Problem(409, "refused", str(unfit), "Try the settings first.") from unfit
    return shapes.would_be_taken()


def _fitting(wanted: dict[str, Any]) -> dict[str, Any]:
    for name in ("url", "charge_point_id", "authorization_key"):
        try:
            wanted[name] = backend_settings.field(name, wanted[name])
        except Wrong as wrong:
            raise Problem(400, "value", f"{name} {wrong}.", "Change this field.") from wrong
    return wanted
