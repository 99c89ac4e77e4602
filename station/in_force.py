"""Settings that count from the next start of the station only: whether any of them wait for it."""

from __future__ import annotations

import hashlib
import json

from station import provisioning
from station.models import Value

VALUE = "settings.in_force"
#: Sections of the provisioning file that are read at the start alone.
SECTIONS = ("hardware", "factory")


def stored() -> str:
    """What is stored of them now; no secret can be read from it."""
    found = provisioning.sections()
    text = json.dumps([found.get(section, {}) for section in SECTIONS], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()


def wait_for_start() -> bool:
    """The station runs with others than those that are stored."""
    row = Value.objects.filter(name=VALUE).first()
    return row is not None and row.value != stored()
