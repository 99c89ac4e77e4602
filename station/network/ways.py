"""The ways to the world, stage by stage and in words: what the set-up's step and its report say about the network."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.utils.translation import gettext

from station.network import trouble
from station.network.trouble import Device


def missing(told: Mapping[str, Any]) -> str:
    """The first stage that fails of what the network desk tells, with its cure; "" when the way is open.

    Stages: an interface is connected, it has a name server, the backend's host is reached (only tried when one is set).
    """
    connected = _connected(told)
    if not connected:
        return gettext("The station is in no network. Connect a cable, join a WiFi, or set the mobile network up.")
    used = [device for device in connected if device["is_default"]] or connected
    for device in trouble.without_names(used):
        text = gettext("%(interface)s has no name server (DNS): the backend cannot be found by its name. Set one.")
        return text % {"interface": device["interface"]}
    if not any(device["is_up"] for device in connected):
        text = gettext("%(way)s is connected, but the backend's host is not reached. Check its address and the router.")
        return text % {"way": _name(used[0])}
    return ""


def numbers(told: Mapping[str, Any]) -> dict[str, str]:
    """Each connected way: its addresses, whether it is in use, how strong it is, whether it reaches the backend."""
    return {_name(device): " · ".join(_about(told, device)) for device in _connected(told)}


def _about(told: Mapping[str, Any], device: Device) -> list[str]:
    modem = told["modem"] if device["kind"] == "mobile" else None
    said = [
        ", ".join(device["addresses"]),
        gettext("in use") if device["is_default"] else "",
        str((modem or device)["words"]),
        str(device["health"]),
    ]
    return [text for text in said if text]


def _connected(told: Mapping[str, Any]) -> list[Device]:
    return [device for device in told["devices"] if device["state"] == "connected" and not device["is_hotspot"]]


def _name(device: Device) -> str:
    if device["kind"] == "wifi":
        return f"WiFi {device['ssid']}"
    return gettext("Cable") if device["kind"] == "ethernet" else gettext("Mobile network")
