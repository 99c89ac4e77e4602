"""Every page: nothing inaccessible, foreign, large or too wide; nothing of strangers runs; its pictures."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.urls import URLPattern, get_resolver
from playwright.sync_api import Browser, BrowserContext, Page, Response, expect

import tests.browser.pages  # noqa: F401  Django is ready: before anything of the station
from station.languages import LANGUAGES
from tests.browser.conftest import Station, running
from tests.browser.corpus import CORPUS
from tests.browser.pages import ADDRESSES, ADMIN, BESIDE, MAIN, NO_PAGES, SIGNED_OUT
from tests.browser.pictures import DOCUMENTED, PHONE, SCHEMES, keep_picture, keep_pictures, name_of, too_wide
from tests.browser.test_dashboard import SOON, log_in, watch
from tests.browser.words import Words

pytestmark = pytest.mark.browser

#: First load of a page with an empty cache, bytes as they travel (issue: 150 kB in total).
LARGEST = 150_000
#: The page that says that there is no such page.
MISSING = ("/nowhere",)


@pytest.fixture(scope="module")
def cookies(chromium: Browser, station: Station, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = signed_in(chromium, station, tmp_path_factory.mktemp("quality") / "state.json")
    station.play("profiles")
    station.play("charging")
    return path


def signed_in(chromium: Browser, station: Station, state: Path) -> Path:
    station.play("available")
    context = chromium.new_context()
    log_in(context.new_page(), station)
    context.storage_state(path=state)
    context.close()
    return state


def opened(chromium: Browser, cookies: Path, **options: Any) -> tuple[BrowserContext, Page]:
    context = chromium.new_context(storage_state=cookies, locale="en-GB", **options)
    context.set_default_timeout(SOON)
    return context, context.new_page()


def settle(page: Page) -> None:
    """What a page asks for at its beginning has come."""
    page.wait_for_load_state("networkidle")
    expect(page.locator("body.loading")).to_have_count(0)


def test_every_route_is_a_page_of_these_tests_or_known_to_be_none() -> None:
    patterns = [pattern for pattern in get_resolver().url_patterns if isinstance(pattern, URLPattern)]
    names = {str(pattern.name) for pattern in patterns}
    assert names - set(MAIN) - set(BESIDE) - NO_PAGES == set(), "list it in tests/browser/pages.py"
    assert set(MAIN) | set(BESIDE) | NO_PAGES == names


#: Unfold everything that can be unfolded.
OPENED = "document.querySelectorAll('main details').forEach((one) => { one.open = true; })"
#: Has the page the colours that all pages share?
COLOURED = "getComputedStyle(document.documentElement).getPropertyValue('--accent') !== ''"


class Visitor:
    """One tab for many pages: how large each is with all that it needs, and what the browser complains about."""

    def __init__(self, page: Page, station: Station, *, is_stranger: bool = True) -> None:
        self.page = page
        self.is_stranger = is_stranger
        self.complaints: list[str] = []
        self._answers: list[Response] = []
        self._sizes: dict[str, int] = {}
        self.url = station.url
        watch(page, station, self.complaints)
        page.on("response", lambda answer: self._answers.append(answer))

    def open(self, path: str) -> int:
        """Visit a page as a phone; returns how many bytes travel for it with an empty cache."""
        self.page.set_viewport_size({"width": PHONE[0], "height": PHONE[1]})
        self.complaints.clear()
        self._answers.clear()
        self.page.goto(f"{self.url}{path}")
        settle(self.page)
        for answer in self._answers:
            if answer.ok:  # from the browser's cache it would travel 0 bytes
                travelled = answer.request.sizes()["responseBodySize"]
                self._sizes[answer.url] = max(travelled, self._sizes.get(answer.url, 0))
        used = self.page.evaluate("performance.getEntriesByType('resource').map((one) => one.name)")
        return sum(self._sizes.get(url, 0) for url in {self.page.url, *used})


@pytest.fixture(scope="module")
def visitor(chromium: Browser, station: Station, cookies: Path) -> Iterator[Visitor]:
    context, page = opened(chromium, cookies)
    yield Visitor(page, station, is_stranger=False)
    context.close()


@pytest.fixture(scope="module")
def stranger(chromium: Browser, station: Station, cookies: Path) -> Iterator[Visitor]:
    """Nobody has signed in; `cookies` has set the scene."""
    context = chromium.new_context(locale="en-GB")
    context.set_default_timeout(SOON)
    yield Visitor(context.new_page(), station)
    context.close()


@pytest.mark.parametrize("path", [*ADDRESSES, *ADMIN])
def test_a_page_can_be_read_by_all_fits_is_small_and_loads_nothing_foreign(
    path: str, visitor: Visitor, stranger: Visitor
) -> None:
    """One visit: light and dark, as a phone and as a desk see it; its pictures are kept."""
    judge(stranger if path in SIGNED_OUT else visitor, path, is_ours=path not in ADMIN)


def test_the_receipt_of_a_driver_is_as_good(stranger: Visitor) -> None:
    stranger.open("/driver")
    link = stranger.page.get_by_role("link", name="Receipt of this session").get_attribute("href")
    assert link
    judge(stranger, link, "driver-receipt")


@pytest.mark.parametrize("path", ["/", "/continue"])
def test_the_page_of_the_hotspot_is_as_good_and_speaks_the_language_of_the_phone(
    path: str, chromium: Browser, hotspot: Station
) -> None:
    for language in LANGUAGES:
        context = chromium.new_context(locale=language)
        context.set_default_timeout(SOON)
        visitor = Visitor(context.new_page(), hotspot)
        judge(visitor, path, f"hotspot-{name_of(path)}-{language}")
        expect(visitor.page.locator("html")).to_have_attribute("lang", language)
        assert Words(language).left_in_english(visitor.page) == []
        assert visitor.page.locator("script").count() == 0
        context.close()


@pytest.fixture(scope="module")
def hotspot(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    """The plain side of a station whose pages live on HTTPS."""
    with running(tmp_path_factory.mktemp("hotspot"), STATION_HTTPS="127.0.0.1:8443") as station:
        yield station


def judge(visitor: Visitor, path: str, name: str = "", *, is_ours: bool = True) -> None:
    """Whether a page is good enough for everybody; `is_ours` is False for Django's."""
    size = visitor.open(path)
    page = visitor.page
    assert page.url == f"{visitor.url}{path}", "another page came"
    if visitor.is_stranger:
        expect(page.get_by_role("button", name="Sign out")).to_have_count(0)
        assert page.evaluate(COLOURED), "the colours of the house are missing"
    findings = []
    for scheme in SCHEMES:
        page.emulate_media(color_scheme=scheme)
        for one in Axe().run(page).response["violations"] if is_ours else []:
            if one["impact"] in ("serious", "critical"):
                findings.append((scheme, one["id"], [node["html"][:120] for node in one["nodes"][:3]]))
    keep_pictures(page, name or name_of(path))
    is_too_wide = too_wide(page)
    page.evaluate(OPENED)
    is_too_wide += too_wide(page)
    expected = ["404"] if path in MISSING else []
    assert [text for text in visitor.complaints if not any(code in text for code in expected)] == []
    assert is_too_wide == []
    assert findings == []
    assert size <= LARGEST
    assert path in MISSING or size > 5_000


