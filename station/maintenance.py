"""What the actions of firmware and diagnostics do outside the charge point: jobs, the switch of releases, its end."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

from ocppclient.sentence import Sentence
from station import database
from station.releases import Releases

log = logging.getLogger("station.maintenance")


class Maintenance:
    """Called on the domain thread; everything here is quick.

    Args:
        releases: None in a development checkout.
        run_job: hands a hint to whoever does jobs.
        restart: ends the application for a new start.
    """

    def __init__(
        self, data_dir: Path, releases: Releases | None, run_job: Callable[[str], None], restart: Callable[[], None]
    ) -> None:
        self._data_dir = data_dir
        self._releases = releases
        self._restart = restart
        self.run_job = run_job

    def switch(self, slot: str) -> str:
        """Restart into another release, on trial; why that cannot be, "" when it is under way."""
        if self._releases is None:
            return Sentence("this station was not started by deploy/launcher.py: it has no other release")
        try:
            self._releases.switch(slot)
        except OSError as error:
            log.error("The release %s could not be made the current one: %s", slot, error)
            return Sentence(
                "the release could not be made the current one ({problem})", problem=str(error.strerror or error)
            )
        log.info("The application starts again, as release %s", slot)
        self._restart()
        return ""

    def confirm(self) -> None:
        """The running release stays."""
        if self._releases is None:
            return
        try:
            self._releases.confirm()
        except OSError:  # its trial goes on, and the next start confirms it
            log.exception("The trial of this release could not be ended")
            return
        database.forget_trial(self._data_dir)
        log.info("This release has proven itself")
