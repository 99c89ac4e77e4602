"""Documentation that is made from the code's own tables, so that it cannot lie: configuration keys, spec map."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ocppclient.configuration import KEYS, Access

ROOT = Path(__file__).resolve().parent.parent

_MADE = "<!-- made by `make docs` from {source}; do not edit -->\n"


def configuration_keys() -> str:
    """One row per configuration key."""
    lines = [
        "# Configuration keys",
        "",
        _MADE.format(source="ocppclient/configuration.py"),
        "What GetConfiguration tells and ChangeConfiguration takes. Every change acts at once and is durable; a value "
        "that does not fit is Rejected with its reason in the why log, an unknown key is NotSupported. The factory's "
        "provisioning file may set any key in `[ocpp]`, also read-only ones and values outside the range.",
        "",
        "| key | profile | access | default | unit | range | meaning |",
        "|---|---|---|---|---|---|---|",
    ]
    for key in KEYS.values():
        access = {Access.R: "read-only", Access.RW: "read and write", Access.W: "write-only"}[key.access]
        default = key.format(key.default) or "(empty)"
        cells = (key.name, key.profile, access, f"`{default}`", key.unit or "–", key.range_text, key.meaning)
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


#: Path below the project → the text it must have.
PAGES: dict[str, Callable[[], str]] = {
    "docs/configuration-keys.md": configuration_keys,
}
