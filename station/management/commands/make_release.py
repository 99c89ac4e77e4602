"""`manage.py make_release`: this checkout as one signed file that a station installs (docs/firmware.md)."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db.migrations.loader import MigrationLoader

from ocppclient.clock import format_utc, parse_utc
from station import __version__, release_archive
from station.release_signer import signer

#: What a station needs of the checkout.
_FOLDERS = ("deploy", "hardware", "ocppclient", "station", "static", "templates")
_FILES = ("manage.py", "requirements.txt")


class Command(BaseCommand):
    """Needs no station; the same checkout gives the same file (but for the signature)."""

    help = "Pack this checkout into one signed release file."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, who signs, and for whom."""
        parser.add_argument("target", type=Path, help="the file to write, for example openstation-1.2.0.release")
        parser.add_argument("--key", type=Path, help="private key of the signing certificate, PEM")
        parser.add_argument("--certificate", type=Path, help="the signing certificate, PEM")
        parser.add_argument("--release-version", default=__version__, help=f"its version (default {__version__})")
        parser.add_argument("--wheels", type=Path, help="folder of Python packages that the release brings along")
        parser.add_argument("--model", action="append", default=[], help="only for this chargePointModel (repeatable)")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the file and say how big it is."""
        try:
            sign = signer(options["key"], options["certificate"])
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from None
        root = Path(settings.BASE_DIR)
        files = _tracked(root)
        facts = {
            "version": options["release_version"],
            "models": options["model"],
            "schema": newest_migration(),
            "made": format_utc(_made(root, files)),
        }
        packed = [(name, root / name) for name in files]
        if options["wheels"]:
            packed += [(f"wheels/{path.name}", path) for path in options["wheels"].glob("*.whl")]
        release_archive.pack(packed, facts, sign, options["target"])
        size = options["target"].stat().st_size
        signed = "signed" if sign else "NOT signed: only a station with allow_unsigned_update takes it"
        self.stdout.write(f"{options['target']}: version {facts['version']}, {size // 1024} KiB, {signed}")


def newest_migration() -> str:
    """The schema of the database that this software works with."""
    loader = MigrationLoader(None, ignore_no_migrations=True)
    return max(name for app, name in loader.disk_migrations if app == "station")


def _made(root: Path, files: list[str]) -> datetime:
    """When the newest of it was written: no clock of a station that runs it shows less."""
    try:
        told = subprocess.run(
            ["git", "log", "-1", "--format=%cI"], cwd=root, capture_output=True, check=True, text=True
        ).stdout
        return parse_utc(told)
    except (OSError, subprocess.CalledProcessError, ValueError):
        return datetime.fromtimestamp(max((root / name).stat().st_mtime for name in files), UTC)


def _tracked(root: Path) -> list[str]:
    """What belongs into a release: what git knows (everything where there is no git), and the compiled translations."""
    try:
        listed = subprocess.run(
            ["git", "ls-files", "-z", *_FOLDERS, *_FILES], cwd=root, capture_output=True, check=True, text=True
        ).stdout.split("\0")
    except (OSError, subprocess.CalledProcessError):
        found = [path for folder in _FOLDERS for path in (root / folder).rglob("*") if "__pycache__" not in path.parts]
        listed = [str(path.relative_to(root)) for path in found] + list(_FILES)
    listed += [str(path.relative_to(root)) for path in (root / "station" / "locale").rglob("*.mo")]
    return sorted({name for name in listed if name and (root / name).is_file()})
