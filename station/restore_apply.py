"""Restoring a backup, second half: one transaction at the next start, before anything else reads the database.

So a power cut leaves the old state or the new one. What stays this unit's own: docs/decisions/0008-backup.md.
"""

from __future__ import annotations

import json
import logging
import shutil
import sqlite3
from collections.abc import Collection
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import DatabaseError, connection, transaction

from ocppclient.sentence import Sentence, packed, quoted, unpacked
from station import backup, provisioning, restore
from station.backup import PARTS
from station.backup_file import BackupProblem
from station.errors import StartupError
from station.models import Certificate, Setting
from station.network import wish
from station.network.wish import Wish
from station.provision_rules import RULES, Wrong
from station.restore import Plan

log = logging.getLogger("station.restore")

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
CREDENTIAL_VALUES = ("key.SecurityProfile", *backup.SECRET_VALUES)


def apply_pending() -> str:
    """Put in place what waits, before anything else reads the database; returns what was done for the security log.

    A failure leaves everything as it was; `last()` tells it.
    """
    for leftover in (*settings.DATA_DIR.glob("restore-*"), *settings.DATA_DIR.glob("backup-*")):
        shutil.rmtree(leftover, ignore_errors=True)  # a power cut while a backup was made or read
    restore.forget()
    folder = settings.DATA_DIR / restore.PENDING
    if not folder.exists():
        return ""
    told: dict[str, Any] = {"at": datetime.now(UTC).isoformat(timespec="seconds"), "problem": ""}
    try:
        fields = json.loads((folder / restore.PLAN).read_text())
        plan = Plan(**{**fields, "parts": tuple(fields["parts"])})
        told.update(parts=list(plan.parts), made_at=plan.made_at, by=plan.user)
        _apply(plan, folder / restore.COPY, told)
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
        _note({**told, "problem": packed(quoted(error))})
        restore.discard()
        return ""
    restore.discard()
    log.warning("A backup of %s was restored: %s", plan.made_at, ", ".join(plan.parts))
    return Sentence(
        "a backup of {made_at} was restored by {user}: {parts}",
        made_at=plan.made_at,
        user=plan.user,
        parts=", ".join(plan.parts),
    )


def last() -> dict[str, Any] | None:
    """What became of the last restore: {"at", "problem" ("" when it was restored), "parts", "made_at", "by"}."""
    value = provisioning.stored("station", "restored")
    return {**value, "problem": unpacked(value["problem"])} if isinstance(value, dict) else None


def _apply(plan: Plan, copy: Path, told: dict[str, Any]) -> None:
    with connection.cursor() as cursor:
        cursor.execute("ATTACH DATABASE %s AS backup", [str(copy)])
        try:
            # Only this database is written, so SQLite's own commit makes it all or nothing.
            with transaction.atomic():
                rows = cursor.execute("SELECT name FROM backup.django_migrations WHERE app = 'station'").fetchall()
                if {name for (name,) in rows} != restore.known_migrations():
                    raise BackupProblem(Sentence("The software was changed meanwhile. Restore the backup again."))
                if "sessions" in plan.parts:
                    restore.check_sessions(plan)
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
    kept = [row for row in Setting.objects.all() if stays(row.section, row.name, plan)]
    Setting.objects.all().delete()
    rows = cursor.execute("SELECT section, name, value FROM backup.station_setting").fetchall()
    taken = [
        Setting(section=section, name=name, value=value)
        for section, name, value in rows
        if not stays(section, name, plan)
    ]
    Setting.objects.bulk_create([*kept, *taken])
    if any(row.section in backup.SECRET_SECTIONS for row in taken):
        wish.note(Wish.JOIN)


def stays(section: str, name: str, plan: Plan) -> bool:
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
                    Sentence(
                        "The backup says something that cannot be: [{section}] {name} {wrong}.",
                        section=section,
                        name=name,
                        wrong=quoted(wrong),
                    )
                ) from wrong
    provisioning.load()


def _take_values(cursor: Any, plan: Plan, patterns: Collection[str]) -> None:
    own = "" if plan.takes_place and plan.secrets else f" AND name NOT IN {CREDENTIAL_VALUES}"
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
