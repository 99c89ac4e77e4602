"""GetDiagnostics and GetLog as state machines; the upload itself is played by the test (it is a row)."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ocppclient.events import JobProgressed, RunJob
from ocppclient.store import Job
from tests.ocppclient.harness import Bench, of

STATUS = ("DiagnosticsStatusNotification", "LogStatusNotification")
LOCATION = "ftp://user:secret@files.example/in/"


def job(bench: Bench) -> Job:
    """The newest job."""
    uid = [action.uid for action in bench.actions if isinstance(action, RunJob)][-1]
    found = bench.store.job(uid)
    assert found is not None
    return found


def tell(bench: Bench, state: str, of_job: Job | None = None, **result: Any) -> None:
    """Whoever does jobs writes the row."""
    row = of_job or job(bench)
    bench.do(JobProgressed(row.uid, row.run, state, "", 0, json.dumps(result)))


def told(bench: Bench) -> list[tuple[str, dict[str, Any]]]:
    return of(bench.settle(), *STATUS)


def diagnostics(bench: Bench, **more: Any) -> dict[str, Any]:
    return bench.call("GetDiagnostics", location=LOCATION, **more)[2]


def get_log(bench: Bench, request_id: int = 5, kind: str = "SecurityLog", **more: Any) -> dict[str, Any]:
    return bench.call("GetLog", logType=kind, requestId=request_id, log={"remoteLocation": LOCATION}, **more)[2]


def states(sent: list[tuple[str, dict[str, Any]]]) -> list[str]:
    return [payload["status"] for _, payload in sent]


def test_one_file_is_uploaded_and_each_state_is_told_once():
    """DIA-01, DIA-03, T:TC_045_1"""
    bench = Bench().ready()
    name = diagnostics(bench, startTime="2026-02-01T00:00:00Z", stopTime="2026-03-01T00:00:00+01:00")["fileName"]
    assert name.endswith(".zip")
    assert told(bench) == []
    arguments = json.loads(job(bench).arguments)
    assert (arguments["location"], arguments["name"], arguments["log"]) == (LOCATION, name, "DiagnosticsLog")
    assert (arguments["oldest"], arguments["latest"]) == ("2026-02-01T00:00:00.000Z", "2026-02-28T23:00:00.000Z")
    assert arguments["state"]["status"] == "Available"
    for _ in range(3):
        tell(bench, "running")
    tell(bench, "done")
    tell(bench, "done")
    assert told(bench) == [
        ("DiagnosticsStatusNotification", {"status": "Uploading"}),
        ("DiagnosticsStatusNotification", {"status": "Uploaded"}),
    ]


def test_an_upload_that_was_over_before_anybody_looked_was_still_uploading_first():
    """DIA-03"""
    bench = Bench().ready()
    diagnostics(bench)
    tell(bench, "done")
    assert states(told(bench)) == ["Uploading", "Uploaded"]


def test_retries_0_means_once():
    """DIA-04, field problem 32, T:TC_045_2"""
    bench = Bench().ready()
    diagnostics(bench, retries=0)
    tell(bench, "failed", failure="network", reason="files.example cannot be reached")
    assert states(told(bench)) == ["Uploading", "UploadFailed"]
    assert "Files.example" not in " ".join(bench.reasons())
    assert any("files.example cannot be reached" in reason for reason in bench.reasons())


def test_it_is_tried_as_often_as_was_asked_for_with_the_pause_that_was_asked_for():
    """DIA-04: 2 retries are 3 attempts"""
    bench = Bench().ready()
    diagnostics(bench, retries=2, retryInterval=10)
    uid = job(bench).uid
    for run in (1, 2):
        assert job(bench).run == run
        tell(bench, "failed", reason="no")
        bench.wait(9.8)
        assert job(bench).run == run
        bench.wait(0.3)
        assert (job(bench).uid, job(bench).run, job(bench).state) == (uid, run + 1, "queued")
    tell(bench, "failed", reason="no")
    assert states(told(bench)) == ["Uploading", "UploadFailed"]
    bench.wait(30)
    assert job(bench).run == 3


def test_without_a_number_the_station_tries_four_times():
    """DIA-04"""
    bench = Bench().ready()
    diagnostics(bench)
    for _ in range(4):
        tell(bench, "failed", reason="no")
        bench.wait(60.2, 1.0)
        bench.settle()
    assert job(bench).run == 4


def test_what_somebody_tells_about_a_former_attempt_changes_nothing():
    bench = Bench().ready()
    diagnostics(bench, retries=1, retryInterval=0)
    first = job(bench)
    tell(bench, "failed", reason="no")
    bench.wait(0.2)
    tell(bench, "failed", first, reason="no")
    tell(bench, "done")
    assert states(told(bench)) == ["Uploading", "Uploaded"]


def test_a_second_request_replaces_the_first_and_tells_its_own_states():
    """field problem 32"""
    bench = Bench().ready()
    diagnostics(bench)
    first = job(bench)
    tell(bench, "running")
    diagnostics(bench)
    assert bench.store.job(first.uid).state == "cancelled"
    tell(bench, "done", first)
    tell(bench, "done")
    assert states(told(bench)) == ["Uploading", "Uploading", "Uploaded"]


def test_get_log_tells_its_states_with_the_id_of_the_request():
    """LOG-01, LOG-02, N01.FR.07, T:TC_079"""
    bench = Bench().ready()
    answer = get_log(bench, 77)
    assert answer["status"] == "Accepted"
    assert answer["filename"].startswith("security-")
    assert json.loads(job(bench).arguments)["log"] == "SecurityLog"
    tell(bench, "done")
    assert told(bench) == [
        ("LogStatusNotification", {"status": "Uploading", "requestId": 77}),
        ("LogStatusNotification", {"status": "Uploaded", "requestId": 77}),
    ]


@pytest.mark.parametrize(
    ("failure", "status"),
    [
        ("permission", "PermissionDenied"),
        ("unsupported", "NotSupportedOperation"),
        ("protocol", "BadMessage"),
        ("network", "UploadFailure"),
        ("internal", "UploadFailure"),
    ],
)
def test_a_failed_log_upload_says_as_exactly_as_it_can_why(failure: str, status: str):
    """LOG-02, N01.FR.10"""
    bench = Bench().ready()
    get_log(bench, retries=0)
    tell(bench, "failed", failure=failure, reason="no")
    assert states(told(bench)) == ["Uploading", status]


def test_a_new_get_log_cancels_the_one_that_goes_on():
    """LOG-03, N01.FR.11"""
    bench = Bench().ready()
    get_log(bench, 1)
    first = job(bench)
    tell(bench, "running")
    assert get_log(bench, 2)["status"] == "AcceptedCanceled"
    assert bench.store.job(first.uid).state == "cancelled"
    tell(bench, "done")
    assert [payload for _, payload in told(bench)][1:] == [
        {"status": "Uploading", "requestId": 2},
        {"status": "Uploaded", "requestId": 2},
    ]


def test_a_log_and_diagnostics_do_not_disturb_each_other():
    bench = Bench().ready()
    diagnostics(bench)
    first = job(bench)
    assert get_log(bench)["status"] == "Accepted"
    tell(bench, "done", first)
    tell(bench, "done")
    assert [action for action, _ in told(bench)] == [STATUS[0], STATUS[0], STATUS[1], STATUS[1]]


@pytest.mark.parametrize(
    "location", ["file:///etc/passwd", "gopher://h/", "http://", "no address", "http://[::1", "sftp://h/x"]
)
def test_an_address_that_the_station_does_not_speak_is_refused_at_once(location: str):
    """A12"""
    bench = Bench().ready()
    answer = bench.call("GetLog", logType="DiagnosticsLog", requestId=1, log={"remoteLocation": location})[2]
    assert answer == {"status": "Rejected"}
    assert bench.call("GetDiagnostics", location=location)[2] == {}
    assert not [action for action in bench.actions if isinstance(action, RunJob)]
    assert states(told(bench)) == ["UploadFailed"]


def test_a_time_that_is_none_is_refused():
    bench = Bench().ready()
    answer = bench.call("GetDiagnostics", location=LOCATION, startTime="yesterday")
    assert answer[2] == "PropertyConstraintViolation"
    answer = bench.call(
        "GetLog", logType="SecurityLog", requestId=1, log={"remoteLocation": LOCATION, "oldestTimestamp": "x"}
    )
    assert answer[2] == "PropertyConstraintViolation"


def test_a_reboot_goes_on_with_the_upload_and_tells_nothing_twice():
    """DIA-03; a job is a row"""
    bench = Bench().ready()
    get_log(bench, 9)
    tell(bench, "running")
    assert states(told(bench)) == ["Uploading"]
    row = job(bench)
    bench.reboot()
    bench.actions.clear()
    bench.ready()
    assert [action.uid for action in bench.actions if isinstance(action, RunJob)] == [row.uid]
    tell(bench, "done", row)
    assert told(bench) == [("LogStatusNotification", {"status": "Uploaded", "requestId": 9})]


def test_an_attempt_that_failed_before_a_reboot_is_repeated_after_it():
    bench = Bench().ready()
    diagnostics(bench, retries=1, retryInterval=600)
    tell(bench, "failed", reason="no")
    row = job(bench)
    bench.store.save_job(Job(row.uid, row.kind, row.arguments, row.run, "failed"))
    bench.reboot()
    bench.ready()
    assert (job(bench).run, job(bench).state) == (2, "queued")


def test_states_that_came_while_the_backend_was_away_are_told_in_order_when_it_is_back():
    bench = Bench().ready()
    get_log(bench)
    bench.disconnect()
    tell(bench, "running")
    tell(bench, "done")
    bench.connect()
    assert states(told(bench)) == ["Uploading", "Uploaded"]
    bench.live(20, 1.0)
    assert told(bench) == []


def test_a_state_whose_answer_got_lost_is_told_again():
    bench = Bench().ready()
    get_log(bench)
    tell(bench, "running")
    bench.expect("LogStatusNotification")
    bench.disconnect()
    bench.connect()
    assert states(told(bench)) == ["Uploading"]


def test_a_backend_that_does_not_know_the_message_is_asked_once():
    bench = Bench().ready()
    get_log(bench)
    tell(bench, "running")
    bench.expect("LogStatusNotification")
    bench.refuse("NotImplemented")
    assert states(of(bench.live(60, 1.0), *STATUS)) == []


def test_a_state_that_is_never_answered_is_given_up_and_holds_nothing_up():
    bench = Bench({"MessageTimeout": "5", "HeartbeatInterval": "10800"}).ready()
    get_log(bench)
    tell(bench, "running")
    sent = []
    for _ in range(400):
        bench.wait(1, 1.0)
        sent += [payload for _, action, payload in bench.calls if action == "LogStatusNotification"]
        bench.calls.clear()
        bench.settle()
    assert len(sent) == 5
    tell(bench, "done")
    assert states(told(bench)) == ["Uploaded"]


def test_before_the_backend_accepted_the_station_no_state_leaves():
    """BOOT-02, BOOT-08"""
    bench = Bench()
    bench.read()
    bench.boot(status="Pending")
    get_log(bench)
    tell(bench, "running")
    assert told(bench) == []


def test_a_hint_that_got_lost_is_repeated_while_the_row_waits():
    bench = Bench().ready()
    diagnostics(bench)
    hints = lambda: sum(isinstance(action, RunJob) for action in bench.actions)  # noqa: E731
    assert hints() == 1
    bench.live(30.5, 0.5)
    assert hints() == 2
    tell(bench, "running")
    bench.live(120, 1.0)
    assert hints() == 2


def test_triggers_tell_what_is_going_on_and_idle_otherwise():
    """TRG-06, TRG-09, T:TC_054"""
    bench = Bench().ready()
    assert bench.call("TriggerMessage", requestedMessage=STATUS[0])[2] == {"status": "Accepted"}
    assert bench.call("ExtendedTriggerMessage", requestedMessage=STATUS[1])[2] == {"status": "Accepted"}
    assert told(bench) == [(STATUS[0], {"status": "Idle"}), (STATUS[1], {"status": "Idle"})]
    diagnostics(bench)
    get_log(bench, 4)
    bench.call("TriggerMessage", requestedMessage=STATUS[0])
    bench.call("ExtendedTriggerMessage", requestedMessage=STATUS[1])
    assert told(bench) == [(STATUS[0], {"status": "Uploading"}), (STATUS[1], {"status": "Uploading", "requestId": 4})]


def test_a_dead_worker_of_jobs_disturbs_no_session():
    """design.md section 4"""
    bench = Bench({"MeterValueSampleInterval": "0"}).ready()
    diagnostics(bench)
    bench.charge()
    assert bench.setpoint.authorised
    bench.live(100, 1.0)
    assert bench.status == "Charging"
