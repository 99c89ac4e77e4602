"""Every page of the navigation: no accessibility finding, nothing foreign, nothing that strangers wrote runs, small."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

from tests.browser.conftest import Station, running
from tests.browser.test_dashboard import SOON, log_in, watch

pytestmark = pytest.mark.browser

#: Where the pictures of a run lie; not in the repository.
PICTURES = Path(__file__).resolve().parents[2] / "artefacts" / "screenshots"
README_PICTURES = PICTURES.parents[1] / "docs" / "images"
#: First load of a page with an empty cache, bytes as they travel (issue: 150 kB in total).
LARGEST = 150_000
#: What is no page of its own in the navigation.
BESIDE = ["/transactions/7", "/transactions/print", "/cards/add", "/cards/cache", "/cards/import", "/users/add",
          "/password", "/driver", "/more"]  # fmt: skip
#: Django's own pages; their accessibility is Django's, their look and their safety are ours.
ADMIN = ["/admin/", "/admin/station/idtag/", "/admin/station/idtag/add/", "/admin/station/transaction/",
         "/admin/station/transaction/7/change/", "/admin/station/reason/", "/admin/station/securityevent/"]  # fmt: skip


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """A station all of whose neighbours send markup in every field."""
    with running(tmp_path_factory.mktemp("nasty")) as station:
        yield station


@pytest.fixture(scope="module")
def cookies(chromium: Browser, station: Station, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return signed_in(chromium, station, tmp_path_factory.mktemp("quality") / "state.json")


def signed_in(chromium: Browser, station: Station, state: Path) -> Path:
    station.play("available")
    context = chromium.new_context()
    log_in(context.new_page(), station)
    context.storage_state(path=state)
    context.close()
    return state


def pages_of(page: Page, station: Station) -> list[str]:
    """All pages that the installer finds, and those beside."""
    page.goto(f"{station.url}/more")
    links = page.locator(".pages a").evaluate_all("(links) => links.map((link) => link.getAttribute('href'))")
    assert len(links) > 10
    return [*links, *BESIDE]


def opened(chromium: Browser, cookies: Path, **options: Any) -> tuple[BrowserContext, Page]:
    context = chromium.new_context(storage_state=cookies, locale="en-GB", **options)
    context.set_default_timeout(SOON)
    return context, context.new_page()


def settle(page: Page) -> None:
    """What a page asks for at its beginning has come."""
    page.wait_for_load_state("networkidle")
    expect(page.locator("body.loading")).to_have_count(0)


def test_no_page_has_a_serious_accessibility_finding(chromium: Browser, station: Station, cookies: Path) -> None:
    station.play("charging")
    station.play("profiles")
    context, page = opened(chromium, cookies, viewport={"width": 1280, "height": 800})
    findings = []
    for path in pages_of(page, station):
        page.goto(f"{station.url}{path}")
        settle(page)
        for scheme in ("light", "dark"):
            page.emulate_media(color_scheme=scheme)  # type: ignore[arg-type]
            for one in Axe().run(page).response["violations"]:
                if one["impact"] in ("serious", "critical"):
                    findings.append((path, scheme, one["id"], [node["html"][:120] for node in one["nodes"][:3]]))
    context.close()
    assert findings == []


def test_what_strangers_write_runs_on_no_page(chromium: Browser, nasty: Station, tmp_path: Path) -> None:
    complaints: list[str] = []
    context, page = opened(chromium, signed_in(chromium, nasty, tmp_path / "state.json"))
    watch(page, nasty, complaints)
    nasty.play("nasty")
    page.goto(f"{nasty.url}/")
    expect(page.locator("[data-t=sentence]")).to_contain_text("alert(")
    written = 0
    for path in [*pages_of(page, nasty), *ADMIN, "/transactions/8", "/why?q=alert"]:
        page.goto(f"{nasty.url}{path}")
        settle(page)
        page.evaluate("document.querySelectorAll('main details').forEach((one) => { one.open = true; })")
        written += page.locator("main").inner_text().count("alert(")
        strange = "img:not([src^='/static/admin/']), iframe, object, embed, form[action^=javascript]"
        made = f"{strange}, a[href^='javascript'], [onerror], [onload]"
        assert page.locator(f"main :is({made}), script:not([src])").count() == 0, path
    context.close()
    assert complaints == []
    assert written > 50  # the corpus was there to be seen


def test_nothing_foreign_is_asked_for_and_every_page_is_small(
    chromium: Browser, station: Station, cookies: Path
) -> None:
    station.play("available")
    context, page = opened(chromium, cookies)
    complaints: list[str] = []
    sizes: dict[str, int] = {}
    for path in ["/login", *pages_of(page, station)]:
        context.close()
        context, page = opened(chromium, cookies)  # an empty cache
        answers: list[Response] = []
        watch(page, station, complaints)
        page.on("response", lambda answer, kept=answers: kept.append(answer))
        page.goto(f"{station.url}{path}")
        settle(page)
        sizes[path] = sum(answer.request.sizes()["responseBodySize"] for answer in answers if answer.ok)
    context.close()
    assert complaints == []
    assert {path: size for path, size in sizes.items() if size > LARGEST} == {}
    assert min(sizes.values()) > 5_000, "the answers were not counted"


@pytest.mark.parametrize("path", ["/", "/transactions", "/transactions/7", "/frames", "/why", "/cards", "/driver-sign"])
def test_everything_that_can_be_operated_is_reached_with_the_keyboard(
    path: str, chromium: Browser, station: Station, cookies: Path
) -> None:
    station.play("charging")
    context, page = opened(chromium, cookies, viewport={"width": 360, "height": 740})
    page.goto(f"{station.url}{path}")
    settle(page)
    wanted = page.evaluate(
        """() => {
          const all = [...document.querySelectorAll("a[href], button:enabled, input, select, textarea, summary")]
            .filter((one) => one.type !== "hidden" && one.checkVisibility());
          all.forEach((one, index) => { one.dataset.reach = index; });
          return all.length;
        }"""
    )
    reached = set()
    for _ in range(2 * wanted + 20):
        page.keyboard.press("Tab")
        reached.add(page.evaluate("document.activeElement.dataset.reach ?? ''"))
    context.close()
    assert wanted > 5
    assert {str(index) for index in range(wanted)} - reached == set()


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize(("width", "height"), [(360, 740), (1280, 800)])
def test_every_page_has_its_picture_and_fits(
    scheme: Any, width: int, height: int, chromium: Browser, station: Station, cookies: Path
) -> None:
    station.play("charging")
    station.play("profiles")
    PICTURES.mkdir(parents=True, exist_ok=True)
    context, page = opened(chromium, cookies, viewport={"width": width, "height": height}, color_scheme=scheme)
    too_wide = []
    for path in [*pages_of(page, station), *ADMIN]:
        page.goto(f"{station.url}{path}")
        settle(page)
        name = path.strip("/").replace("/", "-") or "live"
        page.screenshot(path=PICTURES / f"{name}-{width}-{scheme}.png")
        if page.evaluate("document.documentElement.scrollWidth") > width:
            too_wide.append(path)
    context.close()
    assert too_wide == []


def test_the_pictures_of_the_readme(
    chromium: Browser, station: Station, cookies: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """`make pictures` writes them into the repository; every other run only sees that they can be made."""
    folder = README_PICTURES if request.config.getoption("--pictures") else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    station.play("charging")
    for name, path, width, height in (("live", "/", 360, 740), ("session", "/transactions/7", 1280, 800)):
        context, page = opened(chromium, cookies, viewport={"width": width, "height": height})
        page.goto(f"{station.url}{path}")
        settle(page)
        page.screenshot(path=folder / f"{name}.png")
        context.close()
        assert (folder / f"{name}.png").stat().st_size <= 150_000
