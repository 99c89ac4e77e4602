"""BootNotification, registration and Heartbeat (OCPP 1.6 sections 4.2 and 4.6)."""

from __future__ import annotations

import random
from typing import Literal

from ocppclient.clock import Clock
from ocppclient.codec import Payload, tolerant_int
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Connect, Explain
from ocppclient.outbox import Outbox, Outcome
from ocppclient.sentence import Sentence
from ocppclient.settings import ChargePointSettings, Identity
from ocppclient.store import Store
from ocppclient.timekeeping import Timekeeping

Registration = Literal["waiting", "accepted", "pending", "rejected"]

_DAY_S = 86_400.0
#: Why this process is about to end; noted before, used up by the next boot (the reason of an open transaction's stop).
RESET_CAUSE = "reset.cause"
_LONGEST_RETRY_S = 300.0


def boot_notification(identity: Identity) -> Payload:
    """BootNotification.req (section 6.3); what is empty is left out."""
    payload = {
        "chargePointVendor": identity.vendor,
        "chargePointModel": identity.model,
        "chargePointSerialNumber": identity.serial_number,
        "chargeBoxSerialNumber": identity.charge_box_serial_number,
        "firmwareVersion": identity.firmware_version,
        "iccid": identity.iccid,
        "imsi": identity.imsi,
        "meterType": identity.meter_type,
        "meterSerialNumber": identity.meter_serial_number,
    }
    return {name: text for name, text in payload.items() if text}


