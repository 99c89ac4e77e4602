"""The pages in a real browser: they work, say when they are stale, and load nothing foreign."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, WebSocketRoute, expect

from tests.browser.conftest import PAINTED, Station
from tests.browser.pictures import keep_pictures, too_wide

pytestmark = pytest.mark.browser

#: Longest wait for anything, ms.
SOON = 15_000


@pytest.fixture
def complaints() -> list[str]:
    """What the browser complained about: errors, policy violations, foreign requests."""
    return []


@pytest.fixture(scope="module")
def signed_in(chromium: Browser, station: Station, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The cookies of somebody who is logged in."""
    context = chromium.new_context()
    log_in(context.new_page(), station)
    state = tmp_path_factory.mktemp("browser") / "state.json"
    context.storage_state(path=state)
    context.close()
    return state


@pytest.fixture
def page(chromium: Browser, station: Station, signed_in: Path, complaints: list[str]) -> Iterator[Page]:
    """A phone that is logged in."""
    station.play("available")
    context = chromium.new_context(storage_state=signed_in, viewport={"width": 360, "height": 740}, locale="en-GB")
    context.set_default_timeout(SOON)
    page = context.new_page()
    watch(page, station, complaints)
    page.goto(f"{station.url}/")
    expect(page.locator("#word")).to_have_text("Available", timeout=SOON)
    yield page
    context.close()
    assert complaints == []


def watch(page: Page, station: Station, complaints: list[str]) -> None:
    page.on("console", lambda message: message.type in ("error", "warning") and complaints.append(message.text))
    page.on("pageerror", lambda error: complaints.append(str(error)))
    page.on("dialog", lambda dialog: complaints.append(f"dialog {dialog.message}"))
    page.on(
        "request",
        lambda request: not request.url.startswith((station.url, "blob:")) and complaints.append(request.url),
    )


def log_in(page: Page, station: Station) -> None:
    station.play("available")  # whatever the test before has played
    page.goto(f"{station.url}/")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill("correct horse")
    page.get_by_role("button", name="Sign in").click()
    expect(page.locator("#word")).to_have_text("Available", timeout=SOON)


def in_first_screen(place: Locator) -> bool:
    """It is seen without scrolling, above the bar of the pages."""
    box, bar = place.bounding_box(), place.page.locator(".bar").bounding_box()
    assert box is not None
    assert bar is not None
    return box["y"] >= 0 and box["y"] + box["height"] <= bar["y"]


def test_the_dashboard_follows_the_station(page: Page, station: Station) -> None:
    expect(page.locator("[data-t=sentence]")).to_have_text("Plug in and hold a card to the reader.")
    expect(page.locator("#stop")).to_be_hidden()
    expect(page.locator("[data-t=transaction_id]")).to_be_hidden()
    expect(page.locator("[data-t=uptime]")).to_have_text(re.compile(r"\d+ (s|min)$"))
    expect(page.locator("body.loading")).to_have_count(0)
    station.play("charging")
    expect(page.locator("#word")).to_have_text("Charging")
    expect(page.locator("[data-t=session_energy]")).to_have_text("2.87")
    expect(page.locator("[data-t=id_tag]")).to_have_text("04A1B2C9")
    expect(page.locator("[data-t=transaction_id]")).to_have_text("4711")
    expect(page.locator("[data-t=started]")).to_have_text(re.compile(r"\d\d:\d\d$"))
    expect(page.locator("[data-t=in_flight]")).to_contain_text("StatusNotification, for")
    expect(page.locator("#state")).to_have_attribute("data-kind", "charging")
    expect(page.get_by_role("link", name="Open the simulator")).to_have_attribute("href", "http://127.0.0.1:8081/")
    station.play("faulted")
    expect(page.locator("#word")).to_have_text("Fault")
    expect(page.locator("#faults")).to_contain_text("Leakage current")
    expect(page.locator("#ports")).to_contain_text("no answer to the last request")


