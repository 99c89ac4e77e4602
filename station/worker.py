"""The worker: one inbox, one domain thread that owns the store and the charge point, and what their actions do outside.

event → `charge_point.handle` (which commits) → its actions, in order (design.md, concepts 1, 3 and 9).
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from hardware.interfaces import BoxReading, CardSignal, FaultCode, PortHealth, Show
from ocppclient.clock import Clock
from ocppclient.events import (
    Action,
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
from ocppclient.redact import mask
from ocppclient.sentence import Sentence, packed, quoted
from ocppclient.settings import ChargePointSettings
from ocppclient.store import Job
from ocppclient.view import View
from station.faults import to_reading
from station.history import History, Measurement
from station.inbox import Inbox
from station.job_watch import JobWatch
from station.live_feed import LiveFeed
from station.signals import card_signal, show_of
from station.story import Story, line
from station.why_log import WhyLog

log = logging.getLogger("station.worker")

TICK_S = 0.1
#: Where the largest current of the hardware is noted, ampere per phase.
HARDWARE_LIMIT = "hardware.limit_a"
#: In the store: what showed that the contactor is stuck, until a person confirms its repair.
WELD = "hardware.weld"


class ChargePointLike(Protocol):
    """The front door of the domain."""

    def handle(self, event: Event) -> list[Action]: ...
    def view(self) -> View: ...
    def connector_status(self) -> str: ...


class StoreLike(Protocol):
    """What the worker and its desks write and read: the why log, what is measured, values, and the rows of jobs."""

    def add_reason(self, explain: Explain, at: datetime) -> None: ...
    def add_measurements(self, rows: Sequence[Measurement]) -> None: ...
    def set_value(self, name: str, value: str | None) -> None: ...
    def value(self, name: str) -> str | None: ...
    def newest_jobs(self) -> list[Job]: ...
    def job(self, uid: str) -> Job | None: ...


class Link(Protocol):
    """The backend connection as the worker uses it."""

    def send(self, text: str, session: int | None = None) -> None: ...
    def frame_done(self) -> None: ...
    def reconnect(self, settings: ConnectionSettings | None, reason: str) -> None: ...
    def use(self, settings: ConnectionSettings) -> None: ...
    def close(self, reason: str, retry: bool, code: int = 1000) -> None: ...
    def set_ping_interval(self, seconds: float) -> None: ...
    def status(self) -> LinkStatus: ...


class BoxLike(Protocol):
    """The hardware as the worker uses it."""

    def setpoint(self, amps: float, authorised: bool) -> None: ...
    def limit(self, max_current_a: float) -> None: ...
    def show(self, show: Show) -> None: ...
    def signal(self, signal: CardSignal) -> None: ...
    def acknowledge(self) -> bool: ...
    def health(self) -> tuple[PortHealth, ...]: ...
    @property
    def reading(self) -> BoxReading: ...


class Attendant(Protocol):
    """Who runs the self-test: looked after on the domain thread."""

    def tick(self) -> None: ...
    def take_card(self, id_tag: str) -> bool: ...
    def give_up(self, why: str) -> None: ...


class DiskLike(Protocol):
    """The room on the disk: looked at before every event, so that its commit finds some."""

    def look(self) -> bool | None: ...


class MaintenanceLike(Protocol):
    """Jobs and releases as the worker uses them."""

    def run_job(self, uid: str) -> None: ...
    def switch(self, slot: str) -> str: ...
    def confirm(self) -> None: ...


@dataclass(frozen=True)
class Domain:
    """What the domain thread owns."""

    store: StoreLike
    charge_point: ChargePointLike
    clock: Clock
    #: Ends the database connection of the thread.
    close: Callable[[], None] = lambda: None


@dataclass(frozen=True)
class Outside:
    """What the actions reach.

    Attributes:
        link_settings: the backend settings as they are stored now; called on the domain thread.
        settings: what the charge point has to know of the settings as they are stored now; called likewise.
        reboot: ends the process for a restart. Hard: restarts the EVSE board first, with so many retries when it does
            not obey. Returns at once.
        self_tests: gets every tick, and the first look at every card.
        disk: looked at before every event.
        watch: called at every tick, after the domain has had it.
    """

    link: Link
    box: BoxLike
    feed: LiveFeed
    link_settings: Callable[[], ConnectionSettings | None]
    settings: Callable[[], ChargePointSettings]
    reboot: Callable[[bool, int], None]
    maintenance: MaintenanceLike
    self_tests: Attendant | None = None
    disk: DiskLike | None = None
    watch: Callable[[], None] = lambda: None


class StationWorker:
    """Runs the domain.

    `start` opens the domain in its thread, `go` lets events in. `put`, `call`, `take_reading` and `take_card` may be
    called from any thread.

    Args:
        crashed: called on the domain thread with an exception that nothing may survive: memory and database may differ,
            so the process has to end (exit code 70) and start again.
    """

    def __init__(self, crashed: Callable[[BaseException], None]) -> None:
        self.inbox = Inbox()
        self._crashed = crashed
        self._domain: Domain | None = None
        self._outside: Outside | None = None
        self._sessions = 0
        self._facts: Reading | None = None  # of the newest reading that came in
        self._tampered = False
        self._story = Story()
        self._job_watch: JobWatch | None = None  # while the domain works
        self._why = WhyLog(self._keep_reason)
        self._history = History(self._keep_measurements)
        self._hardware_limit_a = 0.0
        self._weld = ""
        self._stopping = False
        self._broken = False
        self._going = threading.Event()
        self._thread: threading.Thread | None = None

    # --- life ----------------------------------------------------------------------------------------------------

    def start(self, build: Callable[[], Domain]) -> Future[Domain]:
        """Start the thread and build the domain in it; the future has the domain or what went wrong."""
        built: Future[Domain] = Future()
        self._thread = threading.Thread(target=self._run, args=(build, built), name="domain", daemon=True)
        self._thread.start()
        return built

    def go(self, outside: Outside) -> None:
        """Everything is there: handle what came and what comes."""
        self._outside = outside
        self._going.set()

    def stop(self, timeout_s: float) -> bool:
        """Handle what is in the inbox, then end the thread; False when it did not end in time."""
        self.inbox.call(self._stop)
        self._going.set()
        if self._thread is not None:
            self._thread.join(timeout_s)
        return self._thread is None or not self._thread.is_alive()

    def _stop(self) -> None:
        self._stopping = True

    # --- from any thread -----------------------------------------------------------------------------------------

    def put(self, event: Event) -> None:
        """Something happened."""
        self.inbox.put(event)

    def call(self, call: Callable[[], Any]) -> Future[Any]:
        """Call something on the domain thread, in its turn."""
        return self.inbox.call(call)

    def handle(self, event: Event) -> Future[list[Action]]:
        """Put an event whose actions somebody wants to see."""
        return self.inbox.call(lambda: self.handle_now(event))

    def take_reading(self, reading: BoxReading) -> None:
        """From the box, one call at a time."""
        former = self._facts
        self._facts = facts = to_reading(reading, former.ev_connected if former else False)
        self.inbox.put(facts)
        tampering = next((fault for fault in reading.faults if fault.code is FaultCode.TAMPER), None)
        if tampering is not None and not self._tampered:
            self.inbox.put(SecurityEventSeen("TamperDetectionActivated", tampering.info or "housing"))
        self._tampered = tampering is not None

    def take_card(self, id_tag: str) -> None:
        """From the box."""
        self.inbox.put(CardSwiped(id_tag))

    # --- on the domain thread ------------------------------------------------------------------------------------

    @property
    def charge_point(self) -> ChargePointLike:
        """Only for `call`."""
        assert self._domain is not None
        return self._domain.charge_point

    @property
    def box(self) -> BoxLike:
        """Only for `call`."""
        assert self._outside is not None
        return self._outside.box

    @property
    def store(self) -> Any:
        """Only for `call`."""
        assert self._domain is not None
        return self._domain.store

    def restart(self) -> None:
        """Only for `call`: the application starts again, with its settings as they are stored now."""
        assert self._outside is not None
        self._outside.reboot(False, 0)

    def explain(self, explain: Explain) -> None:
        """Only for `call`: into the why log, as what the charge point explains."""
        assert self._domain is not None
        self._why.tell(explain, self._domain.clock.monotonic())

    def settings_changed(self) -> SettingsChanged:
        """Only for `call`: the event that tells of the stored settings; StartupError when they cannot be used."""
        assert self._outside is not None
        return SettingsChanged(self._outside.settings())

    def show(self, channel: str, frames: bool, watch: bool = True) -> None:
        """Only for `call`: send everything to one page, which goes on to watch or only asked once."""
        assert self._domain is not None
        assert self._outside is not None
        out, now_utc = self._outside, self._domain.clock.utc()
        view = self.charge_point.view()
        out.feed.answer(
            channel,
            view,
            out.box.reading,
            out.link.status(),
            now_utc,
            out.box.health(),
            frames,
            minutes=self._history.unwritten,
            watch=watch,
        )

    def _run(self, build: Callable[[], Domain], built: Future[Domain]) -> None:
        try:
            self._domain = build()
        except BaseException as error:  # the waiting main thread raises it
            built.set_exception(error)
            return
        built.set_result(self._domain)
        self._going.wait()
        try:
            self._work(self._domain.clock.monotonic)
            self._why.close(self._domain.clock.monotonic())
            self._history.close()
            self._domain.close()
        except BaseException as error:
            log.critical("The station crashed and starts again: memory and database may differ", exc_info=error)
            self._crashed(error)

    def _work(self, monotonic: Callable[[], float]) -> None:
        assert self._domain is not None
        next_tick_at = monotonic()
        self._job_watch = job_watch = JobWatch(self._domain.store.newest_jobs, monotonic)
        while not self._stopping:
            entry = self.inbox.take(next_tick_at - monotonic())
            now = monotonic()
            self._look_at_disk()
            if now >= next_tick_at:  # late ticks are not made up for
                next_tick_at = now + TICK_S
                self.handle_now(Tick())
                self._light()
                for progressed in job_watch.news():
                    self.handle_now(progressed)
                self._why.update(now)
                self._look_after_self_test()
                self._keep_weld()
                self._keep_history(now)
                self._watch()
            if entry is None:
                pass
            elif entry.event is not None:
                if not self._is_for_self_test(entry.event):
                    self.handle_now(entry.event)
            elif entry.call is not None:
                self._answer(entry.call, entry.result)
            self._publish()

    def _look_at_disk(self) -> None:
        assert self._outside is not None
        if self._outside.disk is not None and (has_room := self._outside.disk.look()) is not None:
            self.handle_now(DiskJudged(has_room))

    def _look_after_self_test(self) -> None:
        tests = self._outside.self_tests if self._outside else None
        if tests is None:
            return
        try:
            tests.tick()
        except Exception as error:
            if self._broken:
                raise
            log.exception("The self-test failed")
            tests.give_up(Sentence("it failed: {error}", error=str(error)))

    def _watch(self) -> None:
        assert self._outside is not None
        try:
            self._outside.watch()
        except Exception:
            if self._broken:
                raise
            log.exception("What the station looks after at every tick failed")

    def _is_for_self_test(self, event: Event) -> bool:
        tests = self._outside.self_tests if self._outside else None
        return tests is not None and isinstance(event, CardSwiped) and tests.take_card(event.id_tag)

    def _answer(self, call: Callable[[], Any], result: Future[Any]) -> None:
        if not result.set_running_or_notify_cancel():
            return  # nobody waits any more
        try:
            result.set_result(call())
        except BaseException as error:
            result.set_exception(error)
            if self._broken:
                raise
            log.exception("A question to the station failed")

    def handle_now(self, event: Event) -> list[Action]:
        """Only for `call`: handle an event and run its actions, which are returned."""
        assert self._domain is not None
        assert self._outside is not None
        self._broken = True  # until the event is handled and its actions ran
        self._story.tell(event)
        match event:
            case Connected():
                self._sessions += 1
            case Reading():
                self._history.take(event)
                self._keep_hardware_limit(event.limit_a)
            case FrameReceived(text):
                self._outside.feed.frame(self._domain.clock.utc(), "in", text)
            case SettingsChanged(ChargePointSettings(electrical=electrical)):
                self._outside.box.limit(electrical.max_current_a)
        actions = self._domain.charge_point.handle(event)
        if isinstance(event, FrameReceived):
            self._outside.link.frame_done()
        for action in actions:
            self._run_action(action, self._domain, self._outside)
        self._broken = False
        return actions

    def _run_action(self, action: Action, domain: Domain, out: Outside) -> None:
        match action:
            case SendFrame(text):
                self._story.frame("→", text)
                out.feed.frame(domain.clock.utc(), "out", text)
                out.link.send(text, self._sessions)
            case Setpoint(amps, authorised):
                log.info("Setpoint: %s", f"{amps:g} A" if authorised else "no energy")
                self._history.limit(amps)
                out.box.setpoint(amps, authorised)
            case Connect(reason):
                link_settings = out.link_settings()
                if link_settings is None:
                    out.link.close(Sentence("no backend is configured any more"), retry=False)
                else:
                    out.link.reconnect(link_settings, reason or Sentence("the settings changed"))
            case UpdateLink(reason):
                if (link_settings := out.link_settings()) is not None:
                    log.info("The next connection attempt takes other settings: %s", reason)
                    out.link.use(link_settings)
            case Disconnect(reason, retry):
                log.warning("The backend connection is closed: %s", reason)
                out.link.close(reason, retry)
            case SetPingInterval(seconds):
                log.info("WebSocketPingInterval is %d s", seconds)
                out.link.set_ping_interval(seconds)
            case SetClock(utc, delta_s, source):
                log.info("The clock follows %s: %s (moved by %+.1f s)", source, f"{utc:%Y-%m-%d %H:%M:%S}Z", delta_s)
            case RunJob(uid):
                if self._job_watch is not None:
                    self._job_watch.expect()
                out.maintenance.run_job(uid)
            case SwitchRelease(slot):
                if reason := out.maintenance.switch(slot):
                    self.put(SwitchFailed(quoted(reason)))
            case ConfirmRelease():
                out.maintenance.confirm()
            case Reboot(hard, retries):
                log.info("%s restart", "Hard" if hard else "Soft")
                out.reboot(hard, retries)
            case Feedback(kind, text):
                log.info("To the driver: %s (%s)", line(text), kind)
                out.box.signal(card_signal(kind))
            case Explain():
                self.explain(action)

    def _keep_reason(self, explain: Explain) -> None:
        assert self._domain is not None
        details = " ".join(part for part in (explain.value, f"[{explain.clause}]" if explain.clause else "") if part)
        log.info("%s %s: %s %s", line(explain.what), explain.verdict, line(explain.rule), line(mask(details)))
        self._domain.store.add_reason(explain, self._domain.clock.utc())

    def _light(self) -> None:
        """The lamps of the station follow the connector's status."""
        assert self._outside is not None
        self._outside.box.show(show_of(self.charge_point.connector_status()))

    def _keep_history(self, now: float) -> None:
        assert self._domain is not None
        self._history.update(now, self._domain.clock.utc())

    def _keep_measurements(self, rows: Sequence[Measurement]) -> None:
        assert self._domain is not None
        try:
            self._domain.store.add_measurements(rows)
        except Exception:  # a chart without points is no reason to stop a charge
            log.exception("Measurements could not be kept")

    def _keep_hardware_limit(self, limit_a: float) -> None:
        """The pages reckon with it as well."""
        assert self._domain is not None
        if limit_a > 0 and limit_a != self._hardware_limit_a:
            self._hardware_limit_a = limit_a
            self._domain.store.set_value(HARDWARE_LIMIT, f"{limit_a:g}")

    def _keep_weld(self) -> None:
        """A restart repairs nothing."""
        assert self._domain is not None
        assert self._outside is not None
        reading = self._outside.box.reading
        if reading.weld != self._weld:
            self._weld = reading.weld
            self._domain.store.set_value(WELD, packed(reading.weld) or None)

    def _publish(self) -> None:
        out = self._outside
        if out is None or self._domain is None or not out.feed.due:
            return
        try:
            out.feed.publish(
                self.charge_point.view(),
                out.box.reading,
                out.link.status(),
                self._domain.clock.utc(),
                out.box.health(),
                minutes=self._history.unwritten,
            )
        except Exception:  # a page without news is no reason to stop a charge
            log.exception("The live view could not be published")
