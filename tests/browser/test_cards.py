"""The cards in a real browser, on a phone: a file is looked at before it is imported."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.conftest import Station
from tests.browser.test_dashboard import SOON, log_in, watch

pytestmark = pytest.mark.browser


@pytest.fixture
def phone(chromium: Browser, station: Station) -> Iterator[Page]:
    """A phone that is logged in; whatever its browser complains about fails the test."""
    station.play("available")
    complaints: list[str] = []
    context = chromium.new_context(viewport={"width": 360, "height": 740}, locale="en-GB")
    context.set_default_timeout(SOON)
    page = context.new_page()
    watch(page, station, complaints)
    log_in(page, station)
    yield page
    context.close()
    assert complaints == []


def choose(page: Page, file: Path, text: str) -> None:
    file.write_bytes(text.encode())
    page.get_by_label("CSV file").set_input_files(file)
    page.get_by_role("button", name="Show the preview").click()


def no_wider_than_the_screen(page: Page) -> bool:
    return bool(page.evaluate("document.documentElement.scrollWidth <= innerWidth"))


def test_a_file_is_previewed_corrected_and_imported(phone: Page, tmp_path: Path) -> None:
    phone.get_by_role("link", name="Cards").click()
    expect(phone.get_by_role("heading", name="Cards", exact=True)).to_be_visible()
    assert no_wider_than_the_screen(phone)
    phone.get_by_role("link", name="Import").click()

    choose(phone, tmp_path / "cards.csv", "id_tag;status;note\nBROWSER1;Accepted;Ann\nBROWSER2;Maybe;Bob\n")
    expect(phone.get_by_role("alert")).to_contain_text("1 line cannot be imported")
    wrong = phone.locator("tr", has_text="BROWSER2")
    expect(wrong).to_contain_text("Column status: 'Maybe' is no status. Use one of: Accepted")
    expect(wrong.locator("td").first).to_have_text("3")
    expect(phone.get_by_role("button", name="Import")).to_have_count(0)
    assert no_wider_than_the_screen(phone)

    phone.get_by_role("link", name="Choose another file").click()
    choose(phone, tmp_path / "cards.csv", "id_tag;status;note\r\nBROWSER1;Accepted;Ann\r\nBROWSER2;Blocked;Bob\r\n")
    expect(phone.locator("tbody .chip")).to_have_text(["new", "new"])
    phone.get_by_role("button", name="Import 2 cards").click()
    expect(phone.get_by_role("status")).to_contain_text("Imported: 2 new, 0 changed, 0 unchanged, 0 kept")
    blocked = phone.locator("li", has_text="BROWSER2")
    expect(blocked.locator(".chip")).to_have_text("blocked")
    assert no_wider_than_the_screen(phone)

    with phone.expect_download() as download:
        phone.get_by_role("link", name="Export").click()
    exported = Path(download.value.path()).read_text()
    assert "BROWSER2,Blocked,,,Bob,station" in exported

    blocked.get_by_role("link", name="Edit BROWSER2").click()
    phone.get_by_role("button", name="Remove BROWSER2 from the list").click()
    expect(phone.get_by_role("status")).to_contain_text("BROWSER2 was removed")
    expect(phone.locator("li", has_text="BROWSER1")).to_be_visible()
    expect(phone.locator("li", has_text="BROWSER2")).to_have_count(0)
