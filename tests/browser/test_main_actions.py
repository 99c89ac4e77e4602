"""What each page is for, done in a browser against the real processes; a page of the navigation without one fails."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from playwright.sync_api import Browser, BrowserContext, Download, Locator, Page, expect

from station import __version__
from tests.browser.conftest import Station
from tests.browser.pages import MAIN  # makes Django ready: before anything of the station
from tests.browser.test_dashboard import watch
from tests.journeys.fixtures import SPEED
from tests.journeys.rig import Rig
from tests.ocppclient.certificates import issue

pytestmark = [pytest.mark.browser, pytest.mark.journey]

#: Longest waits, ms: for a page, and for what the box has to do. The processes share two cores with other tests.
SOON, LATER = 20_000, 120_000
PASSWORD = "correct horse battery"


@pytest.fixture(scope="module")
def shared_rig(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    """With its pages; a plugged car waits long enough for a slow browser."""
    provision = {"web": {"admin_user": "admin", "admin_password": PASSWORD}, "ocpp": {"ConnectionTimeOut": 60}}
    rig = Rig(tmp_path_factory.mktemp("station"), provision, web=True, speed=SPEED)
    try:
        rig.start()
        yield rig
    finally:
        rig.close()


@pytest.fixture(scope="module")
def browser(chromium: Browser, shared_rig: Rig) -> Iterator[BrowserContext]:
    """A desk that is signed in."""
    context = chromium.new_context(
        base_url=f"http://127.0.0.1:{shared_rig.station.http_port}",
        locale="en-GB",
        viewport={"width": 1280, "height": 800},
    )
    context.set_default_timeout(SOON)
    page = context.new_page()
    page.goto("/login")
    page.locator("[name=username]").fill("admin")
    page.locator("[name=password]").fill(PASSWORD)
    page.locator("main button.main").click()
    expect(page.locator("header.top")).to_be_visible(timeout=SOON)
    page.close()
    yield context
    context.close()


@pytest.mark.parametrize("route", MAIN)
def test_the_main_action_of_every_page_works(route: str, rig: Rig, browser: BrowserContext, tmp_path: Path) -> None:
    assert route in ACTIONS, f"write what the page {MAIN[route]} is for into this file"
    complaints: list[str] = []
    page = browser.new_page()
    watch(page, Station(f"http://127.0.0.1:{rig.station.http_port}", None), complaints)  # type: ignore[arg-type]
    page.goto(MAIN[route])
    try:
        ACTIONS[route](page, rig, tmp_path)
    finally:
        page.close()
    assert complaints == []


def submit(form: Locator) -> None:
    """Press the first button of a form that sends it."""
    form.locator("button:not([type=button])").first.click()


def note(page: Page) -> Locator:
    """What the page says that has happened."""
    return page.locator("main [role=status]").first


def saved(download: Download) -> bytes:
    return Path(download.path()).read_bytes()


def dashboard(page: Page, rig: Rig, folder: Path) -> None:
    """A session is started and stopped, and seen to run."""
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    page.locator("#card").fill(rig.card)
    page.locator("#card").press("Enter")
    expect(page.locator("#state")).to_have_attribute("data-kind", "charging", timeout=LATER)
    page.locator("#stop").click()
    page.locator("dialog[open] button.danger").click()
    assert rig.backend.next("StopTransaction", 20).payload["reason"] == "Local"
    expect(page.locator("#state")).not_to_have_attribute("data-kind", "charging")


def transactions(page: Page, rig: Rig, folder: Path) -> None:
    """A session is found with its messages, and taken along as CSV."""
    session = rig.start_session()
    rig.charge_wh(5)
    rig.sim.unplug()
    rig.backend.next("StopTransaction", 20)
    page.reload()
    with page.expect_download() as download:
        page.locator("a[href^='/transactions/export']").first.click()
    assert rig.card.encode() in saved(download.value)
    page.locator("main a[href^='/transactions/']", has_text=rig.card).or_(
        page.locator("main tr", has_text=rig.card).locator("a[href^='/transactions/']")
    ).first.click()
    expect(page.locator("main")).to_contain_text(str(session.transaction_id))
    expect(page.locator("main")).to_contain_text("StopTransaction")


def cards(page: Page, rig: Rig, folder: Path) -> None:
    """A card is added, found, and may charge."""
    page.locator("a[href='/cards/add']").first.click()
    page.locator("[name=id_tag]").fill("BROWSER7")
    page.locator("main form button.main").click()
    expect(note(page)).to_contain_text("BROWSER7")
    page.goto("/cards?q=browser7")
    expect(page.locator("main li", has_text="BROWSER7")).to_be_visible()


def frames(page: Page, rig: Rig, folder: Path) -> None:
    """A message that comes is seen at once, with its answer."""
    expect(page.locator("#frames li").first).to_be_visible()
    rig.backend.call("GetConfiguration", {"key": ["ConnectionTimeOut"]})
    line = page.locator("#frames li", has_text="GetConfiguration").first
    line.locator("summary").first.click()
    expect(line.locator("pre").nth(1)).to_contain_text("ConnectionTimeOut")


def profiles(page: Page, rig: Rig, folder: Path) -> None:
    """A profile that the backend sets is listed and limits."""
    schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 9}]}
    profile = {
        "chargingProfileId": 77, "stackLevel": 0, "chargingProfilePurpose": "ChargePointMaxProfile",
        "chargingProfileKind": "Absolute", "chargingSchedule": schedule,
    }  # fmt: skip
    schedule["startSchedule"] = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}"
    assert rig.command("SetChargingProfile", connectorId=0, csChargingProfiles=profile) == "Accepted"
    expect(page.locator("#installed tbody tr")).to_contain_text("ChargePointMaxProfile")
    expect(page.locator("#plot canvas")).to_be_visible()


def reservations(page: Page, rig: Rig, folder: Path) -> None:
    """What the backend has reserved is ended by hand."""
    assert rig.reserve(31, rig.card) == "Accepted"
    rig.backend.wait_status("Reserved")
    page.reload()
    page.locator("[name=sure]").check()
    page.locator("button.danger").click()
    rig.backend.wait_status("Available")
    expect(page.locator("main")).to_contain_text("31")
    expect(page.locator("button.danger")).to_have_count(0)


def hours(page: Page, rig: Rig, folder: Path) -> None:
    """Peak hours are saved, hold a session back, and give way to a person; then they are removed."""
    page.locator("[name=form-0-days]").select_option("Mon-Sun")
    page.locator("[name=form-0-begin]").fill("00:00")
    page.locator("[name=form-0-end]").fill("00:00")
    page.locator("button[value=save]").click()
    expect(page.locator("main")).to_contain_text("every day, 00:00 to 00:00")
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.swipe()
    rig.backend.wait_status("SuspendedEVSE")
    page.reload()
    expect(page.locator(".present")).to_contain_text("Every hour of the week is a peak hour.")
    page.locator("button[value=charge_now]").click()
    rig.backend.wait_status("Charging", timeout_s=15)
    page.locator("button[value=remove]").click()
    expect(page.locator("main")).to_contain_text("There are none: the station charges at any time.")
    rig.sim.unplug()
    rig.backend.wait_status("Available", timeout_s=15)


def setup(page: Page, rig: Rig, folder: Path) -> None:
    """The next step is opened; what is said there is proven at once."""
    page.locator("a[href='/setup/identity']").first.click()
    page.locator("[name=name]").fill("Bay 12")
    page.locator("main form button.main").click()
    expect(page.locator("header .name")).to_have_text("Bay 12")


def hardware(page: Page, rig: Rig, folder: Path) -> None:
    """The page knows the board that is there."""
    expect(page.locator("[name=board]")).to_have_value("openevse")
    expect(page.locator("main")).to_contain_text("SDM230", ignore_case=True)


def self_test(page: Page, rig: Rig, folder: Path) -> None:
    """The whole test runs and is passed."""
    rig.tolerated = ["from Preparing to Unavailable"]  # the test needs the car that is plugged
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    page.locator("#begin").click()
    expect(page.locator("#report li, #report tr").first).to_be_visible(timeout=LATER)
    rig.swipe()
    expect(page.locator("#begin")).to_be_enabled(timeout=LATER)
    expect(page.locator("#report [data-kind=available]").first).to_be_visible(timeout=LATER)
    rig.sim.unplug()


def backend(page: Page, rig: Rig, folder: Path) -> None:
    """The present settings are tried on a line of their own."""
    page.locator("button[name=do][value=try]").click()
    expect(page.locator(".stages li").last).to_contain_text("accepted", timeout=LATER)


def keys(page: Page, rig: Rig, folder: Path) -> None:
    """A key is changed, and the backend reads the new value."""
    page.locator("a[href='/keys/HeartbeatInterval']").first.click()
    page.locator("#value").fill("321")
    page.locator("main form button.main").click()
    expect(note(page)).to_contain_text("321")
    assert rig.value("HeartbeatInterval") == "321"


def network(page: Page, rig: Rig, folder: Path) -> None:
    """On a computer that is somebody else's the page says so, and offers nothing."""
    expect(page.locator("main")).to_contain_text("STATION_NETWORK")
    expect(page.locator("main form")).to_have_count(0)


