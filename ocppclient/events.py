"""What goes into the charge point (events, past tense; levels are nouns) and what it asks for (actions, imperative).

`ChargePoint.handle(event)` takes one of the events and returns a list of the actions; both are frozen values.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Literal

from ocppclient.sentence import NOTHING, Sentence
from ocppclient.settings import ChargePointSettings

# --- facts that travel inside events ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Fault:
    """One active fault in the words of StatusNotification.

    Attributes:
        error_code: a ChargePointErrorCode (OCPP 1.6 section 7.6).
        blocking: energy delivery is impossible, the status is Faulted; otherwise the code is a warning.
        connector_id: 1, or 0 for the parts that belong to the whole station (meter, reader).
        vendor_id, vendor_error_code, info: optional fields of StatusNotification.
        stop_after_s: a running transaction is stopped when the fault lasts that long; None never stops it.
        stop_reason: with which Reason (section 7.36).
        words: what it is, for people.
    """

    error_code: str
    blocking: bool = True
    connector_id: int = 1
    vendor_id: str = ""
    vendor_error_code: str = ""
    info: str = ""
    stop_after_s: float | None = None
    stop_reason: str = "Other"
    words: Sentence = NOTHING

    @property
    def code_and_info(self) -> str:
        """As OCPP says it."""
        return f"{self.error_code} {self.info}".strip()


@dataclass(frozen=True)
class Meter:
    """One consistent reading of the energy meter; `at` is monotonic seconds, energy the lifetime import register.

    Readings of two different segments cannot be subtracted: the register went on from another value in between.
    """

    at: float
    energy_wh: int
    power_w: float | None = None
    current_a: float | None = None
    voltage_v: float | None = None
    temperature_c: float | None = None
    frequency_hz: float | None = None
    segment: int = 0


# --- events ----------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Reading:
    """All facts of the connector at one moment (a level: the newest one replaces the former).

    Attributes:
        ready: False until the hardware has been read once; nothing else is meaningful before.
        ev_connected: the cable is in the EV's inlet.
        ev_requests: the EV asks for energy.
        contactor_closed: mains is connected to the EV.
        offered_a: what is offered to the EV now, ampere per phase.
        limit_a: the largest current the hardware can offer.
    """

    ready: bool = True
    ev_connected: bool = False
    ev_requests: bool = False
    contactor_closed: bool = False
    offered_a: float = 0.0
    limit_a: float = 0.0
    faults: tuple[Fault, ...] = ()
    meter: Meter | None = None


@dataclass(frozen=True)
class CardSwiped:
    """A card was presented to the reader; the text becomes the idTag."""

    id_tag: str


@dataclass(frozen=True)
class LocalStop:
    """Somebody at the station (a button, the local web page) stops the running transaction."""

    reason: str = "Local"


@dataclass(frozen=True)
class ChargeNow:
    """A person wants the running session not to wait: for the off-peak hours, a random delay; `by` who it was."""

    by: str


@dataclass(frozen=True)
class LocalStart:
    """Somebody at the local web page presents an idTag, as if the card had been swiped to start."""

    id_tag: str


@dataclass(frozen=True)
class Connected:
    """The websocket is open and speaks ocpp1.6.

    `verified_by`: fingerprints (SHA-256, hex) of the verified chain of the backend, its own certificate first; empty
    without TLS, or when the TLS library does not tell. `valid`: from when until when that chain is valid.
    """

    verified_by: tuple[str, ...] = ()
    valid: tuple[datetime, datetime] | None = None


@dataclass(frozen=True)
class Disconnected:
    """The websocket is gone, or an attempt failed; `reason` in plain words, `kind` as in `link.LinkError`."""

    reason: Sentence = NOTHING
    kind: str = ""


@dataclass(frozen=True)
class FrameReceived:
    """One websocket text (or binary) message; undecodable bytes arrive as text with replacement characters.

    `read`: the message that `codec.read` made of it already, outside the domain thread; None: nothing did.
    """

    text: str
    read: Any = field(default=None, compare=False, repr=False)


@dataclass(frozen=True)
class KeyFormAccepted:
    """The backend refused the AuthorizationKey in one form and took it in the other (field problem 7)."""

    as_text: bool


@dataclass(frozen=True)
class AliveSeen:
    """The peer answered a ping: the connection is alive though no message came."""


@dataclass(frozen=True)
class TimeTold:
    """Somebody other than the backend tells the time.

    Attributes:
        source: "ntp": the operating system's clock follows time servers; "phone": a person sends the time of a phone.
        utc: the time that was told.
        at_s: when that was, monotonic seconds.
        by: the time server, or who the person is.
    """

    source: Literal["ntp", "phone"]
    utc: datetime
    at_s: float
    by: str = ""


@dataclass(frozen=True)
class Tick:
    """Time has passed; deadlines are compared with the clock."""


@dataclass(frozen=True)
class SettingsChanged:
    """A person changed what people own (settings, station-sourced list entries): read it again.

    `settings`: as they are stored now; None leaves the former ones.
    """

    settings: ChargePointSettings | None = None


@dataclass(frozen=True)
class KeyChosen:
    """A person at the station gives a configuration key another value: as text, like ChangeConfiguration does."""

    key: str
    value: str


@dataclass(frozen=True)
class ResendParked:
    """A person asks for a parked transaction message to be sent again; `seq` of its row."""

    seq: int


@dataclass(frozen=True)
class CacheDiscarded:
    """A person at the station clears the Authorization Cache, like ClearCache does."""


@dataclass(frozen=True)
class ReservationWithdrawn:
    """A person at the station ends a reservation; `by` who it was. One that has ended meanwhile stays ended."""

    reservation_id: int
    by: str


@dataclass(frozen=True)
class MaintenanceBegan:
    """People want to work on the box: no session may start meanwhile. Refused (with an Explain) while one runs.

    `what` in one or two words, e.g. "self-test".
    """

    what: Sentence


@dataclass(frozen=True)
class MaintenanceEnded:
    """The box is as it was before MaintenanceBegan."""


@dataclass(frozen=True)
class DiskJudged:
    """Whether the disk has room for a whole session (a level); without it none may start, a running one goes on."""

    has_room: bool


@dataclass(frozen=True)
class JobProgressed:
    """The row of a job changed: what it says now (`store.Job` explains the fields)."""

    uid: str
    run: int
    state: str
    stage: str = ""
    progress: int = 0
    result: str = "{}"


@dataclass(frozen=True)
class ReleaseUploaded:
    """A person brought a release file by the local page and wants it installed.

    Attributes:
        file: its name in the staging folder.
        sha256: of the whole file, hexadecimal.
        allow_older: an older version than the present one is meant.
    """

    file: str
    sha256: str
    version: str = ""
    allow_older: bool = False


@dataclass(frozen=True)
class ReleaseOffered:
    """A release that a list of updates names is to be downloaded and installed.

    Attributes:
        location: of its file.
        sha256: of the whole file, hexadecimal, as the list says.
    """

    location: str
    sha256: str
    version: str


@dataclass(frozen=True)
class JobWanted:
    """The station wants slow work done that is no part of the charge point; its row is the station's to watch."""

    kind: str
    arguments: Mapping[str, object]


