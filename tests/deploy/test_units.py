"""The files that make a Debian machine an appliance, judged by the programs that will read them."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from configparser import ConfigParser
from pathlib import Path
from xml.etree import ElementTree

import pytest
from redis import Redis

from station.clock.system import SOURCES
from tests.journeys.station import until

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
UNITS = sorted((DEPLOY / "systemd").glob("*.service"))
#: Those that run our own programs.
OURS = [DEPLOY / f"systemd/station-{name}.service" for name in ("worker", "web", "jobs")]
#: installer-ui.md section 6: an exposure level of systemd-analyze, 0 safe … 10 unsafe.
EXPOSURE = 2.0


def program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin:/sbin")
    assert found, f"{name} is missing; `make test` installs it"
    return found


def settings_of(unit: Path) -> dict[str, list[str]]:
    """The [Service] section: name → values in order."""
    found: dict[str, list[str]] = {}
    for line in unit.read_text().partition("[Service]")[2].partition("[Install]")[0].splitlines():
        name, equals, value = line.partition("=")
        if equals and not line.startswith("#"):
            found.setdefault(name, []).append(value)
    return found


@pytest.mark.parametrize("unit", UNITS, ids=lambda unit: unit.stem)
def test_every_unit_is_hardened(unit: Path) -> None:
    told = subprocess.run(
        [program("systemd-analyze"), "security", "--offline=yes", "--no-pager", str(unit)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    level = re.search(r"Overall exposure level for \S+: ([\d.]+)", told.stdout)
    assert level, told.stdout + told.stderr
    assert float(level[1]) <= EXPOSURE, told.stdout


def test_systemd_understands_every_line_of_the_units() -> None:
    told = subprocess.run(
        [program("systemd-analyze"), "verify", "--man=no", *map(str, UNITS)],
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    ours = [line for line in told.stderr.splitlines() if "station" in line]
    assert [line for line in ours if "is not executable" not in line] == []  # the programs are not installed here


@pytest.mark.parametrize("unit", OURS, ids=lambda unit: unit.stem)
def test_our_programs_tell_systemd_how_they_are_and_are_started_again(unit: Path) -> None:
    service = settings_of(unit)
    assert service["Type"] == ["notify"]
    assert service["Restart"] == ["always"]
    # F3: a worker that hangs is ended within 10 s; nobody's charge waits for a page.
    patience = {"station-worker": "10", "station-web": "30", "station-jobs": "300"}
    assert service["WatchdogSec"] == [patience[unit.stem]]
    assert "StartLimitIntervalSec=0" in unit.read_text()


@pytest.mark.parametrize("unit", OURS, ids=lambda unit: unit.stem)
def test_the_commands_and_variables_of_the_units_exist(unit: Path) -> None:
    service = settings_of(unit)
    (command,) = service["ExecStart"]
    name = next(word for word in command.split() if word.startswith("run"))
    follows = [] if name == "runstation" else ["--follow"]  # only one launcher decides about trials
    assert command.split()[1 : -1 if follows else -2] == ["/usr/lib/station/launcher.py", *follows, "/opt/station"]
    assert (DEPLOY.parent / "station/management/commands" / f"{name}.py").exists()
    known = "".join((DEPLOY.parent / "station" / file).read_text() for file in ("settings.py", "environment.py"))
    for assignment in " ".join(service["Environment"]).split():
        variable = assignment.partition("=")[0]
        assert variable == "PYTHONUNBUFFERED" or f'"{variable}"' in known


def test_nobody_runs_as_root_except_the_packet_filter() -> None:
    user = re.search(r"^u (\S+) ", (DEPLOY / "systemd/station.sysusers").read_text(), re.M)
    assert user
    users = {unit.stem: settings_of(unit).get("User", ["root"]) for unit in UNITS}
    assert users.pop("station-firewall") == ["root"]
    assert set(map(tuple, users.values())) == {(user[1],)}
    assert f'subject.user !== "{user[1]}"' in (DEPLOY / "polkit/50-station.rules").read_text()


def test_the_processes_meet_at_the_socket_of_redis() -> None:
    (socket,) = re.findall(r"^unixsocket (\S+)", (DEPLOY / "redis/redis.conf").read_text(), re.M)
    for unit in OURS:
        assert f"STATION_REDIS_URL=unix://{socket}" in settings_of(unit)["Environment"]


def test_redis_has_no_port_and_leaves_nothing_on_the_disk(tmp_path: Path) -> None:
    socket, config = tmp_path / "redis.sock", tmp_path / "redis.conf"
    config.write_text((DEPLOY / "redis/redis.conf").read_text().replace("/run/station-redis", str(tmp_path)))
    with subprocess.Popen([program("redis-server"), str(config)], stdout=subprocess.DEVNULL) as server:
        try:
            until(socket.exists, 20, lambda: "Redis listens", every_s=0.02)
            with Redis(unix_socket_path=str(socket)) as redis:
                redis.set("hint", "job")
                configured = redis.config_get()
        finally:
            server.terminate()
            server.wait(10)
    wanted = {"port": "0", "save": "", "appendonly": "no", "maxmemory": str(32 * 2**20), "unixsocketperm": "700"}
    assert {name: configured[name] for name in wanted} == wanted
    assert [path.name for path in tmp_path.iterdir() if path not in (socket, config)] == []


def test_the_journal_is_bounded() -> None:
    journal = ConfigParser()
    journal.optionxform = str  # type: ignore[assignment,method-assign]
    journal.read(DEPLOY / "journald/station.conf")
    assert journal["Journal"]["SystemMaxUse"] == "64M"
    assert journal["Journal"]["RuntimeMaxUse"] == "16M"


def test_every_udev_rule_is_well_formed() -> None:
    pair = r'[A-Z_]+(\{[\w]+\})?(==|!=|\+=|=)"[^"]*"'
    rules = [line for line in (DEPLOY / "udev/99-station.rules").read_text().splitlines() if line and line[0] != "#"]
    assert rules
    for rule in rules:
        assert re.fullmatch(rf"{pair}(, {pair})*", rule), rule
        assert 'SUBSYSTEM=="tty"' in rule or 'SUBSYSTEM=="gpio"' in rule


def test_the_one_file_of_chrony_that_the_station_may_write_is_made_and_open_to_it() -> None:
    path = str(SOURCES)
    assert f"f {path} 0644 station station -" in (DEPLOY / "chrony/station.tmpfiles").read_text().splitlines()
    assert f"-{path}" in settings_of(DEPLOY / "systemd/station-worker.service")["ReadWritePaths"]


def test_the_pages_are_announced_where_they_are() -> None:
    group = ElementTree.parse(DEPLOY / "avahi/station.service").getroot()
    announced = {(found.findtext("type"), found.findtext("port")) for found in group.iter("service")}
    web = " ".join(settings_of(DEPLOY / "systemd/station-web.service")["Environment"])
    ports = {name: re.search(rf"STATION_{name}=\S+:(\d+)", web) for name in ("HTTP", "HTTPS")}
    assert announced == {(f"_{name.lower()}._tcp", port[1]) for name, port in ports.items() if port}
