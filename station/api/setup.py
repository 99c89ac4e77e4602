"""The set-up: its steps with their proofs, what is typed there, a skipped step, the hand-over."""

from __future__ import annotations

from datetime import UTC, datetime

from django.http import Http404
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from station import ask, commissioning
from station.api import shapes
from station.api.operation import asked, operation, taken
from station.api.rules import Endpoint, Problem, first_of
from station.commissioning import BY_KEY, Step
from station.roles import Role
from station.setup_forms import GRIDS
from station.views import setup as page


class Typed(s.Serializer):
    """What a person would type at a step; the fields that count depend on it."""

    language = s.CharField(required=False, help_text="language: en, de or ko.")
    time_zone = s.CharField(required=False, help_text="language: as in the tz database.")
    name = s.CharField(required=False, max_length=100, help_text="identity: how people call the station.")
    location = s.CharField(required=False, allow_blank=True, max_length=100, help_text="identity: where it stands.")
    max_current_a = s.FloatField(required=False, help_text="limits: ampere per phase, what breaker and cable allow.")
    breaker_a = s.FloatField(required=False, help_text="limits: what the breaker carries, ampere; for the report.")
    cable_a = s.FloatField(required=False, help_text="limits: what the cable carries, ampere; for the report.")
    grid = s.ChoiceField(required=False, choices=GRIDS, help_text="limits: how the mains are earthed; for the report.")


class WhySkipped(s.Serializer):
    """Why a step is skipped; it stands in the report."""

    reason = s.CharField(max_length=200)


class SetUp(Endpoint):
    """The wizard's steps."""

    page = "setup"
    roles = {"GET": Role.INSTALLER}

    @operation(OpenApiTypes.OBJECT, summary="Each step of the set-up with its verdict and numbers, as they are now")
    def get(self, request: Request) -> Response:
        evidence = commissioning.gather(request.user, ask.snapshot())
        return Response(commissioning.report(evidence, datetime.now(UTC)))


class SetUpStep(Endpoint):
    """One step at which something is typed."""

    page = "setup"
    roles = {"PUT": Role.INSTALLER}

    @operation(
        shapes.Done, request=Typed, parameters=[shapes.DryRun],
        summary="Write the step language, identity or limits; the others are proven by what the station sees",
    )  # fmt: skip
    def put(self, request: Request, key: str) -> Response:
        this, given = _step(key), taken(Typed, request)
        form = page.form_of(this, ask.snapshot(), {**given, "again": given.get("max_current_a")}, {})
        if form is None:
            sentence = "Nothing is typed at this step: it is proven by what the station sees."
            raise Problem(409, "refused", sentence, "GET setup tells what is missing.")
        if not form.is_valid():
            raise Problem(400, "value", first_of(form), "Change this field.")
        if asked(shapes.DryRun, request)["dry_run"]:
            return shapes.would_be_taken()
        commissioning.begin(datetime.now(UTC))
        if problem := page.keep(this, form.cleaned_data, request.user.get_username()):
            raise Problem(409, "refused", problem, "GET status tells what goes on.")
        return Response({"sentence": "Saved."})


class SetUpSkip(Endpoint):
    """A step without its proof."""

    page = "setup"
    roles = {"POST": Role.INSTALLER}

    @operation(shapes.Done, request=WhySkipped, summary="Skip a step, with the reason that stands in the report")
    def post(self, request: Request, key: str) -> Response:
        this, reason = _step(key), taken(WhySkipped, request)["reason"]
        if not this.may_skip:
            raise Problem(409, "refused", "This step cannot be skipped.", "GET setup tells what it needs.")
        if problem := page.skip(this, reason, request.user.get_username()):
            raise Problem(400, "value", problem, "Say it in a few words.")
        return Response({"sentence": "Skipped."})


class HandOver(Endpoint):
    """The end of the set-up."""

    page = "setup"
    roles = {"POST": Role.INSTALLER}

    @operation(shapes.Done, request=None, summary="Finish: the report is kept; refused while steps are open")
    def post(self, request: Request) -> Response:
        if problem := page.hand_over(commissioning.gather(request.user, ask.snapshot())):
            raise Problem(409, "refused", problem, "GET setup tells what each step needs.")
        return Response({"sentence": "The station is handed over."})


def _step(key: str) -> Step:
    if (found := BY_KEY.get(key)) is None:
        raise Http404
    return found
