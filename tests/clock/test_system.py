"""The real class against python-dbusmock's timedated, a timesyncd and a systemd, and a played chronyc."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, TypeVar

import pytest

from station.clock.picture import Refused, Seen, Server
from station.clock.system import Computer
from station.clock.timedate import Timedate
from tests.clock.test_chrony import IN_STEP, LOST, program
from tests.network.services import Services

Found = TypeVar("Found")
NOW = datetime.fromtimestamp(1795479541.0, UTC)
TIMEDATE = "org.freedesktop.timedate1"
TIMESYNC = "org.freedesktop.timesync1"
SYSTEMD = "org.freedesktop.systemd1"
#: The request left at 100.0 by our clock, and was answered at 102.0: half a second each way, ours 2.5 s behind.
ANSWER_US = {"origin": 100_000_000, "receive": 103_000_000, "transmit": 103_000_000, "destination": 101_000_000}


@pytest.fixture
def services(buses: Callable[[], Services], monkeypatch: pytest.MonkeyPatch) -> Services:
    made = buses()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
    made.start("--template", "timedated", name=TIMEDATE)
    return made


def computer(folder: Path, chronyc: str = "") -> Computer:
    body = f"cat <<EOF\n{chronyc}EOF" if chronyc else "exit 1"
    return Computer(
        Timedate(),
        program(folder, body),
        folder / "station.sources",
        folder / "since_epoch",
        monotonic=lambda: 50.0,
        system_utc=lambda: NOW,
    )


def run(work: Callable[[], Coroutine[Any, Any, Found]]) -> Found:
    async def done() -> Found:
        async with asyncio.timeout(30):
            return await work()

    return asyncio.run(done())


def calls(services: Services, name: str, path: str, method: str) -> str:
    """What the mock was called with."""
    return services.play_plain(
        f"print([[str(a) if isinstance(a, str) else int(a) for a in call[2]] for call in "
        f"mock({name!r}, {path!r}).GetCalls() if call[1] == {method!r}])"
    )


def test_chrony_comes_first(services: Services, tmp_path: Path) -> None:
    (tmp_path / "since_epoch").write_text(f"{int(NOW.timestamp()) + 3}\n")
    seen = run(computer(tmp_path, IN_STEP.replace("-0.000001345", "1.5")).look)
    assert (seen.program, seen.synchronised, seen.server) == ("chrony", True, "127.0.0.1")
    assert seen.age_s == pytest.approx(9.704827)
    assert (seen.utc, seen.system, seen.at_s) == (NOW + timedelta(seconds=1.5), NOW, 50.0)  # slow: the time is later
    assert (seen.offset_s, seen.enabled, seen.rtc_ahead_s) == (-1.5, True, 3.0)
    assert seen.servers == (Server("127.0.0.1", "in use"),)


def test_a_chronyd_without_a_server_counts_for_nothing(services: Services, tmp_path: Path) -> None:
    seen = run(computer(tmp_path, LOST).look)
    assert (seen.program, seen.synchronised, seen.age_s, seen.utc) == ("chrony", False, None, NOW)
    assert seen.rtc_ahead_s is None


def start_timesyncd(services: Services) -> None:
    services.start("-m", TIMESYNC, "/org/freedesktop/timesync1", f"{TIMESYNC}.Manager", name=TIMESYNC)
    a = ANSWER_US
    services.play_plain(
        f"manager = mock({TIMESYNC!r}, '/org/freedesktop/timesync1')\n"
        f"u, t = dbus.UInt32, dbus.UInt64\n"
        f"message = dbus.Struct((u(0), u(4), u(4), u(2), dbus.Int32(0), t(0), t(0), dbus.ByteArray(b'abcd'), "
        f"t({a['origin']}), t({a['receive']}), t({a['transmit']}), t({a['destination']}), dbus.Boolean(False), t(1), "
        f"t(0)), signature='uuuuittayttttbtt')\n"
        f"manager.AddProperty('{TIMESYNC}.Manager', 'NTPMessage', message)\n"
        f"manager.AddProperty('{TIMESYNC}.Manager', 'ServerName', 'time.example')\n"
        f"manager.AddProperty('{TIMESYNC}.Manager', 'RuntimeNTPServers', dbus.Array([], signature='s'))\n"
        f"manager.AddMethod('{TIMESYNC}.Manager', 'SetRuntimeNTPServers', 'as', '', "
        f"\"self.Set('{TIMESYNC}.Manager', 'RuntimeNTPServers', args[0])\")"
    )


def test_timesyncd_is_read_where_no_chrony_runs(services: Services, tmp_path: Path) -> None:
    start_timesyncd(services)
    seen = run(computer(tmp_path).look)
    assert (seen.program, seen.synchronised, seen.server) == ("systemd-timesyncd", True, "time.example")
    assert seen.offset_s == pytest.approx(-2.5)
    assert seen.age_s == pytest.approx(NOW.timestamp() - 101)
    assert seen.utc == NOW


def test_the_system_clock_is_moved_by_a_difference_while_nobody_else_keeps_it(
    services: Services, tmp_path: Path
) -> None:
    run(lambda: computer(tmp_path).shift(-3600.25))
    path = "/org/freedesktop/timedate1"
    assert calls(services, TIMEDATE, path, "SetTime") == "[[-3600250000, 1, 0]]"
    assert calls(services, TIMEDATE, path, "SetNTP") == "[[0, 0], [1, 0]]"


def test_when_it_may_not_be_moved_the_time_servers_are_asked_again(services: Services, tmp_path: Path) -> None:
    services.play_plain(
        f"mock({TIMEDATE!r}, '/org/freedesktop/timedate1').AddMethod({TIMEDATE!r}, 'SetTime', 'xbb', '', "
        "\"raise dbus.exceptions.DBusException('not authorised', name='org.freedesktop.DBus.Error.AccessDenied')\")"
    )
    with pytest.raises(Refused, match=r"could not be set: .*not authorised"):
        run(lambda: computer(tmp_path).shift(5))
    assert calls(services, TIMEDATE, "/org/freedesktop/timedate1", "SetNTP") == "[[0, 0], [1, 0]]"


def test_the_chosen_servers_reach_chrony_by_its_file_and_a_restart(services: Services, tmp_path: Path) -> None:
    services.start("-m", SYSTEMD, "/org/freedesktop/systemd1", f"{SYSTEMD}.Manager", name=SYSTEMD)
    services.play_plain(
        f"mock({SYSTEMD!r}, '/org/freedesktop/systemd1').AddMethod('{SYSTEMD}.Manager', 'TryRestartUnit', 'ss', 'o', "
        "\"ret = dbus.ObjectPath('/job/1')\")"
    )
    (tmp_path / "station.sources").touch()

    async def twice() -> None:
        one = computer(tmp_path)
        await one.use_servers(["time.example"])
        await one.use_servers(["time.example"])

    run(twice)
    assert (tmp_path / "station.sources").read_text() == "server time.example iburst\n"
    restarts = calls(services, SYSTEMD, "/org/freedesktop/systemd1", "TryRestartUnit")
    assert restarts == "[['chrony.service', 'replace']]"


def test_the_chosen_servers_reach_timesyncd_once(services: Services, tmp_path: Path) -> None:
    start_timesyncd(services)

    async def twice() -> None:
        one = computer(tmp_path)
        await one.use_servers(["time.example"])
        await one.use_servers(["time.example"])

    run(twice)
    made = services.play_plain(
        f"print(len([c for c in mock({TIMESYNC!r}, '/org/freedesktop/timesync1').GetCalls() "
        "if c[1] == 'SetRuntimeNTPServers']))"
    )
    assert made == "1"


def test_without_any_service_there_is_a_system_clock_all_the_same(
    buses: Callable[[], Services], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for address in (buses().address, f"unix:path={tmp_path}/nobody"):
        monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", address)
        assert run(computer(tmp_path).look) == Seen(NOW, 50.0, NOW)
        with pytest.raises(Refused, match="Neither chrony nor systemd-timesyncd"):
            run(lambda: computer(tmp_path).use_servers(["time.example"]))
        with pytest.raises(Refused, match="could not be set"):
            run(lambda: computer(tmp_path).shift(5))
