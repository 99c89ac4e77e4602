"""The translations as gettext reads them: what the repository keeps as text (.po) is compiled where it is newer."""

from __future__ import annotations

import logging
import os
from pathlib import Path

log = logging.getLogger("station.catalogues")

FOLDER = Path(__file__).resolve().parent / "locale"


def compile_stale(folder: Path = FOLDER) -> list[Path]:
    """Write the .mo beside each .po that has none or an older one. Returns what was written.

    Releases bring compiled ones. In a folder that cannot be written the former ones stay, or English, and the log says
    so: a station charges without words.
    """
    written = []
    for source in sorted(folder.glob("*/LC_MESSAGES/*.po")):
        target = source.with_suffix(".mo")
        if target.exists() and target.stat().st_mtime >= source.stat().st_mtime:
            continue
        from polib import pofile  # only a changed catalogue needs it

        # Several processes of one checkout may start at once.
        passing = target.with_suffix(f".{os.getpid()}")
        try:
            passing.write_bytes(pofile(str(source)).to_binary())
            passing.replace(target)
        except OSError as problem:
            log.warning("the translations %s cannot be compiled: %s", source, problem)
            continue
        written.append(target)
    return written
