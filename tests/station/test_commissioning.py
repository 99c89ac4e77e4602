"""The proofs of the wizard: what makes each step done, what makes it fail, and what a reason is worth."""

from __future__ import annotations

import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.contrib.auth.models import User
from django.utils import translation

from ocppclient import sentence
from ocppclient.store import IdTagEntry, QueuedCall, Transaction
from station import __version__, ask, backend_settings, commissioning, models, people
from station.commissioning import BY_KEY, STEPS, Outcome, State, gather, hand_over, outcome, report, say, unfinished
from tests.appliance import disk_store
from tests.station.test_backup import a_station, back, saved
from tests.station.test_cards import configure

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def live(**changes: Any) -> dict[str, Any]:
    """What the dashboard shows, as far as proofs look at it."""
    shown: dict[str, Any] = {
        "limit": {"limit_a": 16.0, "hardware_a": 32.0},
        "backend": {
            "state": "connected", "registration": "accepted", "registration_words": "accepted by the backend",
            "url": "ws://b/CP1", "heartbeat_interval_s": 300, "last_error": "", "last_byte_age_s": 2,
        },
        "clock": {
            "synchronised": True, "confirmed": False, "utc": "2026-03-01T12:00:00Z", "source": "", "by": "",
            "told_s": None,
        },
        "session": None,
        "box": {"ev_connected": False, "contactor_closed": False},
    }  # fmt: skip
    for name, values in changes.items():
        shown[name] = {**shown[name], **values} if isinstance(shown[name], dict) else values
    return shown


def at(key: str, user: User, shown: dict[str, Any] | None = None) -> Outcome:
    return outcome(BY_KEY[key], gather(user, live() if shown is None else shown))


def is_at(key: str, user: User, state: State, words: str, shown: dict[str, Any] | None = None) -> Outcome:
    found = at(key, user, shown)
    assert (found.state, words in found.text) == (state, True), found
    return found


def test_the_language_is_chosen_and_tells_whose_time_the_report_has(user: User) -> None:
    is_at("language", user, State.OPEN, "Choose")
    say("language", language="ko", time_zone="Asia/Seoul")
    is_at("language", user, State.DONE, "한국어, Asia/Seoul")
    assert report(gather(user, live()), NOON)["made_at"] == "2026-03-01 21:00:00 Asia/Seoul"
    say("language", time_zone="Atlantis/Nowhere")
    assert report(gather(user, live()), NOON)["made_at"] == "2026-03-01 12:00:00 UTC"


def test_a_password_from_a_label_is_no_own_one_and_cannot_be_waived(user: User) -> None:
    is_at("password", user, State.DONE, "admin has no one-time password any more")
    people.give_one_time_password(user)
    is_at("password", user, State.FAILED, "made by somebody else")
    assert not BY_KEY["password"].may_skip


def test_a_station_has_a_name(user: User) -> None:
    configure(identity={"serial_number": "SN-7", "model": "AC-9"})
    is_at("identity", user, State.OPEN, "name")
    say("identity", name="Bay 12", location="Hall 3")
    found = is_at("identity", user, State.DONE, "Bay 12 · Hall 3")
    assert found.numbers["Serial number"] == "SN-7"


def test_the_limit_was_confirmed_is_set_and_is_what_the_station_works_with(user: User) -> None:
    configure(electrical={"max_current_a": 16.0})
    is_at("limits", user, State.OPEN, "Nobody has confirmed")
    say("limits", max_current_a=16.0, by="ann")
    found = is_at("limits", user, State.DONE, "never offer more than 16 A")
    assert (found.numbers["Hardware maximum"], found.numbers["Confirmed by"]) == ("32 A", "ann")
    is_at("limits", user, State.FAILED, "still works with 20 A", live(limit={"limit_a": 20.0}))
    is_at("limits", user, State.DONE, "16 A", live(limit={"limit_a": 10.0}))  # a profile may limit more
    models.Setting.objects.filter(section="electrical").update(value="32.0")
    is_at("limits", user, State.FAILED, "32 A are set now")


def test_a_limit_is_not_proven_without_the_controller(user: User) -> None:
    configure(electrical={"max_current_a": 16.0})
    say("limits", max_current_a=16.0)
    assert outcome(BY_KEY["limits"], gather(user, None)).state is State.FAILED


