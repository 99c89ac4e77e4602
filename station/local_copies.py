"""A copy of the database every night, on the same disk: for what people or software do wrong, not for a broken card."""

from __future__ import annotations

import asyncio
import logging
import os
import shutil
import sqlite3
from datetime import UTC, datetime
from pathlib import Path

from django.db import connection

from station import backup

log = logging.getLogger("station.copies")

#: The newest so many stay.
KEPT = 3
#: A copy is made only while so many times the size of the database is free: the disk belongs to charging.
ROOM = 4
_LOOK_S = 900.0
#: Below the data folder.
FOLDER = "copies"


async def run(folder: Path) -> None:
    """Look four times an hour whether tonight's copy is due, until cancelled."""
    while True:
        await asyncio.sleep(_LOOK_S)  # not at the start: then others need the disk
        await asyncio.to_thread(copy_if_due, folder, datetime.now(UTC))


def copy_if_due(folder: Path, now: datetime) -> Path | None:
    """Make today's copy (UTC) when there is none and there is room; returns it, None when none was made."""
    source = Path(connection.settings_dict["NAME"])
    copies = folder / FOLDER
    target = copies / f"station-{now:%Y%m%d}.sqlite3"
    if target.exists():
        return None
    draft = target.with_suffix(".part")
    try:
        copies.mkdir(mode=0o700, exist_ok=True)
        draft.unlink(missing_ok=True)
        if shutil.disk_usage(copies).free < ROOM * source.stat().st_size:
            log.warning("No nightly copy of the database: the disk has too little room")
            return None
        os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
        backup.copied(source, draft)  # SQLite takes an empty file as its target
        draft.replace(target)
    except (OSError, sqlite3.Error) as error:
        log.error("No nightly copy of the database: %s", error)
        return None
    for old in sorted(copies.glob("station-*.sqlite3"))[:-KEPT]:
        old.unlink()
    log.info("Nightly copy of the database: %s", target.name)
    return target
