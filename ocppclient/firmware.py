"""Firmware updates: UpdateFirmware, SignedUpdateFirmware and the local page, one state machine (section 5.19, L01).

scheduled → downloading ⇄ paused → waiting → installing → switching → trial. What takes long is a job; every stage is
durable, so that a power cut at any moment continues where it was.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace

from cryptography.x509 import Certificate

from ocppclient.authorization import Authorization
from ocppclient.availability import Availability
from ocppclient.boot import Boot
from ocppclient.clock import Clock, format_utc, parse_utc
from ocppclient.codec import CallFailure, Payload, dumps
from ocppclient.configuration import Configuration
from ocppclient.events import (
    Action,
    ConfirmRelease,
    Explain,
    JobProgressed,
    ReleaseOffered,
    ReleaseUploaded,
    RollbackRequested,
    SwitchRelease,
)
from ocppclient.facts import Facts
from ocppclient.firmware_signature import BadCertificate, BadSignature, check_certificate, check_signature
from ocppclient.jobs import Jobs
from ocppclient.outbox import Outbox
from ocppclient.progress_reports import ProgressReports
from ocppclient.security_events import SecurityEvents
from ocppclient.sentence import NOTHING, Sentence, packed, quoted, unpacked
from ocppclient.settings import ChargePointSettings
from ocppclient.store import Store
from ocppclient.transfer_request import attempts, interval_s, location_problem, moment

_NAME = "firmware.update"
_LAST = "firmware.last"  # what the last signed update told at its end (L01.FR.28, .29)
HISTORY = "firmware.history"
HISTORY_KEPT = 20
#: The states that FirmwareStatusNotification of OCPP 1.6 knows (section 7.25).
_CLASSIC = ("Downloading", "Downloaded", "DownloadFailed", "Installing", "Installed", "InstallationFailed")
#: A job that fails so has looked at the file and refuses it: InstallVerificationFailed.
_UNFIT = ("archive", "signature", "model", "version")
#: Before the restart, what waits for the backend gets so long to leave.
_SETTLE_S = 10.0
#: The connector is out of service while an installation goes on: so long from its order to its beginning, and from one
#: sign of progress to the next. Who does jobs may be dead; that keeps nobody from charging.
_BEGIN_S, _AT_WORK_S = 10.0, 120.0
#: A release on trial has to work so long without a break before it is confirmed.
PROOF_S = 5.0
CANCELLABLE = ("scheduled", "downloading", "paused", "waiting")
#: Kinds whose progress the backend hears.
_OF_THE_BACKEND = ("classic", "signed")


@dataclass(frozen=True)
class Update:
    """One update from its request to its end.

    Attributes:
        kind: "classic" (UpdateFirmware), "signed" (SignedUpdateFirmware), "local" (a file from the page), "found" (in
            the seller's list of updates), "rollback".
        stage: see the module.
        attempts: downloads that are left, the present one included; interval_s between them.
        retrieve_at, install_at: UTC text, "" for at once.
        job: uid of the job that is going on.
        file, sha256: what is to be installed; the name lies in the staging folder. The hash of what was found is known
            beforehand.
        slot: of the new release, once it is unpacked.
        told: the newest status that was told.
        was_registered, was_faulted: the state before, which the new release has to reach.
    """

    kind: str
    stage: str
    request_id: int | None = None
    location: str = ""
    attempts: int = 1
    interval_s: int = 0
    retrieve_at: str = ""
    install_at: str = ""
    certificate: str = ""
    signature: str = ""
    job: str = ""
    file: str = ""
    sha256: str = ""
    version: str = ""
    slot: str = ""
    allow_older: bool = False
    told: str = ""
    was_registered: bool = False
    was_faulted: bool = False


class Firmware:
    """One update at a time.

    Args:
        manufacturer_roots: the installed ManufacturerRootCertificates, PEM.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Configuration,
        facts: Facts,
        outbox: Outbox,
        security_events: SecurityEvents,
        boot: Boot,
        availability: Availability,
        authorization: Authorization,
        jobs: Jobs,
        reports: ProgressReports,
        settings: ChargePointSettings,
        manufacturer_roots: Callable[[], Sequence[str]],
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._facts = facts
        self._outbox = outbox
        self._security_events = security_events
        self._boot = boot
        self._availability = availability
        self._authorization = authorization
        self._jobs = jobs
        self._reports = reports
        self._settings = settings
        self._manufacturer_roots = manufacturer_roots
        self._actions = actions
        self._parsed: tuple[str, Update | None] = ("", None)
        self._retry_at: float | None = None  # the present download failed; a reboot shortens the wait
        self._switch_at: float | None = None  # the restart waits until then at most
        self._proven_since: float | None = None
        self._switched = False  # the switch was ordered by this process
        self._held_until = clock.monotonic() + _BEGIN_S  # an installation shows its next sign until then
        self._on_trial = settings.release.on_trial
        update = self.present
        job = store.job(update.job) if update else None
        if update is not None and update.stage == "downloading" and job is not None and job.state == "failed":
            self._retry_at = clock.monotonic()
        self._hold()

    @property
    def present(self) -> Update | None:
        """The update that is going on."""
        text = self._store.value(_NAME) or ""
        if text != self._parsed[0]:
            self._parsed = (text, Update(**json.loads(text)) if text else None)
        return self._parsed[1]

    # -- messages

    def update_firmware(self, request: Payload) -> Payload:
        """UpdateFirmware.req (section 5.19).

        Raises:
            CallFailure: NotSupported from security profile 1 on (L01.FR.20; product.md, settled question 2).
        """
        if self._config.security_profile >= 1 and not self._settings.factory.allow_unsigned_update:
            raise CallFailure(
                "NotSupported",
                Sentence("at SecurityProfile 1 and higher firmware is updated by SignedUpdateFirmware only"),
            )
        update = self._requested("classic", request, request["location"], moment(request, "retrieveDate"))
        if problem := location_problem(request["location"]):
            self._explain(
                "UpdateFirmware",
                "DownloadFailed",
                Sentence("Nothing is downloaded: {problem}.", problem=problem),
                "FW-06",
            )
            self._tell(update, "DownloadFailed")
            return {}
        if not self._cancel():
            self._explain(
                "UpdateFirmware", Sentence("ignored"), Sentence("Another update is being installed already."), "FW-09"
            )
            return {}
        self._save(update)
        return {}

    def signed_update_firmware(self, request: Payload) -> Payload:
        """SignedUpdateFirmware.req (white paper section 5.21; L01): the certificate is checked before the answer."""
        firmware = request["firmware"]
        retrieve_at, install_at = moment(firmware, "retrieveDateTime"), moment(firmware, "installDateTime")
        try:
            self._check_certificate(firmware["signingCertificate"])
        except BadCertificate as problem:
            self._security_events.raise_event("InvalidFirmwareSigningCertificate", quoted(problem))
            return self._refuse(
                "InvalidCertificate",
                Sentence("The signing certificate does not fit: {problem}.", problem=quoted(problem)),
                "SFW-01",
            )
        if problem_text := location_problem(firmware["location"]):
            return self._refuse(
                "Rejected", Sentence("Nothing is downloaded: {problem}.", problem=problem_text), "SFW-01"
            )
        former = self.present
        if not self._cancel():
            return self._refuse("Rejected", Sentence("Another update is being installed already."), "SFW-09")
        update = self._requested("signed", request, firmware["location"], retrieve_at)
        self._save(
            replace(
                update,
                request_id=request["requestId"],
                install_at=format_utc(install_at) if install_at else "",
                certificate=firmware["signingCertificate"],
                signature=firmware["signature"],
            )
        )
        if former is None:
            return {"status": "Accepted"}
        self._explain(
            "SignedUpdateFirmware",
            "AcceptedCanceled",
            Sentence("The former update is given up for this one."),
            "SFW-09",
        )
        return {"status": "AcceptedCanceled"}

    def _check_certificate(self, pem: str) -> Certificate:
        return check_certificate(pem, self._manufacturer_roots(), self._clock.utc(), self._clock.confirmed)

    def _requested(self, kind: str, request: Payload, location: str, retrieve_at: object) -> Update:
        return Update(
            kind,
            "scheduled",
            location=location,
            attempts=attempts(request),
            interval_s=interval_s(request),
            retrieve_at=format_utc(retrieve_at) if retrieve_at else "",  # type: ignore[arg-type]
        )

    def _refuse(self, status: str, rule: Sentence, clause: str) -> Payload:
        self._explain("SignedUpdateFirmware", status, rule, clause)
        return {"status": status}

    def _cancel(self) -> bool:
        """Give up the present update, if there is one; False when it is too late for that."""
        update = self.present
        if update is None:
            return True
        if update.stage not in CANCELLABLE:
            return False
        self._jobs.cancel(update.job)
        self._note(update, "cancelled", Sentence("a newer request came"))
        self._save(None)
        return True

    # -- people

    def uploaded(self, event: ReleaseUploaded) -> None:
        """A person brought a file."""
        update = Update(
            "local",
            "waiting",
            file=event.file,
            sha256=event.sha256,
            version=event.version,
            allow_older=event.allow_older,
        )
        self._ordered(update)

    def offered(self, event: ReleaseOffered) -> None:
        """The seller's list of updates has it, and a person or the night wants it."""
        update = Update(
            "found",
            "scheduled",
            location=event.location,
            attempts=attempts({}),
            interval_s=interval_s({}),
            sha256=event.sha256,
            version=event.version,
        )
        self._ordered(update)

    def roll_back(self, event: RollbackRequested) -> None:
        """A person wants another installed release."""
        self._ordered(Update("rollback", "waiting", slot=event.slot, version=event.version))

    def withdraw(self, by: str) -> None:
        """A person gives the present update up while that is possible; the backend hears the end of its own."""
        update = self.present
        if update is None or update.stage not in CANCELLABLE:
            rule = Sentence("Nothing is under way that could be cancelled: what is being installed cannot.")
            self._explain(Sentence("update"), "Rejected", rule, "SFW-09")
            return
        self._jobs.cancel(update.job)
        reason = Sentence("cancelled at the station by {by}", by=by)
        if update.kind in _OF_THE_BACKEND:
            self._end(update, "InstallationFailed" if update.stage == "waiting" else "DownloadFailed", reason)
        else:
            self._note(update, "cancelled", reason)
            self._save(None)

    def _ordered(self, update: Update) -> None:
        if not self._cancel():
            self._explain(
                Sentence("update"),
                "Rejected",
                Sentence("Another update is being installed already; wait for its end."),
                "SFW-09",
            )
            return
        self._save(update)

    # -- triggers

    def trigger(self) -> None:
        """TriggerMessage(FirmwareStatusNotification): what is going on, Idle when nothing is (conformance TRG-06)."""
        update = self.present
        status = update.told if update is not None and update.told in _CLASSIC else "Idle"
        self._reports.trigger("FirmwareStatusNotification", {"status": status})

    def trigger_signed(self) -> None:
        """ExtendedTriggerMessage(FirmwareStatusNotification): the last status, Idle after Installed (L01.FR.28)."""
        update = self.present
        payload: Payload = {"status": "Idle"}
        if update is not None and update.kind == "signed":
            payload = {"status": update.told or "DownloadScheduled", "requestId": update.request_id}
        elif text := self._store.value(_LAST):
            payload = json.loads(text)
        self._reports.trigger("SignedFirmwareStatusNotification", payload)

    # -- progress of the jobs

    def progressed(self, event: JobProgressed) -> None:
        """Somebody tells how far the download or the installation is."""
        update = self.present
        if update is None or event.state == "queued" or not self._jobs.is_current(event, update.job):
            return
        result = json.loads(event.result)
        if update.stage == "downloading" and self._retry_at is None:
            update = self._tell(update, "Downloading")
            self._save(update)
            if event.state == "done":
                self._downloaded(update, result)
            elif event.state == "failed":
                self._download_failed(update, result)
        elif update.stage == "installing":
            self._held_until = self._clock.monotonic() + _AT_WORK_S
            update = self._tell(update, "Installing")
            self._save(update)
            if event.state == "done":
                version = str(result.get("version", ""))
                self._save(replace(update, stage="switching", slot=str(result["slot"]), version=version, job=""))
            elif event.state == "failed":
                if result.get("failure") == "signature":
                    self._security_events.raise_event(
                        "InvalidFirmwareSignature", quoted(unpacked(result.get("reason", "")))
                    )
                unfit = update.kind == "signed" and result.get("failure") in _UNFIT
                status = "InstallVerificationFailed" if unfit else "InstallationFailed"
                self._finish(update, status, quoted(unpacked(result.get("reason", ""))))

    def _downloaded(self, update: Update, result: dict[str, str]) -> None:
        if update.kind == "found" and result["sha256"] != update.sha256:
            self._finish(update, "DownloadFailed", Sentence("the file is another one than the list of updates names"))
            return
        update = self._tell(replace(update, file=result["file"], sha256=result["sha256"]), "Downloaded")
        if update.kind == "signed":
            try:
                # once more: it may have expired since, or its root was removed
                certificate = self._check_certificate(update.certificate)
                digest = bytes.fromhex(update.sha256)
                check_signature(certificate, update.signature, digest, self._settings.factory.firmware_signatures)
            except (BadCertificate, BadSignature) as problem:
                self._security_events.raise_event("InvalidFirmwareSignature", quoted(problem))
                self._finish(update, "InvalidSignature", quoted(problem))
                return
            update = self._tell(update, "SignatureVerified")
            if self._is_early(update.install_at):
                update = self._tell(update, "InstallScheduled")
        self._save(replace(update, stage="waiting", job=""))

    def _download_failed(self, update: Update, result: dict[str, str]) -> None:
        reason = quoted(unpacked(result.get("reason", "")))
        if update.attempts <= 1:
            self._finish(update, "DownloadFailed", reason)
            return
        self._save(replace(update, attempts=update.attempts - 1))
        self._retry_at = self._clock.monotonic() + update.interval_s
        again = Sentence(
            "{reason}. It is tried again in {interval_s} s, {attempts} times at most.",
            reason=reason,
            interval_s=update.interval_s,
            attempts=update.attempts - 1,
        )
        self._explain(Sentence("firmware"), Sentence("retry"), again, "FW-05")

    # -- time

    def update(self) -> None:
        """Take the next step when its time has come."""
        if self._on_trial:
            self._prove()
        if (update := self.present) is not None:
            match update.stage:
                case "scheduled":
                    self._scheduled(update)
                case "downloading":
                    self._downloading(update)
                case "paused":
                    if self._store.open_transaction() is None:
                        self._download(update)
                case "waiting":
                    if self._is_due(update) and not self._is_busy():
                        self._install(update)
                case "switching":
                    self._switch(update)
                case "trial":
                    self._judge(update)
        self._hold()

    def _scheduled(self, update: Update) -> None:
        if self._is_early(update.retrieve_at) or self._store.open_transaction() is not None:  # AQ-4
            told = self._tell(update, "DownloadScheduled")
            if told != update:
                self._save(told)
            return
        self._download(update)

    def _download(self, update: Update) -> None:
        if not (update.job and self._jobs.again(update.job)):
            uid = self._jobs.start("download", {"location": update.location})
            update = replace(update, job=uid)
        self._retry_at = None
        self._save(replace(update, stage="downloading"))

    def _downloading(self, update: Update) -> None:
        if self._store.open_transaction() is not None:  # AQ-4: it waits; what was loaded is kept
            self._jobs.cancel(update.job)
            self._save(self._tell(replace(update, stage="paused"), "DownloadPaused"))
        elif self._retry_at is not None and self._clock.monotonic() >= self._retry_at:
            self._download(update)

    def _install(self, update: Update) -> None:
        update = replace(
            update,
            was_registered=self._boot.registration == "accepted",
            was_faulted=bool(self._facts.blocking_faults),
        )
        if update.slot:
            self._save(replace(update, stage="switching"))
            return
        identity, factory = self._settings.identity, self._settings.factory
        uid = self._jobs.start(
            "install",
            {
                "file": update.file,
                "sha256": update.sha256,
                "proven": update.kind == "signed",  # its signature over the whole file was checked
                "roots": list(self._manufacturer_roots()),
                "algorithms": list(factory.firmware_signatures),
                "allow_unsigned": factory.allow_unsigned_update,
                "allow_older": update.allow_older,
                "model": identity.model,
            },
        )
        self._held_until = self._clock.monotonic() + _BEGIN_S
        self._save(replace(update, stage="installing", job=uid))

    def _switch(self, update: Update) -> None:
        now = self._clock.monotonic()
        if self._switch_at is None:
            self._switch_at = now + _SETTLE_S
        waiting = self._outbox.online and (self._reports.waiting or self._outbox.in_flight[0])
        if self._is_busy() or (waiting and now < self._switch_at):
            return
        self._switched = True
        self._save(replace(update, stage="trial"))
        self._security_events.raise_event(
            "ResetOrReboot", Sentence("into firmware {version}", version=update.version or "?")
        )
        self._actions.append(SwitchRelease(update.slot))

    def _judge(self, update: Update) -> None:
        """After the restart: which release runs, and why?"""
        release = self._settings.release
        if release.slot == update.slot:
            if not self._on_trial:
                self._installed(update)
        elif release.rolled_back == update.slot:
            self._finish(
                update, "InstallationFailed", Sentence("{reason} The former version runs again", reason=release.reason)
            )
        elif not release.slot:
            self._finish(update, "InstallationFailed", Sentence("the station was started without its launcher"))
        elif not self._switched:  # a power cut came before the switch
            self._save(replace(update, stage="switching"))

    def switch_failed(self, reason: Sentence) -> None:
        """The release could not be made the current one; the present one goes on."""
        if (update := self.present) is not None and update.stage == "trial":
            self._finish(update, "InstallationFailed", reason)

    def _prove(self) -> None:
        """A release on trial: it has to see its hardware and reach the backend as the former one did."""
        update, now = self.present, self._clock.monotonic()
        works = self._facts.reading.ready and (
            update is None
            or (
                (not update.was_registered or self._boot.registration == "accepted")
                and (update.was_faulted or not self._facts.blocking_faults)
            )
        )
        if not works:
            self._proven_since = None
            return
        if self._proven_since is None:
            self._proven_since = now
        if now - self._proven_since >= PROOF_S:
            self._on_trial = False
            self._actions.append(ConfirmRelease())

    def _installed(self, update: Update) -> None:
        self._security_events.raise_event(
            "FirmwareUpdated", Sentence("firmware {version} runs", version=update.version or "?")
        )
        self._finish(update, "Installed", NOTHING)

    def _hold(self) -> None:
        """While it is installed nobody can start a session, and while it is on trial the queue waits: a release that
        fails is undone together with what it did to the database.
        """
        self._outbox.held = self._on_trial
        self._availability.held = self._on_trial or (self._is_at_work() and not self._is_busy())

    def _is_at_work(self) -> bool:
        """The installation goes on, or would if nobody charged."""
        match self.present:
            case Update(stage="switching" | "trial"):
                return True
            case Update(stage="installing"):
                return self._clock.monotonic() < self._held_until
            case Update(stage="waiting") as update:
                return self._is_due(update)
        return False

    # -- facts

    def _is_early(self, moment_text: str) -> bool:
        return bool(moment_text) and self._clock.utc() < parse_utc(moment_text)

    def _is_due(self, update: Update) -> bool:
        return not self._is_early(update.install_at)

    def _is_busy(self) -> bool:
        """Somebody charges, or has just been allowed to."""
        return self._store.open_transaction() is not None or self._authorization.granted is not None

    # -- ends

    def _tell(self, update: Update, status: str) -> Update:
        """Tell a state that is new; the update with it noted."""
        if update.told == status or update.kind not in ("classic", "signed"):
            return update
        if update.kind == "signed":
            payload = {"status": status, "requestId": update.request_id}
            self._reports.tell("SignedFirmwareStatusNotification", payload)
        elif status in _CLASSIC:
            self._reports.tell("FirmwareStatusNotification", {"status": status})
        else:
            return update
        return replace(update, told=status)

    def _finish(self, update: Update, status: str, reason: Sentence) -> None:
        if status != "Installed":
            self._explain(
                Sentence("firmware"), status, Sentence("The update failed: {reason}.", reason=reason), "FW-02"
            )
        self._end(update, status, reason)

    def _end(self, update: Update, status: str, reason: Sentence) -> None:
        update = self._tell(update, status)
        if update.kind == "signed":
            payload: Payload = {"status": "Idle"}
            if status != "Installed":
                payload = {"status": status, "requestId": update.request_id}
            self._store.set_value(_LAST, dumps(payload))
        self._note(update, status, reason)
        self._save(None)

    def _note(self, update: Update, status: str, reason: Sentence) -> None:
        entry = {
            "at": format_utc(self._clock.utc()),
            "kind": update.kind,
            "version": update.version,
            "status": status,
            "reason": packed(reason),
        }
        history = json.loads(self._store.value(HISTORY) or "[]")
        self._store.set_value(HISTORY, dumps([*history, entry][-HISTORY_KEPT:]))

    def _save(self, update: Update | None) -> None:
        self._store.set_value(_NAME, None if update is None else dumps(asdict(update)))

    def _explain(self, what: str, verdict: str, rule: Sentence, clause: str) -> None:
        self._actions.append(Explain(what, verdict, rule, "", clause))
