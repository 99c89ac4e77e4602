"""Health: what is not ready is named, strangers learn nothing, and the metrics are off until somebody wants them."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from hardware.interfaces import BoxReading, Fault, FaultCode, PortHealth
from ocppclient.link import LinkStatus
from station import ask, live
from station.models import Setting
from station.roles import Role
from station.tokens import issue
from station.views import health
from tests.station.test_live_feed import NOW
from tests.station.test_tokens import FAR, owner
from tests.station.test_worker import VIEW

BOARD = PortHealth("board", "openevse", "/dev/ttyAMA0", True, frames=7, timeouts=2, last_frame_at=99.0)
LINK = LinkStatus(state="connected", url="wss://user:SECRET@h/ocpp/CP1", last_byte_at=98.0)
CHECKS = {"database", "controller", "hardware", "disk", "clock"}


def shown(**changes: Any) -> dict[str, Any]:
    board = replace(BOARD, **changes.pop("board", {}))
    box = BoxReading(at=100.0, ready=True, faults=changes.pop("faults", ()))
    view = replace(VIEW, status="Charging", clock_synchronised=True, **changes)
    return live.snapshot(view, box, LINK, NOW, 100.0, ports=(board,), frames={"in": 4, "out": 5})


@pytest.fixture
def station(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What the worker answers; empty: nothing."""
    answer = shown()
    monkeypatch.setattr(ask, "snapshot", lambda: answer or None)
    return answer


def wrong(snapshot: dict[str, Any] | None) -> set[str]:
    checks = health.readiness(snapshot)
    assert set(checks) == CHECKS
    return {name for name, check in checks.items() if not check["ok"]}


def test_a_working_station_is_ready(station: dict[str, Any], client: Client) -> None:
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["ready"]) == (200, True)


def test_what_is_missing_is_named() -> None:
    assert wrong(shown()) == set()
    assert wrong(None) == {"controller", "hardware", "clock"}
    assert wrong(shown(board={"last_frame_at": 91.0})) == {"hardware"}
    assert wrong(shown(board={"last_frame_at": None})) == {"hardware"}
    assert wrong({**shown(), "clock": {"synchronised": False}}) == {"clock"}


def test_a_full_disk_and_a_broken_database_are_not_ready(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(health, "free_bytes", lambda folder: {"disk": 99 * 2**20})
    assert wrong(shown()) == {"disk"}
    monkeypatch.setattr(health, "_database_answers", lambda: False)
    assert wrong(shown()) == {"database", "disk"}


def test_a_silent_controller_is_503(station: dict[str, Any], client: Client) -> None:
    station.clear()
    answer = client.get("/readyz")
    assert (answer.status_code, answer.json()["checks"]["controller"]) == (503, {"ok": False})


def test_readyz_is_for_this_computer_and_for_tokens_and_holds_no_secret(station: Any, client: Client) -> None:
    refused = client.get("/readyz", REMOTE_ADDR=FAR)
    assert refused.status_code == 401
    assert set(refused.json()) == {"code", "sentence", "cure"}
    _, secret = issue("probe", Role.VIEWER, owner())
    answer = client.get("/readyz", REMOTE_ADDR=FAR, headers={"authorization": f"Bearer {secret}"})
    assert answer.status_code == 200
    assert not any(word in answer.content.decode() for word in ("SECRET", "ocpp", "/dev"))


def scrape(client: Client) -> Any:
    _, secret = issue("prometheus", Role.VIEWER, owner())
    return client.get("/metrics", REMOTE_ADDR=FAR, headers={"authorization": f"Bearer {secret}"})


def test_the_metrics_are_off_until_an_installer_switches_them_on(station: Any, client: Client, inside: Client) -> None:
    assert inside.get("/metrics").status_code == 404
    inside.post("/tokens", {"metrics": "on"})
    assert json.loads(Setting.objects.get(section="web", name="metrics").value) is True
    assert inside.get("/metrics").status_code == 200
    assert client.get("/metrics").status_code == 401  # also on loopback
    inside.post("/tokens", {"metrics": "off"})
    assert inside.get("/metrics").status_code == 404


def samples(client: Client) -> dict[tuple[str, tuple[str, ...]], float]:
    Setting.objects.create(section="web", name="metrics", value="true")
    answer = scrape(client)
    assert answer.status_code == 200
    assert answer["Content-Type"].startswith("application/openmetrics-text")
    text = answer.content.decode()
    assert "SECRET" not in text
    return {
        (sample.name, tuple(sample.labels.values())): sample.value
        for family in text_string_to_metric_families(text)
        for sample in family.samples
    }


def test_the_metrics_tell_state_power_energy_queue_frames_faults_lines_and_memory(
    station: dict[str, Any], client: Client
) -> None:
    station.update(shown(faults=(Fault(FaultCode.GROUND_FAULT, True),), power_w=3500.0, energy_wh=1234, queue_depth=3))
    told = samples(client)
    assert told["station_up", ()] == 1
    assert told["station_connector_status", ("Charging",)] == 1
    assert told["station_connector_status", ("Available",)] == 0
    assert told["station_power_watts", ()] == 3500
    assert told["station_energy_watt_hours_total", ()] == 1234
    assert told["station_queue_messages", ()] == 3
    assert told["station_ocpp_frames_total", ("in",)] == 4
    assert told["station_ocpp_frames_total", ("out",)] == 5
    assert told["station_backend_last_byte_age_seconds", ()] == 2
    assert told["station_line_timeouts_total", ("board",)] == 2
    assert told["station_fault", ("true", str(FaultCode.GROUND_FAULT))] == 1
    assert told["process_resident_memory_bytes", ()] > 10 * 2**20


def test_without_a_controller_the_metrics_say_so(station: dict[str, Any], client: Client) -> None:
    station.clear()
    told = samples(client)
    assert told["station_up", ()] == 0
    assert ("station_power_watts", ()) not in told
