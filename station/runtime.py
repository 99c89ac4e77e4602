"""`runstation`: one process, one loop, one domain thread, and everything they need, started and stopped in order.

Order and traps: runtime.md sections 0 and 1; run modes: design.md section 4.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn

from django.conf import settings
from django.utils.module_loading import import_string

from hardware.box import Box
from hardware.interfaces import FaultCode
from hardware.registry import board_kind
from ocppclient.backend_link import BackendLink
from ocppclient.clock import Clock, format_utc
from ocppclient.events import Action, Event, SecurityEventSeen, ShutdownRequested
from ocppclient.link import final_url
from ocppclient.sentence import unpacked
from station import boot_proof, in_force, last_run, local_copies, releases
from station.backend_desk import BackendDesk
from station.disk_room import DiskRoom
from station.environment import choice
from station.errors import StartupError
from station.greeting import greeting
from station.held_button import HeldButton
from station.job_worker import JobWorker
from station.live_feed import LiveFeed
from station.log_files import FrameLog, open_story
from station.maintenance import Maintenance
from station.memory_watch import MIB, MemoryWatch
from station.preflight import check_port, check_serial_ports, lock_folder, note_hardware, tell_missing_ports
from station.process import cancel_all, flush, leave, make_loop
from station.sd_notify import ALIVE, READY, STOPPING, Pulse, notify, watchdog_s
from station.self_test import SelfTests
from station.simulated import SimulatedBox
from station.supervisor import Supervisor, until, watch_lag
from station.updates.desk import UpdateDesk
from station.web_process import answers, cannot_listen, check_web_ports, url_of, watch_certificate, web_server
from station.wiring import Wiring
from station.worker import WELD, Domain, Outside, StationWorker

if TYPE_CHECKING:
    from station.clock.desk import ClockDesk
    from station.network.desk import NetworkDesk
    from station.web_server import WebServer

log = logging.getLogger("station")

EX_CRASH = 70
#: To the launcher: start the current release, which may be another one now.
EX_RESTART = 79
#: Where the domain notes that it goes on and can write.
SIGN_OF_LIFE = "alive"
#: The parts of an ordered end, seconds each; together they stay below 10 s.
SHUTDOWN_EVENT_S, LINK_CLOSE_S, BOX_STOP_S, DOMAIN_STOP_S, SIMULATOR_STOP_S = 2.0, 2.5, 3.0, 2.0, 2.0
#: One try to restart the board: its relay opens, one command, its boot message within 15 s, and a margin.
BOARD_RESET_S = 25.0
#: A board that did not restart is reported (ResetFailure) before the application restarts without it.
RESET_FAILURE_TOLD_S = 3.0


@dataclass(frozen=True)
class Options:
    """The command line."""

    simulate: bool = False
    web: bool = True


class Runtime:
    """One run of the station."""

    def __init__(self, options: Options, say: Callable[[str], None]) -> None:
        self._options = options
        self._say = say
        self._wiring = Wiring()
        self._releases = releases.here()
        self._jobs = JobWorker()
        self._worker = StationWorker(self._crashed)
        self._exit_code = 0
        self._reexec = False
        self._stop_reason = ""
        self._stop_wanted: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._web: WebServer | None = None
        self._simulator: SimulatedBox | None = None
        self._startup_error: StartupError | None = None
        self._network: NetworkDesk | None = None
        self._hardware_runs = False
        self._pages = ("", 0)  # where they are served
        self._clock_desk: ClockDesk | None = None

    # --- start ---------------------------------------------------------------------------------------------------

    def run(self) -> NoReturn:
        """Run until the end of the process.

        Raises:
            StartupError: something that is needed is missing or taken.
        """
        sys.setswitchinterval(0.001)  # runtime.md 1.9: web requests disturb the loop less
        self._on_signals(_leave)  # until the simulator runs, nothing has to be put in order
        self._lock = lock_folder(settings.DATA_DIR)
        open_story(settings.DATA_DIR)
        built = self._worker.start(self._wiring.open_domain)
        loop = make_loop(self._options.web)  # imports, while the domain thread reads the database
        self._check_ports()
        domain = built.result()
        self._on_signals(lambda number, _: self._stop(f"{signal.Signals(number).name} was received"))
        self._assemble(domain, loop)
        main = loop.create_task(self._main())
        try:
            if self._options.web:
                # The link works already while the web is imported: the backend does not wait for pages.
                loop.run_until_complete(loop.run_in_executor(None, _import_web))
                if not main.done():
                    self._serve_web()
            else:
                loop.run_until_complete(main)
        except Exception:
            log.critical("The station crashed", exc_info=True)
            self._exit_code = EX_CRASH
        self._end(loop)

    @staticmethod
    def _on_signals(handler: Callable[[int, object], None]) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, handler)

    def _check_ports(self) -> None:
        self._simulator_taken_over = os.environ.get("STATION_SIM_HANDOVER", "") != ""
        if self._options.web:
            check_web_ports()
        if self._options.simulate and not self._simulator_taken_over:
            check_port(settings.SIM_HTTP_HOST, settings.SIM_HTTP_PORT, "STATION_SIM_HTTP", "simulator")

    def _assemble(self, domain: Domain, loop: asyncio.AbstractEventLoop) -> None:
        """Everything that needs no running loop."""
        assert self._wiring.opened is not None
        opened, self._loop = self._wiring.opened, loop
        self._worker.call(lambda: self._note_start(domain))
        hardware = opened.applied.provision.hardware
        if self._options.simulate:
            http = f"{settings.SIM_HTTP_HOST}:{settings.SIM_HTTP_PORT}"
            car = choice("STATION_SIM_CAR", "KEEP", ("KEEP", "PLUGGED", "UNPLUGGED")).lower()
            self._simulator = SimulatedBox(hardware, settings.DATA_DIR, http, car)
            hardware = self._simulator.with_ports
            if not self._simulator.adopt():
                self._simulator.start()
        elif self._releases is None:
            check_serial_ports(hardware)
        else:
            tell_missing_ports(hardware)
        try:
            self._box = Box(
                hardware,
                on_reading=self._worker.take_reading,
                on_card=self._worker.take_card,
                weld=unpacked(domain.store.value(WELD) or ""),
                on_hold=HeldButton(self._worker, self._ruled_network).asked,
                on_crash=lambda port, error: log.error("The driver of the %s crashed: %s", port, error, exc_info=error),
            )
        except ValueError as error:
            raise StartupError(f"The hardware cannot be used: {error}. Change [hardware] in the settings.") from error
        if self._releases is not None:
            note_hardware(self._releases.folder, hardware)
        self._link = BackendLink(
            opened.link,
            self._worker.put,
            domain.clock,
        )
        self._clock = domain.clock
        self._feed = LiveFeed(
            domain.clock.monotonic,
            self._simulator.url if self._simulator else "",
            FrameLog(settings.DATA_DIR).write,
        )
        self_tests = SelfTests(
            self._box,
            domain.clock,
            self._worker.handle_now,
            self._link.status,
            settings.DATA_DIR,
            hardware.nominal_voltage_v,
            board_restarts=board_kind(hardware.board).capabilities.reset,
        )
        self._desk = BackendDesk(
            domain.clock,
            self._wiring,
            self._worker.handle_now,
            domain.charge_point.view,
            self._link.status,
        )
        self._updates = UpdateDesk(
            domain.clock,
            domain.store,
            self._worker.handle_now,
            lambda: domain.charge_point.view().transaction is not None,
            releases.running_version(self._releases),
        )
        maintenance = Maintenance(settings.DATA_DIR, self._releases, self._jobs.hint, self._into_another_release)

        def sign_of_life() -> None:
            domain.store.set_value(SIGN_OF_LIFE, format_utc(domain.clock.utc()))

        self._sign_of_life = sign_of_life
        pulse = Pulse(sign_of_life, domain.clock.monotonic, watchdog_s())

        def watch() -> None:
            pulse.tick()
            self._desk.tick()
            self._updates.tick()

        self._worker.go(
            Outside(
                self._link,
                self._box,
                self._feed,
                self._wiring.link_settings,
                self._wiring.settings,
                self._reboot,
                maintenance,
                self_tests,
                DiskRoom(settings.DATA_DIR, opened.applied.provision.ballast_mib * MIB, domain.clock.monotonic),
                watch=watch,
            )
        )
        for change in opened.changes:
            self._worker.put(SecurityEventSeen("ReconfigurationOfSecurityParameters", change))

    @staticmethod
    def _note_start(domain: Domain) -> None:
        """On the domain thread."""
        if last_run.begin(domain.store, last_run.machine_boot(), domain.clock.utc()):
            log.error("The former run of the station ended by a crash")
        domain.store.set_value(in_force.VALUE, in_force.stored())

    def _ruled_network(self) -> tuple[NetworkDesk, asyncio.AbstractEventLoop] | None:
        assert self._loop is not None
        return (self._network, self._loop) if self._network is not None else None

    def _serve_web(self) -> None:
        from station.web_server import serve

        self._web = web_server(self._greet, self._web_failed)
        serve(self._web)

    def _web_failed(self, variable: str, reason: str) -> None:
        """The reactor does not start then, or stops at once."""
        self._startup_error = cannot_listen(variable, reason)

    # --- on the loop ---------------------------------------------------------------------------------------------

    async def _main(self) -> None:
        try:
            await self._live()
        except Exception:
            log.critical("The station crashed", exc_info=True)
            self._exit_code = EX_CRASH
        finally:
            if self._options.web:
                from station.web_server import stop

                stop()

    async def _live(self) -> None:
        loop = asyncio.get_running_loop()
        self._stop_wanted = asyncio.Event()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop, f"{number.name} was received")
        if self._stop_reason:  # a crash or a signal was faster
            self._stop_wanted.set()
        supervisor = Supervisor(self._budget_spent)
        supervisor.add("backend link", self._link.run)
        hardware = loop.create_task(self._start_hardware(), name="hardware start")
        proof = loop.create_task(boot_proof.prove(self._works), name="boot proof")
        if self._simulator:
            supervisor.add("simulator", self._simulator.run)
        supervisor.add("command face", self._command_face, essential=False)
        watch = MemoryWatch(self._worker.put)
        supervisor.add("memory watch", lambda: watch.run(settings.DATA_DIR), essential=False)
        supervisor.add("nightly copy", lambda: local_copies.run(settings.DATA_DIR), essential=False)
        supervisor.add("jobs", self._jobs.run, essential=False)
        if settings.NETWORK:
            supervisor.add("network", self._rule_network, essential=False)
        supervisor.add("clock", self._watch_clock, essential=False)
        supervisor.add("loop watchdog", watch_lag, essential=False)
        if self._options.web and settings.HTTPS_PORT is not None:
            supervisor.add("certificate watch", watch_certificate, essential=False)
        if not self._options.web:
            self._greet("", 0)
        await self._stop_wanted.wait()
        log.info("The station stops: %s", self._stop_reason)
        if not self._reexec and self._exit_code != EX_RESTART:
            notify(STOPPING)
        hardware.cancel()
        proof.cancel()
        await self._shut_down()
        await supervisor.stop()
        if self._simulator and not self._reexec:
            await self._simulator.stop(SIMULATOR_STOP_S)

    async def _start_hardware(self) -> None:
        """The backend does not wait for it."""
        if self._simulator:
            await self._simulator.ports_ready()
        self._box.start()
        self._hardware_runs = True

    async def _works(self) -> bool:
        """For `boot_proof`."""
        if not self._hardware_runs or (self._options.web and not await answers(*self._pages)):
            return False
        with suppress(Exception):  # the worker has logged it
            await asyncio.wrap_future(self._worker.call(self._sign_of_life))
            return True
        return False

    async def _command_face(self) -> None:
        await asyncio.to_thread(_import_command_face)
        from channels.layers import get_channel_layer
        from channels.routing import ChannelNameRouter
        from channels.worker import Worker

        from station.backend_trial import Trials
        from station.command_face import StationConsumer
        from station.live import STATION

        if settings.NETWORK and self._network is None:
            self._network = await asyncio.to_thread(_network_desk, self._worker)
        if self._clock_desk is None:
            self._clock_desk = await asyncio.to_thread(_clock_desk, self._worker, self._clock)
        layer = get_channel_layer()
        self._feed.connect_to(layer, asyncio.get_running_loop())
        face = StationConsumer.as_asgi(
            worker=self._worker,
            desk=self._desk,
            trials=Trials(self._clock),
            network=self._network,
            clock=self._clock_desk,
            updates=self._updates,
        )
        application = ChannelNameRouter({STATION: face})
        await Worker(application, [STATION], layer).arun()

    async def _rule_network(self) -> None:
        await until(lambda: self._network is not None, 0.5)
        assert self._network is not None
        await self._network.run()

    async def _watch_clock(self) -> None:
        await until(lambda: self._clock_desk is not None, 0.5)
        assert self._clock_desk is not None
        await self._clock_desk.run()

    async def _shut_down(self) -> None:
        """The cause is noted, the backend gets a goodbye, the box keeps what it does."""
        with suppress(Exception):
            noted = self._worker.handle(ShutdownRequested())
            await asyncio.wait_for(asyncio.wrap_future(noted), SHUTDOWN_EVENT_S)
        if self._exit_code in (0, EX_RESTART):
            self._worker.call(lambda: last_run.end(self._worker.store))
        self._link.close("the station stops", retry=False, code=1001)
        box = asyncio.get_running_loop().run_in_executor(None, self._box.stop, BOX_STOP_S)
        with suppress(TimeoutError):
            async with asyncio.timeout(LINK_CLOSE_S):
                await until(lambda: self._link.status().state == "off", 0.01)
        with suppress(TimeoutError):
            await asyncio.wait_for(box, BOX_STOP_S + 0.5)
        ended = await asyncio.get_running_loop().run_in_executor(None, self._worker.stop, DOMAIN_STOP_S)
        if not ended:
            log.error("The domain thread did not end in time")

    # --- reasons to stop -----------------------------------------------------------------------------------------

    def _stop(self, reason: str) -> None:
        """On the loop; a second signal changes nothing."""
        self._stop_reason = self._stop_reason or reason
        if self._stop_wanted is not None:
            self._stop_wanted.set()

    def _reboot(self, hard: bool, retries: int) -> None:
        """On the domain thread: the application starts again in the same process; the simulator goes on."""

        async def restart() -> None:
            if hard and not await self._restart_board(retries):
                log.error("The EVSE board did not restart; the application does")
                await asyncio.sleep(RESET_FAILURE_TOLD_S)
            self._reexec = True
            self._stop(f"{'hard' if hard else 'soft'} reset")

        assert self._loop is not None
        asyncio.run_coroutine_threadsafe(restart(), self._loop)

    async def _restart_board(self, retries: int) -> bool:
        """The board has restarted, or knows no restart; False when it did not, which is among its faults then."""
        before = self._box.board_restarts

        def decided() -> bool:
            failed = any(fault.code is FaultCode.RESET_FAILED for fault in self._box.reading.faults)
            return failed or self._box.board_restarts != before

        if not self._box.reset_board(retries):
            return True
        with suppress(TimeoutError):
            async with asyncio.timeout(BOARD_RESET_S * (1 + retries)):
                await until(decided, 0.05)
        return self._box.board_restarts != before

    def _into_another_release(self) -> None:
        """On the domain thread: end, and let the launcher start what is the current release now."""

        def leave() -> None:
            self._exit_code = EX_RESTART
            self._stop("another release starts")

        assert self._loop is not None
        self._loop.call_soon_threadsafe(leave)

    def _budget_spent(self, sentence: str) -> None:
        log.critical("%s: the station gives up and has to be started again", sentence)
        self._exit_code = EX_CRASH
        self._stop(sentence)

    def _crashed(self, error: BaseException) -> None:
        """On the domain thread: nothing is put in order any more, the next start recovers from the database."""
        leave(EX_CRASH)

    # --- words and end -------------------------------------------------------------------------------------------

    def _greet(self, host: str, port: int) -> None:
        assert self._wiring.opened is not None
        opened, self._pages = self._wiring.opened, (host, port)
        backend = final_url(opened.link) if opened.link else ""
        notify(READY)
        self._say(greeting(url_of(host, port), backend, self._simulator.url if self._simulator else "", opened.applied))

    def _end(self, loop: asyncio.AbstractEventLoop) -> NoReturn:
        """Leave without the interpreter's own end, which crashes or waits for threads (runtime.md 1.2, 1.3)."""
        if self._startup_error is not None:
            sys.stderr.write(f"{self._startup_error}\n")
            self._exit_code = self._startup_error.exit_code
        cancel_all(loop)
        if self._reexec and self._exit_code == 0:
            self._restart()
        if self._simulator and self._simulator.running:
            with suppress(Exception):
                loop.run_until_complete(self._simulator.stop(SIMULATOR_STOP_S))
        leave(self._exit_code)

    def _restart(self) -> NoReturn:
        environment = dict(os.environ)
        if self._simulator:
            environment.update(self._simulator.handover())
        log.info("The application starts again")
        notify(ALIVE)  # the next start has all the time of the watchdog
        logging.shutdown()
        flush()
        os.execve(sys.executable, [sys.executable, *sys.orig_argv[1:]], environment)


