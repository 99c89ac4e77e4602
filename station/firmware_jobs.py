"""The jobs of a firmware update: getting the file, and unpacking it into a slot. Switching to it is the worker's."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import BinaryIO

from ocppclient.sentence import Sentence, quoted
from station import releases
from station.jobs import JobFailed, Task
from station.release_archive import BadRelease, ReleaseFile, Trust, is_older
from station.transfer import Limits, Part, TransferFailed
from station.transfer import download as fetch
from station.transfer.part import sync_folder
from station.transfer_options import transfer_options

_PIECE = 1024 * 1024
#: So often a job that waits for another program says that it goes on, seconds.
_LOOK_S = 5.0


def download(task: Task) -> Mapping[str, object]:
    """Get the file; result: its name in the staging folder and its SHA-256."""
    limits = Limits()
    part = Part(task.staging, task.uid, limits.keep_free)
    try:
        fetch(
            task.arguments["location"],
            part,
            limits,
            transfer_options(task),
            lambda done, total: task.tell("downloading", done * 100 // total if total else 0),
            time.monotonic,
        )
    except TransferFailed as failed:
        raise JobFailed(failed.failure, quoted(failed)) from None
    path, sha256 = part.finish()
    return {"file": path.name, "sha256": sha256}


def install(task: Task) -> Mapping[str, object]:
    """Check the file and unpack it into a new slot; result: the slot and its version."""
    if (unpacked := _unpacked(task)) is not None:
        return unpacked
    path = task.staging / Path(task.arguments["file"]).name
    try:
        with path.open("rb") as file:
            return _install(task, file)
    except FileNotFoundError:
        raise JobFailed("archive", Sentence("the file is not there any more")) from None
    except BadRelease as bad:
        raise JobFailed(bad.failure, quoted(bad)) from None
    except OSError as error:
        raise JobFailed(
            "space", Sentence("the release could not be written ({problem})", problem=str(error.strerror))
        ) from None
    finally:  # a kill is no end: the next run needs the file again, unless the slot is complete
        path.unlink(missing_ok=True)


def _unpacked(task: Task) -> Mapping[str, object] | None:
    """The slot, when this job was killed after it was complete and before anybody knew."""
    ours = releases.here()
    found = sorted(ours.slots.glob(f"*-{task.uid[:8]}")) if ours else []
    if not found or ours is None:
        return None
    return {"slot": found[0].name, "version": str(ours.manifest(found[0].name).get("version", ""))}


def _install(task: Task, file: BinaryIO) -> Mapping[str, object]:
    arguments = task.arguments
    task.tell("checking", 0)
    if _sha256(file) != arguments["sha256"]:
        raise BadRelease("archive", Sentence("the file has changed since it was received"))
    release = ReleaseFile(file)
    release.check(
        Trust(
            proven=arguments["proven"],
            roots=tuple(arguments["roots"]),
            algorithms=tuple(arguments["algorithms"]),
            allow_unsigned=arguments["allow_unsigned"],
            now=task.now,
            sure=arguments["sure"],
        ),
        arguments["model"],
    )
    manifest, ours = release.manifest, releases.here()
    running = releases.running_version(ours)
    if is_older(manifest.version, running) and not arguments["allow_older"]:
        raise BadRelease(
            "version",
            Sentence(
                "version {version} is older than {running}, which runs; only the local page may install it",
                version=manifest.version,
                running=running,
            ),
        )
    if ours is None:
        raise JobFailed(
            "slots",
            Sentence(
                "this station runs from a development checkout, where nothing can be installed; "
                "start it with deploy/launcher.py"
            ),
        )
    ours.make_room()
    slot = f"{manifest.version}-{task.uid[:8]}"
    draft, target = ours.slots / f".unpacking-{task.uid}", ours.slots / slot
    shutil.rmtree(draft, ignore_errors=True)
    try:
        release.unpack(draft, lambda percent: task.tell("unpacking", percent))
        (draft / releases.MANIFEST).write_bytes(manifest.raw)
        _furnish(ours, draft, task)
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    os.sync()  # every file of it is on the disk before its name is
    draft.rename(target)
    sync_folder(ours.slots)
    return {"slot": slot, "version": manifest.version}


def _furnish(ours: releases.Releases, slot: Path, task: Task) -> None:
    """Its Python packages, by the release's own rule, where the running release has its own as well."""
    if not (ours.slots / ours.own_slot / ".venv").exists():
        return  # started under a Python that has them (docs/firmware.md)
    python = getattr(sys, "_base_executable", sys.executable)  # not that of the running release's environment
    command = [python, "-B", str(slot / "deploy" / "packages.py"), str(ours.folder), str(slot)]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as made:
        try:
            while True:
                task.tell("packages", 0)  # minutes on a small board: the watchdog sees that it goes on
                with suppress(subprocess.TimeoutExpired):
                    _, errors = made.communicate(timeout=_LOOK_S)
                    break
        except BaseException:
            made.kill()
            raise
    if made.returncode:
        reason = errors.strip().rpartition("\n")[2]
        raise JobFailed("packages", Sentence("its Python packages are not complete ({problem})", problem=reason[:200]))


def _sha256(file: BinaryIO) -> str:
    digest = hashlib.sha256()
    while piece := file.read(256 * 1024):
        digest.update(piece)
    return digest.hexdigest()
