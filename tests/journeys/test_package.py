"""The Debian package on a fresh Debian without a network: installed, charging, updated, removed, purged."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.journeys.machine import CACHE, Machine, base, why_not
from tests.journeys.station import PROJECT, until

pytestmark = pytest.mark.journey

UNITS = [f"station-{name}" for name in ("firewall", "redis", "worker", "web", "jobs")]
OLD, NEW = "1.0.0", "1.1.0"
PASSWORD = "my own long password"
#: A developer's machine: no serial ports, so the worker plays them; and a backend beside it.
SIMULATE = """[Service]
ExecStart=
ExecStart=/usr/bin/python3 /usr/lib/station/launcher.py /opt/station runstation --no-web --simulate
"""
BACKEND = """[Service]
ExecStart=/opt/station/current/.venv/bin/python /opt/station/current/manage.py backendsim --port 9000
Environment=STATION_DATA_DIR=/run/backend
RuntimeDirectory=backend
Restart=always
"""
PROVISION = '[backend]\nurl = "ws://127.0.0.1:9000/ocpp"\ncharge_point_id = "BOX-1"\n'
#: Runs in the machine: a browser that knows the certificate of the station.
BROWSER = """
import ssl, sys
sys.path.insert(0, "/root")
from browser import Browser
trusting = ssl.create_default_context(cafile="/var/lib/station/https/made.pem")
def sign_in(password):
    return Browser("https://127.0.0.1", password, trusting)
"""


@pytest.fixture(scope="module")
def package(tmp_path_factory: pytest.TempPathFactory) -> Callable[..., Path]:
    """The package of a version; the wheels are kept in the cache folder."""
    folder = tmp_path_factory.mktemp("package")

    def build(version: str, architecture: str = "amd64") -> Path:
        command = [sys.executable, "deploy/build_package.py", "--release-version", version, "--arch", architecture]
        command += ["--output", str(folder), "--wheels", str(CACHE / f"wheels-{architecture}")]
        built = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True)
        assert built.returncode == 0, built.stderr
        return folder / f"station_{version}_{architecture}.deb"

    return build


@pytest.fixture
def machine(tmp_path: Path, suite: str) -> Iterator[Machine]:
    if reason := why_not():
        assert "STATION_CI" not in os.environ, reason
        pytest.skip(f"the package is not tried: {reason}")
    made = Machine(tmp_path, base(suite))
    try:
        yield made
    finally:
        made.halt()
        shutil.rmtree(made.root, ignore_errors=True)


def look(machine: Machine, code: str) -> str:
    """What a program with the browser prints."""
    (machine.root / "root/look.py").write_text(BROWSER + code)
    return machine.run("/opt/station/current/.venv/bin/python /root/look.py").stdout


def state(machine: Machine) -> dict[str, Any]:
    return dict(json.loads(machine.run("station sim state").stdout))


def main_process(machine: Machine, unit: str) -> str:
    """Its process id; "0" when it does not run."""
    return machine.run(f"systemctl show --property=MainPID --value {unit}").stdout.strip()


def rows(machine: Machine, query: str) -> list[Any]:
    """Of the station's database."""
    code = "import json, sqlite3; database = sqlite3.connect('/var/lib/station/station.sqlite3'); "
    code += f"print(json.dumps(database.execute('{query}').fetchall()))"
    return list(json.loads(machine.run(f'runuser -u station -- python3 -c "{code}"').stdout))


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    if "suite" in metafunc.fixturenames:
        long = metafunc.config.getoption("--campaign") == "long"
        metafunc.parametrize("suite", ["bookworm", "trixie"] if long else ["bookworm"])


def files(machine: Machine) -> set[str]:
    """What reminds of a station."""
    return set(machine.run("find /etc /opt /usr /var/lib /run -name '*station*'").stdout.split())


