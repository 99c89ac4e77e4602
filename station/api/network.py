"""The network: what is, changes that prove themselves, hotspot, order of the uplinks (station/network/desk.py)."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from drf_spectacular.types import OpenApiTypes
from rest_framework import serializers as s
from rest_framework.request import Request
from rest_framework.response import Response

from station import ask
from station.api import shapes
from station.api.operation import asked, operation, taken
from station.api.rules import Endpoint, Problem, outcome, unheard
from station.network import rules
from station.network.policy import KINDS
from station.roles import Role, role_of
from station.views.network import arrived_at


class Change(s.Serializer):
    """What a person would type on the page; which fields count depends on `kind`."""

    kind = s.ChoiceField(list(KINDS))
    ssid = s.CharField(required=False, trim_whitespace=False, help_text="wifi: its name.")
    ssid_hex = s.CharField(required=False, help_text="wifi: its name as bytes, as `cells` tells it.")
    security = s.ChoiceField(list(rules.SECURITIES), required=False, help_text="wifi")
    key = s.CharField(required=False, trim_whitespace=False, help_text="wifi: its password.")
    hidden = s.BooleanField(required=False, help_text="wifi: it does not tell its name.")
    interface = s.CharField(required=False, help_text="ethernet")
    method = s.ChoiceField(["auto", "manual"], required=False, help_text="ethernet: DHCP or fixed.")
    address = s.CharField(required=False, help_text="ethernet: with the length of its network, 192.168.1.20/24.")
    gateway = s.CharField(required=False, help_text="ethernet")
    dns = s.CharField(required=False, help_text="ethernet: name servers.")
    apn = s.CharField(required=False, help_text="mobile")
    pin = s.CharField(required=False, help_text="mobile: of the SIM.")
    username = s.CharField(required=False, help_text="mobile: of the APN.")
    password = s.CharField(required=False, trim_whitespace=False, help_text="mobile: of the APN.")


class Confirmation(s.Serializer):
    """Keep the change that is on trial."""

    token = s.CharField(required=False, help_text="Of `change`; counts when this call arrives by the new path.")
    unproven = s.BooleanField(required=False, help_text="Keep it without that proof.")


class Order(s.Serializer):
    """Kinds of networks, the most wanted first."""

    kinds = s.ListField(child=s.ChoiceField(list(KINDS)), min_length=len(KINDS), max_length=len(KINDS))


class Hotspot(s.Serializer):
    """The station's own WiFi."""

    open = s.BooleanField(help_text="True opens it for 15 minutes.")


class Network(Endpoint):
    """The picture."""

    page = "network"
    roles = {"GET": Role.VIEWER}

    @operation(OpenApiTypes.OBJECT, summary="Interfaces, WiFis that are heard, modem, hotspot, the change on trial")
    def get(self, request: Request) -> Response:
        told = _ask(None, request)[1]
        if told is None:
            raise unheard()
        if role_of(request.user) < Role.INSTALLER:
            for part, secret in (("hotspot", "passphrase"), ("change", "token")):
                if told[part]:
                    told[part] = {**told[part], secret: ""}
        return Response(told)


class NetworkChange(Endpoint):
    """One change under a checkpoint."""

    page = "network"
    roles = {"POST": Role.INSTALLER, "PUT": Role.INSTALLER, "DELETE": Role.INSTALLER}

    @operation(
        shapes.Done, request=Change, parameters=[shapes.DryRun],
        summary="Try it; without a confirmation it is taken back within 90 s",
    )  # fmt: skip
    def post(self, request: Request) -> Response:
        change = taken(Change, request)
        try:
            rules.wanted(change)
        except rules.Unfit as unfit:
            raise Problem(400, "value", f"{unfit.field}: {unfit}", "Change this field.") from unfit
        if asked(shapes.DryRun, request)["dry_run"]:
            return shapes.would_be_taken()
        return _ordered(request, {"do": "change", **change})

    @operation(shapes.Done, request=Confirmation, summary="Keep it: proven by the path of this call, or unproven")
    def put(self, request: Request) -> Response:
        given = taken(Confirmation, request)
        if given.get("unproven"):
            return _ordered(request, {"do": "keep anyway"})
        return _ordered(request, {"do": "keep", "token": given.get("token", ""), "local": arrived_at(request._request)})

    @operation(shapes.Done, summary="Take it back now")
    def delete(self, request: Request) -> Response:
        return _ordered(request, {"do": "take back"})


class NetworkScan(Endpoint):
    """Listening for WiFis."""

    page = "network"
    roles = {"POST": Role.INSTALLER}

    @operation(shapes.Done, request=None, summary="Listen for WiFis; they show in the picture within seconds")
    def post(self, request: Request) -> Response:
        return _ordered(request, {"do": "scan"})


class NetworkOrder(Endpoint):
    """Which uplink is preferred."""

    page = "network"
    roles = {"PUT": Role.INSTALLER}

    @operation(shapes.Done, request=Order, summary="Prefer the networks in this order")
    def put(self, request: Request) -> Response:
        return _ordered(request, {"do": "order", **taken(Order, request)})


class NetworkHotspot(Endpoint):
    """The hotspot by order."""

    page = "network"
    roles = {"PUT": Role.INSTALLER}

    @operation(shapes.Done, request=Hotspot, summary="Open the hotspot for 15 minutes, or let it close")
    def put(self, request: Request) -> Response:
        return _ordered(request, {"do": "hotspot", **taken(Hotspot, request)})


def _ordered(request: Request, order: dict[str, Any]) -> Response:
    return outcome(_ask(order, request)[0], "GET network tells what is; `change` is the one on trial.")


def _ask(order: dict[str, Any] | None, request: Request) -> tuple[ask.Reply, dict[str, Any] | None]:
    if not settings.NETWORK:
        sentence = "This station does not rule the network of its computer."
        raise Problem(409, "refused", sentence, "Set it up with the means of the operating system.")
    return ask.network(order, request.user.get_username())
