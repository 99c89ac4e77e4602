"""The passphrase of a backup for the commands: from a file or the environment, never from the command line."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from django.core.management.base import CommandParser

from station.errors import EX_NOINPUT, StartupError

_VARIABLE = "STATION_BACKUP_PASSPHRASE"


def add_passphrase(parser: CommandParser) -> None:
    """--passphrase-file."""
    parser.add_argument("--passphrase-file", help=f"file with the passphrase in its first line (or set {_VARIABLE})")


def passphrase_of(options: dict[str, Any]) -> str:
    """The passphrase; "" when none is given.

    Raises:
        StartupError: 66 the file cannot be read.
    """
    if not (path := options["passphrase_file"]):
        return os.environ.get(_VARIABLE, "")
    try:
        return (Path(path).read_text(encoding="utf-8").splitlines() or [""])[0]
    except (OSError, UnicodeDecodeError) as error:
        raise StartupError(f"The passphrase file {path} cannot be read ({error}).", EX_NOINPUT) from error
