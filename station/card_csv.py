"""The local list as CSV (RFC 4180): written for spreadsheets, read with tolerance, refused with a cure line by line."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from django.utils.translation import gettext

from ocppclient.clock import format_utc, parse_utc
from ocppclient.storable import tag_key
from ocppclient.store import IdTagEntry
from station import csv_file, local_list
from station.local_list import Unfit

COLUMNS = ("id_tag", "status", "parent_id_tag", "expiry_date", "note", "source")
MAX_LINES = 10_000
MAX_BYTES = 4 * 1024 * 1024

_SEPARATORS = (",", ";", "\t")
_LONG_NUMBER = re.compile(r"[0-9]([.,][0-9]+)?[eE]\+[0-9]+")


class UnusableFile(ValueError):
    """The file as a whole cannot be read; the text says why and what to do."""


@dataclass(frozen=True)
class Problem:
    """What is wrong in one cell; `column` is its name, or its number where it has no name."""

    column: str
    reason: str
    cure: str


@dataclass(frozen=True)
class Line:
    """One card of the file.

    Attributes:
        number: of the line in the file, from 1; a quoted cell may hold several lines.
        id_tag: as the file spells it, for people.
        fields: the columns that the file gives, with their values as in `IdTagEntry`; an empty status is left out.
        source: "" or "station" to import it, "backend" in a line of an export.
    """

    number: int
    id_tag: str
    fields: Mapping[str, Any] = field(default_factory=dict)
    source: str = ""
    problems: tuple[Problem, ...] = ()


# --- writing ---------------------------------------------------------------------------------------------------------


def write(entries: Iterable[IdTagEntry]) -> str:
    """The entries with a header, lines ended by CRLF, no cell that a spreadsheet would execute."""
    return csv_file.write(COLUMNS, map(_cells, entries))


def _cells(entry: IdTagEntry) -> tuple[str, ...]:
    expiry_date = format_utc(entry.expiry_date) if entry.expiry_date else ""
    return (entry.id_tag, entry.status, entry.parent_id_tag, expiry_date, entry.note, entry.source)


def _without_guard(cell: str) -> str:
    """What `write` made harmless, as it was."""
    cell = cell.strip(" ")
    return cell[1:] if cell.startswith("'") and csv_file.FORMULA.match(cell) else cell.strip()


# --- reading ---------------------------------------------------------------------------------------------------------


def read(data: bytes) -> list[Line]:
    """The cards of a file; the separator is a comma, a semicolon or a tab, the header may be missing.

    Raises:
        UnusableFile: it is no text in UTF-8, has no cards or too many, an unknown header, or quotes that do not close.
    """
    rows = _rows(_decoded(data))
    if not rows:
        raise UnusableFile(gettext("The file is empty. Choose a CSV file with one card per line."))
    columns = _header(rows[0][1])
    if columns is not None:
        del rows[0]
    if not rows:
        raise UnusableFile(gettext("The file holds a header but no cards. Add one card per line below it."))
    if len(rows) > MAX_LINES:
        raise UnusableFile(
            gettext(
                "The file holds %(rows)s cards; at most %(max_lines)s fit into one import. Split it into several files."
            )
            % {"rows": len(rows), "max_lines": MAX_LINES}
        )
    lines: list[Line] = []
    first_seen: dict[str, int] = {}
    for number, cells in rows:
        line = _line(number, cells, columns or COLUMNS, first_seen)
        first_seen.setdefault(tag_key(line.id_tag), number)
        lines.append(line)
    return lines


def _decoded(data: bytes) -> str:
    if len(data) > MAX_BYTES:
        raise UnusableFile(
            gettext("The file is larger than %(max_bytes)s MB. Split it into several files.")
            % {"max_bytes": MAX_BYTES // 1024 // 1024}
        )
    if data.startswith(b"PK\x03\x04"):
        raise UnusableFile(
            gettext('This is an Excel workbook, not a CSV file. Save it as "CSV UTF-8" and upload that file.')
        )
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnusableFile(
            gettext('The file is in UTF-16 ("Unicode text"). Save it as "CSV UTF-8" and upload that file.')
        )
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as problem:
        line = data.count(b"\n", 0, problem.start) + 1
        raise UnusableFile(
            gettext(
                "The file is not in UTF-8: line %(line)s holds the byte %(start)s, so it was "
                'probably saved as Latin-1 or "ANSI". Save it as "CSV UTF-8" and upload that file.'
            )
            % {"line": line, "start": f"{data[problem.start]:#04x}"}
        ) from None
    if "\x00" in text:
        raise UnusableFile(gettext("This is no text file. Choose a CSV file with one card per line."))
    return text


def _rows(text: str) -> list[tuple[int, list[str]]]:
    """The rows that hold anything, each with the number of its first line."""
    skipped, separator = 0, ""
    if named := re.match(r"sep=([,;\t])\r?\n", text, re.IGNORECASE):  # how Excel marks its files
        skipped, separator, text = 1, named[1], text[named.end() :]
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=separator or _separator(text), strict=True)
    rows: list[tuple[int, list[str]]] = []
    began = 0
    try:
        for cells in reader:
            if any(cell.strip() for cell in cells):
                rows.append((skipped + began + 1, cells))
            began = reader.line_num
    except csv.Error as problem:
        raise UnusableFile(
            gettext(
                "Line %(began)s cannot be read (%(problem)s): a quote is not closed, or stands where "
                'none belongs. Put cells with quotes into quotes and double those inside, like "the '
                '""blue"" car".'
            )
            % {"began": skipped + began + 1, "problem": problem}
        ) from None
    return rows


def _separator(text: str) -> str:
    """Told by the header; without one by the status in the second cell, else by what is most frequent."""
    first = next((line for line in text.splitlines() if line.strip()), "")
    split = {separator: [_name(cell) for cell in first.split(separator)] for separator in _SEPARATORS}
    for separator, cells in split.items():
        if "id_tag" in cells and len(cells) > 1:
            return separator
    known = {status.casefold() for status in local_list.STATUSES}
    for separator, cells in split.items():
        if len(cells) > 1 and cells[1] in known:
            return separator
    return max(_SEPARATORS, key=first.count)


def _name(cell: str) -> str:
    name = re.sub(r"[\s\-]+", "_", cell.strip().strip('"').strip().casefold())
    return {"idtag": "id_tag", "parentidtag": "parent_id_tag", "expirydate": "expiry_date"}.get(name, name)


def _header(cells: list[str]) -> tuple[str, ...] | None:
    """The columns in the order of the file; None when the first line is a card already."""
    names = [_name(cell) for cell in cells]
    while names and not names[-1]:
        names.pop()
    known = [name for name in names if name in COLUMNS]
    if "id_tag" not in known:
        if len(known) < 2:
            return None
        raise UnusableFile(gettext("The header has no column id_tag. Name the column with the card numbers so."))
    for name, cell in zip(names, cells, strict=False):
        if name not in COLUMNS:
            raise UnusableFile(
                gettext("The header names a column %(name)s that is not known. Remove it, or use one of: %(columns)s.")
                % {"name": repr(cell.strip()[:40]), "columns": ", ".join(COLUMNS)}
            )
        if names.count(name) > 1:
            raise UnusableFile(
                gettext("The header names the column %(name)s twice. Remove one of them.") % {"name": name}
            )
    return tuple(names)


def _line(number: int, cells: list[str], columns: tuple[str, ...], first_seen: Mapping[str, int]) -> Line:
    problems: list[Problem] = []
    extra = [index for index, cell in enumerate(cells) if index >= len(columns) and cell.strip()]
    if extra:
        problems.append(
            Problem(
                str(extra[0] + 1),
                gettext("The line has %(cells)s columns; %(columns)s are known.")
                % {"cells": len(cells), "columns": len(columns)},
                gettext("Put a text that holds the separator into quotes."),
            )
        )
    fields: dict[str, Any] = {}
    shown = ""
    for name, cell in zip(columns, cells, strict=False):
        text = _without_guard(cell)
        if name == "id_tag":
            shown = text[:40]
        try:
            fields[name] = _READERS[name](text)
        except Unfit as problem:
            problems.append(Problem(name, problem.reason, problem.cure))
    if "id_tag" not in columns[: len(cells)]:
        problems.append(Problem("id_tag", gettext("The card number is missing."), gettext("Give 1 to 20 characters.")))
    id_tag = fields.pop("id_tag", "")
    if id_tag and (former := first_seen.get(tag_key(id_tag))):
        reason = gettext("The card stands in line %(former)s already (upper and lower case count as the same).") % {
            "former": former
        }
        problems.append(Problem("id_tag", reason, gettext("Keep one of the two lines.")))
    if fields.get("status") == "":
        del fields["status"]
    return Line(number, id_tag or shown, fields, fields.pop("source", ""), tuple(problems))


def _id_tag(text: str) -> str:
    if _LONG_NUMBER.fullmatch(text):
        raise Unfit(
            gettext("%(text)s is a number as a spreadsheet shortens it, no card number.") % {"text": text},
            gettext("Format the column as text and enter the card number again."),
        )
    return local_list.check_id_tag(text)


def _status(text: str) -> str:
    for status in ("", *local_list.STATUSES):
        if status.casefold() == text.casefold():
            return status
    raise Unfit(
        gettext("%(text)s is no status.") % {"text": repr(text[:40])},
        gettext("Use one of: %(statuses)s.") % {"statuses": ", ".join(local_list.STATUSES)},
    )


def _expiry_date(text: str) -> datetime | None:
    try:
        return parse_utc(text) if text else None
    except ValueError:
        raise Unfit(
            gettext("%(text)s is no date.") % {"text": repr(text[:40])},
            gettext("Write it like 2026-12-31T23:59:59Z, or leave it empty."),
        ) from None


def _source(text: str) -> str:
    source = text.casefold()
    if source not in ("", *local_list.LISTED):
        raise Unfit(
            gettext("%(text)s is no source.") % {"text": repr(text[:40])}, gettext("Write station, or leave it empty.")
        )
    return source


_READERS = {
    "id_tag": _id_tag,
    "status": _status,
    "parent_id_tag": local_list.check_parent_id_tag,
    "expiry_date": _expiry_date,
    "note": local_list.check_note,
    "source": _source,
}
