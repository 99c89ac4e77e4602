#!/usr/bin/env python3
"""Gives a release its Python packages, without a network: one virtual environment for each set of packages.

Usage: packages.py RELEASES SLOT

RELEASES/venvs/<python>-<hash of requirements.txt and deploy/wheels.lock>/ is made of the wheels in SLOT/wheels (what
the release brings) and in RELEASES/wheels (what came with the installation), unless it is there already, and SLOT/.venv
leads there: releases with the same packages share them. It runs under the Python that the release will run under, and
needs only the standard library; pip comes as a wheel.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

#: Written last: an environment without it was left unfinished by a power cut.
COMPLETE = ".complete"
#: Of a release: the very wheels of its packages (build_wheels.py).
LOCK = "deploy/wheels.lock"


def furnish(releases: Path, slot: Path) -> bool:
    """Make `slot/.venv`; False when it was there already. Raises `Missing` or OSError."""
    requirements, lock = slot / "requirements.txt", slot / LOCK
    digest = hashlib.sha256(requirements.read_bytes() + (lock.read_bytes() if lock.exists() else b"")).hexdigest()[:12]
    name = f"{sys.version_info[0]}.{sys.version_info[1]}-{digest}"
    target, link = releases / "venvs" / name, Path("..", "..", "venvs", name)
    if not (target / COMPLETE).exists():
        shutil.rmtree(target, ignore_errors=True)
        _make(
            target, requirements, lock, [folder for folder in (slot / "wheels", releases / "wheels") if folder.is_dir()]
        )
    elif (slot / ".venv").is_symlink() and (slot / ".venv").readlink() == link:
        return False
    draft = slot / ".venv.new"
    draft.unlink(missing_ok=True)
    draft.symlink_to(link)
    draft.rename(slot / ".venv")
    return True


class Missing(Exception):
    """A package is in none of the folders."""


def _make(target: Path, requirements: Path, lock: Path, wheels: list[Path]) -> None:
    pips = sorted(path for folder in wheels for path in folder.glob("pip-*.whl"))
    if not pips:
        raise Missing("there is no wheel of pip")
    target.parent.mkdir(exist_ok=True)
    venv.create(target, with_pip=False, symlinks=True)
    constraints = target / "constraints.txt"
    constraints.write_text("".join(_versions(lock)) if lock.exists() else "")
    found = subprocess.run(
        [
            *(str(target / "bin" / "python"), f"{pips[-1]}/pip", "install", "--quiet", "--disable-pip-version-check"),
            *("--no-index", "--no-cache-dir", "--only-binary=:all:", "--isolated", "-r", str(requirements)),
            *("-c", str(constraints)),
            *(word for folder in wheels for word in ("--find-links", str(folder))),
        ],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    if found.returncode:
        shutil.rmtree(target, ignore_errors=True)
        errors = [line.removeprefix("ERROR: ") for line in found.stderr.splitlines() if line.startswith("ERROR")]
        raise Missing("; ".join(errors) or found.stderr.strip()[-300:])
    os.sync()
    (target / COMPLETE).touch()


def _versions(lock: Path) -> Iterator[str]:
    """Exactly those of the lock, also of what requirements need in turn: one that repairs a flaw is not left out."""
    for line in lock.read_text().splitlines():
        if not line.startswith("#"):
            name, version = line.split("  ", 1)[1].split("-")[:2]
            yield f"{name}=={version}\n"


if __name__ == "__main__":
    if len(sys.argv) != 3:
        raise SystemExit(__doc__)
    try:
        furnish(Path(sys.argv[1]).absolute(), Path(sys.argv[2]).absolute())
    except (Missing, OSError) as error:
        raise SystemExit(f"{error}") from None
