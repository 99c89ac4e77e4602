"""What needs attention on the dashboard, and the numbers of its power chart."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest
from django.test import Client

from ocppclient.certificates import CENTRAL_SYSTEM_ROOT
from station import alerts, commissioning
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
