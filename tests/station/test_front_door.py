"""With HTTPS: plain HTTP shows the landing page, answers the phones' probes and redirects; the pages are behind TLS."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from django.test import Client, override_settings

from station import front_door
from station.web_certificate import certificate

PHONE = {"SERVER_NAME": "10.42.0.1", "SERVER_PORT": "80", "REMOTE_ADDR": "10.42.0.17"}


@pytest.fixture
def secure() -> Iterator[None]:
    certificate().ensure()
    with override_settings(HTTPS_PORT=8443):
        yield


@pytest.fixture
def phone(secure: None) -> Client:
    return Client(**PHONE)


def test_without_https_nothing_changes(client: Client) -> None:
    assert client.get("/login").status_code == 200
    assert client.get("/generate_204").status_code in (302, 404)


def test_every_address_leads_to_https(phone: Client) -> None:
    answer = phone.get("/transactions?page=2", headers={"host": "localhost:8080"})
    assert (answer.status_code, answer["Location"]) == (302, "https://localhost:8443/transactions?page=2")
    answer = phone.get("/x", headers={"host": "[::1]"})
    assert answer["Location"] == "https://[::1]:8443/x"
    with override_settings(HTTPS_PORT=443):
        assert Client(**PHONE).get("/why", headers={"host": "localhost"})["Location"] == "https://localhost/why"


def test_the_landing_page_is_plain_and_tells_who_this_is(phone: Client) -> None:
    answer = phone.get("/", headers={"host": "localhost"})
    page = answer.content.decode()
    assert answer.status_code == 200
    assert certificate().show().fingerprint in page.replace("<wbr>", "")
    assert '<b class="address">https://localhost:8443/</b>' in page
    assert 'href="/continue"' in page
    assert "pages itself" in page
    assert "<script" not in page
    assert "<form" not in page
    assert not answer.cookies


def test_the_landing_page_speaks_the_language_of_the_phone(phone: Client) -> None:
    page = phone.get("/", headers={"host": "localhost", "accept-language": "ko-KR"}).content.decode()
    assert '<html lang="ko">' in page
    assert "계속" in page


def test_the_landing_page_does_not_call_an_own_certificate_self_made(phone: Client) -> None:
    certificate().install(certificate().path.read_text())
    page = phone.get("/", headers={"host": "localhost"}).content.decode()
    certificate().remove()
    assert "pages itself" not in page


def test_foreign_names_come_to_the_landing_page_by_an_address(phone: Client) -> None:
    answer = phone.get("/anything", headers={"host": "www.example.com"})
    assert (answer.status_code, answer["Location"]) == (302, "http://10.42.0.1/")


@pytest.mark.parametrize("path", front_door.PROBES)
def test_a_phone_sees_the_landing_page_until_the_person_continues(phone: Client, path: str) -> None:
    host = {"host": "captive.apple.com"}
    assert phone.get(path, headers=host)["Location"] == "http://10.42.0.1/"
    page = phone.get("/continue", headers={"host": "localhost"}).content.decode()
    assert "stay on this WiFi" in page
    assert "<b>https://localhost:8443/</b>" in page
    answer = phone.get(path, headers=host)
    assert (answer.status_code, answer.content) == (200 if front_door.PROBES[path] else 204, front_door.PROBES[path])
    assert phone.get(path, headers=host, REMOTE_ADDR="10.42.0.18").status_code == 302


#: System → the request by which it looks for the internet (host, path, what its browser calls itself), and what it
#: takes for "online": status and a part of the body.
SYSTEMS = {
    "iOS, macOS": ("captive.apple.com", "/hotspot-detect.html", "CaptiveNetworkSupport-471", 200, b"<TITLE>Success<"),
    "older Apple": ("www.apple.com", "/library/test/success.html", "CaptiveNetworkSupport", 200, b"<BODY>Success<"),
    "Android": ("connectivitycheck.gstatic.com", "/generate_204", "Dalvik/2.1.0 (Linux; U; Android 14)", 204, b""),
    "Android, plain": ("www.google.com", "/gen_204", "Mozilla/5.0 (X11; Linux x86_64)", 204, b""),
    "ChromeOS": ("clients3.google.com", "/generate_204", "Mozilla/5.0 (X11; CrOS)", 204, b""),
    "Windows": ("www.msftconnecttest.com", "/connecttest.txt", "Microsoft NCSI", 200, b"Microsoft Connect Test"),
    "older Windows": ("www.msftncsi.com", "/ncsi.txt", "Microsoft NCSI", 200, b"Microsoft NCSI"),
    "Firefox": ("detectportal.firefox.com", "/success.txt?ipv4", "Mozilla/5.0 Firefox/140.0", 200, b"success"),
    "Firefox, page": ("detectportal.firefox.com", "/canonical.html", "Mozilla/5.0 Firefox/140.0", 200, b"captive-por"),
    "GNOME": ("nmcheck.gnome.org", "/check_network_status.txt", "", 200, b"NetworkManager is online"),
}  # fmt: skip


@pytest.mark.parametrize("system", SYSTEMS)
def test_each_system_opens_the_landing_page_by_itself_and_stays_joined_after_continue(
    phone: Client, system: str
) -> None:
    host, path, agent, status, body = SYSTEMS[system]
    asked = {"host": host, "user-agent": agent}
    first = phone.get(path, headers=asked)
    assert (first.status_code, first["Location"]) == (302, "http://10.42.0.1/"), "not what it takes for online"
    page = phone.get("/", headers={"host": "10.42.0.1", "user-agent": agent})
    assert page.status_code == 200
    assert 'href="/continue"' in page.content.decode()
    assert "https://10.42.0.1:8443/" in page.content.decode(), "the number is seen: names often fail on a hotspot"
    assert phone.get(path, headers=asked).status_code == 302, "the page alone is no consent"
    phone.get("/continue", headers={"host": "10.42.0.1", "user-agent": agent})
    again = phone.get(path, headers=asked)
    assert again.status_code == status
    assert body in again.content
    assert again["Cache-Control"] == first["Cache-Control"] == "no-store", "the next look has to ask again"
    assert phone.head(path, headers=asked).status_code == status


def test_windows_opens_its_browser_on_an_address_of_its_own(phone: Client) -> None:
    answer = phone.get("/redirect", headers={"host": "www.msftconnecttest.com"})
    assert (answer.status_code, answer["Location"]) == (302, "http://10.42.0.1/")


@pytest.mark.parametrize(
    ("agent", "href"),
    [
        ("Mozilla/5.0 (Linux; Android 14; Pixel 8; wv)", "intent://10.42.0.1:8443/#Intent;scheme=https;"),
        ("Mozilla/5.0 (iPhone; CPU iPhone OS 18_0 like Mac OS X)", "https://10.42.0.1:8443/"),
    ],
)
def test_after_continue_a_button_leads_into_the_browser(phone: Client, agent: str, href: str) -> None:
    page = phone.get("/continue", headers={"host": "10.42.0.1", "user-agent": agent}).content.decode()
    assert f'class="button main" href="{href}' in page
    assert "<script" not in page


def test_nothing_is_taken_over_plain_http(phone: Client) -> None:
    assert (
        phone.post("/login", {"username": "admin", "password": "x"}, headers={"host": "localhost"}).status_code == 403
    )


def test_programs_of_this_computer_still_ask_for_its_health(secure: None) -> None:
    client = Client()
    assert client.get("/healthz").status_code == 200
    assert client.get("/healthz", REMOTE_ADDR="192.0.2.1").status_code == 302


def test_the_host_check_counts_for_https_as_well(secure: None) -> None:
    client = Client()
    assert client.get("/login", secure=True).status_code == 200
    assert client.get("/login", secure=True, headers={"host": "evil.example"}).status_code == 400


def test_the_label_shows_address_fingerprint_and_codes(secure: None, inside: Client) -> None:
    page = inside.get("/label", secure=True).content.decode()
    assert certificate().show().fingerprint in page.replace("<wbr>", "")
    assert page.count('<svg viewBox="') + page.count('class="qr"') >= 1
    assert "style=" not in page


def test_the_label_installs_an_own_certificate_or_says_why_not(secure: None, inside: Client) -> None:
    former = certificate().show()
    text = certificate().path.read_text()
    refused = inside.post("/label", {"text": "nonsense"}, secure=True)
    assert refused.status_code == 422
    assert "no readable certificate" in refused.content.decode()
    inside.post("/label", {"make": "yes"}, secure=True)
    assert certificate().show().fingerprint != former.fingerprint
    inside.post("/label", {"text": text}, secure=True)
    assert certificate().show().fingerprint == former.fingerprint
    assert certificate().show().is_own
    inside.post("/label", {"remove": "yes"}, secure=True)
    assert not certificate().show().is_own
