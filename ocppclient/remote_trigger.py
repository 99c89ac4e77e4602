"""TriggerMessage (OCPP 1.6 section 5.17) and ExtendedTriggerMessage (white paper section 5.5); conformance TRG.

The answer comes first, then the message with what is true now.
"""

from __future__ import annotations

from ocppclient.boot import Boot
from ocppclient.charge_point_certificate import ChargePointCertificate
from ocppclient.codec import Payload
from ocppclient.events import Action, Explain
from ocppclient.meter_values import MeterValues
from ocppclient.outbox import Outbox
from ocppclient.status import Status


class RemoteTrigger:
    """Messages on request of the backend; they may pass while the registration is Pending."""

    def __init__(
        self,
        outbox: Outbox,
        boot: Boot,
        charge_point_certificate: ChargePointCertificate,
        meter_values: MeterValues,
        status: Status,
        actions: list[Action],
    ) -> None:
        self._outbox = outbox
        self._boot = boot
        self._charge_point_certificate = charge_point_certificate
        self._meter_values = meter_values
        self._status = status
        self._actions = actions

    def extended_trigger_message(self, request: Payload) -> Payload:
        """ExtendedTriggerMessage.req."""
        if request["requestedMessage"] != "SignChargePointCertificate":
            return self.trigger_message(request)
        if self._outbox.gate == "closed":
            return self._refuse("Rejected", "The backend has not answered the BootNotification yet.", "BOOT-02")
        if problem := self._charge_point_certificate.request():
            return self._refuse("Rejected", f"{problem}.", "CRT-01")
        return {"status": "Accepted"}

    def trigger_message(self, request: Payload) -> Payload:
        """TriggerMessage.req."""
        connector_id = request.get("connectorId")
        match request["requestedMessage"]:
            case "BootNotification":
                if self._boot.settled:
                    return self._refuse("Rejected", "The backend has accepted this station already.", "TRG-10")
                if not self._boot.asked:  # one that was just sent counts as compliance (section 5.17)
                    self._boot.notify()
            case "Heartbeat" | "MeterValues" | "StatusNotification" if self._outbox.gate == "closed":
                return self._refuse("Rejected", "The backend has not answered the BootNotification yet.", "BOOT-02")
            case "Heartbeat":
                self._boot.heartbeat(passes_gate=True)
            case "MeterValues" if connector_id in (None, 0, 1):
                message = self._meter_values.trigger(1 if connector_id is None else connector_id)
                if message is None:
                    return self._refuse("Rejected", "The meter has no reading of MeterValuesSampledData.", "TRG-01")
                self._outbox.send("MeterValues", message, passes_gate=True)
            case "StatusNotification" if connector_id in (None, 0, 1):
                self._status.trigger((0, 1) if connector_id is None else (connector_id,))
            case "MeterValues" | "StatusNotification":
                return self._refuse("Rejected", f"There is no connector {connector_id}.", "TRG-04")
            case other:
                return self._refuse("NotImplemented", f"{other} is not implemented yet.", "TRG-01")
        return {"status": "Accepted"}

    def _refuse(self, status: str, rule: str, clause: str) -> Payload:
        self._actions.append(Explain("TriggerMessage", status, rule, "", clause))
        return {"status": status}
