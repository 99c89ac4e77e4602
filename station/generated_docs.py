"""Documentation that is made from the code's own tables, so that it cannot lie: configuration keys, faults."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ocppclient.configuration import KEYS, Access
from station.faults import TABLE

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


def faults() -> str:
    """One row per fault."""
    lines = [
        "# Faults",
        "",
        _MADE.format(source="station/faults.py"),
        "What the hardware may report, in the words of the pages and of StatusNotification. A fault that makes energy "
        "impossible (status Faulted) suspends a running session at once and ends it after the time given here, at once "
        "when the board has given up trying again. The others are warnings: the status stays, the session goes on.",
        "",
        "| fault | on the pages | errorCode | vendorErrorCode | connector | ends a session after | reason | cure |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for code, words in TABLE.items():
        cells = (
            f"`{code}`", words.title, words.error_code, words.vendor_error_code or "–", str(words.connector_id),
            f"{words.stop_after_s:.0f} s", words.stop_reason, words.cure,
        )  # fmt: skip
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


#: Path below the project → the text it must have.
PAGES: dict[str, Callable[[], str]] = {
    "docs/configuration-keys.md": configuration_keys,
    "docs/faults.md": faults,
}
