"""A station and its backend together, with the moves that many journeys share."""

from __future__ import annotations

import re
import ssl
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from itertools import count
from pathlib import Path

from tests.journeys.appliance import Beside
from tests.journeys.backend import ScriptedBackend
from tests.journeys.ledger import Ledger, check_ledger, read_ledger
from tests.journeys.station import LoneSimulator, Provision, Simulator, Station, merge, until
from tests.journeys.story import CALLRESULT, Entry, render
from tests.journeys.wire import check_wire

#: Short times, so that a journey takes seconds.
QUICK: Provision = {
    "backend": {"charge_point_id": "CP1"},
    "ocpp": {
        "ConnectionTimeOut": 3,
        "MeterValueSampleInterval": 0,
        "ClockAlignedDataInterval": 0,
        "MinimumStatusDuration": 0,
        "AuthorizeRemoteTxRequests": False,
        "TransactionMessageAttempts": 3,
        "TransactionMessageRetryInterval": 1,
    },
    "hardware": {"board": "openevse", "meter": "sdm230", "reader": "ascii"},
    "factory": {"reconnect_min_s": 0.2, "reconnect_max_s": 0.5, "ballast_mib": 1},
}


@dataclass(frozen=True)
class Session:
    """A transaction that was started."""

    start: Entry
    transaction_id: int


