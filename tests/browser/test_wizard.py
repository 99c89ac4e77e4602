"""The whole set-up on a phone against a real station, in each language: from the label's password to the report."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

import tests.appliance  # noqa: F401  Django is ready: before anything of the station
from station.commissioning import STEPS
from tests.browser.pictures import DOCUMENTED, keep_picture
from tests.browser.words import Words
from tests.journeys.rig import Rig, RigMaker
from tests.journeys.station import merge, to_toml, until

pytestmark = [pytest.mark.browser, pytest.mark.journey]

#: The processes share two cores with other tests.
SOON, LATER = 20_000, 120_000
#: Those whose pictures stand in docs/installer-guide.md (`make pictures`).
GUIDE = ("Set-up", "Largest current", "Self-test", "Test charge")
OWN = "a battery staple of 9"
ONE_TIME = re.compile(r"one-time password +(\S+)")
#: Language → what a phone of such a person asks for, where it is, and the language that is chosen by mistake first.
PHONES = {
    "en": ("en-GB", "Asia/Seoul", "ko"),
    "ko": ("ko-KR", "Asia/Seoul", "de"),
    "de": ("de-AT", "Europe/Vienna", "en"),
}
PHONE = {
    "viewport": {"width": 360, "height": 740},
    "is_mobile": True,
    "has_touch": True,
    "user_agent": "Mozilla/5.0 (Linux; Android 14; SM-A155N) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/131.0.0.0 "
    "Mobile Safari/537.36",
}


class Wizard:
    """The wizard on a phone in one language; counts what has to be typed or chosen. Texts are those of the sources."""

    def __init__(self, page: Page, words: Words, guide: Path | None) -> None:
        self.page = page
        self.words = words
        self.inputs = 0
        self.left_in_english: list[str] = []
        self._guide = guide

    def heading(self, text: str) -> None:
        """This page is there: it fits, and its picture is kept."""
        expect(self.page.get_by_role("heading", name=self.words(text), exact=True)).to_be_visible(timeout=SOON)
        assert self.page.evaluate("document.documentElement.scrollWidth") <= 360, text
        self.left_in_english += self.words.left_in_english(self.page)
        name = text.lower().replace(" ", "-")
        keep_picture(self.page, f"walk-{name}-{self.words.language}")
        if self._guide and text in GUIDE:
            self.page.screenshot(path=self._guide / f"guide-{name}.png")

    def type(self, label: str, text: str) -> None:
        self.inputs += 1
        self.page.get_by_label(self.words(label), exact=True).fill(text)

    def press(self, name: str, /, **values: str) -> None:
        self.page.get_by_role("button", name=self.words(name, **values), exact=True).first.tap()

    def follow(self, name: str, /, **values: str) -> None:
        self.page.get_by_role("link", name=self.words(name, **values), exact=True).tap()

    def proven(self, text: str, timeout: int = SOON, /, **values: str) -> None:
        expect(self.page.locator("#proof .note")).to_contain_text(self.words.like(text, **values), timeout=timeout)

    def refused(self, text: str, /, **values: str) -> None:
        expect(self.page.get_by_role("alert")).to_contain_text(self.words(text, **values))


@pytest.fixture
def rig(make_rig: RigMaker) -> Rig:
    """A new station without a backend, as it comes out of the box."""
    rig = make_rig({"web": {"admin_user": "admin"}, "electrical": {"max_current_a": 16}}, web=True)
    bare = merge(rig.provision, {})
    bare["backend"] = {}
    rig.station.provision_path.write_text(to_toml(bare), "utf-8")
    rig.station.start()
    return rig


@pytest.fixture
def page(chromium: Browser, language: str) -> Iterator[Page]:
    asks, zone, _ = PHONES[language]
    context = chromium.new_context(**PHONE, locale=asks, timezone_id=zone)  # type: ignore[arg-type]
    context.set_default_timeout(SOON)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


@pytest.mark.parametrize("language", PHONES)
def test_from_the_label_to_the_first_charge(
    rig: Rig, page: Page, language: str, request: pytest.FixtureRequest
) -> None:
    words = Words(language)
    _, zone, mistaken = PHONES[language]
    wizard = Wizard(page, words, DOCUMENTED if request.config.getoption("--pictures") else None)
    label = until(lambda: ONE_TIME.search(rig.station.log()), 20, lambda: f"the greeting is printed\n{rig.story()}")

    # get in: the label's password opens only the page that asks for an own one, and that leads into the set-up
    page.goto(f"http://127.0.0.1:{rig.station.http_port}/")
    page.get_by_label(words("Name")).fill("admin")
    page.get_by_label(words("Password")).fill(label.group(1))
    wizard.press("Sign in")
    wizard.heading("Choose your own password")
    for field in page.locator("input[type=password]").all():
        field.fill(OWN)
        wizard.inputs += 1
    wizard.press("Use this password")
    wizard.heading("Set-up")
    wizard.follow("Begin")

    wizard.heading("Language and time zone")
    expect(page.get_by_label(words("Time zone"))).to_have_value(zone)
    expect(page.get_by_role("combobox", name=words("Language"))).to_have_value(language)
    page.get_by_role("combobox", name=words("Language")).select_option(mistaken)  # a slip of the finger
    wizard.press("Next")
    other = Wizard(page, Words(mistaken), None)
    other.heading("Your own password")
    other.press("Previous")
    page.get_by_role("combobox", name=other.words("Language")).select_option(language)
    other.press("Next")
    wizard.heading("Your own password")
    wizard.proven("%(name)s has no one-time password any more: what stands on the label is dead.", name="admin")
    wizard.press("Next")

    wizard.heading("Name and place")
    wizard.type("Name", "Bay 12")
    wizard.press("Previous")  # nothing that was typed is lost
    wizard.heading("Your own password")
    wizard.press("Next")
    expect(page.get_by_label(words("Name"), exact=True)).to_have_value("Bay 12")
    wizard.press("Next")

    wizard.heading("Largest current")
    wizard.type("Largest current (A per phase)", "10")
    page.get_by_label(words("The same once more")).fill("100")
    wizard.press("Set this limit")
    wizard.refused("The two numbers differ. Type the current of this installation twice.")
    wizard.type("The same once more", "10")
    wizard.press("Set this limit")

    wizard.heading("Self-test")
    rig.sim.plug()
    wizard.press("Start the self-test")
    expect(page.get_by_role("button", name=words("The test runs …"))).to_be_visible()
    until(lambda: "Self-test, asked for by admin" in rig.station.log(), 20, rig.story)  # a card before that is a tap
    rig.swipe()
    wizard.proven("%(passed)s checks passed, %(skipped)s skipped.", LATER)
    expect(page.locator("#proof")).to_contain_text(rig.card)
    rig.sim.unplug()
    wizard.heading("Self-test")
    wizard.press("Next")

    wizard.heading("Network")
    if page.locator("#proof .note .chip").inner_text() == words("done", "step"):
        wizard.press("Next")
    else:  # a machine with its loopback only
        page.get_by_text(words("Skip this step")).tap()
        page.get_by_label(words("Why")).fill("The test machine has no network")
        wizard.press("Skip with this reason")
    wizard.heading("Clock")
    wizard.press("Compare with this phone")
    wizard.heading("Software")
    wizard.press("Yes, go on")

    wizard.heading("Backend")
    wizard.press("Next")
    wizard.refused("This step is not proven yet. %(text)s", text=words("No backend is configured."))
    wizard.follow("Open the page %(title)s", title=words("Backend"))
    wizard.type("Backend address", rig.backend.url)
    wizard.type("Charge point id", "CP1")
    expect(page.locator("#full-url")).to_have_text(f"{rig.backend.url}/CP1")
    wizard.press("Try")
    accepted = words.like("Accepted, heartbeat every {interval_s} s")
    expect(page.locator(".stages li").last).to_contain_text(accepted, timeout=SOON)
    wizard.heading("Backend")
    wizard.press("Save and prove")
    proven = words("The new settings are proven: the backend accepted the station.")
    expect(page.locator("#state")).to_contain_text(proven, timeout=SOON)
    wizard.follow("Go on with the set-up")
    wizard.proven("Accepted, heartbeat every %(seconds)s s.")
    wizard.press("Next")

    wizard.heading("Cards")
    rig.backend.answer_next("Authorize", {"idTagInfo": {"status": "Invalid"}})
    rig.swipe(rig.other_card)
    page.get_by_role("button", name=words("Let %(value)s charge", value=rig.other_card)).tap()
    wizard.proven("One card may charge.")
    wizard.press("Next")

    wizard.heading("Test charge")
    rig.sim.plug()
    wizard.press("Start with card %(id_tag)s", id_tag=rig.other_card)
    counts = page.locator("#proof li", has_text=words("The meter counts up"))
    expect(counts.locator("b")).to_have_text(words("yes"), timeout=LATER)
    wizard.heading("Test charge")
    wizard.press("Stop the test charge")
    wizard.proven("%(energy)s Wh flowed, and every message of the session was answered.", LATER)
    assert rig.sim.state()["offered_a"] <= 10
    rig.sim.unplug()
    wizard.press("Next")

    wizard.heading("Hand-over")
    wizard.press("Finish and hand over")
    wizard.heading("Commissioning report")
    report = page.locator("article")
    for number in ("10 A", "Bay 12", f"{rig.backend.url}/CP1", rig.other_card, " Wh", zone):
        expect(report).to_contain_text(number)
    with page.expect_download() as download:
        wizard.follow("As a file (JSON)")
    told = json.loads(Path(download.value.path()).read_text())
    verdicts = {step["step"]: step["verdict"] for step in told["steps"]}
    assert set(verdicts.values()) <= {"done", "waived"}
    assert verdicts["charge"] == verdicts["backend"] == verdicts["limits"] == verdicts["selftest"] == "done"
    titles = [f"{words(step.title)} {words(verdicts[step.key], 'step')}" for step in STEPS]
    expect(report.get_by_role("heading", level=2)).to_have_text(titles)

    wizard.follow("To the station")
    expect(page.locator(".top .name")).to_have_text("Bay 12")
    if verdicts["network"] == "done":
        expect(page.get_by_text(words("The set-up of this station is not finished."))).to_have_count(0)
    assert wizard.inputs <= 12
    assert wizard.left_in_english == []
