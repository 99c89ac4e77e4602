"""`manage.py generate_docs [--check]`: the pages that are made from the tables of the code."""

from __future__ import annotations

import sys
from argparse import ArgumentParser
from typing import Any

from django.core.management.base import BaseCommand

from station.generated_docs import PAGES, ROOT


class Command(BaseCommand):
    """Writes docs/configuration-keys.md and its like, or says which of them is out of date."""

    help = "Regenerate the documentation pages that come from the code's tables"
    requires_system_checks: list[str] = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--check", action="store_true", help="write nothing; exit 1 when a page is out of date")

    def handle(self, *args: Any, check: bool, **options: Any) -> None:
        stale = [path for path in PAGES if not (ROOT / path).exists() or (ROOT / path).read_text() != PAGES[path]()]
        if check:
            for path in stale:
                self.stderr.write(f"{path} is out of date: run `make docs`")
            sys.exit(1 if stale else 0)
        for path in stale:
            (ROOT / path).write_text(PAGES[path]())
            self.stdout.write(f"wrote {path}")