def test_an_emergency_stop_is_confirmed_on_the_page(page: Page, station: Station) -> None:
    button = page.get_by_role("button", name="Confirm that the place is safe")
    expect(button).to_be_hidden()
    station.play("emergency")
    expect(page.locator("#faults")).to_contain_text("Emergency stop pressed")
    button.click()
    expect(page.locator("#reply")).to_contain_text("acknowledge")


def test_the_backend_link_is_told_in_words_and_ages(page: Page, station: Station) -> None:
    expect(page.locator("[data-t=link_word]")).to_have_text("Connected")
    expect(page.locator("[data-t=link_trouble]")).to_be_hidden()
    expect(page.locator("[data-t=last_byte]")).to_contain_text("s ago")
    expect(page.locator("[data-t=since]")).to_contain_text("ago")
    station.play("offline")
    expect(page.locator("[data-t=link_word]")).to_contain_text("next try in")
    trouble = page.locator("#state [data-t=link_trouble]")
    expect(trouble).to_have_text("The backend is not reached. What it has to know waits in the station.")
    assert in_first_screen(trouble)
    expect(page.locator("[data-t=link_error]")).to_contain_text("is the port right?")
    expect(page.locator("[data-t=queue]")).to_have_text("3 messages")
    expect(page.locator("[data-t=parked]")).to_contain_text("1 message was not accepted")


def test_the_power_chart_shows_an_hour_a_day_or_a_week_and_goes_on_live(page: Page, station: Station) -> None:
    expect(page.locator("#plot canvas")).to_be_visible()
    expect(page.locator("#plot[data-curves='1']")).to_be_visible()
    station.play("charging")
    expect(page.locator("#plot[data-newest^='36'], #plot[data-newest^='37']")).to_be_visible(timeout=20_000)
    with page.expect_response("**/dashboard/chart?hours=168"):
        page.get_by_role("button", name="7 d").click()
    expect(page.get_by_role("button", name="7 d")).to_have_attribute("aria-pressed", "true")
    expect(page.get_by_role("button", name="1 h")).to_have_attribute("aria-pressed", "false")
    assert page.locator("#plot").evaluate(PAINTED.replace("--accent", "--available")) > 20


def test_what_needs_attention_is_shown_only_while_it_does(page: Page, station: Station) -> None:
    expect(page.locator("#attention")).to_contain_text("has ended")  # a certificate of this station, all the time
    page.route("**/dashboard/alerts", lambda route: route.fulfill(content_type="text/html", body=""))
    page.reload()
    expect(page.locator("#attention")).to_be_hidden()
    station.play("offline")
    expect(page.locator("#attention")).to_contain_text("The time is a guess")
    expect(page.locator("#attention")).to_contain_text("1 message was not accepted")
    station.play("faulted")
    expect(page.locator("#attention")).to_contain_text("Leakage current")
    station.play("available")
    expect(page.locator("#attention")).to_be_hidden()


def test_charging_is_stopped_after_one_question(page: Page, station: Station) -> None:
    station.play("charging")
    page.get_by_role("button", name="Stop charging").click()
    page.get_by_role("button", name="Keep charging").click()
    expect(page.locator("#reply")).to_be_hidden()
    page.get_by_role("button", name="Stop charging").click()
    page.get_by_role("button", name="Stop now, end the session").click()
    expect(page.locator("#reply")).to_have_text("stop None by admin")


def test_a_session_is_started_with_a_card_number(page: Page, station: Station) -> None:
    page.get_by_label("Start with a card number").fill(" 04A1B2C3 ")
    page.get_by_role("button", name="Start").click()
    expect(page.locator("#reply")).to_have_text("swipe 04A1B2C3 by admin")


