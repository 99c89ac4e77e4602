"""Which unit this is: what decides whether a backup comes back to the station that made it."""

from __future__ import annotations

import json
import secrets
from dataclasses import dataclass

from station import provisioning
from station.models import Setting


@dataclass(frozen=True)
class Unit:
    """`id` is random and lies in the database; `serial` outlives a new memory card, "" when the factory gave none."""

    id: str
    serial: str

    def is_same(self, other: Unit) -> bool:
        """Both are the same box."""
        return self.id == other.id or (bool(self.serial) and self.serial == other.serial)


def here() -> Unit:
    """This one; its id is made at the first use."""
    row, _ = Setting.objects.get_or_create(
        section="station", name="unit_id", defaults={"value": json.dumps(secrets.token_hex(16))}
    )
    return Unit(str(json.loads(row.value)), serial_number())


def serial_number() -> str:
    """As it stands on the label; "" when the factory gave none."""
    identity = provisioning.sections().get("identity", {})
    return str(identity.get("serial_number") or identity.get("charge_box_serial_number") or "")
