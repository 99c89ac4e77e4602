"""Asks for updates once a day, tells what it finds, and has it installed when a person or the night says so.

Without an address nobody is asked. Unreachable is no fault of the station's: it is noted, and tried again.
"""

from __future__ import annotations

import json
import logging
import random
from collections.abc import Callable
from dataclasses import asdict, replace
from datetime import datetime, timedelta
from typing import Protocol
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from ocppclient.clock import Clock, format_utc, parse_utc
from ocppclient.events import Action, Event, JobWanted, ReleaseOffered, RunJob, SecurityEventSeen
from ocppclient.sentence import Sentence, packed, quoted, unpacked
from ocppclient.store import Job
from station import commissioning
from station.provision_file import UpdateSettings
from station.release_archive import is_older
from station.updates import kept
from station.updates.kept import VALUE, Found
from station.updates.published import Offer

log = logging.getLogger("station.updates")

#: Between two questions, and after one that failed; up to so much of it is added or taken away by chance, so that the
#: stations of a seller do not all ask at once.
DAY_S, AGAIN_S, SPREAD = 86_400.0, 7_200.0, 0.25
#: After the start: the first question ever soon (the set-up waits for it), a later one within minutes.
FIRST_S, START_S = 10.0, 600.0
#: Installing by itself begins in these hours of the station's time zone, in each station at a minute of its own.
NIGHT = (timedelta(hours=2), timedelta(hours=5))
_LOOK_EVERY_S, _NIGHT_EVERY_S = 0.5, 60.0
#: A list with these was not made by the seller, or was changed on its way.
_EVENTS = {"signature": "InvalidFirmwareSignature", "certificate": "InvalidFirmwareSigningCertificate"}


class Kept(Protocol):
    """What the desk needs of the store."""

    def value(self, name: str) -> str | None: ...
    def set_value(self, name: str, value: str | None) -> None: ...
    def job(self, uid: str) -> Job | None: ...


class UpdateDesk:
    """Belongs to the domain thread.

    Args:
        handle: gives an event to the charge point and runs its actions.
        charges: a session is running.
        running: the version that runs.
        chance: from 0 to below 1.
    """

    def __init__(
        self,
        clock: Clock,
        store: Kept,
        handle: Callable[[Event], list[Action]],
        charges: Callable[[], bool],
        running: str,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._clock = clock
        self._store = store
        self._handle = handle
        self._charges = charges
        self._running = running
        self._chance = chance
        self._found = Found()
        self._wanted: UpdateSettings | None = None  # not read yet
        self._next_at = self._due_at = self._night_at = 0.0
        self._begin = NIGHT[0] + chance() * (NIGHT[1] - NIGHT[0])

    # -- people

    def settings_changed(self) -> None:
        """Read what people want, at the start as well; another address begins anew."""
        self._wanted = wanted = kept.chosen()
        found = kept.from_text(self._store.value(VALUE) or "")
        if found.address != wanted.url:
            found = Found(address=wanted.url)
        if found.offer and not is_older(self._running, found.offer.version):
            found = replace(found, offer=None)  # it runs
        self._keep(found)
        self._due_at = self._clock.monotonic() + self._wait_s()

    def look(self) -> tuple[bool, Sentence]:
        """Ask now; whether that is possible, and words."""
        if self._wanted is None:
            self.settings_changed()
        if not self._found.address:
            return False, Sentence("Nobody can be asked: enter the address of the list of updates first.")
        if not self._found.job:
            self._ask()
        return True, Sentence("The station asks for updates.")

    def offered(self, version: str) -> ReleaseOffered | None:
        """The order to install what was found; None when that is not it any more."""
        offer = self._found.offer
        if offer is None or offer.version != version:
            return None
        return ReleaseOffered(offer.location, offer.sha256, offer.version)

    # -- time

    def tick(self) -> None:
        """Time has passed."""
        now = self._clock.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + _LOOK_EVERY_S
        if self._wanted is None:
            self.settings_changed()
        if self._found.job:
            self._take_answer(self._found.job)
        elif self._found.address and now >= self._due_at:
            self._ask()
        if self._wanted and self._wanted.install_at_night and self._found.offer and now >= self._night_at:
            self._night_at = now + _NIGHT_EVERY_S
            self._install_at_night(self._found.offer)

    def _wait_s(self) -> float:
        """From a start until the next question."""
        if not self._found.asked_at:
            return FIRST_S
        since_s = (self._clock.utc() - parse_utc(self._found.asked_at)).total_seconds()
        left_s = DAY_S - since_s if 0 <= since_s <= DAY_S else 0.0
        return left_s + START_S * self._chance()

    def _ask(self) -> None:
        arguments = {"location": self._found.address, "former": self._found.made}
        actions = self._handle(JobWanted("look", arguments))
        (uid,) = [action.uid for action in actions if isinstance(action, RunJob)][-1:] or [""]
        self._keep(replace(self._found, asked_at=format_utc(self._clock.utc()), job=uid))
        self._due_at = self._clock.monotonic() + self._spread(DAY_S)

    def _spread(self, seconds: float) -> float:
        return seconds * (1 - SPREAD + 2 * SPREAD * self._chance())

    def _take_answer(self, uid: str) -> None:
        job = self._store.job(uid)
        if job is not None and job.state in ("queued", "running"):
            return
        found = replace(self._found, job="")
        if job is None or job.state == "cancelled":
            self._keep(found)
            return
        result = json.loads(job.result)
        if job.state == "failed":
            self._due_at = self._clock.monotonic() + self._spread(AGAIN_S)
            reason = quoted(unpacked(result["reason"]))
            log.info("There is no answer about updates: %s", reason)
            if (event := _EVENTS.get(result["failure"])) and packed(reason) != found.problem:
                self._handle(SecurityEventSeen(event, Sentence("the list of updates: {reason}", reason=reason)))
            self._keep(replace(found, problem=packed(reason)))
            return
        offer = kept.offer_of(result["offer"])
        if offer and offer != found.offer:
            log.warning("Version %s is to be had%s", offer.version, ", it repairs security" if offer.security else "")
        now = format_utc(self._clock.utc())
        self._keep(replace(found, answered_at=now, made=result["made"], problem="", offer=offer))

    def _keep(self, found: Found) -> None:
        self._found = found
        self._store.set_value(VALUE, json.dumps(asdict(found)))

    # -- by itself

    def _install_at_night(self, offer: Offer) -> None:
        """Once for each file: one that was refused or taken back is not tried every night."""
        begin = self._begin
        if not begin <= self._time_of_day() < NIGHT[1] or offer.sha256 == self._found.tried:
            return
        if self._store.value("firmware.update") is not None or self._charges():
            return
        log.warning("Version %s is installed by night", offer.version)
        self._keep(replace(self._found, tried=offer.sha256))
        self._handle(ReleaseOffered(offer.location, offer.sha256, offer.version))

    def _time_of_day(self) -> timedelta:
        """In the station's time zone; noon while nobody knows the time."""
        if not self._clock.synchronised:
            return timedelta(hours=12)
        now = self._clock.utc().astimezone(_zone())
        return now - datetime.combine(now.date(), datetime.min.time(), now.tzinfo)


def _zone() -> ZoneInfo:
    told = commissioning.said().get("language", {}).get("time_zone", "UTC")
    try:
        return ZoneInfo(str(told))
    except (ZoneInfoNotFoundError, ValueError):  # the system forgot a zone that it knew
        return ZoneInfo("UTC")
