"""A reservation through any day of a station: operators, drivers, faults and power cuts against a small model."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from ocppclient.clock import format_utc, parse_utc
from ocppclient.events import Fault
from tests.ocppclient.harness import START, Bench

#: The cards of this town and their groups.
GROUPS = {"ANN": "", "CAT": "CATS", "COD": "CATS", "DOG": "DOGS"}
CARDS = st.sampled_from(sorted(GROUPS))
IDS = st.integers(1, 2)


@dataclass(frozen=True)
class Held:
    """What the model knows of a reservation."""

    reservation_id: int
    card: str
    group: str
    until: datetime

    def admits(self, card: str) -> bool:
        return card == self.card or (self.group != "" and GROUPS[card] == self.group)


class Day(RuleBasedStateMachine):
    """RSV-01 to RSV-12: the station holds what the model holds, and nobody else charges meanwhile."""

    @initialize(authorize=st.booleans(), pre_authorize=st.booleans())
    def begin(self, authorize: bool, pre_authorize: bool) -> None:
        self.bench = Bench(
            {
                "MeterValueSampleInterval": "0",
                "ConnectionTimeOut": "40",
                "AuthorizeRemoteTxRequests": str(authorize).lower(),
                "LocalPreAuthorize": str(pre_authorize).lower(),
            }
        ).ready()
        self.held: Held | None = None

    # -- what happens

    @rule(
        reservation_id=IDS,
        card=CARDS,
        group=st.sampled_from(["", "CATS"]),
        connector_id=st.sampled_from([0, 1, 1, 2]),
        minutes=st.sampled_from([-1, 1, 2, 3]),
    )
    def reserve(self, reservation_id: int, card: str, group: str, connector_id: int, minutes: int) -> None:
        expiry_date = format_utc(self.bench.clock.utc() + timedelta(minutes=minutes))
        wanted = Held(reservation_id, card, group, parse_utc(expiry_date))
        expected = self._answer(wanted, connector_id)
        answer = self.bench.call("ReserveNow", **self._request(wanted, connector_id))
        assert answer[2] == {"status": expected}
        if expected == "Accepted":
            self.held = wanted
        self._settle()

    def _answer(self, wanted: Held, connector_id: int) -> str:
        if connector_id == 2 or wanted.until <= self.bench.clock.utc():
            return "Rejected"
        if self.held is not None:
            return "Accepted" if self.held.reservation_id == wanted.reservation_id else "Occupied"
        return "Accepted" if self.bench.status == "Available" else "Occupied"

    @staticmethod
    def _request(wanted: Held, connector_id: int) -> dict:
        parent = {"parentIdTag": wanted.group} if wanted.group else {}
        return {"connectorId": connector_id, "idTag": wanted.card, "reservationId": wanted.reservation_id,
                "expiryDate": format_utc(wanted.until), **parent}  # fmt: skip

    @rule(reservation_id=IDS)
    def cancel(self, reservation_id: int) -> None:
        known = self.held is not None and self.held.reservation_id == reservation_id
        answer = self.bench.call("CancelReservation", reservationId=reservation_id)[2]
        assert answer == {"status": "Accepted" if known else "Rejected"}
        if known:
            self.held = None
        self._settle()

    @rule(card=CARDS)
    def swipe(self, card: str) -> None:
        self.bench.swipe(card)
        self._settle()

    @rule(card=CARDS)
    def remote_start(self, card: str) -> None:
        answer = self.bench.call("RemoteStartTransaction", idTag=card)[2]["status"]
        if self.held is not None and not self.held.group and card != self.held.card:
            assert answer == "Rejected"
        self._settle()

    @rule()
    def plug_or_unplug(self) -> None:
        self.bench.read(ev_connected=not self.bench.reading.ev_connected)
        self._settle()

    @rule(kind=st.sampled_from(["fault", "inoperative"]))
    def trouble(self, kind: str) -> None:
        """For a moment nobody can charge."""
        if kind == "fault":
            self.bench.read(faults=(Fault("GroundFailure"),))
            self.held = None
        else:
            self.bench.call("ChangeAvailability", connectorId=0, type="Inoperative")
            self.held = None  # when it is only scheduled, a transaction runs, and nothing was reserved anyway
        self._settle()
        self.the_station_holds_what_the_model_holds()
        answer = self.bench.call("ReserveNow", **self._request(Held(3, "ANN", "", START + timedelta(days=9)), 1))
        assert answer[2]["status"] in ("Faulted", "Unavailable", "Occupied")
        self.bench.read(faults=())
        self.bench.call("ChangeAvailability", connectorId=0, type="Operative")
        self._settle()

    @rule(seconds=st.sampled_from([1, 15, 45, 70]))
    def time_passes(self, seconds: int) -> None:
        for _ in range(seconds):
            self.bench.wait(1, step_s=1)
            self._expire()
            self._settle()

    @rule(away_s=st.sampled_from([5, 100]))
    def power_cut(self, away_s: int) -> None:
        self.bench.reboot(away_s)
        self._expire()
        self.bench.read()
        self.bench.boot()
        self._settle()

    # -- what must hold

    def _expire(self) -> None:
        if self.held is not None and self.held.until <= self.bench.clock.utc():
            self.held = None

    def _settle(self) -> None:
        """Answer the station, and look at every start."""
        while self.bench.calls:
            _, action, payload = self.bench.calls[0]
            if action == "StartTransaction":
                self._started(payload)
            group = GROUPS.get(payload.get("idTag", ""), "")
            info = {"status": "Accepted", **({"parentIdTag": group} if group else {})}
            match action:
                case "Authorize":
                    self.bench.answer(idTagInfo=info)
                case "StartTransaction":
                    self.bench.answer(idTagInfo=info, transactionId=7)
                case "Heartbeat":
                    self.bench.answer(currentTime=format_utc(self.bench.clock.utc()))
                case _:
                    self.bench.answer({})

    def _started(self, payload: dict) -> None:
        held, self.held = self.held, None
        if held is None:
            assert "reservationId" not in payload
        else:
            assert held.admits(payload["idTag"]), f"{payload['idTag']} charges on the reservation of {held}"
            assert payload["reservationId"] == held.reservation_id

    @invariant()
    def the_station_holds_what_the_model_holds(self) -> None:
        if not hasattr(self, "bench"):
            return
        shown = self.bench.cp.view().reservation
        known = None if shown is None else (shown.reservation_id, shown.id_tag, shown.group, shown.until)
        held = self.held
        assert known == (held and (held.reservation_id, held.card, bool(held.group), held.until))

    @invariant()
    def reserved_is_told_exactly_while_nobody_has_come(self) -> None:
        if not hasattr(self, "bench"):
            return
        if self.held is None:
            assert self.bench.status != "Reserved"
        else:
            assert self.bench.status in ("Reserved", "Preparing")
            assert self.bench.store.open_transaction() is None
            assert self.bench.setpoint.authorised is False


Day.TestCase.settings = settings(max_examples=50, stateful_step_count=60, deadline=None)
TestReservationThroughTheDay = Day.TestCase
