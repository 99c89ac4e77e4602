"""CSV (RFC 4180) that a spreadsheet can open without running anything in it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

from django.http import HttpResponse

#: A spreadsheet takes what starts so for a formula (also in the full width of East Asian keyboards).
FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")


def write(columns: Sequence[str], rows: Iterable[Iterable[str | int | float | None]]) -> str:
    """A header and rows, lines ended by CRLF; a text that a spreadsheet would run gets an apostrophe before it.

    Numbers stay numbers (a negative one is no formula), None is an empty cell.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text, lineterminator="\r\n")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(f"'{cell}" if isinstance(cell, str) and FORMULA.match(cell) else cell for cell in row)
    return text.getvalue()


def download(name: str, text: str) -> HttpResponse:
    """As a file called `name` and the day of today (UTC)."""
    return HttpResponse(
        text,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{datetime.now(UTC):%Y-%m-%d}.csv"'},
    )
