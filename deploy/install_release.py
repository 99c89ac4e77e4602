#!/usr/bin/env python3
"""Puts the release of the Debian package into its slot and makes it the current one (docs/services.md).

Usage: install_release.py RELEASES PACKAGE [--furnish-only]

PACKAGE holds manifest.json, content.tar.gz and wheels/. The first release is current at once; a later one goes on
trial like every update, at the next start of the services. With --furnish-only (the system may have another Python now)
the releases that are there get their packages again, and "changed" is printed if any of them needed it. Run as the user
of the station: everything here is that user's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import boot
import launcher
import packages


def install(releases: Path, package: Path) -> str:
    """Returns one sentence about what was done."""
    manifest = json.loads((package / "manifest.json").read_text())
    version = manifest["version"]
    name = f"{version}-{manifest['content']['sha256'][:8]}"
    slot = releases / "slots" / name
    if not slot.exists():
        draft = releases / "slots" / f".unpacking-{name}"
        shutil.rmtree(draft, ignore_errors=True)
        draft.mkdir(parents=True)
        with tarfile.open(package / "content.tar.gz") as content:
            content.extractall(draft)
        shutil.copyfile(package / "manifest.json", draft / "release.json")
        os.sync()  # every file of it is on the disk before its name is
        draft.rename(slot)
    wheels = releases / "wheels"
    wheels.unlink(missing_ok=True)
    wheels.symlink_to(package / "wheels")
    packages.furnish(releases, slot)
    current = _target(releases, "current")
    if current is None:
        launcher.link(releases, "current", name)
        return f"Release {version} is installed."
    if current == slot:
        return f"Release {version} is the current one."
    if _is_newer(_version(current), version):
        return f"A newer release than {version} runs here; it stays. The firmware page can go to {version}."
    (releases / "rolled_back.json").unlink(missing_ok=True)
    (releases / "trial.json").unlink(missing_ok=True)
    launcher.link(releases, "fallback", current.name)
    launcher.link(releases, "current", name)
    return f"Release {version} is on trial from the next start on; {current.name} takes over again if it fails."


def furnish_all(releases: Path, _: Path) -> str:
    """Every release gets an environment of the present Python."""
    changed = False
    for slot in sorted((releases / "slots").glob("[!.]*")):
        try:
            changed |= packages.furnish(releases, slot)
        except packages.Missing as missing:  # one that cannot run any more is no reason to leave the others
            boot.say(f"{slot.name} cannot run under this Python: {missing}")
    if not changed:
        return "The releases have their packages for this Python already."
    sys.stdout.write("changed\n")
    return "The releases have their packages for the present Python."


def _target(releases: Path, link: str) -> Path | None:
    path = releases / link
    return path.resolve() if (path / "manage.py").exists() else None


def _version(slot: Path) -> str:
    return str(json.loads((slot / "release.json").read_text())["version"])


def _is_newer(version: str, than: str) -> bool:
    return subprocess.run(["dpkg", "--compare-versions", version, "gt", than], check=False).returncode == 0


if __name__ == "__main__":
    if len(sys.argv) < 3:
        raise SystemExit(__doc__)
    work = furnish_all if "--furnish-only" in sys.argv[3:] else install
    try:
        boot.say(work(Path(sys.argv[1]), Path(sys.argv[2])))
    except (packages.Missing, OSError) as error:
        raise SystemExit(f"{error}") from None
