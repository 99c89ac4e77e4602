"""`manage.py runstation [--simulate] [--no-web]`: the station."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from station.runtime import Options, Runtime


class Command(BaseCommand):
    """Errors are `StartupError`s, which manage.py tells in words with their exit code."""

    help = "Run the station: OCPP, hardware and web in one process."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """What runs beside the charge point."""
        parser.add_argument("--simulate", action="store_true", help="simulated hardware (no serial ports needed)")
        parser.add_argument("--no-web", action="store_true", help="without the web; station-web serves it then")

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM."""

        def say(text: str) -> None:
            self.stdout.write(text)
            self.stdout.flush()

        Runtime(Options(simulate=options["simulate"], web=not options["no_web"]), say).run()