class Boot:
    """Registers the station with the backend and keeps the registration alive.

    `registration` is "waiting" until the backend answered the BootNotification of this boot.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Configuration,
        outbox: Outbox,
        timekeeping: Timekeeping,
        settings: ChargePointSettings,
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._outbox = outbox
        self._timekeeping = timekeeping
        self._settings = settings
        self._actions = actions
        self.registration: Registration = "waiting"
        self._next_at = clock.monotonic()  # earliest time of the next BootNotification
        self._asked = False  # a BootNotification waits for its answer
        self._unanswered = 0
        self._heartbeat_asked = False
        self._time_asked_at = clock.monotonic()
        self._accepted_here = False  # Accepted came over this connection
        #: The backend refused or postponed this station, and never accepted it with these settings (section 4.2.1).
        self.denied = False

    @property
    def accepted_by(self) -> str | None:
        """`backend_key` of the settings with which a backend accepted this station last, None before the first."""
        return self._store.value("registration.accepted_by")

    @property
    def _accepted_before(self) -> bool:
        return self.accepted_by == self._settings.backend_key

    @property
    def restarting(self) -> bool:
        """A reset was accepted, or the process is ending: nothing new is begun."""
        return self._store.value(RESET_CAUSE) is not None

    @property
    def asked(self) -> bool:
        """A BootNotification waits for its answer."""
        return self._asked

    @property
    def settled(self) -> bool:
        """Accepted, and not reconnected since: another BootNotification would only confuse (errata v4.0 3.35)."""
        return self.registration == "accepted" and self._accepted_here

    def connected(self) -> None:
        """A new connection: BootNotification only when this boot is not registered yet (conformance RPC-07)."""
        if self.registration == "waiting":
            self._next_at = self._clock.monotonic()

    def disconnected(self) -> None:
        """Nothing waits for an answer any more."""
        self._asked = self._heartbeat_asked = self._accepted_here = False

    def settings_changed(self, settings: ChargePointSettings) -> bool:
        """People changed the settings: what the backend knows of this station may be true no longer.

        Returns:
            True when the link has to be opened anew (a Connect is among the actions then): the present connection
            belongs to the former settings, and nothing more may be sent over it.
        """
        former, self._settings = self._settings, settings
        other_link = (former.backend_key, former.connection) != (settings.backend_key, settings.connection)
        if other_link or former.identity != settings.identity:  # section 5.4 of OCPP-J: a field of it changed
            self.registration = "waiting"
            self._outbox.gate = "closed"
            self.denied = self._accepted_here = False
            self._unanswered = 0
            self._next_at = self._clock.monotonic()
        if other_link:
            self._actions.append(Connect("the backend settings were changed"))
        return other_link

    def notify(self) -> bool:
        """Send a BootNotification now; False when it cannot leave."""
        self._asked = self._outbox.send(
            "BootNotification", boot_notification(self._settings.identity), passes_gate=True
        )
        return self._asked

    def boot_notification_conf(self, outcome: Outcome) -> None:
        """BootNotification.conf (section 6.4); an answer without a usable status counts as Accepted."""
        self._asked = False
        response = outcome.response
        if response is None:
            self._retry_later(outcome)
            return
        self._unanswered = 0
        interval_s = max(tolerant_int(response.get("interval")) or 0, 0)
        status = response.get("status")
        if status in ("Pending", "Rejected"):
            self._refused(status, interval_s)
            return
        if status != "Accepted":
            self._outbox.quirks += 1
        self.registration = "accepted"
        self.denied = self._heartbeat_asked = False
        self._accepted_here = True
        self._outbox.gate = "open"
        if interval_s:
            self._config.set(Configuration.heartbeat_interval, interval_s)
        if not self._accepted_before:
            self._store.set_value("registration.accepted_by", self._settings.backend_key)
        self._timekeeping.backend_told(response.get("currentTime"))

    def _refused(self, status: str, interval_s: int) -> None:
        self.registration = "pending" if status == "Pending" else "rejected"
        self._outbox.gate = "pending" if status == "Pending" else "closed"
        self.denied = not self._accepted_before
        # section 4.2: wait at least `interval`; 0 leaves the choice to us
        own_s = max(self._settings.factory.boot_retry_s, 1.0) * random.uniform(1.0, 1.2)
        self._next_at = self._clock.monotonic() + (interval_s or own_s)
        self._actions.append(
            Explain(
                "BootNotification",
                status,
                Sentence(
                    "The backend answered {status}; the station asks again in {interval_s} s.",
                    status=status,
                    interval_s=interval_s or round(own_s),
                ),
                clause="BOOT-05",
            )
        )

    def _retry_later(self, outcome: Outcome) -> None:
        """No answer, or a CALLERROR: not registered; own back-off (conformance BOOT-13)."""
        if outcome.lost and not self._outbox.online:
            return  # asked again on the next connection
        wait_s = min(max(self._settings.factory.boot_retry_s, 1.0) * 2 ** min(self._unanswered, 9), _LONGEST_RETRY_S)
        self._unanswered += 1
        self._next_at = self._clock.monotonic() + wait_s * random.uniform(1.0, 1.2)

    def heartbeat_conf(self, outcome: Outcome) -> None:
        """Heartbeat.conf (section 6.30)."""
        self._heartbeat_asked = False
        if outcome.response is not None:
            self._timekeeping.backend_told(outcome.response.get("currentTime"))

    def heartbeat(self, *, passes_gate: bool = False) -> bool:
        """Send a Heartbeat now; False when it cannot leave."""
        self._time_asked_at = self._clock.monotonic()
        self._heartbeat_asked = self._outbox.send("Heartbeat", {}, passes_gate=passes_gate)
        return self._heartbeat_asked

    def update(self) -> None:
        """What is due: a BootNotification while not registered, a Heartbeat after silence."""
        if not self._outbox.online:
            return
        now = self._clock.monotonic()
        if self.registration != "accepted":
            if not self._asked and now >= self._next_at:
                self.notify()
            return
        silent_s = now - self._outbox.last_activity
        interval_s = self._config.heartbeat_interval if self._config.heartbeat_interval > 0 else _DAY_S
        # section 4.6 and conformance CLK-02: at least one a day, whatever the traffic
        if not self._heartbeat_asked and (silent_s >= interval_s or now - self._time_asked_at >= _DAY_S):
            self.heartbeat()