@dataclass(frozen=True)
class RollbackRequested:
    """A person wants the release of this slot to run again."""

    slot: str
    version: str = ""


@dataclass(frozen=True)
class UpdateWithdrawn:
    """A person gives up the update that is under way; `by` who it was."""

    by: str


@dataclass(frozen=True)
class SwitchFailed:
    """`SwitchRelease` could not be done; `reason` in plain words."""

    reason: Sentence


@dataclass(frozen=True)
class ShutdownRequested:
    """The process ends by request (SIGTERM): note it, so that the next start knows the reason. Nothing is stopped."""


@dataclass(frozen=True)
class CertificateChosen:
    """A person installs a root certificate; `kind` as in `store.Certificate`, `pem` its text, `by` who it was."""

    kind: str
    pem: str
    by: str


@dataclass(frozen=True)
class CertificateDiscarded:
    """A person removes a certificate, the last one and one in use included; `by` who it was."""

    kind: str
    fingerprint: str
    by: str


@dataclass(frozen=True)
class CertificateRequested:
    """A person wants another certificate for the station itself (SignCertificate); `by` who it was."""

    by: str


@dataclass(frozen=True)
class SecurityLogDiscarded:
    """A person clears the security log; `by` who it was."""

    by: str


@dataclass(frozen=True)
class SecurityEventSeen:
    """Somebody outside the charge point saw a security event (memory that runs out, a tamper switch)."""

    type: str
    tech_info: str = ""


