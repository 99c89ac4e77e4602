"""The releases on this machine as the launcher keeps them (deploy/launcher.py): which one runs, and changing that."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ocppclient.clock import FLOOR, parse_utc
from ocppclient.settings import Release
from station import __version__
from station.transfer.part import sync_folder

#: What a slot says about its release; its manifest.
MANIFEST = "release.json"


@dataclass(frozen=True)
class Installed:
    """One release on the disk. `schema`: the newest migration it knows."""

    slot: str
    version: str
    schema: str
    current: bool = False


class Releases:
    """The folder with the slots."""

    def __init__(self, folder: Path, own_slot: str) -> None:
        self.folder = folder
        self.own_slot = own_slot

    @property
    def slots(self) -> Path:
        return self.folder / "slots"

    def manifest(self, slot: str) -> Mapping[str, Any]:
        """Of one slot; {} when it has none."""
        try:
            content: dict[str, Any] = json.loads((self.slots / slot / MANIFEST).read_text())
        except (OSError, ValueError):
            return {}
        return content

    @property
    def made(self) -> datetime:
        """When the release that runs was made; `clock.FLOOR` when it does not tell."""
        try:
            return parse_utc(self.manifest(self.own_slot)["made"])
        except (KeyError, ValueError):
            return FLOOR

    def facts(self) -> Release:
        """What the charge point has to know about the release that runs."""
        fallback = self._target("fallback")
        rolled_back, reason = "", ""
        try:
            last = json.loads((self.folder / "rolled_back.json").read_text())
            rolled_back, reason = str(last["slot"]), str(last["reason"])
        except (OSError, ValueError, KeyError):
            pass
        on_trial = fallback not in ("", self.own_slot) and self._target("current") == self.own_slot
        return Release(self.own_slot, on_trial, rolled_back, f"{reason}." if reason else "")

    def last_safe_mode(self) -> tuple[str, datetime] | None:
        """Why the station was in safe mode the last time (deploy/safe_mode.py), and until when; None: never."""
        try:
            last = json.loads((self.folder / "last_safe_mode.json").read_text())
            return str(last["reason"]), datetime.fromtimestamp(last["until"], UTC)
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def installed(self) -> list[Installed]:
        """All releases that could run, the current one first."""
        found = []
        for folder in sorted(self.slots.iterdir()):
            manifest = self.manifest(folder.name)
            if manifest and not folder.name.startswith("."):
                version, schema = str(manifest.get("version", "")), str(manifest.get("schema", ""))
                found.append(Installed(folder.name, version, schema, folder.name == self.own_slot))
        return sorted(found, key=lambda release: (not release.current, release.slot))

    def switch(self, slot: str) -> None:
        """Make the release of a slot the current one, on trial; the present one is what it falls back to.

        Raises:
            OSError: it is not there, or the links cannot be written; nothing has changed then.
        """
        if not (self.slots / slot / "manage.py").is_file():
            raise FileNotFoundError(f"the slot {slot} holds no release")
        for name in ("trial.json", "rolled_back.json"):
            (self.folder / name).unlink(missing_ok=True)
        self._link("fallback", self.own_slot)
        self._link("current", slot)  # this is the moment

    def confirm(self) -> None:
        """The trial of the running release is over. Raises OSError."""
        former = self._target("fallback")
        if former and former != self.own_slot:
            self._link("previous", former)
        (self.folder / "fallback").unlink(missing_ok=True)
        sync_folder(self.folder)
        (self.folder / "trial.json").unlink(missing_ok=True)

    def make_room(self) -> None:
        """Remove what is neither running nor the one before it, and what an installation left unfinished."""
        kept = {self.own_slot, self._target("current"), self._target("fallback")}
        previous = self._target("previous")
        for folder in self.slots.iterdir():
            if folder.name not in kept and folder.name != previous:
                shutil.rmtree(folder, ignore_errors=True)
        used = {(slot / ".venv").resolve() for slot in self.slots.iterdir()}
        for venv in (self.folder / "venvs").glob("*"):
            if venv.resolve() not in used:
                shutil.rmtree(venv, ignore_errors=True)

    def _target(self, link: str) -> str:
        try:
            return os.readlink(self.folder / link).rpartition("/")[2]
        except OSError:
            return ""

    def _link(self, name: str, slot: str) -> None:
        draft = self.folder / f"{name}.new"
        draft.unlink(missing_ok=True)
        draft.symlink_to(f"slots/{slot}")
        draft.rename(self.folder / name)
        sync_folder(self.folder)


def running_version(ours: Releases | None) -> str:
    """Of the release that runs, or of the checkout."""
    return str(ours.manifest(ours.own_slot).get("version", __version__)) if ours else __version__


def here() -> Releases | None:
    """The releases that this process belongs to; None when the launcher did not start it (a development checkout)."""
    folder, slot = os.environ.get("STATION_RELEASES", ""), os.environ.get("STATION_SLOT", "")
    return Releases(Path(folder), slot) if folder and slot else None
