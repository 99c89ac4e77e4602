"""The clock desk with a played computer and a real charge point, on the virtual clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest

import tests.appliance  # noqa: F401
from ocppclient.clock import format_utc
from ocppclient.events import Action, Event
from station.clock.desk import ClockDesk
from station.clock.picture import Refused, Seen
from station.clock.servers import fits
from tests.ocppclient.harness import START, Bench


class Computer:
    """A computer whose clock is off by `off_s`; behaves as system.py does."""

    def __init__(self, bench: Bench) -> None:
        self.bench = bench
        self.off_s = 0.0
        self.seen: dict[str, Any] = {}
        self.refusal = ""
        self.enabled: bool | None = True
        self.servers: list[str] = []
        self.shifts: list[float] = []

    @property
    def system(self) -> Any:
        now_s = self.bench.time.now
        return START + timedelta(seconds=now_s - 1000 + self.off_s)

    async def look(self) -> Seen:
        return replace(Seen(self.system, self.bench.time.now, self.system, enabled=self.enabled), **self.seen)

    async def shift(self, by_s: float) -> None:
        if self.refusal:
            raise Refused(self.refusal)
        self.shifts.append(round(by_s, 3))
        self.off_s += by_s

    async def enable(self) -> None:
        self.enabled = True

    async def use_servers(self, servers: Sequence[str]) -> None:
        if self.refusal:
            raise Refused(self.refusal)
        self.servers = list(servers)


class Kept:
    def __init__(self) -> None:
        self.names: list[str] = []

    def chosen(self) -> list[str]:
        return self.names

    def choose(self, names: list[str]) -> None:
        self.names = names


class Desk:
    """A desk with everything it needs."""

    def __init__(self, *, rules: bool = True, looks: bool = True) -> None:
        self.bench = Bench()
        self.bench.read()
        self.computer = Computer(self.bench)
        self.kept = Kept()

        async def recall(read: Callable[[], Any]) -> Any:
            return read()

        async def handle(event: Event) -> Sequence[Action]:
            return self.bench.do(event)

        computer = self.computer if looks else None
        self.desk = ClockDesk(computer, self.kept, recall, handle, self.bench.clock, rules=rules)

    def tick(self, after_s: float = 0.0) -> None:
        self.bench.time.now += after_s
        asyncio.run(self.desk.tick())

    def obey(self, **order: Any) -> tuple[bool, str]:
        return asyncio.run(self.desk.obey(order, "ann"))

    def told(self) -> dict[str, Any]:
        return asyncio.run(self.desk.told())


def test_what_a_time_server_says_reaches_the_charge_point() -> None:
    desk = Desk(rules=False)
    desk.computer.off_s = 40
    desk.computer.seen = {"synchronised": True, "server": "time.example", "program": "chrony"}
    desk.tick()
    assert desk.bench.clock.utc() == START + timedelta(seconds=40)
    clock = desk.bench.cp.view().clock
    assert (clock.source, clock.by) == ("ntp", "time.example")


def test_where_nobody_looks_at_the_computer_a_phone_sets_the_station_all_the_same() -> None:
    desk = Desk(rules=False, looks=False)
    desk.computer.seen = {"synchronised": True}
    desk.tick()
    assert not desk.bench.clock.confirmed
    assert desk.obey(do="phone", utc=format_utc(START + timedelta(days=1)))[0]
    assert desk.bench.clock.utc() == START + timedelta(days=1)
    assert desk.told() == {"rules": False, "problem": "", "system": None, "chosen": []}


def test_a_computer_without_time_servers_confirms_nothing() -> None:
    desk = Desk()
    desk.tick()
    assert not desk.bench.clock.confirmed
    assert desk.computer.shifts == []


def test_the_systems_clock_follows_the_backends_time() -> None:
    desk = Desk()
    desk.bench.connect()
    desk.bench.answer(status="Accepted", interval=300, currentTime=format_utc(START + timedelta(hours=2)))
    desk.tick()
    assert desk.computer.shifts == [7200]
    desk.tick(10)
    assert desk.computer.shifts == [7200]
    assert desk.told()["system"]["behind_s"] == pytest.approx(0)


def test_it_is_not_moved_again_and_again() -> None:
    """Whatever sets it back meanwhile: once a minute at most"""
    desk = Desk()
    desk.obey(do="phone", utc=format_utc(START + timedelta(minutes=5)))
    for _ in range(12):
        desk.computer.off_s = 0
        desk.tick(10)
    assert len(desk.computer.shifts) in (2, 3)


def test_a_clock_that_time_servers_keep_is_left_alone() -> None:
    desk = Desk()
    desk.bench.ready()
    desk.computer.off_s = 300
    desk.computer.seen = {"synchronised": True}
    desk.tick()
    assert desk.computer.shifts == []


def test_on_a_computer_that_is_not_ours_nothing_is_set() -> None:
    desk = Desk(rules=False)
    desk.computer.enabled = False
    assert desk.obey(do="phone", utc=format_utc(START + timedelta(hours=2)))[0]
    desk.tick(100)
    assert (desk.computer.shifts, desk.computer.enabled) == ([], False)
    assert desk.bench.clock.utc() == START + timedelta(hours=2, seconds=100)  # for itself it keeps the right time
    assert desk.obey(do="servers", servers=["a"]) == (
        False,
        "The clock of this computer is kept by its operating system.",
    )
    assert desk.kept.names == []


def test_time_servers_that_were_switched_off_are_switched_on_again() -> None:
    """A power cut while the clock was being set leaves them off"""
    desk = Desk()
    desk.computer.enabled = False
    desk.tick()
    assert desk.computer.enabled


def test_the_system_does_not_go_back_before_the_session_has_ended() -> None:
    """F10: it follows the station's clock, which waits"""
    desk = Desk()
    desk.bench.ready().charge()
    desk.bench.call("TriggerMessage", requestedMessage="Heartbeat")
    desk.bench.answer(currentTime=format_utc(desk.bench.clock.utc() - timedelta(hours=1)))
    desk.tick(100)
    assert desk.computer.shifts == []
    desk.bench.swipe("CARD1")
    desk.bench.open_contactor()
    desk.bench.settle()
    desk.bench.wait(1)
    desk.tick(10)
    assert desk.computer.shifts == [-3600]


