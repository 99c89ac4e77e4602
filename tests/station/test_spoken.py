"""Pages say in the reader's language what domain and hardware say, live, kept and old; no English is left."""

from __future__ import annotations

import io
import re
import zipfile
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from typing import Any

import polib
import pytest
from django.core.cache import cache
from django.test import Client
from django.utils import translation

import hardware.sentence
from hardware.interfaces import BoxReading, FaultCode, PortHealth
from hardware.interfaces import Fault as BoxFault
from ocppclient.clock import format_utc
from ocppclient.events import Explain, MaintenanceBegan
from ocppclient.link import LinkStatus
from ocppclient.sentence import Sentence, is_made, packed, quoted
from station import ask, live
from station.faults import to_fault
from station.models import Reason
from station.sentences import all_packed, all_spoken, spoken
from station.store import DjangoStore
from station.translation.catalogue import path_of
from tests.ocppclient.harness import START, Bench

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
LANGUAGES = ["ko", "de"]
#: Fields of the snapshot that scripts look at; no page shows them.
FOR_PROGRAMS = ("status", "kind", "name", "registration", "code", "error_code")


def _limited(amps: float) -> Bench:
    bench = Bench().ready().charge()
    schedule = {
        "startSchedule": format_utc(START),
        "duration": 7200,
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}],
    }
    profile = {
        "chargingProfileId": 7,
        "stackLevel": 0,
        "chargingProfilePurpose": "TxDefaultProfile",
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule,
    }
    assert bench.call("SetChargingProfile", connectorId=1, csChargingProfiles=profile)[2] == {"status": "Accepted"}
    bench.read(ev_requests=True, contactor_closed=amps > 0)
    return bench


def _after(action: Callable[[Bench], object]) -> Bench:
    bench = Bench().ready()
    action(bench)
    return bench


def _reserved(bench: Bench) -> None:
    answer = bench.call("ReserveNow", connectorId=1, idTag="C1", reservationId=1, expiryDate="2026-03-01T18:00:00Z")
    assert answer[2] == {"status": "Accepted"}


#: What the driver and the owner may find → the charge point in that state, and its status.
STATES: dict[str, tuple[Callable[[], Bench], str]] = {
    "available": (lambda: Bench().ready(), "Available"),
    "waiting for a card": (lambda: _after(lambda bench: bench.read(ev_connected=True)), "Preparing"),
    "charging": (lambda: Bench().ready().charge(), "Charging"),
    "limited by a profile": (lambda: _limited(10), "Charging"),
    "paused by the car": (
        lambda: _after(lambda bench: bench.charge().read(ev_requests=False, contactor_closed=False)),
        "SuspendedEV",
    ),
    "paused by a profile": (lambda: _limited(0), "SuspendedEVSE"),
    "out of service": (
        lambda: _after(lambda bench: bench.call("ChangeAvailability", connectorId=0, type="Inoperative")),
        "Unavailable",
    ),
    "self-test": (
        lambda: _after(lambda bench: bench.do(MaintenanceBegan(Sentence("self-test")))),
        "Unavailable",
    ),
    "reserved": (lambda: _after(_reserved), "Reserved"),
}


@pytest.fixture(params=LANGUAGES)
def language(request: pytest.FixtureRequest) -> Iterator[str]:
    cache.clear()
    with translation.override(request.param):
        yield request.param
    cache.clear()


def _english(language: str) -> set[str]:
    """The English texts that have another translation."""
    entries = polib.pofile(str(path_of(language, "django")))
    return {entry.msgid for entry in entries if entry.msgstr and entry.msgstr != entry.msgid}


def _remains(texts: list[str], language: str) -> list[str]:
    english = _english(language)
    whole = [text for text in english if text.count(" ") >= 2 and "{" not in text and "%" not in text]
    return [text for text in texts if text.strip() in english or any(part in text for part in whole)]


def _snapshot(bench: Bench, box: BoxReading | None = None) -> dict[str, Any]:
    error = Sentence("the name {host} cannot be resolved; check the address and the network's DNS", host="x")
    link = LinkStatus(state="waiting", last_error=error)
    silent = hardware.sentence.Sentence("no answer from {who}", who=hardware.sentence.Sentence("the meter"))
    port = PortHealth("meter", "sdm230", "/dev/x", True, error=silent)
    shown = live.snapshot(bench.cp.view(), box, link, NOON, 1000.0, ports=[port])
    return dict(all_packed(shown))


def _leaves(value: Any) -> Iterator[str]:
    match value:
        case str():
            yield value
        case dict():
            for name, one in value.items():
                if name not in FOR_PROGRAMS:
                    yield from _leaves(one)
        case list():
            for one in value:
                yield from _leaves(one)


