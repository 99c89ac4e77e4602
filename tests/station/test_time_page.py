"""The time page: what it says, what it orders, and who may open it."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client

from station import ask, commissioning
from station.ask import Reply
from station.views.clock import ago, sentence
from tests.station.test_cards import configure

CLOCK = {"utc": "2026-07-01T12:00:00.000Z", "synchronised": True, "confirmed": True, "source": "ntp",
         "by": "time.example", "told_s": 12, "held_s": 0}  # fmt: skip
SYSTEM = {"program": "chrony", "synchronised": True, "server": "time.example", "age_s": 12.2, "offset_s": -0.002,
          "servers": [{"name": "<b>time", "state": "no answer"}], "rtc_ahead_s": None, "behind_s": 0.0}  # fmt: skip


class Worker:
    """What the page orders, and what it hears."""

    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.reply = Reply(True, "The clock is set from the phone.")
        self.clock: dict[str, Any] | None = CLOCK
        self.told: dict[str, Any] | None = {"rules": True, "problem": "", "system": SYSTEM, "chosen": ["a.example"]}

    def order(self, order: dict[str, Any] | None, user: str) -> tuple[Reply, dict[str, Any] | None]:
        if order is not None:
            self.orders.append(order)
        return self.reply, self.told

    def snapshot(self) -> dict[str, Any] | None:
        return None if self.clock is None else {"clock": self.clock}


@pytest.fixture
def worker(monkeypatch: pytest.MonkeyPatch) -> Worker:
    played = Worker()
    monkeypatch.setattr(ask, "clock", played.order)
    monkeypatch.setattr(ask, "snapshot", played.snapshot)
    return played


def page(client: Client) -> str:
    return client.get("/time").content.decode()


def test_the_page_says_whose_time_it_is_and_since_when(inside: Client, worker: Worker) -> None:
    text = page(inside)
    assert "The clock is set from NTP (time.example), 12 seconds ago." in text
    assert "2026-07-01 12:00:00" in text
    assert "&lt;b&gt;time" in text
    assert "no answer" in text
    assert "none: after a power cut" in text


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"source": "backend", "by": "", "told_s": 300}, "set from the backend, 5 minutes ago"),
        ({"source": "phone", "by": "ann", "told_s": 7300}, "set from the phone of ann, 2 hours ago"),
        ({"by": ""}, "set from NTP, 12 seconds ago"),
        ({"source": "", "confirmed": False}, "Nobody has confirmed the clock"),
        ({"source": "", "confirmed": False, "synchronised": False}, "is a guess"),
    ],
)
def test_every_source_has_its_sentence(changes: dict[str, Any], words: str) -> None:
    assert words in sentence({**CLOCK, **changes})


def test_a_clock_that_is_held_back_says_so(inside: Client, worker: Worker) -> None:
    worker.clock = {**CLOCK, "held_s": 1800}
    assert "The clock is 1800 s ahead. It goes back when the session has ended." in page(inside)


@pytest.mark.parametrize(
    ("seconds", "words"), [(1, "1 second"), (119, "119 seconds"), (120, "2 minutes"), (7200, "2 h")]
)
def test_ages_are_in_one_unit(seconds: float, words: str) -> None:
    assert ago(seconds).startswith(words)


def test_the_phones_time_is_ordered_and_the_answer_is_shown(inside: Client, worker: Worker) -> None:
    answer = inside.post("/time/change", {"do": "phone", "utc": "2026-07-01T12:00:00Z"}, follow=True)
    assert worker.orders == [{"do": "phone", "utc": "2026-07-01T12:00:00Z"}]
    assert "The clock is set from the phone." in answer.content.decode()


def test_a_refusal_is_shown_with_its_reason(inside: Client, worker: Worker) -> None:
    worker.reply = Reply(False, "a session is running")
    answer = inside.post("/time/change", {"do": "phone", "utc": "2026-07-01T12:00:00Z"}, follow=True)
    assert "a session is running" in answer.content.decode()


def test_time_servers_are_ordered_one_a_line(inside: Client, worker: Worker) -> None:
    assert "a.example" in page(inside)
    inside.post("/time/change", {"do": "servers", "servers": "b.example\r\n192.0.2.1\r\n"})
    assert worker.orders == [{"do": "servers", "servers": ["b.example", "192.0.2.1"]}]


@pytest.mark.parametrize(
    ("typed", "words"), [("a;b", "a;b is no host name"), ("a b c d e", "Name four time servers at most")]
)
def test_wrong_servers_come_back_with_what_was_typed(inside: Client, worker: Worker, typed: str, words: str) -> None:
    answer = inside.post("/time/change", {"do": "servers", "servers": typed})
    assert answer.status_code == 422
    assert words in answer.content.decode()
    assert typed in answer.content.decode()
    assert worker.orders == []


def test_on_a_computer_that_is_not_ours_no_servers_are_asked_for(inside: Client, worker: Worker) -> None:
    assert worker.told is not None
    worker.told["rules"] = False
    text = page(inside)
    assert 'name="servers"' not in text
    assert "Set the clock from this phone" in text


def test_the_time_zone_is_for_people(inside: Client, worker: Worker) -> None:
    inside.post("/time/change", {"do": "zone", "time_zone": "Asia/Seoul"})
    assert commissioning.said()["language"]["time_zone"] == "Asia/Seoul"
    text = page(inside)
    assert "2026-07-01 21:00:00" in text
    assert inside.post("/time/change", {"do": "zone", "time_zone": "Moon/Sea"}).status_code == 422


def test_without_a_worker_the_page_says_so(inside: Client, worker: Worker) -> None:
    worker.clock = worker.told = None
    worker.reply = Reply(False, "nobody", heard=False)
    answer = inside.get("/time")
    assert answer.status_code == 200
    assert "does not answer" in answer.content.decode()
    assert "does not answer" in inside.get("/time/state").content.decode()


def test_the_wizard_needs_no_phone_where_time_servers_answer(inside: Client, worker: Worker) -> None:
    configure()
    evidence = commissioning.Evidence(None, None, {}, {"clock": CLOCK})  # type: ignore[arg-type]
    proof = commissioning.BY_KEY["time"].prove(evidence)
    assert (proof.state, proof.text) == (
        commissioning.State.DONE,
        "The clock is set from NTP (time.example), 12 s ago.",
    )
