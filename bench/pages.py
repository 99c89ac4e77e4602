"""How long every page takes on a phone over the hotspot: a throttled Chromium against the real web.

The web runs with a worker that plays scenes (tests/browser), so that the pages have something to show.
"""

from __future__ import annotations

import time
from pathlib import Path

from playwright.sync_api import Browser, CDPSession, Page, sync_playwright

from bench.measurements import Figure
from tests.browser.conftest import ARGUMENTS, Station, running

#: A phone of the middle class has about a quarter of this processor.
SLOWER = 4
#: A WiFi of 2.4 GHz through a wall, and the way through both radios.
HOTSPOT = {"offline": False, "latency": 20, "downloadThroughput": 1_000_000, "uploadThroughput": 250_000}
RUNS = 3
TARGET_S = 1.5
#: Pages that the navigation does not name.
BESIDE = ("/transactions/7", "/transactions/print", "/cards/add", "/more", "/driver", "/admin/station/transaction/")
#: The page shows what it is for: everything is loaded, and what comes live has come.
READY = "() => document.readyState === 'complete' && !document.body.classList.contains('loading')"


def every_page_on_a_phone_over_the_hotspot(folder: Path) -> list[Figure]:
    """First opening of each page with an empty cache, from the tap until it shows its numbers."""
    figures = []
    with running(folder) as station, sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        station.play("charging")
        station.play("profiles")
        state = _signed_in(browser, station, folder / "state.json")
        for path in _paths(browser, station, state):
            runs = [_opened_s(browser, f"{station.url}{path}", state) for _ in range(RUNS)]
            figures.append(Figure(f"page {path} on a phone over the hotspot", "s", TARGET_S, runs))
        browser.close()
    return figures


def _signed_in(browser: Browser, station: Station, state: Path) -> Path:
    context = browser.new_context()
    page = context.new_page()
    page.goto(f"{station.url}/")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    page.wait_for_function(READY)
    context.storage_state(path=state)
    context.close()
    return state


def _paths(browser: Browser, station: Station, state: Path) -> list[str]:
    context = browser.new_context(storage_state=state)
    page = context.new_page()
    page.goto(f"{station.url}/more")
    links: list[str] = page.locator(".pages a").evaluate_all(
        "(links) => links.map((link) => link.getAttribute('href'))"
    )
    context.close()
    return ["/login", *links, *BESIDE]


def _opened_s(browser: Browser, url: str, state: Path) -> float:
    context = browser.new_context(storage_state=state, viewport={"width": 360, "height": 740})
    page = context.new_page()
    _throttle(context.new_cdp_session(page))
    began = time.monotonic()
    page.goto(url)
    _until_ready(page)
    took_s = time.monotonic() - began
    context.close()
    return took_s


def _throttle(session: CDPSession) -> None:
    session.send("Network.enable")
    session.send("Network.emulateNetworkConditions", HOTSPOT)
    session.send("Emulation.setCPUThrottlingRate", {"rate": SLOWER})


def _until_ready(page: Page) -> None:
    page.wait_for_function(READY, polling=20)


MEASUREMENTS = [every_page_on_a_phone_over_the_hotspot]
