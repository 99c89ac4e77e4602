"""A backup: the chosen parts of the database in one file (backup_file.py); without a passphrase it holds no secret."""

from __future__ import annotations

import sqlite3
import tempfile
from collections.abc import Collection
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING

from django.conf import settings
from django.db import connection
from django.utils.translation import gettext, gettext_lazy

from station import __version__, backup_file, unit
from station.backup_file import BackupProblem, Manifest
from station.network import wish

if TYPE_CHECKING:
    from django_stubs_ext import StrPromise


@dataclass(frozen=True)
class Part:
    """What can be chosen.

    Attributes:
        tables: belong to this part alone.
        values: names of `station_value` that belong to it, as LIKE patterns.
        secret: it makes no sense without its secrets, so it needs a passphrase.
    """

    title: StrPromise
    tables: tuple[str, ...]
    values: tuple[str, ...] = ()
    secret: bool = False


PARTS = {
    "settings": Part(
        gettext_lazy("Settings and configuration keys"),
        ("station_setting",),
        ("key.%", "availability.%", "security.settings", "link.key_as_text"),
    ),
    "cards": Part(gettext_lazy("Cards"), ("station_idtag",), ("local_list.%",)),
    "profiles": Part(gettext_lazy("Charging profiles"), ("station_chargingprofile",)),
    "certificates": Part(
        gettext_lazy("Certificates and keys"), ("station_certificate", "station_privatekey"), secret=True
    ),
    "users": Part(
        gettext_lazy("Users and their passwords"),
        ("auth_user", "auth_group", "auth_user_groups", "station_onetimepassword"),
        secret=True,
    ),
    "sessions": Part(
        gettext_lazy("Sessions, messages that wait for the backend, and records"),
        (
            "station_transaction",
            "station_queuedcall",
            "station_deliveredcall",
            "station_reason",
            "station_securityevent",
            "station_measurement",
        ),
        ("clock.correction.%", "energy.accounted_wh"),
    ),
}
#: In no backup: access tokens end with the station that gave them, jobs and self-tests tell about this very hardware.
LEFT_OUT = ("station_apitoken", "station_job", "station_selftest")
#: Settings that hold a secret have one of these in their names.
SECRET_WORDS = ("key", "password", "passphrase", "secret", "token", "pin", "psk")
#: Everything in these is one: the networks with their passwords.
SECRET_SECTIONS = (wish.UPLINKS, wish.UPLINKS_HERE)
#: What only this unit has: marks of its own, what a change is at, and how it was set up. It is in no backup.
OWN_SECTIONS = ("station", "change", "commissioning")
#: And these values: the key itself, and what was made of it.
SECRET_VALUES = ("key.AuthorizationKey", "security.settings", "link.key_as_text")
_VALUES, _MIGRATIONS = "station_value", "django_migrations"


def is_secret(section: str, name: str) -> bool:
    """A setting that leaves the station encrypted only."""
    if section in SECRET_SECTIONS:
        return True
    if section == "ocpp":
        return name.casefold() == "authorizationkey"
    return any(word in SECRET_WORDS for word in name.casefold().split("_"))


def make(target: Path, parts: Collection[str], passphrase: str, now: datetime | None = None) -> Manifest:
    """Write a backup; the station may run meanwhile.

    Raises:
        BackupProblem: nothing is chosen, a part needs a passphrase, there is no room. No file is left then.
    """
    if unknown := set(parts) - set(PARTS):
        raise BackupProblem(
            gettext("There is no part %(unknown)s; there are %(parts)s.")
            % {"unknown": ", ".join(sorted(unknown)), "parts": ", ".join(PARTS)}
        )
    if not parts:
        raise BackupProblem(gettext("Choose what the backup is to hold."))
    salt = backup_file.new_salt(passphrase)
    if not salt and (bare := [str(PARTS[name].title) for name in PARTS if name in parts and PARTS[name].secret]):
        raise BackupProblem(
            gettext("%(bare)s are secret: give a passphrase, or leave them out.") % {"bare": ", ".join(bare)}
        )
    source = Path(connection.settings_dict["NAME"])
    me = unit.here()
    try:
        with tempfile.TemporaryDirectory(prefix="backup-", dir=settings.DATA_DIR) as folder:
            copy = Path(folder) / "station.sqlite3"
            copied(source, copy)
            migrations = _reduce(copy, parts, bool(salt))
            manifest = Manifest(
                unit=me.id,
                serial=me.serial,
                software=__version__,
                made_at=(now or datetime.now(UTC)).isoformat(timespec="seconds"),
                parts=tuple(name for name in PARTS if name in parts),
                migrations=migrations,
                salt=salt,
            )
            backup_file.write(target, manifest, copy, passphrase)
    except OSError as error:
        raise BackupProblem(
            gettext("No backup can be made (%(strerror)s). Make room on the disk.") % {"strerror": error.strerror}
        ) from error
    except sqlite3.Error as error:
        raise BackupProblem(
            gettext("No backup can be made (%(error)s). Make room on the disk, or try again.") % {"error": error}
        ) from error
    return manifest


def copied(source: Path, target: Path) -> None:
    """A consistent copy of a database that may be in use, without its free pages."""
    with closing(sqlite3.connect(source, timeout=5)) as database:
        database.execute("VACUUM INTO ?", (str(target),))


def _reduce(path: Path, parts: Collection[str], secrets_too: bool) -> tuple[str, ...]:
    """Take out what was not chosen, so that no trace of it stays in the file; returns the names of the migrations."""
    chosen = [part for name, part in PARTS.items() if name in parts]
    kept = {_VALUES, _MIGRATIONS, *(table for part in chosen for table in part.tables)}
    patterns = [pattern for part in chosen for pattern in part.values]
    with closing(sqlite3.connect(path, isolation_level=None)) as copy:
        tables = [name for (name,) in copy.execute("SELECT name FROM sqlite_master WHERE type = 'table'").fetchall()]
        for table in tables:
            if table not in kept and not table.startswith("sqlite_"):
                copy.execute(f'DELETE FROM "{table}"')
        others = " AND ".join(["name NOT LIKE ?"] * len(patterns)) or "1"
        copy.execute(f"DELETE FROM {_VALUES} WHERE {others}", patterns)
        for number, section, name in copy.execute("SELECT id, section, name FROM station_setting").fetchall():
            if section in OWN_SECTIONS or (not secrets_too and is_secret(section, name)):
                copy.execute("DELETE FROM station_setting WHERE id = ?", (number,))
        if not secrets_too:
            copy.executemany(f"DELETE FROM {_VALUES} WHERE name = ?", [(name,) for name in SECRET_VALUES])
        rows = copy.execute(f"SELECT name FROM {_MIGRATIONS} WHERE app = 'station' ORDER BY name").fetchall()
        copy.execute("VACUUM")
    return tuple(name for (name,) in rows)
