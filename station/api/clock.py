"""The clock: whose time the station has, setting it, and its time servers (station/clock/desk.py)."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from station import ask
from station.api import shapes
from station.api.operation import asked, operation, taken
from station.api.rules import Endpoint, Problem, outcome, unheard
from station.clock.servers import MOST, fits
from station.roles import Role


class Clock(s.Serializer):
    """The station's clock, and what was seen of its computer's."""

    utc = s.DateTimeField()
    synchronised = s.BooleanField(help_text="Plausible; false: a guess after the computer lost its time.")
    confirmed = s.BooleanField(help_text="Somebody told the time since the start.")
    source = s.CharField(help_text='"ntp", "backend", "phone", or empty: nobody yet.')
    by = s.CharField(help_text="The time server, or whose phone it was.")
    told_s = s.IntegerField(allow_null=True, help_text="So many seconds ago.")
    held_s = s.IntegerField(help_text="So far ahead; it goes back when the session has ended.")
    computer = s.DictField(
        allow_null=True, help_text="Time servers, battery clock, how far the system's clock is behind."
    )


class Told(s.Serializer):
    """A time, as a phone on the page Time would tell it."""

    utc = s.DateTimeField()


class Servers(s.Serializer):
    """Time servers besides those of the operating system."""

    servers = s.ListField(child=s.CharField(), max_length=MOST)


class TheClock(Endpoint):
    """Whose time the station has."""

    page = "time"
    roles = {"GET": Role.VIEWER, "POST": Role.INSTALLER}

    @operation(Clock, summary="The clock: its time, who told it, and when")
    def get(self, request: Request) -> Response:
        shown, (_, told) = ask.snapshot(), ask.clock(None, request.user.get_username())
        if shown is None:
            raise unheard()
        return Response(Clock({**shown["clock"], "computer": told and told["system"]}).data)

    @operation(shapes.Done, request=Told, summary="Set it, unless a better source has, or a session runs")
    def post(self, request: Request) -> Response:
        return _ordered(request, {"do": "phone", "utc": taken(Told, request)["utc"].isoformat()})


class TimeServers(Endpoint):
    """The time servers that people chose."""

    page = "time"
    roles = {"PUT": Role.INSTALLER}

    @operation(
        shapes.Done, request=Servers, parameters=[shapes.DryRun],
        summary="Follow these as well; on a station that rules its computer's clock",
    )  # fmt: skip
    def put(self, request: Request) -> Response:
        wanted = taken(Servers, request)
        if asked(shapes.DryRun, request)["dry_run"]:
            if odd := next((name for name in wanted["servers"] if not fits(name)), None):
                raise Problem(400, "value", f"{odd} is no host name and no address.", "Change this name.")
            return shapes.would_be_taken()
        return _ordered(request, {"do": "servers", **wanted})


def _ordered(request: Request, order: dict[str, Any]) -> Response:
    reply, told = ask.clock(order, request.user.get_username())
    if told is None:
        raise unheard()
    return outcome(reply, "GET clock tells what is.")
