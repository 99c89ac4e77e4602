"""What is kept about updates: whether they are looked for and where, and what was found (pages, alerts, metrics)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import transaction

from station import provisioning
from station.models import Setting, Value
from station.provision_file import UpdateSettings
from station.provision_rules import RULES
from station.sentences import unpacked
from station.updates.published import Offer

#: Written by the desk (station/updates/desk.py) alone.
VALUE = "updates"
_SECTION = "updates"


@dataclass(frozen=True)
class Found:
    """What became of looking.

    Attributes:
        address: who was asked; "": nobody.
        asked_at, answered_at: UTC text of the last question, and of the last list that was believed; "" for never.
        made: of that list.
        problem: why the last question failed, packed; "" when it did not.
        offer: what is newer than what runs.
        job: uid of the question that is under way.
        tried: SHA-256 of what was installed by itself; that is done once.
    """

    address: str = ""
    asked_at: str = ""
    answered_at: str = ""
    made: str = ""
    problem: str = ""
    offer: Offer | None = None
    job: str = ""
    tried: str = ""

    @property
    def why(self) -> str:
        """The problem as a sentence."""
        return unpacked(self.problem)


def from_text(text: str) -> Found:
    """What was kept ("": nothing yet)."""
    told = json.loads(text) if text else {}
    return Found(**{**told, "offer": offer_of(told.get("offer"))})


def offer_of(told: Mapping[str, Any] | None) -> Offer | None:
    """An offer that went through JSON."""
    return Offer(**{**told, "models": tuple(told["models"])}) if told else None


def found() -> Found:
    """For pages."""
    row = Value.objects.filter(name=VALUE).first()
    return from_text(row.value if row else "")


def chosen() -> UpdateSettings:
    """What people want."""
    return UpdateSettings(**provisioning.sections().get(_SECTION, {}))


def checked(values: Mapping[str, Any]) -> dict[str, Any]:
    """As they would be stored.

    Raises:
        Wrong: a value cannot be used.
    """
    return {name: RULES[_SECTION][name](value, Path()) for name, value in values.items()}


def choose(values: Mapping[str, Any]) -> None:
    """Store what people want; the worker is to be told.

    Raises:
        Wrong: a value cannot be used; nothing is stored then.
    """
    fitting = checked(values)
    with transaction.atomic():
        for name, value in fitting.items():
            Setting.objects.update_or_create(section=_SECTION, name=name, defaults={"value": json.dumps(value)})
