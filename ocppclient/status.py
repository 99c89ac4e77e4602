"""Connector status, derived from the facts and never stored, and StatusNotification (section 4.9)."""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Literal

from ocppclient.authorization import Authorization
from ocppclient.availability import Availability
from ocppclient.boot import Boot
from ocppclient.clock import Clock, format_utc
from ocppclient.codec import Payload
from ocppclient.configuration import Configuration
from ocppclient.events import Fault
from ocppclient.facts import MINIMUM_CURRENT_A, Facts
from ocppclient.limits import Limits
from ocppclient.outbox import Outbox, Outcome
from ocppclient.reservation import Reservations
from ocppclient.transactions import Transactions

ChargePointStatus = Literal[
    "Available",
    "Preparing",
    "Charging",
    "SuspendedEVSE",
    "SuspendedEV",
    "Finishing",
    "Reserved",
    "Unavailable",
    "Faulted",
]
#: Between the start of a transaction and the first closing of the contactor the EV and the board need their time: it
#: is still Preparing then (board self-test up to 5 s, EV up to 3 s; hardware.md section 2.6).
START_GRACE_S = 10.0
#: A contactor that opens while charging is the first thing seen of a car that is being unplugged; the unplug itself is
#: believed a second later (hardware/box.py). Only a longer pause is the EV's wish.
PAUSE_SETTLE_S = 1.5
UNPLUGGED_INFO = "EV side disconnected"
#: EVCommunicationError is a warning that only these may carry (section 7.6; conformance STA-11).
_EV_WAITS = ("Preparing", "SuspendedEV", "SuspendedEVSE", "Finishing")


@dataclass(frozen=True)
class StatusFacts:
    """Everything that the status of connector 1 depends on."""

    ev_connected: bool = False
    contactor_closed: bool = False
    faulted: bool = False
    operative: bool = True
    granted: bool = False
    running: bool = False
    starting: bool = False  # the contactor has not closed yet, and START_GRACE_S is not over
    energy_allowed: bool = True  # not de-authorised, and the limit is at least 6 A
    ended: bool = False  # a transaction ended during this plug-in
    timed_out: bool = False  # plugged longer than ConnectionTimeOut without a transaction
    reserved: bool = False


def connector_status(facts: StatusFacts) -> ChargePointStatus:
    """The status of connector 1 (section 4.9, errata 3.20); a pure function with a table test."""
    if facts.faulted:
        return "Faulted"
    if facts.running:
        if not facts.energy_allowed:
            return "SuspendedEVSE"  # wins over SuspendedEV when both apply (section 4.9)
        if not facts.ev_connected:
            return "SuspendedEV"
        if facts.contactor_closed:
            return "Charging"
        return "Preparing" if facts.starting else "SuspendedEV"
    if not facts.operative:
        return "Unavailable"
    if facts.granted:
        return "Preparing"
    if facts.reserved:
        return "Reserved"  # also with a cable plugged in: what ends it is the reserved tag (section 4.9, G2)
    if facts.ev_connected:
        return "Finishing" if facts.ended or facts.timed_out else "Preparing"
    return "Available"


@dataclass(frozen=True)
class Condition:
    """What one StatusNotification says; `at` is when it began."""

    status: ChargePointStatus
    error_code: str = "NoError"
    info: str = ""
    vendor_id: str = ""
    vendor_error_code: str = ""
    at: datetime | None = field(default=None, compare=False)


