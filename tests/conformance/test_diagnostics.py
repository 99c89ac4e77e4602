"""Diagnostics and logs (OCTT groups 20 and 25) against real servers of files."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import pytest

from tests.journeys.rig import Rig
from tests.station.transfer.servers import ftp, web


@pytest.fixture(scope="module")
def shared_provision() -> dict:
    return {"factory": {"allow_local_transfers": True}, "identity": {"serial_number": "SN-1"}}


def states(rig: Rig, message: str, count: int) -> list[dict]:
    return [rig.backend.next(message, 20).payload for _ in range(count)]


def names(archive: bytes) -> set[str]:
    with zipfile.ZipFile(io.BytesIO(archive)) as file:
        assert file.testzip() is None
        return set(file.namelist())


def take(handler: Any) -> None:
    handler.read_body()
    handler.reply(201)


@pytest.mark.parametrize("protocol", ["http", "ftp"])
def test_TC_045_1_get_diagnostics(rig: Rig, protocol: str):
    """DIA-01, DIA-02, DIA-03"""
    with web(take) as http, ftp() as files:
        location = http.url("/in/") if protocol == "http" else files.url("/in/", "user:password")
        name = rig.backend.call("GetDiagnostics", {"location": location})["fileName"]
        assert states(rig, "DiagnosticsStatusNotification", 2) == [{"status": "Uploading"}, {"status": "Uploaded"}]
        rig.backend.expect_no("DiagnosticsStatusNotification", 0.5)
        archive = http.bodies[0] if protocol == "http" else files.files[f"in/{name}"]
    assert name.startswith("diagnostics-SN-1-")
    assert {
        "about.json",
        "state.json",
        "configuration.json",
        "queue.json",
        "logs/station.log",
        "logs/frames.log",
    } <= names(archive)


def test_TC_045_2_get_diagnostics_upload_failed(rig: Rig):
    """DIA-03, DIA-04: tried once; normal operation goes on"""
    with ftp() as server:
        gone = server.url("/in/")
    rig.backend.call("GetDiagnostics", {"location": gone, "retries": 0})
    assert states(rig, "DiagnosticsStatusNotification", 2) == [{"status": "Uploading"}, {"status": "UploadFailed"}]
    rig.backend.expect_no("DiagnosticsStatusNotification", 0.5)
    rig.start_session()


def test_TC_079_get_security_log(rig: Rig):
    """LOG-01, LOG-02, EVT-03"""
    with web(take) as server:
        answer = rig.backend.call(
            "GetLog", {"logType": "SecurityLog", "requestId": 4711, "log": {"remoteLocation": server.url("/logs/")}}
        )
        assert answer["status"] == "Accepted"
        assert states(rig, "LogStatusNotification", 2) == [
            {"status": "Uploading", "requestId": 4711},
            {"status": "Uploaded", "requestId": 4711},
        ]
        [(method, path, _)] = server.seen
        assert (method, path) == ("PUT", f"/logs/{answer['filename']}")
        with zipfile.ZipFile(io.BytesIO(server.bodies[0])) as file:
            assert "StartupOfTheDevice" in file.read("security.log").decode()
