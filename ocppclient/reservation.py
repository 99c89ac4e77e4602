"""ReserveNow and CancelReservation (OCPP 1.6 sections 5.13 and 5.1; conformance RSV): one connector, one reservation.

With one connector, reserving the whole station (connector 0) and reserving connector 1 have the same effect.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from datetime import datetime
from functools import lru_cache
from typing import Any

from ocppclient.availability import Availability
from ocppclient.boot import Boot
from ocppclient.clock import Clock, format_utc, parse_utc, spoken_utc
from ocppclient.codec import CallFailure, Payload, dumps
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Explain
from ocppclient.facts import Facts
from ocppclient.sentence import NOTHING, Sentence, quoted
from ocppclient.storable import same_tag
from ocppclient.store import Store

_NAME = "reservation"
#: Where the reservations that are over stand, oldest first, and how many of them.
HISTORY = "reservation.history"
HISTORY_KEPT = 20


@dataclass(frozen=True)
class Reservation:
    """Who alone may charge, and until when.

    Attributes:
        connector_id: 1, or 0 for the station as a whole.
        parent_id_tag: the group that may use it besides `id_tag`, "" for none.
        expiry_date: UTC.
        accepted_by: the backend that made it (`Boot.accepted_by`).
        made_at: UTC; None when an older software made it.
    """

    reservation_id: int
    connector_id: int
    id_tag: str
    parent_id_tag: str
    expiry_date: datetime
    accepted_by: str | None
    made_at: datetime | None = None

    def is_for(self, id_tag: str, parent_id_tag: str) -> bool:
        """The tag itself, or one of the group; a parent is compared with parents only (conformance AUT-19)."""
        if same_tag(id_tag, self.id_tag):
            return True
        return bool(self.parent_id_tag) and same_tag(parent_id_tag, self.parent_id_tag)


class Reservations:
    """Keeps the reservation; it ends when used, cancelled or over, and when the connector can no longer charge."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Configuration,
        facts: Facts,
        boot: Boot,
        availability: Availability,
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._facts = facts
        self._boot = boot
        self._availability = availability
        self._actions = actions

    # -- facts for others

    @property
    def current(self) -> Reservation | None:
        """The reservation that holds now."""
        kept = self._kept
        return None if kept is None or self._is_over(kept) else kept

    def admits(self, id_tag: str, parent_id_tag: str) -> bool:
        """Nothing is reserved for others."""
        current = self.current
        return current is None or current.is_for(id_tag, parent_id_tag)

    @property
    def until(self) -> str:
        """When the reservation ends, in words; "" without one."""
        current = self.current
        return spoken_utc(current.expiry_date, self._clock.utc()) if current is not None else ""

    @property
    def sentence(self) -> Sentence:
        """The end of a sentence about the connector, for those who may see whose card it is; "" without one."""
        current = self.current
        if current is None:
            return NOTHING
        until, id_tag = self.until, current.id_tag
        if current.parent_id_tag:
            return Sentence("reserved until {until} for card {id_tag} and its group.", until=until, id_tag=id_tag)
        return Sentence("reserved until {until} for card {id_tag}.", until=until, id_tag=id_tag)

    @property
    def _kept(self) -> Reservation | None:
        text = self._store.value(_NAME)
        return None if text is None else _read(text)

    def _is_over(self, kept: Reservation) -> bool:
        return kept.expiry_date <= self._clock.utc()

    # -- messages

    def reserve_now(self, request: Payload, status: str) -> Payload:
        """ReserveNow.req; a known reservationId replaces its reservation.

        Args:
            status: the ChargePointStatus of connector 1 at this moment, "" before the hardware was read.

        Raises:
            CallFailure: expiryDate is no date.
        """
        try:
            expiry_date = parse_utc(request["expiryDate"])
        except ValueError as problem:
            raise CallFailure(
                "PropertyConstraintViolation", Sentence("expiryDate: {problem}", problem=quoted(problem))
            ) from None
        wanted = Reservation(
            request["reservationId"],
            request["connectorId"],
            request["idTag"],
            request.get("parentIdTag", ""),
            expiry_date,
            self._boot.accepted_by,
            self._clock.utc(),
        )
        if (refusal := self._why_not(wanted, status)) is not None:
            verdict, rule, clause = refusal
            self._actions.append(Explain("ReserveNow", verdict, rule, str(wanted.reservation_id), clause))
            return {"status": verdict}
        self._end("replaced" if self.current is not None else "expired")
        self._store.set_value(_NAME, _written(wanted))
        return {"status": "Accepted"}

    def _why_not(self, wanted: Reservation, status: str) -> tuple[str, Sentence, str] | None:
        """Status of the answer, rule and clause; None when the reservation can be made."""
        if self._boot.registration != "accepted":
            return "Rejected", Sentence("The backend has not accepted this station yet."), "BOOT-09"
        if wanted.connector_id not in (0, 1):
            rule = Sentence(
                "There is no connector {connector_id}; this station has 0 (all of it) and 1.",
                connector_id=wanted.connector_id,
            )
            return "Rejected", rule, "RSV-11"
        if wanted.connector_id == 0 and not self._config.reserve_connector_zero_supported:
            return (
                "Rejected",
                Sentence("Connector 0 cannot be reserved (ReserveConnectorZeroSupported is false)."),
                "RSV-03",
            )
        if not wanted.id_tag:
            return "Rejected", Sentence("The idTag is empty."), "GEN-02"
        if self._is_over(wanted):
            return (
                "Rejected",
                Sentence("The expiryDate {expiry_date} is over already.", expiry_date=format_utc(wanted.expiry_date)),
                "RSV-11",
            )
        match status:
            case "":
                return "Unavailable", Sentence("The hardware has not been read yet."), "RSV-02"
            case "Faulted":
                codes = ", ".join(fault.error_code for fault in self._facts.blocking_faults)
                return "Faulted", Sentence("The connector has a fault: {codes}.", codes=codes), "RSV-02"
            case "Unavailable":
                return (
                    "Unavailable",
                    Sentence("The connector is unavailable ({cause}).", cause=self._availability.cause),
                    "AVL-05",
                )
        current = self.current
        if current is not None and current.reservation_id != wanted.reservation_id:
            return "Occupied", Sentence("The connector is {reservation}", reservation=self.sentence), "RSV-02"
        if current is None and status not in ("Available", "Reserved"):  # Reserved: one that is over since a moment
            return "Occupied", Sentence("The connector is in use: {status}.", status=status), "RSV-02"
        return None

    def cancel_reservation(self, request: Payload) -> Payload:
        """CancelReservation.req."""
        current = self.current
        if current is None or current.reservation_id != request["reservationId"]:
            rule = Sentence("There is no reservation {reservation_id}.", reservation_id=request["reservationId"])
            self._actions.append(
                Explain("CancelReservation", "Rejected", rule, str(request["reservationId"]), "RSV-09")
            )
            return {"status": "Rejected"}
        self._end("cancelled")
        return {"status": "Accepted"}

    def withdraw(self, reservation_id: int, by: str) -> None:
        """A person at the station ends it. OCPP 1.6 has no message that tells the backend so, only the status."""
        current = self.current
        if current is None or current.reservation_id != reservation_id:
            return
        self._end("withdrawn", by)
        rule = Sentence("{by} ended it at the station; the backend sees the new status only.", by=by)
        self._actions.append(Explain(Sentence("reservation"), Sentence("ended"), rule, str(reservation_id), "RSV-06"))

    # -- its end

    def use(self) -> int | None:
        """A transaction starts, which ends the reservation: its id, None when nothing is reserved."""
        current = self.current
        self._end("used" if current is not None else "expired")
        return current.reservation_id if current is not None else None

    def update(self) -> None:
        """What the facts end: expiry, a fault, an unavailable connector, another backend."""
        kept = self._kept
        if kept is None:
            return
        if kept.accepted_by != self._boot.accepted_by:
            rule = Sentence("Another backend has accepted this station since.")
            clause, end = "RSV-06", "other backend"
        elif faults := self._facts.blocking_faults:
            rule = Sentence("The connector has a fault: {error_code}.", error_code=faults[0].error_code)
            clause, end = "RSV-06", "fault"
        elif not self._availability.operative(1):
            rule = Sentence("The connector was made unavailable ({cause}).", cause=self._availability.cause)
            clause, end = "AVL-05", "unavailable"
        elif self._is_over(kept) and self._clock.confirmed:  # a wrong clock may still be corrected, and it holds again
            rule = Sentence("It was valid until {expiry_date}.", expiry_date=format_utc(kept.expiry_date))
            clause, end = "RSV-06", "expired"
        else:
            return
        self._end(end)
        explain = Explain(Sentence("reservation"), Sentence("ended"), rule, str(kept.reservation_id), clause)
        self._actions.append(explain)

    def _end(self, how: str, by: str = "") -> None:
        """It holds no longer, and goes into the history. Without one nothing happens.

        Args:
            how: "used", "cancelled" (by the backend), "withdrawn" (by a person), "replaced", "expired", "fault",
                "unavailable" or "other backend".
        """
        kept = self._kept
        if kept is None:
            return
        self._store.set_value(_NAME, None)
        entry = {**_plain(kept), "ended_at": format_utc(self._clock.utc()), "how": how, "by": by}
        history = json.loads(self._store.value(HISTORY) or "[]")
        self._store.set_value(HISTORY, dumps([*history, entry][-HISTORY_KEPT:]))


def _written(reservation: Reservation) -> str:
    return dumps(_plain(reservation))


def _plain(reservation: Reservation) -> dict[str, Any]:
    made_at = reservation.made_at
    return {
        **asdict(reservation),
        "expiry_date": format_utc(reservation.expiry_date),
        "made_at": format_utc(made_at) if made_at is not None else None,
    }


@lru_cache(maxsize=1)  # asked for several times an event
def _read(text: str) -> Reservation:
    kept: dict[str, Any] = json.loads(text)
    made_at = kept.get("made_at")
    return replace(
        Reservation(**kept),
        expiry_date=parse_utc(kept["expiry_date"]),
        made_at=parse_utc(made_at) if made_at else None,
    )