CHECKS = [
    {"name": "relay", "title": "Contactor", "verdict": "passed", "measured": "closes", "cure": ""},
    {"name": "card", "title": "Card", "verdict": "skipped", "measured": "", "cure": ""},
]


@pytest.mark.parametrize(
    ("state", "checks", "verdict", "words"),
    [
        ("passed", CHECKS, State.DONE, "1 checks passed, 1 skipped"),
        ("failed", [{**CHECKS[0], "verdict": "failed"}], State.FAILED, "Failed: Contactor."),
        ("refused", [], State.FAILED, "It was refused: a session runs"),
        ("running", [], State.OPEN, "not been tested"),
    ],
)
def test_the_newest_finished_self_test_decides(
    user: User, state: str, checks: list[Any], verdict: State, words: str
) -> None:
    is_at("selftest", user, State.OPEN, "not been tested")
    told = json.dumps({"doing": "", "why": "a session runs", "checks": checks})
    models.SelfTest.objects.create(asked_at=NOON, asked_by="ann", state=state, report=told)
    found = is_at("selftest", user, verdict, words)
    assert state != "passed" or found.numbers["Contactor"] == "passed: closes"


def test_a_failed_check_is_told_in_the_language_of_the_page(user: User) -> None:
    title = sentence.packed(sentence.Sentence("The contactor closes"))
    check = {"name": "contactor_closes", "title": title, "verdict": "failed", "measured": "", "cure": ""}
    told = json.dumps({"doing": "", "why": "", "checks": [check]})
    models.SelfTest.objects.create(asked_at=NOON, asked_by="ann", state="failed", report=told)
    with translation.override("de"):
        german = translation.gettext("The contactor closes")
        found = outcome(BY_KEY["selftest"], gather(user, live()))
    assert german in found.text
    assert found.numbers[german] == "fehlgeschlagen"