def _import_web() -> None:
    import station.asgi
    import station.urls  # a release whose pages cannot be imported fails its trial
    import station.web_server  # noqa: F401


def _import_command_face() -> None:
    """In a thread: the link is being opened on the loop at this time."""
    import channels.worker  # noqa: F401

    import station.command_face  # noqa: F401

    import_string(settings.CHANNEL_LAYERS["default"]["BACKEND"])


def _network_desk(worker: StationWorker) -> NetworkDesk:
    """In a thread: only a station that rules its network pays for these imports."""
    from station.network import kept, probe
    from station.network.desk import NetworkDesk
    from station.network.over_dbus import DBusNetwork
    from station.network.picture import Device

    async def recall(read: Callable[[], Any]) -> Any:
        return await asyncio.wrap_future(worker.call(read))

    async def reaches(device: Device) -> bool | None:
        return await probe.reaches(device, await recall(kept.backend_target))

    return NetworkDesk(DBusNetwork(), kept.Settings(), recall, time.monotonic, reaches, probe.somebody_on)


def _clock_desk(worker: StationWorker, clock: Clock) -> ClockDesk:
    """In a thread: imports."""
    from station.clock import servers
    from station.clock.desk import ClockDesk

    async def recall(read: Callable[[], Any]) -> Any:
        return await asyncio.wrap_future(worker.call(read))

    async def handle(event: Event) -> list[Action]:
        return await asyncio.wrap_future(worker.handle(event))

    computer = None
    if settings.CLOCK != "OFF":
        from station.clock.system import Computer
        from station.clock.timedate import Timedate

        computer = Computer(Timedate())
    return ClockDesk(computer, servers, recall, handle, clock, rules=settings.CLOCK == "ON")


def _leave(*_: object) -> NoReturn:
    leave(0)
