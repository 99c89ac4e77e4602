"""Backup while the station runs, and restore by its commands, with the real processes."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.journeys.rig import RigMaker
from tests.journeys.station import PROJECT


def test_a_running_station_is_saved_and_a_stopped_one_restored(make_rig: RigMaker, tmp_path: Path):
    rig = make_rig({"ocpp": {"AllowOfflineTxForUnknownId": True}})
    rig.start()
    file = str(tmp_path / "backup.zip")

    def manage(*arguments: str, passphrase: str = "correct horse battery") -> subprocess.CompletedProcess[str]:
        environment = {**rig.station.environment, "STATION_BACKUP_PASSPHRASE": passphrase}
        return subprocess.run(
            [sys.executable, "manage.py", *arguments],
            cwd=PROJECT, env=environment, capture_output=True, text=True, check=False,
        )  # fmt: skip

    saved = manage("backup", file)
    assert saved.returncode == 0, saved.stderr
    assert "encrypted: settings, cards, profiles, certificates, users, sessions." in saved.stdout
    busy = manage("restore", file)
    assert busy.returncode == 75
    assert "Another station runs on the data folder" in busy.stderr
    rig.station.terminate()
    wrong = manage("restore", file, passphrase="not this one, no")
    assert wrong.returncode == 65
    assert "The passphrase is wrong, or the file was changed after it was made. Nothing was changed." in wrong.stderr
    done = manage("restore", file, "--part", "settings", "--part", "users")
    assert done.returncode == 0, done.stderr
    assert "settings, users." in done.stdout
    rig.start()
