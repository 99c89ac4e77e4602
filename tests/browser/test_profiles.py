"""The charging profiles in a real browser: the chart is drawn from the right numbers, on a phone, light and dark."""

from __future__ import annotations

import time
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import PAINTED, Station
from tests.browser.test_dashboard import SOON, log_in, watch
from tests.journeys.rig import Rig

pytestmark = pytest.mark.browser


def open_page(chromium: Browser, station: Station, complaints: list[str], **context: Any) -> Page:
    page = chromium.new_context(locale="en-GB", timezone_id="Europe/Berlin", **context).new_page()
    page.set_default_timeout(SOON)
    watch(page, station, complaints)
    log_in(page, station)
    page.goto(f"{station.url}/profiles")
    return page


@pytest.fixture
def phone(chromium: Browser, station: Station) -> Iterator[Page]:
    """A phone that is logged in; whatever its browser complains about fails the test."""
    station.play("available")
    complaints: list[str] = []
    page = open_page(chromium, station, complaints, viewport={"width": 360, "height": 740})
    yield page
    page.context.close()
    assert complaints == []


def curves(page: Page, query: str = "") -> dict[str, dict[str, Any]]:
    """What the page draws, by name."""
    picture = page.evaluate("(url) => fetch(url).then((answer) => answer.json())", f"/profiles/chart{query}")
    return {curve["name"]: curve for curve in picture["curves"]}


#: The colour of the curve that is allowed.
ACCENT = "(place) => getComputedStyle(place).getPropertyValue('--accent')"


def drawn(page: Page, count: int) -> None:
    expect(page.locator("#plot canvas")).to_be_visible()
    expect(page.locator(f"#plot[data-curves='{count}']")).to_be_visible()


def at(curve: dict[str, Any], moment: float) -> float | None:
    """The step that holds at a moment."""
    return [value for start, value in zip(curve["x"], curve["y"], strict=True) if start <= moment][-1]


def test_profiles_show_up_at_once_with_their_curves_and_what_was_measured(phone: Page, station: Station) -> None:
    station.play("no profiles")
    expect(phone.locator("#installed")).to_contain_text("no charging profile")
    drawn(phone, 3)
    expect(phone.locator("#sentence")).to_have_text("Limited to 16 A by the installer.")
    station.play("profiles")
    expect(phone.locator("#installed tbody tr")).to_have_count(3)
    drawn(phone, 6)
    expect(phone.locator("tr", has_text="ChargePointMaxProfile")).to_contain_text("profile 8 counts instead")
    expect(phone.locator("tr", has_text="every day from")).to_contain_text("TxDefaultProfile")
    expect(phone.locator("#legend")).to_contain_text("Profile 8")

    hour = int(time.time()) // 3600 * 3600
    shown = curves(phone)
    assert list(shown) == ["Allowed", "Profile 1", "Profile 8", "Profile 7", "Allowed before", "Measured"]
    allowed = shown["Allowed"]
    expected = {0.9: 8, 3.5: 8, 4.5: 0, 5.5: 13, 6.5: 15, 23.5: 15}
    expected = {after: limit for after, limit in expected.items() if hour + after * 3600 > shown["Allowed"]["x"][0]}
    assert {after: at(allowed, hour + after * 3600) for after in expected} == expected
    assert {value for value in shown["Measured"]["y"] if value is not None} == {16, 10}
    assert shown["Measured"]["y"].count(None) == 1
    assert {value for value in curves(phone, "?unit=W")["Measured"]["y"] if value is not None} == {3680, 2300}
    assert phone.locator("#plot").evaluate(PAINTED) > 100


