"""A station that cannot start, on real processes: the contactor opens, the page says why, and there is a way out."""

from __future__ import annotations

import sqlite3
import urllib.parse
import urllib.request
from http.cookiejar import CookieJar
from pathlib import Path

import pytest

from tests.journeys.releases import copy_checkout, launched
from tests.journeys.rig import Rig, RigMaker
from tests.journeys.station import LoneSimulator, until

PASSWORD = "of-the-installer"


@pytest.fixture
def slot(tmp_path: Path) -> Path:
    """The current release, in a folder of releases."""
    folder = tmp_path / "releases" / "slots" / "old"
    folder.mkdir(parents=True)
    copy_checkout(folder)
    (folder / "release.json").write_text('{"version": "1.0.0", "schema": "1"}')
    (tmp_path / "releases" / "current").symlink_to("slots/old")
    return folder


@pytest.fixture
def rig(lone_box: LoneSimulator, make_rig: RigMaker, slot: Path) -> Rig:
    """Started by the launcher, with the web in the same process."""
    provision = {"web": {"admin_user": "admin", "admin_password": PASSWORD}}
    rig = launched(make_rig(provision, web=True, box=lone_box), slot.parent.parent)
    rig.station.environment["STATION_STEADY_S"] = "0.5"
    return rig.start()


class Browser:
    """A person at the page of safe mode."""

    def __init__(self, rig: Rig) -> None:
        self._rig = rig
        self._url = f"http://127.0.0.1:{rig.station.http_port}"
        self._opener = urllib.request.build_opener(urllib.request.HTTPCookieProcessor(CookieJar()))

    def get(self) -> str:
        """The text of the page, "" while nobody answers."""
        try:
            with self._opener.open(self._url, timeout=10) as answer:
                return str(answer.read().decode())
        except OSError:
            return ""

    def wait_safe(self) -> str:
        until(lambda: "<title>Safe mode" in self.get(), 90, self._rig.station.log_tail)
        return self.get()

    def post(self, path: str, **fields: str) -> str:
        data = urllib.parse.urlencode(fields).encode()
        with self._opener.open(self._url + path, data, timeout=20) as answer:
            return str(answer.read().decode())


def change(rig: Rig, statement: str) -> None:
    with sqlite3.connect(rig.station.data / "station.sqlite3") as database:
        database.execute(statement)
    database.close()


def test_a_damaged_database_opens_the_contactor_and_stays_as_it_is(rig: Rig) -> None:
    """F7, F33: the board would charge on by itself; a repaired database and a restart bring everything back"""
    session = rig.start_session()
    rig.station.kill()
    assert rig.sim.state()["relay"]
    path = rig.station.data / "station.sqlite3"
    healthy = {found: found.read_bytes() for found in path.parent.glob(f"{path.name}*")}
    for found in healthy:
        found.unlink()
    damaged = b"this is no database" * 1000
    path.write_bytes(damaged)
    rig.station.launch()
    text = Browser(rig).wait_safe()
    assert "is damaged" in text
    rig.sim.wait(lambda state: not state["relay"], 30, "the contactor opens")
    until(lambda: "<dd>open</dd>" in Browser(rig).get(), 20, "the page says so")
    assert path.read_bytes() == damaged
    rig.station.kill()
    for found, content in healthy.items():
        found.write_bytes(content)
    rig.station.start()
    stop = rig.backend.next("StopTransaction", 30)
    assert stop.payload["transactionId"] == session.transaction_id
    assert "Safe mode" not in Browser(rig).get()


def test_the_page_works_when_django_does_not_and_a_setting_that_is_wrong_is_named(rig: Rig, slot: Path) -> None:
    """F33"""
    settings = slot / "station" / "settings.py"
    good = settings.read_text()
    settings.write_text(f"{good}\nthis is no Python\n")
    rig.station.kill()
    rig.station.launch()
    browser = Browser(rig)
    assert "SyntaxError" not in browser.wait_safe()
    assert "SyntaxError" in browser.post("/login", username="admin", password=PASSWORD)
    settings.write_text(good)
    spoilt, healed = (
        f"UPDATE station_setting SET value = '\"{board}\"' WHERE name = 'board'" for board in ("nonsense", "openevse")
    )
    change(rig, spoilt)
    browser.post("/act", action="again")
    until(lambda: "nonsense" in browser.get(), 60, rig.station.log_tail)
    change(rig, healed)
    browser.post("/login", username="admin", password=PASSWORD)
    browser.post("/act", action="again")
    rig.wait_online(timeout_s=60)
    rig.start_session()


def test_a_missing_serial_port_is_no_failed_boot(rig: Rig, lone_box: LoneSimulator) -> None:
    """The station starts, tells its backend, and goes to work when the cable is back"""
    link = lone_box.ports / "board"
    device = link.readlink()
    rig.station.kill()
    link.unlink()
    rig.station.launch()
    rig.backend.next("BootNotification", 60)
    assert rig.backend.wait_status("Faulted", timeout_s=30)
    link.symlink_to(device)
    rig.backend.wait_status("Available", timeout_s=30)
