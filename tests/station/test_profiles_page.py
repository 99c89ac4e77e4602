"""The page of charging profiles and its numbers, without a browser."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from ocppclient.store import InstalledProfile, Transaction
from station.history import Measurement
from station.models import Setting, Value
from station.roles import Role, assign
from station.views import profiles as views
from tests.appliance import disk_store

NOON = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
X = int(NOON.timestamp())


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    class Clock(datetime):
        @classmethod
        def now(cls, tz: Any = None) -> datetime:
            return NOON

    monkeypatch.setattr(views, "datetime", Clock)


def install(profile_id: int, limit: int, **more: Any) -> None:
    disk_store().save_charging_profile(
        InstalledProfile(
            **{
                "profile_id": profile_id, "connector_id": 1, "stack_level": 0, "purpose": "TxDefaultProfile",
                "kind": "Absolute", "unit": "A", "period_starts": bytes(4), "start_s": X,
                "period_limits": (limit * 10).to_bytes(4, "little"), **more,
            }
        )
    )  # fmt: skip


def picture(client: Client, query: str = "") -> dict[str, Any]:
    answer = client.get(f"/profiles/chart{query}")
    assert answer.status_code == 200
    shown: dict[str, Any] = answer.json()
    return shown


def test_the_chart_has_every_curve_from_the_store(inside: Client) -> None:
    Setting.objects.create(section="electrical", name="max_current_a", value="20")
    Value.objects.create(name="hardware.limit_a", value="18")
    install(7, 10, duration_s=3600)
    store = disk_store()
    store.add_measurements([Measurement(X // 60 - ago, 2300, 10_000, 16_000) for ago in (500, 5, 4)])
    shown = picture(inside)
    assert (shown["now"], shown["from"], shown["to"], shown["unit"]) == (X, X - 6 * 3600, X + 86_400, "A")
    assert shown["curves"] == [
        {"kind": "allowed", "name": "Allowed", "x": [X, X + 3600, X + 86_400], "y": [10, 18, 18]},
        {"kind": "profile", "name": "Profile 7", "x": [X, X + 3600, X + 86_400], "y": [10, None, None]},
        {"kind": "limit", "name": "Allowed before", "x": [X - 300, X - 240, X - 180, X], "y": [16, 16, None, None]},
        {"kind": "measured", "name": "Measured", "x": [X - 270, X - 210], "y": [10, 10]},
    ]
    shown = picture(inside, "?hours=1&unit=W")
    assert (shown["from"], shown["to"], shown["unit"]) == (X - 900, X + 3600, "W")
    assert shown["curves"][0]["y"] == [2300, 2300]
    assert picture(inside, "?hours=99&unit=kg")["to"] == X + 86_400


def test_a_profile_of_the_running_session_counts_from_its_start(inside: Client) -> None:
    start = NOON - timedelta(hours=1)
    disk_store().save_transaction(Transaction("u1", 1, "CARD", 0, start))
    install(3, 8, purpose="TxProfile", kind="Relative", start_s=None, transaction_uid="u1", duration_s=5400)
    assert picture(inside)["curves"][0]["x"] == [X, X + 1800, X + 86_400]


def test_the_page_lists_what_is_installed_and_says_what_holds(inside: Client) -> None:
    page = inside.get("/profiles").content.decode()
    assert "The backend has set no charging profile." in page
    assert "16.0 A, what installer and hardware allow" in page
    install(7, 10, origin="SetChargingProfile", installed_at=NOON - timedelta(minutes=3))
    install(8, 9, stack_level=1, origin="RemoteStartTransaction", valid_from_s=X + 60)
    page = inside.get("/profiles").content.decode()
    assert "10.0 A by operator profile 7 until 12:01 UTC" in page
    assert "rules now, until 12:01 UTC" in page
    assert "valid from 12:01 UTC" in page
    assert "set by the backend" in page
    assert "came with a remote start" in page
    assert 'datetime="2026-03-01T11:57:00+00:00"' in page
    assert "<td>profile 8</td>" in page


@pytest.mark.parametrize(("role", "status"), [(Role.NOBODY, 403), (Role.VIEWER, 200)])
def test_a_viewer_may_see_it(client: Client, role: Role, status: int) -> None:
    user = User.objects.create_user("somebody", password="correct horse")
    assign(user, role)
    client.force_login(user)
    assert [client.get(path).status_code for path in ("/profiles", "/profiles/chart")] == [status, status]
