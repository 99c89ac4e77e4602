"""When the station looks for updates, what it remembers, and when it installs one by itself."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

import tests.appliance  # noqa: F401
from ocppclient.clock import Clock
from ocppclient.events import Action, Event, JobWanted, ReleaseOffered, RunJob, SecurityEventSeen
from ocppclient.sentence import Sentence, packed, unpacked
from ocppclient.store import Job
from station import commissioning
from station.updates import kept
from station.updates.desk import AGAIN_S, DAY_S, FIRST_S, START_S, UpdateDesk
from station.updates.kept import VALUE, Found
from station.updates.published import Offer

ADDRESS = "https://seller.example/updates.json"
NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
OFFER = Offer("2.0.0", "https://seller.example/2.0.0.release", 1000, "ab" * 32, (), "", True)
MADE = "2026-03-01T00:00:00.000Z"


@dataclass
class Station:
    """The rest of the station, and whoever does its jobs."""

    start: datetime = NOON
    now_s: float = 0.0
    chance: float = 0.5
    charges: bool = False
    values: dict[str, str] = field(default_factory=dict)
    jobs: dict[str, Job] = field(default_factory=dict)
    seen: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.boot()

    def boot(self, running: str = "1.0.0") -> None:
        """The process starts (again)."""
        self.clock = Clock(lambda: self.now_s, lambda: self.start + timedelta(seconds=self.now_s))
        self.desk = UpdateDesk(self.clock, self, self.handle, lambda: self.charges, running, lambda: self.chance)

    # -- what the desk has of it

    def value(self, name: str) -> str | None:
        return self.values.get(name)

    def set_value(self, name: str, value: str | None) -> None:
        assert value is not None
        self.values[name] = value

    def job(self, uid: str) -> Job | None:
        return self.jobs.get(uid)

    def handle(self, event: Event) -> list[Action]:
        self.seen.append(event)
        if not isinstance(event, JobWanted):
            return []
        uid = f"job {len(self.jobs)}"
        self.jobs[uid] = Job(uid, event.kind, json.dumps(dict(event.arguments)))
        return [RunJob(uid)]

    # -- what a test does

    def wait(self, seconds: float, step_s: float = 30.0) -> None:
        until = self.now_s + seconds
        while self.now_s < until:
            self.now_s = min(self.now_s + step_s, until)
            self.desk.tick()

    @property
    def found(self) -> Found:
        return kept.from_text(self.values.get(VALUE, ""))

    def questions(self) -> list[dict[str, Any]]:
        return [dict(event.arguments) for event in self.seen if isinstance(event, JobWanted)]

    def of(self, kind: type) -> list[Any]:
        return [event for event in self.seen if isinstance(event, kind)]

    def end_job(self, state: str, **result: Any) -> None:
        uid = self.found.job
        self.jobs[uid] = replace(self.jobs[uid], state=state, result=json.dumps(result))
        self.wait(1, 1)

    def answer(self, offer: Offer | None = OFFER, made: str = MADE) -> None:
        self.end_job("done", made=made, offer=asdict(offer) if offer else None)

    def fail(self, failure: str, reason: str) -> None:
        self.end_job("failed", failure=failure, reason=packed(Sentence(reason)))


def want(**values: Any) -> None:
    kept.choose({"url": ADDRESS, **values})


def test_without_an_address_nobody_is_ever_asked():
    station = Station()
    station.wait(3 * DAY_S, 300)
    assert station.questions() == []
    assert station.desk.look()[0] is False
    assert station.questions() == []


def test_the_first_question_comes_soon_after_the_start_and_the_next_a_day_later():
    want()
    station = Station()
    station.wait(FIRST_S + 1, 1)
    assert station.questions() == [{"location": ADDRESS, "former": ""}]
    assert station.found.job
    station.answer(None)
    assert (station.found.job, station.found.offer, station.found.made) == ("", None, MADE)
    station.wait(DAY_S - 100)
    assert len(station.questions()) == 1
    station.wait(200)
    assert station.questions()[1:] == [{"location": ADDRESS, "former": MADE}]


def test_the_stations_of_a_seller_do_not_ask_at_the_same_time():
    want()
    moments = []
    for chance in (0.0, 0.5, 0.99):
        station = Station(chance=chance)
        station.wait(FIRST_S + 1, 1)
        station.answer(None)
        while len(station.questions()) < 2:
            station.wait(60)
        moments.append(station.now_s)
    assert moments[1] - moments[0] > DAY_S / 5
    assert moments[2] - moments[1] > DAY_S / 5


def test_a_restart_does_not_ask_again_before_the_day_is_over():
    want()
    station = Station()
    station.wait(FIRST_S + 1, 1)
    station.answer(None)
    station.wait(DAY_S / 2)
    station.boot()
    station.wait(DAY_S / 2 - 200)
    assert len(station.questions()) == 1
    station.wait(START_S)
    assert len(station.questions()) == 2


def test_a_question_that_was_under_way_at_a_power_cut_is_answered_afterwards():
    want()
    station = Station()
    station.wait(FIRST_S + 1, 1)
    station.boot()
    station.answer()
    assert station.found.offer == OFFER
    assert len(station.questions()) == 1
    # a row that is gone is no answer
    station.desk.look()
    del station.jobs[station.found.job]
    station.boot()
    station.wait(10, 1)
    assert station.found.job == ""
    assert station.found.offer == OFFER


def test_a_server_that_does_not_answer_is_noted_and_asked_again_within_hours():
    want()
    station = Station()
    station.wait(FIRST_S + 1, 1)
    station.answer()
    station.desk.look()
    station.fail("network", "seller.example:443 cannot be reached")
    assert "cannot be reached" in unpacked(station.found.problem)
    assert station.found.offer == OFFER  # what was proven stays
    assert station.of(SecurityEventSeen) == []
    station.wait(AGAIN_S + 60)
    assert len(station.questions()) == 3
    station.answer(None)
    assert (station.found.problem, station.found.offer) == ("", None)


@pytest.mark.parametrize(
    ("failure", "event"),
    [("signature", "InvalidFirmwareSignature"), ("certificate", "InvalidFirmwareSigningCertificate"), ("list", None)],
)
def test_a_forged_list_is_a_security_event_once(failure: str, event: str | None):
    want()
    station = Station()
    station.wait(FIRST_S + 1, 1)
    station.fail(failure, "the signature does not fit")
    station.wait(DAY_S)
    station.fail(failure, "the signature does not fit")
    assert [seen.type for seen in station.of(SecurityEventSeen)] == ([event] if event else [])
    assert station.found.offer is None


def test_another_address_begins_anew_and_none_forgets_what_was_found():
    want()
    station = Station()
    station.wait(FIRST_S + 1, 1)
    station.answer()
    want(url="https://other.example/updates.json")
    station.desk.settings_changed()
    assert (station.found.offer, station.found.made) == (None, "")
    station.wait(FIRST_S + 1, 1)
    assert station.questions()[-1] == {"location": "https://other.example/updates.json", "former": ""}
    station.answer()
    want(url="")
    station.desk.settings_changed()
    assert station.found == Found()


def test_what_runs_now_is_not_offered_any_more():
    want()
    station = Station()
    station.wait(FIRST_S + 1, 1)
    station.answer()
    station.boot(running="2.0.0")
    station.wait(1, 1)
    assert station.found.offer is None


def test_only_the_version_that_was_found_can_be_ordered():
    want()
    station = Station()
    assert station.desk.offered("2.0.0") is None
    station.wait(FIRST_S + 1, 1)
    station.answer()
    assert station.desk.offered("2.0.0") == ReleaseOffered(OFFER.location, OFFER.sha256, "2.0.0")
    assert station.desk.offered("1.9.0") is None
    station.wait(3 * DAY_S, 60)  # nobody said so
    assert station.of(ReleaseOffered) == []


# --- by night --------------------------------------------------------------------------------------------------------


def waiting(**values: Any) -> Station:
    """Found at noon, to be installed by night."""
    want(install_at_night=True)
    station = Station(**values)
    station.clock.confirm()
    station.wait(FIRST_S + 1, 1)
    station.answer()
    return station


def until_hour(station: Station, hour: int, minute: int = 0) -> None:
    now = station.clock.utc()
    ahead_s = ((hour * 60 + minute) * 60 - (now.hour * 3600 + now.minute * 60 + now.second)) % 86_400
    station.wait(ahead_s, 30)


def test_by_night_it_is_installed_at_a_minute_of_the_stations_own():
    station = waiting(chance=0.5)  # the middle of 2 to 5
    until_hour(station, 3, 29)
    assert station.of(ReleaseOffered) == []
    until_hour(station, 3, 32)
    assert station.of(ReleaseOffered) == [ReleaseOffered(OFFER.location, OFFER.sha256, "2.0.0")]


def test_the_night_is_that_of_the_stations_time_zone():
    commissioning.say("language", language="ko", time_zone="Asia/Seoul")
    station = waiting(chance=0.0)
    until_hour(station, 16, 55)
    assert station.of(ReleaseOffered) == []
    until_hour(station, 17, 5)
    assert len(station.of(ReleaseOffered)) == 1


@pytest.mark.parametrize("hindered", ["charging", "updating"])
def test_it_waits_for_the_end_of_a_session_or_of_another_update(hindered: str):
    station = waiting(chance=0.0)
    station.charges = hindered == "charging"
    if hindered == "updating":
        station.values["firmware.update"] = "{}"
    until_hour(station, 3)
    assert station.of(ReleaseOffered) == []
    station.charges = False
    station.values.pop("firmware.update", None)
    until_hour(station, 3, 2)
    assert len(station.of(ReleaseOffered)) == 1


def test_a_session_that_lasts_all_night_leaves_it_for_the_next():
    station = waiting(chance=0.0)
    station.charges = True
    until_hour(station, 5, 1)
    station.charges = False
    until_hour(station, 23)
    assert station.of(ReleaseOffered) == []
    until_hour(station, 2, 2)
    assert len(station.of(ReleaseOffered)) == 1


def test_what_failed_once_is_not_installed_every_night():
    station = waiting(chance=0.0)
    until_hour(station, 2, 2)
    station.boot()
    station.clock.confirm()
    station.wait(4 * DAY_S, 60)
    assert len(station.of(ReleaseOffered)) == 1
    if station.found.job:
        station.answer(replace(OFFER, version="2.0.1", sha256="cd" * 32), "2026-03-05T00:00:00.000Z")
    until_hour(station, 2, 2)
    assert [order.version for order in station.of(ReleaseOffered)] == ["2.0.0", "2.0.1"]


def test_while_nobody_knows_the_time_there_is_no_night():
    want(install_at_night=True)
    station = Station(start=datetime(2000, 1, 1, tzinfo=UTC), chance=0.0)
    station.wait(FIRST_S + 1, 1)
    station.answer()
    station.wait(DAY_S, 60)
    assert station.of(ReleaseOffered) == []
