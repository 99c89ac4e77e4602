"""docs/configuration-keys.md: what GetConfiguration tells and ChangeConfiguration takes."""

from __future__ import annotations

from typing import Any

from ocppclient.configuration import KEYS, Access, Key
from station.generated_docs.page import made_from, table


def configuration_keys() -> str:
    """One row per configuration key."""
    lines = [
        "# Configuration keys",
        "",
        made_from("ocppclient/configuration.py"),
        "What GetConfiguration tells and ChangeConfiguration takes. Every change acts at once and is durable; a value "
        "that does not fit is Rejected with its reason in the why log, an unknown key is NotSupported. The factory's "
        "provisioning file may set any key in `[ocpp]`, also read-only ones and values outside the range.",
        "",
        *table(("key", "profile", "access", "default", "unit", "range", "meaning"), map(_cells, KEYS.values())),
    ]
    return "\n".join(lines) + "\n"


def _cells(key: Key[Any]) -> tuple[str, ...]:
    access = {Access.R: "read-only", Access.RW: "read and write", Access.W: "write-only"}[key.access]
    default = key.format(key.default) or "(empty)"
    return (key.name, key.profile, access, f"`{default}`", key.unit or "–", key.range_text, key.meaning)
