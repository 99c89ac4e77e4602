"""A disk that fills up to the last byte in a session: the session is finished and sent, and everything comes back."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.rig import Rig
from tests.journeys.station import LoneSimulator, until

#: Of the small disk: its reserve is 6 MiB, and below 3 MiB no session starts.
SIZE_MIB, RESERVE_MIB = 48, 6


class SmallDisk:
    """A file system of its own at a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir()
        mounted = ["mount", "-t", "tmpfs", "-o", f"size={SIZE_MIB}m,mode=700", "station", str(folder)]
        subprocess.run(mounted, check=True, capture_output=True)
        self._filler = folder / "filler"

    def fill(self) -> None:
        """Until nothing is left."""
        with self._filler.open("ab", buffering=0) as file:
            for size in (2**20, 4096, 1):
                try:
                    while True:
                        file.write(bytes(size))
                except OSError:
                    continue

    def empty(self) -> None:
        self._filler.unlink()

    @property
    def free(self) -> int:
        found = os.statvfs(self.folder)
        return found.f_bavail * found.f_frsize

    def read_only(self) -> None:
        """Nothing may have it open."""
        subprocess.run(["mount", "-o", "remount,ro", str(self.folder)], check=True, capture_output=True)

    def close(self) -> None:
        subprocess.run(["umount", "--lazy", str(self.folder)], check=True, capture_output=True)


@pytest.fixture
def station(tmp_path: Path, lone_box: LoneSimulator) -> Iterator[tuple[Rig, SmallDisk]]:
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small disk; the rules are tested in tests/station/test_disk_room.py")
    disk = SmallDisk(tmp_path / "data")
    provision = {
        "ocpp": {"MeterValueSampleInterval": 1, "AllowOfflineTxForUnknownId": True},
        "factory": {"ballast_mib": RESERVE_MIB},
    }
    rig = Rig(tmp_path, provision, box=lone_box, speed=1.0)
    try:
        yield rig.start(), disk
    finally:
        rig.close()
        disk.close()


def test_a_session_on_a_disk_that_fills_up_is_finished_and_sent(station: tuple[Rig, SmallDisk]) -> None:
    """F5, P1; a start on a full disk gives its reserve up as well"""
    rig, disk = station
    ballast = disk.folder / "ballast"
    assert ballast.stat().st_size == RESERVE_MIB * 2**20
    session = rig.start_session()
    disk.fill()
    assert disk.free == 0
    until(lambda: not ballast.exists(), 10, rig.station.log_tail)
    rig.backend.wait_for(
        "StatusNotification", lambda report: report.get("info") == "disk full: no session can start", 10
    )
    rig.backend.skip()
    rig.backend.next("MeterValues", 10)  # it goes on
    rig.swipe()
    assert rig.backend.next("StopTransaction", 20).payload["transactionId"] == session.transaction_id
    rig.backend.wait_status("Unavailable", timeout_s=20)
    assert "Setpoint: 16 A" not in rig.station.log()[rig.station.log().index("The disk is full") :]

    rig.station.kill()
    disk.empty()
    ballast.write_bytes(bytes(RESERVE_MIB * 2**20))
    disk.fill()
    rig.station.start()
    rig.wait_online("Unavailable", timeout_s=30)
    disk.empty()
    rig.backend.wait_status("Preparing", timeout_s=20)  # the car is still there
    assert ballast.stat().st_size == RESERVE_MIB * 2**20
    rig.swipe(rig.other_card)
    rig.wait_started(20)
    rig.sim.unplug()
    rig.backend.next("StopTransaction", 20)
    rig.check()


def test_a_disk_that_is_read_only_is_told_in_a_sentence(station: tuple[Rig, SmallDisk]) -> None:
    """F8: exit code 73 at each start, which the launcher counts; nobody runs half a station"""
    rig, disk = station
    rig.station.kill()
    disk.read_only()
    rig.station.launch()
    assert rig.station.process is not None
    assert rig.station.process.wait(30) == 73
    assert "lies on a disk that is read-only" in rig.station.log().splitlines()[-1]
    assert "Traceback" not in rig.station.log()
