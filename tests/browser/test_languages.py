"""The pages on a phone in every language: translated, and no wider than the phone, though German words are long."""

from __future__ import annotations

from pathlib import Path

import pytest
from django.utils import translation
from playwright.sync_api import Browser, expect

import tests.browser.pages  # noqa: F401  Django is ready: before anything of the station
from station.commissioning import STEPS
from tests.browser.conftest import Station
from tests.browser.test_dashboard import SOON, log_in, watch

pytestmark = pytest.mark.browser


@pytest.mark.parametrize("language", ["de", "ko"])
def test_the_set_up_is_translated_and_fits_a_phone(
    chromium: Browser, station: Station, language: str, tmp_path: Path
) -> None:
    context = chromium.new_context(viewport={"width": 360, "height": 740}, locale="en-GB")
    context.set_default_timeout(SOON)
    page = context.new_page()
    log_in(page, station)
    complaints: list[str] = []
    watch(page, station, complaints)
    too_wide = []
    for step in STEPS:
        page.goto(f"{station.url}/setup/{step.key}?language={language}")
        with translation.override(language):
            heading, purpose = translation.gettext(step.title), translation.gettext(step.purpose)
        assert purpose != step.purpose
        expect(page.get_by_role("heading", name=heading, exact=True)).to_be_visible()
        expect(page.locator("main")).to_contain_text(purpose)
        page.screenshot(path=tmp_path / f"{step.key}-{language}.png", full_page=True)
        if page.evaluate("document.documentElement.scrollWidth") > 360:
            too_wide.append(step.key)
    context.close()
    assert too_wide == []
    assert complaints == []