def test_a_reservation_is_shown_with_its_holder_and_its_end_in_local_time(page: Page, station: Station) -> None:
    expect(page.locator("#reservation")).to_be_hidden()
    station.play("reserved")
    expect(page.locator("#word")).to_have_text("Reserved")
    expect(page.locator("#reservation")).to_contain_text(
        "Reservation 17: for card 04A1<B>C and its group, until 6 May 2030, 07:08"
    )
    expect(page.locator("[data-t=sentence]")).to_contain_text("is reserved until 6 May 2030, 07:08 for card")
    station.play("available")
    expect(page.locator("#reservation")).to_be_hidden()


def test_a_silent_station_is_shown_as_stale_and_recovers(page: Page, station: Station) -> None:
    station.play("charging")
    expect(page.locator("#word")).to_have_text("Charging")
    station.play("silent")
    expect(page.locator("#stale")).to_contain_text("No news from the station's controller", timeout=20_000)
    expect(page.locator("body.is-stale")).to_have_count(1)
    expect(page.locator("#stop")).to_be_disabled()
    station.play("available")
    expect(page.locator("#stale")).to_be_hidden()
    expect(page.locator("#word")).to_have_text("Available")


def test_a_lost_connection_is_shown_and_comes_back_by_itself(page: Page, station: Station) -> None:
    sockets = []

    def proxy(socket: WebSocketRoute) -> None:
        sockets.append(socket)
        if len(sockets) == 2:
            socket.close()  # the first attempt to reconnect fails
        else:
            socket.connect_to_server()

    page.route_web_socket("**/ws/live", proxy)
    page.reload()
    expect(page.locator("#word")).to_have_text("Available")
    sockets[0].close()
    expect(page.locator("#stale")).to_contain_text("Connection lost")
    expect(page.locator("#stale")).to_be_hidden(timeout=SOON)
    assert len(sockets) == 3


def test_an_ended_session_leads_to_the_login(chromium: Browser, station: Station) -> None:
    context = chromium.new_context()
    page = context.new_page()
    log_in(page, station)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    page.goto(f"{station.url}/why")
    expect(page.get_by_role("button", name="Sign in")).to_be_visible()
    context.close()


def test_an_open_page_notices_that_its_session_is_over(chromium: Browser, station: Station) -> None:
    context = chromium.new_context()
    page = context.new_page()
    sockets: list[WebSocketRoute] = []
    page.route_web_socket("**/ws/live", lambda socket: (sockets.append(socket), socket.connect_to_server())[1])
    log_in(page, station)
    context.clear_cookies()
    sockets[0].close(code=4401)
    expect(page.get_by_role("button", name="Sign in")).to_be_visible(timeout=SOON)
    context.close()


def test_frames_are_shown_masked_and_as_text(page: Page, station: Station) -> None:
    page.get_by_role("link", name="Messages").click()
    expect(page.locator("#frames li")).to_have_count(6)
    expect(page.locator("#frames")).to_contain_text("asks BootNotification")
    expect(page.locator("#frames")).to_contain_text("answers BootNotification")
    expect(page.locator("#frames")).to_contain_text("refuses ChangeConfiguration")
    expect(page.locator("#frames li").first).to_contain_text("says what is no OCPP message")
    boot = page.locator("#frames li", has_text="asks BootNotification")
    expect(boot.locator(".text")).to_have_text('{"chargePointVendor":"OpenStation","chargePointModel":"AC-1"}')
    expect(page.locator("#frames")).to_contain_text("<img src=x onerror=alert(1)>")
    assert "TOPSECRET" not in page.content()
    page.locator("#frames summary").nth(3).click()
    expect(page.locator("#frames pre").first).to_contain_text('"key": "AuthorizationKey"')
    page.get_by_label("Search").fill("heartbeat")
    expect(page.locator("#frames li")).to_have_count(1)
    page.get_by_text("Filter, pause, download").click()
    page.locator("#action").select_option("not Heartbeat")
    expect(page.locator("#empty")).to_have_text("No message fits the filter.")
    page.get_by_label("Search").fill("")
    expect(page.locator("#frames li")).to_have_count(5)