class Status:
    """Derives the conditions of connectors 0 and 1 and reports each change that lasts."""

    def __init__(
        self,
        clock: Clock,
        config: Configuration,
        facts: Facts,
        outbox: Outbox,
        boot: Boot,
        availability: Availability,
        reservations: Reservations,
        authorization: Authorization,
        transactions: Transactions,
        limits: Limits,
    ) -> None:
        self._clock = clock
        self._config = config
        self._facts = facts
        self._outbox = outbox
        self._boot = boot
        self._availability = availability
        self._reservations = reservations
        self._authorization = authorization
        self._transactions = transactions
        self._limits = limits
        self.condition: dict[int, Condition] = {}
        self._since: dict[int, float] = {}
        self._sent: dict[int, Condition] = {}  # the newest that left
        self._confirmed: dict[int, Condition] = {}  # the newest that the backend answered
        self._waiting: deque[tuple[int, Condition]] = deque()
        self._plugged_at: float | None = None
        self._begun_uid = ""  # the transaction that is past Preparing: it charged, or the station held it back
        self._running_uid = ""
        self._running_since = 0.0

    @property
    def of_connector(self) -> ChargePointStatus | Literal[""]:
        """The status of connector 1, reported or not; "" before the hardware was read."""
        condition = self.condition.get(1)
        return condition.status if condition is not None else ""

    # -- connection and answers

    def registered(self) -> None:
        """The backend accepted this boot: it is told everything anew (errata v4.0 section 3.22)."""
        self._sent.clear()
        self._confirmed.clear()

    def disconnected(self) -> None:
        """What was not answered may not have arrived: it counts as not sent."""
        self._waiting.clear()
        self._sent = dict(self._confirmed)

    def status_notification_conf(self, outcome: Outcome) -> None:
        """StatusNotification.conf; a CALLERROR counts as told as well (repeating it would not help)."""
        for waiting in list(self._waiting):
            if _payload(*waiting) == outcome.request:
                self._waiting.remove(waiting)
                self._told(*waiting, arrived=not outcome.lost)
                return

    def _told(self, connector_id: int, condition: Condition, *, arrived: bool) -> None:
        if arrived:
            self._confirmed[connector_id] = condition
        elif self._sent.get(connector_id) == condition:  # no answer came: it counts as not sent, and is sent again
            self._sent.pop(connector_id)
            if (confirmed := self._confirmed.get(connector_id)) is not None:
                self._sent[connector_id] = confirmed

    def trigger(self, connector_ids: tuple[int, ...]) -> None:
        """TriggerMessage(StatusNotification)."""
        for connector_id in connector_ids:
            condition = self.condition.get(connector_id, Condition("Unavailable"))
            self._send(connector_id, condition, passes_gate=True)

    # -- derivation

    def update(self) -> None:
        """Derive both conditions; report what changed and lasted (MinimumStatusDuration)."""
        if not self._facts.reading.ready and not self._facts.blocking_faults:
            return  # a board that was never reached is a fault after a while, and the backend hears of it
        now = self._clock.monotonic()
        for connector_id, condition in ((0, self._station()), (1, self._connector(now))):
            if self.condition.get(connector_id) != condition:
                self.condition[connector_id] = condition
                self._since[connector_id] = now
            self._report(connector_id, now)

    def _report(self, connector_id: int, now: float) -> None:
        condition = self.condition[connector_id]
        sent = self._sent.get(connector_id)
        if sent == condition or not (self._outbox.online and self._boot.registration == "accepted"):
            return
        if sent is not None and now - self._since[connector_id] < self._needed_s(sent, condition):
            return
        self._send(connector_id, condition)

    def _needed_s(self, sent: Condition, condition: Condition) -> float:
        """How long a condition must have lasted before it is told."""
        if (sent.status, condition.status, condition.info) == ("Charging", "SuspendedEV", ""):
            return max(PAUSE_SETTLE_S, self._config.minimum_status_duration)
        return self._config.minimum_status_duration

    def _send(self, connector_id: int, condition: Condition, *, passes_gate: bool = False) -> None:
        # dated only now: the clock may have been set since
        since = self._since.get(connector_id, self._clock.monotonic())
        condition = replace(condition, at=self._clock.utc_at(since))
        if self._outbox.send("StatusNotification", _payload(connector_id, condition), passes_gate=passes_gate):
            self._sent[connector_id] = condition
            self._waiting.append((connector_id, condition))

    def _station(self) -> Condition:
        status: ChargePointStatus = "Available" if self._availability.operative(0) else "Unavailable"
        faults = [fault for fault in self._facts.reading.faults if fault.connector_id == 0]
        if any(fault.blocking for fault in faults):
            status = "Faulted"
        if self._availability.disk_full:
            faults.append(Fault("OtherError", blocking=False, connector_id=0, info="disk full: no session can start"))
        if conflicts := self._authorization.conflicts:
            faults.append(Fault("LocalListConflict", blocking=False, connector_id=0, info=f"idTag {conflicts[-1]}"))
        return _with_fault(status, faults)

    def _connector(self, now: float) -> Condition:
        held = self.condition.get(1)
        if self._transactions.stopping and held is not None and not self._facts.blocking_faults:
            return held  # between the wish to stop and the open contactor nothing is reported
        if self._transactions.ended_unplugged:
            # a fixed cable: Finishing is told once, then the user has nothing left to do (conformance STA-16, D-06)
            finishing = Condition("Finishing", info=UNPLUGGED_INFO)
            if held == finishing or held is None or not self._outbox.online or self._config.minimum_status_duration:
                self._transactions.ended_unplugged = False
            else:
                return finishing
        facts = self.facts(now)
        status = connector_status(facts)
        info = UNPLUGGED_INFO if facts.running and not facts.ev_connected and status == "SuspendedEV" else ""
        # what makes the whole station unable to deliver energy makes its connector so
        faults = [fault for fault in self._facts.reading.faults if fault.connector_id == 1 or fault.blocking]
        return _with_fault(status, faults, info)

    def facts(self, now: float) -> StatusFacts:
        """The facts of this moment in the form that the pure function takes."""
        reading = self._facts.reading
        running = self._transactions.running
        if running is not None and running.uid != self._running_uid:
            self._running_uid, self._running_since = running.uid, now
        energy_allowed = self._transactions.energy_authorised and self._limits.limit_a >= MINIMUM_CURRENT_A
        if running is not None and (reading.contactor_closed or not energy_allowed):
            self._begun_uid = running.uid  # from SuspendedEVSE no way leads back to Preparing (section 4.9)
        operative = self._availability.operative(1)
        reserved = self._reservations.current is not None
        if not operative:  # becoming operative again with a cable plugged in is Preparing (section 4.9, H2)
            self._transactions.ended_plugged = False
        if not reading.ev_connected or running is not None or not operative or reserved:
            self._plugged_at = None  # from Reserved no way leads to Finishing either
        elif self._plugged_at is None:
            self._plugged_at = now
        return StatusFacts(
            reserved=reserved,
            ev_connected=reading.ev_connected,
            contactor_closed=reading.contactor_closed,
            faulted=bool(self._facts.blocking_faults),
            operative=operative,
            granted=self._authorization.granted is not None,
            running=running is not None,
            starting=(
                running is not None and self._begun_uid != running.uid and now - self._running_since < START_GRACE_S
            ),
            energy_allowed=energy_allowed,
            ended=self._transactions.ended_plugged,
            timed_out=self._plugged_at is not None and 0 < self._config.connection_time_out <= now - self._plugged_at,
        )


def _with_fault(status: ChargePointStatus, faults: list[Fault], info: str = "") -> Condition:
    """The worst fault is named; with another status than Faulted it is a warning (section 7.6)."""
    if status not in _EV_WAITS:
        faults = [fault for fault in faults if fault.error_code != "EVCommunicationError"]
    if not faults:
        return Condition(status, info=info)
    worst = next((fault for fault in faults if fault.blocking), faults[0])
    return Condition(status, worst.error_code, worst.info or info, worst.vendor_id, worst.vendor_error_code)


def _payload(connector_id: int, condition: Condition) -> Payload:
    payload: Payload = {
        "connectorId": connector_id,
        "errorCode": condition.error_code,
        "status": condition.status,
    }
    if condition.at is not None:
        payload["timestamp"] = format_utc(condition.at)
    optional = {
        "info": condition.info[:50],
        "vendorId": condition.vendor_id[:255],
        "vendorErrorCode": condition.vendor_error_code[:50],
    }
    payload.update({name: text for name, text in optional.items() if text})
    return payload
