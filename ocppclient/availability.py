"""ChangeAvailability (OCPP 1.6 section 5.2): at once, or after the transaction; it outlives reboots."""

from __future__ import annotations

from ocppclient.codec import Payload
from ocppclient.events import Action, Explain
from ocppclient.sentence import NOTHING, Sentence
from ocppclient.store import Store

_NAME = "availability."  # + connector: "Inoperative" when unavailable
_SCHEDULED = "availability.scheduled."


class Availability:
    """Operative or Inoperative, for the whole station (0) and for connector 1.

    Attributes:
        maintenance: what people do to the box now, "" when nothing. It makes the connector inoperative (section 4.9
            lets a station use Unavailable for its own purposes) and does not outlive a reboot.
        disk_full: a whole session could not be kept, so none may start.
    """

    def __init__(self, store: Store, actions: list[Action]) -> None:
        self._store = store
        self._actions = actions
        self.maintenance = NOTHING
        self.disk_full = False
        #: The station itself keeps its connectors out of service while it installs firmware (L01.FR.07); a level.
        self.held = False

    def operative(self, connector_id: int) -> bool:
        """Connector 1 is operative only while the whole station is."""
        if connector_id == 1 and (self.held or self.maintenance or self.disk_full):
            return False
        return all(self._store.value(f"{_NAME}{connector}") != "Inoperative" for connector in {0, connector_id})

    @property
    def cause(self) -> str:
        """Why connector 1 is inoperative, for a sentence."""
        return self.maintenance or (Sentence("its disk is full") if self.disk_full else "ChangeAvailability")

    def begin_maintenance(self, what: Sentence) -> None:
        """Take connector 1 out of service for `what`; refused while a transaction is open."""
        if self._store.open_transaction() is None:
            self.maintenance = what
            return
        rule = Sentence("A session is running. Stop it first.")
        self._actions.append(Explain(what, Sentence("Refused"), rule, "", "STA-15"))

    def end_maintenance(self) -> None:
        """Back in service."""
        self.maintenance = NOTHING

    def disk_judged(self, has_room: bool) -> None:
        """The disk filled up, or has room again."""
        self.disk_full = not has_room
        if self.disk_full:
            rule = Sentence(
                "The disk has too little room to keep a whole session. None can start until there is room; "
                "a running one goes on and is sent."
            )
            self._actions.append(Explain(Sentence("session"), Sentence("Refused"), rule, "", "STA-15"))

    def change_availability(self, request: Payload) -> Payload:
        """ChangeAvailability.req: Accepted, Scheduled while a transaction runs, Rejected for an unknown connector."""
        connector_id, wanted = request["connectorId"], request["type"]
        if connector_id not in (0, 1):
            rule = Sentence(
                "There is no connector {connector_id}; this station has 0 (all of it) and 1.", connector_id=connector_id
            )
            self._actions.append(Explain("ChangeAvailability", "Rejected", rule, str(connector_id), "AVL-01"))
            return {"status": "Rejected"}
        if wanted == "Inoperative" and self._store.open_transaction() is not None:
            for connector in self._concerned(connector_id):
                self._store.set_value(f"{_SCHEDULED}{connector}", wanted)
            rule = Sentence("A transaction is running; the connector becomes unavailable when it ends.")
            self._actions.append(Explain("ChangeAvailability", "Scheduled", rule, str(connector_id), "AVL-01"))
            return {"status": "Scheduled"}
        self._apply(connector_id, wanted)
        return {"status": "Accepted"}

    def update(self) -> None:
        """Apply what was scheduled once the transaction is over."""
        scheduled = self._store.values(_SCHEDULED)
        if scheduled and self._store.open_transaction() is None:
            for name, wanted in scheduled.items():
                self._apply(int(name.removeprefix(_SCHEDULED)), wanted)

    def _apply(self, connector_id: int, wanted: str) -> None:
        for connector in self._concerned(connector_id):
            self._store.set_value(f"{_NAME}{connector}", "Inoperative" if wanted == "Inoperative" else None)
            self._store.set_value(f"{_SCHEDULED}{connector}", None)

    @staticmethod
    def _concerned(connector_id: int) -> tuple[int, ...]:
        return (0, 1) if connector_id == 0 else (connector_id,)
