"""The held button of the panel: the hotspot, a way back in, a factory reset; refused with a sound and a reason."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from django.contrib.auth.models import User

from hardware.interfaces import CardSignal, Hold
from ocppclient.events import Event, Explain, SecurityEventSeen
from station import factory_reset, held_button, models, people
from station.held_button import HeldButton
from station.roles import Role, role_of
from tests.station.test_backup import a_session
from tests.station.test_factory_reset import used


@pytest.fixture(autouse=True)
def _nothing_waits() -> Iterator[None]:
    yield
    factory_reset.discard()


class PlayedBox:
    def __init__(self) -> None:
        self.signals: list[CardSignal] = []

    def signal(self, signal: CardSignal) -> None:
        self.signals.append(signal)


class PlayedWorker:
    """Does everything at once, on the thread of the test."""

    def __init__(self) -> None:
        self.box: Any = PlayedBox()
        self.told: list[Explain] = []
        self.seen: list[Event] = []
        self.restarts = 0
        self.called = threading.Event()

    def call(self, call: Callable[[], object]) -> None:
        call()
        self.called.set()

    def put(self, event: Event) -> None:
        self.seen.append(event)

    def explain(self, explain: Explain) -> None:
        self.told.append(explain)

    def restart(self) -> None:
        self.restarts += 1

    @property
    def verdict(self) -> tuple[str, str]:
        (told,) = self.told
        return told.verdict, told.rule


class PlayedDesk:
    def __init__(self) -> None:
        self.orders: list[dict[str, Any]] = []
        self.answer = (True, "The hotspot is open for 15 minutes.")

    async def obey(self, order: dict[str, Any], user: str) -> tuple[bool, str]:
        assert user == held_button.WHO
        self.orders.append(order)
        return self.answer


class Bench:
    """`desk` None: the station does not rule its network."""

    def __init__(self, desk: PlayedDesk | None = None) -> None:
        self.worker = PlayedWorker()
        self.desk = desk

    def hold(self, hold: Hold) -> None:
        async def held() -> None:
            loop = asyncio.get_running_loop()
            button = HeldButton(self.worker, lambda: None if self.desk is None else (self.desk, loop))  # type: ignore[arg-type]
            await asyncio.to_thread(button.asked, hold)
            if self.desk is not None:
                while not self.worker.told:
                    await asyncio.to_thread(self.worker.called.wait, 5)

        asyncio.run(held())


def test_held_shortly_it_opens_the_hotspot() -> None:
    bench = Bench(PlayedDesk())
    bench.hold(Hold.SHORT)
    assert bench.desk is not None
    assert bench.desk.orders == [{"do": "hotspot", "open": True}]
    assert bench.worker.verdict == ("Accepted", "The hotspot is open for 15 minutes.")
    assert bench.worker.box.signals == [CardSignal.ACCEPTED]


def test_without_a_hotspot_it_says_why_not() -> None:
    bench = Bench()
    bench.hold(Hold.SHORT)
    assert bench.worker.verdict[0] == "Refused"
    assert "does not rule the network" in bench.worker.verdict[1]
    assert bench.worker.box.signals == [CardSignal.REJECTED]
    refusing = PlayedDesk()
    refusing.answer = (False, "This station has no WiFi radio that can be a hotspot.")
    bench = Bench(refusing)
    bench.hold(Hold.SHORT)
    assert bench.worker.verdict == ("Refused", refusing.answer[1])


def test_held_long_it_brings_the_label_password_back_and_forgets_the_networks() -> None:
    used()
    bench = Bench(PlayedDesk())
    bench.hold(Hold.LONG)
    owner = User.objects.get(username="owner")
    assert owner.check_password("the label")
    assert role_of(owner) is Role.INSTALLER
    assert User.objects.filter(username="guest").exists(), "everybody else stays"
    assert bench.desk is not None
    assert bench.desk.orders == [{"do": "forget"}]
    assert bench.worker.verdict == (
        "Accepted", "The password of the label counts again. The hotspot is open for 15 minutes."
    )  # fmt: skip
    assert [event.type for event in bench.worker.seen if isinstance(event, SecurityEventSeen)] == [
        "ReconfigurationOfSecurityParameters"
    ]
    assert models.IdTag.objects.exists(), "cards and sessions are not touched"


def test_a_label_password_that_came_back_has_to_be_changed_again() -> None:
    used()
    factory = models.Setting.objects.get(section="station", name="factory")
    factory.value = factory.value.replace('"password_once": false', '"password_once": true')
    factory.save()
    User.objects.filter(username="owner").delete()
    Bench().hold(Hold.LONG)
    owner = User.objects.get(username="owner")
    assert owner.check_password("the label")
    assert people.must_choose_a_password(owner)


def test_a_lost_password_is_helped_also_where_the_network_is_not_ruled() -> None:
    used()
    bench = Bench()
    bench.hold(Hold.LONG)
    assert bench.worker.verdict == ("Accepted", "The password of the label counts again.")
    assert bench.worker.box.signals == [CardSignal.ACCEPTED]


def test_held_very_long_it_is_a_factory_reset_at_the_next_start() -> None:
    used()
    bench = Bench()
    bench.hold(Hold.VERY_LONG)
    assert bench.worker.restarts == 1
    assert factory_reset.apply_pending() == "factory reset by the button"
    assert bench.worker.box.signals == [CardSignal.ACCEPTED]


def test_nothing_is_reset_while_a_session_runs() -> None:
    used()
    a_session("running", stopped=False)
    bench = Bench()
    bench.hold(Hold.VERY_LONG)
    assert (bench.worker.restarts, bench.worker.box.signals) == (0, [CardSignal.REJECTED])
    assert "A session is running" in bench.worker.verdict[1]
    assert factory_reset.apply_pending() == ""


@pytest.mark.parametrize("hold", [Hold.LONG, Hold.VERY_LONG])
def test_an_unknown_delivery_is_said_so(hold: Hold) -> None:
    bench = Bench(PlayedDesk())
    bench.worker.told.append(Explain("", "", ""))  # nothing to wait for
    bench.hold(hold)
    assert "not known" in bench.worker.told[-1].rule
    assert bench.worker.box.signals == [CardSignal.REJECTED]
