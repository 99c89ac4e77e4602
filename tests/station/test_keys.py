"""The configuration keys: all are there, a person changes them by the rules of ChangeConfiguration."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client

from ocppclient.configuration import KEYS
from ocppclient.events import Explain, KeyChosen
from station import ask
from station.ask import Reply
from station.roles import Role, assign
from tests.appliance import disk_store
from tests.ocppclient.harness import Bench
from tests.station.test_cards import configure


@pytest.fixture
def orders(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, Any, str]]:
    """What reached the worker; it agrees to everything but a negative number."""
    heard: list[tuple[str, Any, str]] = []

    def order(command: str, argument: Any, user: str) -> Reply:
        heard.append((command, argument, user))
        refused = argument["value"].startswith("-")
        return Reply(not refused, "HeartbeatInterval takes an integer: 1…10800." if refused else "Done.")

    monkeypatch.setattr(ask, "order", order)
    return heard


def page(client: Client, address: str = "/keys") -> str:
    answer = client.get(address)
    assert answer.status_code == 200
    return re.sub(r"\s+", " ", answer.content.decode())


def names(shown: str) -> list[str]:
    return re.findall(r'<li id="([^"]+)"', shown)


def test_every_key_is_there_with_meaning_range_and_default(inside: Client) -> None:
    shown = page(inside)
    assert sorted(names(shown)) == sorted(key.name for key in KEYS.values())
    assert "Silence after which a Heartbeat is sent" in shown
    assert "Takes 1…10800 (s). As delivered: 300." in shown
    assert "Fixed by the maker of the station." in shown


def test_the_present_value_is_shown_and_a_secret_never(inside: Client) -> None:
    configure(ocpp={"HeartbeatInterval": "77"}, backend={"authorization_key": "TOPSECRETTOPSECRET"})
    disk_store().set_value("key.MessageTimeout", "12")
    shown = page(inside)
    assert "77 s</code>" in shown
    assert "12 s</code>" in shown
    assert "TOPSECRET" not in shown
    assert names(page(inside, "/keys?changed=1")) == ["HeartbeatInterval", "MessageTimeout"]


def test_keys_of_profiles_that_the_factory_left_out_are_not_there(inside: Client) -> None:
    configure(factory={"feature_profiles": ["Core"]})
    assert "LocalAuthListEnabled" not in names(page(inside))


@pytest.mark.parametrize(
    ("query", "found"), [("heartbeat is sent", ["HeartbeatInterval"]), ("CPONAME", ["CpoName"]), ("zzz", [])]
)
def test_keys_are_found_by_name_and_meaning(inside: Client, query: str, found: list[str]) -> None:
    assert names(page(inside, f"/keys?q={query}")) == found


def test_a_key_is_changed_by_the_worker(inside: Client, orders: list[Any]) -> None:
    answer = inside.post("/keys/HeartbeatInterval", {"value": "60"}, follow=True)
    assert orders == [("configure", {"key": "HeartbeatInterval", "value": "60"}, "admin")]
    assert "Done." in answer.content.decode()


def test_a_key_goes_back_to_the_delivered_value(inside: Client, orders: list[Any]) -> None:
    inside.post("/keys/HeartbeatInterval", {"value": "60", "default": "1"})
    assert orders[0][1]["value"] == "300"


def test_a_refused_value_stays_in_the_field_beside_the_reason(inside: Client, orders: list[Any]) -> None:
    answer = inside.post("/keys/HeartbeatInterval", {"value": '-5"<b>'})
    assert answer.status_code == 422
    shown = answer.content.decode()
    assert "HeartbeatInterval takes an integer" in shown
    assert 'value="-5&quot;&lt;b&gt;"' in shown


@pytest.mark.parametrize("name", ["NumberOfConnectors", "AuthorizationKey", "SecurityProfile", "Nonsense"])
def test_what_cannot_be_changed_here_has_no_page(inside: Client, orders: list[Any], name: str) -> None:
    assert inside.get(f"/keys/{name}").status_code == 404
    assert inside.post(f"/keys/{name}", {"value": "1"}).status_code == 404
    assert orders == []


def test_an_operator_reads_and_an_installer_changes(orders: list[Any]) -> None:
    user = User.objects.create_user("op")
    assign(user, Role.OPERATOR)
    client = Client()
    client.force_login(user)
    assert "Change HeartbeatInterval" not in page(client)
    assert client.post("/keys/HeartbeatInterval", {"value": "60"}).status_code == 403
    assert orders == []


def test_a_worker_that_does_not_answer_is_said_so(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "PATIENCE_S", 0.01)
    answer = inside.post("/keys/HeartbeatInterval", {"value": "60"})
    assert "does not answer. Nothing was changed" in answer.content.decode().replace("&#x27;", "'")


# -- the charge point


def test_a_person_and_the_backend_change_keys_by_the_same_rules() -> None:
    bench = Bench().ready()
    bench.do(KeyChosen("heartbeatinterval", "60"))
    assert bench.cp.config.heartbeat_interval == 60
    assert bench.store.value("key.HeartbeatInterval") == "60"
    for name, value, reason in (
        ("HeartbeatInterval", "0", "0 is outside HeartbeatInterval's range: 1…10800."),
        ("NumberOfConnectors", "2", "NumberOfConnectors is read-only."),
        ("Nonsense", "1", "This station has no configuration key 'Nonsense'."),
    ):
        (told,) = [action for action in bench.do(KeyChosen(name, value)) if isinstance(action, Explain)]
        assert told.rule == reason
    assert bench.cp.config.heartbeat_interval == 60


@pytest.mark.parametrize("name", ["SecurityProfile", "authorizationkey"])
def test_credentials_are_not_changed_without_a_trial(name: str) -> None:
    bench = Bench().ready()
    (told,) = [action for action in bench.do(KeyChosen(name, "3")) if isinstance(action, Explain)]
    assert "changed together with the backend settings" in told.rule
    assert told.value == ""
    assert bench.cp.config.security_profile == 0
