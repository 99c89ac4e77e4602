"""What the generated pages have in common."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

#: The project's folder.
ROOT = Path(__file__).resolve().parents[2]


def made_from(source: str) -> str:
    """The line that keeps people from editing the page."""
    return f"<!-- made by `make docs` from {source}; do not edit -->\n"


def table(head: tuple[str, ...], rows: Iterable[tuple[str, ...]]) -> list[str]:
    """A table of Markdown."""
    return [
        f"| {' | '.join(head)} |",
        f"|{'---|' * len(head)}",
        *(f"| {' | '.join(cells)} |" for cells in rows),
    ]
