"""The time servers that people chose: what may stand there, and where it is kept (a setting of the section [time])."""

from __future__ import annotations

import ipaddress
import json
import re

from station import models, provisioning

_SECTION, _NAME = "time", "servers"
MOST = 4
_HOST = re.compile(r"(?!-)[A-Za-z0-9-]{1,63}(\.(?!-)[A-Za-z0-9-]{1,63})*\.?", re.ASCII)
_LONGEST = 253  # RFC 1035


def fits(name: str) -> bool:
    """A host name or an address; nothing else may reach a configuration file."""
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return len(name) <= _LONGEST and _HOST.fullmatch(name) is not None
    return "%" not in name  # the zone of an IPv6 address is free text


def chosen() -> list[str]:
    """On the domain thread, as everything below; [] leaves the choice to the operating system."""
    return provisioning.stored(_SECTION, _NAME) or []


def choose(names: list[str]) -> None:
    """Keep them."""
    models.Setting.objects.update_or_create(section=_SECTION, name=_NAME, defaults={"value": json.dumps(names)})
