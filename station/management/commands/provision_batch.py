"""`manage.py provision_batch TEMPLATE FOLDER`: provisioning files and labels of many units."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from station import mass_production


class Command(BaseCommand):
    """Errors are `StartupError`s, which manage.py tells in words with their exit code."""

    help = "Make a provisioning file for each of many units; what their labels say comes out as JSON lines, or CSV."
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """The template, where to write, and which serial numbers."""
        parser.add_argument("template", help="provisioning file of the product, without what is the unit's own")
        parser.add_argument("folder", help="where the units' files go; files that the template names lie there too")
        parser.add_argument("--serial", default="{:08d}", help='pattern of the serial numbers, like "HEV{:06d}"')
        parser.add_argument("--first", type=int, required=True, help="number of the first unit")
        parser.add_argument("--count", type=int, default=1, help="how many")
        parser.add_argument("--csv", action="store_true", help="the labels as CSV, for programs that print them")

    def handle(self, *args: Any, **options: Any) -> None:
        """The output holds the secrets of the labels: keep it like them."""
        units = mass_production.make(
            Path(options["template"]), Path(options["folder"]), options["serial"], options["first"], options["count"]
        )
        table: csv.DictWriter[str] | None = None
        for unit in units:
            if not options["csv"]:
                self.stdout.write(json.dumps(unit))
                continue
            if table is None:
                table = csv.DictWriter(self.stdout, list(unit))
                table.writeheader()
            table.writerow(unit)
