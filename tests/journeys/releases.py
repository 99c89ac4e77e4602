"""Stations that the launcher starts: slots in a scratch folder, and release files made of this checkout."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

from tests.journeys.rig import Rig
from tests.journeys.station import PROJECT
from tests.ocppclient.certificates import Issued, issue

_FOLDERS = ("deploy", "hardware", "ocppclient", "station", "static", "templates")
#: The version that is in the first slot.
OLD = "1.0.0"


class Maker:
    """The manufacturer: a root, a signer, and release files."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = issue(folder, "Manufacturer Root")
        self.signer = issue(folder, "signer", self.root, rsa_bits=2048)

    def release(self, version: str, spoil: dict[str, str] | None = None, *, by: Issued | None = None) -> Path:
        """A release file. `spoil`: file of the checkout → text that is appended to it (a new file is allowed)."""
        signer, target, source = by or self.signer, self.folder / f"{version}.release", PROJECT
        if spoil:
            source = self.folder / f"source-{version}"
            copy_checkout(source)
            for name, text in spoil.items():
                with (source / name).open("a") as file:
                    file.write(text)
        subprocess.run(
            [
                *(sys.executable, "manage.py", "make_release", str(target), "--release-version", version),
                *("--key", signer.key_file, "--certificate", signer.cert_file),
            ],
            cwd=source,
            env={**os.environ, "STATION_DATA_DIR": str(self.folder / "maker")},
            check=True,
            capture_output=True,
        )
        return target

    def slots(self, folder: Path) -> Path:
        """The folder of releases with OLD in its only slot."""
        slot = folder / "slots" / "old"
        slot.mkdir(parents=True)
        with tarfile.open(self.release(OLD)) as outer:
            content, manifest = outer.extractfile("content.tar.gz"), outer.extractfile("manifest.json")
            assert content is not None
            assert manifest is not None
            subprocess.run(["tar", "-xz", "-C", str(slot)], input=content.read(), check=True)
            (slot / "release.json").write_bytes(manifest.read())
        (folder / "current").symlink_to("slots/old")
        return folder


def copy_checkout(target: Path) -> None:
    """What belongs to a release, without its history."""
    for name in _FOLDERS:
        shutil.copytree(PROJECT / name, target / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in ("manage.py", "requirements.txt"):
        shutil.copy(PROJECT / name, target / name)


def launched(rig: Rig, releases: Path, trial_s: float = 60.0) -> Rig:
    """The same rig, started by the launcher."""
    arguments = rig.station.command[rig.station.command.index("runstation") :]
    rig.station.command = [sys.executable, str(PROJECT / "deploy" / "launcher.py"), str(releases), *arguments]
    rig.station.environment["STATION_TRIAL_S"] = str(trial_s)
    return rig


def running(releases: Path) -> str:
    """The version of the current release."""
    return str(json.loads((releases / "current" / "release.json").read_text())["version"])