def test_a_bare_debian_charges_after_one_command_is_updated_and_rid_of_it_again(
    machine: Machine, package: Callable[..., Path]
) -> None:
    """The whole life of a package with the system's own systemd."""
    root = machine.root
    drop_in = root / "etc/systemd/system/station-worker.service.d/simulate.conf"
    drop_in.parent.mkdir(parents=True)
    drop_in.write_text(SIMULATE)
    (root / "etc/systemd/system/backend.service").write_text(BACKEND)
    (root / "etc/station").mkdir()
    (root / "etc/station/provision.toml").write_text(PROVISION)
    shutil.copy(PROJECT / "tests/journeys/browser.py", root / "root/browser.py")
    with ThreadPoolExecutor() as pool:
        booted = pool.submit(machine.boot)
        shutil.copy(package(OLD), root / "root/old.deb")
        booted.result()

    before = files(machine)

    # Installed: everything runs, hardened by its units and as its own user.
    told = machine.run("apt-get install -y -q /root/old.deb").stdout
    assert "the network of this machine is left alone (no NetworkManager)" in told
    machine.run("systemctl start backend")
    for unit in UNITS:
        assert machine.says(f"systemctl is-active {unit}"), machine.journal()
        assert machine.says(f"systemctl is-enabled {unit}")
    login = re.search(r"Web login \(shown only now\): admin / (\S+)", told)
    assert login
    assert machine.run("stat -c '%a %U' /etc/station/first-login /var/lib/station").stdout == "600 root\n700 station\n"
    assert machine.run("cat /etc/station/network.env").stdout == "STATION_NETWORK=OFF\n"
    for unit in UNITS[1:]:
        assert machine.run(f"stat -c %U /proc/{main_process(machine, unit)}").stdout == "station\n"
    assert "station" in machine.run("nft list table inet station").stdout

    # A person signs in with the password of the installation and chooses an own one.
    page = look(
        machine,
        f"first = sign_in({login[1]!r})\n"
        f"first.post('/password', new_password1={PASSWORD!r}, new_password2={PASSWORD!r})\n"
        "print(first.get('/firmware'))",
    )
    assert f">{OLD}<" in page

    # A car is plugged in, a card is tapped: it charges, and the backend hears of it.
    until(lambda: machine.says("journalctl -u backend | grep -q 'connector 1 is Available'"), 60, machine.journal)
    until(lambda: state(machine)["ready"] and state(machine)["mode"] == "sleeping", 30, machine.journal)
    machine.run("station sim plug")
    until(lambda: state(machine)["cp"] == "B", 20, machine.journal)
    machine.run("station sim swipe 04A1B2C3")
    until(lambda: state(machine)["current_a"] > 5, 60, machine.journal)

    # Nobody installs another release into a session.
    shutil.copy(package(NEW), root / "root/new.deb")
    refused = machine.run("apt-get install -y -q /root/new.deb", check=False)
    assert refused.returncode != 0
    assert "a session is running" in refused.stdout
    assert state(machine)["current_a"] > 5
    machine.run("station sim unplug")
    until(lambda: rows(machine, "SELECT stopped_at IS NOT NULL FROM station_transaction") == [[1]], 30, machine.journal)

    # The next one goes on trial as every update does; what lasts lasts.
    assert f"Release {NEW} is on trial" in machine.run("apt-get install -y -q /root/new.deb").stdout
    until(lambda: not machine.says("test -L /opt/station/fallback"), 120, machine.journal)
    page = look(machine, f"print(sign_in({PASSWORD!r}).get('/firmware'))")
    assert f">{NEW}<" in page
    assert f">{OLD}<" in page
    assert len(rows(machine, "SELECT id FROM station_transaction")) == 1

    # A process that is stopped in the middle is found by the watchdog (F3), and the others do not care.
    hung, web = main_process(machine, "station-worker"), main_process(machine, "station-web")
    machine.run("systemctl kill --signal=STOP station-worker")
    until(lambda: main_process(machine, "station-worker") not in ("0", hung), 60, machine.journal)
    until(lambda: machine.says("systemctl is-active station-worker"), 60, machine.journal)
    assert "Watchdog timeout (limit 10s)" in machine.journal()
    assert main_process(machine, "station-web") == web

    # The same python3 comes in a new package: nobody is disturbed.
    worker = main_process(machine, "station-worker")
    machine.run("dpkg-trigger --by-package=station /usr/bin/python3; dpkg --configure --pending")
    assert (main_process(machine, "station-worker"), main_process(machine, "station-web")) == (worker, web)

    # Another python3 comes with a new Debian: the packages are made for it.
    machine.run("rm -r /opt/station/venvs; dpkg-trigger --by-package=station /usr/bin/python3")
    machine.run("dpkg --configure --pending")
    assert main_process(machine, "station-worker") != worker
    until(lambda: all(machine.says(f"systemctl is-active {unit}") for unit in UNITS), 90, machine.journal)

    # Removed: nothing of it runs, what lasts is kept; purged: nothing is left.
    machine.run("apt-get remove -y -q station")
    assert [unit for unit in UNITS if machine.says(f"systemctl is-active {unit}")] == []
    assert not machine.says("test -e /opt/station")
    assert machine.says("test -s /var/lib/station/station.sqlite3 -a -e /etc/station/station.env")
    machine.run("apt-get purge -y -q station")
    assert files(machine) <= before


def test_the_package_for_arm64_has_every_compiled_wheel_for_both_pythons(package: Callable[..., Path]) -> None:
    """It cannot run here; the builder has resolved every requirement for Debian 12's and 13's Python on aarch64."""
    listed = subprocess.run(
        ["dpkg-deb", "--contents", package(OLD, "arm64")], capture_output=True, text=True, check=True
    )
    wheels = re.findall(r"/wheels/(\S+)\.whl", listed.stdout)
    compiled = [wheel for wheel in wheels if not wheel.endswith("-any")]
    assert len(compiled) > 10
    assert [wheel for wheel in compiled if "aarch64" not in wheel] == []
    per_python = {python: {wheel.split("-")[0] for wheel in compiled if f"-{python}-{python}-" in wheel}
                  for python in ("cp311", "cp313")}  # fmt: skip
    assert per_python["cp311"] == per_python["cp313"]
    assert any(wheel.startswith("async_timeout-") for wheel in wheels)  # what only Debian 12's Python 3.11.2 asks for
