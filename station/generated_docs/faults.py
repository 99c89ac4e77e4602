"""docs/faults.md: what the hardware may report, and what follows."""

from __future__ import annotations

from station.faults import TABLE
from station.generated_docs.page import made_from, table


def faults() -> str:
    """One row per fault."""
    lines = [
        "# Faults",
        "",
        made_from("station/faults.py"),
        "What the hardware may report, in the words of the pages and of StatusNotification. A fault that makes energy "
        "impossible (status Faulted) suspends a running session at once and ends it after the time given here, at once "
        "when the board has given up trying again. The others are warnings: the status stays, the session goes on.",
        "",
        *table(
            (
                *("fault", "on the pages", "errorCode", "vendorErrorCode", "connector", "ends a session after"),
                *("reason", "cure"),
            ),
            (
                (
                    *(f"`{code}`", words.title, words.error_code, words.vendor_error_code or "–"),
                    *(str(words.connector_id), f"{words.stop_after_s:.0f} s", words.stop_reason, words.cure),
                )
                for code, words in TABLE.items()
            ),
        ),
    ]
    return "\n".join(lines) + "\n"
