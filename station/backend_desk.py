"""Another backend while the station runs: tried, saved, and taken back by itself unless the new link is accepted.

Commit-confirm of design.md, journey D. Charging and the queue go on; the state of a change outlives a power cut.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from django.db import transaction

from ocppclient.clock import Clock, format_utc
from ocppclient.events import Action, Event, SettingsChanged
from ocppclient.link import ConnectionSettings, LinkStatus, final_url
from ocppclient.security import Credentials
from ocppclient.sentence import NOTHING, Sentence, packed, quoted
from ocppclient.settings import ChargePointSettings, Identity
from ocppclient.view import View
from station import backend_settings
from station.backend_settings import Unfit
from station.provision_file import Provision

log = logging.getLogger("station.backend")

#: So long may the new backend take to accept the station, seconds; an attempt on a slow mobile network takes 30.
CONFIRM_S = 90.0
#: So many attempts may fail. Below the three of `security.TRIAL_ATTEMPTS`, which would change the credentials alone.
ATTEMPTS = 2
_LOOK_EVERY_S = 0.5

_WHY = {
    "pending": Sentence("the backend knows this station, but has not released it (Pending); ask its operator"),
    "rejected": Sentence("the backend rejects this station; its operator has to register the id"),
}


class Stored(Protocol):
    """From what is stored to what runs (station/wiring.py)."""

    def credentials(self) -> Credentials: ...
    def settings(self) -> ChargePointSettings: ...
    def trial_link(self, provision: Provision) -> ConnectionSettings: ...


@dataclass(frozen=True)
class Prepared:
    """A trial that can begin; `gently`: why no websocket may be opened, "" when it may."""

    link: ConnectionSettings
    identity: Identity
    gently: Sentence


class BackendDesk:
    """Belongs to the domain thread.

    Args:
        handle: gives an event to the charge point and runs its actions.
        view, link: what is now.
    """

    def __init__(
        self,
        clock: Clock,
        stored: Stored,
        handle: Callable[[Event], list[Action]],
        view: Callable[[], View],
        link: Callable[[], LinkStatus],
    ) -> None:
        self._clock = clock
        self._stored = stored
        self._handle = handle
        self._view = view
        self._link = link
        self._change: dict[str, Any] | None = None  # on trial
        self._deadline = 0.0
        self._attempts = 0
        self._next_at = 0.0
        self._has_looked = False

    # -- people

    def prepare(self, values: Mapping[str, Any]) -> Prepared:
        """A trial with these values; an empty key stands for the stored one.

        Raises:
            Unfit: they cannot work.
        """
        kept, provision = backend_settings.checked(self._completed(values))
        if not kept["url"]:
            raise Unfit(Sentence("Enter the address of the backend: there is nothing to try."))
        try:
            link = self._stored.trial_link(provision)
        except ValueError as error:
            raise Unfit(Sentence("{problem}.", problem=quoted(error))) from None
        now = self._link()
        gently = NOTHING
        if now.state == "connected" and now.url == final_url(link):
            gently = Sentence(
                "not tried, because the running link has this address and id and many backends would drop it; "
                "registration now: {registration}",
                registration=self._view().registration,
            )
        return Prepared(link, provision.identity, gently)

    def save(self, values: Mapping[str, Any], by: str, *, unproven: bool) -> Sentence:
        """Use these values from now on.

        Args:
            unproven: keep them whatever happens, because the backend cannot be reached yet.

        Returns:
            What happens now, in words.

        Raises:
            Unfit: they cannot work; nothing was changed.
        """
        kept, _ = backend_settings.checked(self._completed(values))
        present = backend_settings.stored()
        on_trial = self._change
        # a second change before the first was confirmed: what comes back is the last that worked
        former = on_trial["former"] if on_trial else {**present, **self._effective()}
        told = {
            "at": format_utc(self._clock.utc()),
            "by": by,
            "why": "",
            "wanted": {name: value for name, value in kept.items() if name != "authorization_key"},
        }
        proven_by_nothing = unproven or not kept["url"]
        section = {**present, **kept}
        if kept["url"] != present.get("url"):
            section.pop("secure_url", None)
        with transaction.atomic():
            backend_settings.write(section)
            if proven_by_nothing:
                backend_settings.note_change({**told, "state": "kept"})
            else:
                backend_settings.note_change({**told, "state": "on trial", "former": former})
        log.info("The backend settings were changed by %s%s", by, ", unproven" if unproven else "")
        self._begin(None if proven_by_nothing else {**told, "former": former})
        self._handle(SettingsChanged(self._stored.settings()))
        if not kept["url"]:
            return Sentence("The station works without a backend from now on.")
        if unproven:
            return Sentence("Saved without proof.")
        return Sentence("Saved. The new settings count when the backend accepts them.")

    def _completed(self, values: Mapping[str, Any]) -> dict[str, Any]:
        return backend_settings.completed(values, str(self._stored.credentials().authorization_key))

    def _effective(self) -> dict[str, Any]:
        """Profile and key as they count now: the backend may have changed them since people did."""
        credentials = self._stored.credentials()
        return {
            "security_profile": credentials.security_profile,
            "authorization_key": str(credentials.authorization_key),
        }

    # -- time

    def tick(self) -> None:
        """Time has passed: confirm, wait, or take back."""
        now = self._clock.monotonic()
        if now < self._next_at:
            return
        self._next_at = now + _LOOK_EVERY_S
        if not self._has_looked:
            change = backend_settings.change()
            self._begin(change if change and change["state"] == "on trial" else None)
        if self._change is None:
            return
        view, link = self._view(), self._link()
        if view.online and view.registration == "accepted":
            self._end("confirmed", NOTHING)
        elif now >= self._deadline or (link.state == "waiting" and link.attempts - self._attempts >= ATTEMPTS):
            late = Sentence("the backend did not accept the station in time")
            self._take_back(_WHY.get(view.registration) or link.last_error or late)

    def _begin(self, change: dict[str, Any] | None) -> None:
        self._has_looked = True
        self._change = change
        self._deadline = self._clock.monotonic() + CONFIRM_S
        status = self._link()
        self._attempts = 0 if status.state == "connected" else status.attempts

    def _take_back(self, why: Sentence) -> None:
        assert self._change is not None
        with transaction.atomic():
            backend_settings.write(self._change["former"])
            self._end("taken back", why)
        self._handle(SettingsChanged(self._stored.settings()))

    def _end(self, state: str, why: Sentence) -> None:
        assert self._change is not None
        told = {name: value for name, value in self._change.items() if name != "former"}
        backend_settings.note_change({**told, "state": state, "why": packed(why), "at": format_utc(self._clock.utc())})
        log.info("The new backend settings are %s%s", state, f": {why}" if why else "")
        self._change = None
