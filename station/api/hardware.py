"""The devices: what is chosen, another choice with all rules of the page, one of them tried, a restart."""

from __future__ import annotations

from typing import Any

from django import forms
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from station import ask, in_force
from station.api import shapes
from station.api.operation import asked, operation, taken
from station.api.rules import Endpoint, Problem, first_of, outcome
from station.hardware_form import HardwareForm
from station.roles import Role
from station.views import hardware as page


class Devices(s.Serializer):
    """The fields of the page Hardware; what is left out stays as it is. `GET` tells which names there are."""

    def get_fields(self) -> dict[str, Any]:
        """From the form, which judges them."""
        return {name: _field(field) for name, field in HardwareForm().fields.items()}


class Trial(Devices):
    """One device, tried with these settings."""

    def get_fields(self) -> dict[str, Any]:
        """Which, and the settings."""
        return {"device": s.ChoiceField(list(page.DEVICES)), **super().get_fields()}


def _field(field: forms.Field) -> s.Field[Any, Any, Any, Any]:
    if isinstance(field, forms.IntegerField) or getattr(field, "coerce", None) is int:
        return s.IntegerField(required=False)
    return s.CharField(required=False, allow_blank=True, max_length=500)


class Settings(Endpoint):
    """Board, meter, reader, panel and their ports."""

    page = "hardware"
    roles = {"GET": Role.INSTALLER, "PUT": Role.INSTALLER}

    @operation(OpenApiTypes.OBJECT, summary="The devices, the names that each field takes, whether a start is needed")
    def get(self, request: Request) -> Response:
        choices = {
            name: [value for value, _ in field.choices]
            for name, field in HardwareForm().fields.items()
            if hasattr(field, "choices")
        }
        told = {"settings": page.stored(), "choices": choices, "waits_for_start": in_force.wait_for_start()}
        return Response(told)

    @operation(
        shapes.Done, request=Devices, parameters=[shapes.DryRun],
        summary="Save other devices; the station starts again with them, not during a session",
    )  # fmt: skip
    def put(self, request: Request) -> Response:
        form = _judged(taken(Devices, request))
        if asked(shapes.DryRun, request)["dry_run"]:
            return shapes.would_be_taken()
        try:
            return Response({"sentence": page.save(form, request.user.get_username()).text})
        except page.NotNow as problem:
            raise _not_now(problem) from problem


class Probe(Endpoint):
    """A device on its port."""

    page = "hardware"
    roles = {"POST": Role.INSTALLER}

    @operation(OpenApiTypes.OBJECT, request=Trial, summary="Try one device for up to 3 s; nothing is saved, no energy")
    def post(self, request: Request) -> Response:
        wanted = taken(Trial, request)
        form = _judged({name: value for name, value in wanted.items() if name != "device"})
        try:
            found = page.tried(wanted["device"], form)
        except page.NotNow as problem:
            raise _not_now(problem) from problem
        return Response({"heard": found.heard, "sentence": found.sentence})


class Restart(Endpoint):
    """What is stored counts from the next start."""

    page = "hardware"
    roles = {"POST": Role.INSTALLER}

    @operation(shapes.Done, request=None, summary="Start the station's software again, not during a session")
    def post(self, request: Request) -> Response:
        return outcome(ask.order("apply", None, request.user.get_username()), "Try again when the session has ended.")


def _judged(given: dict[str, Any]) -> HardwareForm:
    form = HardwareForm({**HardwareForm(initial=page.stored()).initial, **given})
    if not form.is_valid():
        raise Problem(400, "value", first_of(form), "Change this field; GET hardware/settings tells what it takes.")
    return form


def _not_now(problem: page.NotNow) -> Problem:
    return Problem(409, "refused", str(problem), "Change the devices when the session has ended.")
