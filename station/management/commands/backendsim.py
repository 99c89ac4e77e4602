"""`manage.py backendsim [--port 9000]`: a small loopback Central System, to see the station work."""

from __future__ import annotations

import asyncio
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from station.errors import EX_TEMPFAIL


class Command(BaseCommand):
    """Tells the story of the stations that connect, one line each event."""

    help = "Run a small Central System on this machine (everything in memory), to see the station work."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """Where it listens, and how it answers."""
        parser.add_argument("--port", type=int, default=9000, help="0 takes a free one")
        parser.add_argument("--host", default="127.0.0.1")
        parser.add_argument("--interval", type=int, default=300, help="heartbeat interval, seconds")
        parser.add_argument("--reject", nargs="*", default=[], metavar="TAG", help="cards that are not accepted")
        parser.add_argument(
            "--group", action="append", default=[], metavar="PARENT=TAG,TAG", help="cards of one group (parentIdTag)"
        )

    def handle(self, *args: Any, **options: Any) -> None:
        """Run until SIGTERM."""
        from station import backendsim

        parents = {}
        for group in options["group"]:
            parent, equals, tags = group.partition("=")
            if not (parent and equals and tags):
                raise CommandError(f"--group {group!r} must look like PARENT=TAG,TAG")
            parents.update({tag.strip(): parent for tag in tags.split(",")})

        def say(line: str) -> None:
            self.stdout.write(line)
            self.stdout.flush()

        central = backendsim.CentralSystem(say, options["interval"], frozenset(options["reject"]), parents)
        try:
            asyncio.run(backendsim.run(central, options["host"], options["port"], say))
        except OSError as error:
            address = f"{options['host']}:{options['port']}"
            raise CommandError(
                f"The backend cannot listen on {address} ({error.strerror}). Choose another --port.",
                returncode=EX_TEMPFAIL,
            ) from error
