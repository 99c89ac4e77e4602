"""The job that uploads diagnostics or the security log: the archive is made once and kept until it has arrived."""

from __future__ import annotations

import time
from collections.abc import Mapping
from datetime import datetime

from ocppclient.clock import parse_utc
from ocppclient.sentence import quoted
from station.diagnostics_archive import Span, build
from station.jobs import JobFailed, Task
from station.transfer import Limits, TransferFailed
from station.transfer import upload as send
from station.transfer_options import transfer_options


def upload(task: Task) -> Mapping[str, object]:
    """Make the archive and send it."""
    arguments, archive = task.arguments, task.staging / f"{task.uid}.zip"
    if not archive.exists():
        span = Span(_moment(arguments["oldest"]), _moment(arguments["latest"]))
        build(archive, arguments["log"], span, arguments["state"], lambda percent: task.tell("collecting", percent))
    try:
        send(
            arguments["location"],
            archive,
            arguments["name"],
            Limits(),
            transfer_options(task),
            lambda done, total: task.tell("uploading", done * 100 // max(total, 1)),
            time.monotonic,
            resume=task.run > 1,
        )
    except TransferFailed as failed:
        raise JobFailed(failed.failure, quoted(failed)) from None
    archive.unlink()
    return {"name": arguments["name"]}


def _moment(text: str) -> datetime | None:
    return parse_utc(text) if text else None
