"""TriggerMessage (OCPP 1.6 section 5.17) and ExtendedTriggerMessage (white paper section 5.5); conformance TRG.

The answer comes first, then the message with what is true now.
"""

from __future__ import annotations

from ocppclient.boot import Boot
from ocppclient.charge_point_certificate import ChargePointCertificate
from ocppclient.codec import Payload
from ocppclient.configuration import Configuration
from ocppclient.diagnostics import Diagnostics
from ocppclient.events import Action, Explain
from ocppclient.firmware import Firmware
from ocppclient.meter_values import MeterValues
from ocppclient.outbox import Outbox
from ocppclient.sentence import Sentence
from ocppclient.status import Status


class RemoteTrigger:
    """Messages on request of the backend; they may pass while the registration is Pending."""

    def __init__(
        self,
        config: Configuration,
        outbox: Outbox,
        boot: Boot,
        charge_point_certificate: ChargePointCertificate,
        meter_values: MeterValues,
        diagnostics: Diagnostics,
        firmware: Firmware,
        status: Status,
        actions: list[Action],
    ) -> None:
        self._has_firmware = "FirmwareManagement" in config.profiles
        self._outbox = outbox
        self._boot = boot
        self._charge_point_certificate = charge_point_certificate
        self._meter_values = meter_values
        self._diagnostics = diagnostics
        self._firmware = firmware
        self._status = status
        self._actions = actions

    def trigger_message(self, request: Payload) -> Payload:
        """TriggerMessage.req."""
        match request["requestedMessage"]:
            case "DiagnosticsStatusNotification" if self._has_firmware and self._is_heard():
                self._diagnostics.trigger_diagnostics()
            case "FirmwareStatusNotification" if self._has_firmware and self._is_heard():
                self._firmware.trigger()
            case _:
                return self._trigger("TriggerMessage", request)
        return {"status": "Accepted"}

    def extended_trigger_message(self, request: Payload) -> Payload:
        """ExtendedTriggerMessage.req (white paper section 5.5): firmware means the signed update here."""
        match request["requestedMessage"]:
            case "LogStatusNotification" if self._is_heard():
                self._diagnostics.trigger_log()
            case "FirmwareStatusNotification" if self._is_heard():
                self._firmware.trigger_signed()
            case "SignChargePointCertificate" if self._is_heard():
                if problem := self._charge_point_certificate.request():
                    return self._refuse(
                        "Rejected", Sentence("{problem}.", problem=problem), "CRT-01", "ExtendedTriggerMessage"
                    )
            case _:
                return self._trigger("ExtendedTriggerMessage", request)
        return {"status": "Accepted"}

    def _is_heard(self) -> bool:
        """Section 4.2: nothing but a BootNotification leaves before the backend answered one."""
        return self._outbox.gate != "closed"

    def _trigger(self, what: str, request: Payload) -> Payload:
        """What both messages can ask for."""
        connector_id = request.get("connectorId")
        match request["requestedMessage"]:
            case "BootNotification":
                if self._boot.settled:
                    return self._refuse(
                        "Rejected", Sentence("The backend has accepted this station already."), "TRG-10", what
                    )
                if not self._boot.asked:  # one that was just sent counts as compliance (section 5.17)
                    self._boot.notify()
            case _ if not self._is_heard():
                return self._refuse(
                    "Rejected", Sentence("The backend has not answered the BootNotification yet."), "BOOT-02", what
                )
            case "Heartbeat":
                self._boot.heartbeat(passes_gate=True)
            case "MeterValues" if connector_id in (None, 0, 1):
                message = self._meter_values.trigger(1 if connector_id is None else connector_id)
                if message is None:
                    return self._refuse(
                        "Rejected", Sentence("The meter has no reading of MeterValuesSampledData."), "TRG-01", what
                    )
                self._outbox.send("MeterValues", message, passes_gate=True)
            case "StatusNotification" if connector_id in (None, 0, 1):
                self._status.trigger((0, 1) if connector_id is None else (connector_id,))
            case "MeterValues" | "StatusNotification":
                return self._refuse(
                    "Rejected",
                    Sentence("There is no connector {connector_id}.", connector_id=str(connector_id)),
                    "TRG-04",
                    what,
                )
            case other:
                return self._refuse(
                    "NotImplemented",
                    Sentence("{other} belongs to a feature profile that is left out.", other=other),
                    "TRG-01",
                    what,
                )
        return {"status": "Accepted"}

    def _refuse(self, status: str, rule: Sentence, clause: str, what: str) -> Payload:
        self._actions.append(Explain(what, status, rule, "", clause))
        return {"status": status}