@pytest.mark.parametrize("language", ["de", "ko"])
def test_every_page_fits_a_phone_in_every_language_and_leaves_nothing_in_english(
    language: str, chromium: Browser, station: Station, cookies: Path
) -> None:
    words = Words(language)
    inside = [path for path in ADDRESSES if path not in SIGNED_OUT]
    wrong = []
    for state, paths in ((cookies, inside), (None, SIGNED_OUT)):
        context = chromium.new_context(storage_state=state, viewport={"width": PHONE[0], "height": PHONE[1]})
        context.set_default_timeout(SOON)
        page = context.new_page()
        page.goto(f"{station.url}{paths[0]}?language={language}")
        for path in paths:
            page.goto(f"{station.url}{path}")
            expect(page.locator("body.loading")).to_have_count(0)
            assert page.url == f"{station.url}{path}", "another page came"
            assert page.locator("html").get_attribute("lang") == language, path
            keep_picture(page, f"{name_of(path)}-{PHONE[0]}-{language}")
            if page.evaluate("document.documentElement.scrollWidth") > PHONE[0]:
                wrong.append((path, "is too wide"))
            wrong += [(path, text) for text in words.left_in_english(page)]
        context.close()
    assert wrong == []


@pytest.fixture(scope="module")
def nasty(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Station, Path]]:
    """A station all of whose neighbours send markup in every field, and its database."""
    folder = tmp_path_factory.mktemp("nasty")
    with running(folder) as station:
        yield station, folder / "station.sqlite3"


