"""`manage.py translations`: the texts of the sources into the catalogues; with --check only says what is missing."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from station.catalogues import compile_stale


class Command(BaseCommand):
    """Needs the development requirements (Babel)."""

    help = "Bring station/locale up to date with the sources, and say what is not translated."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Only look?"""
        parser.add_argument("--check", action="store_true", help="change nothing; exit 1 when something is missing")

    def handle(self, *args: Any, **options: Any) -> None:
        """Update, compile, and list what is left to do."""
        from station.translation import catalogue, texts, visible_text  # Babel is no part of a station

        if not options["check"]:
            for language in catalogue.translated():
                for domain in texts.SOURCES:
                    if catalogue.update(language, domain):
                        self.stdout.write(f"{catalogue.path_of(language, domain)} is brought up to date")
            compile_stale()
        found = [*catalogue.problems(), *visible_text.problems()]
        for line in found:
            self.stderr.write(line)
        if found:
            raise CommandError(f"{len(found)} problems")
