"""Restoring a backup, first half: looked at and made ready while the station runs (docs/decisions/0008-backup.md).

The other half puts it in place at the next start: station/restore_apply.py.
"""

from __future__ import annotations

import json
import logging
import os
import secrets
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from time import time

from django.conf import settings
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext

from ocppclient.sentence import Sentence
from station import backup_file, unit
from station.backup import PARTS
from station.backup_file import BackupProblem, Manifest
from station.models import QueuedCall, Transaction

log = logging.getLogger("station.restore")

#: What waits for the next start: a folder that appears and goes as a whole.
PENDING = "restore.pending"
#: What a person is looking at, and for how long it waits for a word, seconds.
LOOKED, _KEPT_S = "restore.looked", 3600
_MIGRATION_S = 300
COPY, PLAN, _TOLD = "station.sqlite3", "plan.json", "told.json"


@dataclass(frozen=True)
class Plan:
    """What is restored.

    Attributes:
        same_unit: the backup was made by this very unit.
        takes_place: this unit takes the place of the other at the backend: its charge point id, and with the secrets
            its security profile, key and certificate. The other one must not run any more.
        secrets: the file holds them.
    """

    parts: tuple[str, ...]
    same_unit: bool
    takes_place: bool
    secrets: bool
    made_at: str
    user: str


def prepare(source: Path, passphrase: str, parts: Collection[str], takes_place: bool, user: str) -> Plan:
    """Look at a backup and make it ready for the next start; a former one that waits is replaced.

    Args:
        parts: what to restore; empty: everything that fits this unit.

    Raises:
        BackupProblem: why it cannot be restored; nothing is changed then.
    """
    plan = planned(backup_file.read_manifest(source), parts, takes_place, user)
    check_sessions(plan)
    discard()
    with unpacked(source, passphrase) as (_, copy):
        _wait(copy.parent, plan)
    return plan


@contextmanager
def unpacked(source: Path, passphrase: str) -> Iterator[tuple[Manifest, Path]]:
    """What a backup tells, and its database, checked and brought up to date, alone in a folder that goes at the end.

    Raises:
        BackupProblem: why it cannot be restored.
    """
    told = backup_file.read_manifest(source)
    with _in_words(), tempfile.TemporaryDirectory(prefix="restore-", dir=settings.DATA_DIR) as folder:
        copy = Path(folder) / "ready" / COPY
        copy.parent.mkdir()
        if backup_file.read(source, passphrase, copy) != told:
            raise BackupProblem(gettext("The file changed while it was read. Try again."))
        _check_database(copy)
        _bring_up_to_date(copy, told)
        yield told, copy


@dataclass(frozen=True)
class Looked:
    """A backup that waits for the word of a person who has seen what it would do.

    Attributes:
        told: what the file tells.
        copy: its database, checked and brought up to date.
        token: names this very look.
    """

    told: Manifest
    copy: Path
    token: str


def look(source: Path, passphrase: str) -> None:
    """Keep a backup, unpacked and checked, until somebody says the word (`choose`).

    Raises:
        BackupProblem: as `unpacked`, or nothing in it fits this unit. What was kept before is kept then.
    """
    planned(backup_file.read_manifest(source), (), takes_place=False, user="")
    with unpacked(source, passphrase) as (told, copy):
        (copy.parent / _TOLD).write_text(json.dumps({**asdict(told), "token": secrets.token_hex(8)}))
        _remove(LOOKED)
        copy.parent.rename(settings.DATA_DIR / LOOKED)


def looked() -> Looked | None:
    """What `look` keeps; without a word for an hour it is forgotten."""
    folder = settings.DATA_DIR / LOOKED
    try:
        if time() - folder.stat().st_mtime > _KEPT_S:
            forget()
            return None
        fields = json.loads((folder / _TOLD).read_text())
    except OSError:
        return None
    token = fields.pop("token")
    lists = {name: tuple(fields[name]) for name in ("parts", "migrations")}
    return Looked(Manifest(**{**fields, **lists}), folder / COPY, token)


def choose(token: str, parts: Collection[str], takes_place: bool, user: str) -> Plan:
    """What was looked at waits for the next start, as `prepare` leaves it.

    Raises:
        BackupProblem: it is another file meanwhile or none, or it cannot be restored. What was looked at stays then.
    """
    found = looked()
    if found is None or found.token != token:
        raise BackupProblem(gettext("The file is not here any more. Choose it again."))
    plan = planned(found.told, parts, takes_place, user)
    check_sessions(plan)
    discard()
    with _in_words():
        _wait(found.copy.parent, plan)
    return plan


def forget() -> None:
    """Nothing of what was looked at is kept."""
    _remove(LOOKED)


def _wait(ready: Path, plan: Plan) -> None:
    """Appear as a whole, and outlive a power cut."""
    (ready / PLAN).write_text(json.dumps(asdict(plan)))
    for path in (ready / COPY, ready / PLAN, ready):
        _sync(path)
    ready.rename(settings.DATA_DIR / PENDING)
    _sync(settings.DATA_DIR)


