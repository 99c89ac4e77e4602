"""Opening the database of the station: checked, migrated (after a copy), and with the guarantees read back."""

from __future__ import annotations

import json
import logging
import os
import sqlite3
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path

from django.core.management import call_command
from django.db import DatabaseError, connection, transaction
from django.db.migrations.executor import MigrationExecutor

from station import releases
from station.errors import EX_CANTCREAT, EX_DATAERR, StartupError
from station.store import DjangoStore
from station.transfer.part import sync_folder

log = logging.getLogger("station.database")

#: Names the copy that a release on trial made before it changed the tables; removed when the trial is over.
_TRIAL = "trial.json"

#: Copies made before migrations that are kept.
COPIES_KEPT = 3


def open_store() -> DjangoStore:
    """Open the database of DATA_DIR in the thread that will own it: call it in the domain's thread, at start-up.

    Raises:
        StartupError: 73 it cannot be created or written, or the disk does not keep SQLite's guarantees; 65 it is
            damaged, or was written by a newer software. Nothing is written in these cases.
    """
    path = Path(connection.settings_dict["NAME"])
    check_file(path)
    migrate(path)
    with connection.cursor() as cursor:
        (journal,) = cursor.execute("PRAGMA journal_mode").fetchone()
        (synchronous,) = cursor.execute("PRAGMA synchronous").fetchone()
    if (journal, synchronous) != ("wal", 2):
        raise StartupError(
            f"The disk of {path} does not give what charging transactions need: SQLite answers journal_mode={journal}, "
            f"synchronous={synchronous} instead of wal and 2. Put STATION_DATA_DIR on a local disk (no network share).",
            EX_CANTCREAT,
        )
    return DjangoStore()


def check_file(path: Path) -> None:
    """Look at the file before anything writes it: it can be made or written, and SQLite finds no damage in it.

    Raises:
        StartupError: see `open_store`.
    """
    try:
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise StartupError(
            f"The database {path} cannot be made or written ({error.strerror}). Check STATION_DATA_DIR and its rights.",
            EX_CANTCREAT,
        ) from error
    if path.stat().st_size == 0:
        return
    try:
        with closing(sqlite3.connect(path, timeout=5)) as database:
            (verdict,) = database.execute("PRAGMA quick_check(1)").fetchone()
    except sqlite3.OperationalError as error:  # locked, or the disk
        raise StartupError(f"The database {path} cannot be opened ({error}).", EX_CANTCREAT) from error
    except sqlite3.DatabaseError as error:
        verdict = str(error)
    if verdict != "ok":
        raise StartupError(
            f"The database {path} is damaged ({verdict}). It was not touched. Put a backup in its place, or move it "
            "(with its -wal and -shm files) to a safe place and start again: the station then begins empty.",
            EX_DATAERR,
        )


def migrate(path: Path) -> None:
    """Bring the tables up to date; a database that holds something is copied first (`….before-<time>`).

    Raises:
        StartupError: 65 the tables come from a newer software, or a migration failed (the copy is named then);
            73 the copy cannot be made.
    """
    on_trial = (ours_here := releases.here()) is not None and ours_here.facts().on_trial
    executor, ours, applied = _migrations()
    if applied - ours and not on_trial and _undo_trial(path):
        executor, ours, applied = _migrations()
    if not on_trial:
        forget_trial(path.parent)
    if applied - ours:
        raise StartupError(
            f"The database {path} was written by a newer software (it has {', '.join(sorted(applied - ours))}). "
            "Install that software again, or put the copy from before its installation in its place.",
            EX_DATAERR,
        )
    if not executor.migration_plan(executor.loader.graph.leaf_nodes()):
        return
    copy = _copy(path) if applied else None
    if copy and on_trial:
        _remember_trial(copy)
    try:
        # One transaction for all of it: Django records a migration after its own commit, and a power cut between the
        # two would leave tables that the next start wants to make again.
        with connection.constraint_checks_disabled(), transaction.atomic():
            call_command("migrate", verbosity=0, interactive=False)
    except DatabaseError as error:
        cure = f" The copy from before is {copy}." if copy else ""
        raise StartupError(
            f"The database {path} could not be brought up to date ({error}).{cure}", EX_DATAERR
        ) from error
    log.info(
        "database %s%s", "brought up to date" if applied else "made", f", copy kept in {copy.name}" if copy else ""
    )


def _migrations() -> tuple[MigrationExecutor, set[str], set[str]]:
    """What plans migrations, those of this software, and those the tables have seen."""
    executor = MigrationExecutor(connection)
    ours = {name for app, name in executor.loader.disk_migrations if app == "station"}
    applied = {name for app, name in executor.loader.applied_migrations if app == "station"}
    return executor, ours, applied


def _remember_trial(copy: Path) -> None:
    draft = copy.with_name(f"{_TRIAL}.new")
    with draft.open("w") as file:
        json.dump({"copy": copy.name}, file)
        file.flush()
        os.fsync(file.fileno())
    draft.rename(copy.with_name(_TRIAL))
    sync_folder(copy.parent)


def forget_trial(folder: Path) -> None:
    """No release is on trial any more: what it did to the tables stays."""
    (folder / _TRIAL).unlink(missing_ok=True)


def _undo_trial(path: Path) -> bool:
    """A newer release changed the tables in a trial that it failed: bring back the tables from before.

    Nothing is lost by it: while a release is on trial nobody can charge, and the queue waits (`firmware.py`).
    """
    try:
        name = str(json.loads((path.parent / _TRIAL).read_text())["copy"])
    except (OSError, ValueError, KeyError):
        return False
    copy = path.parent / Path(name).name
    if not copy.is_file():
        return False
    connection.close()
    with closing(sqlite3.connect(path)) as newer:  # everything into the one file: its log must not meet the other one
        newer.execute("PRAGMA journal_mode=DELETE")
    kept = path.with_name(f"{path.name}.failed")
    kept.unlink(missing_ok=True)
    os.link(path, kept)
    copy.replace(path)  # this is the moment
    sync_folder(path.parent)
    log.warning("A newer release failed its trial: the database from before is back, the other one is %s", kept.name)
    return True


def _copy(path: Path) -> Path:
    """A consistent copy beside the database; only the newest COPIES_KEPT stay."""
    target = path.with_name(f"{path.name}.before-{datetime.now(UTC):%Y%m%dT%H%M%S}")
    try:
        os.close(os.open(target, os.O_RDWR | os.O_CREAT, 0o600))
        with closing(sqlite3.connect(path)) as source, closing(sqlite3.connect(target)) as copy:
            source.backup(copy)
    except (OSError, sqlite3.Error) as error:
        target.unlink(missing_ok=True)
        raise StartupError(
            f"No copy of the database could be made before its update ({error}). Make room on the disk, start again.",
            EX_CANTCREAT,
        ) from error
    for old in sorted(path.parent.glob(f"{path.name}.before-*"))[:-COPIES_KEPT]:
        old.unlink()
    return target
