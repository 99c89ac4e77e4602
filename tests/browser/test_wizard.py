"""The whole set-up on a phone against a real station: from the label's password to the hand-over report."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.test_quality import README_PICTURES
from tests.journeys.rig import Rig, RigMaker
from tests.journeys.station import merge, to_toml, until

pytestmark = [pytest.mark.browser, pytest.mark.journey]

#: The processes share two cores with other tests.
SOON, LATER = 20_000, 120_000
#: Those whose pictures stand in docs/installer-guide.md (`make pictures`).
GUIDE = ("Set-up", "Largest current", "Self-test", "Test charge")
OWN = "a battery staple of 9"
ONE_TIME = re.compile(r"one-time password +(\S+)")


class Wizard:
    """The wizard on a phone; counts what has to be typed or chosen."""

    def __init__(self, page: Page, pictures: Path, guide: Path) -> None:
        self.page = page
        self.inputs = 0
        self._pictures = pictures
        self._guide = guide

    def heading(self, words: str) -> None:
        expect(self.page.get_by_role("heading", name=words, exact=True)).to_be_visible(timeout=SOON)
        assert self.page.evaluate("document.documentElement.scrollWidth <= innerWidth"), words
        name = f"{words.lower().replace(' ', '-')}.png"
        self.page.screenshot(path=self._pictures / name, full_page=True)
        if words in GUIDE:
            self.page.screenshot(path=self._guide / f"guide-{name}")

    def type(self, label: str, text: str) -> None:
        self.inputs += 1
        self.page.get_by_label(label, exact=True).fill(text)

    def press(self, name: str) -> None:
        self.page.get_by_role("button", name=name, exact=True).first.click()

    def proven(self, words: str, timeout: int = SOON) -> None:
        expect(self.page.locator("#proof .note")).to_contain_text(words, timeout=timeout)


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
def page(chromium: Browser) -> Iterator[Page]:
    context = chromium.new_context(viewport={"width": 360, "height": 740}, locale="en-GB", timezone_id="Asia/Seoul")
    context.set_default_timeout(SOON)
    page = context.new_page()
    errors: list[str] = []
    page.on("pageerror", lambda error: errors.append(str(error)))
    yield page
    context.close()
    assert errors == []


def test_from_the_label_to_the_first_charge(
    rig: Rig, page: Page, request: pytest.FixtureRequest, tmp_path: Path
) -> None:
    pictures = Path(os.environ.get("STATION_PICTURES", tmp_path))
    wizard = Wizard(page, pictures, README_PICTURES if request.config.getoption("--pictures") else pictures)
    label = until(lambda: ONE_TIME.search(rig.station.log()), 20, lambda: f"the greeting is printed\n{rig.story()}")

    # get in: the label's password opens only the page that asks for an own one, and that leads into the set-up
    page.goto(f"http://127.0.0.1:{rig.station.http_port}/")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(label.group(1))
    wizard.press("Sign in")
    for field in page.locator("input[type=password]").all():
        field.fill(OWN)
        wizard.inputs += 1
    page.locator("main button.main").click()
    wizard.heading("Set-up")
    page.get_by_role("link", name="Begin").click()

    wizard.heading("Language and time zone")
    expect(page.get_by_label("Time zone")).to_have_value("Asia/Seoul")
    wizard.press("Next")
    wizard.heading("Your own password")
    wizard.proven("what stands on the label is dead")
    wizard.press("Next")

    wizard.heading("Name and place")
    wizard.type("Name", "Bay 12")
    wizard.press("Previous")  # nothing that was typed is lost
    wizard.heading("Your own password")
    wizard.press("Next")
    expect(page.get_by_label("Name", exact=True)).to_have_value("Bay 12")
    wizard.press("Next")

    wizard.heading("Largest current")
    wizard.type("Largest current (A per phase)", "10")
    page.get_by_label("The same once more").fill("100")
    wizard.press("Set this limit")
    expect(page.get_by_role("alert")).to_contain_text("The two numbers differ")
    wizard.type("The same once more", "10")
    wizard.press("Set this limit")

    wizard.heading("Self-test")
    rig.sim.plug()
    wizard.press("Start the self-test")
    expect(page.get_by_role("button", name="The test runs …")).to_be_visible()
    rig.swipe()
    wizard.proven("checks passed", LATER)
    rig.sim.unplug()
    wizard.press("Next")

    wizard.heading("Network")
    if page.locator("#proof .note .chip").inner_text() == "done":
        wizard.press("Next")
    else:  # a machine with its loopback only
        page.get_by_text("Skip this step").click()
        page.get_by_label("Why").fill("The test machine has no network")
        wizard.press("Skip with this reason")
    wizard.heading("Clock")
    wizard.press("Compare with this phone")
    wizard.heading("Software")
    wizard.press("Yes, go on")

    wizard.heading("Backend")
    wizard.press("Next")
    expect(page.get_by_role("alert")).to_contain_text("This step is not proven yet. No backend is configured.")
    page.get_by_role("link", name="Open the page Backend").click()
    wizard.type("Backend address", rig.backend.url)
    wizard.type("Charge point id", "CP1")
    expect(page.locator("#full-url")).to_have_text(f"{rig.backend.url}/CP1")
    wizard.press("Try")
    expect(page.locator(".stages li").last).to_contain_text("Accepted, heartbeat every", timeout=SOON)
    wizard.press("Save and prove")
    expect(page.locator("#state")).to_contain_text("The new settings are proven", timeout=SOON)
    page.get_by_role("link", name="Go on with the set-up").click()
    wizard.proven("Accepted, heartbeat every")
    wizard.press("Next")

    wizard.heading("Cards")
    rig.backend.answer_next("Authorize", {"idTagInfo": {"status": "Invalid"}})
    rig.swipe(rig.other_card)
    page.get_by_role("button", name=f"Let {rig.other_card} charge").click()
    wizard.proven("One card may charge")
    wizard.press("Next")

    wizard.heading("Test charge")
    rig.sim.plug()
    wizard.press(f"Start with card {rig.other_card}")
    expect(page.locator("#proof li", has_text="The meter counts up")).to_contain_text("yes", timeout=LATER)
    wizard.press("Stop the test charge")
    wizard.proven("every message of the session was answered", LATER)
    assert rig.sim.state()["offered_a"] <= 10
    rig.sim.unplug()
    wizard.press("Next")

    wizard.heading("Hand-over")
    wizard.press("Finish and hand over")
    wizard.heading("Commissioning report")
    report = page.locator("article")
    for number in ("10 A", "Bay 12", f"{rig.backend.url}/CP1", rig.other_card, " Wh"):
        expect(report).to_contain_text(number)
    with page.expect_download() as download:
        page.get_by_role("link", name="As a file (JSON)").click()
    told = json.loads(Path(download.value.path()).read_text())
    verdicts = {step["step"]: step["verdict"] for step in told["steps"]}
    assert set(verdicts.values()) <= {"done", "waived"}
    assert verdicts["charge"] == verdicts["backend"] == verdicts["limits"] == verdicts["selftest"] == "done"

    page.get_by_role("link", name="To the station").click()
    expect(page.locator(".top .name")).to_have_text("Bay 12")
    if verdicts["network"] == "done":
        expect(page.get_by_text("The set-up of this station is not finished")).to_have_count(0)
    assert wizard.inputs <= 12
