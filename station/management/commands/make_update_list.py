"""`manage.py make_update_list`: the signed list in which stations look for updates (docs/firmware.md)."""

from __future__ import annotations

import hashlib
import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from station.release_archive import BadRelease, ReleaseFile
from station.release_signer import signer
from station.updates.published import LONGEST_NOTES, Offer, make


class Command(BaseCommand):
    """Needs no station."""

    help = "Write the signed list of releases that stations look into for updates."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where to, which releases, what people read about them, and who signs."""
        parser.add_argument("target", type=Path, help="the file to write, for example updates.json")
        parser.add_argument("releases", type=Path, nargs="*", help="release files that are new in the list")
        parser.add_argument("--former", type=Path, help="the list so far: its releases stay in the new one")
        parser.add_argument("--withdraw", action="append", default=[], metavar="VERSION", help="leave this one out")
        parser.add_argument("--base", default="", help="https address of the files; else they lie beside the list")
        parser.add_argument("--notes", default="", help="what is new in the new ones, for people")
        parser.add_argument("--security", action="store_true", help="the new ones repair a flaw of the security")
        parser.add_argument("--key", type=Path, help="private key of the signing certificate, PEM")
        parser.add_argument("--certificate", type=Path, help="the signing certificate, PEM")

    def handle(self, *args: Any, **options: Any) -> None:
        """Write the list and say what stands in it."""
        if len(options["notes"]) > LONGEST_NOTES:
            raise CommandError(f"--notes may have {LONGEST_NOTES} characters at most")
        try:
            sign = signer(options["key"], options["certificate"])
            new = [_offer(path, options["base"], options["notes"], options["security"]) for path in options["releases"]]
            former = _former(options["former"]) if options["former"] else []
        except BadRelease as bad:
            raise CommandError(f"this is no release: {bad}") from None
        except (OSError, ValueError, KeyError) as error:
            raise CommandError(str(error)) from None
        replaced = {(offer.version, offer.models) for offer in new}
        kept = [offer for offer in former if (offer.version, offer.models) not in replaced]
        listed = [offer for offer in [*new, *kept] if offer.version not in options["withdraw"]]
        options["target"].write_bytes(make(listed, datetime.now(UTC), sign))
        signed = "signed" if sign else "NOT signed: only a station with allow_unsigned_update believes it"
        versions = ", ".join(offer.version for offer in listed) or "nothing"
        self.stdout.write(f"{options['target']}: {versions}, {signed}")


def _offer(path: Path, base: str, notes: str, security: bool) -> Offer:
    with path.open("rb") as file:
        manifest = ReleaseFile(file).manifest
        file.seek(0)
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    location = f"{base.rstrip('/')}/{path.name}" if base else path.name
    return Offer(manifest.version, location, path.stat().st_size, digest, manifest.models, notes, security)


def _former(path: Path) -> list[Offer]:
    """The maker's own file: it is taken as it is."""
    entries = json.loads(json.loads(path.read_bytes())["list"])["releases"]
    return [
        Offer(
            entry["version"],
            entry["file"],
            entry["size"],
            entry["sha256"],
            tuple(entry["models"]),
            entry["notes"],
            entry["security"],
        )
        for entry in entries
    ]
