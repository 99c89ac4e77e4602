"""Files to and from addresses that the backend names: http, https, ftp, ftps, never to this machine itself."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from station.transfer import ftp, http
from station.transfer.address import Place, TransferFailed, place_of
from station.transfer.limits import Limits, Pace, Progress
from station.transfer.part import Part

__all__ = ["Limits", "Part", "Place", "TransferFailed", "download", "upload"]


def download(
    url: str, part: Part, limits: Limits, options: http.Options, progress: Progress, monotonic: Callable[[], float]
) -> None:
    """Get a file into `part`, going on where a former attempt stopped when the server can.

    Raises:
        TransferFailed: with its kind and a sentence; what came so far stays in the part for the next attempt.
    """
    place = place_of(url)
    pace = Pace(limits, progress, monotonic)
    if place.scheme in ("http", "https"):
        http.download(place, part, pace, options)
    else:
        ftp.download(place, part, pace, options)


def upload(
    url: str,
    file: Path,
    name: str,
    limits: Limits,
    options: http.Options,
    progress: Progress,
    monotonic: Callable[[], float],
    *,
    resume: bool = False,
) -> None:
    """Put a file under `name` into the folder that the address names (or at it, when it names a file).

    Args:
        resume: a former attempt may have left its beginning there.

    Raises:
        TransferFailed: with its kind and a sentence.
    """
    place = place_of(url)
    pace = Pace(limits, progress, monotonic)
    if place.scheme in ("http", "https"):
        http.upload(place, file, name, pace, options)
    else:
        ftp.upload(place, file, name, pace, options, resume=resume)