def test_a_network_is_an_address_that_others_reach(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(commissioning, "machine_addresses", lambda: ["127.0.0.1", "[::1]", "[fe80::1]", "10.42.0.1"])
    is_at("network", user, State.FAILED, "no address")
    monkeypatch.setattr(commissioning, "machine_addresses", lambda: ["127.0.0.1", "192.168.1.5"])
    assert is_at("network", user, State.DONE, "192.168.1.5").numbers["Backend last heard"] == "2 s ago"


CABLE: dict[str, Any] = {
    "interface": "eth0", "kind": "ethernet", "state": "connected", "addresses": ["192.168.1.5"],
    "gateway": "192.168.1.1", "ssid": "", "is_hotspot": False, "is_default": True,
    "health": "reaches the backend", "is_up": True, "signal": None, "words": "",
    "networks": ["192.168.1.0/24"], "name_servers": ["192.168.1.1"],
}  # fmt: skip
WIFI = {**CABLE, "interface": "wlan0", "kind": "wifi", "ssid": "Garage", "is_default": False, "words": "good"}
HOTSPOT = {**WIFI, "is_hotspot": True, "ssid": "station-1"}


def ruled(monkeypatch: pytest.MonkeyPatch, *devices: dict[str, Any], problem: str = "") -> None:
    """The station rules these interfaces."""
    monkeypatch.setattr(settings, "NETWORK", True)
    told = {"problem": problem, "devices": list(devices), "modem": None}
    monkeypatch.setattr(ask, "network", lambda order, user: (None, told))
    monkeypatch.setattr(commissioning, "machine_addresses", lambda: ["192.168.1.5"])


@pytest.mark.parametrize(
    ("devices", "words"),
    [
        ([HOTSPOT, {**CABLE, "state": "unplugged"}], "in no network"),
        ([{**CABLE, "name_servers": []}], "eth0 has no name server"),
        ([{**CABLE, "is_up": False}], "Cable is connected, but the backend's host is not reached"),
        ([{**CABLE, "is_up": False, "is_default": False}], "Cable is connected, but"),
    ],
)
def test_a_ruled_network_tells_the_first_stage_that_fails(
    user: User, monkeypatch: pytest.MonkeyPatch, devices: list[dict[str, Any]], words: str
) -> None:
    ruled(monkeypatch, *devices)
    is_at("network", user, State.FAILED, words)


def test_a_ruled_network_names_each_way_and_the_one_in_use(user: User, monkeypatch: pytest.MonkeyPatch) -> None:
    ruled(monkeypatch, CABLE, {**WIFI, "is_up": False, "health": "does not reach the backend"}, HOTSPOT)
    numbers = dict(is_at("network", user, State.DONE, "192.168.1.5").numbers)
    assert numbers.pop("Backend last heard") == "2 s ago"
    assert numbers == {
        "Cable": "192.168.1.5 · in use · reaches the backend",
        "WiFi Garage": "192.168.1.5 · good · does not reach the backend",
    }


def test_where_no_networkmanager_answers_the_addresses_of_the_computer_count(
    user: User, monkeypatch: pytest.MonkeyPatch
) -> None:
    ruled(monkeypatch, problem="There is no NetworkManager")
    assert "Addresses" in is_at("network", user, State.DONE, "192.168.1.5").numbers


@pytest.mark.parametrize(
    ("offset_s", "state", "words"),
    [(0.4, State.DONE, "+0.4 s"), (-1.9, State.DONE, "-1.9 s"), (75, State.FAILED, "+75")],
)
def test_the_clock_is_compared_with_the_phone(user: User, offset_s: float, state: State, words: str) -> None:
    is_at("time", user, State.OPEN, "Compare")
    say("language", language="en", time_zone="Asia/Seoul")
    say("time", offset_s=offset_s, at="2026-11-24T03:16:43+00:00")
    numbers = is_at("time", user, state, words).numbers
    assert numbers["Compared"] == "2026-11-24 12:16:43 Asia/Seoul"
    with translation.override("de"):
        is_at("time", user, state, words.replace(".", ","))


def test_another_version_has_to_be_looked_at_again(user: User) -> None:
    is_at("firmware", user, State.OPEN, f"Version {__version__} is installed")
    say("firmware", version="0.0.1")
    is_at("firmware", user, State.OPEN, "Is that the one")
    say("firmware", version=__version__)
    is_at("firmware", user, State.DONE, "running")
    assert outcome(BY_KEY["firmware"], gather(user, None)).state is State.FAILED


def test_a_newer_version_is_installed_or_skipped_with_a_reason(user: User) -> None:
    say("firmware", version=__version__)
    offer = {"version": "99.0", "location": "https://x.example/y", "size": 1, "sha256": "ab", "models": []}
    found = {"address": "https://x.example", "answered_at": "2026-03-01T12:00:00.000Z", "offer": offer}
    models.Value.objects.create(name="updates", value=json.dumps(found))
    is_at("firmware", user, State.OPEN, "Version 99.0 can be installed")
    models.Value.objects.update(value=json.dumps({**found, "offer": None}))
    told = is_at("firmware", user, State.DONE, "running")
    assert told.numbers["Looked for updates"] == "2026-03-01T12:00:00.000Z"


def test_only_a_backend_that_accepts_is_a_proof(user: User) -> None:
    is_at("backend", user, State.OPEN, "No backend")
    configure(backend={"url": "ws://b/", "charge_point_id": "x"})
    is_at("backend", user, State.DONE, "Accepted, heartbeat every 300 s")
    pending = live(backend={"registration": "pending", "registration_words": "pending: not yet"})
    is_at("backend", user, State.FAILED, "pending: not yet", pending)
    away = live(backend={"state": "waiting", "last_error": "404: wrong path"})
    is_at("backend", user, State.FAILED, "404: wrong path", away)
    assert outcome(BY_KEY["backend"], gather(user, None)).state is State.FAILED
    backend_settings.note_change({"state": "on trial", "at": "", "by": "", "why": ""})
    is_at("backend", user, State.OPEN, "being proven")


def test_some_card_may_charge(user: User) -> None:
    store = disk_store()
    store.save_list_entry(IdTagEntry("BAD", "Blocked", "station"))
    is_at("cards", user, State.OPEN, "No card may charge")
    store.save_cache_entry(IdTagEntry("C", "Accepted", "cache"))
    is_at("cards", user, State.DONE, "One card")
    store.save_list_entry(IdTagEntry("A", "Accepted", "station"))
    is_at("cards", user, State.DONE, "2 cards")


def session(**changes: Any) -> None:
    values: dict[str, Any] = {
        "uid": "u", "connector_id": 1, "id_tag": "A", "meter_start_wh": 100, "started_at": NOON + timedelta(hours=1),
        "transaction_id": 7, "start_delivered": True, "stopped_at": NOON + timedelta(hours=1, minutes=2),
        "meter_stop_wh": 130, "reason": "Local", **changes,
    }  # fmt: skip
    disk_store().save_transaction(Transaction(**values))


def test_a_test_charge_delivered_energy_and_was_answered(user: User) -> None:
    configure(backend={"url": "ws://b/", "charge_point_id": "x"})
    commissioning.begin(NOON)
    session(uid="old", started_at=NOON - timedelta(days=1))
    is_at("charge", user, State.OPEN, "No test charge yet")
    session()
    found = is_at("charge", user, State.DONE, "30 Wh flowed")
    assert (found.numbers["Duration"], found.numbers["Transaction id"]) == ("120 s", "7")


def test_a_running_session_is_no_finished_one(user: User) -> None:
    commissioning.begin(NOON)
    session(stopped_at=None, meter_stop_wh=None)
    is_at("charge", user, State.OPEN, "Stop it when energy has flowed")


def test_a_session_without_energy_or_answer_is_no_proof(user: User) -> None:
    configure(backend={"url": "ws://b/", "charge_point_id": "x"})
    commissioning.begin(NOON)
    session()
    store = disk_store()
    seq = store.enqueue(QueuedCall("StopTransaction", "{}", ("m",), transaction_uid="u"))
    is_at("charge", user, State.OPEN, "has not answered StopTransaction")
    models.QueuedCall.objects.update(parked_reason="InternalError")
    is_at("charge", user, State.FAILED, "did not take the messages")
    models.QueuedCall.objects.all().delete()
    session(uid="dry", meter_stop_wh=100, started_at=NOON + timedelta(hours=2))
    is_at("charge", user, State.FAILED, "without energy")
    assert seq


def test_a_reason_waives_a_step_and_a_proof_is_worth_more(user: User) -> None:
    say("identity", waived="named later")
    is_at("identity", user, State.WAIVED, "Skipped: named later")
    say("identity", name="Bay 12")
    is_at("identity", user, State.DONE, "Bay 12")


def prove_all(user: User, but: str = "") -> None:
    for step in STEPS:
        if step.may_skip and step.key != but:
            say(step.key, waived="not today")
    say("identity", name="Bay 12")


def test_nothing_is_handed_over_while_a_step_is_open(user: User) -> None:
    assert "not finished" in unfinished()
    prove_all(user, but="backend")
    assert hand_over(gather(user, live()), NOON) == ["Backend"]
    assert "not finished" in unfinished()


def test_the_hand_over_keeps_the_report_and_what_was_skipped(user: User) -> None:
    prove_all(user)
    assert hand_over(gather(user, live()), NOON) == []
    assert unfinished().startswith("Skipped at the set-up: Language and time zone, ")
    kept = commissioning.said()["handover"]["report"]
    assert [step["step"] for step in kept["steps"]] == [step.key for step in STEPS]
    assert {step["step"]: step["verdict"] for step in kept["steps"]}["handover"] == "done"
    assert kept["made_by"] == "admin"
    say("handover", open=[])
    assert unfinished() == ""


def test_the_first_opening_counts_as_the_begin() -> None:
    assert not commissioning.begun()
    commissioning.begin(NOON)
    commissioning.begin(NOON + timedelta(days=1))
    assert commissioning.begun()
    assert commissioning.said()["begun"]["at"] == NOON.isoformat()


def test_a_clone_of_this_station_has_to_be_set_up_itself(tmp_path: Path) -> None:
    a_station("S-1")
    say("limits", max_current_a=16.0)
    path = saved(tmp_path)
    a_station("S-2")
    say("identity", name="Bay 2")
    back(path)
    assert commissioning.said() == {"identity": {"name": "Bay 2"}}
