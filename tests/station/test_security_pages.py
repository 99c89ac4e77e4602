"""The pages of the certificates and of the security log."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, get_args

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

from ocppclient import pki
from ocppclient.certificates import CENTRAL_SYSTEM_ROOT, CHARGE_POINT, MANUFACTURER_ROOT
from ocppclient.charge_point_certificate import REQUEST, State
from ocppclient.sentence import Sentence, packed
from ocppclient.store import Certificate, SecurityEvent
from station.ask import Reply
from station.models import Certificate as Row
from station.models import PrivateKey, Value
from station.views import security
from tests.appliance import disk_store
from tests.ocppclient.certificates import Issued, issue

NOW = datetime.now(UTC)
NASTY = "<script>alert(1)</script>"


class Station:
    """Takes the orders of the pages; `answer` is what it says."""

    def __init__(self) -> None:
        self.orders: list[tuple[str, str, Any]] = []
        self.answer = Reply(True, "Done.")

    def __call__(self, command: str, argument: Any, user: str) -> Reply:
        self.orders.append((user, command, argument))
        return self.answer


@pytest.fixture
def station(monkeypatch: pytest.MonkeyPatch) -> Station:
    station = Station()
    monkeypatch.setattr("station.ask.order", station)
    return station


def install(issued: Issued, kind: str = CENTRAL_SYSTEM_ROOT, **more: Any) -> Row:
    fingerprint = pki.fingerprint(issued.certificate)
    disk_store().save_certificate(Certificate(kind, fingerprint, issued.pem, NOW, **more))
    return Row.objects.get(kind=kind, fingerprint=fingerprint)


def test_every_certificate_is_listed_with_its_validity(inside: Client, tmp_path: Path) -> None:
    root = issue(tmp_path, "the root", ends=timedelta(days=400, hours=1))
    install(root)
    install(issue(tmp_path, "own", root, ends=timedelta(days=6, hours=1)), CHARGE_POINT, key_id="k")
    disk_store().save_private_key("k", "PRIVATE KEY TEXT")
    page = inside.get("/certificates").content.decode()
    for text in (">the root<", ">own<", f"{root.certificate.serial_number:X}", "issued by CN=the root", "valid"):
        assert text in page
    assert f"{root.certificate.not_valid_after_utc:%Y-%m-%d}" in page
    assert "None is installed." in page  # of the manufacturer's roots
    assert "PRIVATE" not in page


@pytest.mark.parametrize(
    ("days", "words", "colour"),
    [
        (-0.5, "expired", "fault"),
        (0.5, "ends today", "fault"),
        (6.5, "6 days left", "fault"),
        (7.5, "7 days left", "waiting"),
        (29.5, "29 days left", "waiting"),
        (30.5, "30 days left", "unavailable"),
        (59.5, "59 days left", "unavailable"),
        (60.5, "valid", "available"),
    ],
)
def test_the_warnings_begin_60_30_and_7_days_before_the_end(
    inside: Client, tmp_path: Path, days: float, words: str, colour: str
) -> None:
    """field problem 10"""
    install(issue(tmp_path, "root", starts=timedelta(days=-2), ends=timedelta(days=days)))
    assert f'data-kind="{colour}">{words}<' in inside.get("/certificates").content.decode()


def test_a_root_is_installed_from_a_file_or_from_its_text(inside: Client, station: Station, tmp_path: Path) -> None:
    pem = issue(tmp_path, "root").pem
    form = {"kind": CENTRAL_SYSTEM_ROOT}
    assert inside.post("/certificates", {**form, "text": pem}).status_code == 302
    file = SimpleUploadedFile("root.pem", pem.encode())
    assert inside.post("/certificates", {"kind": MANUFACTURER_ROOT, "file": file}).status_code == 302
    assert [(user, command) for user, command, _ in station.orders] == [("admin", "certificate_install")] * 2
    assert [argument["kind"] for _, _, argument in station.orders] == [CENTRAL_SYSTEM_ROOT, MANUFACTURER_ROOT]
    assert [argument["pem"].split() for _, _, argument in station.orders] == [pem.split()] * 2


@pytest.mark.parametrize(
    "form", [{}, {"kind": CENTRAL_SYSTEM_ROOT}, {"kind": CHARGE_POINT, "text": "x"}, {"kind": "x", "text": "y"}]
)
def test_half_a_form_orders_nothing(inside: Client, station: Station, form: dict[str, str]) -> None:
    assert 'class="wrong"' in inside.post("/certificates", form).content.decode()
    assert station.orders == []


def test_why_a_root_was_not_installed_stands_on_the_page(inside: Client, station: Station) -> None:
    station.answer = Reply(False, "The certificate was not installed: it expired on 2020-01-01.")
    page = inside.post("/certificates", {"kind": CENTRAL_SYSTEM_ROOT, "text": "x"}).content.decode()
    assert "it expired on 2020-01-01" in page


def test_a_certificate_is_removed_after_a_confirmation_and_the_last_one_with_a_warning(
    inside: Client, station: Station, tmp_path: Path
) -> None:
    row = install(issue(tmp_path, "root"))
    page = inside.get(f"/certificates/{row.pk}").content.decode()
    assert "This is the last one." in page
    assert row.fingerprint in page
    inside.post(f"/certificates/{row.pk}")
    assert station.orders == []
    inside.post(f"/certificates/{row.pk}", {"sure": "on"})
    assert station.orders == [
        ("admin", "certificate_remove", {"kind": CENTRAL_SYSTEM_ROOT, "fingerprint": row.fingerprint})
    ]
    install(issue(tmp_path, "another"))
    assert "This is the last one." not in inside.get(f"/certificates/{row.pk}").content.decode()
    assert inside.get("/certificates/4711").status_code == 404


def test_a_new_certificate_is_asked_for_and_what_becomes_of_it_is_shown(inside: Client, station: Station) -> None:
    assert "The newest request" not in inside.get("/certificates").content.decode()
    answer = inside.post("/certificates", {"request": "yes"})
    assert answer.status_code == 302
    assert station.orders == [("admin", "certificate_request", None)]
    told = {"at": "2026-01-02T03:04:05.000Z", "by": "person:ann", "state": "refused"}
    reason = packed(Sentence("it answered Rejected"))
    Value.objects.create(name=REQUEST, value=json.dumps({**told, "reason": reason}))
    page = inside.get("/certificates").content.decode()
    for text in ("not accepted", "it answered Rejected", "asked for by ann at 2026-01-02 03:04 UTC"):
        assert text in page
    page = inside.get("/certificates", headers={"accept-language": "de"}).content.decode()
    assert "es antwortete Rejected" in page
    station.answer = Reply(False, "No certificate is asked for: <b>no</b>")
    page = inside.post("/certificates", {"request": "yes"}, follow=True).content.decode()
    assert "No certificate is asked for: &lt;b&gt;no" in page


def test_every_state_of_a_request_has_its_words(inside: Client) -> None:
    assert set(security._REQUESTS) == set(get_args(State))
    for by, words in (("backend", "by the backend"), ("renewal", "before the present one ends"), ("person:eva", "eva")):
        told = {"at": "2026-01-02T03:04:05.000Z", "by": by, "state": "waiting", "reason": ""}
        Value.objects.update_or_create(name=REQUEST, defaults={"value": json.dumps(told)})
        assert words in inside.get("/certificates").content.decode()


def test_the_security_log_shows_what_the_backend_knows(inside: Client) -> None:
    store = disk_store()
    for delivery in ("", "waiting", "delivered", "refused"):
        store.add_security_event(SecurityEvent("FirmwareUpdated", NOW, f"info {NASTY}", delivery))
    page = inside.get("/security-log").content.decode()
    for text in ("critical", "waits for the backend", "the backend knows", "the backend did not take it"):
        assert text in page
    assert NASTY not in page


def test_clearing_the_log_needs_a_confirmation(inside: Client, station: Station) -> None:
    inside.post("/security-log")
    assert station.orders == []
    inside.post("/security-log", {"sure": "on"})
    assert station.orders == [("admin", "security_log_clear", None)]


@pytest.mark.parametrize("path", ["/certificates", "/certificates/1", "/security-log"])
def test_only_installers_open_these_pages(path: str, client: Client) -> None:
    from django.contrib.auth.models import User

    from station import roles

    operator = User.objects.create_user("operator", password="correct horse")
    roles.assign(operator, roles.Role.OPERATOR)
    client.force_login(operator)
    for answer in (client.get(path), client.post(path, {"sure": "on"})):
        assert answer.status_code == 403


def test_no_page_and_no_admin_shows_a_private_key(inside: Client) -> None:
    disk_store().save_private_key("k", "TOP SECRET KEY")
    assert "TOP SECRET" not in str(PrivateKey.objects.get())
    assert inside.get("/admin/station/privatekey/").status_code == 404