def test_span_and_unit_are_chosen_and_the_table_says_the_same(phone: Page, station: Station) -> None:
    station.play("profiles")
    expect(phone.locator("#installed tbody tr")).to_have_count(3)
    phone.get_by_role("button", name="6 h").click()
    expect(phone.get_by_role("button", name="6 h")).to_have_attribute("aria-pressed", "true")
    expect(phone.get_by_role("button", name="24 h")).to_have_attribute("aria-pressed", "false")
    with phone.expect_response("**/profiles/chart?hours=6&unit=W"):
        phone.get_by_role("button", name="kW").click()
    drawn(phone, 6)
    phone.get_by_text("The next 24 hours as a table").click()
    table = phone.locator("#table tbody")
    expect(table).to_contain_text("profile 8")
    expect(table).to_contain_text("0.0 A")
    expect(table.locator("time").first).to_contain_text("today")


def test_a_profile_of_a_period_a_second_does_not_freeze_the_browser(phone: Page, station: Station) -> None:
    station.play("profiles")
    station.play("big profile")
    expect(phone.locator("tr", has_text="86400 in A")).to_contain_text("rules now")
    drawn(phone, 7)
    assert len(curves(phone)["Allowed"]["x"]) < 1500
    assert int(phone.locator("#plot").get_attribute("data-points") or 0) < 4000
    phone.get_by_text("The next 24 hours as a table").click()
    expect(phone.locator("#table tbody tr").nth(3)).to_contain_text("…")


def test_the_chart_takes_the_colours_of_the_night_when_the_phone_turns_dark(phone: Page, station: Station) -> None:
    station.play("profiles")
    drawn(phone, 6)
    by_day = phone.locator("#plot").evaluate(ACCENT)
    phone.emulate_media(color_scheme="dark")
    expect(phone.locator("#plot canvas")).to_be_visible()
    assert phone.locator("#plot").evaluate(ACCENT) != by_day
    assert phone.locator("#plot").evaluate(PAINTED) > 100


def test_a_profile_that_comes_over_ocpp_is_seen_beside_what_the_car_draws(chromium: Browser, tmp_path: Path) -> None:
    """The real processes: backend, station with its simulated hardware, browser."""
    rig = Rig(tmp_path, {"web": {"admin_user": "admin", "admin_password": "correct horse"}}, web=True, speed=8)
    try:
        rig.start()
        rig.sim.plug()
        rig.backend.wait_status("Preparing")
        assert rig.backend.call("RemoteStartTransaction", {"idTag": rig.card, "connectorId": 1})["status"] == "Accepted"
        rig.backend.wait_status("Charging", timeout_s=20)
        complaints: list[str] = []
        page = chromium.new_context(viewport={"width": 360, "height": 740}, locale="en-GB").new_page()
        page.set_default_timeout(20_000)
        url = f"http://127.0.0.1:{rig.station.http_port}"
        watch(page, Station(url, None), complaints)  # type: ignore[arg-type]
        page.goto(f"{url}/profiles")
        page.get_by_label("Name").fill("admin")
        page.get_by_label("Password").fill("correct horse")
        page.get_by_role("button", name="Sign in").click()
        expect(page.locator("#sentence")).to_contain_text("installer's limit")
        schedule = {
            "startSchedule": f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            "chargingRateUnit": "W",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 2300}, {"startPeriod": 7200, "limit": 1840}],
        }
        profile = {
            "chargingProfileId": 42, "stackLevel": 0, "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Absolute", "chargingSchedule": schedule,
        }  # fmt: skip
        answer = rig.backend.call("SetChargingProfile", {"connectorId": 1, "csChargingProfiles": profile})
        assert answer == {"status": "Accepted"}
        row = page.locator("#installed tbody tr")
        expect(row).to_have_count(1)
        expect(row).to_contain_text("2 in W")
        expect(row).to_contain_text("set by the backend")
        expect(page.locator("#sentence")).to_contain_text("10.0 A by operator profile 42 until")
        shown = curves(page)
        assert shown["Allowed"]["y"][:2] == shown["Profile 42"]["y"][:2] == [10, 8]
        rig.sim.wait(lambda state: 0 < state["current_a"] <= 10.2, 30, "the car draws what is allowed")
        page.reload()
        expect(page.locator("#plot[data-curves='3']")).to_be_visible()  # allowed, the profile, and what is drawn now
        page.context.close()
        assert complaints == []
    finally:
        rig.close()