Event = (
    Reading
    | CardSwiped
    | LocalStop
    | LocalStart
    | ChargeNow
    | Connected
    | Disconnected
    | FrameReceived
    | KeyFormAccepted
    | AliveSeen
    | TimeTold
    | Tick
    | SettingsChanged
    | KeyChosen
    | ResendParked
    | CertificateChosen
    | CertificateDiscarded
    | CertificateRequested
    | SecurityLogDiscarded
    | SecurityEventSeen
    | CacheDiscarded
    | ReservationWithdrawn
    | MaintenanceBegan
    | MaintenanceEnded
    | DiskJudged
    | JobProgressed
    | ReleaseUploaded
    | ReleaseOffered
    | JobWanted
    | RollbackRequested
    | UpdateWithdrawn
    | SwitchFailed
    | ShutdownRequested
)


# --- actions ---------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class SendFrame:
    """Send this text over the websocket; it is lost when there is none (the outbox sends again what must arrive)."""

    text: str


@dataclass(frozen=True)
class Setpoint:
    """What the hardware may offer from now on (a level): ampere per phase, and whether energy is authorised at all."""

    amps: float
    authorised: bool


@dataclass(frozen=True)
class Connect:
    """Open the websocket with the settings as they are now (replaces a connection that exists)."""

    reason: str = ""


@dataclass(frozen=True)
class UpdateLink:
    """The next attempt of the websocket has to use the settings as they are now; a connection that exists stays."""

    reason: str


@dataclass(frozen=True)
class Disconnect:
    """Close the websocket; `retry` says whether the link should try again by its own back-off."""

    reason: str
    retry: bool = True


@dataclass(frozen=True)
class SetPingInterval:
    """WebSocketPingInterval changed, seconds; 0 switches pings off."""

    seconds: int


@dataclass(frozen=True)
class SetClock:
    """The clock was moved: `utc` is the new time, `delta_s` how far it moved, `source` in words who told it."""

    utc: datetime
    delta_s: float
    source: str


@dataclass(frozen=True)
class Reboot:
    """Restart the application; `hard` restarts the EVSE board before, and tries that again `retries` times."""

    hard: bool
    retries: int = 0


@dataclass(frozen=True)
class RunJob:
    """A job's row waits: whoever does jobs may look. Only a hint; it is repeated while the row waits."""

    uid: str


@dataclass(frozen=True)
class SwitchRelease:
    """Make the release in this slot the current one, on trial, and restart the application into it."""

    slot: str


@dataclass(frozen=True)
class ConfirmRelease:
    """The running release has proven itself: its trial is over."""


class CardFeedback(StrEnum):
    """What the driver sees or hears after presenting a card."""

    ACCEPTED = "accepted"
    REJECTED = "rejected"
    WAITING = "waiting"
    CANCELLED = "cancelled"
    STOPPED = "stopped"


@dataclass(frozen=True)
class Feedback:
    """Tell the driver at the station what became of the card; `text` is one plain sentence."""

    kind: CardFeedback
    text: Sentence


@dataclass(frozen=True)
class Explain:
    """Why something was refused, ignored or limited: kept in the why log and shown in the UI.

    Attributes:
        what: the request, e.g. "RemoteStartTransaction".
        verdict: the answer, e.g. "Rejected".
        rule: one sentence: what happened, why, what to do.
        value: the offending value, secrets never.
        clause: the obligation (id of conformance.md or the section of the specification).
    """

    what: str
    verdict: str
    rule: Sentence
    value: str = ""
    clause: str = ""


Action = (
    SendFrame
    | Setpoint
    | Connect
    | UpdateLink
    | Disconnect
    | SetPingInterval
    | SetClock
    | Reboot
    | RunJob
    | SwitchRelease
    | ConfirmRelease
    | Feedback
    | Explain
)
