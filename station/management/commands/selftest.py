"""`manage.py selftest`: ask the running station for a self-test, show the report as it comes."""

from __future__ import annotations

import getpass
import sys
import time
from argparse import ArgumentParser
from collections.abc import Callable
from datetime import UTC, datetime
from threading import Event
from typing import Any

from django.core.management.base import BaseCommand, CommandError

from station import models, self_test
from station.database import open_store

#: The worker looks for a wish twice a second; a station that does not begin by then is not there.
BEGINS_WITHIN_S = 8.0
_LOOK_EVERY_S = 0.5
MARKS = {"passed": "ok  ", "failed": "FAIL", "skipped": "skip"}


class Command(BaseCommand):
    """Exit code 0: passed (skipped checks are named); 1: something failed, or the test was refused or given up."""

    help = "Test board, contactor, meter, reader, clock, disk and uplinks of the running station"
    requires_system_checks: list[str] = []
    #: Between two looks; tests let the station work meanwhile.
    wait: Callable[[float], object] = staticmethod(lambda seconds: Event().wait(seconds))

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--person", default="", help="who is to be named in the report (default: the login name)")

    def handle(self, *args: Any, person: str, **options: Any) -> None:
        open_store()
        row = self_test.ask(person or getpass.getuser(), datetime.now(UTC))
        shown, asked_at = 0, time.monotonic()
        while True:
            row.refresh_from_db()
            told = self_test.report_of(row)
            for check in told["checks"][shown:]:
                self.stdout.write(f"{MARKS[check['verdict']]}  {check['title']}: {check['measured']}")
                if check["cure"]:
                    self.stdout.write(f"      {check['cure']}")
            shown = len(told["checks"])
            if row.state not in self_test.OPEN:
                break
            if row.state == self_test.ASKED and time.monotonic() - asked_at > BEGINS_WITHIN_S:
                models.SelfTest.objects.filter(pk=row.pk, state=self_test.ASKED).delete()
                raise CommandError(
                    "No station works on this data folder. Start it with `manage.py runstation`, or set "
                    "STATION_DATA_DIR to the folder of the one that runs."
                )
            self.wait(_LOOK_EVERY_S)
        self.stdout.write(f"Self-test {row.state}{': ' + told['why'] if told['why'] else ''}")
        if row.state != self_test.PASSED:
            sys.exit(1)
