"""Passwords on a phone: what is typed can be looked at, and what is wrong with it is told while it is typed."""

from __future__ import annotations

import re
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
    page.goto(f"{station.url}/password")
    yield page
    context.close()


def test_a_new_password_is_judged_and_compared_while_it_is_typed(page: Page) -> None:
    first, second = page.locator("[name=new_password1]"), page.locator("[name=new_password2]")
    said = page.get_by_role("status")
    for text, verdict in (
        ("password12", "Weak"),
        ("aaaaaaaaaaaaaaaaaaaa", "Weak"),
        ("12345678901234567890", "Weak"),
        ("correct battery", "Good"),
        ("correct battery staple", "Strong"),
    ):
        first.fill(text)
        expect(said.filter(visible=True)).to_have_text(re.compile(f"^{verdict}[.:]"))
    second.fill("correct battery")
    expect(said.filter(has_text="They differ.")).to_be_visible()
    second.fill("correct battery staple")
    expect(said.filter(has_text="Both are the same.")).to_be_visible()
    first.fill("")
    second.fill("")
    expect(said.filter(visible=True)).to_have_count(0)


def test_a_password_can_be_looked_at_and_is_sent_as_one(page: Page) -> None:
    field = page.locator("[name=old_password]")
    field.fill("not this one")
    page.get_by_role("button", name="Show").first.click()
    expect(field).to_have_attribute("type", "text")
    page.get_by_role("button", name="Hide").click()
    expect(field).to_have_attribute("type", "password")


def test_locked_capitals_are_told(page: Page) -> None:
    field = page.locator("[name=old_password]")
    told = page.get_by_text("Caps lock is on.")
    for locked in (True, False):
        field.evaluate(
            "(field, modifierCapsLock) => field.dispatchEvent("
            "new KeyboardEvent('keydown', { key: 'a', modifierCapsLock }))",
            locked,
        )
        expect(told).to_be_visible() if locked else expect(told).to_have_count(0)
