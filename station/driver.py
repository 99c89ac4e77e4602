"""What anybody at the station may know: its state in plain words, energy and time; never a card number."""

from __future__ import annotations

import json
import threading
from dataclasses import dataclass

from django.core.cache import cache

from station import ask, live, provisioning
from station.models import Setting

#: Strangers may ask as often as they like: the station is asked at most once in so many seconds.
FRESH_S = 2

#: ChargePointStatus → what a driver should know or do.
_SENTENCES = {
    "Available": "Free. Plug in your car and hold your card to the reader.",
    "Preparing": "Getting ready. Plug in your car and hold your card to the reader.",
    "Charging": "Your car is charging.",
    "SuspendedEV": "Your car is not taking energy now. Perhaps it is full.",
    "SuspendedEVSE": "The station has paused charging. It goes on by itself.",
    "Finishing": "Charging has ended. You can unplug your car.",
    "Reserved": "Reserved: only the holder of the reservation can charge now.",
    "Unavailable": "Out of service. Please use another station.",
    "Faulted": "Out of order. Please use another station.",
}
_SILENT = "The station does not answer at the moment. Please try again in a minute."
_lock = threading.Lock()


@dataclass(frozen=True)
class Sight:
    """Attributes: kind and word as on the dashboard; energy_kwh and minutes of the session, None without one."""

    kind: str
    word: str
    sentence: str
    energy_kwh: float | None = None
    minutes: int | None = None
    power_kw: float | None = None


def is_open() -> bool:
    """The page exists, unless somebody switched it off."""
    return provisioning.stored("web", "driver_page") is not False


def switch(is_open: bool) -> None:
    """Open the page to everybody, or switch it off."""
    Setting.objects.update_or_create(section="web", name="driver_page", defaults={"value": json.dumps(is_open)})


def sight() -> Sight:
    """Now, or up to FRESH_S seconds ago."""
    with _lock:  # many at once ask the station once
        seen: Sight | None = cache.get("driver")
        if seen is None:
            seen = _seen()
            cache.set("driver", seen, FRESH_S)
        return seen


def _seen() -> Sight:
    snapshot = ask.snapshot()
    if snapshot is None:
        return Sight("unavailable", "No answer", _SILENT)
    status = snapshot["state"]["status"]
    word, kind = live.STATES.get(status, ("Out of service", "unavailable"))
    session, power = snapshot["session"], snapshot["meter"]["power_w"]
    if session is None:
        return Sight(kind, word, _SENTENCES.get(status, _SENTENCES["Unavailable"]))
    return Sight(
        kind, word, _SENTENCES.get(status, _SENTENCES["Unavailable"]), session["energy_wh"] / 1000,
        session["elapsed_s"] // 60, power / 1000 if power is not None and session["running"] else None,
    )  # fmt: skip
