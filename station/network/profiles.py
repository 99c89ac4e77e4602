"""Connection profiles as NetworkManager wants them (nm-settings-dbus): pure dictionaries of D-Bus variants.

Every profile of the station carries its mark in the name; a new one never replaces an old one before it is proven.
"""

from __future__ import annotations

import secrets
import sys
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any
from uuid import UUID

from station.network.rules import HOTSPOT_ADDRESS, HOTSPOT_NETWORK, Ethernet, Mobile, Static, Wanted, Wifi

Profile = dict[str, dict[str, tuple[str, Any]]]

MARK = "station "
HOTSPOT_NAME = f"{MARK}hotspot"
#: NM80211 "pmf": management frames are protected when both sides can (2), or always, as WPA3 demands (3).
_PMF_OPTIONAL, _PMF_REQUIRED = 2, 3
#: Without look-alikes (0 O, 1 I l): people type it from a label.
_SIGNS = "23456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


@dataclass(frozen=True)
class Hotspot:
    """The station's own WiFi: unique to the unit, from the random source of the system, never from serial or MAC."""

    ssid: str
    passphrase: str
    wpa3_only: bool = False


def new_hotspot() -> Hotspot:
    """For a new unit: 16 signs are 93 bits."""
    passphrase = "-".join("".join(secrets.choice(_SIGNS) for _ in range(4)) for _ in range(4))
    return Hotspot(f"charger-{secrets.token_hex(3)}", passphrase)


def kind_of(wanted: Wanted) -> str:
    """ "wifi", "ethernet" or "mobile"."""
    return type(wanted).__name__.lower()


def profile_for(wanted: Wanted, uuid: UUID, interface: str) -> Profile:
    """The profile that does what is wanted on this interface."""
    match wanted:
        case Wifi():
            made = _wifi(wanted)
        case Ethernet():
            made = {"802-3-ethernet": {}, **_addresses(wanted.static)}
        case Mobile():
            made = _mobile(wanted)
    nm_type = {"wifi": "802-11-wireless", "ethernet": "802-3-ethernet", "mobile": "gsm"}[kind_of(wanted)]
    return {"connection": _connection(f"{MARK}{kind_of(wanted)}", uuid, nm_type, interface, autoconnect=True), **made}


def hotspot_profile(hotspot: Hotspot, uuid: UUID, interface: str) -> Profile:
    """The hotspot on this interface. It starts only by order: the policy decides when."""
    security: dict[str, tuple[str, Any]] = {
        "key-mgmt": ("s", "sae" if hotspot.wpa3_only else "wpa-psk"),
        "psk": ("s", hotspot.passphrase),
        "proto": ("as", ["rsn"]),
        "pairwise": ("as", ["ccmp"]),
        "group": ("as", ["ccmp"]),
        "pmf": ("i", _PMF_REQUIRED if hotspot.wpa3_only else _PMF_OPTIONAL),
    }
    shared = {
        "method": ("s", "shared"),
        "address-data": (
            "aa{sv}",
            [{"address": ("s", HOTSPOT_ADDRESS), "prefix": ("u", HOTSPOT_NETWORK.prefixlen)}],
        ),
    }
    return {
        "connection": _connection(HOTSPOT_NAME, uuid, "802-11-wireless", interface, autoconnect=False),
        "802-11-wireless": {"ssid": ("ay", hotspot.ssid.encode()), "mode": ("s", "ap"), "band": ("s", "bg")},
        "802-11-wireless-security": security,
        "ipv4": shared,
        "ipv6": {"method": ("s", "disabled")},
    }


def _connection(
    name: str, uuid: UUID, nm_type: str, interface: str, *, autoconnect: bool
) -> dict[str, tuple[str, Any]]:
    return {
        "id": ("s", name),
        "uuid": ("s", str(uuid)),
        "type": ("s", nm_type),
        "interface-name": ("s", interface),
        "autoconnect": ("b", autoconnect),
        "autoconnect-retries": ("i", 0),  # for ever: nobody stands beside a station to press "again"
    }


def _wifi(wanted: Wifi) -> Profile:
    radio = {"ssid": ("ay", wanted.ssid), "mode": ("s", "infrastructure"), "hidden": ("b", wanted.hidden)}
    made: Profile = {"802-11-wireless": radio, **_addresses(None)}
    if wanted.security != "open":
        only_wpa3 = wanted.security == "wpa3"
        made["802-11-wireless-security"] = {
            "key-mgmt": ("s", "sae" if only_wpa3 else "wpa-psk"),
            "psk": ("s", wanted.key),
            "pmf": ("i", _PMF_REQUIRED if only_wpa3 else _PMF_OPTIONAL),
        }
    return made


def _mobile(wanted: Mobile) -> Profile:
    given = {"apn": wanted.apn, "pin": wanted.pin, "username": wanted.username, "password": wanted.password}
    return {"gsm": {name: ("s", text) for name, text in given.items() if text}, **_addresses(None)}


def _addresses(static: Static | None) -> Profile:
    if static is None:
        return {"ipv4": {"method": ("s", "auto")}, "ipv6": {"method": ("s", "auto")}}
    own = {"address": ("s", str(static.address.ip)), "prefix": ("u", static.address.network.prefixlen)}
    ipv4: dict[str, tuple[str, Any]] = {"method": ("s", "manual"), "address-data": ("aa{sv}", [own])}
    if static.gateway:
        ipv4["gateway"] = ("s", static.gateway)
    if static.dns:
        # Numbers in network byte order: "dns-data" is younger than the NetworkManager of Debian 12.
        ipv4["dns"] = ("au", [int.from_bytes(IPv4Address(server).packed, sys.byteorder) for server in static.dns])
    return {"ipv4": ipv4, "ipv6": {"method": ("s", "auto")}}