@contextmanager
def _in_words() -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise BackupProblem(
            gettext("The backup cannot be unpacked (%(strerror)s). Make room on the disk.")
            % {"strerror": error.strerror}
        ) from error


def discard() -> None:
    """Nothing waits any more."""
    _remove(PENDING)


def _remove(name: str) -> None:
    path = settings.DATA_DIR / name
    if path.exists():
        with tempfile.TemporaryDirectory(prefix="restore-", dir=settings.DATA_DIR) as folder:
            path.rename(Path(folder) / "old")


# -- looking


def planned(told: Manifest, parts: Collection[str], takes_place: bool, user: str) -> Plan:
    """What is restored of this backup; `parts` empty: everything that fits this unit.

    Raises:
        BackupProblem: a part is not in it or does not fit, or nothing fits.
    """
    here = unit.here()
    same = here.is_same(unit.Unit(told.unit, told.serial))
    fitting = tuple(name for name in PARTS if name in told.parts and (same or name != "sessions"))
    if foreign := set(parts) - set(told.parts):
        raise BackupProblem(
            gettext("The backup does not hold %(foreign)s; it holds %(parts)s.")
            % {"foreign": ", ".join(sorted(foreign)), "parts": ", ".join(told.parts)}
        )
    if "sessions" in parts and not same:
        raise BackupProblem(
            gettext("Sessions belong to the station that made them: another one would bill them again. Leave them out.")
        )
    chosen = tuple(name for name in fitting if name in parts) if parts else fitting
    if not chosen:
        raise BackupProblem(gettext("The backup holds nothing that this station can take."))
    return Plan(chosen, same, same or takes_place, told.encrypted, told.made_at, user)


def check_sessions(plan: Plan, *, running: bool = True) -> None:
    """Raises `BackupProblem` when (`running`) a session runs, or when sessions would be there twice."""
    if running and Transaction.objects.filter(stopped_at=None).exists():
        raise BackupProblem(Sentence("A session is running. Restore when it has ended."))
    if "sessions" in plan.parts and (Transaction.objects.exists() or QueuedCall.objects.exists()):
        raise BackupProblem(
            Sentence(
                "This station has sessions of its own. Older ones would be told to the backend twice: leave the "
                "sessions out. They are restored on a new memory card only."
            )
        )


def _check_database(path: Path) -> None:
    try:
        with closing(sqlite3.connect(path)) as copy:
            copy.execute("PRAGMA trusted_schema = OFF")
            (verdict,) = copy.execute("PRAGMA quick_check(1)").fetchone()
            kinds = {kind for (kind,) in copy.execute("SELECT DISTINCT type FROM sqlite_master").fetchall()}
    except sqlite3.Error as error:
        raise BackupProblem(gettext("The data inside the backup is damaged (%(error)s).") % {"error": error}) from error
    if verdict != "ok" or not kinds <= {"table", "index"}:  # a trigger or a view is not ours
        raise BackupProblem(gettext("The data inside the backup is damaged. Take another copy of it."))


def _bring_up_to_date(path: Path, told: Manifest) -> None:
    ours = known_migrations()
    try:
        with closing(sqlite3.connect(path)) as copy:
            rows = copy.execute("SELECT name FROM django_migrations WHERE app = 'station'").fetchall()
    except sqlite3.Error as error:
        raise BackupProblem(gettext("The data inside the backup is damaged. Take another copy of it.")) from error
    theirs = {name for (name,) in rows}
    if newer := theirs - ours:
        raise BackupProblem(
            gettext(
                "This backup was made by a newer software (%(software)s, with %(newer)s). Update this station first."
            )
            % {"software": told.software, "newer": ", ".join(sorted(newer))}
        )
    if theirs == ours:
        return
    # In a process of its own, whose data folder is the copy's: a migration may touch nothing else.
    try:
        run = subprocess.run(
            [sys.executable, "-m", "django", "migrate", "--verbosity", "0"],
            env={**os.environ, "DJANGO_SETTINGS_MODULE": "station.settings", "STATION_DATA_DIR": str(path.parent)},
            cwd=settings.BASE_DIR,
            capture_output=True,
            text=True,
            timeout=_MIGRATION_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise BackupProblem(gettext("The backup could not be brought up to date in time. Try again.")) from error
    if run.returncode != 0:
        raise BackupProblem(
            gettext("The backup of %(software)s could not be brought up to date: %(stderr)s")
            % {"software": told.software, "stderr": run.stderr[-300:]}
        )
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        copy.execute("PRAGMA journal_mode = DELETE")  # all of it in the one file
    (path.parent / "secret_key").unlink(missing_ok=True)


def known_migrations() -> set[str]:
    """Those of this software."""
    return {name for app, name in MigrationLoader(None).disk_migrations if app == "station"}


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
