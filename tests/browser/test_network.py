"""A station that rules its network: the dashboard shows its ways to the world, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Station, running
from tests.browser.test_dashboard import SOON, log_in, watch

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def ruled(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with running(tmp_path_factory.mktemp("ruled"), STATION_NETWORK="ON") as station:
        yield station


@pytest.fixture
def page(chromium: Browser, ruled: Station) -> Iterator[Page]:
    """A phone that is logged in."""
    complaints: list[str] = []
    context = chromium.new_context(viewport={"width": 360, "height": 740}, locale="en-GB")
    context.set_default_timeout(SOON)
    page = context.new_page()
    watch(page, ruled, complaints)
    log_in(page, ruled)
    yield page
    context.close()
    assert complaints == []


def test_the_ways_to_the_world_come_by_themselves_and_the_one_in_use_is_marked(page: Page) -> None:
    ways = page.locator("#uplinks li")
    expect(ways).to_have_count(3)
    expect(ways.filter(has_text="in use")).to_have_count(1)
    expect(ways.nth(0)).to_contain_text("192.168.1.5")
    expect(ways.nth(1)).to_contain_text("Hall 3 <b>")
    expect(ways.nth(1)).to_contain_text("72 %")
    expect(ways.nth(2)).to_contain_text("61 %")
    assert page.evaluate("document.documentElement.scrollWidth") <= 360


def test_overlapping_networks_and_a_missing_name_server_need_attention(page: Page) -> None:
    attention = page.locator("#attention")
    expect(attention).to_contain_text("eth0 and wlan0 use the same addresses (192.168.1.0/24)")
    expect(attention).to_contain_text("eth0 has no name server")
    attention.locator("p", has_text="eth0 and wlan0").get_by_role("link", name="Look").click()
    expect(page.get_by_role("heading", name="Connections")).to_be_visible()
