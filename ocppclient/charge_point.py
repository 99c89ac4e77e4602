"""The front door: events in, actions out. Two tables and the fixed update order; no OCPP rule of its own."""

from __future__ import annotations

import json
import logging
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import asdict
from random import Random, SystemRandom

from ocppclient import feature_profiles, narration
from ocppclient.authorization import Authorization
from ocppclient.availability import Availability
from ocppclient.boot import RESET_CAUSE, Boot
from ocppclient.certificates import MANUFACTURER_ROOT, Certificates
from ocppclient.charge_point_certificate import ChargePointCertificate
from ocppclient.charging_hours import ChargingHours
from ocppclient.clock import Clock
from ocppclient.codec import (
    CENTRAL_SYSTEM_REQUESTS,
    Call,
    CallError,
    CallFailure,
    CallResult,
    Encoded,
    Malformed,
    Message,
    Payload,
    check_request,
    check_response,
    decode,
    encode_error,
    encode_result,
)
from ocppclient.configuration import Configuration
from ocppclient.data_transfer import data_transfer
from ocppclient.diagnostics import Diagnostics
from ocppclient.events import (
    Action,
    AliveSeen,
    CacheDiscarded,
    CardFeedback,
    CardSwiped,
    CertificateChosen,
    CertificateDiscarded,
    CertificateRequested,
    ChargeNow,
    Connected,
    Disconnected,
    DiskJudged,
    Event,
    Explain,
    Feedback,
    FrameReceived,
    JobProgressed,
    JobWanted,
    KeyChosen,
    KeyFormAccepted,
    LocalStart,
    LocalStop,
    MaintenanceBegan,
    MaintenanceEnded,
    Reading,
    ReleaseOffered,
    ReleaseUploaded,
    ResendParked,
    ReservationWithdrawn,
    RollbackRequested,
    SecurityEventSeen,
    SecurityLogDiscarded,
    SendFrame,
    SetPingInterval,
    SettingsChanged,
    ShutdownRequested,
    SwitchFailed,
    Tick,
    TimeTold,
    UpdateWithdrawn,
)
from ocppclient.facts import Facts
from ocppclient.firmware import Firmware
from ocppclient.idle_energy import IdleEnergy
from ocppclient.jobs import Jobs
from ocppclient.limits import Limits
from ocppclient.local_auth_list import LocalAuthList
from ocppclient.meter_values import MeterValues
from ocppclient.outbox import Outbox, Outcome
from ocppclient.progress_reports import ProgressReports
from ocppclient.randomised_delay import RandomisedDelay
from ocppclient.remote_control import RemoteControl
from ocppclient.remote_trigger import RemoteTrigger
from ocppclient.reservation import Reservations
from ocppclient.reset import Reset
from ocppclient.security import Security
from ocppclient.security_events import SecurityEvents
from ocppclient.sentence import Sentence
from ocppclient.settings import ChargePointSettings, Electrical
from ocppclient.smart_charging import SmartCharging
from ocppclient.status import Status
from ocppclient.store import Store, Transaction
from ocppclient.timekeeping import Timekeeping
from ocppclient.transactions import Transactions
from ocppclient.view import ReservationView, TransactionView, View

log = logging.getLogger(__name__)

_REMEMBERED_ANSWERS = 50  # field problem 18: a CALL that comes twice gets the same answer, and is done once
#: A longer frame is remembered by its hash, a longer answer not at all (only GetCompositeSchedule has one: it asks).
_LONGEST_REMEMBERED = 65_536


