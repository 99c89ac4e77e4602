"""`manage.py backup FILE`: save the station in one file; it may run meanwhile."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from station import backup
from station.backup import PARTS
from station.backup_file import BackupProblem
from station.database import open_store
from station.errors import StartupError
from station.management.passphrase import add_passphrase, passphrase_of


class Command(BaseCommand):
    """Errors are `StartupError`s, which manage.py tells in words with their exit code."""

    help = "Save the station in one file."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The file, what it holds, and its passphrase."""
        parser.add_argument("file", help="where to write the backup")
        parser.add_argument("--part", action="append", choices=list(PARTS), help="only this (may be given again)")
        add_passphrase(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        """Without a passphrase and without --part: everything that is no secret."""
        passphrase = passphrase_of(options)
        parts = options["part"] or [name for name in PARTS if passphrase or not PARTS[name].secret]
        open_store()
        try:
            backup.make(Path(options["file"]), parts, passphrase)
        except BackupProblem as problem:
            raise StartupError(str(problem)) from problem
        how = "encrypted" if passphrase else "without secrets (give a passphrase to include them)"
        self.stdout.write(f"Saved in {options['file']}, {how}: {', '.join(parts)}.")
