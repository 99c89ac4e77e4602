"""CSV that a spreadsheet can open without running anything in it: RFC 4180, or as Excel likes it."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime
from enum import StrEnum

from django.http import HttpRequest, HttpResponse

#: A spreadsheet takes what starts so for a formula (also in the full width of East Asian keyboards).
FORMULA = re.compile(r"'*[=+\-@\t\r＝＋－＠]")


Cell = str | int | float | None


class Style(StrEnum):
    """RFC4180: commas between cells, points in numbers. EXCEL: opens with a double click where numbers have a decimal
    comma (German and most of Europe): semicolons, commas in numbers, and a mark that the text is UTF-8."""

    RFC4180 = "rfc4180"
    EXCEL = "excel"

    @classmethod
    def of(cls, request: HttpRequest) -> Style:
        """What `?style=` of the address asks for."""
        return cls.EXCEL if request.GET.get("style") == cls.EXCEL else cls.RFC4180


def write(columns: Sequence[str], rows: Iterable[Iterable[Cell]], style: Style = Style.RFC4180) -> str:
    """A header and rows, lines ended by CRLF; a text that a spreadsheet would run gets an apostrophe before it.

    Numbers stay numbers (a negative one is no formula), None is an empty cell.
    """
    text = io.StringIO(newline="")
    if style is Style.EXCEL:
        text.write("\ufeff")
    writer = csv.writer(text, lineterminator="\r\n", delimiter=";" if style is Style.EXCEL else ",")
    writer.writerow(columns)
    for row in rows:
        writer.writerow(_cell(cell, style) for cell in row)
    return text.getvalue()


def _cell(cell: Cell, style: Style) -> Cell:
    if isinstance(cell, str):
        return f"'{cell}" if FORMULA.match(cell) else cell
    return str(cell).replace(".", ",") if style is Style.EXCEL and isinstance(cell, float) else cell


def download(name: str, text: str) -> HttpResponse:
    """As a file called `name` and the day of today (UTC)."""
    return HttpResponse(
        text,
        content_type="text/csv; charset=utf-8",
        headers={"Content-Disposition": f'attachment; filename="{name}-{datetime.now(UTC):%Y-%m-%d}.csv"'},
    )
