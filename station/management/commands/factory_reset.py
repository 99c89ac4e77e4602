"""`manage.py factory_reset`: a station that does not run becomes as it was delivered."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from station import factory_reset
from station.database import open_store
from station.errors import EX_TEMPFAIL, EX_USAGE, StartupError
from station.factory_reset import ResetRefused
from station.preflight import lock_folder


class Command(BaseCommand):
    """Errors are `StartupError`s, which manage.py tells in words with their exit code."""

    help = "Delete everything that people left (stop the station first; its page does the same while it runs)."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The confirmation."""
        parser.add_argument("--yes", action="store_true", help="really do it")

    def handle(self, *args: Any, **options: Any) -> None:
        """Undelivered messages stay until they are delivered."""
        if not options["yes"]:
            raise StartupError("This deletes users, cards, sessions and settings. Add --yes to do it.", EX_USAGE)
        lock_folder(settings.DATA_DIR)
        open_store()
        try:
            factory_reset.ask("manage.py factory_reset")
        except ResetRefused as refused:
            raise StartupError(str(refused), EX_TEMPFAIL) from refused
        if not factory_reset.apply_pending():
            raise StartupError("The reset failed; the log says why. Nothing was deleted.", EX_TEMPFAIL)
        kept = factory_reset.undelivered()
        self.stdout.write(f"Reset to factory state. Kept until they are delivered: {kept} messages.")
