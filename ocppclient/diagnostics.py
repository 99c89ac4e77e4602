"""GetDiagnostics and GetLog: one archive is uploaded, each state told once (OCPP 1.6 section 5.9, white paper N01)."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace

from ocppclient.clock import Clock, format_utc
from ocppclient.codec import Payload, dumps
from ocppclient.events import Action, Explain, JobProgressed
from ocppclient.jobs import Jobs
from ocppclient.progress_reports import ProgressReports
from ocppclient.sentence import Sentence, quoted, unpacked
from ocppclient.settings import Identity
from ocppclient.store import Store
from ocppclient.transfer_request import attempts, interval_s, location_problem, moment

#: What failed, in the words of LogStatusNotification (white paper section 6.19; N01.FR.10: as exact as possible).
_LOG_FAILURES = {
    "permission": "PermissionDenied",
    "unsupported": "NotSupportedOperation",
    "protocol": "BadMessage",
}


@dataclass(frozen=True)
class _Upload:
    """One upload that is going on; it outlives reboots.

    Attributes:
        job: uid of its job.
        request_id: of GetLog; None for GetDiagnostics.
        attempts: how many are left, the present one included.
        told: Uploading was told.
    """

    job: str
    request_id: int | None
    attempts: int
    interval_s: int
    told: bool = False


class _Lane:
    """Uploads of one message: at most one at a time.

    Args:
        name: of its durable value.
        action: the message that tells its states.
        failed: the status of a failure (by its kind).
    """

    def __init__(
        self, store: Store, name: str, action: str, reports: ProgressReports, failed: Callable[[str], str]
    ) -> None:
        self._store = store
        self._name = f"upload.{name}"
        self._reports = reports
        self.action = action
        self.failed = failed
        self.retry_at: float | None = None  # the present attempt failed; a reboot shortens the wait

    @property
    def upload(self) -> _Upload | None:
        text = self._store.value(self._name)
        return _Upload(**json.loads(text)) if text else None

    def save(self, upload: _Upload | None) -> None:
        self._store.set_value(self._name, None if upload is None else dumps(asdict(upload)))

    def tell(self, upload: _Upload, status: str) -> None:
        self._reports.tell(self.action, self.payload(upload, status))

    def payload(self, upload: _Upload | None, status: str) -> Payload:
        if upload is None or upload.request_id is None:
            return {"status": status}
        return {"status": status, "requestId": upload.request_id}


class Diagnostics:
    """Both messages that ask for an upload.

    Args:
        state: the charge point's state for people, which goes into the archive.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        jobs: Jobs,
        reports: ProgressReports,
        identity: Identity,
        state: Callable[[], Mapping[str, object]],
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._jobs = jobs
        self._reports = reports
        self._identity = identity
        self._state = state
        self._actions = actions
        self._diagnostics = _Lane(
            store, "diagnostics", "DiagnosticsStatusNotification", reports, lambda failure: "UploadFailed"
        )
        self._log = _Lane(
            store, "log", "LogStatusNotification", reports, lambda failure: _LOG_FAILURES.get(failure, "UploadFailure")
        )
        for lane in (self._diagnostics, self._log):
            upload = lane.upload
            job = store.job(upload.job) if upload else None
            if job is not None and job.state == "failed":  # the former boot was waiting for the next attempt
                lane.retry_at = clock.monotonic()

    # -- messages

    def get_diagnostics(self, request: Payload) -> Payload:
        """GetDiagnostics.req (section 5.9). A new request replaces one that is going on."""
        arguments = {
            "location": request["location"],
            "log": "DiagnosticsLog",
            "oldest": _utc(request, "startTime"),
            "latest": _utc(request, "stopTime"),
        }
        if problem := location_problem(request["location"]):
            self._explain(
                "GetDiagnostics", "UploadFailed", Sentence("Nothing is uploaded: {problem}.", problem=problem), "DIA-02"
            )
            self._reports.tell("DiagnosticsStatusNotification", {"status": "UploadFailed"})
            return {}
        self._begin(self._diagnostics, request, arguments, None)
        return {"fileName": arguments["name"]}

    def get_log(self, request: Payload) -> Payload:
        """GetLog.req (white paper section 5.9; N01): AcceptedCanceled when it replaces one that is going on."""
        location = request["log"]["remoteLocation"]
        arguments = {
            "location": location,
            "log": request["logType"],
            "oldest": _utc(request["log"], "oldestTimestamp"),
            "latest": _utc(request["log"], "latestTimestamp"),
        }
        if problem := location_problem(location):
            self._explain("GetLog", "Rejected", Sentence("Nothing is uploaded: {problem}.", problem=problem), "LOG-01")
            return {"status": "Rejected"}
        status = "Accepted"
        if self._begin(self._log, request, arguments, request["requestId"]):
            status = "AcceptedCanceled"
            self._explain("GetLog", status, Sentence("The former upload is given up for this one."), "LOG-03")
        return {"status": status, "filename": arguments["name"]}

    def _begin(self, lane: _Lane, request: Payload, arguments: dict[str, object], request_id: int | None) -> bool:
        """Start the job of a request; True when a former one had to give way."""
        former = lane.upload
        if former is not None:
            self._jobs.cancel(former.job)
        arguments["name"] = self._file_name(str(arguments["log"]))
        arguments["state"] = dict(self._state())
        uid = self._jobs.start("upload", arguments)
        lane.save(_Upload(uid, request_id, attempts(request), interval_s(request)))
        lane.retry_at = None
        return former is not None

    def _file_name(self, log: str) -> str:
        what = "security" if log == "SecurityLog" else "diagnostics"
        who = re.sub(r"[^A-Za-z0-9._-]+", "-", self._identity.serial_number or self._identity.model)
        return f"{what}-{who}-{self._clock.utc():%Y%m%dT%H%M%SZ}.zip"

    # -- triggers

    def trigger_diagnostics(self) -> None:
        """TriggerMessage(DiagnosticsStatusNotification): Idle when nothing is uploaded (conformance TRG-06)."""
        self._trigger(self._diagnostics)

    def trigger_log(self) -> None:
        """ExtendedTriggerMessage(LogStatusNotification)."""
        self._trigger(self._log)

    def _trigger(self, lane: _Lane) -> None:
        upload = lane.upload
        status = "Uploading" if upload else "Idle"
        self._reports.trigger(lane.action, lane.payload(upload, status))

    # -- progress

    def progressed(self, event: JobProgressed) -> None:
        """Somebody tells how far a job is."""
        for lane in (self._diagnostics, self._log):
            upload = lane.upload
            if upload is not None and lane.retry_at is None and self._jobs.is_current(event, upload.job):
                self._follow(lane, upload, event)

    def _follow(self, lane: _Lane, upload: _Upload, event: JobProgressed) -> None:
        if event.state == "queued":
            return
        if not upload.told:
            upload = replace(upload, told=True)
            lane.tell(upload, "Uploading")
            lane.save(upload)
        if event.state == "done":
            lane.tell(upload, "Uploaded")
            lane.save(None)
        elif event.state == "failed":
            self._attempt_failed(lane, upload, json.loads(event.result))

    def _attempt_failed(self, lane: _Lane, upload: _Upload, result: dict[str, str]) -> None:
        reason = quoted(unpacked(result.get("reason", "")))
        if upload.attempts > 1:
            lane.save(replace(upload, attempts=upload.attempts - 1))
            lane.retry_at = self._clock.monotonic() + upload.interval_s
            again = Sentence(
                "{reason}. It is tried again in {interval_s} s, {attempts} times at most.",
                reason=reason,
                interval_s=upload.interval_s,
                attempts=upload.attempts - 1,
            )
            self._explain(Sentence("upload"), Sentence("retry"), again, "DIA-04")
            return
        status = lane.failed(result.get("failure", ""))
        lane.tell(upload, status)
        lane.save(None)
        self._explain(Sentence("upload"), status, Sentence("{reason}.", reason=reason), "DIA-03")

    def update(self) -> None:
        """Try again what is due."""
        for lane in (self._diagnostics, self._log):
            if lane.retry_at is not None and self._clock.monotonic() >= lane.retry_at:
                lane.retry_at = None
                upload = lane.upload
                if upload is not None and not self._jobs.again(upload.job):
                    lane.save(None)

    def _explain(self, what: str, verdict: str, rule: Sentence, clause: str) -> None:
        self._actions.append(Explain(what, verdict, rule, "", clause))


def _utc(request: Payload, name: str) -> str:
    at = moment(request, name)
    return format_utc(at) if at else ""
