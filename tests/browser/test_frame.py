"""What a person looks for is in sight when a page has come."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Station
from tests.browser.test_dashboard import log_in

pytestmark = pytest.mark.browser


@pytest.fixture
def page(chromium: Browser, station: Station) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 360, "height": 740}, locale="en-GB")
    page = context.new_page()
    station.play("available")
    log_in(page, station)
    yield page
    context.close()


def test_what_was_refused_far_down_a_page_is_in_sight(page: Page, station: Station) -> None:
    page.goto(f"{station.url}/time")
    page.locator("textarea").fill("no host !")
    page.locator("main form:has(textarea) button").click()
    expect(page.get_by_text("is no host name and no address")).to_be_in_viewport()


def test_what_a_device_answered_far_down_the_hardware_page_is_in_sight(page: Page, station: Station) -> None:
    page.goto(f"{station.url}/hardware")
    page.locator("[name=reader_port]").fill("/dev/nowhere")
    page.locator(".device", has=page.locator("[name=reader_port]")).get_by_role("button").click()
    expect(page.get_by_text("The port cannot be opened")).to_be_in_viewport()


def test_the_open_page_is_in_sight_in_the_side_bar(page: Page, station: Station) -> None:
    page.set_viewport_size({"width": 1280, "height": 600})
    page.goto(f"{station.url}/about")
    expect(page.locator(".bar [aria-current]")).to_be_in_viewport()
