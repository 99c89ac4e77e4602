"""What lasts of the network beside NetworkManager's own profiles: settings of the sections [hotspot] and [network]."""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import urlsplit

from django.db import transaction

from station import backend_settings, commissioning, provisioning
from station.models import OneTimePassword, Setting
from station.network.policy import KINDS
from station.network.profiles import Hotspot, new_hotspot

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


def backend_target() -> tuple[str, int] | None:
    """Host and port of the backend; None without one."""
    url = urlsplit(str(backend_settings.stored().get("url", "")))
    return (url.hostname, url.port or _PORTS.get(url.scheme, 443)) if url.hostname else None


def _store(section: str, name: str, value: Any) -> None:
    Setting.objects.update_or_create(section=section, name=name, defaults={"value": json.dumps(value)})
