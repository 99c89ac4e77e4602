"""The job that asks for the list of updates, and judges it."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict

from ocppclient.clock import format_utc, parse_utc
from ocppclient.sentence import quoted
from station import firmware_files, provisioning, releases
from station.jobs import JobFailed, Task
from station.transfer import Limits, Part, TransferFailed
from station.transfer import download as fetch
from station.transfer_options import transfer_options
from station.updates import published

#: A list is small; a server that drips it is not waited for.
_LIMITS = Limits(size=published.LARGEST, total_s=120, idle_s=30, answer_s=30)


def look(task: Task) -> Mapping[str, object]:
    """Ask the address; result: `made` of its list, and the `offer` that fits this station, None when none does."""
    address, former = task.arguments["location"], task.arguments["former"]
    part = Part(task.staging, task.uid, _LIMITS.keep_free)
    part.forget()  # a list is never continued
    try:
        options = transfer_options(task)
        fetch(address, part, _LIMITS, options, lambda done, total: task.tell("asking", 0), time.monotonic)
        content = part.path.read_bytes()
        trust = firmware_files.trust(task.now, sure=task.arguments["sure"])
        told = published.read(content, address, trust, parse_utc(former) if former else None)
    except TransferFailed as failed:
        raise JobFailed(failed.failure, quoted(failed)) from None
    except published.BadList as bad:
        raise JobFailed(bad.failure, quoted(bad)) from None
    finally:
        part.forget()
    running = releases.running_version(releases.here())
    offer = published.best(told.offers, provisioning.load().identity.model, running)
    return {"made": format_utc(told.made), "offer": asdict(offer) if offer else None}
