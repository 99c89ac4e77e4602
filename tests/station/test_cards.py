"""The cards: pages for people, the admin, CSV in both directions; what they change is known to the station at once."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from channels.layers import channel_layers
from django.contrib.auth.models import User
from django.core.cache import cache
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from ocppclient.events import Explain
from ocppclient.store import IdTagEntry
from station import provisioning
from station.models import IdTag
from tests.appliance import disk_store
from tests.ocppclient.harness import Bench
from tests.station.test_pages import NASTY, commands_at_the_station

NOW = datetime.now(UTC)
ADD, CHANGELIST = reverse("admin:station_idtag_add"), reverse("admin:station_idtag_changelist")


@pytest.fixture(autouse=True)
def _silence() -> None:
    channel_layers.backends.clear()
    cache.clear()


def put(id_tag: str, source: str = "station", **more: Any) -> IdTag:
    store, entry = disk_store(), IdTagEntry(**{"id_tag": id_tag, "status": "Accepted", "source": source, **more})
    (store.save_cache_entry if source == "cache" else store.save_list_entry)(entry)
    return IdTag.objects.get(source=source, id_tag=id_tag)


def refuse(id_tag: str, rule: str = "Unknown cards may not start now.", clause: str = "AUT-06") -> None:
    disk_store().add_reason(Explain("card", "refused", rule, id_tag, clause), NOW)


def configure(**sections: dict[str, Any]) -> None:
    web = provisioning.WebSettings("owner", provisioning.Secret("b"))
    provisioning.apply(provisioning.Provision(sections=sections, web=web))


def with_backend() -> None:
    configure(backend={"url": "ws://b/", "charge_point_id": "x"})


def fields(**more: str) -> dict[str, str]:
    return {"id_tag": "CARD", "status": "Accepted", "parent_id_tag": "", "note": "", "expiry_date": "", **more}


def text_of(answer: Any) -> str:
    return answer.content.decode()


def page(inside: Client, address: str = "/cards") -> str:
    answer = inside.get(address)
    assert answer.status_code == 200
    return text_of(answer)


# -- the page


def test_the_list_and_the_cache_are_shown_with_their_verdicts(inside: Client) -> None:
    put("LISTED", note="Bob", parent_id_tag="FLEET")
    put("BLOCKED", "backend", status="Blocked")
    put("OLD", expiry_date=NOW - timedelta(days=1))
    put("CACHED", "cache", status="Invalid")
    shown = page(inside)
    for verdict in ("may charge", "blocked", "expired", "not valid"):
        assert f">{verdict}</span>" in shown
    for origin in ("added here", "from the backend", "remembered from the backend", "group FLEET", "Bob"):
        assert origin in shown


def test_an_entry_that_does_not_count_says_so(inside: Client) -> None:
    put("A")
    put("A", "backend")
    put("a", "cache")
    shown = page(inside)
    assert shown.count("the backend's entry wins") + shown.count("the backend&#x27;s entry wins") == 1
    assert shown.count("the list's entry wins") == 1


@pytest.mark.parametrize(
    ("query", "found"),
    [("?q=ab1", {"AB12"}), ("?q=fleet", {"CD34"}), ("?q=bob", {"EF56"}), ("?q=zzz", set()),
     ("?show=cache", {"CACHED"}), ("?show=list", {"AB12", "CD34", "EF56"}), ("?show=list&q=c", {"CD34"})],
)  # fmt: skip
def test_cards_are_found_by_number_group_and_note(inside: Client, query: str, found: set[str]) -> None:
    put("AB12")
    put("CD34", parent_id_tag="FLEET")
    put("EF56", note="Bob")
    put("CACHED", "cache")
    shown = page(inside, f"/cards{query}")
    assert {tag for tag in ("AB12", "CD34", "EF56", "CACHED") if f"<b>{tag}</b>" in shown} == found
    assert ("No card fits" in shown) == (not found)


def test_a_long_list_is_paged_and_the_search_stays(inside: Client) -> None:
    disk_store().replace_backend_list([IdTagEntry(f"CARD{number:03}", "Accepted", "backend") for number in range(120)])
    shown = page(inside, "/cards?q=card&show=list")
    assert "1 of 3" in shown
    (more,) = re.findall(r'href="([^"]*page=2[^"]*)"', shown)
    assert "<b>CARD050</b>" in page(inside, "/cards" + more.replace("&amp;", "&"))
    assert "q=card" in more


def test_an_empty_page_says_what_to_do(inside: Client) -> None:
    assert "No cards yet" in page(inside)


@pytest.mark.parametrize(
    ("sections", "sentence"),
    [
        ({}, "No backend is configured: this list decides"),
        ({"ocpp": {"LocalAuthorizeOffline": False}}, "may not start without one"),
        ({"ocpp": {"LocalAuthListEnabled": False}}, "switched off"),
        ({"factory": {"feature_profiles": ["Core"]}}, "switched off"),
        ({"ocpp": {"AllowOfflineTxForUnknownId": True}}, "Cards that nobody knows may charge too"),
        (
            {"backend": {"url": "ws://b/", "charge_point_id": "x"}},
            "is asked about every card. When it cannot be reached, this list decides",
        ),
        (
            {"backend": {"url": "ws://b/", "charge_point_id": "x"}, "ocpp": {"LocalPreAuthorize": "true"}},
            "Cards of the list start at once",
        ),
    ],
)
def test_the_page_says_when_the_list_decides(inside: Client, sections: Any, sentence: str) -> None:
    configure(identity={"model": "X"}, **sections)
    assert sentence in page(inside)


def test_what_the_backend_changed_counts_more_than_what_the_factory_fixed(inside: Client) -> None:
    configure(ocpp={"LocalAuthListEnabled": True})
    disk_store().set_value("key.LocalAuthListEnabled", "false")
    assert "switched off" in page(inside)


def test_cards_refused_lately_can_be_added(inside: Client) -> None:
    put("LISTED")
    for tag in ("NEW1", "LISTED", "new1", "NEW2", "'\\xfc'" + "x" * 20):
        refuse(tag)
    refuse("FAULTED", "This station has a fault.", "STA-13")
    refuse("A B&C", "The backend answered Invalid.", "AUT-21")
    shown = page(inside)
    assert re.findall(r'aria-label="Add ([^"]*)"', shown) == ["A B&amp;C", "NEW2", "new1"]
    (address,) = re.findall(r'href="([^"]*)" aria-label="Add A B', shown)
    assert 'value="A B&amp;C"' in page(inside, address)


@pytest.mark.parametrize("path", ["/cards", "/cards/import", "/cards/import/preview", "/cards/add?id_tag=" + NASTY])
def test_cards_pages_hold_no_inline_code_and_what_strangers_wrote_is_text(inside: Client, path: str) -> None:
    put("X", note=NASTY, parent_id_tag="<b>")
    refuse("<i>", NASTY)
    inside.post("/cards/import", {"file": SimpleUploadedFile(f"{NASTY}.csv", f"<u>,,,,{NASTY}\n,{NASTY}".encode())})
    shown = page(inside, path)
    assert NASTY not in shown
    assert not re.search(r"<style|\sstyle=|\son\w+=|<[iu]>", shown)
    assert inside.get(path)["Content-Security-Policy"]


# -- who may


def test_who_has_no_rights_sees_no_cards(client: Client) -> None:
    client.force_login(User.objects.create_user("viewer"))
    for address in ("/cards", "/cards/add", "/cards/import", "/cards/import/preview", "/cards/export"):
        answer = client.get(address)
        assert answer.status_code == 403, address
        assert "This needs the role operator; you have no role on this station." in text_of(answer)
    assert client.post("/cards/add", fields()).status_code == 403
    assert IdTag.objects.count() == 0


@pytest.mark.parametrize("path", ["/cards/add", "/cards/import", "/cards/import/preview", "/cards/1"])
def test_a_form_without_its_token_is_refused(user: User, path: str) -> None:
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(user)
    assert strict.post(path, fields()).status_code == 403


# -- adding, changing, removing


def test_a_card_added_on_the_page_is_known_to_the_station_at_once(inside: Client) -> None:
    bench = Bench({"LocalAuthorizeOffline": "true", "AllowOfflineTxForUnknownId": "false"}, store=disk_store())
    bench.read()
    bench.swipe("card")
    assert bench.feedback()[-1] == "rejected"
    answer = inside.post("/cards/add", fields(id_tag=" CARD ", note="Bob"), follow=True)
    assert "CARD is saved: may charge." in text_of(answer)
    assert commands_at_the_station() == ["settings"]
    bench.swipe("card")
    assert bench.feedback()[-1] == "accepted"


@pytest.mark.parametrize("address", ["/cards/add", ADD])
@pytest.mark.parametrize(
    ("wrong", "sentence"),
    [
        ({"id_tag": ""}, "This field is required"),
        ({"id_tag": "X" * 21}, "at most 20 characters"),
        ({"id_tag": "Müller"}, "holds the character"),
        ({"id_tag": "A\tB"}, "holds the character"),
        ({"id_tag": "here"}, "is in the list already"),
        ({"parent_id_tag": "P" * 21}, "at most 20 characters"),
        ({"parent_id_tag": "Gruppe ü"}, "It holds the character"),
        ({"note": "n" * 101}, "at most 100 characters"),
        ({"status": "Fine"}, "is not one of the available choices"),
    ],
)
def test_what_does_not_fit_is_told_and_not_saved(inside: Client, address: str, wrong: Any, sentence: str) -> None:
    put("HERE")
    answer = inside.post(address, fields(**wrong))
    assert answer.status_code == 200
    assert sentence in text_of(answer)
    assert IdTag.objects.count() == 1
    assert commands_at_the_station() == []


def test_an_expiry_that_is_no_date_is_told(inside: Client) -> None:
    assert "Enter a valid date/time" in text_of(inside.post("/cards/add", fields(expiry_date="31.12.")))


@pytest.mark.parametrize("in_admin", [True, False])
def test_an_expiry_in_the_past_is_saved_with_a_warning(inside: Client, in_admin: bool) -> None:
    if in_admin:
        form = fields(expiry_date_0="2020-01-02", expiry_date_1="03:04:05")
    else:
        form = fields(expiry_date="2020-01-02T03:04:05")
    answer = inside.post(ADD if in_admin else "/cards/add", form, follow=True)
    assert "CARD has expired already, at 2020-01-02 03:04 UTC." in text_of(answer)
    assert IdTag.objects.get().expiry_date == datetime(2020, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_a_card_that_the_backend_lists_too_is_saved_with_a_warning(inside: Client) -> None:
    put("card", "backend", status="Blocked")
    answer = inside.post("/cards/add", fields(), follow=True)
    assert "the backend" in text_of(answer)
    assert "entry wins." in text_of(answer)
    assert IdTag.objects.count() == 2


def test_a_card_is_changed_and_removed_on_its_page(inside: Client) -> None:
    entry = put("CARD", expiry_date=datetime(2090, 1, 2, 3, 4, 5, tzinfo=UTC))
    shown = page(inside, f"/cards/{entry.pk}")
    assert 'value="2090-01-02T03:04:05"' in shown
    inside.post(f"/cards/{entry.pk}", fields(id_tag="card2", status="Blocked"))
    found = disk_store().list_entry("CARD2")
    assert found is not None
    assert (found.status, found.expiry_date) == ("Blocked", None)
    answer = inside.post(f"/cards/{entry.pk}", {"delete": "yes"}, follow=True)
    assert "was removed from the list" in text_of(answer)
    assert IdTag.objects.count() == 0
    assert commands_at_the_station() == ["settings", "settings"]


def test_neither_the_cache_nor_the_backends_entries_are_edited_here(inside: Client) -> None:
    with_backend()
    entries = [put("A", "backend"), put("B", "cache")]
    shown = page(inside)
    for entry in entries:
        assert f"/cards/{entry.pk}" not in shown
        assert inside.post(f"/cards/{entry.pk}", fields()).status_code == 404
        assert inside.post(f"/cards/{entry.pk}", {"delete": "yes"}).status_code == 404
    assert IdTag.objects.count() == 2


@pytest.mark.parametrize("in_admin", [True, False])
def test_without_a_backend_an_edited_entry_becomes_the_stations_own(inside: Client, in_admin: bool) -> None:
    bench = Bench(store=disk_store()).ready()
    items = [{"idTag": tag, "idTagInfo": {"status": "Accepted"}} for tag in ("CARD", "OTHER")]
    bench.call("SendLocalList", listVersion=4, updateType="Full", localAuthorizationList=items)
    assert bench.call("GetLocalListVersion")[2] == {"listVersion": 4}
    entry = IdTag.objects.get(id_tag="CARD")
    address = reverse("admin:station_idtag_change", args=[entry.pk]) if in_admin else f"/cards/{entry.pk}"
    form = fields(status="Blocked", expiry_date_0="", expiry_date_1="")
    assert inside.post(address, form).status_code == 302
    assert [(row.id_tag, row.source) for row in IdTag.objects.order_by("key")] == [
        ("CARD", "station"), ("OTHER", "backend"),
    ]  # fmt: skip
    assert bench.call("GetLocalListVersion")[2] == {"listVersion": 0}


# -- the admin


def test_the_admin_finds_and_filters_entries(inside: Client) -> None:
    put("AB12", "backend", status="Blocked")
    put("CD34", parent_id_tag="FLEET")
    for query, found in (
        ("?q=ab1", {"AB12"}),
        ("?q=fleet", {"CD34"}),
        ("?status__exact=Blocked", {"AB12"}),
        ("?source=station", {"CD34"}),
        ("", {"AB12", "CD34"}),
    ):
        shown = page(inside, CHANGELIST + query)
        assert {tag for tag in ("AB12", "CD34") if f">{tag}</a>" in shown} == found, query
    for address in (reverse("cards"), reverse("cards_export"), reverse("cards_import")):
        assert f'href="{address}"' in page(inside, CHANGELIST)


def test_a_read_only_entry_says_why_in_the_admin(inside: Client) -> None:
    with_backend()
    shown = page(inside, reverse("admin:station_idtag_change", args=[put("A", "backend").pk]))
    assert "only the backend changes it" in shown
    assert 'name="status"' not in shown


def test_the_admin_deletes_many_but_none_of_the_backends(inside: Client) -> None:
    with_backend()
    rows = [put("A"), put("B"), put("C", "backend")]
    action = {"action": "delete_selected", "post": "yes"}
    inside.post(CHANGELIST, {**action, "_selected_action": [row.pk for row in rows]})
    assert IdTag.objects.filter(source="backend").exists()
    inside.post(CHANGELIST, {**action, "_selected_action": [row.pk for row in rows[:2]]})
    assert [row.id_tag for row in IdTag.objects.all()] == ["C"]
    assert commands_at_the_station()[-1] == "settings"


# -- export and import


def test_the_export_is_a_csv_file_of_the_list_without_the_cache(inside: Client) -> None:
    put("B", "backend", status="Blocked")
    put("A", note="=1+1")
    put("K", "cache")
    answer = inside.get("/cards/export")
    assert answer["Content-Type"] == "text/csv; charset=utf-8"
    assert re.fullmatch(r'attachment; filename="cards-\d{4}-\d\d-\d\d\.csv"', answer["Content-Disposition"])
    assert text_of(answer) == (
        "id_tag,status,parent_id_tag,expiry_date,note,source\r\nA,Accepted,,,'=1+1,station\r\nB,Blocked,,,,backend\r\n"
    )


def upload(inside: Client, data: bytes, name: str = "cards.csv") -> Any:
    return inside.post("/cards/import", {"file": SimpleUploadedFile(name, data)}, follow=True)


def digest(shown: str) -> str:
    (found,) = re.findall(r'name="digest" value="(\w+)"', shown)
    return found


def test_an_import_is_shown_first_and_done_when_it_is_confirmed(inside: Client) -> None:
    put("A", note="old")
    put("C", "backend")
    shown = text_of(upload(inside, b"id_tag;note\nA;new\nB;\nC;mine\n"))
    assert IdTag.objects.count() == 2
    for part in ("cards.csv", "note: old → new", "1 new", "1 changed", "1 kept", "Import 2 cards"):
        assert part in shown
    assert commands_at_the_station() == []
    answer = inside.post("/cards/import/preview", {"digest": digest(shown)}, follow=True)
    assert "Imported: 1 new, 1 changed, 0 unchanged, 1 kept as they are." in text_of(answer)
    assert [entry.id_tag for entry in disk_store().list_entries("station")] == ["A", "B"]
    assert commands_at_the_station() == ["settings"]
    again = inside.post("/cards/import/preview", {"digest": digest(shown)}, follow=True)
    assert "not there any more" in text_of(again)


def test_lines_with_errors_keep_the_whole_file_out(inside: Client) -> None:
    shown = text_of(upload(inside, b"id_tag,status\nA,Accepted\nB,Fine\n"))
    assert "1 line cannot be imported" in shown
    for part in ("Column status:", "is no status.", "Use one of: Accepted"):
        assert part in shown
    assert 'data-label="Line" class="right">3<' in shown
    assert "digest" not in shown
    inside.post("/cards/import/preview", {"digest": "guessed"})
    assert IdTag.objects.count() == 0


def test_a_list_that_moved_is_shown_again(inside: Client) -> None:
    shown = text_of(upload(inside, b"A\n"))
    put("A", "backend")
    answer = inside.post("/cards/import/preview", {"digest": digest(shown)}, follow=True)
    assert "The list changed meanwhile" in text_of(answer)
    assert "1 kept" in text_of(answer)
    assert IdTag.objects.count() == 1


@pytest.mark.parametrize(
    ("data", "sentence"),
    [
        (b"", "The file is empty"),
        ("id_tag,note\nA,Müller\n".encode("latin-1"), "not in UTF-8: line 2"),
        (b"".join(b"%d\n" % number for number in range(10_001)), "at most 10000 fit"),
        (b"x" * (3 * 1024 * 1024) + b"\n" * (2 * 1024 * 1024), "larger than 4 MB"),
    ],
    ids=["empty", "latin-1", "lines", "bytes"],
)
def test_a_file_that_cannot_be_used_is_refused_at_the_upload(inside: Client, data: bytes, sentence: str) -> None:
    answer = upload(inside, data)
    assert answer.redirect_chain == []
    assert sentence in text_of(answer)


def test_no_file_is_told(inside: Client) -> None:
    assert "Choose a file first." in text_of(inside.post("/cards/import", {}))


def test_a_preview_without_an_upload_leads_to_it(inside: Client) -> None:
    answer = inside.get("/cards/import/preview", follow=True)
    assert answer.redirect_chain[-1][0] == "/cards/import"
    assert "not there any more" in text_of(answer)


def test_a_long_preview_is_paged_with_the_errors_first_and_filtered(inside: Client) -> None:
    upload(inside, b"".join(b"%d\n" % number for number in range(120)) + b"Fine,Fine\n")
    shown = page(inside, "/cards/import/preview")
    assert "1 of 3" in shown
    assert shown.index("is no status") < shown.index('data-label="Card">0<')
    only = page(inside, "/cards/import/preview?show=error")
    assert only.count("<tr>") == 2
    assert 'data-label="Card">50<' in page(inside, "/cards/import/preview?show=new&page=2")


def test_an_upload_belongs_to_who_made_it(inside: Client, client: Client) -> None:
    upload(inside, b"A\n")
    client.force_login(User.objects.create_superuser("other", password="x"))
    assert client.get("/cards/import/preview").status_code == 302
