"""Who may act in safe mode: the installers of the station, read from its database or, when that is damaged, a copy.

The passwords are as Django keeps them (scrypt or PBKDF2).
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

_QUERY = """
    SELECT password FROM auth_user WHERE username = ? AND is_active AND (is_superuser OR id IN (
        SELECT user_id FROM auth_user_groups JOIN auth_group ON auth_group.id = group_id
        WHERE name IN ('installer', 'manufacturer')))"""


class Unreadable(Exception):
    """Neither the database nor a copy of it tells who the people are."""


class Installers:
    """Of the station with this data folder."""

    def __init__(self, data: Path) -> None:
        self._data = data

    def knows(self, name: str, password: str) -> bool:
        """It is the password of an installer. Raises Unreadable."""
        for path in self._databases():
            try:
                with closing(sqlite3.connect(f"{path.absolute().as_uri()}?mode=ro", uri=True, timeout=2)) as database:
                    row = database.execute(_QUERY, (name,)).fetchone()
            except sqlite3.DatabaseError:
                continue
            return row is not None and fits(password, str(row[0]))
        raise Unreadable

    def _databases(self) -> Iterator[Path]:
        """The database, then its copies, the newest first."""
        database = self._data / "station.sqlite3"
        yield database
        copies = [*self._data.glob("copies/station-*.sqlite3"), *self._data.glob(f"{database.name}.before-*")]
        yield from sorted(copies, key=lambda path: path.stat().st_mtime, reverse=True)


def fits(password: str, kept: str) -> bool:
    """It is the password of this text of Django's."""
    try:
        match kept.split("$"):
            case ["scrypt", work, salt, size, parallel, digest]:
                made = hashlib.scrypt(
                    password.encode(), salt=salt.encode(), n=int(work), r=int(size), p=int(parallel),
                    maxmem=2**27, dklen=64,
                )  # fmt: skip
            case ["pbkdf2_sha256", rounds, salt, digest]:
                made = hashlib.pbkdf2_hmac("sha256", password.encode(), salt.encode(), int(rounds))
            case _:
                return False
    except ValueError:
        return False
    return hmac.compare_digest(base64.b64encode(made), digest.encode())
