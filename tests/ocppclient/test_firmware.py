"""Firmware updates as a state machine; downloads and installations are played by the test (they are rows).

RevokedCertificate is never answered: nothing tells the station what is revoked (conformance SEC-17: short validity).
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from ocppclient.certificates import MANUFACTURER_ROOT
from ocppclient.clock import format_utc
from ocppclient.events import (
    ConfirmRelease,
    JobProgressed,
    ReleaseOffered,
    ReleaseUploaded,
    RollbackRequested,
    RunJob,
    SwitchFailed,
    SwitchRelease,
    UpdateWithdrawn,
)
from ocppclient.firmware import HISTORY
from ocppclient.settings import Factory, Release
from ocppclient.store import Certificate, Job
from tests.ocppclient.certificates import NOW, Issued, issue
from tests.ocppclient.harness import Bench, of, statuses
from tests.ocppclient.test_firmware_signature import pem, sign

STATUS = ("FirmwareStatusNotification", "SignedFirmwareStatusNotification")
LOCATION = "https://files.example/2.0.0.release"
FILE = b"a release"
SHA256 = hashlib.sha256(FILE).hexdigest()
QUIET = {"MeterValueSampleInterval": "0", "HeartbeatInterval": "10800"}
PROVEN = {"SecurityProfile": "1", **QUIET}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issue(tmp_path_factory.mktemp("root"), "Manufacturer Root")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory, root: Issued) -> Issued:
    return issue(tmp_path_factory.mktemp("signer"), "signer", root, rsa_bits=2048)


class Updating(Bench):
    """A station that the launcher started."""

    def __init__(self, configuration: dict[str, str] = QUIET, roots: tuple[str, ...] = (), **more: Any) -> None:
        super().__init__(configuration, system_utc=NOW, **more)
        self.settings = replace(self.settings, release=Release("1.0.0-a"))
        for number, root in enumerate(roots):
            self.store.save_certificate(Certificate(MANUFACTURER_ROOT, str(number), root, NOW))
        self._make()

    @property
    def job(self) -> Job:
        """The newest job."""
        found = self.store.job([action.uid for action in self.actions if isinstance(action, RunJob)][-1])
        assert found is not None
        return found

    def tell(self, state: str, **result: Any) -> None:
        """Whoever does jobs writes the row."""
        row = self.job
        self.do(JobProgressed(row.uid, row.run, state, "", 0, json.dumps(result)))

    def told(self) -> list[str]:
        """What the backend hears about firmware."""
        return [payload["status"] for _, payload in of(self.settle(), *STATUS)]

    def update(self, **more: Any) -> list[Any]:
        return self.call("UpdateFirmware", location=LOCATION, retrieveDate=format_utc(self.clock.utc()), **more)

    def signed(self, signer: Issued, request_id: int = 3, **more: Any) -> str:
        """Answer to SignedUpdateFirmware; `more` are fields of its firmware."""
        firmware = {
            "location": LOCATION,
            "retrieveDateTime": format_utc(self.clock.utc()),
            "signingCertificate": pem(signer),
            "signature": sign(signer, "pss", FILE),
            **more,
        }
        answer = self.call("SignedUpdateFirmware", requestId=request_id, retries=0, firmware=firmware)
        return str(answer[2]["status"])

    def load(self) -> None:
        """The download succeeds."""
        self.tell("running")
        self.tell("done", file="x.file", sha256=SHA256)
        self.wait(0.1)

    def install(self) -> None:
        """Download and installation succeed; the station is about to restart."""
        self.load()
        self.tell("running")
        self.tell("done", slot="2.0.0-b", version="2.0.0")
        self.settle()
        self.wait(0.2)
        self.settle()
        self.wait(10.2)

    def start_as(self, slot: str, **facts: Any) -> None:
        """The launcher starts a release."""
        self.settings = replace(self.settings, release=Release(slot, **facts))
        self.reboot()
        self.actions.clear()

    def did(self, kind: type) -> list[Any]:
        return [action for action in self.actions if isinstance(action, kind)]

    def history(self) -> list[tuple[str, str, str]]:
        entries = json.loads(self.store.value(HISTORY) or "[]")
        return [(entry["kind"], entry["version"], entry["status"]) for entry in entries]

    def events(self) -> list[str]:
        return [event.type for event in self.store.security_events()]


# --- classic ---------------------------------------------------------------------------------------------------------


def test_a_whole_update_tells_each_state_once_and_in_order():
    """FW-01, FW-02, FW-04, T:TC_044_1"""
    bench = Updating().ready()
    assert bench.update()[2] == {}
    assert bench.job.kind == "download"
    assert json.loads(bench.job.arguments) == {"location": LOCATION, "now": format_utc(bench.clock.utc()), "sure": True}
    assert bench.told() == []
    bench.tell("running")
    bench.tell("running")
    assert bench.told() == ["Downloading"]
    bench.tell("done", file="x.file", sha256=SHA256)
    assert bench.told() == ["Downloaded"]
    assert bench.job.kind == "install"
    bench.tell("running")
    assert bench.told() == ["Installing"]
    assert bench.status == "Unavailable"
    bench.tell("done", slot="2.0.0-b", version="2.0.0")
    bench.live(1)
    assert bench.did(SwitchRelease) == [SwitchRelease("2.0.0-b")]

    bench.start_as("2.0.0-b", on_trial=True)
    bench.read()
    bench.boot()
    sent = bench.live(4)
    assert of(sent, *STATUS) == []
    assert statuses(sent) == ["Unavailable"]
    sent = bench.live(2)
    assert of(sent, *STATUS) == [("FirmwareStatusNotification", {"status": "Installed"})]
    assert statuses(sent) == ["Available"]
    assert len(bench.did(ConfirmRelease)) == 1
    assert bench.history() == [("classic", "2.0.0", "Installed")]
    assert "FirmwareUpdated" in bench.events()
    assert of(bench.live(30, 1.0), *STATUS) == []


def test_a_download_that_fails_ends_the_update_and_the_station_goes_on():
    """FW-05, T:TC_044_2"""
    bench = Updating().ready()
    bench.update(retries=0)
    bench.tell("failed", failure="missing", reason="files.example answered 404")
    assert bench.told() == ["Downloading", "DownloadFailed"]
    assert bench.status == "Available"
    assert any("404" in reason for reason in bench.reasons())
    assert bench.history() == [("classic", "", "DownloadFailed")]


def test_an_image_that_cannot_be_installed_ends_in_installation_failed():
    """FW-07, T:TC_044_3"""
    bench = Updating().ready()
    bench.update()
    bench.load()
    bench.tell("running")
    bench.tell("failed", failure="archive", reason="the file is not a release of this station")
    assert bench.told() == ["Downloading", "Downloaded", "Installing", "InstallationFailed"]
    bench.live(0.2)
    assert bench.status == "Available"


def test_a_download_is_repeated_as_often_and_as_late_as_was_asked_for():
    """FW-05"""
    bench = Updating().ready()
    bench.update(retries=1, retryInterval=30)
    uid = bench.job.uid
    bench.tell("failed", reason="no")
    assert bench.told() == ["Downloading"]
    bench.live(29.5)
    assert bench.job.run == 1
    bench.live(1)
    assert (bench.job.uid, bench.job.run) == (uid, 2)
    bench.tell("failed", reason="no")
    assert bench.told() == ["DownloadFailed"]


def test_a_file_is_not_fetched_before_its_time():
    """FW-01"""
    bench = Updating().ready()
    later = format_utc(bench.clock.utc() + timedelta(hours=2))
    bench.call("UpdateFirmware", location=LOCATION, retrieveDate=later)
    bench.live(3600, 10.0)
    assert bench.did(RunJob) == []
    bench.live(3700, 10.0)
    assert bench.job.kind == "download"


def test_from_security_profile_1_on_only_signed_updates_are_taken():
    """FW-08, L01.FR.20, settled question 2"""
    bench = Updating(PROVEN).ready()
    assert bench.update()[2] == "NotSupported"
    assert bench.did(RunJob) == []
    rig = Updating(PROVEN, factory=Factory(allow_unsigned_update=True)).ready()
    assert rig.update()[2] == {}


def test_an_address_that_is_not_spoken_fails_at_once():
    """FW-06, A12"""
    bench = Updating().ready()
    answer = bench.call("UpdateFirmware", location="file:///etc/shadow", retrieveDate=format_utc(NOW))
    assert answer[2] == {}
    assert bench.told() == ["DownloadFailed"]
    assert bench.did(RunJob) == []


def test_the_backend_can_ask_what_is_spoken():
    """FW-06, SFW-11, ORS-16"""
    bench = Updating().ready()
    answer = bench.call("GetConfiguration", key=["SupportedFileTransferProtocols"])[2]
    assert answer["configurationKey"] == [
        {"key": "SupportedFileTransferProtocols", "readonly": True, "value": "HTTP,HTTPS,FTP,FTPS"}
    ]


# --- sessions --------------------------------------------------------------------------------------------------------


def test_during_a_session_nothing_is_downloaded(root: Issued, signer: Issued):
    """AQ-4, SFW-07, L01.FR.13"""
    bench = Updating(PROVEN, (pem(root),)).ready().charge()
    assert bench.signed(signer) == "Accepted"
    assert bench.told() == ["DownloadScheduled"]
    bench.live(60, 1.0)
    assert bench.did(RunJob) == []
    assert bench.status == "Charging"
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.live(1)
    assert bench.job.kind == "download"


def test_a_session_that_begins_pauses_the_download_and_it_goes_on_afterwards(root: Issued, signer: Issued):
    """AQ-4, L01.FR.14"""
    bench = Updating(PROVEN, (pem(root),)).ready()
    bench.signed(signer)
    bench.tell("running")
    assert bench.told() == ["Downloading"]
    uid = bench.job.uid
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    sent = bench.settle()
    assert [payload["status"] for _, payload in of(sent, *STATUS)] == ["DownloadPaused"]
    assert bench.store.job(uid).state == "cancelled"
    bench.read(contactor_closed=True, offered_a=16.0)
    bench.settle()
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.live(1)
    assert (bench.job.uid, bench.job.run, bench.job.state) == (uid, 2, "queued")
    bench.tell("running")
    assert bench.told() == ["Downloading"]


def test_a_session_is_never_interrupted_for_an_installation():
    """FW-03, SFW-06, L01.FR.06, AQ-4"""
    bench = Updating().ready()
    bench.update()
    bench.tell("running")
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    bench.settle()
    bench.read(contactor_closed=True, offered_a=16.0)
    bench.settle()
    assert bench.status == "Charging"
    # a late success of the run that was stopped
    row = bench.store.job(bench.job.uid)
    bench.do(JobProgressed(row.uid, row.run, "done", "", 100, json.dumps({"file": "x", "sha256": SHA256})))
    bench.live(60, 1.0)
    assert bench.status == "Charging"
    assert bench.setpoint.authorised
    assert bench.did(SwitchRelease) == []


def test_while_it_waits_for_the_end_of_a_session_the_freed_connector_is_unavailable():
    """L01.FR.07"""
    bench = Updating().ready()
    bench.do(ReleaseUploaded("x.file", SHA256))
    bench.read(ev_connected=True)
    assert bench.status == "Unavailable"
    assert bench.job.kind == "install"
    bench.swipe("CARD1")
    assert bench.feedback()[-1] == "rejected"
    assert not bench.setpoint.authorised


def test_an_uploaded_release_waits_for_the_session():
    bench = Updating().ready().charge()
    bench.do(ReleaseUploaded("x.file", SHA256))
    bench.live(30, 1.0)
    assert bench.did(RunJob) == []
    assert bench.status == "Charging"
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.live(1)
    assert bench.job.kind == "install"
    assert bench.status == "Unavailable"


def test_a_card_that_was_just_accepted_may_still_charge():
    bench = Updating().ready()
    bench.swipe("CARD1")
    bench.settle()
    bench.do(ReleaseUploaded("x.file", SHA256))
    assert bench.did(RunJob) == []
    bench.read(ev_connected=True)
    bench.settle()
    assert bench.store.open_transaction() is not None


def test_a_dead_worker_of_jobs_keeps_the_connector_in_service():
    """design.md section 4: it delays jobs, it never touches charging"""
    bench = Updating().ready()
    bench.update()
    bench.load()
    bench.settle()
    bench.live(1)
    assert bench.job.kind == "install"
    assert bench.status == "Unavailable"
    bench.live(10, 1.0)
    assert bench.status == "Available"
    bench.tell("running")
    assert bench.status == "Unavailable"
    bench.live(130, 1.0)
    assert bench.status == "Available"
    bench.charge()
    bench.tell("done", slot="2.0.0-b", version="2.0.0")
    bench.live(60, 1.0)
    assert bench.status == "Charging"
    assert bench.did(SwitchRelease) == []
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.live(12, 1.0)
    assert bench.did(SwitchRelease) == [SwitchRelease("2.0.0-b")]


# --- signed ----------------------------------------------------------------------------------------------------------


def test_a_signed_update_tells_its_states_with_the_id_of_the_request(root: Issued, signer: Issued):
    """SFW-02, SFW-05, SFW-10, SFW-12, T:TC_080"""
    bench = Updating(PROVEN, (pem(root),)).ready()
    assert bench.signed(signer, 42) == "Accepted"
    bench.load()
    assert json.loads(bench.job.arguments)["proven"] is True
    bench.tell("running")
    sent = of(bench.settle(), *STATUS)
    assert [payload["status"] for _, payload in sent] == [
        "Downloading",
        "Downloaded",
        "SignatureVerified",
        "Installing",
    ]
    assert {(action, payload["requestId"]) for action, payload in sent} == {("SignedFirmwareStatusNotification", 42)}
    bench.tell("done", slot="2.0.0-b", version="2.0.0")
    bench.live(11, 0.5)
    bench.start_as("2.0.0-b", on_trial=True)
    bench.ready()
    assert of(bench.live(6), *STATUS) == [
        ("SignedFirmwareStatusNotification", {"status": "Installed", "requestId": 42})
    ]
    assert "FirmwareUpdated" in bench.events()


@pytest.mark.parametrize("signature", ["", "QUJD", None])
def test_a_bad_or_missing_signature_ends_the_update_and_is_a_security_event(
    root: Issued, signer: Issued, signature: str | None
):
    """SFW-04, L01.FR.03, T:TC_081"""
    bench = Updating(PROVEN, (pem(root),)).ready()
    bench.signed(signer, signature=sign(signer, "pss", b"another file") if signature is None else signature)
    bench.load()
    sent = bench.settle()
    assert [payload["status"] for _, payload in of(sent, *STATUS)] == ["Downloading", "Downloaded", "InvalidSignature"]
    assert [payload["type"] for _, payload in of(sent, "SecurityEventNotification")] == ["InvalidFirmwareSignature"]
    assert bench.job.kind == "download"
    assert bench.history() == [("signed", "", "InvalidSignature")]


def test_a_certificate_is_checked_before_the_answer(root: Issued, tmp_path: Path):
    """SFW-01, L01.FR.02, L01.FR.23, L01.FR.24"""
    foreign = issue(tmp_path, "foreign", issue(tmp_path, "Manufacturer Root"))
    bench = Updating(PROVEN, (pem(root),)).ready()
    assert bench.signed(foreign) == "InvalidCertificate"
    sent = bench.settle()
    assert [payload["type"] for _, payload in of(sent, "SecurityEventNotification")] == [
        "InvalidFirmwareSigningCertificate"
    ]
    assert of(sent, *STATUS) == []
    assert bench.did(RunJob) == []


def test_a_request_with_an_invalid_certificate_cancels_nothing(root: Issued, signer: Issued, tmp_path: Path):
    bench = Updating(PROVEN, (pem(root),)).ready()
    bench.signed(signer)
    assert bench.signed(issue(tmp_path, "x"), 4) == "InvalidCertificate"
    bench.load()
    assert "SignatureVerified" in bench.told()


def test_an_installation_may_have_its_time(root: Issued, signer: Issued):
    """SFW-05, L01.FR.16, L01.FR.17"""
    bench = Updating(PROVEN, (pem(root),)).ready()
    bench.signed(signer, installDateTime=format_utc(bench.clock.utc() + timedelta(hours=1)))
    bench.load()
    assert bench.told()[-2:] == ["SignatureVerified", "InstallScheduled"]
    bench.live(3500, 10.0)
    assert bench.status == "Available"
    assert bench.job.kind == "download"
    bench.live(200, 10.0)
    assert bench.job.kind == "install"


def test_what_the_check_of_the_file_refuses_is_a_failed_verification(root: Issued, signer: Issued):
    """F25: older version or wrong model"""
    for failure, status in (
        ("version", "InstallVerificationFailed"),
        ("model", "InstallVerificationFailed"),
        ("archive", "InstallVerificationFailed"),
        ("space", "InstallationFailed"),
        ("slots", "InstallationFailed"),
    ):
        bench = Updating(PROVEN, (pem(root),)).ready()
        bench.signed(signer)
        bench.load()
        bench.tell("running")
        bench.tell("failed", failure=failure, reason="no")
        assert bench.told()[-2:] == ["Installing", status]


def test_a_new_request_of_the_classic_kind_replaces_the_one_that_goes_on():
    """FW-09"""
    bench = Updating().ready()
    bench.update()
    first = bench.job
    assert bench.update()[2] == {}
    assert bench.store.job(first.uid).state == "cancelled"
    assert bench.job.uid != first.uid
    bench.load()
    bench.tell("running")
    bench.update()
    assert "Another update is being installed already." in bench.reasons()


def test_a_new_request_cancels_the_one_that_goes_on(root: Issued, signer: Issued):
    """SFW-09, L01.FR.26"""
    bench = Updating(PROVEN, (pem(root),)).ready()
    bench.signed(signer, 1)
    first = bench.job
    bench.tell("running")
    assert bench.told() == ["Downloading"]
    assert bench.signed(signer, 2) == "AcceptedCanceled"
    assert bench.store.job(first.uid).state == "cancelled"
    bench.do(JobProgressed(first.uid, 1, "done", "", 0, json.dumps({"file": "x", "sha256": SHA256})))
    bench.tell("running")
    assert of(bench.settle(), *STATUS) == [
        ("SignedFirmwareStatusNotification", {"status": "Downloading", "requestId": 2})
    ]


def test_an_update_that_waits_for_its_time_is_cancelled_too(root: Issued, signer: Issued):
    """L01.FR.26"""
    bench = Updating(PROVEN, (pem(root),)).ready()
    bench.signed(signer, 1, installDateTime=format_utc(bench.clock.utc() + timedelta(hours=1)))
    bench.load()
    bench.settle()
    assert bench.signed(signer, 2) == "AcceptedCanceled"
    assert bench.history() == [("signed", "", "cancelled")]


def test_what_is_being_installed_cannot_be_cancelled(root: Issued, signer: Issued):
    """L01.FR.27"""
    bench = Updating(PROVEN, (pem(root),)).ready()
    bench.signed(signer, 1)
    bench.load()
    assert bench.signed(signer, 2) == "Rejected"
    bench.do(ReleaseUploaded("y.file", SHA256))
    assert "Another update is being installed already; wait for its end." in bench.reasons()
    assert json.loads(bench.job.arguments)["file"] == "x.file"


def test_a_person_cancels_what_a_person_brought(root: Issued):
    bench = Updating().ready().charge()
    bench.do(ReleaseUploaded("x.file", SHA256, "2.0.0"))
    bench.do(UpdateWithdrawn("ann"))
    assert bench.history() == [("local", "2.0.0", "cancelled")]
    assert bench.reasons() == []
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.live(2)
    assert bench.did(RunJob) == []
    assert bench.told() == []


def test_the_backend_hears_that_a_person_cancelled_its_update(root: Issued, signer: Issued):
    """FW-02: a download that nobody does any more has failed, and so has an installation"""
    bench = Updating().ready()
    bench.update()
    bench.tell("running")
    bench.do(UpdateWithdrawn("ann"))
    assert bench.told() == ["Downloading", "DownloadFailed"]
    assert bench.store.job(bench.job.uid).state == "cancelled"
    assert bench.reasons() == [], "it is no failure of the station"
    bench.tell("done", file="x.file", sha256=SHA256)
    bench.live(2)
    assert bench.history() == [("classic", "", "DownloadFailed")]

    bench = Updating(PROVEN, (pem(root),)).ready()
    later = format_utc(bench.clock.utc() + timedelta(hours=1))
    bench.signed(signer, 7, installDateTime=later)
    bench.load()
    bench.do(UpdateWithdrawn("ann"))
    assert bench.told()[-2:] == ["InstallScheduled", "InstallationFailed"]


def test_a_person_cannot_cancel_what_is_being_installed_nor_nothing():
    bench = Updating().ready()
    bench.do(UpdateWithdrawn("ann"))
    bench.update()
    bench.load()
    bench.do(UpdateWithdrawn("ann"))
    refused = "Nothing is under way that could be cancelled: what is being installed cannot."
    assert bench.reasons() == [refused, refused]
    assert bench.history() == []
    assert bench.job.kind == "install"


# --- triggers --------------------------------------------------------------------------------------------------------


def test_a_trigger_tells_what_is_going_on_and_idle_when_nothing_is():
    """TRG-06, FW-09, T:TC_054"""
    bench = Updating().ready()
    ask = {"requestedMessage": "FirmwareStatusNotification"}
    assert bench.call("TriggerMessage", **ask)[2] == {"status": "Accepted"}
    assert bench.told() == ["Idle"]
    bench.update()
    bench.tell("running")
    bench.settle()
    bench.call("TriggerMessage", **ask)
    assert bench.told() == ["Downloading"]


def test_a_trigger_for_the_signed_update_repeats_the_last_status_and_is_idle_after_installed(
    root: Issued, signer: Issued
):
    """TRG-08, L01.FR.28, L01.FR.29"""
    bench = Updating(PROVEN, (pem(root),)).ready()

    def ask() -> list[dict[str, Any]]:
        bench.settle()
        bench.call("ExtendedTriggerMessage", requestedMessage="FirmwareStatusNotification")
        return [payload for _, payload in of(bench.settle(), STATUS[1])]

    assert ask() == [{"status": "Idle"}]
    bench.signed(signer, 8)
    bench.tell("running")
    assert ask() == [{"status": "Downloading", "requestId": 8}]
    bench.tell("failed", failure="network", reason="no")
    assert ask() == [{"status": "DownloadFailed", "requestId": 8}]
    bench.signed(signer, 9)
    bench.install()
    bench.start_as("2.0.0-b", on_trial=True)
    bench.ready()
    bench.live(6)
    assert ask() == [{"status": "Idle"}]


# --- the trial -------------------------------------------------------------------------------------------------------


def test_a_release_that_was_rolled_back_is_a_failed_installation():
    """F26: the station says so"""
    bench = Updating().ready()
    bench.update()
    bench.install()
    bench.start_as("1.0.0-a", rolled_back="2.0.0-b", reason="It did not prove itself within 600 s.")
    bench.ready()
    bench.live(1)
    assert [action.text for action in bench.actions if "InstallationFailed" in getattr(action, "text", "")]
    assert any("did not prove itself" in reason for reason in bench.reasons())
    assert bench.status == "Available"
    assert bench.history() == [("classic", "2.0.0", "InstallationFailed")]


def test_a_power_cut_before_the_switch_does_it_after_the_next_start():
    """F26"""
    bench = Updating().ready()
    bench.update()
    bench.install()
    assert bench.did(SwitchRelease)
    bench.start_as("1.0.0-a")
    bench.ready()
    bench.live(12, 0.5)
    assert bench.did(SwitchRelease) == [SwitchRelease("2.0.0-b")]


def test_a_switch_that_cannot_be_done_ends_the_update():
    bench = Updating().ready()
    bench.update()
    bench.install()
    bench.settle()
    bench.do(SwitchFailed("no space left"))
    assert bench.told() == ["InstallationFailed"]
    bench.live(0.2)
    assert bench.status == "Available"


def test_a_release_on_trial_has_to_reach_the_backend_when_the_former_one_did():
    bench = Updating().ready()
    bench.update()
    bench.install()
    bench.start_as("2.0.0-b", on_trial=True)
    bench.read()
    bench.live(300, 1.0)
    assert bench.did(ConfirmRelease) == []
    bench.boot()
    bench.live(6)
    assert len(bench.did(ConfirmRelease)) == 1


def test_offline_before_offline_after_is_no_failure():
    bench = Updating()
    bench.read()
    bench.do(ReleaseUploaded("x.file", SHA256))
    bench.tell("running")
    bench.tell("done", slot="2.0.0-b", version="2.0.0")
    bench.wait(0.2)
    assert bench.did(SwitchRelease)
    bench.start_as("2.0.0-b", on_trial=True)
    bench.wait(20)
    assert bench.did(ConfirmRelease) == []  # its hardware was not seen yet
    bench.read()
    bench.wait(6)
    assert len(bench.did(ConfirmRelease)) == 1


def test_a_release_that_finds_a_fault_the_former_one_did_not_have_is_not_confirmed():
    from ocppclient.events import Fault

    bench = Updating().ready()
    bench.update()
    bench.install()
    bench.start_as("2.0.0-b", on_trial=True)
    bench.read(faults=(Fault("InternalError", info="the board does not answer"),))
    bench.boot()
    bench.live(60, 1.0)
    assert bench.did(ConfirmRelease) == []
    bench.read(faults=())
    bench.live(3)
    bench.read(faults=(Fault("InternalError"),))
    bench.live(3)
    bench.read(faults=())
    bench.live(4)
    assert bench.did(ConfirmRelease) == []  # 5 s without a break
    bench.live(2)
    assert len(bench.did(ConfirmRelease)) == 1


def test_on_trial_nobody_charges_and_the_queue_waits():
    """P10: a release that fails is undone together with what it wrote"""
    bench = Updating().ready().charge()
    bench.disconnect()
    bench.swipe("CARD1")
    bench.open_contactor()
    assert bench.store.queue_depth() == 1
    bench.do(ReleaseUploaded("x.file", SHA256))
    bench.tell("done", slot="2.0.0-b", version="2.0.0")
    bench.wait(0.2)
    bench.start_as("2.0.0-b", on_trial=True)
    bench.read(ev_connected=False)
    bench.boot()
    assert of(bench.live(4), "StopTransaction") == []
    bench.swipe("CARD2")
    assert bench.feedback()[-1] == "rejected"
    assert len(of(bench.live(3), "StopTransaction")) == 1


# --- people ----------------------------------------------------------------------------------------------------------


def test_a_file_from_the_page_is_installed_without_a_word_to_the_backend():
    bench = Updating().ready()
    bench.do(ReleaseUploaded("x.file", SHA256, "2.0.0", allow_older=True))
    arguments = json.loads(bench.job.arguments)
    assert (arguments["file"], arguments["allow_older"], arguments["proven"]) == ("x.file", True, False)
    bench.tell("running")
    bench.tell("done", slot="2.0.0-b", version="2.0.0")
    bench.live(1)
    bench.start_as("2.0.0-b", on_trial=True)
    bench.ready()
    sent = bench.live(6)
    assert of(sent, *STATUS) == []
    assert bench.history() == [("local", "2.0.0", "Installed")]
    assert "FirmwareUpdated" in bench.events()


OFFERED = ReleaseOffered(LOCATION, SHA256, "2.0.0")


def test_what_the_list_of_updates_offers_is_downloaded_and_installed_without_a_word_to_the_backend():
    bench = Updating().ready()
    bench.do(OFFERED)
    assert (bench.job.kind, json.loads(bench.job.arguments)["location"]) == ("download", LOCATION)
    bench.load()
    arguments = json.loads(bench.job.arguments)
    assert (arguments["sha256"], arguments["allow_older"], arguments["proven"]) == (SHA256, False, False)
    bench.tell("done", slot="2.0.0-b", version="2.0.0")
    bench.live(1)
    bench.start_as("2.0.0-b", on_trial=True)
    bench.ready()
    assert of(bench.live(6), *STATUS) == []
    assert bench.history() == [("found", "2.0.0", "Installed")]


def test_another_file_than_the_list_names_is_not_installed():
    bench = Updating().ready()
    bench.do(OFFERED)
    bench.tell("running")
    bench.tell("done", file="x.file", sha256="0" * 64)
    bench.wait(1)
    assert bench.job.kind == "download"
    assert bench.history() == [("found", "2.0.0", "DownloadFailed")]


def test_what_is_found_waits_for_the_end_of_a_session_and_gives_way_to_the_backend():
    bench = Updating().ready().charge()
    bench.do(OFFERED)
    bench.live(30, 1.0)
    assert bench.did(RunJob) == []  # AQ-4
    bench.update()
    assert bench.history() == [("found", "2.0.0", "cancelled")]


def test_a_release_whose_own_signature_is_wrong_is_a_security_event_whoever_brought_it():
    bench = Updating().ready()
    bench.do(OFFERED)
    bench.load()
    bench.tell("failed", failure="signature", reason="the signature does not fit the file")
    assert "InvalidFirmwareSignature" in bench.events()
    assert bench.history() == [("found", "2.0.0", "InstallationFailed")]


def test_going_back_by_hand_is_a_trial_like_every_other_change():
    bench = Updating().ready()
    bench.do(RollbackRequested("0.9.0-z", "0.9.0"))
    bench.live(1)
    assert bench.did(SwitchRelease) == [SwitchRelease("0.9.0-z")]
    bench.start_as("0.9.0-z", on_trial=True)
    bench.ready()
    bench.live(6)
    assert bench.history() == [("rollback", "0.9.0", "Installed")]


def test_a_reboot_during_the_download_goes_on_with_it():
    bench = Updating().ready()
    bench.update()
    bench.tell("running")
    row = bench.job
    bench.reboot()
    bench.actions.clear()
    bench.ready()
    assert [action.uid for action in bench.did(RunJob)] == [row.uid]
    bench.tell("done", file="x.file", sha256=SHA256)
    assert bench.told() == ["Downloaded"]


def test_a_download_that_failed_before_a_reboot_is_tried_again_after_it():
    bench = Updating().ready()
    bench.update(retries=2, retryInterval=600)
    bench.tell("failed", reason="no")
    row = bench.job
    bench.store.save_job(replace(row, state="failed"))
    bench.reboot()
    bench.ready()
    bench.live(0.5)
    assert bench.store.job(row.uid).run == 2
