"""The pages of the wizard: every button, every bad input, and that nothing typed is lost."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.test import Client
from django.urls import reverse

from ocppclient.events import Explain
from station import __version__, ask, commissioning, models, provisioning
from station.ask import Reply
from station.commissioning import STEPS, say
from station.roles import Role, assign
from tests.appliance import disk_store
from tests.station.test_cards import configure
from tests.station.test_commissioning import live, prove_all

Shown = dict[str, Any]


class Worker:
    """Shows what the test wants, and notes what it is ordered."""

    def __init__(self) -> None:
        self.shown: Shown | None = live()
        self.orders: list[tuple[str, Any]] = []
        self.reply = Reply(True, "Done.")

    def order(self, command: str, argument: Any, user: str) -> Reply:
        self.orders.append((command, argument))
        return self.reply


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    played = Worker()
    monkeypatch.setattr(ask, "order", played.order)
    monkeypatch.setattr(ask, "snapshot", lambda: played.shown)
    return played


@pytest.fixture
def press(inside: Client, worker: Worker) -> Callable[..., Any]:
    return lambda key, do="next", **fields: inside.post(f"/setup/{key}", {"do": do, **fields})


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode().replace("&#x27;", "'"))


def test_every_step_has_its_page_with_its_proof(inside: Client, worker: Worker) -> None:
    overview = text(inside.get("/setup"))
    for step in STEPS:
        assert step.title in overview
        answer = inside.get(f"/setup/{step.key}")
        assert answer.status_code == 200
        assert step.purpose in text(answer)
        assert inside.get(f"/setup/{step.key}/proof").status_code == 200
    assert inside.get("/setup/nonsense").status_code == 404


def test_the_wizard_is_resumed_where_something_is_open(inside: Client, worker: Worker) -> None:
    assert 'href="/setup/language">Begin' in text(inside.get("/setup"))
    say("language", language="en", time_zone="UTC")
    assert 'href="/setup/identity">Go on: Name and place' in text(inside.get("/setup"))


def test_a_page_without_a_controller_still_shows(inside: Client, worker: Worker) -> None:
    worker.shown = None
    for step in STEPS:
        assert inside.get(f"/setup/{step.key}").status_code == 200


LEADS = [(step.key, page) for step in STEPS for page in (step.page, *step.others) if page]


@pytest.mark.parametrize(("key", "page"), LEADS)
def test_a_page_to_which_a_step_leads_leads_back_to_it(inside: Client, worker: Worker, key: str, page: str) -> None:
    link = f'href="/setup/{key}"'
    before = text(inside.get(reverse(page))).count(link)
    step_page = text(inside.get(f"/setup/{key}"))
    assert f'href="{reverse(page)}' in step_page
    assert text(inside.get(reverse(page))).count(link) == before + 1
    assert link not in text(inside.get("/why")), "other pages have nothing to do with it"


def test_an_own_password_leads_back_to_its_step(inside: Client, user: User, worker: Worker) -> None:
    inside.get("/setup/password")
    own = {"old_password": "secret", "new_password1": "a battery staple of 9", "new_password2": "a battery staple of 9"}
    user.set_password("secret")
    user.save()
    inside.force_login(user)
    inside.get("/setup/password")
    assert inside.post("/password", own)["Location"] == "/setup/password"


def test_a_backup_can_be_restored_instead_of_typing_everything(inside: Client, worker: Worker) -> None:
    assert 'href="/backup#restore"' in text(inside.get("/setup/password"))
    assert 'id="restore"' in text(inside.get("/backup"))


def test_an_operator_does_not_set_up() -> None:
    user = User.objects.create_user("op")
    assign(user, Role.OPERATOR)
    client = Client()
    client.force_login(user)
    for path in ("/setup", "/setup/limits", "/setup/limits/proof", "/setup/report", "/setup/report.json"):
        assert client.get(path).status_code == 403


# -- first login


def test_the_first_login_of_a_new_station_leads_to_the_wizard_and_later_ones_to_the_dashboard(client: Client) -> None:
    secret = provisioning.apply(provisioning.Provision()).one_time_password
    client.post("/login", {"username": "admin", "password": secret})
    own = {"new_password1": "a battery staple of 9", "new_password2": "a battery staple of 9"}
    assert client.post("/password", own)["Location"] == "/setup"
    commissioning.begin(datetime.now(UTC))
    client.post("/logout")
    answer = client.post("/login", {"username": "admin", "password": "a battery staple of 9"})
    assert answer["Location"] == "/"


def test_a_provisioned_password_leads_there_as_well_but_only_installers(client: Client) -> None:
    configure(identity={"model": "X"})
    assert client.post("/login?next=/", {"username": "owner", "password": "b"})["Location"] == "/setup"
    user = User.objects.create_user("op", password="b")
    assign(user, Role.OPERATOR)
    assert Client().post("/login", {"username": "op", "password": "b"})["Location"] == "/"


def test_the_dashboard_stays_yellow_until_everything_is_proven(inside: Client, user: User, worker: Worker) -> None:
    assert "The set-up of this station is not finished." in text(inside.get("/"))
    prove_all(user)
    commissioning.hand_over(commissioning.gather(user, live()), datetime.now(UTC))
    assert "Skipped at the set-up: Language and time zone" in text(inside.get("/"))
    say("handover", open=[])
    assert "set-up" not in text(inside.get("/")).split("<main>")[1].lower()


# -- buttons


def test_next_goes_on_only_with_a_proof(press: Callable[..., Any]) -> None:
    answer = press("backend")
    assert answer.status_code == 422
    assert "This step is not proven yet. No backend is configured." in text(answer)
    assert press("password")["Location"] == "/setup/identity"


def test_the_chosen_language_is_spoken_at_once(inside: Client, press: Callable[..., Any]) -> None:
    """Also where somebody had switched this browser to another one."""
    assert '<option value="ko" selected>' in inside.get("/setup/language?language=ko").content.decode()
    onward = press("language", language="de", time_zone="Europe/Berlin")["Location"]
    assert '<html lang="de">' in inside.get(onward).content.decode()


def test_previous_keeps_what_was_typed_even_when_it_is_wrong(press: Callable[..., Any], inside: Client) -> None:
    assert press("limits", "previous", max_current_a="sixteen", again="")["Location"] == "/setup/identity"
    assert 'value="sixteen"' in text(inside.get("/setup/limits"))
    assert press("identity", "previous", name="Bay <12>")["Location"] == "/setup/password"
    assert 'value="Bay &lt;12&gt;"' in text(inside.get("/setup/identity"))
    press("identity", name="Bay 12")
    assert 'value="Bay 12"' in text(inside.get("/setup/identity"))


@pytest.mark.parametrize("reason", ["", "  ", "no"])
def test_skipping_needs_a_reason(press: Callable[..., Any], reason: str) -> None:
    answer = press("charge", "skip", reason=reason)
    assert answer.status_code == 422
    assert "Write in a few words why" in text(answer)
    assert "<details open>" in text(answer), "where it is to be written is in sight"


def test_a_skipped_step_tells_its_reason_in_the_report(press: Callable[..., Any], inside: Client) -> None:
    assert press("backend", "skip", reason="The <SIM> comes on Monday")["Location"] == "/setup/cards"
    assert press("backend")["Location"] == "/setup/cards"
    assert "Skipped: The &lt;SIM&gt; comes on Monday" in text(inside.get("/setup/report"))


@pytest.mark.parametrize("key", ["password", "handover"])
def test_some_steps_cannot_be_skipped(press: Callable[..., Any], key: str) -> None:
    assert press(key, "skip", reason="no time today").status_code == 422
    assert "waived" not in commissioning.said().get(key, {})


def test_an_unknown_button_does_nothing(press: Callable[..., Any], worker: Worker) -> None:
    for key in ("language", "charge", "cards", "selftest"):
        assert press(key, "explode").status_code == 422
    assert worker.orders == []


# -- the fields


@pytest.mark.parametrize(
    ("fields", "words"),
    [
        ({"language": "tlh", "time_zone": "UTC"}, "Select a valid choice"),
        ({"language": "en", "time_zone": "Mars/Olympus"}, "Select a valid choice"),
        ({"language": "en"}, "This field is required"),
    ],
)
def test_languages_and_zones_are_from_the_list(press: Callable[..., Any], fields: Shown, words: str) -> None:
    assert words in text(press("language", **fields))
    assert press("language", language="de", time_zone="Europe/Berlin")["Location"] == "/setup/password"


@pytest.mark.parametrize(
    ("first", "second", "words"),
    [
        ("16", "10", "The two numbers differ"),
        ("16", "", "This field is required"),
        ("x", "x", "Write a number of ampere"),
        ("5", "5", "between 6 and 80"),
        ("nan", "nan", "Write a number of ampere"),
        ("40", "40", "The hardware allows at most 32 A"),
        ("-16", "-16", "between 6 and 80"),
    ],
)
def test_a_bad_limit_changes_nothing(
    press: Callable[..., Any], worker: Worker, first: str, second: str, words: str
) -> None:
    answer = press("limits", max_current_a=first, again=second)
    assert answer.status_code == 422
    assert words in text(answer)
    assert (worker.orders, provisioning.stored("electrical", "max_current_a")) == ([], None)


def test_a_limit_is_stored_told_to_the_station_and_proven(press: Callable[..., Any], worker: Worker) -> None:
    assert worker.shown is not None
    worker.shown["limit"]["limit_a"] = 10.0
    assert press("limits", max_current_a="10", again="10")["Location"] == "/setup/selftest"
    assert worker.orders == [("settings", None)]
    assert provisioning.load().electrical.max_current_a == 10


def test_breaker_cable_and_grid_are_never_less_than_the_limit_and_stand_in_the_report(
    press: Callable[..., Any], inside: Client, worker: Worker
) -> None:
    assert worker.shown is not None
    worker.shown["limit"]["limit_a"] = 16.0
    behind = {"breaker_a": "20", "cable_a": "13.5", "grid": "TN-S"}
    answer = press("limits", max_current_a="16", again="16", **behind)
    assert answer.status_code == 422
    assert text(answer).count("The largest current is 16 A, more than this carries.") == 1
    assert 'value="13.5"' in text(answer)
    assert worker.orders == []
    behind["cable_a"] = "25"
    assert press("limits", max_current_a="16", again="16", **behind)["Location"] == "/setup/selftest"
    [step] = [one for one in inside.get("/setup/report.json").json()["steps"] if one["step"] == "limits"]
    numbers = {name: step["numbers"][name] for name in ("Breaker", "Cable", "Type of the grid")}
    assert numbers == {"Breaker": "20 A", "Cable": "25 A", "Type of the grid": "TN-S"}
    assert 'value="25"' in text(inside.get("/setup/limits")).replace('value="25.0"', 'value="25"')
    press("limits", max_current_a="16", again="16")
    assert "Type of the grid" not in text(inside.get("/setup/report"))


def test_a_limit_that_did_not_reach_the_station_is_not_done(press: Callable[..., Any], worker: Worker) -> None:
    worker.reply = Reply(False, "The station's controller does not answer.", heard=False)
    answer = press("limits", max_current_a="10", again="10")
    assert answer.status_code == 422
    assert "does not answer" in text(answer)


def test_the_self_test_is_ordered_by_its_row(press: Callable[..., Any], inside: Client) -> None:
    assert press("selftest", "test").status_code == 302
    assert models.SelfTest.objects.get().asked_by == "admin"
    assert "The test runs" in text(inside.get("/setup/selftest"))


@pytest.mark.parametrize(
    ("phone", "location"), [("2026-03-01T12:00:01.5Z", "/setup/firmware"), ("2020-01-01T00:00:00Z", None)]
)
def test_the_clock_of_the_phone_decides(press: Callable[..., Any], phone: str, location: str | None) -> None:
    answer = press("time", phone=phone)
    assert answer.get("Location") == location
    assert location or "differs by" in text(answer)


@pytest.mark.parametrize("phone", ["", "soon", "<b>"])
def test_a_phone_without_a_time_is_said_so(press: Callable[..., Any], phone: str) -> None:
    assert "did not arrive" in text(press("time", phone=phone))
    assert "offset_s" not in commissioning.said().get("time", {})


def test_the_software_is_confirmed(press: Callable[..., Any]) -> None:
    assert press("firmware", version=__version__)["Location"] == "/setup/backend"
    assert press("firmware", version="9").status_code == 422


def test_a_tapped_card_is_learned_with_one_press(press: Callable[..., Any], inside: Client) -> None:
    disk_store().add_reason(Explain("card", "refused", "Unknown.", "04AA<BB", "AUT-06"), datetime.now(UTC))
    assert "Let 04AA&lt;BB charge" in text(inside.get("/setup/cards/proof"))
    assert press("cards", "add", id_tag="04AA<BB")["Location"] == "/setup/cards"
    assert "Just held to the reader" not in text(inside.get("/setup/cards/proof"))
    assert press("cards")["Location"] == "/setup/charge"


@pytest.mark.parametrize(("id_tag", "words"), [("", "required"), ("x" * 21, "20 characters"), ("ä", "character")])
def test_a_bad_card_number_is_refused(press: Callable[..., Any], id_tag: str, words: str) -> None:
    answer = press("cards", "add", id_tag=id_tag)
    assert answer.status_code == 422
    assert words in text(answer)
    assert models.IdTag.objects.count() == 0


def test_a_card_is_not_added_twice(press: Callable[..., Any]) -> None:
    press("cards", "add", id_tag="A")
    assert "in the list already" in text(press("cards", "add", id_tag="a"))


def test_the_test_charge_is_started_and_stopped_from_the_page(
    press: Callable[..., Any], inside: Client, worker: Worker
) -> None:
    press("cards", "add", id_tag="CARD")
    assert "Start with card CARD" in text(inside.get("/setup/charge"))
    press("charge", "start", id_tag="CARD")
    press("charge", "stop")
    assert worker.orders == [("swipe", "CARD"), ("stop", None)]
    assert worker.shown is not None
    worker.shown.update(session={"energy_wh": 5}, box={"ev_connected": True, "contactor_closed": True})
    assert text(inside.get("/setup/charge/proof")).count("<b>yes</b>") == 4


def test_the_hand_over_names_what_is_missing(press: Callable[..., Any]) -> None:
    answer = press("handover")
    assert answer.status_code == 422
    assert "Not finished yet: Language and time zone, Name and place" in text(answer)


def test_the_report_is_a_page_and_a_file(press: Callable[..., Any], inside: Client, user: User) -> None:
    prove_all(user)
    assert press("handover")["Location"] == "/setup/report"
    page = text(inside.get("/setup/report"))
    assert "Bay 12" in page
    answer = inside.get("/setup/report.json")
    told = json.loads(answer.content)
    assert "attachment" in answer["Content-Disposition"]
    assert [step["step"] for step in told["steps"]] == [step.key for step in STEPS]


def test_the_button_that_leads_to_the_proof_stands_out_and_is_the_only_one(
    inside: Client, worker: Worker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(commissioning, "machine_addresses", list)
    for step in STEPS:
        page = text(inside.get(f"/setup/{step.key}"))
        standing_out = re.findall(r'<(?:button|a) class="(?:button )?main"[^>]*>([^<]*)<', page)
        assert len(standing_out) == 1, step.key
        wanted = {"selftest": "Start the self-test", "network": "Open the page Network"}
        wanted |= {"backend": "Open the page Backend", "time": "Compare with this phone"}
        assert standing_out[0] == wanted.get(step.key, standing_out[0])
