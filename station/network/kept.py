"""What lasts of the network beside NetworkManager's own profiles: settings of [hotspot], [network] and the uplinks.

NetworkManager gives no secret back to a service without rights, so what was proven is kept here too, for backups.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from station import backend_settings, commissioning, provisioning
from station.models import OneTimePassword, Setting
from station.network import wish
from station.network.policy import KINDS
from station.network.profiles import Hotspot, new_hotspot
from station.network.wish import UPLINKS, UPLINKS_HERE, Wish

_FIELDS = {
    "wifi": ("ssid", "ssid_hex", "security", "key", "hidden"),
    "ethernet": ("interface", "method", "address", "gateway", "dns"),
    "mobile": ("apn", "username", "password"),
}
_PORTS = {"ws": 80, "wss": 443}


class Settings:
    """On the domain thread: the worker is the single writer."""

    def hotspot(self) -> Hotspot:
        """Of this very unit; made once."""
        ssid, passphrase = (provisioning.stored("hotspot", name) for name in ("ssid", "passphrase"))
        if ssid and passphrase:
            return Hotspot(ssid, passphrase, wpa3_only=bool(provisioning.stored("hotspot", "wpa3_only")))
        made = new_hotspot()
        with transaction.atomic():
            _store("hotspot", "ssid", made.ssid)
            _store("hotspot", "passphrase", made.passphrase)
        return made

    def order(self) -> list[str]:
        """Cable before WiFi before mobile, unless people chose otherwise."""
        return provisioning.stored("network", "order") or list(KINDS)

    def set_order(self, kinds: list[str]) -> None:
        """Keep it."""
        _store("network", "order", kinds)

    def setting_up(self) -> bool:
        """The wizard was begun and not ended by its hand-over; or nobody has chosen a password, or set a backend."""
        if provisioning.stored(commissioning.SECTION, "handover"):
            return False
        is_bare = not backend_settings.stored().get("url") or OneTimePassword.objects.exists()
        return is_bare or commissioning.begun()

    def keep_uplink(self, order: Mapping[str, Any]) -> None:
        """One WiFi and one SIM, an address for each cable."""
        kind = str(order["kind"])
        values = {name: order[name] for name in ("kind", *_FIELDS[kind]) if order.get(name)}
        with transaction.atomic():
            if kind == "ethernet":
                _store(UPLINKS_HERE, f"ethernet {order['interface']}", values)
                return
            _store(UPLINKS, kind, values)
            if kind == "mobile":
                _store(UPLINKS_HERE, "pin", str(order.get("pin") or ""))

    def uplinks(self) -> list[dict[str, Any]]:
        """As they were ordered; a SIM's PIN only where it was typed: tries are few."""
        pin = provisioning.stored(UPLINKS_HERE, "pin") or ""
        rows = Setting.objects.filter(section__in=(UPLINKS, UPLINKS_HERE)).exclude(name="pin").order_by("id")
        found = [json.loads(row.value) for row in rows]
        return [{**order, "pin": pin} if order["kind"] == "mobile" else order for order in found]

    def forget_uplinks(self) -> None:
        """And the order of the kinds."""
        with transaction.atomic():
            wish.forget_uplinks()

    def wish(self) -> Wish | None:
        """The one that waits."""
        return wish.noted()

    def wish_done(self) -> None:
        """None waits any more."""
        wish.note(None)


def backend_target() -> tuple[str, int] | None:
    """Host and port of the backend; None without one."""
    url = urlsplit(str(backend_settings.stored().get("url", "")))
    return (url.hostname, url.port or _PORTS.get(url.scheme, 443)) if url.hostname else None


def _store(section: str, name: str, value: Any) -> None:
    Setting.objects.update_or_create(section=section, name=name, defaults={"value": json.dumps(value)})
