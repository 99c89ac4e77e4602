"""What a backup would do here, part by part and setting by setting, told before anything changes."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from django.db import connection

from ocppclient.sentence import NOTHING, Sentence, quoted
from station import backup, restore, restore_apply
from station.backup import PARTS
from station.backup_file import BackupProblem, Manifest
from station.restore import Plan

#: A value is shown so far.
_LONGEST = 80
_MASKED = "•••"
#: What of a part people count; of the others the rows of their first table.
_COUNTED = {
    "settings": "SELECT (SELECT count(*) FROM station_value WHERE name LIKE 'key.%') + count(*) FROM station_setting "
    f"WHERE section NOT IN {backup.OWN_SECTIONS}"
}
#: A statement → its rows.
_Rows = Callable[[str], Iterable[Any]]


@dataclass(frozen=True)
class Line:
    """One part.

    Attributes:
        in_file: so many are in the file; None: the file does not hold this part.
        here: so many are here, and are replaced as a whole.
        why_not: why it cannot be restored here, empty when it can.
    """

    name: str
    in_file: int | None
    here: int
    why_not: Sentence


@dataclass(frozen=True)
class Change:
    """One setting or configuration key that will have another value; secrets are masked, None: not set."""

    name: str
    here: str | None
    in_file: str | None


@dataclass(frozen=True)
class _Name:
    """Of a setting, or (without a section) of a value that was changed since."""

    section: str
    name: str

    @property
    def is_secret(self) -> bool:
        return backup.is_secret(self.section, self.name) if self.section else self.name in backup.SECRET_VALUES

    def __str__(self) -> str:
        return f"[{self.section}] {self.name}" if self.section else self.name.removeprefix("key.")


@dataclass(frozen=True)
class Preview:
    """Of one file, on this station as it is now."""

    told: Manifest
    same_unit: bool
    lines: tuple[Line, ...]
    changes: tuple[Change, ...]


def of(told: Manifest, copy: Path) -> Preview:
    """Compare a backup with what is here.

    Args:
        copy: its database, as `restore.unpacked` gives it.

    Raises:
        BackupProblem: nothing in it fits this unit.
    """
    plan = restore.planned(told, (), takes_place=False, user="")
    with closing(sqlite3.connect(copy)) as database, connection.cursor() as cursor:

        def here(statement: str) -> list[Any]:
            return list(cursor.execute(statement).fetchall())

        lines = tuple(_line(name, told, database.execute, here) for name in PARTS)
        changes = tuple(_changes(plan, database.execute, here)) if "settings" in plan.parts else ()
    return Preview(told, plan.same_unit, lines, changes)


def _line(name: str, told: Manifest, in_file: _Rows, here: _Rows) -> Line:
    statement = _COUNTED.get(name, f"SELECT count(*) FROM {PARTS[name].tables[0]}")
    ((ours,),) = here(statement)
    if name not in told.parts:
        return Line(name, None, ours, Sentence("It is not in the file."))
    ((theirs,),) = in_file(statement)
    why_not = NOTHING
    try:
        restore.check_sessions(restore.planned(told, (name,), takes_place=False, user=""), running=False)
    except BackupProblem as problem:
        why_not = quoted(problem)
    return Line(name, theirs, ours, why_not)


def _changes(plan: Plan, in_file: _Rows, here: _Rows) -> Iterator[Change]:
    theirs, ours = dict(_settings(plan, in_file)), dict(_settings(plan, here))
    for name in sorted({*theirs, *ours}, key=lambda name: (name.section, name.name)):
        if ours.get(name) != theirs.get(name):
            yield Change(str(name), _shown(name, ours), _shown(name, theirs))


def _settings(plan: Plan, rows: _Rows) -> Iterator[tuple[_Name, str]]:
    """What a restore replaces."""
    for section, name, value in rows("SELECT section, name, value FROM station_setting"):
        if not restore_apply.stays(section, name, plan):
            yield _Name(section, name), _plain(value)
    for name, value in rows("SELECT name, value FROM station_value WHERE name LIKE 'key.%'"):
        if name not in restore_apply.CREDENTIAL_VALUES or (plan.takes_place and plan.secrets):
            yield _Name("", name), value


def _plain(value: str) -> str:
    found = json.loads(value)
    return found if isinstance(found, str) else value


def _shown(name: _Name, values: Mapping[_Name, str]) -> str | None:
    value = values.get(name)
    return value if value is None else _MASKED if name.is_secret else value[:_LONGEST]
