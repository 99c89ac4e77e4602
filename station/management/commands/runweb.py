"""`manage.py runweb`: the pages beside `runstation --no-web`."""

from __future__ import annotations

from typing import Any

from django.core.management.base import BaseCommand

from station import web_process


class Command(BaseCommand):
    """Errors are `StartupError`s, which manage.py tells in words with their exit code."""

    help = "Serve the pages of a station that runs as `runstation --no-web` (needs STATION_REDIS_URL)."
    requires_system_checks = []

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM."""

        def say(text: str) -> None:
            self.stdout.write(text)
            self.stdout.flush()

        web_process.run(say)
