"""RemoteStartTransaction, RemoteStopTransaction, UnlockConnector (OCPP 1.6 sections 5.11, 5.12, 5.18)."""

from __future__ import annotations

from ocppclient.authorization import Authorization
from ocppclient.availability import Availability
from ocppclient.boot import Boot
from ocppclient.codec import Payload
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Explain
from ocppclient.facts import Facts
from ocppclient.profile_rules import Unfit
from ocppclient.reservation import Reservations
from ocppclient.sentence import Sentence
from ocppclient.smart_charging import SmartCharging
from ocppclient.store import Store
from ocppclient.transactions import Transactions


class RemoteControl:
    """What the backend asks of the connector. The answer goes out first; what follows from it comes with the update."""

    def __init__(
        self,
        store: Store,
        config: Configuration,
        facts: Facts,
        boot: Boot,
        availability: Availability,
        reservations: Reservations,
        authorization: Authorization,
        transactions: Transactions,
        smart_charging: SmartCharging,
        actions: list[Action],
    ) -> None:
        self._store = store
        self._config = config
        self._facts = facts
        self._boot = boot
        self._availability = availability
        self._reservations = reservations
        self._authorization = authorization
        self._transactions = transactions
        self._smart_charging = smart_charging
        self._actions = actions

    def remote_start_transaction(self, request: Payload) -> Payload:
        """RemoteStartTransaction.req: Accepted means that the station will try."""
        reason = self._why_no_start(request)
        if reason:
            rule, clause = reason
            self._actions.append(Explain("RemoteStartTransaction", "Rejected", rule, request["idTag"], clause))
            return {"status": "Rejected"}
        try:
            profile = self._smart_charging.profile_for_remote_start(request.get("chargingProfile"))
        except Unfit as unfit:
            explain = Explain("RemoteStartTransaction", "Rejected", unfit.rule, request["idTag"], unfit.clause)
            self._actions.append(explain)
            return {"status": "Rejected"}
        if self._config.authorize_remote_tx_requests:
            self._authorization.request(request["idTag"], remote=True)
        else:
            self._authorization.grant_unasked(request["idTag"])
        self._smart_charging.use_for_next(profile)
        return {"status": "Accepted"}

    def _why_no_start(self, request: Payload) -> tuple[Sentence, str] | None:
        connector_id = request.get("connectorId", 1)
        if connector_id != 1:
            return Sentence(
                "Connector {connector_id} cannot be started; this station has connector 1.", connector_id=connector_id
            ), "RST-06"
        if not request["idTag"]:
            return Sentence("The idTag is empty."), "GEN-02"
        if self._boot.registration != "accepted":
            return Sentence("The backend has not accepted this station yet."), "BOOT-09"
        if self._boot.restarting:
            return Sentence("The station is restarting."), "RES-03"
        if self._store.open_transaction() is not None:
            return Sentence("A transaction is running already."), "RST-05"
        if self._authorization.busy:
            return Sentence("Another start is pending already."), "RST-05"
        if not self._availability.operative(1):
            return Sentence("The connector is unavailable ({cause}).", cause=self._availability.cause), "AVL-05"
        if self._authorization.kept_out(request["idTag"]):
            return Sentence("The connector is {reservation}", reservation=self._reservations.sentence), "RSV-12"
        if self._facts.energy_wh is None:
            return Sentence("The energy meter has not been read yet."), "RST-05"
        if faults := self._facts.blocking_faults:
            return Sentence("The connector is faulted: {fault}.", fault=faults[0].code_and_info), "RST-05"
        return None

    def remote_stop_transaction(self, request: Payload) -> Payload:
        """RemoteStopTransaction.req: only for the transactionId that is running."""
        running = self._transactions.running
        if self._boot.registration != "accepted":
            rule, clause = Sentence("The backend has not accepted this station yet."), "BOOT-09"
        elif running is None or running.transaction_id != request["transactionId"]:
            rule, clause = (
                Sentence("No transaction {transaction_id} is running.", transaction_id=request["transactionId"]),
                "RST-11",
            )
        else:
            self._transactions.stop("Remote")
            return {"status": "Accepted"}
        self._actions.append(Explain("RemoteStopTransaction", "Rejected", rule, str(request["transactionId"]), clause))
        return {"status": "Rejected"}

    def unlock_connector(self, request: Payload) -> Payload:
        """UnlockConnector.req: the cable is fixed, there is nothing to unlock (settled question 10)."""
        rule = Sentence("The cable is fixed to the station; there is no lock to open.")
        self._actions.append(Explain("UnlockConnector", "NotSupported", rule, str(request["connectorId"]), "UNL-01"))
        return {"status": "NotSupported"}