class Rig:
    """One station with one backend.

    Attributes:
        card, other_card, group_card: idTags, new ones for every journey (readers ignore the same card for a while):
            UIDs of ISO 14443 cards, because the pn532 reader needs hex.
        unknown_id: the journey makes the station give up a StartTransaction (transactionId -1 is right then).
        tolerated: regular expressions; violations of wire rules that match one of them are part of the journey.
        message_timeout_s: MessageTimeout of the station, for the rule "one CALL outstanding".
        beside: of an appliance, the processes beside the worker.
    """

    def __init__(
        self,
        folder: Path,
        provision: Provision | None = None,
        *,
        speed: float = 1.0,
        web: bool = False,
        box: LoneSimulator | None = None,
        tls: ssl.SSLContext | None = None,
        appliance: bool = False,
    ) -> None:
        self.backend = ScriptedBackend()
        self.backend.tls = tls
        # A world that runs faster than the clock: its energy rises faster than a meter's plausibly could.
        fixed = {"backend": {"url": self.backend.url}, "hardware": {"energy_rate_factor": max(1.0, speed)}}
        tables = merge(merge(merge(QUICK, provision or {}), fixed), box.provision() if box else {})
        self.provision = tables
        self.station = Station(folder, tables, self.backend.story, speed=speed, web=web, box=box)
        self.beside = Beside(folder, self.station) if appliance else None
        self.backend.log_tail = self.station.log_tail
        self.unknown_id = False
        self.tolerated: list[str] = []
        self.message_timeout_s = float(tables["ocpp"].get("MessageTimeout", 30))
        self._begin = 0
        self._journeys = count(1)
        self._new_cards()
        self._changed_keys: dict[str, str] = {}

    @property
    def sim(self) -> Simulator:
        return self.station.sim

    # --- life of the rig -------------------------------------------------------------------------------------------

    def start(self) -> Rig:
        """Start the station and wait until the backend has accepted it and knows its status."""
        if self.beside is not None:
            self.beside.start_redis()
        self.station.start()
        self.wait_online()
        if self.beside is not None:
            self.beside.start()
        return self

    def wait_online(self, status: str | None = "Available", timeout_s: float = 15) -> None:
        """Wait for the boot sequence: BootNotification, then the status of connector 1."""
        self.backend.next("BootNotification", timeout_s)
        if status is not None:
            self.backend.wait_status(status, timeout_s=timeout_s)

    def begin_journey(self) -> None:
        """The story of the journey starts here."""
        self.backend.skip()
        self._begin = len(self.backend.story)
        self.unknown_id = False
        self.tolerated = []
        self._new_cards()

    def _new_cards(self) -> None:
        number = next(self._journeys)
        self.card, self.other_card, self.group_card = (f"04{kind}{number:04X}" for kind in ("A1", "D4", "99"))

    def entries(self) -> list[Entry]:
        """The story of this journey."""
        return self.backend.story.entries()[self._begin :]

    def story(self) -> str:
        return f"{render(self.entries())}\n--- log of the station ---\n{self.station.log_tail()}"

    def settle(self) -> None:
        """Bring the running station back to idle: car gone, no transaction, everything delivered, script forgotten."""
        self.backend.reset_script()
        if not self.station.running:
            self.station.start()
        self.backend.wait_connected(20)
        self._repair()
        self.sim.unplug()
        self._undo()
        until(self._idle, 20, self._why_not_idle)

    def _repair(self) -> None:
        """Every line works, no fault is injected."""
        state = self.sim.state()
        for port, link in state["links"].items():
            if link["mode"] != "ok":
                self.sim.link(port, "ok")
        for fault in state["faults"]:
            self.sim.fault(fault, active=False)

    def _undo(self) -> None:
        """Take back what the backend did to the station in this journey."""
        for key, value in self._changed_keys.items():
            self.backend.call("ChangeConfiguration", {"key": key, "value": value})
        self._changed_keys.clear()
        self.backend.call("ClearCache")
        done: dict[str, list[dict]] = {}
        for entry in self.entries():
            if entry.source == "backend" and entry.is_call():
                done.setdefault(str(entry.action), []).append(entry.payload)  # a malformed one may be anything
        if "ChangeAvailability" in done:
            self.backend.call("ChangeAvailability", {"connectorId": 0, "type": "Operative"})
        if "SendLocalList" in done:
            self.backend.call("SendLocalList", {"listVersion": 1, "updateType": "Full"})
        if "SetChargingProfile" in done:
            self.backend.call("ClearChargingProfile")
        for reservation_id in {payload["reservationId"] for payload in done.get("ReserveNow", [])}:
            self.backend.call("CancelReservation", {"reservationId": reservation_id})

    def _idle(self) -> bool:
        if self.status() != "Available" or not no_card(self.sim.state()):
            return False
        ledger = read_ledger(self.entries(), unknown_id=self.unknown_id)
        if ledger.open is not None:
            for transaction_id in ledger.open.transaction_ids:
                self.backend.call("RemoteStopTransaction", {"transactionId": transaction_id})
            return False
        return True

    def _why_not_idle(self) -> str:
        broken = read_ledger(self.entries(), unknown_id=self.unknown_id).violations
        return f"the station is idle; broken promises so far: {broken}\n{self.story()}"

    def check(self) -> Ledger:
        """The promises that hold in every journey, over the story of this one."""
        entries = self.entries()
        violations = [
            v
            for v in check_wire(entries, self.message_timeout_s)
            if not any(re.search(pattern, v) for pattern in self.tolerated)
        ]
        assert not violations, "broken rules:\n  " + "\n  ".join(violations)
        return check_ledger(entries, unknown_id=self.unknown_id)

    def close(self) -> None:
        if self.beside is not None:
            self.beside.close()
        self.station.close()
        self.backend.close()

    # --- moves -----------------------------------------------------------------------------------------------------

    def command(self, action: str, **payload: object) -> str:
        """A CALL of the backend; returns the status of its answer. `settle` takes back what it did."""
        status: str = self.backend.call(action, payload)["status"]
        return status

    def value(self, key: str) -> str:
        """GetConfiguration of one key that the station has."""
        answer = self.backend.call("GetConfiguration", {"key": [key]})
        assert not answer.get("unknownKey"), f"{key} is unknown"
        [item] = answer["configurationKey"]
        assert item["key"] == key
        return item.get("value", "")

    def configure(self, **keys: object) -> None:
        """ChangeConfiguration of these keys by the backend; `settle` sets them back."""
        for key, value in keys.items():
            present = self.value(key)
            text = ("true" if value else "false") if isinstance(value, bool) else str(value)
            if present == text:
                continue
            self._changed_keys.setdefault(key, present)
            answer = self.backend.call("ChangeConfiguration", {"key": key, "value": text})
            assert answer == {"status": "Accepted"}, f"ChangeConfiguration {key}={text}: {answer}"

    def reserve(self, reservation_id: int, card: str = "", valid_s: float = 3600, **more: object) -> str:
        """ReserveNow for this card; returns its status."""
        expiry = (datetime.now(UTC) + timedelta(seconds=valid_s)).isoformat()
        request = {"connectorId": 1, "idTag": card or self.card, "reservationId": reservation_id, "expiryDate": expiry}
        return self.command("ReserveNow", **{**request, **more})

    def start_session(self, card: str = "", **ev: object) -> Session:
        """Plug, tap, and charge until the contactor is closed and the backend knows it."""
        self.sim.plug(**ev)
        self.backend.wait_status("Preparing")
        self.swipe(card)
        session = self.wait_started()
        self.backend.wait_status("Charging", timeout_s=15)
        self.sim.wait(lambda s: s["relay"], what="the contactor closes")
        return session

    def wait_started(self, timeout_s: float = 10) -> Session:
        """The next StartTransaction and the id that the backend gave it."""
        start = self.backend.next("StartTransaction", timeout_s)
        return Session(start, self.transaction_id(start))

    def transaction_id(self, start: Entry) -> int:
        """The transactionId that the backend answered to this StartTransaction."""

        def answer() -> Entry | None:
            story = (e for _, e in self.backend.story.scan())
            return next((e for e in story if e.source == "backend" and e.is_answer_to(start.id)), None)

        entry = self.backend.story.wait(answer, 5)
        assert entry is not None, f"{start.text} has no answer"
        assert entry.message[0] == CALLRESULT, f"{start.text} was answered {entry.text}"
        return entry.message[2]["transactionId"]

    def swipe(self, card: str = "") -> None:
        """Present a card until the reader has seen it; the same card comes only after the moment readers ignore it."""
        self.sim.request("POST", "/swipe", {"uid": card or self.card, "hold_ms": 50})
        self.sim.wait(no_card, 15, "the card was read")

    def charge_wh(self, energy_wh: float, timeout_s: float = 30) -> dict:
        """Wait until that much energy more has flowed."""
        before = self.sim.state()["energy_wh"]
        return self.sim.wait(lambda s: s["energy_wh"] >= before + energy_wh, timeout_s, f"{energy_wh} Wh flow")

    def status(self, connector: int = 1) -> str | None:
        """The status that the station reported last."""
        reports = [e.payload for e in self.backend.calls("StatusNotification")]
        return next((p["status"] for p in reversed(reports) if p["connectorId"] == connector), None)


def no_card(state: dict) -> bool:
    """No card lies on the simulated reader, and none waits for its turn."""
    return state["reader"]["card"] is None and not state["reader"]["waiting"]


RigMaker = Callable[..., Rig]