def time(page: Page, rig: Rig, folder: Path) -> None:
    """The zone of the reports is chosen; the station's clock is told by the backend."""
    expect(page.locator("#state [data-kind=available]").first).to_be_visible()
    page.locator("[name=time_zone]").select_option("Asia/Seoul")
    page.locator("button[name=do][value=zone]").click()
    expect(page.locator("#state")).to_contain_text("Asia/Seoul")


def certificates(page: Page, rig: Rig, folder: Path) -> None:
    """A root is installed and removed."""
    page.locator("[name=file]").set_input_files(issue(folder, "Root of Bay 12").cert_file)
    page.locator("main form button.main").click()
    page.locator("main a[aria-label*='Root of Bay 12']").click()
    page.locator("[name=sure]").check()
    page.locator("main form button.danger").click()
    expect(note(page)).to_be_visible()
    expect(page.locator("main a[aria-label*='Root of Bay 12']")).to_have_count(0)


def label(page: Page, rig: Rig, folder: Path) -> None:
    """What is printed on the label is there as words and as code."""
    expect(page.locator("main svg").first).to_be_visible()
    expect(page.locator("main")).to_contain_text(str(rig.station.http_port))


def driver_sign(page: Page, rig: Rig, folder: Path) -> None:
    """The driver page is switched off and on again; its receipt opens without a login."""
    session = rig.start_session()
    page.locator("[name=open]").uncheck()
    submit(page.locator("main form"))
    expect(note(page)).to_be_visible()
    assert page.request.get("/driver").status == 404
    page.locator("[name=open]").check()
    page.locator("[name=receipt]").check()
    submit(page.locator("main form"))
    expect(note(page)).to_be_visible()
    page.goto("/driver")
    page.locator("a[href*='/driver/receipt/']").click()
    expect(page.locator("main")).to_contain_text("Wh")
    expect(page.locator("main")).not_to_contain_text(rig.card)
    assert rig.command("RemoteStopTransaction", transactionId=session.transaction_id) == "Accepted"


