"""What people may see of the charge point: one frozen snapshot, made for the dashboard, never read back by a rule."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from ocppclient.sentence import Sentence


@dataclass(frozen=True)
class TransactionView:
    """The running (or the last) transaction, as the dashboard shows it."""

    uid: str
    id_tag: str
    transaction_id: int | None
    started_at: datetime
    energy_wh: int  # delivered so far
    stopped_at: datetime | None = None
    reason: str = ""
    acknowledged: bool = False  # the backend answered all messages of it


@dataclass(frozen=True)
class ReservationView:
    """Who alone may charge; `group`: the cards of the same group may as well."""

    reservation_id: int
    id_tag: str
    group: bool
    until: datetime


@dataclass(frozen=True)
class ClockView:
    """Whose time the station has.

    Attributes:
        source: "ntp", "backend" or "phone": who told it last; "" while nobody has since the start.
        by: the time server, or the person with the phone; "" for a backend.
        told_s: so many seconds ago.
        confirmed: somebody has told the time since the start.
        held_s: so far ahead the clock is, and goes back when the session has ended.
    """

    source: str = ""
    by: str = ""
    told_s: float | None = None
    confirmed: bool = False
    held_s: float = 0.0


@dataclass(frozen=True)
class View:
    """State of the charge point in its own words.

    Attributes:
        status: ChargePointStatus of connector 1; error_code with it.
        sentence: one plain sentence: what is going on, or why it does not charge.
        limit_sentence: what limits the current now, with the reason.
        registration: "waiting", "accepted", "pending" or "rejected".
        in_flight: action of the CALL that waits for its answer, "" if none; in_flight_s how long already.
        last_error: the last failure of a message in words.
        waiting: the session waits for the off-peak hours or a random delay, which a person may end.
        profile_changes: how often the installed charging profiles changed since the start.
    """

    status: str
    error_code: str
    sentence: Sentence
    limit_sentence: Sentence
    online: bool
    registration: str
    heartbeat_interval_s: int
    queue_depth: int
    parked: int
    in_flight: str
    in_flight_s: float
    last_error: Sentence
    quirks: int
    clock_utc: datetime
    clock_synchronised: bool
    transaction: TransactionView | None
    offered_a: float
    limit_a: float
    ev_connected: bool
    contactor_closed: bool
    energy_wh: int | None
    power_w: float | None
    current_a: float | None
    voltage_v: float | None
    temperature_c: float | None
    reservation: ReservationView | None = None
    profile_changes: int = 0
    waiting: bool = False
    clock: ClockView = ClockView()
