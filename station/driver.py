"""What anybody at the station may know: its state in plain words, energy and time, a receipt; never a card number."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.core import signing
from django.core.cache import cache

from ocppclient.clock import parse_utc
from ocppclient.sentence import Sentence
from station import ask, live, provisioning
from station.models import Setting, Transaction

#: Strangers may ask as often as they like: the station is asked at most once in so many seconds.
FRESH_S = 2
#: The page shows the link to a receipt so long after the end of the session; whoever has the link can use it so long.
RECEIPT_SHOWN, RECEIPT_KEPT = timedelta(minutes=15), timedelta(days=90)

#: ChargePointStatus → what a driver should know or do.
_SENTENCES = {
    "Available": Sentence("Free. Plug in your car and hold your card to the reader."),
    "Preparing": Sentence("Your car is plugged in. Hold your card to the reader."),
    "Charging": Sentence("Your car is charging."),
    "SuspendedEV": Sentence("Your car is not taking energy now. Perhaps it is full."),
    "SuspendedEVSE": Sentence("The station has paused charging. It goes on by itself."),
    "Finishing": Sentence("Charging has ended. You can unplug your car."),
    "Reserved": Sentence("Reserved: only the holder of the reservation can charge now."),
    "Unavailable": Sentence("Out of service. Please use another station."),
    "Faulted": Sentence("Out of order. Please use another station."),
}
_NO_CAR_YET = Sentence("The station is ready for you. Plug in your car.")
_SILENT = Sentence("The station does not answer at the moment. Please try again in a minute.")
_lock = threading.Lock()


@dataclass(frozen=True)
class Sight:
    """Attributes: kind and word as on the dashboard; energy_kwh and minutes of the session, None without one; power_kw
    and offered_a now, None after its end; `receipt` of it: what `receipt_of` takes, "" without one."""

    kind: str
    word: Sentence
    sentence: Sentence
    energy_kwh: float | None = None
    minutes: int | None = None
    power_kw: float | None = None
    offered_a: float | None = None
    receipt: str = ""

    @property
    def hours(self) -> str:
        """Hours and minutes of a session of an hour or longer, else ""."""
        return f"{self.minutes // 60}:{self.minutes % 60:02}" if self.minutes is not None and self.minutes >= 60 else ""


def is_open() -> bool:
    """The page exists, unless somebody switched it off."""
    return provisioning.stored("web", "driver_page") is not False


def switch(is_open: bool) -> None:
    """Open the page to everybody, or switch it off."""
    Setting.objects.update_or_create(section="web", name="driver_page", defaults={"value": json.dumps(is_open)})


def gives_receipts() -> bool:
    """The page has a link to the receipt, unless somebody switched it off."""
    return provisioning.stored("web", "driver_receipt") is not False


def switch_receipts(wanted: bool) -> None:
    """Give receipts from now on, or none; links that are out there follow it."""
    Setting.objects.update_or_create(section="web", name="driver_receipt", defaults={"value": json.dumps(wanted)})


def receipt_of(token: str, now: datetime | None = None) -> Transaction | None:
    """The session that a link is for; None for a made-up one, one that is too old, and when no receipts are given."""
    try:
        uid = _signer().unsign(token)
    except signing.BadSignature:
        return None
    if not (is_open() and gives_receipts()):
        return None
    oldest = (now or datetime.now(UTC)) - RECEIPT_KEPT
    return Transaction.objects.filter(uid=uid, started_at__gte=oldest).first()


def _signer() -> signing.Signer:
    """Nobody can make a link without the secret key of this station, so nobody can guess one."""
    return signing.Signer(salt="receipt")


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
        return Sight("unavailable", Sentence("No answer"), _SILENT)
    status = snapshot["state"]["status"]
    word, kind = live.STATES.get(status, (Sentence("Out of service"), "unavailable"))
    sentence = _SENTENCES.get(status, _SENTENCES["Unavailable"])
    if status == "Preparing" and not snapshot["box"]["ev_connected"]:
        sentence = _NO_CAR_YET  # a card was accepted, or the operator has started a session
    session, power = snapshot["session"], snapshot["meter"]["power_w"]
    offered_a = snapshot["limit"]["offered_a"]
    if session is None:
        return Sight(kind, word, sentence)
    return Sight(
        kind, word, sentence, session["energy_wh"] / 1000,
        session["elapsed_s"] // 60, power / 1000 if power is not None and session["running"] else None,
        offered_a if session["running"] else None, _receipt(session, parse_utc(snapshot["at"])),
    )  # fmt: skip


def _receipt(session: Mapping[str, Any], now: datetime) -> str:
    """For the driver who stands there; not for who comes later."""
    ended = session["stopped_at"]
    is_over = ended is not None and now - parse_utc(ended) > RECEIPT_SHOWN
    return "" if is_over or not gives_receipts() else _signer().sign(session["uid"])