class _Texts(HTMLParser):
    """What a page shows: its text nodes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.found: list[str] = []
        self._hidden = 0
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self._hidden += tag in ("script", "style")

    def handle_endtag(self, tag: str) -> None:
        self._hidden -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._hidden and data.strip():
            self.found.append(re.sub(r"\s+", " ", data).strip())


@pytest.mark.parametrize("state", STATES)
def test_dashboard_and_driver_page_say_every_state_in_the_readers_language(
    state: str, language: str, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    make, status = STATES[state]
    snapshot = _snapshot(make())
    assert snapshot["state"]["status"] == status
    said = all_spoken(snapshot)
    assert _remains(list(_leaves(said)), language) == []
    assert said["state"]["sentence"] != str(make().cp.view().sentence)

    async def answer(*asked: object) -> dict[str, Any]:
        return {"snapshot": snapshot}

    monkeypatch.setattr(ask, "_asked", answer)
    page = client.get("/driver", HTTP_ACCEPT_LANGUAGE=language).content.decode()
    assert _remains(_Texts(page).found, language) == []
    assert f'lang="{language}"' in page


@pytest.mark.parametrize("code", FaultCode)
def test_every_fault_and_its_cure_are_said_in_the_readers_language(code: FaultCode, language: str) -> None:
    fault = BoxFault(code, True, hardware.sentence.Sentence("pilot state {cp}", cp="E"))
    bench = Bench().ready()
    bench.read(faults=(to_fault(fault),))
    said = all_spoken(_snapshot(bench, BoxReading(at=0.0, ready=True, faults=(fault,))))
    assert said["state"]["status"] == "Faulted"
    assert _remains(list(_leaves(said)), language) == []
    (shown,) = said["box"]["faults"]
    assert shown["words"] in said["state"]["sentence"]


def test_numbers_are_written_as_the_language_writes_them() -> None:
    limit = Sentence("{limit_a:.1f} A by operator profile {profile_id}", limit_a=9.96, profile_id=7)
    said = Sentence("Charging at up to {limit}.", limit=limit)
    assert spoken(said) == "Charging at up to 10.0 A by operator profile 7."
    with translation.override("de"):
        assert spoken(said) == "Lädt mit höchstens 10,0 A laut Betreiberprofil 7."
    with translation.override("ko"):
        assert spoken(said) == "충전 중, 최대 10.0 A(운영사 프로파일 7)."


def test_names_and_the_words_of_others_are_never_translated() -> None:
    with translation.override("de"):
        assert spoken(Sentence("Card {id_tag}", id_tag="Charging")) == "Card Charging"
        assert all_spoken({"id_tag": "Charging", "word": packed(Sentence("Charging"))}) == {
            "id_tag": "Charging",
            "word": "Lädt",
        }
        assert spoken(quoted(OSError("{x} 100 %"))) == "{x} 100 %"
        assert spoken("") == ""


def test_a_reason_is_kept_with_its_template_and_an_old_row_still_shows(inside: Client) -> None:
    DjangoStore().add_reason(
        Explain(
            Sentence("card"), Sentence("refused"), Sentence("The backend answered {status}.", status="Blocked"), "C1"
        ),
        NOON,
    )
    Reason.objects.create(at=NOON, what="card", verdict="refused", rule="As it was written once.", value="", clause="")
    newest, old = Reason.objects.order_by("id")
    assert is_made(newest.rule)
    assert newest.rule == "The backend answered Blocked."
    page = inside.get("/why?q=answered", HTTP_ACCEPT_LANGUAGE="de").content.decode()
    assert "Das Backend antwortete Blocked." in page
    assert "As it was written once." in inside.get("/why", HTTP_ACCEPT_LANGUAGE="de").content.decode()
    assert "The backend answered Blocked." in inside.get("/why/export").content.decode()
    assert old.rule == "As it was written once."


def test_the_diagnostics_are_english_whoever_takes_them(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    snapshot = _snapshot(Bench().ready())

    async def answer(*asked: object) -> dict[str, Any]:
        return {"snapshot": snapshot}

    monkeypatch.setattr(ask, "_asked", answer)
    content = inside.post("/diagnostics", HTTP_ACCEPT_LANGUAGE="de").content
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        told = " ".join(archive.read(name).decode(errors="replace") for name in archive.namelist())
    assert "Ready. Plug in the car or tap a card." in told
    assert "Bereit." not in told


def test_a_worker_that_does_not_answer_is_told_in_the_readers_language(monkeypatch: pytest.MonkeyPatch) -> None:
    async def silence(*asked: object) -> None:
        return None

    monkeypatch.setattr(ask, "_asked", silence)
    with translation.override("de"):
        assert ask.order("stop", None, "ann").text.startswith("Die Steuerung der Station antwortet nicht.")
