"""`manage.py restore FILE`: restore a backup on a station that does not run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from ocppclient.configuration import KEYS
from station import provisioning, restore, restore_apply
from station.backup import PARTS
from station.backup_file import BackupProblem
from station.database import open_store
from station.errors import EX_DATAERR, StartupError
from station.management.passphrase import add_passphrase, passphrase_of
from station.preflight import lock_folder


class Command(BaseCommand):
    """Errors are `StartupError`s, which manage.py tells in words with their exit code."""

    help = "Restore a backup (stop the station first; the web does the same while it runs)."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, and what of it counts."""
        parser.add_argument("file", help="the backup")
        parser.add_argument("--part", action="append", choices=list(PARTS), help="only this (may be given again)")
        parser.add_argument(
            "--takes-place",
            action="store_true",
            help="of another station: with its charge point id, key and certificate; that one must never run again",
        )
        add_passphrase(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """A new data folder is provisioned first (STATION_PROVISION): its serial number says whose backup it is."""
        lock_folder(settings.DATA_DIR)
        open_store()
        new = provisioning.at_start(known_keys=frozenset(key.name for key in KEYS.values()))
        try:
            plan = restore.prepare(
                Path(options["file"]),
                passphrase_of(options),
                options["part"] or (),
                options["takes_place"],
                "manage.py restore",
            )
        except BackupProblem as problem:
            raise StartupError(f"{problem} Nothing was changed.", EX_DATAERR) from problem
        if not restore_apply.apply_pending():
            why = (restore_apply.last() or {}).get("problem", "")
            raise StartupError(f"{why} Nothing was changed.", EX_DATAERR)
        self.stdout.write(f"Restored from the backup of {plan.made_at}: {', '.join(plan.parts)}.")
        if new.one_time_password and "users" not in plan.parts:
            self.stdout.write(f"Web login (shown only now): {new.provision.web.admin_user} / {new.one_time_password}")
