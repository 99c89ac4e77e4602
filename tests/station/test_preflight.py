"""What has to be free and present: every refusal has its exit code and its cure."""

from __future__ import annotations

import os
import socket
from pathlib import Path

import pytest

import tests.appliance  # noqa: F401
from hardware.interfaces import HardwareConfig
from station import preflight
from station.errors import StartupError


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preflight, "PATIENCE_S", 0.1)


def test_one_data_folder_takes_one_station(tmp_path: Path) -> None:
    lock = preflight.lock_folder(tmp_path)
    with pytest.raises(StartupError, match="Another station runs on the data folder") as refused:
        preflight.lock_folder(tmp_path)
    assert refused.value.exit_code == 75
    os.close(lock)
    os.close(preflight.lock_folder(tmp_path))


def test_a_taken_port_names_the_variable_to_set() -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(StartupError, match=rf"web server cannot listen on [^ ]+:{port} .*STATION_HTTP") as refused:
            preflight.check_port("127.0.0.1", port, "STATION_HTTP", "web server")
        assert refused.value.exit_code == 75
    preflight.check_port("127.0.0.1", port, "STATION_HTTP", "web server")


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_an_address_of_another_machine_is_a_configuration_error(host: str) -> None:
    with pytest.raises(StartupError, match="STATION_HTTP") as refused:
        preflight.check_port(host, 8080, "STATION_HTTP", "web server")
    assert refused.value.exit_code == 78


def test_serial_ports_have_to_be_configured_and_there(tmp_path: Path) -> None:
    with pytest.raises(StartupError, match="board_port") as refused:
        preflight.check_serial_ports(HardwareConfig())
    assert refused.value.exit_code == 78
    there, gone = tmp_path / "board", tmp_path / "meter"
    there.touch()
    config = HardwareConfig(board_port=str(there), meter_port=str(gone), reader="")
    with pytest.raises(StartupError, match=r"meter \(sdm230\) is not there") as refused:
        preflight.check_serial_ports(config)
    assert refused.value.exit_code == 66
    gone.touch()
    preflight.check_serial_ports(config)
