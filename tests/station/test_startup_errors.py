"""A station that cannot start says so in words and an exit code, and writes nothing half."""

from __future__ import annotations

import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def provision(data: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """`manage.py provision`, which opens the database as the station does."""
    known = {name: text for name, text in os.environ.items() if not name.startswith(("STATION_", "DJANGO_"))}
    return subprocess.run(
        [sys.executable, "manage.py", "provision", *arguments],
        cwd=ROOT,
        env={**known, "STATION_DATA_DIR": str(data)},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture
def good(tmp_path: Path) -> str:
    path = tmp_path / "good.toml"
    path.write_text('[identity]\nvendor = "Acme"\n')
    return str(path)


@pytest.fixture(scope="module")
def _provisioned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("station") / "data"
    (data.parent / "some.toml").write_text("[web]\n")
    assert provision(data, str(data.parent / "some.toml")).returncode == 0
    return data


@pytest.fixture
def data(_provisioned: Path, tmp_path: Path) -> Path:
    """A data folder that was provisioned before."""
    return Path(shutil.copytree(_provisioned, tmp_path / "data"))


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir() if path.name != "secret_key"}


def test_a_new_data_folder_is_provisioned_once(tmp_path: Path, good: str) -> None:
    first = provision(tmp_path / "data", good)
    assert first.returncode == 0, first.stderr
    assert "Web login (shown only now): admin / " in first.stdout
    second = provision(tmp_path / "data", good)
    assert second.returncode == 78
    assert "already has its settings" in second.stderr
    assert "Traceback" not in second.stderr


def test_a_data_folder_that_cannot_be_made_is_exit_code_73(tmp_path: Path, good: str) -> None:
    (tmp_path / "file").touch()
    answer = provision(tmp_path / "file" / "data", good)
    assert answer.returncode == 73
    assert answer.stderr.count("\n") == 1
    assert "STATION_DATA_DIR" in answer.stderr


def test_a_database_that_cannot_be_made_is_exit_code_73(tmp_path: Path, good: str) -> None:
    (tmp_path / "data" / "station.sqlite3").mkdir(parents=True)
    answer = provision(tmp_path / "data", good)
    assert answer.returncode == 73
    assert "Traceback" not in answer.stderr


@pytest.mark.parametrize("damage", ["garbage", "truncated", "page"])
def test_a_damaged_database_is_exit_code_65_and_stays_as_it_is(damage: str, data: Path, good: str) -> None:
    path = data / "station.sqlite3"
    healthy = path.read_bytes()
    if damage == "garbage":
        path.write_bytes(b"this is no database" * 1000)
    elif damage == "truncated":
        path.write_bytes(healthy[: len(healthy) // 2])
    else:
        path.write_bytes(healthy[:8192] + b"\xff" * 4096 + healthy[12288:])
    before = contents(data)
    answer = provision(data, good)
    assert answer.returncode == 65, answer.stderr
    assert "is damaged" in answer.stderr
    assert "backup" in answer.stderr
    assert "Traceback" not in answer.stderr
    assert contents(data) == before


def test_a_database_of_a_newer_software_is_refused(data: Path, good: str) -> None:
    with sqlite3.connect(data / "station.sqlite3") as database:
        database.execute("INSERT INTO django_migrations (app, name, applied) VALUES ('station', '9999_future', '')")
    database.close()
    answer = provision(data, good)
    assert answer.returncode == 65
    assert "newer software" in answer.stderr


def test_pending_migrations_are_applied_after_a_copy(data: Path, good: str) -> None:
    with sqlite3.connect(data / "station.sqlite3") as database:
        # As if the software had been updated: one migration of a framework app is not applied yet.
        database.execute("DELETE FROM django_migrations WHERE app = 'admin' AND name LIKE '0003%'")
    database.close()
    answer = provision(data, good)
    assert answer.returncode == 78  # it has its settings: but the tables were brought up to date before
    copies = list(data.glob("station.sqlite3.before-*"))
    assert len(copies) == 1
    assert copies[0].stat().st_mode & 0o777 == 0o600
    with sqlite3.connect(copies[0]) as copy:
        assert copy.execute("SELECT count(*) FROM station_setting").fetchone()[0] > 0
    copy.close()


def test_a_provisioning_file_that_is_not_there_is_exit_code_66(tmp_path: Path) -> None:
    answer = provision(tmp_path / "data", str(tmp_path / "gone.toml"))
    assert answer.returncode == 66
    assert "cannot be read" in answer.stderr


def test_a_bad_provisioning_file_is_exit_code_78_and_nothing_is_stored(tmp_path: Path, good: str) -> None:
    bad = tmp_path / "bad.toml"
    bad.write_text('[identity]\nvendr = "Acme"\n')
    answer = provision(tmp_path / "data", str(bad))
    assert answer.returncode == 78
    assert "did you mean vendor?" in answer.stderr
    assert provision(tmp_path / "data", good).returncode == 0


def test_a_bad_environment_is_told_in_one_line(tmp_path: Path) -> None:
    known = {name: text for name, text in os.environ.items() if not name.startswith(("STATION_", "DJANGO_"))}
    answer = subprocess.run(
        [sys.executable, "manage.py", "sim", "state"],
        cwd=ROOT,
        env={**known, "STATION_DATA_DIR": str(tmp_path), "STATION_HTTP": "nonsense"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert answer.returncode == 78
    assert answer.stderr == "STATION_HTTP is 'nonsense', but must be host:port, for example 127.0.0.1:8080\n"


def test_a_kill_between_a_migration_and_its_record_does_not_lock_the_station_out(tmp_path: Path) -> None:
    """Django records a migration after its own commit; both have to be one transaction."""
    start = "import django; django.setup(); from station.database import open_store; "
    die = (
        "import os; from django.db.migrations.recorder import MigrationRecorder as R; old = R.record_applied; "
        "R.record_applied = lambda self, app, name: "
        "os.kill(os.getpid(), 9) if app == 'station' else old(self, app, name); "
    )
    environment = {**os.environ, "STATION_DATA_DIR": str(tmp_path), "DJANGO_SETTINGS_MODULE": "station.settings"}

    def run(code: str) -> int:
        return subprocess.run([sys.executable, "-c", code], cwd=ROOT, env=environment, check=False).returncode

    assert run(start + die + "open_store()") == -9
    assert run(start + "open_store().set_value('alive', 'yes')") == 0