#: Columns that hold what the station itself says: keys, kinds, states, secrets. Strangers fill every other text.
OWN_WORDS = {
    f"{table}.{column}"
    for table, columns in {
        "auth_user": "email first_name last_name password",
        "station_apitoken": "digest role",
        "station_certificate": "fingerprint key_id kind pem",  # its subject is in the PEM
        "station_chargingprofile": "kind purpose recurrency_kind transaction_uid unit",
        "station_deliveredcall": "transaction_uid",
        "station_idtag": "source status",
        "station_job": "kind state",
        "station_privatekey": "key_id pem",
        "station_queuedcall": "boot_id transaction_uid",
        "station_securityevent": "boot_id delivery message_id",
        "station_selftest": "state",
        "station_setting": "name section",
        "station_transaction": "boot_id data uid",
        "station_value": "name",
    }.items()
    for column in columns.split()
}
#: Pages that show in their middle what strangers wrote, as the words that it is.
SHOWING = {
    "/", "/transactions", "/transactions/8", "/cards", "/cards?show=cache", "/cards/5", "/frames", "/profiles",
    "/reservations", "/setup", "/setup/identity", "/setup/selftest", "/setup/backend", "/setup/handover",
    "/setup/report", "/selftest", "/backend", "/certificates", "/certificates/4", "/users", "/users/3", "/tokens",
    "/firmware", "/why", "/why?q=alert", "/security-log", "/transactions/print",
}  # fmt: skip
#: What would be there if a text had become a part of the page.
MADE = (
    "main :is(img:not([src^='/static/admin/']), iframe, object, embed, form[action^=javascript], "
    "a[href^='javascript'], [onerror], [onload])"
)


def test_what_strangers_write_runs_on_no_page(chromium: Browser, nasty: tuple[Station, Path], tmp_path: Path) -> None:
    station, database = nasty
    complaints: list[str] = []
    context, page = opened(chromium, signed_in(chromium, station, tmp_path / "state.json"))
    watch(page, station, complaints)
    station.play("nasty")
    page.goto(f"{station.url}/")
    expect(page.locator("[data-t=sentence]")).to_contain_text("alert(")
    shown = set()
    for path in dict.fromkeys((*ADDRESSES, *ADMIN, *sorted(SHOWING))):
        page.goto(f"{station.url}{path}")
        settle(page)
        page.evaluate(OPENED)
        if "alert(" in page.locator("main").inner_text():
            shown.add(path)
        assert page.locator(MADE).count() == page.locator("script:not([src])").count() == 0, path
    context.close()
    assert [text for text in complaints if "404" not in text] == []
    assert SHOWING - shown == set()
    assert clean_columns(database) == OWN_WORDS, "write the corpus there (tests/browser/history.py), or say why not"


def test_a_hostile_file_runs_nothing_in_its_preview(
    chromium: Browser, nasty: tuple[Station, Path], tmp_path: Path
) -> None:
    station, _ = nasty
    complaints: list[str] = []
    context, page = opened(chromium, signed_in(chromium, station, tmp_path / "state.json"))
    watch(page, station, complaints)
    cells = [f'"{text.replace(chr(34), chr(34) * 2)}"' for text in CORPUS]
    lines = [f"{cell},{cell},{cell},{cell},{cell}" for cell in cells]
    for header in ("id_tag,status,parent_id_tag,expiry_date,note", ",".join(cells[:5])):
        page.goto(f"{station.url}/cards/import")
        content = "\n".join([header, *lines, "04A1B2D0,Accepted,,," + cells[0]]).encode()
        page.get_by_label("CSV file").set_input_files(
            {"name": f"{CORPUS[1]}.csv", "mimeType": "text/csv", "buffer": content}
        )
        page.get_by_role("button", name="Show the preview").click()
        expect(page.locator("main")).to_contain_text("alert(")
        assert page.locator(MADE).count() == page.locator("script:not([src])").count() == 0
    context.close()
    assert complaints == []


def clean_columns(database: Path) -> set[str]:
    """Columns of text in which nothing of the corpus lies."""
    found = set()
    with closing(sqlite3.connect(f"file:{database}?mode=ro", uri=True)) as connection:
        tables = "SELECT name FROM sqlite_master WHERE type = 'table' AND (name LIKE 'station_%' OR name = 'auth_user')"
        for (table,) in connection.execute(tables).fetchall():
            for _, column, kind, *_ in connection.execute(f'PRAGMA table_info("{table}")').fetchall():
                if (
                    kind.lower().startswith(("text", "varchar"))
                    and not connection.execute(
                        f'SELECT 1 FROM "{table}" WHERE "{column}" LIKE ? LIMIT 1', ("%alert(%",)
                    ).fetchone()
                ):
                    found.add(f"{table}.{column}")
    return found


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


def test_the_pictures_of_the_readme(
    chromium: Browser, station: Station, cookies: Path, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    """`make pictures` writes them into the repository; every other run only sees that they can be made."""
    folder = DOCUMENTED if request.config.getoption("--pictures") else tmp_path
    folder.mkdir(parents=True, exist_ok=True)
    station.play("charging")
    for name, path, width, height in (("live", "/", 360, 740), ("session", "/transactions/7", 1280, 800)):
        context, page = opened(chromium, cookies, viewport={"width": width, "height": height})
        page.goto(f"{station.url}{path}")
        settle(page)
        page.screenshot(path=folder / f"{name}.png")
        context.close()
        assert (folder / f"{name}.png").stat().st_size <= 150_000