def users(page: Page, rig: Rig, folder: Path) -> None:
    """Somebody is added and gets a password that is shown once."""
    page.locator("a[href='/users/add']").first.click()
    page.locator("[name=username]").fill("mira")
    page.locator("main form button.main").click()
    expect(page.locator("main code")).to_be_visible()
    page.goto("/users")
    expect(page.locator("main")).to_contain_text("mira")


def firmware(page: Page, rig: Rig, folder: Path) -> None:
    """A file that is no release is refused with its reason."""
    file = {"name": "holiday.jpg", "mimeType": "image/jpeg", "buffer": b"no release"}
    page.locator("[name=file]").set_input_files(file)  # type: ignore[arg-type]
    page.locator("main form button.main").click()
    expect(page.locator("main .wrong, main .note.fault").first).to_be_visible()


def backup(page: Page, rig: Rig, folder: Path) -> None:
    """Everything is saved in one encrypted file, which tells what it would do here before anything changes."""
    passphrase = "a battery staple of nine horses"
    for name in ("passphrase", "again"):
        page.locator(f"[name={name}]").fill(passphrase)
    with page.expect_download(timeout=LATER) as download:
        page.locator("main form button.main").first.click()
    content = saved(download.value)
    assert len(content) > 1000
    file = {"name": "mine.zip", "mimeType": "application/zip", "buffer": content}
    page.locator("[name=file]").set_input_files(file)  # type: ignore[arg-type]
    page.locator("[name=passphrase_of_file]").fill(passphrase)
    page.locator("#restore button.main").click()
    expect(page.locator("main table").first).to_contain_text("is replaced as a whole")
    page.locator("[name=cancel]").click()
    expect(page.locator("main")).to_contain_text("the file is forgotten")


