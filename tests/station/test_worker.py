"""The worker with a charge point, a link and a box that only note what happens to them."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any

import pytest

import tests.appliance  # noqa: F401
from hardware.interfaces import BoxReading, CardSignal, FaultCode, Show
from hardware.interfaces import Fault as HardwareFault
from ocppclient.clock import Clock
from ocppclient.events import (
    Action,
    CardFeedback,
    CardSwiped,
    ConfirmRelease,
    Connect,
    Connected,
    Disconnect,
    DiskJudged,
    Event,
    Explain,
    Feedback,
    FrameReceived,
    JobProgressed,
    LocalStop,
    Reading,
    Reboot,
    RunJob,
    SecurityEventSeen,
    SendFrame,
    SetClock,
    SetPingInterval,
    Setpoint,
    SettingsChanged,
    SwitchFailed,
    SwitchRelease,
    Tick,
    UpdateLink,
)
from ocppclient.link import ConnectionSettings, LinkStatus
from ocppclient.settings import ChargePointSettings
from ocppclient.store import Job
from ocppclient.view import TransactionView, View
from station.command_face import StationConsumer
from station.errors import StartupError
from station.history import BATCH, Measurement
from station.live_feed import LiveFeed
from station.story import changes
from station.worker import Domain, Outside, StationWorker

VIEW = View(
    status="Available", error_code="NoError", sentence="", limit_sentence="", online=True, registration="accepted",
    heartbeat_interval_s=300, queue_depth=0, parked=0, in_flight="", in_flight_s=0.0, last_error="", quirks=0,
    clock_utc=datetime(2026, 1, 1, tzinfo=UTC), clock_synchronised=True, transaction=None, offered_a=0.0, limit_a=16.0,
    ev_connected=False, contactor_closed=False, energy_wh=0, power_w=None, current_a=None, voltage_v=None,
    temperature_c=None,
)  # fmt: skip
CHARGING = TransactionView("u1", "A", 1, datetime(2026, 1, 1, tzinfo=UTC), 0)
SETTINGS = ConnectionSettings("ws://h/ocpp", "CP1")
STORED = ChargePointSettings(backend_key="ws://h/ocpp CP1")


@dataclass
class FakeChargePoint:
    """Answers each event with what the test wants."""

    wanted: Callable[[Event], list[Action]] = lambda event: []
    handled: list[Event] = field(default_factory=list)
    threads: set[str] = field(default_factory=set)
    shown: View = VIEW

    def handle(self, event: Event) -> list[Action]:
        self.threads.add(threading.current_thread().name)
        self.handled.append(event)
        return self.wanted(event)

    def view(self) -> View:
        return self.shown

    def connector_status(self) -> str:
        return self.shown.status


@dataclass
class Notes:
    """The link, the box and the store: everything the actions reach, in order."""

    told: list[tuple[Any, ...]] = field(default_factory=list)
    reading: BoxReading = field(default_factory=lambda: BoxReading(at=0.0))
    parked: dict[int, Any] = field(default_factory=dict)
    lamps: Show = Show.STARTING
    safe: bool = True
    jobs: list[Job] = field(default_factory=list)

    def send(self, text: str, session: int | None = None) -> None:
        self.told.append(("send", text, session))

    def frame_done(self) -> None:
        self.told.append(("frame_done",))

    def reconnect(self, settings: ConnectionSettings | None, reason: str) -> None:
        self.told.append(("reconnect", settings, reason))

    def use(self, settings: ConnectionSettings) -> None:
        self.told.append(("use", settings))

    def close(self, reason: str, retry: bool, code: int = 1000) -> None:
        self.told.append(("close", reason, retry))

    def set_ping_interval(self, seconds: float) -> None:
        self.told.append(("ping", seconds))

    def status(self) -> LinkStatus:
        return LinkStatus()

    def setpoint(self, amps: float, authorised: bool) -> None:
        self.told.append(("setpoint", amps, authorised))

    def limit(self, max_current_a: float) -> None:
        self.told.append(("limit", max_current_a))

    def show(self, show: Show) -> None:
        self.lamps = show

    def signal(self, signal: CardSignal) -> None:
        self.told.append(("signal", signal))

    def acknowledge(self) -> bool:
        self.told.append(("acknowledge",))
        return self.safe

    def health(self) -> tuple[()]:
        return ()

    def add_reason(self, explain: Explain, at: datetime) -> None:
        self.told.append(("reason", explain.rule))

    def add_measurements(self, rows: Any) -> None:
        self.told.append(("measured", list(rows)))

    def set_value(self, name: str, value: str | None) -> None:
        self.told.append(("value", name, value))

    def value(self, name: str) -> str | None:
        return None

    def newest_jobs(self) -> list[Job]:
        return self.jobs

    def run_job(self, uid: str) -> None:
        self.told.append(("run_job", uid))

    def switch(self, slot: str) -> str:
        self.told.append(("switch", slot))
        return "no such slot" if slot == "bad" else ""

    def confirm(self) -> None:
        self.told.append(("confirm",))

    def queued(self, seq: int) -> Any:
        return self.parked.get(seq)


class Bench:
    """A running worker and its surroundings."""

    def __init__(self) -> None:
        self.charge_point, self.notes = FakeChargePoint(), Notes()
        self.crash: Future[BaseException] = Future()
        self.reboots: list[tuple[bool, int]] = []
        self.worker = StationWorker(self.crash.set_result)
        self.feed = LiveFeed(Clock().monotonic)
        self.closed = False

    def start(self) -> None:
        def close() -> None:
            self.closed = True

        domain = Domain(self.notes, self.charge_point, Clock(), close)
        self.worker.start(lambda: domain).result(5)
        self.worker.go(
            Outside(self.notes, self.notes, self.feed, lambda: SETTINGS, lambda: STORED, self.reboot, self.notes)
        )

    def reboot(self, hard: bool, retries: int) -> None:
        self.reboots.append((hard, retries))

    def done(self) -> None:
        """Everything that was put is handled."""
        self.worker.call(lambda: None).result(5)

    @property
    def handled(self) -> list[Event]:
        return [event for event in self.charge_point.handled if not isinstance(event, Tick)]


@pytest.fixture
def bench() -> Iterator[Bench]:
    bench = Bench()
    yield bench
    bench.worker.stop(5)


def test_actions_run_in_order_after_their_event_on_the_one_domain_thread(bench: Bench) -> None:
    actions: list[Action] = [
        SendFrame("answer"),
        Setpoint(16.0, True),
        Connect("new address"),
        UpdateLink("another root"),
        Disconnect("two messages without an answer", retry=True),
        SetPingInterval(30),
        SetClock(datetime(2026, 1, 1, tzinfo=UTC), 3.0, "the backend"),
        Feedback(CardFeedback.ACCEPTED, "Welcome"),
        Explain("Authorize", "Rejected", "The card is blocked."),
        SendFrame("consequence"),
    ]
    bench.charge_point.wanted = lambda event: actions if event == CardSwiped("A") else []
    bench.start()
    bench.worker.put(CardSwiped("A"))
    bench.done()
    assert bench.notes.told == [
        ("send", "answer", 0),
        ("setpoint", 16.0, True),
        ("reconnect", SETTINGS, "new address"),
        ("use", SETTINGS),
        ("close", "two messages without an answer", True),
        ("ping", 30),
        ("signal", CardSignal.ACCEPTED),
        ("reason", "The card is blocked."),
        ("send", "consequence", 0),
    ]
    assert bench.charge_point.threads == {"domain"}


def test_the_lamps_follow_the_status_of_the_connector(bench: Bench) -> None:
    bench.start()
    bench.charge_point.shown = replace(VIEW, status="SuspendedEV")
    bench.done()
    bench.worker.put(LocalStop())
    for _ in range(100):
        bench.done()
        if bench.notes.lamps is Show.PAUSED:
            return
        threading.Event().wait(0.02)
    raise AssertionError(bench.notes.lamps)


def test_without_a_backend_in_the_settings_the_link_goes_off(bench: Bench) -> None:
    bench.charge_point.wanted = lambda event: [Connect("settings")] if event == LocalStop() else []
    bench.worker.start(lambda: Domain(bench.notes, bench.charge_point, Clock())).result(5)
    bench.worker.go(
        Outside(bench.notes, bench.notes, bench.feed, lambda: None, lambda: STORED, bench.reboot, bench.notes)
    )
    bench.worker.put(LocalStop())
    bench.done()
    assert bench.notes.told == [("close", "no backend is configured any more", False)]


class Filling:
    """A disk that is full at the third look."""

    def __init__(self) -> None:
        self.looks = 0

    def look(self) -> bool | None:
        self.looks += 1
        return False if self.looks == 3 else None


def test_the_disk_is_looked_at_before_every_event_and_the_charge_point_hears_of_it(bench: Bench) -> None:
    """F5: the commit of an event has to find room"""
    disk = Filling()
    bench.worker.start(lambda: Domain(bench.notes, bench.charge_point, Clock())).result(5)
    bench.worker.go(
        Outside(
            bench.notes, bench.notes, bench.feed, lambda: None, lambda: STORED, bench.reboot, bench.notes, disk=disk
        )
    )
    for _ in range(5):
        bench.worker.put(LocalStop())
    bench.done()
    heard = [event for event in bench.charge_point.handled if isinstance(event, LocalStop | DiskJudged)]
    assert heard.index(DiskJudged(has_room=False)) <= 2
    assert disk.looks >= len(heard) - 1


def test_a_peer_cannot_forge_lines_of_the_log(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level("INFO")
    explain = Explain("frame", "malformed", "Not OCPP.", "x\n12:00:00 INFO station all is well")
    bench.charge_point.wanted = lambda event: [explain] if event == LocalStop() else []
    bench.start()
    bench.worker.put(LocalStop())
    bench.done()
    assert "x·12:00:00" in caplog.text


def test_a_flood_of_reasons_is_counted_and_told_at_the_end(bench: Bench) -> None:
    explain = Explain("frame", "malformed", "A frame was not OCPP.", "", "RPC-28")
    bench.charge_point.wanted = lambda event: [explain] * 1000 if event == LocalStop() else []
    bench.start()
    bench.worker.put(LocalStop())
    bench.worker.stop(5)
    rules = [item[1] for item in bench.notes.told if item[0] == "reason"]
    assert rules[:-1] == ["A frame was not OCPP."] * 5
    assert rules[-1].startswith("995 times more within")


def test_events_that_came_before_the_start_are_handled_in_their_order(bench: Bench) -> None:
    bench.worker.put(Connected())
    bench.worker.take_card("A")
    bench.start()
    bench.worker.put(LocalStop())
    bench.done()
    assert bench.handled == [Connected(), CardSwiped("A"), LocalStop()]


def test_messages_carry_the_session_they_were_made_for(bench: Bench) -> None:
    bench.charge_point.wanted = lambda event: [SendFrame("x")] if isinstance(event, (Connected, CardSwiped)) else []
    bench.start()
    for event in (Connected(), CardSwiped("A"), Connected()):
        bench.worker.put(event)
    bench.done()
    assert bench.notes.told == [("send", "x", 1), ("send", "x", 1), ("send", "x", 2)]


def test_each_frame_is_acknowledged_before_its_answer_leaves(bench: Bench) -> None:
    bench.charge_point.wanted = lambda event: [SendFrame("y")] if isinstance(event, FrameReceived) else []
    bench.start()
    bench.worker.put(FrameReceived('[2,"1","Reset",{"type":"Soft"}]'))
    bench.done()
    assert bench.notes.told == [("frame_done",), ("send", "y", 0)]


def test_time_ticks_ten_times_a_second_and_late_ticks_are_not_made_up_for() -> None:
    now, ticks = 0.0, 0
    bench = Bench()

    def handle(event: Event) -> list[Action]:
        nonlocal now, ticks
        ticks += isinstance(event, Tick)
        if event == CardSwiped("slow"):
            now += 5.0  # handling takes 5 s
        return []

    bench.charge_point.wanted = handle
    clock = Clock(monotonic=lambda: now)
    bench.worker.start(lambda: Domain(bench.notes, bench.charge_point, clock)).result(5)
    bench.worker.go(
        Outside(bench.notes, bench.notes, bench.feed, lambda: None, lambda: STORED, bench.reboot, bench.notes)
    )
    bench.done()
    assert ticks == 1
    for _ in range(3):
        now += 0.1001
        bench.done()
    assert ticks == 4
    bench.worker.put(CardSwiped("slow"))
    bench.done()
    bench.done()
    assert ticks == 5
    bench.worker.stop(5)


def test_an_idle_worker_ticks_by_itself(bench: Bench) -> None:
    ticked = threading.Event()
    bench.charge_point.wanted = lambda event: ticked.set() or []  # type: ignore[func-returns-value]
    bench.start()
    assert ticked.wait(5)


def test_readings_are_translated_and_an_unknown_plug_keeps_the_last_one(bench: Bench) -> None:
    bench.worker.take_reading(BoxReading(at=0.0, ready=True, ev_connected=True))
    bench.worker.take_reading(BoxReading(at=1.0, ready=True, ev_connected=None, contactor_closed=True))
    bench.start()
    bench.done()
    assert bench.handled == [Reading(ev_connected=True), Reading(ev_connected=True, contactor_closed=True)]


def test_a_failure_in_the_domain_ends_everything(bench: Bench) -> None:
    def fail(event: Event) -> list[Action]:
        if isinstance(event, CardSwiped):
            raise RuntimeError("memory and database differ now")
        return []

    bench.charge_point.wanted = fail
    bench.start()
    bench.worker.put(CardSwiped("A"))
    bench.worker.put(LocalStop())
    assert str(bench.crash.result(5)) == "memory and database differ now"
    assert LocalStop() not in bench.handled
    assert not bench.closed


def test_a_failing_question_of_a_page_does_not_end_the_station(bench: Bench) -> None:
    bench.start()
    with pytest.raises(ZeroDivisionError):
        bench.worker.call(lambda: 1 // 0).result(5)
    bench.worker.put(LocalStop())
    bench.done()
    assert bench.handled == [LocalStop()]


def test_a_question_nobody_waits_for_any_more_is_skipped(bench: Bench) -> None:
    asked: list[str] = []
    future = bench.worker.call(lambda: asked.append("old"))
    future.cancel()
    bench.start()
    bench.done()
    assert asked == []


def test_what_cannot_be_opened_is_reported_to_the_one_who_starts(bench: Bench) -> None:
    def build() -> Domain:
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="the disk is gone"):
        bench.worker.start(build).result(5)


def test_a_reboot_is_handed_on(bench: Bench) -> None:
    bench.charge_point.wanted = lambda event: [Reboot(hard=True, retries=3)] if event == LocalStop() else []
    bench.start()
    bench.worker.put(LocalStop())
    bench.done()
    assert bench.reboots == [(True, 3)]


def test_stopping_handles_what_is_waiting_and_closes_the_database(bench: Bench) -> None:
    bench.start()
    for n in range(50):
        bench.worker.put(CardSwiped(str(n)))
    assert bench.worker.stop(5)
    assert len(bench.handled) == 50
    assert bench.closed


def test_an_opened_housing_is_one_security_event(bench: Bench) -> None:
    bench.start()
    opened = HardwareFault(FaultCode.TAMPER, False, "door")
    for faults in ((opened,), (opened,), (), (opened,)):
        bench.worker.take_reading(BoxReading(at=0.0, ready=True, faults=faults))
    bench.done()
    seen = [event for event in bench.handled if isinstance(event, SecurityEventSeen)]
    assert seen == [SecurityEventSeen("TamperDetectionActivated", "door")] * 2


def test_the_story_tells_changes_only() -> None:
    plugged = Reading(ev_connected=True)
    assert changes(None, Reading(ready=False)) == []
    assert changes(None, plugged) == ["The hardware is ready", "A car is plugged in"]
    assert changes(plugged, plugged) == []
    assert changes(plugged, Reading(contactor_closed=True)) == ["The car is unplugged", "The contactor is closed"]


def test_the_station_reads_its_settings_again_when_people_changed_them(bench: Bench) -> None:
    bench.start()
    face = StationConsumer(bench.worker)
    assert bench.worker.call(lambda: face._obey("settings", None, "admin")).result(5) == (
        True,
        "The station has read its settings again.",
    )
    assert bench.handled == [SettingsChanged(STORED)]


def test_settings_that_cannot_be_used_change_nothing_and_say_why(bench: Bench) -> None:
    def broken() -> ChargePointSettings:
        raise StartupError("The file client.pem is missing.")

    bench.worker.start(lambda: Domain(bench.notes, bench.charge_point, Clock())).result(5)
    bench.worker.go(Outside(bench.notes, bench.notes, bench.feed, lambda: SETTINGS, broken, bench.reboot, bench.notes))
    face = StationConsumer(bench.worker)
    assert bench.worker.call(lambda: face._obey("settings", None, "admin")).result(5) == (
        False,
        "The file client.pem is missing.",
    )
    assert bench.handled == []


def test_what_the_hardware_can_is_noted_when_it_changes(bench: Bench) -> None:
    bench.start()
    for limit_a in (24.0, 24.0, 0.0, 16.0):
        bench.worker.put(Reading(limit_a=limit_a))
        bench.done()
    values = [told for told in bench.notes.told if told[0] == "value"]
    assert values == [("value", "hardware.limit_a", "24"), ("value", "hardware.limit_a", "16")]


def test_a_weld_is_stored_within_a_tick_and_forgotten_when_its_repair_was_confirmed(bench: Bench) -> None:
    bench.start()
    bench.done()

    def ticked() -> None:
        """One tick, on the domain thread."""
        bench.worker.call(bench.worker._keep_weld).result(5)

    for weld in ("current flows with the contactor open", "current flows with the contactor open", ""):
        bench.notes.reading = replace(bench.notes.reading, weld=weld)
        ticked()
    values = [told for told in bench.notes.told if told[0] == "value"]
    assert values == [
        ("value", "hardware.weld", "current flows with the contactor open"),
        ("value", "hardware.weld", None),
    ]


def test_minutes_are_kept_in_batches_with_the_limit_and_a_store_that_fails_stops_nothing(bench: Bench) -> None:
    seconds = count()
    base = datetime(2026, 3, 1, tzinfo=UTC)
    clock = Clock(lambda: float(next(seconds)), lambda: base + timedelta(minutes=next(seconds)))
    written: list[Sequence[Measurement]] = []
    twice = threading.Event()

    def write(rows: Sequence[Measurement]) -> None:
        written.append(list(rows))
        if len(written) == 1:
            raise OSError("disk full")
        twice.set()

    bench.notes.add_measurements = write  # type: ignore[method-assign]
    bench.charge_point.wanted = lambda event: [Setpoint(10.0, True)] if isinstance(event, LocalStop) else []
    bench.worker.start(lambda: Domain(bench.notes, bench.charge_point, clock)).result(5)
    bench.worker.put(LocalStop())
    bench.worker.go(
        Outside(bench.notes, bench.notes, bench.feed, lambda: SETTINGS, lambda: STORED, bench.reboot, bench.notes)
    )
    assert twice.wait(5)
    assert len(written[1]) == BATCH
    assert {(row.power_w, row.limit_ma) for row in written[1]} == {(None, 10_000)}
    assert not bench.crash.done()


def test_jobs_and_releases_are_handed_on(bench: Bench) -> None:
    actions = {
        "job": RunJob("j1"),
        "switch": SwitchRelease("new"),
        "fails": SwitchRelease("bad"),
        "stay": ConfirmRelease(),
    }
    bench.charge_point.wanted = lambda event: (
        [actions[event.reason]] if isinstance(event, LocalStop) and event.reason in actions else []
    )
    bench.start()
    for reason in actions:
        bench.worker.put(LocalStop(reason))
    bench.done()
    assert bench.notes.told == [("run_job", "j1"), ("switch", "new"), ("switch", "bad"), ("confirm",)]
    assert [event for event in bench.handled if isinstance(event, SwitchFailed)] == [SwitchFailed("no such slot")]


def test_what_becomes_of_a_job_is_told_to_the_charge_point_once(bench: Bench) -> None:
    seen = threading.Event()

    def wanted(event: Event) -> list[Action]:
        if isinstance(event, JobProgressed) and event.state == "done":
            seen.set()
        return []

    bench.charge_point.wanted = wanted
    bench.notes.jobs = [Job("j1", "upload", "{}", state="done")]
    bench.start()
    assert seen.wait(10)
    bench.done()
    assert [event for event in bench.charge_point.handled if isinstance(event, JobProgressed)] == [
        JobProgressed("j1", 1, "done")
    ]
