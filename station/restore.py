"""Restoring a backup: made ready while the station runs, put in place by one transaction at its next start.

So a power cut leaves the old state or the new one. What stays this unit's own: docs/decisions/0008-backup.md.
"""

from __future__ import annotations

import json
import logging
import os
import shutil
import sqlite3
import subprocess
import sys
import tempfile
from collections.abc import Collection
from contextlib import closing
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction
from django.db.migrations.loader import MigrationLoader
from django.utils.translation import gettext

from station import backup, backup_file, provisioning, unit
from station.backup import PARTS
from station.backup_file import BackupProblem, Manifest
from station.errors import StartupError
from station.models import Certificate, QueuedCall, Setting, Transaction
from station.network import wish
from station.network.wish import Wish
from station.provision_rules import RULES, Wrong

log = logging.getLogger("station.restore")

#: What waits for the next start: a folder that appears and goes as a whole.
PENDING = "restore.pending"
_MIGRATION_S = 300
_COPY, _PLAN = "station.sqlite3", "plan.json"
#: Of another unit, these stay as they are here: what the box is and how it is wired.
_OF_THE_BOX = {
    "identity": ("serial_number", "charge_box_serial_number", "meter_serial_number", "iccid", "imsi"),
    "hardware": None,
    "electrical": None,
    "hotspot": None,
    wish.UPLINKS_HERE: None,
}
#: What hangs on users; sign-ins and access tokens end with them.
OF_USERS = (
    "django_session",
    "django_admin_log",
    "station_apitoken",
    "station_onetimepassword",
    "auth_user_groups",
    "auth_user_user_permissions",
)
_CREDENTIALS = ("security_profile", "authorization_key")
_CREDENTIAL_VALUES = ("key.SecurityProfile", *backup.SECRET_VALUES)


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
    return _looked_at(source, passphrase, parts, takes_place, user, keep=True)[1]


def preview(
    source: Path, passphrase: str, parts: Collection[str], takes_place: bool, user: str
) -> tuple[Manifest, Plan]:
    """What `prepare` would do, by the same looks; nothing waits afterwards that did not wait before.

    Raises:
        BackupProblem: as `prepare`.
    """
    return _looked_at(source, passphrase, parts, takes_place, user, keep=False)


def _looked_at(
    source: Path, passphrase: str, parts: Collection[str], takes_place: bool, user: str, *, keep: bool
) -> tuple[Manifest, Plan]:
    told = backup_file.read_manifest(source)
    plan = _plan(told, parts, takes_place, user)
    _check_sessions(plan)
    try:
        if keep:
            discard()
        _make_ready(source, passphrase, told, plan, keep=keep)
    except OSError as error:
        raise BackupProblem(
            gettext("The backup cannot be unpacked (%(strerror)s). Make room on the disk.")
            % {"strerror": error.strerror}
        ) from error
    return told, plan


def _make_ready(source: Path, passphrase: str, told: Manifest, plan: Plan, *, keep: bool) -> None:
    with tempfile.TemporaryDirectory(prefix="restore-", dir=settings.DATA_DIR) as folder:
        ready = Path(folder) / "ready"
        ready.mkdir()
        copy = ready / _COPY
        if backup_file.read(source, passphrase, copy) != told:
            raise BackupProblem(gettext("The file changed while it was read. Try again."))
        _check_database(copy)
        _bring_up_to_date(copy, told)
        if not keep:
            return
        (ready / _PLAN).write_text(json.dumps(asdict(plan)))
        for path in (copy, ready / _PLAN, ready):
            _sync(path)
        ready.rename(settings.DATA_DIR / PENDING)
        _sync(settings.DATA_DIR)


def discard() -> None:
    """Nothing waits any more."""
    path = settings.DATA_DIR / PENDING
    if path.exists():
        with tempfile.TemporaryDirectory(prefix="restore-", dir=settings.DATA_DIR) as folder:
            path.rename(Path(folder) / "old")


def apply_pending() -> str:
    """Put in place what waits, before anything else reads the database; returns what was done for the security log.

    A failure leaves everything as it was; `last()` tells it.
    """
    for leftover in (*settings.DATA_DIR.glob("restore-*"), *settings.DATA_DIR.glob("backup-*")):
        shutil.rmtree(leftover, ignore_errors=True)  # a power cut while a backup was made or read
    folder = settings.DATA_DIR / PENDING
    if not folder.exists():
        return ""
    told: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "problem": ""}
    try:
        fields = json.loads((folder / _PLAN).read_text())
        plan = Plan(**{**fields, "parts": tuple(fields["parts"])})
        told.update(parts=list(plan.parts), made_at=plan.made_at, by=plan.user)
        _apply(plan, folder / _COPY, told)
    except (
        BackupProblem,
        StartupError,
        DatabaseError,
        sqlite3.Error,
        OSError,
        ValueError,
        TypeError,
        KeyError,
    ) as error:
        log.error("The backup was not restored: %s", error)
        _note({**told, "problem": str(error)})
        discard()
        return ""
    discard()
    log.warning("A backup of %s was restored: %s", plan.made_at, ", ".join(plan.parts))
    return f"a backup of {plan.made_at} was restored by {plan.user}: {', '.join(plan.parts)}"


def last() -> dict[str, Any] | None:
    """What became of the last restore: {"at", "problem" ("" when it was restored), "parts", "made_at", "by"}."""
    value = provisioning.stored("station", "restored")
    return value if isinstance(value, dict) else None


# -- looking


def _plan(told: Manifest, parts: Collection[str], takes_place: bool, user: str) -> Plan:
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