def test_a_phone_sets_both_clocks() -> None:
    desk = Desk()
    assert desk.obey(do="phone", utc=format_utc(START + timedelta(days=40))) == (
        True,
        "The clock is set from the phone.",
    )
    assert desk.bench.clock.utc() == START + timedelta(days=40)
    assert desk.computer.shifts == [40 * 86400]


@pytest.mark.parametrize("text", ["", "now", "25:00"])
def test_a_phone_without_a_time_is_said_so(text: str) -> None:
    ok, words = Desk().obey(do="phone", utc=text)
    assert not ok
    assert "did not arrive" in words


def test_a_phone_is_refused_with_the_reason_while_the_time_servers_answer() -> None:
    desk = Desk()
    desk.computer.seen = {"synchronised": True, "server": "time.example"}
    desk.tick()
    ok, words = desk.obey(do="phone", utc=format_utc(START + timedelta(days=1)))
    assert not ok
    assert "set from time servers 0 s ago, which is better than a phone" in words
    assert desk.bench.clock.utc() == START


def test_chosen_servers_are_kept_and_used_from_every_start_on() -> None:
    desk = Desk()
    assert desk.obey(do="servers", servers=["a.example", "a.example", "192.0.2.1"]) == (
        True,
        "The time servers are set.",
    )
    assert desk.kept.names == desk.computer.servers == ["a.example", "192.0.2.1"]
    desk.computer.servers = []
    desk.tick(10)
    assert desk.computer.servers == ["a.example", "192.0.2.1"]


def test_what_the_system_refuses_is_told_in_words() -> None:
    desk = Desk()
    desk.computer.refusal = "Nobody would ask the time servers."
    assert desk.obey(do="servers", servers=["a.example"]) == (False, desk.computer.refusal)
    assert desk.told()["problem"] == desk.computer.refusal
    desk.computer.refusal = ""
    desk.tick(10)
    assert desk.told()["problem"] == ""


@pytest.mark.parametrize(
    "name",
    ["", "-oProxy", "a b", "a\nmakestep 1 -1", "a;touch canary", "$(x)", "a" * 64 + ".example", "a..b", "fe80::1%eth0",
     "x." * 127 + "example", "ä.example"],
)  # fmt: skip
def test_what_is_no_host_reaches_no_file(name: str) -> None:
    """A6"""
    assert not fits(name)
    desk = Desk()
    assert not desk.obey(do="servers", servers=[name])[0]
    assert desk.computer.servers == desk.kept.names == []


@pytest.mark.parametrize("name", ["0.pool.ntp.org", "time", "192.0.2.1", "2001:db8::1", "ptbtime1.ptb.de."])
def test_hosts_and_addresses_fit(name: str) -> None:
    assert fits(name)


@pytest.mark.parametrize("order", [{}, {"do": "explode"}, {"do": "phone"}, {"do": "servers", "servers": "a"}])
def test_another_order_is_refused(order: dict[str, Any]) -> None:
    assert asyncio.run(Desk().desk.obey(order, "ann")) == (False, "The station does not know this order.")
