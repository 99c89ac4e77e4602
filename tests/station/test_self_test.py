"""A row asks for a self-test, the worker runs it, the row has the report."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from django.contrib.auth.models import User
from django.core.management import CommandError, call_command

from ocppclient.link import LinkStatus
from station import self_test
from station.management.commands import selftest
from station.models import SelfTest
from station.roles import Role, assign
from station.self_test import SelfTests, uplink_checks
from tests.scenarios.rig import StationRig

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)


class Bench:
    """A station in virtual time with the self-tests of the real database."""

    def __init__(self, tmp_path: Path, link: str = "connected") -> None:
        self.rig = rig = StationRig()
        self.tests = SelfTests(
            rig.box, rig.bench.clock, rig.bench.do, lambda: LinkStatus(link, last_error="no route"), tmp_path, 230.0
        )
        rig.attendant = self.tests

    def row(self) -> SelfTest:
        return SelfTest.objects.latest("id")

    def until(self, *states: str) -> SelfTest:
        self.rig.until(lambda: self.row().state in states, 250)
        return self.row()


def checks(row: SelfTest) -> dict[str, str]:
    return {check["name"]: check["verdict"] for check in self_test.report_of(row)["checks"]}


def test_a_test_that_was_asked_for_runs_and_leaves_its_report(tmp_path):
    bench = Bench(tmp_path)
    bench.rig.plug()
    self_test.ask("maria", NOW)
    running = bench.until("running")
    assert self_test.report_of(running)["doing"]
    bench.rig.swipe()
    row = bench.until("passed", "failed")
    assert row.state == "passed"
    assert row.asked_by == "maria"
    assert row.ended_at is not None
    assert {"clock", "disk", "backend", "contactor_closes", "card"} <= set(checks(row))
    assert self_test.report_of(row)["doing"] == ""
    assert not bench.rig.of("StartTransaction")
    bench.rig.run(5)
    assert bench.rig.state["mode"] == "sleeping"
    assert bench.rig.status() == "Preparing"


def test_it_is_refused_with_the_reason_while_a_session_runs(tmp_path):
    bench = Bench(tmp_path)
    bench.rig.charge()
    self_test.ask("maria", NOW)
    row = bench.until("refused")
    assert self_test.report_of(row)["why"] == "A session is running. Stop it first."
    assert bench.rig.status() == "Charging"
    assert bench.rig.state["relay"]


def test_a_second_wish_is_the_same_test(tmp_path):
    bench = Bench(tmp_path)
    first = self_test.ask("maria", NOW)
    bench.until("running")
    assert self_test.ask("paul", NOW).pk == first.pk
    bench.until("passed", "failed")
    assert self_test.ask("paul", NOW).pk != first.pk


def test_what_a_former_process_left_open_is_closed(tmp_path):
    SelfTest.objects.create(asked_at=NOW, asked_by="maria", state="running", report="{}")
    SelfTest.objects.create(asked_at=NOW - timedelta(minutes=2), asked_by="maria", state="asked", report="{}")
    bench = Bench(tmp_path)
    bench.until("aborted")
    assert [row.state for row in SelfTest.objects.all()] == ["aborted", "aborted"]
    assert "restarted" in self_test.report_of(bench.row())["why"]


def test_a_test_that_is_given_up_leaves_the_box_without_energy_and_the_station_in_service(tmp_path):
    bench = Bench(tmp_path)
    bench.rig.plug()
    self_test.ask("maria", NOW)
    bench.rig.until(lambda: bench.rig.state["relay"], 60)
    bench.tests.give_up("a test of the test")
    bench.rig.until(lambda: not bench.rig.state["relay"], 5)
    assert bench.row().state == "aborted"
    bench.rig.until(lambda: bench.rig.status() == "Preparing", 10)


def test_a_missing_backend_fails_and_none_is_skipped(tmp_path):
    for link, verdict in (("waiting", "failed"), ("off", "skipped")):
        bench = Bench(tmp_path, link)
        self_test.ask("maria", NOW)
        assert checks(bench.until("passed", "failed"))["backend"] == verdict


def test_every_uplink_with_hardware_is_a_check(tmp_path):
    for name, state, extra in (("eth0", "up", "device"), ("wlan0", "down", "wireless"), ("lo", "unknown", "")):
        (tmp_path / name).mkdir()
        (tmp_path / name / "operstate").write_text(f"{state}\n")
        for part in ("device", extra) if extra else ():
            (tmp_path / name / part).mkdir(exist_ok=True)
    found = {check.name: (check.title, str(check.verdict), check.measured) for check in uplink_checks(tmp_path)}
    assert found == {
        "uplink_eth0": ("Ethernet is up", "passed", "eth0 up"),
        "uplink_wlan0": ("WiFi is up", "skipped", "wlan0 down"),
    }
    (none,) = uplink_checks(tmp_path / "nothing")
    assert (none.name, none.cure != "") == ("uplink", True)


# --- page and command ------------------------------------------------------------------------------------------------


def test_the_page_starts_a_test_and_shows_its_report(inside, tmp_path):
    assert "has not been tested yet" in inside.get("/selftest").content.decode()
    assert inside.post("/selftest").status_code == 302
    assert "about to begin" in inside.get("/selftest/report").content.decode()
    bench = Bench(tmp_path, link="waiting")
    bench.until("failed")
    told = inside.get("/selftest").content.decode()
    assert "started by admin" in told
    assert "The charging board answers" in told
    assert "openevse 8.2.3" in told
    assert "no route" in told
    assert 'data-open="no"' in told


def test_only_an_installer_may_test(client):
    viewer = User.objects.create_user("eye", password="correct horse")
    assign(viewer, Role.OPERATOR)
    client.force_login(viewer)
    for answer in (client.get("/selftest"), client.post("/selftest"), client.get("/selftest/report")):
        assert answer.status_code == 403
    assert not SelfTest.objects.exists()


def test_the_command_shows_the_report_and_its_exit_code(tmp_path, capsys, monkeypatch):
    bench = Bench(tmp_path)
    monkeypatch.setattr(selftest.Command, "wait", lambda self, seconds: bench.rig.run(seconds))
    call_command("selftest", person="maria")
    told = capsys.readouterr().out
    assert "ok    The charging board answers: openevse 8.2.3" in told
    assert "skip  The contactor closes: nothing plugged in" in told
    assert "Plug in a car" in told
    assert told.endswith("Self-test passed\n")
    bench.rig.fault("overvoltage")
    with pytest.raises(SystemExit) as exit_code:
        call_command("selftest")
    assert exit_code.value.code == 1
    assert "FAIL  The mains voltage is as set: 26" in capsys.readouterr().out


def test_the_command_says_when_no_station_works(monkeypatch):
    clock = iter(range(1000))
    monkeypatch.setattr(selftest.time, "monotonic", lambda: float(next(clock)))
    monkeypatch.setattr(selftest.Command, "wait", lambda self, seconds: None)
    with pytest.raises(CommandError, match="No station works on this data folder"):
        call_command("selftest")
    assert not SelfTest.objects.exists()
