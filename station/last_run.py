"""How the former run of the station ended: it was asked to, the machine lost its power, or the software crashed.

A crash is an end without a goodbye on a machine that went on, whatever killed the process.
"""

from __future__ import annotations

import json
from datetime import datetime
from pathlib import Path
from typing import Protocol

from ocppclient.clock import format_utc, parse_utc

_RUNNING, CRASHES = "run.machine", "run.crashes"
#: So many crashes are remembered.
_KEPT = 20
_MACHINE = Path("/proc/sys/kernel/random/boot_id")


class Values(Protocol):
    """The small named facts of the store."""

    def value(self, name: str) -> str | None: ...
    def set_value(self, name: str, value: str | None) -> None: ...


def machine_boot() -> str:
    """Another text after each start of the machine; "" where that cannot be told."""
    try:
        return _MACHINE.read_text().strip()
    except OSError:
        return ""


def begin(store: Values, machine: str, now: datetime) -> bool:
    """A run begins on the machine as `machine_boot` calls it. True: the former run crashed; it is remembered."""
    crashed = bool(machine) and store.value(_RUNNING) == machine
    if crashed:
        store.set_value(CRASHES, json.dumps([*json.loads(store.value(CRASHES) or "[]"), format_utc(now)][-_KEPT:]))
    store.set_value(_RUNNING, machine or None)
    return crashed


def end(store: Values) -> None:
    """This run ends because it was asked to."""
    store.set_value(_RUNNING, None)


def crashes(kept: str | None) -> list[datetime]:
    """When the station came back from a crash, oldest first; `kept` is the value of `CRASHES`."""
    return [parse_utc(text) for text in json.loads(kept or "[]")]
