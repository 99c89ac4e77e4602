"""Security events (security white paper sections 3 and 8; conformance EVT, section 28): the log, and what is told.

The security log is the queue as well: a row that has to be told waits in it until the backend has answered.
"""

from __future__ import annotations

import logging
import uuid
from dataclasses import dataclass, replace
from datetime import timedelta

from ocppclient.clock import Clock, format_utc
from ocppclient.codec import Payload
from ocppclient.configuration import Configuration
from ocppclient.facts import Facts
from ocppclient.outbox import Outbox, Outcome
from ocppclient.sentence import Sentence
from ocppclient.store import SecurityEvent, Store

log = logging.getLogger(__name__)

TECH_INFO_LENGTH = 255  # SecurityEventNotification.req, section 5.15
_NOT_UNDERSTOOD = ("NotImplemented", "NotSupported")


@dataclass(frozen=True)
class _Kind:
    """`critical`: as the white paper says. `told`: goes to the backend; critical or wanted in another clause."""

    critical: bool
    told: bool


_CRITICAL, _TOLD, _LOGGED = _Kind(True, True), _Kind(False, True), _Kind(False, False)

#: Every event of section 8. Those that are told though not critical: L01.FR.02 and .03, and conformance CRT-06, CRT-17.
EVENTS = {
    "FirmwareUpdated": _CRITICAL,
    "FailedToAuthenticateAtCentralSystem": _LOGGED,
    "CentralSystemFailedToAuthenticate": _LOGGED,
    "SettingSystemTime": _CRITICAL,
    "StartupOfTheDevice": _CRITICAL,
    "ResetOrReboot": _CRITICAL,
    "SecurityLogWasCleared": _CRITICAL,
    "ReconfigurationOfSecurityParameters": _LOGGED,
    "MemoryExhaustion": _CRITICAL,
    "InvalidMessages": _LOGGED,
    "AttemptedReplayAttacks": _LOGGED,
    "TamperDetectionActivated": _CRITICAL,
    "InvalidFirmwareSignature": _TOLD,
    "InvalidFirmwareSigningCertificate": _TOLD,
    "InvalidCentralSystemCertificate": _TOLD,
    "InvalidChargePointCertificate": _TOLD,
    "InvalidTLSVersion": _LOGGED,
    "InvalidTLSCipherSuite": _LOGGED,
}


class SecurityEvents:
    """Keeps every event in the rolling log, and tells the backend those that it has to know, in order, until it knows.

    They are told at SecurityProfile ≥ 1, at 0 only when the installer wants it (product.md, settled question 8).
    """

    def __init__(
        self, store: Store, clock: Clock, config: Configuration, facts: Facts, outbox: Outbox, firmware_version: str
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._facts = facts
        self._outbox = outbox
        self._firmware_version = firmware_version
        self._startup_noted = False
        self._asked = False  # a SecurityEventNotification waits for its answer
        self._attempts = 0  # CALLERRORs of the oldest waiting event
        self._next_at = clock.monotonic()
        self._suspected: set[str] = set()  # what was raised by `suspect` on this connection
        self._idle = False  # nothing waits; False as long as that is not known

    def raise_event(self, event_type: str, tech_info: str = "") -> None:
        """Something of section 8 happened: log it, and queue it for the backend when that has to know.

        Args:
            event_type: a name of `EVENTS`.
            tech_info: one line for people, never with a secret; cut to 255 characters.
        """
        told = EVENTS[event_type].told and (self._config.security_profile >= 1 or self._config.send_security_events)
        text = " ".join(tech_info.split())
        if len(text) > TECH_INFO_LENGTH:
            text = text[: TECH_INFO_LENGTH - 1] + "…"
        if text == tech_info:
            text = tech_info  # what was not changed is still a sentence
        self._store.add_security_event(
            SecurityEvent(
                type=event_type,
                at=self._clock.utc(),
                tech_info=text,
                delivery="waiting" if told else "",
                message_id=str(uuid.uuid4()) if told else "",
                boot_id="" if self._clock.confirmed else self._facts.boot_id,
            )
        )
        self._idle = self._idle and not told
        log.warning("Security event %s%s", event_type, f": {text}" if text else "")

    def suspect(self, event_type: str, tech_info: str) -> None:
        """The same, once per connection: a peer that goes on and on must not fill the log."""
        if event_type not in self._suspected:
            self._suspected.add(event_type)
            self.raise_event(event_type, tech_info)

    def redate(self, delta_s: float) -> None:
        """The clock was a guess and moved by `delta_s` seconds: correct what this boot has logged (CLK-04)."""
        for event in self._store.undated_security_events(self._facts.boot_id):
            self._store.update_security_event(replace(event, at=event.at + timedelta(seconds=delta_s), boot_id=""))

    def clear(self, who: str) -> None:
        """A person clears the log: what the backend still has to know stays, and that it was cleared is known."""
        self._store.clear_security_log()
        self.raise_event("SecurityLogWasCleared", Sentence("by {who}", who=who))

    def update(self) -> None:
        """Note the start once; tell the oldest waiting event when the backend listens."""
        if not self._startup_noted:
            self._startup_noted = True
            version = (
                Sentence("firmware {firmware_version}", firmware_version=self._firmware_version)
                if self._firmware_version
                else ""
            )
            self.raise_event("StartupOfTheDevice", version)
        if self._idle or self._asked or not self._outbox.online or self._clock.monotonic() < self._next_at:
            return
        event = self._store.waiting_security_event()
        if event is None:
            self._idle = True
            return
        self._asked = self._outbox.send("SecurityEventNotification", _request(event), message_id=event.message_id)

    def connected(self) -> None:
        """A new connection: what was not answered goes out again at once, with the same id."""
        self._asked = False
        self._suspected.clear()
        self._attempts = 0
        self._next_at = self._clock.monotonic()

    def security_event_notification_conf(self, outcome: Outcome) -> None:
        """SecurityEventNotification.conf (section 5.16). Only an answer of the backend ends the delivery."""
        self._asked = self._asked and outcome.late
        event = self._store.waiting_security_event()
        if event is None or _request(event) != outcome.request:
            return  # a late answer to a copy of one that was delivered meanwhile
        if outcome.response is not None:
            self._settled(event, "delivered")
        elif outcome.lost:
            self._again(event)
        elif not outcome.late:
            self._failed(event, outcome.error)

    def _again(self, event: SecurityEvent) -> None:
        if self._outbox.online:  # OCPP-J 4.1.4: a copy on the same connection needs a new id
            self._store.update_security_event(replace(event, message_id=str(uuid.uuid4())))
            self._wait()

    def _failed(self, event: SecurityEvent, error: str) -> None:
        self._attempts += 1
        if error.startswith(_NOT_UNDERSTOOD) or self._attempts >= self._config.transaction_message_attempts:
            log.warning("The backend does not take the security event %s: %s", event.type, error)
            self._settled(event, "refused")
            return
        self._again(event)

    def _settled(self, event: SecurityEvent, delivery: str) -> None:
        self._store.update_security_event(replace(event, delivery=delivery))
        self._attempts = 0

    def _wait(self) -> None:
        wait_s = self._config.transaction_message_retry_interval * max(self._attempts, 1)
        self._next_at = self._clock.monotonic() + max(wait_s, 1.0)


def _request(event: SecurityEvent) -> Payload:
    request = {"type": event.type, "timestamp": format_utc(event.at)}
    return {**request, "techInfo": event.tech_info} if event.tech_info else request
