"""What the charts of the pages draw: power, and what the profiles allow."""

from __future__ import annotations

from django.shortcuts import get_object_or_404
from rest_framework.request import Request
from rest_framework.response import Response

from station.api import shapes
from station.api.operation import asked, operation
from station.api.rules import Endpoint
from station.models import Transaction
from station.roles import Role
from station.views.pages import power
from station.views.profiles import curves
from station.views.sessions import power_of


class Power(Endpoint):
    """The chart of the dashboard."""

    page = "dashboard"
    roles = {"GET": Role.VIEWER}

    @operation(shapes.Chart, parameters=[shapes.Hours], summary="Mean power of the last hours in W")
    def get(self, request: Request) -> Response:
        return Response(power(asked(shapes.Hours, request)["hours"]))


class SessionPower(Endpoint):
    """Its chart."""

    page = "transactions"
    roles = {"GET": Role.VIEWER}

    @operation(shapes.Chart, summary="Power over one session in W: as measured, or means between its meter values")
    def get(self, request: Request, pk: int) -> Response:
        return Response(power_of(get_object_or_404(Transaction, pk=pk)))


class Outlooks(Endpoint):
    """The chart of the profiles."""

    page = "profiles"
    roles = {"GET": Role.VIEWER}

    @operation(shapes.Chart, parameters=[shapes.Span], summary="What the profiles allow in the coming hours")
    def get(self, request: Request) -> Response:
        wanted = asked(shapes.Span, request)
        return Response(curves(wanted["hours"], wanted["unit"]))
