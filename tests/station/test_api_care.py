"""The API looks after the station as its pages do: network, backend, firmware, backup, certificates, self-test."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.test import Client

from ocppclient.certificates import MANUFACTURER_ROOT
from ocppclient.charge_point_certificate import REQUEST
from ocppclient.store import Certificate
from station import ask, jobs, models, provisioning, restore, restore_apply
from station.ask import Reply
from station.roles import Role
from tests.appliance import disk_store
from tests.ocppclient.certificates import NOW, Issued, issue
from tests.station.test_api import PROBLEM, Program, orders
from tests.station.test_backup import PASSPHRASE, a_station, uplinks
from tests.station.test_cards import configure
from tests.station.test_network_page import Worker, worker
from tests.station.test_release_archive import GOOD, packed, release
from tests.station.test_time_page import Worker as ClockWorker
from tests.station.test_time_page import worker as clock_worker
from tests.station.test_tokens import FAR

__all__ = ["clock_worker", "orders", "worker"]


# -- time


def test_the_clock_is_told_set_and_refused_with_the_reason(clock_worker: ClockWorker) -> None:
    program = Program()
    seen = program("GET", "clock").json()
    assert (seen["source"], seen["told_s"], seen["computer"]["program"]) == ("ntp", 12, "chrony")
    assert program("POST", "clock", {"utc": "2026-07-01T14:00:00+02:00"}).status_code == 200
    assert program("POST", "clock", {"utc": "soon"}).status_code == 400
    assert program("PUT", "clock/servers", {"servers": ["a.example"]}).status_code == 200
    assert program("PUT", "clock/servers", {"servers": list("abcde")}).status_code == 400
    assert clock_worker.orders == [
        {"do": "phone", "utc": "2026-07-01T12:00:00+00:00"}, {"do": "servers", "servers": ["a.example"]},
    ]  # fmt: skip
    clock_worker.reply = Reply(False, "A session is running.")
    refused = program("POST", "clock", {"utc": "2026-07-01T12:00:00Z"})
    assert (refused.status_code, refused.json()["sentence"]) == (409, "A session is running.")


# -- network


def test_a_station_that_does_not_rule_its_network_says_so(orders: list[Any]) -> None:
    answer = Program()("GET", "network")
    assert answer.status_code == 409
    assert "does not rule the network" in answer.json()["sentence"]


def test_the_picture_has_its_secrets_for_installers_only(orders: list[Any], worker: Worker) -> None:
    assert worker.told is not None
    worker.told["change"] = {"state": "on trial", "token": "t0ken"}
    seen = Program()("GET", "network").json()
    assert (seen["hotspot"]["passphrase"], seen["change"]["token"]) == ("pass-word", "t0ken")
    viewer = Program(Role.VIEWER)("GET", "network")
    assert "pass-word" not in viewer.content.decode()
    assert "t0ken" not in viewer.content.decode()
    assert viewer.json()["devices"] == seen["devices"]


def test_a_change_is_judged_ordered_and_confirmed_by_the_path_of_the_call(orders: list[Any], worker: Worker) -> None:
    program = Program()
    wifi = {"kind": "wifi", "ssid": " Café ", "security": "wpa", "key": "correct horse"}
    refused = program("POST", "network/change", {**wifi, "key": "short"})
    assert refused.status_code == 400
    assert "8 to 63 characters" in refused.json()["sentence"]
    assert worker.orders == []
    assert program("POST", "network/change", wifi).status_code == 200
    assert program("PUT", "network/change", {"token": "t0ken"}).status_code == 200
    assert program("PUT", "network/change", {"unproven": True}).status_code == 200
    assert program("DELETE", "network/change").status_code == 200
    assert worker.orders == [
        {"do": "change", **wifi}, {"do": "keep", "token": "t0ken", "local": "testserver"},
        {"do": "keep anyway"}, {"do": "take back"},
    ]  # fmt: skip
    worker.reply = Reply(False, "Another change is being proven.")
    again = program("POST", "network/change", wifi)
    assert (again.status_code, again.json()["sentence"]) == (409, "Another change is being proven.")


def test_hotspot_scan_and_order_are_ordered(orders: list[Any], worker: Worker) -> None:
    program = Program()
    assert program("PUT", "network/hotspot", {"open": True}).status_code == 200
    assert program("POST", "network/scan").status_code == 200
    assert program("PUT", "network/order", {"kinds": ["wifi", "ethernet", "mobile"]}).status_code == 200
    assert program("PUT", "network/order", {"kinds": ["wifi"]}).status_code == 400
    assert worker.orders == [
        {"do": "hotspot", "open": True}, {"do": "scan"}, {"do": "order", "kinds": ["wifi", "ethernet", "mobile"]},
    ]  # fmt: skip


# -- backend


def test_backend_settings_are_shown_without_the_key_tried_and_saved(orders: list[Any]) -> None:
    configure(backend={"url": "ws://b.example/ocpp", "charge_point_id": "CP1", "authorization_key": "a" * 20})
    program = Program()
    seen = program("GET", "backend")
    assert seen.json()["settings"]["has_key"] is True
    assert "a" * 20 not in seen.content.decode()
    wanted = {"url": "ws://c.example/ocpp", "charge_point_id": "CP2"}
    orders.clear()
    assert program("POST", "backend/trial", wanted).json() == {"sentence": "Done."}
    assert program("PUT", "backend", {**wanted, "unproven": True}).status_code == 200
    values = {**wanted, "security_profile": 0, "authorization_key": "", "system_roots": False}
    assert [order[:2] for order in orders] == [
        ("trial", values), ("backend", {"values": values, "unproven": True})
    ]  # fmt: skip
    bad = program("PUT", "backend", {**wanted, "url": "http://c.example"})
    assert (bad.status_code, bad.json()["code"]) == (400, "value")
    assert len(orders) == 2


def test_a_program_does_not_lower_the_security_profile(orders: list[Any]) -> None:
    models.Value.objects.create(name="key.SecurityProfile", value="2")
    answer = Program()("PUT", "backend", {"url": "ws://c.example", "charge_point_id": "CP2", "security_profile": 1})
    assert answer.status_code == 403
    assert "asks for your password" in answer.json()["cure"]
    assert orders == []


# -- firmware


@pytest.fixture
def signer(tmp_path: Any) -> Issued:
    root = issue(tmp_path, "Manufacturer Root")
    disk_store().save_certificate(Certificate(MANUFACTURER_ROOT, "f", root.pem, NOW))
    return issue(tmp_path, "signer", root)


def test_a_release_is_brought_in_the_body_and_judged_as_on_the_page(orders: list[Any], signer: Issued) -> None:
    program, binary = Program(), "application/octet-stream"
    refused = program("POST", "firmware", b"nonsense", binary)
    assert refused.status_code == 400
    assert "not a release of this station" in refused.json()["sentence"]
    assert list(jobs.staging_folder().iterdir()) == []
    assert program("POST", "firmware", release(signer, packed(GOOD)), binary).status_code == 200
    [(command, argument, _)] = orders
    assert (command, argument["version"], argument["allow_older"]) == ("install_release", "2.0.0", False)
    (jobs.staging_folder() / argument["file"]).unlink()
    assert program("POST", "firmware", b"{}", "application/json").status_code == 415


def test_an_update_is_cancelled(orders: list[Any]) -> None:
    assert Program()("DELETE", "firmware").json() == {"sentence": "Done."}
    assert [order[:2] for order in orders] == [("cancel_update", None)]


def test_a_release_that_is_not_there_cannot_come_back(orders: list[Any]) -> None:
    program = Program()
    answer = program("POST", "firmware/return", {"slot": "nope"})
    assert (answer.status_code, answer.json()["sentence"]) == (409, "That release cannot run any more.")
    assert "running" in program("GET", "firmware").json()


# -- self-test, diagnostics


def test_a_self_test_is_asked_for_once_and_its_report_read(orders: list[Any]) -> None:
    program = Program()
    assert program("GET", "selftest").json() == {"test": None}
    first = program("POST", "selftest")
    assert (first.status_code, first.json()["test"]["state"]) == (202, "asked")
    assert program("POST", "selftest").json()["test"]["id"] == first.json()["test"]["id"]
    assert program("GET", "selftest").json()["test"]["checks"] == []


def test_diagnostics_come_as_one_file(orders: list[Any]) -> None:
    answer = Program(Role.OPERATOR)("GET", "diagnostics")
    assert answer["Content-Type"] == "application/zip"
    assert zipfile.ZipFile(io.BytesIO(answer.content)).testzip() is None


# -- backup


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    yield
    restore.discard()


def put_back(program: Program, content: bytes, query: str = "", passphrase: str = PASSPHRASE) -> Any:
    return Client(raise_request_exception=False).generic(
        "POST", f"/api/v1/restore{query}", content, content_type="application/zip", REMOTE_ADDR=FAR,
        headers={"authorization": f"Bearer {program.secret}", "x-passphrase": passphrase},
    )  # fmt: skip


def test_a_backup_is_made_looked_at_and_restored(orders: list[Any]) -> None:
    a_station()
    uplinks()
    program = Program()
    made = program("POST", "backup", {"passphrase": PASSPHRASE})
    assert made["Content-Type"] == "application/zip"
    assert b"wifi password" not in made.content
    models.IdTag.objects.create(key="2", id_tag="2", status="Accepted", source="station")
    models.Setting.objects.filter(name="max_current_a").update(value="9")
    seen = put_back(program, made.content, "?dry_run=1&parts=settings,cards")
    assert seen.status_code == 200, seen.content
    assert seen.json()["would_restore"] == ["settings", "cards"]
    assert (seen.json()["serial"], seen.json()["same_unit"], seen.json()["secrets"]) == ("S-1", True, True)
    [line] = [line for line in seen.json()["lines"] if line["name"] == "cards"]
    assert line == {"name": "cards", "in_file": 1, "here": 2, "why_not": ""}
    assert seen.json()["changes"] == [{"name": "[electrical] max_current_a", "here": "9", "in_file": "10"}]
    assert restore_apply.apply_pending() == "", "only looked at"
    assert put_back(program, made.content, "?parts=settings").status_code == 200
    assert orders[-1][:2] == ("apply", None)
    assert "was restored by" in restore_apply.apply_pending()
    assert provisioning.sections()["identity"]["serial_number"] == "S-1"


def test_what_is_wrong_with_a_backup_is_said_and_nothing_waits(
    orders: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    a_station()
    program = Program()
    bare = program("POST", "backup", {"parts": ["users"]})
    assert bare.status_code == 400
    assert "give a passphrase" in bare.json()["sentence"]
    made = program("POST", "backup", {"passphrase": PASSPHRASE}).content
    for query in ("", "?dry_run=1"):
        wrong = put_back(program, made, query, "not this one, no")
        assert wrong.status_code == 400
        assert "passphrase is wrong" in wrong.json()["sentence"]
        assert put_back(program, b"nonsense", query).status_code == 400
    monkeypatch.setattr(ask, "order", lambda *_: Reply(False, "A session is running."))
    assert put_back(program, made).status_code == 409
    assert restore_apply.apply_pending() == ""
    assert not list(settings.DATA_DIR.glob("restore-*"))


# -- certificates, security, what it is


def test_certificates_are_listed_installed_and_removed(orders: list[Any], signer: Issued) -> None:
    program = Program()
    [shown] = program("GET", "certificates").json()
    assert (shown["kind"], shown["name"]) == (MANUFACTURER_ROOT, "Manufacturer Root")
    assert program("GET", f"certificates/{shown['id']}").json() == shown
    pem = {"kind": "CentralSystemRootCertificate", "pem": "-----BEGIN CERTIFICATE-----"}
    assert program("POST", "certificates", pem).status_code == 200
    assert program("POST", "certificates", {**pem, "kind": "ChargePointCertificate"}).status_code == 400
    assert program("DELETE", f"certificates/{shown['id']}").status_code == 200
    assert [order[:2] for order in orders] == [
        ("certificate_install", pem),
        ("certificate_remove", {"kind": MANUFACTURER_ROOT, "fingerprint": "f"}),
    ]


def test_a_certificate_is_asked_for_and_the_request_told(orders: list[Any]) -> None:
    program = Program()
    assert program("GET", "certificates/request").json() == {"request": None}
    assert program("POST", "certificates/request").json() == {"sentence": "Done."}
    assert [order[:2] for order in orders] == [("certificate_request", None)]
    told = {"at": "2026-01-02T03:04:05.000Z", "by": "person:ann", "state": "waiting", "reason": ""}
    models.Value.objects.create(name=REQUEST, value=json.dumps(told))
    [shown] = program("GET", "certificates/request").json().values()
    assert shown == {"at": "2026-01-02T03:04:05Z", "by": "ann", "state": "waiting", "reason": ""}


def test_the_security_log_is_read_newest_first(orders: list[Any]) -> None:
    for number in range(3):
        models.SecurityEvent.objects.create(type=f"E{number}", at=NOW, delivery="waiting")
    program = Program()
    [newest] = program("GET", "security-log?limit=1").json()
    assert newest["type"] == "E2"
    assert [one["type"] for one in program("GET", f"security-log?before={newest['seq']}").json()] == ["E1", "E0"]


def test_a_reservation_is_ended_and_the_cache_forgotten_by_the_worker(
    orders: list[Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    program = Program(Role.OPERATOR)
    assert program("DELETE", "reservation").status_code == 409
    shown = ask.snapshot()
    assert shown is not None
    reserved = {"id": 7, "id_tag": "A", "group": "", "until": "2026-01-01T00:00:00.000Z"}
    monkeypatch.setattr(ask, "snapshot", lambda: {**shown, "reservation": reserved})
    assert program("GET", "reservation").json() == {"reservation": reserved, "former": []}
    assert program("DELETE", "reservation").status_code == 200
    assert program("DELETE", "cache").status_code == 200
    assert [order[:2] for order in orders] == [("reservation_end", 7), ("cache_clear", None)]


def test_the_set_up_and_what_this_is_are_told(orders: list[Any]) -> None:
    steps = Program()("GET", "setup").json()["steps"]
    assert {"step", "title", "verdict", "text", "numbers"} == set(steps[0])
    about = Program(Role.VIEWER)("GET", "about").json()
    assert {"identity", "running", "machine", "support"} <= set(about)


def test_every_error_has_its_form(orders: list[Any]) -> None:
    program = Program()
    for method, path in (("PUT", "backend"), ("POST", "firmware/return"), ("POST", "backup"), ("POST", "certificates")):
        answer = program(method, path, {"parts": ["nope"], "kind": "nope"})
        assert answer.status_code == 400, path
        assert set(answer.json()) >= PROBLEM
        assert json.dumps(answer.json())