def factory_reset(page: Page, rig: Rig, folder: Path) -> None:
    """Other words than those that are asked for delete nothing."""
    page.locator("[name=words]").fill("yes")
    page.locator("button.danger").click()
    expect(page.locator("main .wrong")).to_be_visible()
    assert rig.station.running


def tokens(page: Page, rig: Rig, folder: Path) -> None:
    """A token is made, shown once, opens the API, and is revoked."""
    page.locator("[name=name]").fill("Load manager")
    page.locator("main form button.main").click()
    secret = page.locator("main code").first.inner_text()
    url = f"http://127.0.0.1:{rig.station.http_port}/readyz"
    header = {"Authorization": f"Bearer {secret}"}
    assert page.request.get(url, headers=header).status == 200
    page.goto("/tokens")
    expect(page.locator("main button.danger")).to_be_hidden()  # asks once
    page.locator("summary.button").click()
    page.locator("button.danger").click()
    expect(page.locator("main button.danger")).to_have_count(0)


def why(page: Page, rig: Rig, folder: Path) -> None:
    """What was refused is found with its reason."""
    assert rig.command("RemoteStopTransaction", transactionId=987654) == "Rejected"
    page.goto("/why?q=RemoteStop")
    expect(page.locator("main")).to_contain_text("987654")


def diagnostics(page: Page, rig: Rig, folder: Path) -> None:
    """The archive is downloaded and can be opened."""
    with page.expect_download(timeout=LATER) as download:
        page.locator("main form button.main").click()
    with zipfile.ZipFile(download.value.path()) as archive:
        assert archive.testzip() is None
        assert archive.namelist()


def security_log(page: Page, rig: Rig, folder: Path) -> None:
    """The log is read and cleared, which it tells itself."""
    expect(page.locator("main")).to_contain_text("StartupOfTheDevice")
    page.locator("[name=sure]").check()
    page.locator("button.danger").click()
    expect(page.locator("main")).to_contain_text("SecurityLogWasCleared")
    expect(page.locator("main")).not_to_contain_text("StartupOfTheDevice")


def about(page: Page, rig: Rig, folder: Path) -> None:
    """The version that runs."""
    expect(page.locator("main")).to_contain_text(__version__)


#: Route of the page → its main action.
ACTIONS: dict[str, Callable[[Page, Rig, Path], None]] = {
    "dashboard": dashboard,
    "transactions": transactions,
    "cards": cards,
    "frames": frames,
    "profiles": profiles,
    "hours": hours,
    "reservations": reservations,
    "setup": setup,
    "hardware": hardware,
    "selftest": self_test,
    "backend": backend,
    "keys": keys,
    "network": network,
    "time": time,
    "certificates": certificates,
    "label": label,
    "driversign": driver_sign,
    "users": users,
    "firmware": firmware,
    "backup": backup,
    "factory_reset": factory_reset,
    "tokens": tokens,
    "why": why,
    "diagnostics": diagnostics,
    "security_log": security_log,
    "about": about,
}