class ChargePoint:
    """The charge point as the specification says it; recovery is construction (design.md, concepts 1 and 4).

    Only one thread may call it. An exception out of `handle` means that memory and database may differ: the process
    has to end and start again.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        settings: ChargePointSettings,
        chance: Random = SystemRandom(),  # noqa: B008
    ) -> None:
        self._store = store
        self._clock = clock
        self._settings = settings
        self._actions: list[Action] = []
        self._answers: OrderedDict[tuple[str, str | int], str] = OrderedDict()  # of this connection
        factory, electrical, out = settings.factory, settings.electrical, self._actions

        # constructor order is dependency order: nobody receives what is built later
        self.facts = facts = Facts(heard_at=clock.monotonic())
        self.config = config = Configuration(store, settings.configuration, out, factory.feature_profiles)
        self.outbox = outbox = Outbox(store, clock, config, factory, facts, out)
        self.security_events = security_events = SecurityEvents(
            store, clock, config, facts, outbox, settings.identity.firmware_version
        )
        self.certificates = certificates = Certificates(store, clock, config, security_events, out)
        self.charge_point_certificate = charge_point_certificate = ChargePointCertificate(
            store, clock, config, outbox, security_events, certificates, settings, out
        )
        self.security = security = Security(
            store, clock, config, outbox, security_events, certificates, charge_point_certificate, settings, out
        )
        self.timekeeping = timekeeping = Timekeeping(store, clock, outbox, security_events, out)
        self.boot = boot = Boot(store, clock, config, outbox, timekeeping, settings, out)
        self.availability = availability = Availability(store, out)
        self.local_auth_list = local_auth_list = LocalAuthList(store, clock, config, out)
        self.reservations = reservations = Reservations(store, clock, config, facts, boot, availability, out)
        self.authorization = authorization = Authorization(
            store, clock, config, facts, outbox, boot, availability, local_auth_list, reservations, factory, out
        )
        self.meter_values = meter_values = MeterValues(store, clock, config, facts, outbox, electrical)
        self.transactions = transactions = Transactions(
            store, clock, config, facts, outbox, reservations, authorization, meter_values, factory, electrical, out
        )
        self.idle_energy = IdleEnergy(store, facts, out)
        self.jobs = jobs = Jobs(store, clock, out)
        self.progress_reports = reports = ProgressReports(store, clock, outbox)
        self.firmware = firmware = Firmware(
            store, clock, config, facts, outbox, security_events, boot, availability, authorization, jobs, reports,
            settings, lambda: certificates.roots(MANUFACTURER_ROOT), out,
        )  # fmt: skip
        self.diagnostics = diagnostics = Diagnostics(store, clock, jobs, reports, settings.identity, self._state, out)
        self.charging_hours = charging_hours = ChargingHours(
            store, clock, config, transactions, settings.time_zone, out
        )
        self.smart_charging = smart_charging = SmartCharging(
            store, clock, config, facts, transactions, charging_hours, electrical, out
        )
        self.randomised_delay = randomised_delay = RandomisedDelay(store, clock, config, facts, chance, out)
        self.limits = limits = Limits(
            clock, config, facts, transactions, smart_charging, charging_hours, randomised_delay, electrical, out
        )
        self.status = status = Status(
            clock, config, facts, outbox, boot, availability, reservations, authorization, transactions, limits
        )
        self.remote_control = remote_control = RemoteControl(
            store, config, facts, boot, availability, reservations, authorization, transactions, smart_charging, out
        )
        self.reset = reset = Reset(store, clock, config, outbox, security_events, transactions, out)
        self.remote_trigger = remote_trigger = RemoteTrigger(
            config, outbox, boot, charge_point_certificate, meter_values, diagnostics, firmware, status, out
        )

        #: CALL of the backend → who answers it.
        self.requests: dict[str, Callable[[Payload], Payload | Encoded]] = {
            "CancelReservation": reservations.cancel_reservation,
            "CertificateSigned": charge_point_certificate.certificate_signed,
            "ChangeAvailability": availability.change_availability,
            "ChangeConfiguration": security.change_configuration,
            "ClearCache": authorization.clear_cache,
            "ClearChargingProfile": smart_charging.clear_charging_profile,
            "DataTransfer": lambda request: data_transfer(request, out),
            "DeleteCertificate": certificates.delete_certificate,
            "ExtendedTriggerMessage": remote_trigger.extended_trigger_message,
            "GetCompositeSchedule": smart_charging.get_composite_schedule,
            "GetConfiguration": config.get_configuration,
            "GetDiagnostics": diagnostics.get_diagnostics,
            "GetInstalledCertificateIds": certificates.get_installed_certificate_ids,
            "GetLocalListVersion": local_auth_list.get_local_list_version,
            "GetLog": diagnostics.get_log,
            "InstallCertificate": certificates.install_certificate,
            "RemoteStartTransaction": remote_control.remote_start_transaction,
            "RemoteStopTransaction": remote_control.remote_stop_transaction,
            "ReserveNow": lambda request: reservations.reserve_now(request, status.of_connector),
            "Reset": reset.reset,
            "SendLocalList": local_auth_list.send_local_list,
            "SetChargingProfile": smart_charging.set_charging_profile,
            "SignedUpdateFirmware": firmware.signed_update_firmware,
            "TriggerMessage": remote_trigger.trigger_message,
            "UnlockConnector": remote_control.unlock_connector,
            "UpdateFirmware": firmware.update_firmware,
        }
        for action in feature_profiles.left_out(config.profiles):
            self.requests.pop(action, None)
        #: Our CALL → who takes what became of it.
        self.replies: dict[str, Callable[[Outcome], None]] = {
            "Authorize": authorization.authorize_conf,
            "BootNotification": self._boot_notification_conf,
            "DiagnosticsStatusNotification": reports.conf,
            "FirmwareStatusNotification": reports.conf,
            "Heartbeat": boot.heartbeat_conf,
            "LogStatusNotification": reports.conf,
            "MeterValues": lambda outcome: None,
            "SecurityEventNotification": security_events.security_event_notification_conf,
            "SignCertificate": charge_point_certificate.sign_certificate_conf,
            "SignedFirmwareStatusNotification": reports.conf,
            "StartTransaction": transactions.start_transaction_conf,
            "StatusNotification": status.status_notification_conf,
            "StopTransaction": transactions.stop_transaction_conf,
        }

    def handle(self, event: Event) -> list[Action]:
        """Take one event, commit what it changes, return what is to be done now (in this order).

        The answer to a CALL is always the first action that its event produces.
        """
        self._actions.clear()
        with self._store.atomic():
            self._take(event)
            self.timekeeping.update()
            self.boot.update()
            self.availability.update()
            self.reservations.update()
            self.authorization.update()
            self.transactions.update()
            self.idle_energy.update()
            self.firmware.update()
            self.diagnostics.update()
            self.jobs.update()
            self.charging_hours.update()
            self.smart_charging.update()
            self.meter_values.update()
            self.limits.update()
            self.status.update()
            self.reset.update()
            self.charge_point_certificate.update()
            self.security.update()
            self.security_events.update()
            self.progress_reports.update()
            self._hand_on_changes()
            self.outbox.flush()
        return list(self._actions)

    def _take(self, event: Event) -> None:
        match event:
            case Tick():
                while (outcome := self.outbox.timed_out()) is not None:
                    self._reply(outcome)
            case Reading():
                self.facts.take(event)
            case TimeTold(source, utc, at_s, by):
                self.timekeeping.told(source, utc, at_s, by)
            case FrameReceived(text, read):
                self.facts.heard_at = self._clock.monotonic()
                self.outbox.alive()
                self._receive(text, read)
            case AliveSeen():
                self.facts.heard_at = self._clock.monotonic()
                self.outbox.alive()
            case CardSwiped(id_tag) | LocalStart(id_tag):
                self.authorization.present(id_tag)
            case LocalStop(reason):
                self.transactions.stop(reason)
            case ChargeNow(by):
                self._charge_now(by)
            case Connected(verified_by, valid):
                self.facts.heard_at = self._clock.monotonic()
                self._answers.clear()
                self.outbox.connected()
                self.security_events.connected()
                self.security.connected(verified_by, valid)
                self.boot.connected()
            case Disconnected(reason, kind):
                if not self.outbox.online:
                    self.security.attempt_failed(kind, reason)
                self._disconnected()
            case KeyFormAccepted(as_text):
                self.security.key_form_accepted(as_text)
            case SettingsChanged(settings):
                self.config.settings_changed((settings or self._settings).configuration)
                self.local_auth_list.settings_changed()
                if settings is not None:
                    self._limit(settings.electrical)
                    self.charging_hours.time_zone = settings.time_zone
                    self._settings = settings
                    self.charge_point_certificate.settings_changed(settings)
                    self.security.settings_changed(settings)
                    if self.boot.settings_changed(settings):
                        self._disconnected()
            case KeyChosen(key, value):
                self.security.key_chosen(key, value)
            case ResendParked(seq):
                self.outbox.resend_parked(seq)
            case CertificateChosen():
                self.certificates.chosen(event)
            case CertificateDiscarded():
                self.certificates.discarded(event)
                self.charge_point_certificate.forget()
            case CertificateRequested(by):
                self.charge_point_certificate.requested(by)
            case SecurityLogDiscarded(by):
                self.security_events.clear(by)
            case SecurityEventSeen(event_type, tech_info):
                self.security_events.raise_event(event_type, tech_info)
            case CacheDiscarded():
                self.authorization.discard_cache()
            case ReservationWithdrawn(reservation_id, by):
                self.reservations.withdraw(reservation_id, by)
            case MaintenanceBegan(what):
                self.availability.begin_maintenance(what)
            case MaintenanceEnded():
                self.availability.end_maintenance()
            case DiskJudged(has_room):
                self.availability.disk_judged(has_room)
            case JobProgressed():
                self.jobs.progressed(event)
                self.firmware.progressed(event)
                self.diagnostics.progressed(event)
            case JobWanted(kind, arguments):
                self.jobs.start(kind, arguments)
            case ReleaseUploaded():
                self.firmware.uploaded(event)
            case ReleaseOffered():
                self.firmware.offered(event)
            case RollbackRequested():
                self.firmware.roll_back(event)
            case UpdateWithdrawn(by):
                self.firmware.withdraw(by)
            case SwitchFailed(reason):
                self.firmware.switch_failed(reason)
            case ShutdownRequested():
                if self._store.value(RESET_CAUSE) is None:
                    self._store.set_value(RESET_CAUSE, "Reboot")
                    self.security_events.raise_event("ResetOrReboot", Sentence("stopped from outside"))

    def _charge_now(self, by: str) -> None:
        waited = self.randomised_delay.waits
        if self.charging_hours.override(by) or waited:
            self.randomised_delay.skip(by)
            self._actions.append(Feedback(CardFeedback.ACCEPTED, Sentence("The session charges now.")))
        else:
            rule = Sentence("No session waits for the off-peak hours or for a random delay.")
            self._actions.append(Explain("ChargeNow", "Rejected", rule))

    def _limit(self, electrical: Electrical) -> None:
        """An installer chose other electrical limits: who works with them takes them over."""
        former, present = self._settings.electrical, electrical
        if former == present:
            return
        for feature in (self.meter_values, self.transactions, self.smart_charging, self.limits):
            feature.electrical = present
        info = Sentence(
            "max_current_a {former:g} → {present:g}, by a person at the station",
            former=former.max_current_a,
            present=present.max_current_a,
        )
        self.security_events.raise_event("ReconfigurationOfSecurityParameters", info)

    def _disconnected(self) -> None:
        lost = self.outbox.disconnected()
        self.boot.disconnected()
        self.certificates.disconnected()
        self.status.disconnected()
        self.progress_reports.disconnected()
        for outcome in lost:
            self._reply(outcome)

    # -- frames

    def _receive(self, text: str, read: Message | None) -> None:
        message = decode(text) if read is None else read
        match message:
            case Call():
                self._answer(message, text)
            case CallResult() | CallError():
                outcome = self.outbox.answered(message)
                if outcome is not None:
                    self._reply(outcome)
                else:
                    log.info("An answer to nothing that is waiting was ignored: %.80s", text)
            case Malformed(reason, answer):
                self.outbox.quirks += 1
                self._actions.append(
                    Explain(
                        Sentence("frame"),
                        Sentence("malformed"),
                        Sentence("A frame was not OCPP: {reason}.", reason=reason),
                        "",
                        "RPC-28",
                    )
                )
                self.security_events.suspect(
                    "InvalidMessages", Sentence("a frame was not OCPP: {reason}", reason=reason)
                )
                if answer and self.boot.registration != "rejected":
                    self._actions.append(SendFrame(answer))

    def _answer(self, call: Call, text: str) -> None:
        if self.boot.registration == "rejected":  # conformance BOOT-07: silent until the interval is over
            log.info("%s was not answered: the backend has rejected this station", call.action)
            return
        key = (call.message_id, text if len(text) <= _LONGEST_REMEMBERED else hash(text))
        answer = self._answers.get(key)
        if answer is None:
            if any(message_id == call.message_id for message_id, _ in self._answers):
                self.security_events.suspect(
                    "AttemptedReplayAttacks", Sentence("{action} with an id that was used", action=call.action[:50])
                )
            answer = self._execute(call)
            if len(answer) <= _LONGEST_REMEMBERED:
                self._answers[key] = answer
            while len(self._answers) > _REMEMBERED_ANSWERS:
                self._answers.popitem(last=False)
        self._actions.insert(0, SendFrame(answer))

    def _execute(self, call: Call) -> str:
        """Answer a CALL; what fails changes nothing."""
        told = len(self._actions)
        try:
            handler = self.requests.get(call.action)
            if handler is None:
                known = call.action in CENTRAL_SYSTEM_REQUESTS or call.action in self.replies
                action = call.action[:50]
                if known:
                    raise CallFailure(
                        "NotSupported", Sentence("{action} is not supported by this station", action=action)
                    )
                raise CallFailure("NotImplemented", Sentence("{action} is unknown to this station", action=action))
            with self._store.atomic():
                if call.failure is not None:
                    raise call.failure
                if not call.checked:
                    check_request(call.action, call.payload)
                response = handler(call.payload)
                if not isinstance(response, Encoded):
                    check_response(call.action, response)
        except CallFailure as failure:
            self._undo(told)
            self._actions.append(
                Explain(
                    call.action[:50], failure.code, Sentence("{problem}.", problem=failure.description), "", "RPC-19"
                )
            )
            return encode_error(call.message_id, failure.code, failure.description)
        except Exception:
            log.exception("%s failed", call.action)
            self._undo(told)
            self._actions.append(
                Explain(call.action, "InternalError", Sentence("The station failed; its log says why."), "", "RPC-22")
            )
            return encode_error(call.message_id, "InternalError", "the station could not process this message")
        return encode_result(call.message_id, response)

    def _undo(self, told: int) -> None:
        """A CALL failed and its writes were rolled back: forget what it told, and read what memory holds again.

        Handlers write first and touch their memory last, so nothing else of them is left.
        """
        del self._actions[told:]
        self.config.forget()
        self.certificates.forget()
        self.charge_point_certificate.forget()
        self.smart_charging.forget()

    def _reply(self, outcome: Outcome) -> None:
        self.replies[outcome.action](outcome)

    def _boot_notification_conf(self, outcome: Outcome) -> None:
        self.boot.boot_notification_conf(outcome)
        if outcome.response is not None and self.boot.registration == "accepted":
            self.status.registered()

    def _hand_on_changes(self) -> None:
        """Configuration changes that somebody outside has to know."""
        if self.config.changes:
            pings = (Configuration.web_socket_ping_interval.name, Configuration.loss_of_control_time_out.name)
            if any(name in pings for name in self.config.changes):
                self._actions.append(SetPingInterval(self.limits.ping_interval_s))
            self.config.changes.clear()

    # -- for people

    def connector_status(self) -> str:
        """The ChargePointStatus of the connector as it was derived last, "" before the first; cheap."""
        condition = self.status.condition.get(1)
        return condition.status if condition else ""

    def view(self) -> View:
        """A snapshot for people; changes nothing."""
        condition = self.status.condition.get(1)
        reading, meter = self.facts.reading, self.facts.reading.meter
        action, waited_s = self.outbox.in_flight
        return View(
            status=condition.status if condition else "",
            error_code=condition.error_code if condition else "NoError",
            sentence=narration.sentence(
                condition,
                self.facts,
                self.boot,
                self.availability,
                self.reservations,
                self.authorization,
                self.transactions,
                self.limits,
            ),
            limit_sentence=self.limits.sentence,
            online=self.outbox.online,
            registration=self.boot.registration,
            heartbeat_interval_s=self.config.heartbeat_interval,
            queue_depth=self._store.queue_depth(),
            parked=self._store.parked_depth(),
            in_flight=action,
            in_flight_s=waited_s,
            last_error=self.outbox.last_error,
            quirks=self.outbox.quirks,
            clock_utc=self._clock.utc(),
            clock_synchronised=self._clock.synchronised,
            transaction=self._transaction_view(self._store.open_transaction()),
            offered_a=reading.offered_a,
            limit_a=self.limits.limit_a,
            waiting=self.limits.waiting,
            ev_connected=reading.ev_connected,
            contactor_closed=reading.contactor_closed,
            energy_wh=self.facts.energy_wh,
            power_w=meter.power_w if meter else None,
            current_a=meter.current_a if meter else None,
            voltage_v=meter.voltage_v if meter else None,
            temperature_c=meter.temperature_c if meter else None,
            profile_changes=self.smart_charging.changes,
            clock=self.timekeeping.view(),
            reservation=self._reservation_view(),
        )

    def _reservation_view(self) -> ReservationView | None:
        held = self.reservations.current
        if held is None:
            return None
        return ReservationView(held.reservation_id, held.id_tag, bool(held.parent_id_tag), held.expiry_date)

    def _state(self) -> dict[str, object]:
        """The view as plain JSON, for the diagnostics."""
        plain: dict[str, object] = json.loads(json.dumps(asdict(self.view()), default=str))
        return plain

    def _transaction_view(self, transaction: Transaction | None) -> TransactionView | None:
        if transaction is None:
            return None
        register_wh = max(self.facts.energy_wh or 0, transaction.last_wh)
        return TransactionView(
            uid=transaction.uid,
            id_tag=transaction.id_tag,
            transaction_id=transaction.transaction_id,
            started_at=transaction.started_at,
            energy_wh=register_wh - transaction.meter_start_wh,
            acknowledged=transaction.start_delivered,
        )
