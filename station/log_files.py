"""The log that lasts: rolling files in the data folder, for diagnostics. Bounded: 6 MB of story, 8 MB of frames."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator
from datetime import datetime
from logging.handlers import RotatingFileHandler
from pathlib import Path

from ocppclient.clock import format_utc
from station.story import line

FOLDER = "logs"
STORY, FRAMES, JOBS = "station.log", "frames.log", "jobs.log"
_STORY_SIZE, _STORY_FILES = 1_000_000, 5
_FRAMES_SIZE, _FRAMES_FILES = 2_000_000, 3


class _Utc(logging.Formatter):
    converter = time.gmtime  # type: ignore[assignment]  # typeshed has another signature
    default_time_format = "%Y-%m-%dT%H:%M:%S"
    default_msec_format = "%s.%03dZ"


def open_story(data_dir: Path, name: str = STORY) -> None:
    """From now on, what this process logs is kept as well; a folder that cannot be written is no reason to stop."""
    try:
        handler = _file(data_dir, name, _STORY_SIZE, _STORY_FILES)
    except OSError as error:
        logging.getLogger("station").error("No log file can be kept: %s", error)
        return
    handler.setFormatter(_Utc("%(asctime)s %(levelname)-7s %(name)s %(message)s"))
    handler.setLevel(logging.INFO)
    logging.getLogger().addHandler(handler)


class FrameLog:
    """The messages between station and backend, masked before they come here."""

    def __init__(self, data_dir: Path) -> None:
        self._log = logging.Logger("frames")  # of its own: nobody else's level or handler matters
        try:
            handler = _file(data_dir, FRAMES, _FRAMES_SIZE, _FRAMES_FILES)
        except OSError as error:
            logging.getLogger("station").error("No log of the messages can be kept: %s", error)
            return
        handler.setFormatter(logging.Formatter("%(message)s"))
        self._log.addHandler(handler)

    def write(self, at: datetime, direction: str, text: str) -> None:
        """One frame, "in" or "out"."""
        self._log.info("%s %s %s", format_utc(at), direction, line(text))

    def close(self) -> None:
        """No more frames come."""
        for handler in self._log.handlers:
            handler.close()


def _file(data_dir: Path, name: str, size: int, files: int) -> RotatingFileHandler:
    folder = data_dir / FOLDER
    folder.mkdir(mode=0o700, exist_ok=True)
    return RotatingFileHandler(folder / name, maxBytes=size, backupCount=files, encoding="utf-8", delay=True)


def kept(data_dir: Path) -> Iterator[Path]:
    """The files, of each log the oldest first."""
    for name in (STORY, JOBS, FRAMES):
        found = [path for path in (data_dir / FOLDER).glob(f"{name}*") if path.is_file()]
        yield from sorted(found, key=lambda path: -int(path.suffix[1:]) if path.suffix[1:].isdecimal() else 0)
