"""The environment contract: data folder, addresses, key, hosts."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

from station.environment import address, choice, data_folder, secret_key
from station.errors import StartupError
from station.hosts import OwnHosts, machine_addresses

ROOT = Path(__file__).resolve().parents[2]


def ask_settings(expression: str, **environment: str) -> str:
    """What a new process finds in its settings."""
    code = f"import django.conf, os; s = django.conf.settings; print({expression})"
    known = {name: text for name, text in os.environ.items() if not name.startswith("STATION_")}
    answer = subprocess.run(
        [sys.executable, "-c", code], cwd=ROOT, env={**known, **environment}, capture_output=True, text=True, check=True
    )
    return answer.stdout.strip()


def test_an_address_is_host_and_port(monkeypatch: pytest.MonkeyPatch) -> None:
    assert address("STATION_HTTP", "127.0.0.1:8080") == ("127.0.0.1", 8080)
    monkeypatch.setenv("STATION_HTTP", " [::1]:0 ")
    assert address("STATION_HTTP", "127.0.0.1:8080") == ("::1", 0)


@pytest.mark.parametrize("text", ["8080", ":8080", "host:", "host:http", "host:70000", "host:-1"])
def test_an_address_that_is_none_is_refused_with_an_example(text: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATION_HTTP", text)
    with pytest.raises(StartupError, match=r"must be host:port, for example 127\.0\.0\.1:8080") as refused:
        address("STATION_HTTP", "127.0.0.1:8080")
    assert refused.value.exit_code == 78


def test_an_unknown_log_level_is_refused_with_the_known_ones(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATION_LOG_LEVEL", "loud")
    with pytest.raises(StartupError, match="DEBUG, INFO"):
        choice("STATION_LOG_LEVEL", "INFO", ("DEBUG", "INFO"))
    monkeypatch.setenv("STATION_LOG_LEVEL", "debug")
    assert choice("STATION_LOG_LEVEL", "INFO", ("DEBUG", "INFO")) == "DEBUG"


def test_the_data_folder_is_made_for_its_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STATION_DATA_DIR", str(tmp_path / "a" / "b"))
    folder = data_folder(Path("unused"))
    assert folder == tmp_path / "a" / "b"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_key_is_made_once_and_readable_by_its_owner_only(tmp_path: Path) -> None:
    key = secret_key(tmp_path)
    assert len(key) >= 50
    assert secret_key(tmp_path) == key
    assert [path.name for path in tmp_path.iterdir()] == ["secret_key"]
    assert stat.S_IMODE((tmp_path / "secret_key").stat().st_mode) == 0o600


def test_a_damaged_key_is_refused_with_its_cure(tmp_path: Path) -> None:
    (tmp_path / "secret_key").write_text("short")
    with pytest.raises(StartupError, match="Delete it"):
        secret_key(tmp_path)


def test_the_database_keeps_what_a_power_cut_must_not_take() -> None:
    with connection.cursor() as cursor:
        assert cursor.execute("PRAGMA journal_mode").fetchone() == ("wal",)
        assert cursor.execute("PRAGMA synchronous").fetchone() == (2,)
        sql = cursor.execute("SELECT sql FROM sqlite_master WHERE name = 'station_queuedcall'").fetchone()[0]
    assert "AUTOINCREMENT" in sql
    path = Path(connection.settings_dict["NAME"])
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_station_answers_to_its_own_names_only() -> None:
    hosts = OwnHosts("10.1.2.3")
    assert {"localhost", "127.0.0.1", "[::1]", "10.1.2.3"} <= set(hosts)
    assert set(machine_addresses()) <= set(hosts)
    assert "*" not in hosts
    assert "*" not in settings.ALLOWED_HOSTS


def test_settings_follow_the_environment(tmp_path: Path) -> None:
    answer = ask_settings(
        "s.HTTP_HOST, s.HTTP_PORT, s.SIM_HTTP_PORT, s.DATA_DIR, '10.9.9.9' in s.ALLOWED_HOSTS, s.SESSION_COOKIE_NAME, "
        "s.CHANNEL_LAYERS['default']['BACKEND'].rsplit('.')[-1]",
        DJANGO_SETTINGS_MODULE="station.settings",
        STATION_DATA_DIR=str(tmp_path / "data"),
        STATION_HTTP="10.9.9.9:1234",
        STATION_SIM_HTTP="127.0.0.1:1235",
    )
    expected = ("10.9.9.9", 1234, 1235, tmp_path / "data", True, "station_session_1234", "InMemoryChannelLayer")
    assert answer == " ".join(str(part) for part in expected)


def test_redis_carries_the_channels_when_it_is_named(tmp_path: Path) -> None:
    answer = ask_settings(
        "s.CHANNEL_LAYERS",
        DJANGO_SETTINGS_MODULE="station.settings",
        STATION_DATA_DIR=str(tmp_path),
        STATION_REDIS_URL="unix:///run/redis.sock",
    )
    assert "RedisChannelLayer" in answer
    assert "{'address': 'unix:///run/redis.sock', 'socket_timeout': None}" in answer


def test_all_addresses_listened_on_means_the_machines_addresses(tmp_path: Path) -> None:
    answer = ask_settings(
        "'0.0.0.0' in s.ALLOWED_HOSTS, '127.0.0.1' in s.ALLOWED_HOSTS",
        DJANGO_SETTINGS_MODULE="station.settings",
        STATION_DATA_DIR=str(tmp_path),
        STATION_HTTP="0.0.0.0:80",
    )
    assert answer == "False True"
