"""What the simulated devices and the car keep without power: one JSON file, replaced as a whole."""

from __future__ import annotations

import json
import os
from pathlib import Path

_VERSION = 1


class NonVolatileMemory:
    """The file `nvram.json`. A kill at any instant leaves either the old or the new contents, never a torn file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def load(self) -> dict[str, dict[str, object]]:
        """The stored sections; empty when there are none. An unreadable file is put aside as `.bad`."""
        try:
            stored = json.loads(self._path.read_text(encoding="utf-8"))
            if stored["version"] != _VERSION:
                raise ValueError("unknown version")
            return {name: part for name, part in stored.items() if isinstance(part, dict)}
        except FileNotFoundError:
            return {}
        except (ValueError, KeyError, TypeError):
            os.replace(self._path, self._path.with_suffix(".json.bad"))
            return {}

    def store(self, sections: dict[str, dict[str, object]], *, sync: bool) -> None:
        """Replace the contents. `sync` waits for the disk; without it a kill of the process loses nothing either."""
        temporary = self._path.with_suffix(".json.new")
        data = json.dumps({"version": _VERSION, **sections}, indent=1).encode()
        file = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o644)
        try:
            os.write(file, data)
            if sync:
                os.fsync(file)
        finally:
            os.close(file)
        os.replace(temporary, self._path)
