"""`manage.py provision FILE`: store a provisioning file in a new data folder."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from ocppclient.configuration import KEYS
from station import provisioning
from station.database import open_store


class Command(BaseCommand):
    """Errors are `StartupError`s, which manage.py tells in words with their exit code."""

    help = "Store the provisioning file in a new data folder (never over existing settings)."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The file."""
        parser.add_argument("file", help="the TOML file")

    def handle(self, *args: Any, **options: Any) -> None:
        """Read it completely, then store it."""
        wanted = provisioning.parse(options["file"], frozenset(key.name for key in KEYS.values()))
        open_store()
        applied = provisioning.apply(wanted)
        self.stdout.write(f"Provisioned from {options['file']}.")
        if applied.one_time_password:
            self.stdout.write(
                f"Web login (shown only now): {applied.provision.web.admin_user} / {applied.one_time_password}"
            )
