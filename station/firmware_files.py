"""A release that a person brings: stored, looked at as the installation will, and refused with its reason."""

from __future__ import annotations

import uuid
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ocppclient.certificates import MANUFACTURER_ROOT
from ocppclient.sentence import Sentence
from station import jobs, provisioning, releases
from station.models import Certificate
from station.release_archive import BadRelease, ReleaseFile, Trust, is_older
from station.transfer import Limits
from station.transfer.part import Part


@dataclass(frozen=True)
class Brought:
    """A release that may be installed; `file` lies in the staging folder."""

    file: str
    sha256: str
    version: str


def store(pieces: Iterable[bytes], *, allow_older: bool) -> Brought:
    """Keep it for its installation.

    Raises:
        BadRelease: it is not to be installed; nothing of it stays.
        OSError: it cannot be written.
    """
    limits, size = Limits(), 0
    part = Part(jobs.staging_folder(), f"brought-{uuid.uuid4()}", limits.keep_free)
    path = part.path
    try:
        with part.open(0, "") as file:
            for piece in pieces:
                size += len(piece)
                if size > limits.size:
                    raise BadRelease(
                        "archive",
                        Sentence("it is larger than {size} MiB, so it is no release", size=limits.size // 2**20),
                    )
                file.write(piece)
        path, sha256 = part.finish()
        return Brought(path.name, sha256, _look(path, allow_older))
    except BaseException:
        part.forget()
        path.unlink(missing_ok=True)
        raise


def discard(brought: Brought) -> None:
    """Nobody wants it after all."""
    (jobs.staging_folder() / brought.file).unlink(missing_ok=True)


def trust(now: datetime, *, sure: bool) -> Trust:
    """Whose releases are installed, by what is stored now; `now` and `sure` as in `Trust`."""
    factory = provisioning.load().factory
    roots = Certificate.objects.filter(kind=MANUFACTURER_ROOT).values_list("pem", flat=True)
    return Trust(False, tuple(roots), factory.firmware_signatures, factory.allow_unsigned_update, now, sure)


def _look(path: Path, allow_older: bool) -> str:
    """Its version, when the installation would take it."""
    with path.open("rb") as file:
        release = ReleaseFile(file)
        # this process has not the station's clock, by which the installation judges
        release.check(trust(datetime.now(UTC), sure=False), provisioning.load().identity.model)
    version, running = release.manifest.version, releases.running_version(releases.here())
    if is_older(version, running) and not allow_older:
        raise BadRelease(
            "version",
            Sentence(
                "version {version} is older than {running}, which runs; tick the box if you mean it",
                version=version,
                running=running,
            ),
        )
    return version
