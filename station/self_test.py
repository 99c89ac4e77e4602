"""The self-test of this station: a row asks for it, the worker runs it, the row has its report.

A row, because a command that must happen is one: the page, the wizard and `manage.py selftest` ask in the same way.
"""

from __future__ import annotations

import json
import logging
import shutil
from collections.abc import Callable
from dataclasses import asdict
from datetime import datetime
from pathlib import Path
from typing import Any, Protocol

from django.utils.translation import gettext_lazy

from hardware.interfaces import BoardState, BoxReading, PortHealth
from hardware.self_test import Check, Energy, Facts, Order, RestartBoard, SelfTest, TryDetector, Verdict
from hardware.sentence import NOTHING, Sentence, quoted
from ocppclient import sentence
from ocppclient.clock import Clock
from ocppclient.events import Action, Event, Explain, MaintenanceBegan, MaintenanceEnded
from ocppclient.link import LinkStatus
from station import models
from station.sentences import all_packed, all_unpacked

log = logging.getLogger("station.selftest")

#: States of a row. A person asks; everything else is written by the worker.
ASKED, RUNNING, PASSED, FAILED, REFUSED, ABORTED = "asked", "running", "passed", "failed", "refused", "aborted"
OPEN = (ASKED, RUNNING)
#: State of a row, or verdict of a check, in words.
WORDS = {
    ASKED: gettext_lazy("about to begin"),
    RUNNING: gettext_lazy("running"),
    PASSED: gettext_lazy("passed"),
    FAILED: gettext_lazy("failed"),
    REFUSED: gettext_lazy("refused"),
    ABORTED: gettext_lazy("given up"),
    str(Verdict.SKIPPED): gettext_lazy("skipped"),
}
#: A test that takes longer is given up, seconds.
AT_MOST_S = 240.0
_LOOK_EVERY_S = 0.5
_STEP_EVERY_S = 0.1
_PATIENCE_S = 60.0  # a wish that is older when the station starts is forgotten: nobody stands there any more
_DISK_FREE_BYTES = 200 * 1024 * 1024
_LINKS = {
    "connecting": Sentence("connecting"),
    "connected": Sentence("connected"),
    "waiting": Sentence("not connected"),
}
_NETWORK = Path("/sys/class/net")


class TestedBox(Protocol):
    """The hardware as the test uses it."""

    board_restarts: int

    def setpoint(self, amps: float, authorised: bool) -> None: ...
    def reset_board(self) -> bool: ...
    def test_detector(self) -> None: ...
    def health(self) -> tuple[PortHealth, ...]: ...
    @property
    def reading(self) -> BoxReading: ...
    @property
    def board(self) -> BoardState | None: ...


def ask(person: str, now: datetime) -> models.SelfTest:
    """Ask for a test; one that is asked for or runs already is answered instead of a second one."""
    waiting = models.SelfTest.objects.filter(state__in=OPEN).order_by("-id").first()
    return waiting or models.SelfTest.objects.create(asked_at=now, asked_by=person, state=ASKED, report="{}")


def report_of(row: models.SelfTest) -> dict[str, Any]:
    """`{"doing": words, "why": words, "checks": [{name, title, verdict, measured, cure}, …]}`."""
    return {"doing": "", "why": "", "checks": [], **all_unpacked(json.loads(row.report))}