def _check_sessions(plan: Plan) -> None:
    if Transaction.objects.filter(stopped_at=None).exists():
        raise BackupProblem(gettext("A session is running. Restore when it has ended."))
    if "sessions" in plan.parts and (Transaction.objects.exists() or QueuedCall.objects.exists()):
        raise BackupProblem(
            gettext(
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


# -- putting in place


def _apply(plan: Plan, copy: Path, told: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ATTACH DATABASE %s AS backup", [str(copy)])
        try:
            # Only this database is written, so SQLite's own commit makes it all or nothing.
            with transaction.atomic():
                rows = cursor.execute("SELECT name FROM backup.django_migrations WHERE app = 'station'").fetchall()
                if {name for (name,) in rows} != known_migrations():
                    raise BackupProblem(gettext("The software was changed meanwhile. Restore the backup again."))
                if "sessions" in plan.parts:
                    _check_sessions(plan)
                for name in plan.parts:
                    _take_values(cursor, plan, PARTS[name].values)
                    match name:
                        case "settings":
                            _take_settings(cursor, plan)
                        case "users":
                            _take_users(cursor)
                        case "certificates":
                            _take_certificates(cursor, plan)
                        case "profiles":
                            mine = "" if plan.same_unit else "WHERE transaction_uid = ''"
                            _replace(cursor, "station_chargingprofile", taken=mine)
                        case _:
                            for table in PARTS[name].tables:
                                _replace(cursor, table)
                _check_settings()
                _note(told)
        finally:
            cursor.execute("DETACH DATABASE backup")


def _take_settings(cursor: Any, plan: Plan) -> None:
    kept = [row for row in Setting.objects.all() if _stays(row.section, row.name, plan)]
    Setting.objects.all().delete()
    rows = cursor.execute("SELECT section, name, value FROM backup.station_setting").fetchall()
    taken = [
        Setting(section=section, name=name, value=value)
        for section, name, value in rows
        if not _stays(section, name, plan)
    ]
    Setting.objects.bulk_create([*kept, *taken])
    if any(row.section in backup.SECRET_SECTIONS for row in taken):
        wish.note(Wish.JOIN)


def _stays(section: str, name: str, plan: Plan) -> bool:
    """This setting is this unit's own, whatever the backup says."""
    if section in backup.OWN_SECTIONS or (not plan.secrets and backup.is_secret(section, name)):
        return True
    if section == "backend" and name == "charge_point_id":
        return not plan.takes_place
    credential = section == "backend" and name in _CREDENTIALS
    if credential or (section == "ocpp" and name.casefold() in ("securityprofile", "authorizationkey")):
        return not (plan.takes_place and plan.secrets)
    if plan.same_unit or section not in _OF_THE_BOX:
        return False
    names = _OF_THE_BOX[section]
    return names is None or name in names


def _check_settings() -> None:
    """Every value by the rules of the provisioning file, and all of them together; or nothing of it counts."""
    for section, table in provisioning.sections().items():
        for name, value in table.items() if section in RULES else ():
            try:
                RULES[section][name](value, settings.DATA_DIR)
            except Wrong as wrong:
                raise BackupProblem(
                    gettext("The backup says something that cannot be: [%(section)s] %(name)s %(wrong)s.")
                    % {"section": section, "name": name, "wrong": wrong}
                ) from wrong
    provisioning.load()


def _take_values(cursor: Any, plan: Plan, patterns: Collection[str]) -> None:
    own = "" if plan.takes_place and plan.secrets else f" AND name NOT IN {_CREDENTIAL_VALUES}"
    for pattern in patterns:
        cursor.execute(f"DELETE FROM main.station_value WHERE name LIKE %s{own}", [pattern])
        cursor.execute(
            f"INSERT INTO main.station_value (name, value) SELECT name, value FROM backup.station_value "
            f"WHERE name LIKE %s{own}",
            [pattern],
        )


def _take_users(cursor: Any) -> None:
    for table in OF_USERS:
        cursor.execute(f"DELETE FROM main.{table}")
    _replace(cursor, "auth_user")
    _replace(cursor, "station_onetimepassword")
    # the groups are the roles; their numbers may differ between two stations
    cursor.execute(
        "INSERT INTO main.auth_user_groups (user_id, group_id) SELECT theirs.user_id, ours.id "
        "FROM backup.auth_user_groups theirs JOIN backup.auth_group named ON named.id = theirs.group_id "
        "JOIN main.auth_group ours ON ours.name = named.name"
    )


def _take_certificates(cursor: Any, plan: Plan) -> None:
    if plan.takes_place:
        _replace(cursor, "station_privatekey")
        _replace(cursor, "station_certificate")
    else:  # those that prove this unit stay, with their keys
        kept = list(Certificate.objects.exclude(key_id=""))
        _replace(cursor, "station_certificate", taken="WHERE key_id = ''")
        for row in kept:
            row.pk = None
        Certificate.objects.bulk_create(kept)


def _replace(cursor: Any, table: str, taken: str = "") -> None:
    """The rows of a table become the backup's (`taken`: of those, which)."""
    cursor.execute(f"DELETE FROM main.{table}")
    names = [f'"{row[1]}"' for row in cursor.execute(f"PRAGMA main.table_info({table})").fetchall()]
    columns = ", ".join(names)
    cursor.execute(f"INSERT INTO main.{table} ({columns}) SELECT {columns} FROM backup.{table} {taken}")


def _note(told: dict[str, Any]) -> None:
    Setting.objects.update_or_create(section="station", name="restored", defaults={"value": json.dumps(told)})


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
