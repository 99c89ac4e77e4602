"""What needs attention on the dashboard, and the numbers of its power chart."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from ocppclient.certificates import CENTRAL_SYSTEM_ROOT
from ocppclient.clock import format_utc
from station import alerts, ask, commissioning, in_force, last_run, provisioning, releases
from station.ask import Reply
from station.history import Measurement
from station.outlook import averaged
from station.roles import Role
from tests.appliance import disk_store
from tests.ocppclient.certificates import issue
from tests.station.test_roles import browser
from tests.station.test_security_pages import install

MIB = 2**20


@pytest.fixture(autouse=True)
def _set_up() -> None:
    commissioning.say("handover", open=[])


@pytest.mark.parametrize(
    ("skipped", "words"), [(None, "not finished"), (["Network", "Cards"], "Skipped at the set-up: Network, Cards.")]
)
def test_a_set_up_that_is_not_done_is_told_to_installers(skipped: list[str] | None, words: str) -> None:
    commissioning.say("handover", open=skipped)
    (alert,) = alerts.alerts(Role.INSTALLER)
    assert (alert.kind, alert.url) == ("waiting", "/setup")
    assert words in alert.text
    assert alerts.alerts(Role.OPERATOR) == []


@pytest.mark.parametrize(
    ("left", "kind", "words"),
    [
        (timedelta(days=31), None, ""),
        (timedelta(days=29, hours=1), "waiting", "ends in 29 days"),
        (timedelta(days=1, hours=1), "fault", "ends in 1 day ("),
        (timedelta(hours=5), "fault", "ends today"),
        (timedelta(days=-1), "fault", "has ended"),
    ],
)
def test_a_certificate_that_ends_is_told(left: timedelta, kind: str | None, words: str, tmp_path: Path) -> None:
    issued = issue(tmp_path, "the root")
    row = install(issued, CENTRAL_SYSTEM_ROOT)
    found = alerts.alerts(Role.INSTALLER, issued.certificate.not_valid_after_utc - left)
    assert [alert.kind for alert in found] == ([kind] if kind else [])
    for alert in found:
        assert "the root" in alert.text
        assert words in alert.text
        assert alert.url == f"/certificates/{row.pk}"
    assert not any(alert.url for alert in alerts.alerts(Role.VIEWER, issued.certificate.not_valid_after_utc))


@pytest.mark.parametrize(("free", "kind"), [(300, None), (150, "waiting"), (50, "fault")])
def test_a_disk_that_fills_is_told(free: int, kind: str | None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "free_bytes", lambda folder: {"disk": free * MIB})
    found = alerts.alerts(Role.VIEWER)
    assert [alert.kind for alert in found] == ([kind] if kind else [])
    if kind:
        page = browser(Role.VIEWER).get("/dashboard/alerts").content.decode()
        assert f"{free} MiB are left" in page


def test_a_disk_that_cannot_be_asked_is_no_alert(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(alerts, "free_bytes", lambda folder: {})
    assert alerts.alerts(Role.VIEWER) == []


def test_the_power_of_many_minutes_is_their_mean_and_a_gap_stays_a_gap() -> None:
    rows = [Measurement(minute, power, None, 0) for minute, power in [(15, 100), (16, None), (17, 200), (60, 50)]]
    curve = averaged(rows, 15)
    assert curve.y == [150, None, 50]
    assert curve.x == [15 * 60 + 450, 15 * 60 + 451, 60 * 60 + 450]
    assert averaged([Measurement(0, None, None, 0)], 1).y == [None]


def test_the_power_chart_reaches_as_far_back_as_it_was_asked(inside: Client) -> None:
    now = int(inside.get("/dashboard/chart").json()["now"]) // 60
    disk_store().add_measurements([Measurement(now - ago, 1000, 0, 0) for ago in (3 * 24 * 60, 5 * 60, 40, 20)])
    points = {}
    for hours in ("1", "24", "168", "nonsense"):
        picture = inside.get(f"/dashboard/chart?hours={hours}").json()
        points[hours] = [y for y in picture["curves"][0]["y"] if y is not None]
        assert picture["now"] - picture["from"] == int(hours if hours != "nonsense" else 1) * 3600
    assert {hours: len(values) for hours, values in points.items()} == {"1": 2, "24": 3, "168": 4, "nonsense": 2}


NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("days_ago", "words"),
    [([8], ""), ([8, 6], "crashed once within a week, on 2026-02-23 12:00 UTC"), ([3, 2, 1], "crashed 3 times within")],
)
def test_a_crash_is_told_for_a_week(days_ago: list[int], words: str) -> None:
    times = [format_utc(NOW - timedelta(days=days)) for days in days_ago]
    disk_store().set_value(last_run.CRASHES, json.dumps(times))
    found = alerts.alerts(Role.OPERATOR, NOW)
    assert [alert.url for alert in found] == (["/diagnostics"] if words else [])
    assert all(words in alert.text for alert in found)
    assert not any(alert.url for alert in alerts.alerts(Role.VIEWER, NOW))


def test_safe_mode_is_told_to_installers_for_a_week(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATION_RELEASES", str(tmp_path))
    monkeypatch.setenv("STATION_SLOT", "good")
    left = {"reason": "The database is damaged.", "until": (NOW - timedelta(days=6)).timestamp()}
    (tmp_path / "last_safe_mode.json").write_text(json.dumps(left))
    assert alerts.alerts(Role.OPERATOR, NOW) == []
    (alert,) = alerts.alerts(Role.INSTALLER, NOW)
    assert alert.text == (
        "The station could not start and was in safe mode until 2026-02-23 12:00 UTC. Reason: The database is damaged."
    )
    assert alerts.alerts(Role.INSTALLER, NOW + timedelta(days=2)) == []
    (tmp_path / "last_safe_mode.json").write_text("{")
    assert alerts.alerts(Role.INSTALLER, NOW) == []


def test_a_release_that_was_rolled_back_is_told_with_its_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "slots" / "bad").mkdir(parents=True)
    (tmp_path / "slots" / "bad" / releases.MANIFEST).write_text(json.dumps({"version": "2.1.0"}))
    monkeypatch.setenv("STATION_RELEASES", str(tmp_path))
    monkeypatch.setenv("STATION_SLOT", "good")
    assert alerts.alerts(Role.INSTALLER) == []
    (tmp_path / "rolled_back.json").write_text(json.dumps({"slot": "bad", "reason": "it started 3 times", "at": 1}))
    (alert,) = alerts.alerts(Role.INSTALLER)
    assert alert.text == "Version 2.1.0 did not prove itself and was rolled back. Reason: it started 3 times."
    assert alert.url == "/firmware"


def test_hardware_that_waits_for_a_start_is_told_to_installers() -> None:
    disk_store().set_value(in_force.VALUE, in_force.stored())
    provisioning.save_hardware({"board_port": "/dev/b"})
    (alert,) = alerts.alerts(Role.INSTALLER)
    assert (alert.url, "next start" in alert.text) == ("/hardware", True)
    assert alerts.alerts(Role.OPERATOR) == []


def device(interface: str, network: str, gateway: str = "", **more: Any) -> dict[str, Any]:
    kind = {"w": "wifi", "e": "ethernet", "p": "mobile"}[interface[0]]
    return {
        "interface": interface, "kind": kind, "name": kind, "state": "connected", "addresses": [network.split("/")[0]],
        "gateway": gateway, "ssid": "", "is_hotspot": False, "is_default": False, "health": "", "is_up": True,
        "signal": None, "words": "", "networks": [network], "name_servers": ["192.168.1.1"], **more,
    }  # fmt: skip


CABLE = device("eth0", "192.168.1.0/24", "192.168.1.1", is_default=True)


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ([CABLE, device("ppp0", "10.7.0.0/30", "10.7.0.1")], []),
        ([CABLE, device("wlan0", "192.168.1.0/24", "192.168.1.1")], []),  # the same network by cable and by air
        ([CABLE, device("wlan0", "192.168.1.128/25", "192.168.1.254")], ["eth0 and wlan0 use the same addresses"]),
        ([CABLE, device("wlan0", "192.168.0.0/16", is_hotspot=True)], ["eth0 and wlan0 use the same addresses"]),
        ([CABLE, device("wlan0", "192.168.1.0/24", "192.168.1.9", state="failed")], []),
        ([{**CABLE, "name_servers": []}], ["eth0 has no name server"]),
        ([CABLE, device("ppp0", "10.7.0.0/30", name_servers=[])], []),  # only the way in use matters
    ],
)
def test_networks_that_overlap_or_lack_a_name_server_are_told(devices: list[Any], words: list[str]) -> None:
    found = alerts.alerts(Role.VIEWER, network={"devices": devices})
    assert len(found) == len(words)
    for alert, part in zip(found, words, strict=True):
        assert part in alert.text
        assert (alert.kind, alert.url) == ("fault", "/network")


def ruled(monkeypatch: pytest.MonkeyPatch, told: dict[str, Any] | None) -> None:
    monkeypatch.setattr(settings, "NETWORK", True)
    monkeypatch.setattr(ask, "network", lambda order, user: (Reply(True, ""), told))


def test_the_dashboard_shows_the_ways_to_the_world_and_marks_the_one_in_use(
    inside: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "Ways to the world" not in inside.get("/").content.decode()
    modem = {"signal": 61, "needs": ""}
    devices = [
        {**CABLE, "health": "does not reach the backend", "is_up": False},
        device("wlan0", "10.1.0.5/24", ssid="Home <b>", signal=72, health="reaches the backend"),
        device("ppp0", "10.7.0.2/30"),
        device("wlan1", "10.42.0.1/24", is_hotspot=True, signal=99, ssid="Station"),
        device("eth1", "1.2.3.4/24", state="unplugged"),
    ]  # fmt: skip
    ruled(monkeypatch, {"problem": "", "devices": devices, "modem": modem})
    assert "/dashboard/uplinks" in inside.get("/").content.decode()
    shown = " ".join(inside.get("/dashboard/uplinks").content.decode().split())
    cable, wifi, mobile, hotspot = shown.split("<li>")[1:]
    assert 'class="dot" data-kind="waiting"' in cable
    assert "does not reach the backend" in cable
    assert 'class="dot" data-kind="available"' in wifi
    assert "in use" in cable
    assert "in use" not in wifi + mobile + hotspot
    assert "<b>72 %</b>" in wifi
    assert "Home &lt;b&gt;" in wifi
    assert "<b>61 %</b>" in mobile
    assert "Hotspot" in hotspot
    assert "99 %" not in hotspot


@pytest.mark.parametrize(
    ("told", "words"), [(None, "does not answer"), ({"problem": "There is no D-Bus <b>"}, "no D-Bus &lt;b&gt;")]
)
def test_a_network_that_cannot_be_seen_is_said_so(
    inside: Client, monkeypatch: pytest.MonkeyPatch, told: dict[str, Any] | None, words: str
) -> None:
    ruled(monkeypatch, told)
    assert words in inside.get("/dashboard/uplinks").content.decode()
    assert inside.get("/dashboard/alerts").status_code == 200


def test_the_foot_of_the_dashboard_has_the_serial_number(inside: Client) -> None:
    provisioning.Setting.objects.create(section="identity", name="serial_number", value='"HEV000017"')
    assert "Serial number HEV000017" in inside.get("/").content.decode()