class SelfTests:
    """Runs the tests that were asked for, one at a time, on the domain thread.

    Args:
        handle: gives an event to the charge point and runs its actions.
        link: how the backend connection is.
        board_restarts: see `hardware.self_test.SelfTest`.
    """

    def __init__(
        self,
        box: TestedBox,
        clock: Clock,
        handle: Callable[[Event], list[Action]],
        link: Callable[[], LinkStatus],
        data_dir: Path,
        nominal_voltage_v: float,
        *,
        board_restarts: bool = True,
    ) -> None:
        self._box = box
        self._clock = clock
        self._handle = handle
        self._link = link
        self._data_dir = data_dir
        self._nominal_voltage_v = nominal_voltage_v
        self._board_restarts = board_restarts
        self._row: models.SelfTest | None = None
        self._test: SelfTest | None = None
        self._cards: tuple[str, ...] = ()
        self._began_at = 0.0
        self._next_at = 0.0
        self._written = ""
        self._has_looked = False

    def take_card(self, id_tag: str) -> bool:
        """A card was shown; True when the test took it, so that it starts nothing."""
        if self._test is None:
            return False
        self._cards += (id_tag,)
        return True

    def tick(self) -> None:
        """Time has passed."""
        now = self._clock.monotonic()
        if now < self._next_at:
            return
        if self._test is None or self._row is None:
            self._next_at = now + _LOOK_EVERY_S
            if not self._has_looked:
                self._close_old_ones()
            row = models.SelfTest.objects.filter(state=ASKED).order_by("id").first()
            if row is not None:
                self._begin(row, now)
            return
        self._next_at = now + _STEP_EVERY_S
        facts = Facts(
            now, self._box.reading, self._box.board, self._box.health(), self._box.board_restarts, self._cards
        )
        self._obey(self._test.step(facts))
        if self._test.done:
            self._end(self._row, [*self._test.checks, *self._station_checks()])
        elif now - self._began_at > AT_MOST_S:
            self.give_up(Sentence("given up after {limit_s:.0f} s: {doing}", limit_s=AT_MOST_S, doing=self._test.doing))
        else:
            self._write(self._row, self._test.checks, self._test.doing)

    def give_up(self, why: str) -> None:
        """End the present run, if there is one."""
        if self._row is not None:
            self._end(self._row, self._test.checks if self._test else [], aborted=why)

    # --- a run --------------------------------------------------------------------------------------------------------
    def _begin(self, row: models.SelfTest, now: float) -> None:
        refusals = [a for a in self._handle(MaintenanceBegan(sentence.Sentence("self-test"))) if isinstance(a, Explain)]
        refused = next((explain.rule for explain in refusals if explain.verdict == "Refused"), "")
        if refused:
            self._close(row, REFUSED, [], refused)
            return
        log.info("Self-test, asked for by %s", row.asked_by)
        self._row, self._began_at, self._cards = row, now, ()
        self._test = SelfTest(self._nominal_voltage_v, board_restarts=self._board_restarts)
        row.state = RUNNING
        self._write(row, [], self._test.doing)

    def _obey(self, order: Order | None) -> None:
        match order:
            case Energy(amps):
                self._box.setpoint(amps, amps > 0)
            case RestartBoard():
                self._box.reset_board()
            case TryDetector():
                self._box.test_detector()

    def _end(self, row: models.SelfTest, checks: list[Check], aborted: str = "") -> None:
        """Leave the box as it is when nobody charges."""
        self._box.setpoint(0.0, False)
        self._test = self._row = None
        self._handle(MaintenanceEnded())
        failed = any(check.verdict is Verdict.FAILED for check in checks)
        self._close(row, ABORTED if aborted else FAILED if failed else PASSED, checks, aborted)

    def _close(self, row: models.SelfTest, state: str, checks: list[Check], why: str) -> None:
        row.state, row.ended_at = state, self._clock.utc()
        self._write(row, checks, "", why)
        log.info("Self-test %s%s", state, f": {why}" if why else "")

    def _write(self, row: models.SelfTest, checks: list[Check], doing: str, why: str = "") -> None:
        report = json.dumps(all_packed({"doing": doing, "why": why, "checks": [asdict(check) for check in checks]}))
        if (report, row.state) != (row.report, self._written):
            row.report, self._written = report, row.state
            row.save()

    def _close_old_ones(self) -> None:
        """The station ended in the middle of them, or was not there when somebody asked."""
        self._has_looked = True
        for row in models.SelfTest.objects.filter(state__in=OPEN):
            if row.state == RUNNING or (self._clock.utc() - row.asked_at).total_seconds() > _PATIENCE_S:
                checks = [Check(**check) for check in report_of(row)["checks"]]
                self._close(row, ABORTED, checks, Sentence("the station was restarted"))

    # --- what is no part of the box -----------------------------------------------------------------------------------
    def _station_checks(self) -> list[Check]:
        return [self._clock_check(), self._disk_check(), self._backend_check(), *uplink_checks(_NETWORK)]

    def _clock_check(self) -> Check:
        clock, title = self._clock, Sentence("The clock is set")
        measured = quoted(f"{clock.utc():%Y-%m-%d %H:%M:%S} UTC")
        if clock.synchronised and not clock.confirmed:
            cure = Sentence(
                "Nobody has confirmed it since the start. Compare it with your phone, or connect the network."
            )
            return Check("clock", title, Verdict.SKIPPED, measured, cure)
        cure = Sentence("Connect the backend or the network, or set it from a phone on the page Time.")
        return _check("clock", title, clock.confirmed, measured, NOTHING if clock.confirmed else cure)

    def _disk_check(self) -> Check:
        free = shutil.disk_usage(self._data_dir).free
        good = free >= _DISK_FREE_BYTES
        cure = NOTHING if good else Sentence("Make room on the disk: sessions could not be stored.")
        return _check(
            "disk", Sentence("The disk has room"), good, Sentence("{free_gb:.1f} GB free", free_gb=free / 1e9), cure
        )

    def _backend_check(self) -> Check:
        link, title = self._link(), Sentence("The backend is connected")
        if link.state == "off":
            return Check(
                "backend", title, Verdict.SKIPPED, Sentence("none set"), Sentence("Set the backend's address first.")
            )
        connected = link.state == "connected"
        cure = NOTHING if connected else quoted(link.last_error or Sentence("Look at the dashboard for the reason."))
        return _check("backend", title, connected, _LINKS[link.state], cure)


def uplink_checks(folder: Path) -> list[Check]:
    """One check for each network interface with hardware behind it; an unused one is skipped, all unused is a failure.

    Args:
        folder: /sys/class/net, or what a test puts there.
    """
    checks = []
    for interface in sorted(folder.iterdir()) if folder.is_dir() else []:
        if not (interface / "device").exists():
            continue  # loopback, bridges, tunnels
        kind = (
            Sentence("WiFi")
            if (interface / "wireless").exists()
            else Sentence("Mobile network")
            if _is_modem(interface)
            else Sentence("Ethernet")
        )
        is_up = (interface / "operstate").read_text().strip() in ("up", "unknown")
        verdict = Verdict.PASSED if is_up else Verdict.SKIPPED
        cure = NOTHING if is_up else Sentence("Plug in its cable, or join its network, if it is to be used.")
        state = Sentence("up") if is_up else Sentence("down")
        measured = Sentence("{interface} {state}", interface=interface.name, state=state)
        checks.append(Check(f"uplink_{interface.name}", Sentence("{kind} is up", kind=kind), verdict, measured, cure))
    if not any(check.verdict is Verdict.PASSED for check in checks):
        cure = Sentence(
            "Connect Ethernet, WiFi or the mobile network; without one the station works with its local list only."
        )
        checks.append(
            Check("uplink", Sentence("The station has a network"), Verdict.SKIPPED, Sentence("none is up"), cure)
        )
    return checks


def _is_modem(interface: Path) -> bool:
    return interface.name.startswith(("wwan", "ppp", "usb"))


def _check(name: str, title: Sentence, good: bool, measured: Sentence, cure: Sentence) -> Check:
    return Check(name, title, Verdict.PASSED if good else Verdict.FAILED, measured, cure)
