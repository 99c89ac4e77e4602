"""The pages: nobody gets in without a login, nothing foreign runs in them, and they show what the tables hold."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from channels.layers import channel_layers, get_channel_layer
from django.conf import settings
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import Client
from django.urls import URLPattern, URLResolver, get_resolver, reverse

from ocppclient.events import Explain
from ocppclient.storable import tag_key
from ocppclient.store import IdTagEntry, QueuedCall, Transaction
from station import provisioning
from station.live import STATION
from station.models import IdTag
from tests.appliance import disk_store

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
#: What strangers may see.
OPEN = {
    "/login",
    "/driver",
    "/healthz",
    "/network/keep/1",
    "/.well-known/security.txt",
    "/driver/receipt/1",
    "/words/1.js",
}
#: Of these what is not there: nobody has named a contact, no session has this number, no language this name.
EMPTY = {"/.well-known/security.txt", "/driver/receipt/1", "/words/1.js"}
#: What programs ask: strangers get 401 instead of the login page.
MACHINES = {"/readyz", "/metrics"}
PAGES = ["/", "/frames", "/transactions", "/why"]
NASTY = '<script>alert("x")</script>'


def all_routes(patterns: list[URLPattern | URLResolver], prefix: str = "/") -> Iterator[str]:
    """Every address of the site, its parameters filled in."""
    for pattern in patterns:
        route = prefix + re.sub(r"<[^>]*>", "1", str(pattern.pattern)).replace("^", "").replace("$", "")
        if isinstance(pattern, URLResolver):
            yield from all_routes(pattern.url_patterns, route)
        else:
            yield route


def test_every_route_but_the_open_ones_needs_a_login(client: Client) -> None:
    routes = sorted(set(all_routes(get_resolver().url_patterns)))
    assert len(routes) > 15
    assert set(PAGES) | OPEN <= set(routes)
    for route in routes:
        for answer in (client.get(route, REMOTE_ADDR="192.0.2.1"), client.post(route, REMOTE_ADDR="192.0.2.1")):
            if route in EMPTY:
                assert answer.status_code in (404, 405)
            elif route in OPEN:
                assert answer.status_code in (200, 405), route
            elif route in MACHINES or route.startswith("/api/v1/"):
                assert answer.status_code in (401, 405), route
            else:
                assert answer.status_code in (302, 404, 405), route
                assert answer.status_code != 302 or answer["Location"].startswith(("/login", "/admin/login/")), route


@pytest.mark.parametrize("path", [*PAGES, "/login", "/healthz", "/static/station/station.css", "/nowhere", "/admin/"])
def test_every_answer_forbids_what_is_not_our_own(path: str, inside: Client) -> None:
    answer = inside.get(path)
    policy = answer["Content-Security-Policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert "frame-ancestors 'none'" in policy
    assert answer["X-Content-Type-Options"] == "nosniff"
    if not path.startswith("/static/"):
        assert "no-store" in answer["Cache-Control"] or path == "/admin/"
        assert answer["X-Frame-Options"] == "DENY"


@pytest.mark.parametrize("path", [*PAGES, "/login", "/admin/", "/admin/station/idtag/"])
def test_pages_hold_no_inline_code_and_nothing_foreign(path: str, inside: Client, client: Client) -> None:
    page = (client if path == "/login" else inside).get(path).content.decode()
    assert not re.search(r"<style|\sstyle=|\son\w+=", page)
    for script in re.findall(r"<script[^>]*>", page):
        assert 'src="/' in script
    for address in re.findall(r'(?:src|href|action)="([^"]*)"', page):
        assert not re.match(r"(https?:)?//", address), address


def test_a_foreign_host_is_refused(client: Client) -> None:
    assert client.get("/healthz", headers={"host": "evil.example"}).status_code == 400
    for host in ("localhost", "127.0.0.1:8080", "[::1]:8080"):
        assert client.get("/healthz", headers={"host": host}).status_code == 200


def test_healthz_tells_strangers_nothing_but_that_it_lives(client: Client) -> None:
    answer = client.get("/healthz")
    assert (answer.status_code, answer.json()) == (200, {"status": "ok"})


def test_logging_in_and_out(client: Client, user: User) -> None:
    answer = client.post("/login", {"username": "admin", "password": "wrong"})
    assert "do not belong together" in answer.content.decode()
    answer = client.post("/login?next=/why", {"username": "admin", "password": "correct horse", "next": "/why"})
    assert (answer.status_code, answer["Location"]) == (302, "/why")
    cookie = answer.cookies[settings.SESSION_COOKIE_NAME]
    assert cookie["httponly"]
    assert cookie["samesite"] == "Strict"
    assert client.get("/").status_code == 200
    assert client.post("/logout").status_code == 302
    assert client.get("/").status_code == 302


def test_a_login_without_its_token_is_refused(user: User) -> None:
    strict = Client(enforce_csrf_checks=True)
    assert strict.post("/login", {"username": "admin", "password": "correct horse"}).status_code == 403


def test_a_session_lives_on_with_activity_and_without_a_write_for_every_request(inside: Client) -> None:
    inside.get("/session")
    session = Session.objects.get()
    inside.get("/session")
    assert Session.objects.get().expire_date == session.expire_date
    Session.objects.update(session_data=Session.objects.model.objects.encode({**session.get_decoded(), "seen_at": 1}))
    inside.get("/session")
    assert Session.objects.get().expire_date > session.expire_date
    Session.objects.update(expire_date=NOON)
    assert inside.get("/session").status_code == 302


def test_static_files_come_without_a_login_and_without_a_build_step(client: Client) -> None:
    for name in ("station.css", "dashboard.js", "frames.js", "icons.svg"):
        answer = client.get(f"/static/station/{name}")
        assert answer.status_code == 200, name
        assert not answer.streaming
    assert client.get("/static/admin/css/base.css").status_code == 200
    assert client.get("/static/../manage.py").status_code in (302, 404)


def test_the_dashboard_names_every_script_that_its_script_imports(inside: Client) -> None:
    def imported(name: str) -> set[str]:
        text = (settings.BASE_DIR / "static" / "station" / name).read_text()
        found = set(re.findall(r'from "\./(\w+\.js)"', text))
        return found.union(*map(imported, found))

    page = inside.get("/").content.decode()
    assert set(re.findall(r'modulepreload" href="/static/station/(\w+\.js)"', page)) == imported("dashboard.js")


def test_static_files_travel_compressed_to_who_can_read_that(client: Client) -> None:
    address = "/static/vendor/uplot/uPlot.iife.min.js"
    whole = client.get(address)
    assert "Content-Encoding" not in whole.headers
    packed = client.get(address, headers={"Accept-Encoding": "gzip, br"})
    assert packed["Content-Encoding"] == "gzip"
    assert packed["Vary"] == whole["Vary"] == "Accept-Encoding"
    assert gzip.decompress(packed.content) == whole.content
    assert int(packed["Content-Length"]) == len(packed.content) < len(whole.content) / 2
    again = client.get(address, headers={"Accept-Encoding": "gzip", "If-None-Match": packed["ETag"]})
    assert (again.status_code, again.content) == (304, b"")
    part = client.get(address, headers={"Accept-Encoding": "gzip", "Range": "bytes=10-19"})
    assert (part.status_code, part.content) == (206, whole.content[10:20])


def fill() -> None:
    store = disk_store()
    store.save_transaction(
        Transaction(
            uid="u1", connector_id=1, id_tag=NASTY, meter_start_wh=1000, started_at=NOON, transaction_id=0,
            start_delivered=True, stopped_at=NOON + timedelta(hours=1, minutes=5), meter_stop_wh=8321,
            reason="EVDisconnected",
        )
    )  # fmt: skip
    store.save_transaction(Transaction(uid="u2", connector_id=1, id_tag="B", meter_start_wh=8321, started_at=NOON))
    store.enqueue(QueuedCall("StartTransaction", "{}", ("m1",), transaction_uid="u2"))
    store.enqueue(QueuedCall("MeterValues", "{}", ("m2",), transaction_uid="u2", parked_reason=f"refused {NASTY}"))
    store.enqueue(QueuedCall("SecurityEventNotification", "{}", ("m3",)))
    store.add_reason(Explain("ReserveNow", "Rejected", f"A rule {NASTY}", f"value {NASTY}", "RSV-01"), NOON)


def test_the_sessions_page_shows_energy_end_and_undelivered_messages(inside: Client) -> None:
    fill()
    page = inside.get("/transactions").content.decode()
    assert "7.321" in page
    assert "1 h 05 min" in page
    assert "car unplugged" in page
    assert "number 0" in page
    assert "1 message to send" in page
    assert 'data-resend="2"' in page
    assert "SecurityEventNotification" in page


@pytest.mark.parametrize("path", [*PAGES, "/transactions/latest"])
def test_what_strangers_wrote_is_text_never_markup(path: str, inside: Client) -> None:
    fill()
    page = inside.get(path).content.decode()
    assert NASTY not in page
    if path not in ("/frames", "/transactions/latest", "/"):
        assert "&lt;script&gt;" in page


def test_the_why_page_shows_rule_value_and_clause(inside: Client) -> None:
    fill()
    page = inside.get("/why").content.decode()
    for part in ("ReserveNow", "Rejected", "A rule", "RSV-01"):
        assert part in page


def test_long_lists_are_paged(inside: Client) -> None:
    store = disk_store()
    with store.atomic():
        for number in range(120):
            store.add_reason(Explain("X", "Rejected", f"rule {number}"), NOON)
    assert "1 of 3" in inside.get("/why").content.decode()
    assert "rule 0<" in inside.get("/why?page=3").content.decode()
    assert inside.get("/why?page=nonsense").status_code == 200


def test_empty_pages_say_what_will_appear(inside: Client) -> None:
    assert "No sessions yet" in inside.get("/transactions").content.decode()
    assert "Nothing was refused yet" in inside.get("/why").content.decode()


def test_a_page_that_does_not_exist_says_so(inside: Client) -> None:
    answer = inside.get("/nowhere")
    assert answer.status_code == 404
    assert "Back to the live page" in answer.content.decode()


# -- the local list in the admin


def list_entry(source: str, id_tag: str = "CARD") -> IdTag:
    disk_store().save_list_entry(IdTagEntry(id_tag, "Accepted", source))
    return IdTag.objects.get(source=source)


def commands_at_the_station() -> list[str]:
    queue = get_channel_layer().channels.get(STATION)
    found = []
    while queue and not queue.empty():
        found.append(queue.get_nowait()[1]["command"])
    return found


def test_an_entry_added_in_the_admin_is_found_by_the_station(inside: Client) -> None:
    channel_layers.backends.clear()
    form = {"id_tag": "AbCd", "status": "Blocked", "parent_id_tag": "", "note": "spare"}
    answer = inside.post(reverse("admin:station_idtag_add"), form)
    assert answer.status_code == 302, answer.content.decode()
    found = disk_store().list_entry("aBCD")
    assert found is not None
    assert (found.status, found.source, found.note) == ("Blocked", "station", "spare")
    assert IdTag.objects.get().key == tag_key("AbCd")
    assert commands_at_the_station() == ["settings"]


def test_an_entry_cannot_be_added_twice(inside: Client) -> None:
    list_entry("station", "CARD")
    form = {"id_tag": "card", "status": "Accepted", "parent_id_tag": "", "note": ""}
    answer = inside.post(reverse("admin:station_idtag_add"), form)
    assert answer.status_code == 200
    assert "is in the list already" in answer.content.decode()


def test_entries_of_the_backend_are_read_only_while_there_is_a_backend(inside: Client) -> None:
    """LAL-01"""
    entry = list_entry("backend")
    address = reverse("admin:station_idtag_change", args=[entry.pk])
    form = {"id_tag": "CARD", "status": "Blocked", "parent_id_tag": "", "note": ""}
    sections = {"backend": {"url": "ws://b/", "charge_point_id": "x"}}
    provisioning.apply(
        provisioning.Provision(sections=sections, web=provisioning.WebSettings("a", provisioning.Secret("b")))
    )
    assert inside.post(address, form).status_code == 403
    assert inside.post(reverse("admin:station_idtag_delete", args=[entry.pk]), {"post": "yes"}).status_code == 403
    assert IdTag.objects.get().status == "Accepted"


def test_without_a_backend_the_admin_edits_everything(inside: Client) -> None:
    entry = list_entry("backend")
    form = {"id_tag": "CARD", "status": "Blocked", "parent_id_tag": "", "note": ""}
    assert inside.post(reverse("admin:station_idtag_change", args=[entry.pk]), form).status_code == 302
    assert IdTag.objects.get().status == "Blocked"


def test_the_cache_is_not_in_the_list(inside: Client) -> None:
    disk_store().save_cache_entry(IdTagEntry("CACHED", "Accepted", "cache"))
    assert "CACHED" not in inside.get(reverse("admin:station_idtag_changelist")).content.decode()


def test_the_admin_uses_the_one_login_page(client: Client, user: User) -> None:
    answer = client.get("/admin/", follow=True)
    assert answer.redirect_chain[-1][0].startswith("/login?next=")
    address, page = answer.redirect_chain[-1][0], answer.content.decode()
    wanted = re.search(r'name="next" value="([^"]*)"', page)
    assert wanted
    answer = client.post(address, {"username": "admin", "password": "correct horse", "next": wanted[1]}, follow=True)
    assert answer.redirect_chain[-1][0] == "/admin/"
    assert answer.status_code == 200


def test_who_may_not_see_the_admin_is_told_so_without_a_loop(client: Client) -> None:
    client.force_login(User.objects.create_user("viewer"))
    assert client.get("/admin/", follow=True).status_code == 200
    assert "Cards" not in client.get("/").content.decode()
