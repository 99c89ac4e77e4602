"""The backend settings as people change them: what fits, what is stored, and what a change is at.

The rules are those of the provisioning file (provision_rules.py, link.py); `[change] backend` is the state of a change.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ocppclient.sentence import Sentence, quoted
from station import provisioning
from station.models import Setting
from station.provision_file import Misfit, Provision, built, in_one
from station.provision_rules import RULES, Wrong
from station.sentences import all_unpacked

#: What people choose; the other names of [backend] (certificates, secure_url) have pages of their own or stay.
FIELDS = ("url", "charge_point_id", "security_profile", "authorization_key", "system_roots")
_CHANGE = ("change", "backend")


class Unfit(ValueError):
    """The settings cannot work; the text says why, and what to do."""


def field(name: str, value: Any) -> Any:
    """One value as it is kept; raises `Wrong` with the rest of a sentence about it."""
    return RULES["backend"][name](value, Path())


def checked(values: Mapping[str, Any]) -> tuple[dict[str, Any], Provision]:
    """All values together with everything else that is stored.

    Raises:
        Unfit: they do not work.
    """
    kept: dict[str, Any] = {}
    problems: list[Misfit] = []
    for name in FIELDS:
        try:
            kept[name] = field(name, values[name])
        except Wrong as wrong:
            problems.append(Misfit("backend", Sentence("{name} {wrong}.", name=name, wrong=quoted(wrong))))
    if not problems:
        sections = provisioning.sections()
        sections["backend"] = {**sections.get("backend", {}), **kept}
        if kept["url"] != stored().get("url"):
            sections["backend"].pop("secure_url", None)
        provision = built(sections, problems)
        if provision is not None:
            return kept, provision
    raise Unfit(in_one(problems, about="backend"))


def completed(values: Mapping[str, Any], present_key: str) -> dict[str, Any]:
    """With the present key for an empty one: only for the same backend, it is nobody else's business."""
    found = {name: values.get(name, "") for name in FIELDS}
    if not found["authorization_key"] and host(str(found["url"])) == host(str(stored().get("url", ""))):
        found["authorization_key"] = present_key
    return found


def host(url: str) -> str:
    """Whose secrets these are: name and port of the backend."""
    return urlsplit(url).netloc.lower()


def stored() -> dict[str, Any]:
    """The section as it is stored."""
    return {row.name: json.loads(row.value) for row in Setting.objects.filter(section="backend")}


def write(values: Mapping[str, Any]) -> None:
    """Replace the whole section."""
    Setting.objects.filter(section="backend").delete()
    Setting.objects.bulk_create(
        Setting(section="backend", name=name, value=json.dumps(value)) for name, value in values.items()
    )


def change() -> dict[str, Any] | None:
    """What became of the last change; None before the first.

    {"state": "on trial", "confirmed", "taken back" or "kept", "at", "by", "why", "wanted" (without the key), "former"
    (only while on trial)}
    """
    value = provisioning.stored(*_CHANGE)
    return all_unpacked(value) if isinstance(value, dict) else None


def note_change(told: Mapping[str, Any]) -> None:
    """Store it."""
    section, name = _CHANGE
    Setting.objects.update_or_create(section=section, name=name, defaults={"value": json.dumps(dict(told))})