def test_a_call_stands_beside_its_answer_and_messages_are_filtered(page: Page, station: Station) -> None:
    page.get_by_role("link", name="Messages").click()
    boot = page.locator("#frames li", has_text="asks BootNotification")
    expect(boot).to_contain_text("answered after")
    expect(page.locator("#frames li", has_text="asks ChangeConfiguration")).to_contain_text("refused after")
    expect(page.locator("#frames li", has_text="asks Heartbeat")).to_contain_text("no answer yet")
    boot.locator("summary").click()
    expect(boot.locator("pre").nth(1)).to_contain_text('"interval": 300')
    page.get_by_text("Filter, pause, download").click()
    page.locator("#kind").select_option("error")
    expect(page.locator("#frames li[data-kind=fault]")).to_have_count(2)
    expect(page.locator("#frames li")).to_have_count(2)
    page.locator("#kind").select_option("")
    page.locator("#direction").select_option("in")
    expect(page.locator("#frames li")).to_have_count(3)
    page.locator("#action").select_option("BootNotification")
    expect(page.locator("#frames li")).to_have_count(1)
    page.locator("#direction").select_option("")
    with page.expect_download() as download:
        page.get_by_role("button", name="Download").click()
    assert download.value.suggested_filename.endswith(".jsonl")
    call, answer = [json.loads(line) for line in Path(download.value.path()).read_text().splitlines()]
    assert (call["kind"], call["action"], call["direction"]) == ("CALL", "BootNotification", "out")
    assert (answer["kind"], answer["action"], answer["direction"]) == ("CALLRESULT", "BootNotification", "in")
    assert call["answered_ms"] >= 0


def test_a_moment_is_short_until_it_is_touched_and_exact_where_it_is_compared_or_printed(
    page: Page, station: Station
) -> None:
    page.goto(f"{station.url}/why")
    moment = page.locator("time").first
    expect(moment).to_have_text(re.compile(r"^(today|\d+ \w+,) \d\d:\d\d$"))
    moment.click()
    expect(moment).to_have_text(re.compile(r"\d{4}.* \d\d:\d\d:\d\d"))
    moment.click()
    expect(moment).to_have_text(re.compile(r" \d\d:\d\d$"))
    page.goto(f"{station.url}/transactions/7")
    for exact in page.locator(".messages time").all():
        expect(exact).to_have_text(re.compile(r"\d{4}.* \d\d:\d\d:\d\d"))
    page.goto(f"{station.url}/transactions/print")
    for dated in page.locator("main time").all():
        expect(dated).to_have_text(re.compile(r"^\d+ \w+ \d{4}, \d\d:\d\d$"))


def test_a_phone_shows_the_sessions_first_and_a_desk_the_filter_too(page: Page, station: Station) -> None:
    page.goto(f"{station.url}/transactions")
    expect(page.get_by_label("Until")).to_be_hidden()
    page.get_by_text("Filter, download, print").click()
    page.get_by_role("searchbox", name="Card").fill("04A1B2C5")
    page.get_by_role("button", name="Show").click()
    expect(page.get_by_role("searchbox", name="Card")).to_be_visible()  # what filters is seen
    expect(page.locator("main tr.leads")).to_have_count(1)
    month = page.get_by_role("link", name="This month")
    expect(month).to_have_attribute("href", re.compile(r"zone=\w+"))
    page.set_viewport_size({"width": 1280, "height": 800})
    page.goto(f"{station.url}/transactions")
    expect(page.get_by_label("Until")).to_be_visible()
    expect(page.get_by_text("Filter, download, print")).to_be_hidden()


def test_paper_is_white_for_those_who_look_at_dark_pages_too(page: Page, station: Station) -> None:
    page.goto(f"{station.url}/transactions/print")
    page.emulate_media(media="print", color_scheme="dark")
    written = page.evaluate("[getComputedStyle(document.body).color, getComputedStyle(document.body).backgroundColor]")
    assert written == ["rgb(0, 0, 0)", "rgb(255, 255, 255)"]


