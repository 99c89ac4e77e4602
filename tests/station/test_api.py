"""The JSON API: a role for every method, the pages' rules, errors with a cure, and never a 500."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.test import Client

from ocppclient.events import Explain
from ocppclient.store import QueuedCall, Transaction
from station import ask
from station.api import urls
from station.api.schema import WITHOUT, described
from station.ask import Reply
from station.models import IdTag
from station.navigation import PAGES
from station.roles import Role, assign
from station.tokens import issue
from tests.appliance import disk_store
from tests.station.test_cards import configure
from tests.station.test_health import shown
from tests.station.test_pages import NOON
from tests.station.test_tokens import FAR, owner
from tests.station.test_worker import CHARGING

PROBLEM = {"code", "sentence", "cure"}


class Program:
    """Asks with a token of this role."""

    def __init__(self, role: Role = Role.INSTALLER) -> None:
        self.secret = issue("program", role, owner(role))[1]
        self._client = Client(raise_request_exception=False)

    def __call__(self, method: str, path: str, body: Any = None, content_type: str = "application/json") -> Any:
        data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
        headers = {"authorization": f"Bearer {self.secret}"}
        return self._client.generic(
            method, f"/api/v1/{path}", data, content_type=content_type, headers=headers, REMOTE_ADDR=FAR
        )


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[tuple[Any, ...]]:
    """What reached the worker; it refuses what begins with "-"."""
    heard: list[tuple[Any, ...]] = []

    def order(command: str, argument: Any, user: str) -> Reply:
        heard.append((command, argument, user))
        text = argument.get("value", "") if isinstance(argument, dict) else str(argument)
        return Reply(False, "Out of range.") if text.startswith("-") else Reply(True, "Done.")

    monkeypatch.setattr(ask, "order", order)
    monkeypatch.setattr(ask, "snapshot", lambda: shown(transaction=CHARGING))
    frame = {"seq": 1, "at": "2026-01-01T00:00:00.000Z", "direction": "out", "text": "[2]"}
    monkeypatch.setattr(ask, "frames", lambda: [frame])
    monkeypatch.setattr(ask, "trial", lambda values, user: (order("trial", values, user), None))
    return heard


def fill() -> None:
    store = disk_store()
    store.save_transaction(
        Transaction(uid="u1", connector_id=1, id_tag="04A1B2C3", meter_start_wh=1000, started_at=NOON)
    )
    store.enqueue(QueuedCall("StartTransaction", "{}", ("m1",), transaction_uid="u1"))
    store.add_reason(Explain("ReserveNow", "Rejected", "A rule", "a value", "RSV-01"), NOON)


def operations() -> Iterator[tuple[str, str, Role]]:
    for path, methods in described()["paths"].items():
        for method, operation in methods.items():
            yield path.removeprefix("/api/v1/"), method.upper(), Role[operation["x-role"].upper()]


def test_every_page_has_its_operations_or_a_reason_to_have_none() -> None:
    pages = {entry.route for entries in PAGES.values() for entry in entries}
    tagged = {tag for methods in described()["paths"].values() for one in methods.values() for tag in one["tags"]}
    assert tagged <= pages
    assert pages - tagged == set(WITHOUT)


def test_every_method_of_every_route_names_its_role() -> None:
    for pattern in urls.urlpatterns:
        view = pattern.callback.cls
        methods = {name.upper() for name in view.http_method_names if hasattr(view, name)} - {"OPTIONS"}
        assert methods == set(view.roles), pattern.pattern


@pytest.mark.parametrize("role", [Role.VIEWER, Role.OPERATOR, Role.INSTALLER])
def test_a_role_may_what_is_its_and_reads_why_it_may_not(role: Role, orders: list[Any]) -> None:
    program = Program(role)
    found = list(operations())
    assert len(found) > 18
    for path, method, needed in found:
        answer = program(method, path.replace("{name}", "HeartbeatInterval").replace("{id}", "1"))
        assert (answer.status_code == 403) == (role < needed), (method, path)
        if role < needed:
            assert set(answer.json()) == PROBLEM


def test_strangers_and_wrong_tokens_get_401_in_json(client: Client) -> None:
    for headers in ({}, {"authorization": "Bearer station_wrong"}, {"authorization": "Basic YTpi"}):
        answer = client.get("/api/v1/status", headers=headers)
        assert answer.status_code == 401
        assert set(answer.json()) == PROBLEM


def test_a_session_counts_too_but_orders_need_its_token(user: Any, orders: list[Any]) -> None:
    browser = Client(enforce_csrf_checks=True)
    browser.force_login(user)
    assert browser.get("/api/v1/status").status_code == 200
    assert browser.post("/api/v1/commands/stop").status_code == 403
    assert orders == []
    browser.get("/password")
    token = browser.cookies[settings.CSRF_COOKIE_NAME].value
    answer = browser.post(
        "/api/v1/commands/stop",
        content_type="application/json",
        headers={"x-csrftoken": token, "origin": "http://testserver"},
    )
    assert answer.status_code == 200
    assert orders == [("stop", None, "admin")]


BODIES = [b"", b"{", b"[]", b"null", b"5", b'"x"', b'{"value": null}', b'{"value": "\\ud800"}', b'{"seq": 1e400}',
          b'{"seq": 99999999999999999999}', b'{"id_tag": ["a"]}', b'{"id_tag": "\\u0000"}',
          b'{"id_tag": "A", "status": 3}',
          b"[" * 5000, b"\xff\xfe", b'{"id_tag": "A", "expiry_date": "9999-99-99"}']  # fmt: skip
QUERIES = ["", "?limit=-1", "?limit=x&before=99999999999999999999999", "?since=0001-01-01&until=9999-12-31",
           "?card=%00", "?card=%ED%A0%80", "?running=perhaps", "?dry_run=1"]  # fmt: skip


def test_no_endpoint_answers_500_whatever_it_is_sent(orders: list[Any]) -> None:
    fill()
    program = Program()
    for path, method, _ in operations():
        filled = [path.replace("{name}", name).replace("{id}", "1") for name in ("HeartbeatInterval", "%00", "Nope")]
        for address in filled if "{name}" in path else filled[:1]:
            for query in QUERIES if method == "GET" else QUERIES[:1]:
                answer = program(method, address + query)
                assert answer.status_code < 500, (method, address, query, answer.content[:300])
            for body in BODIES if method in ("POST", "PUT") else ():
                for kind in ("application/json", "text/csv"):
                    answer = program(method, address, body, kind)
                    assert answer.status_code < 500, (method, address, body, answer.content[:300])
                    if answer.status_code >= 400:
                        assert set(answer.json()) >= PROBLEM, (method, address, body)


def test_numbers_too_large_for_the_database_are_not_there(orders: list[Any]) -> None:
    assert Program()("GET", "sessions/99999999999999999999999").status_code == 404


def test_sessions_are_filtered_and_a_viewer_sees_masked_cards(orders: list[Any]) -> None:
    fill()
    program, viewer = Program(), Program(Role.VIEWER)
    (row,) = program("GET", "sessions?since=2026-03-01&until=2026-03-01&card=b2c3&running=true").json()
    assert (row["id_tag"], row["messages_waiting"], row["stopped_at"]) == ("04A1B2C3", 1, None)
    assert program("GET", "sessions?until=2026-02-28").json() == []
    detail = program("GET", f"sessions/{row['id']}").json()
    assert [message["action"] for message in detail["messages"]] == ["StartTransaction"]
    assert viewer("GET", "sessions").json()[0]["id_tag"] == "04…C3"
    assert viewer("GET", f"sessions/{row['id']}").json()["messages"] == []
    assert viewer("GET", "sessions?card=04").status_code == 403
    assert viewer("GET", "status").json()["session"]["id_tag"] != CHARGING.id_tag or len(CHARGING.id_tag) < 3
    (reason,) = program("GET", "reasons").json()
    assert reason["clause"] == "RSV-01"


def test_cards_are_added_changed_and_taken_off_by_the_rules_of_the_page(orders: list[Any]) -> None:
    program = Program(Role.OPERATOR)
    made = program("POST", "cards", {"id_tag": "04A1", "note": "blue"})
    assert (made.status_code, made.json()["status"]) == (201, "Accepted")
    again = program("POST", "cards", {"id_tag": "04a1"})
    assert again.status_code == 400
    assert "in the list already" in again.json()["sentence"]
    path = f"cards/{made.json()['id']}"
    assert program("PUT", path, {"id_tag": "04A1", "status": "Blocked"}).json()["status"] == "Blocked"
    assert IdTag.objects.get().note == ""
    assert program("DELETE", path).status_code == 204
    assert not IdTag.objects.exists()


def test_entries_of_the_backend_and_the_cache_are_not_changed(orders: list[Any]) -> None:
    configure(backend={"url": "ws://h/ocpp", "charge_point_id": "CP1"})
    entry = IdTag.objects.create(key="a", id_tag="A", source="backend")
    cached = IdTag.objects.create(key="b", id_tag="B", source="cache")
    program = Program()
    for pk in (entry.pk, cached.pk):
        assert program("DELETE", f"cards/{pk}").status_code == 409
        assert program("PUT", f"cards/{pk}", {"id_tag": "C"}).status_code == 409
    assert IdTag.objects.count() == 2


def test_a_list_goes_in_and_out_as_csv(orders: list[Any]) -> None:
    program = Program(Role.OPERATOR)
    text = b"id_tag,status\r\n04A1,Accepted\r\n04B2,Blocked\r\n"
    dry = program("POST", "cards.csv?dry_run=1", text, "text/csv").json()
    assert (dry["written"], dry["counts"]["new"]) == (False, 2)
    assert not IdTag.objects.exists()
    assert program("POST", "cards.csv", text, "text/csv").json()["written"] is True
    assert IdTag.objects.count() == 2
    assert b"04B2" in program("GET", "cards.csv").content
    wrong = program("POST", "cards.csv", b"id_tag\r\n" + b"x" * 21 + b"\r\n", "text/csv").json()
    assert wrong["written"] is False
    assert wrong["lines"][0]["outcome"] == "error"


def test_keys_are_read_and_changed_by_the_worker(orders: list[Any]) -> None:
    program = Program()
    found = {row["name"]: row for row in program("GET", "keys").json()}
    assert found["HeartbeatInterval"]["range"]
    assert found["AuthorizationKey"]["value"] is None
    assert program("PUT", "keys/heartbeatinterval", {"value": "60"}).json() == {"sentence": "Done."}
    assert orders == [("configure", {"key": "HeartbeatInterval", "value": "60"}, "o-installer")]
    refused = program("PUT", "keys/HeartbeatInterval", {"value": "-1"})
    assert refused.status_code == 409
    assert refused.json()["sentence"] == "Out of range."
    assert "10800" in refused.json()["cure"]
    assert program("PUT", "keys/AuthorizationKey", {"value": "x"}).status_code == 409
    assert program("GET", "keys/Nope").status_code == 404


def test_commands_reach_the_worker(orders: list[Any]) -> None:
    program = Program(Role.OPERATOR)
    assert program("POST", "commands/start", {"id_tag": "04A1"}).status_code == 200
    assert program("POST", "commands/resend", {"seq": 3}).status_code == 200
    assert program("POST", "commands/stop").status_code == 200
    assert [order[:2] for order in orders] == [("swipe", "04A1"), ("resend", 3), ("stop", None)]


def test_a_silent_controller_is_503(orders: list[Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "snapshot", lambda: None)
    monkeypatch.setattr(ask, "frames", lambda: None)
    monkeypatch.setattr(ask, "order", lambda *_: Reply(False, "No answer.", heard=False))
    program = Program()
    for method, path in (("GET", "status"), ("GET", "messages"), ("POST", "commands/stop")):
        answer = program(method, path)
        assert answer.status_code == 503
        assert set(answer.json()) == PROBLEM


def test_a_demoted_owner_takes_the_token_along(orders: list[Any]) -> None:
    program = Program()
    assign(User.objects.get(), Role.VIEWER)
    assert program("GET", "reasons").status_code == 403


def test_the_worker_never_imports_the_api_nor_what_only_pages_need() -> None:
    code = (
        "import sys, django; django.setup(); import station.runtime, station.command_face; "
        "web = {'rest_framework', 'drf_spectacular', 'prometheus_client', 'segno'}; "
        "print(sorted(web & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120, check=True)
    assert ended.stdout.strip() == "[]"