def test_a_given_up_message_is_sent_again(page: Page, station: Station) -> None:
    page.get_by_role("link", name="Sessions", exact=True).click()
    expect(page.get_by_text("given up: the backend answered InternalError three times")).to_be_visible()
    page.get_by_role("button", name="Send again").click()
    expect(page.locator("#reply")).to_have_text("resend 1 by admin")


def test_the_why_page_shows_what_a_backend_wrote_as_text(page: Page, station: Station) -> None:
    page.get_by_role("link", name="More").click()
    page.locator("main").get_by_role("link", name="Why something").click()
    expect(page.locator("main")).to_contain_text("<script>alert(1)</script>")
    expect(page.locator("main")).to_contain_text("RSV-04")


def test_the_admin_works_under_the_strict_policy(page: Page, station: Station) -> None:
    page.get_by_role("link", name="Cards").click()
    page.get_by_role("link", name="All tables").click()
    page.get_by_role("link", name="Local list").first.click()
    page.get_by_role("link", name="Add local list entry").first.click()
    page.locator("#id_id_tag").fill("ADMIN1")
    page.get_by_role("button", name="Save", exact=True).click()
    expect(page.get_by_role("link", name="ADMIN1", exact=True)).to_be_visible()


@pytest.mark.parametrize("table", ["transaction", "idtag", "reason", "securityevent"])
def test_a_list_of_the_admin_shows_every_column_on_a_phone(table: str, page: Page, station: Station) -> None:
    page.goto(f"{station.url}/admin/station/{table}/")
    cells = page.locator("#result_list tbody tr").first.locator("td, th")
    titles = page.locator("#result_list thead th .text").all_text_contents()
    assert cells.count() == len(titles) > 3
    for cell, title in zip(cells.all()[1:], titles[1:], strict=True):
        assert cell.get_attribute("data-label") == title.strip()
        box = cell.bounding_box()
        assert box is not None
        assert box["x"] >= 0
        assert box["x"] + box["width"] <= 360, title


@pytest.mark.parametrize(("scene", "word"), [("faulted", "Fault"), ("offline", "Paused by the station")])
def test_the_live_page_fits_in_every_state(page: Page, station: Station, scene: str, word: str) -> None:
    """While charging it is one of the pages of test_quality.py, as are all others."""
    station.play(scene)
    expect(page.locator("#word")).to_have_text(word)
    assert in_first_screen(page.locator("[data-t=sentence]"))
    assert in_first_screen(page.locator("[data-t=limit_sentence]"))
    assert too_wide(page) == []
    keep_pictures(page, f"live-{scene}")


@pytest.mark.parametrize(
    ("language", "energy", "queue", "next_try", "reservation", "lost"),
    [
        ("de", "2,87", "3 Nachrichten", "nächster Versuch in", "ihre Gruppe, bis 6. Mai 2030", "Verbindung verloren"),
        ("ko", "2.87", "메시지 3건", "초 후 재시도", "및 그 그룹, 2030년 5월 6일", "연결이 끊겼습니다"),
    ],
)
def test_what_the_scripts_write_is_in_the_language_of_the_page(
    page: Page, station: Station, language: str, energy: str, queue: str, next_try: str, reservation: str, lost: str
) -> None:
    """Words, dates and numbers, in a browser that is English."""
    sockets: list[WebSocketRoute] = []
    page.route_web_socket("**/ws/live", lambda socket: (sockets.append(socket), socket.connect_to_server())[1])
    page.goto(f"{station.url}/?language={language}")
    station.play("charging")
    expect(page.locator("[data-t=session_energy]")).to_have_text(energy)
    station.play("reserved")
    expect(page.locator("#reservation")).to_contain_text(reservation)
    station.play("offline")
    expect(page.locator("[data-t=link_word]")).to_contain_text(next_try)
    expect(page.locator("[data-t=queue]")).to_have_text(queue)
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    sockets[0].close()
    expect(page.locator("#stale")).to_contain_text(lost)
