"""Updates that go wrong, with the real station in real slots: it is back by itself, the queue is kept (F26, P10)."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest

from tests.journeys.releases import OLD, Maker, launched, running
from tests.journeys.rig import Rig, RigMaker
from tests.station.transfer.servers import web

CLASSIC = "FirmwareStatusNotification"
#: A migration of a newer release, which the old one does not know.
MIGRATION = """
from django.db import migrations, models


class Migration(migrations.Migration):
    dependencies = [("station", {newest!r})]
    operations = [migrations.AddField("transaction", "tariff", models.TextField())]
"""


@pytest.fixture(scope="module")
def maker(tmp_path_factory: pytest.TempPathFactory) -> Maker:
    return Maker(tmp_path_factory.mktemp("maker"))


@pytest.fixture
def releases(tmp_path: Path, maker: Maker) -> Path:
    return maker.slots(tmp_path / "releases")


def start(make_rig: RigMaker, maker: Maker, releases: Path, trial_s: float = 60.0) -> Rig:
    provision = {
        "factory": {"allow_local_transfers": True},
        "backend": {"manufacturer_roots": [maker.root.cert_file]},
    }
    return launched(make_rig(provision), releases, trial_s).start()


def order(rig: Rig, path: Path) -> object:
    """A server that hands it out, after the backend has asked for the update."""
    server = web(lambda handler: handler.reply(200, path.read_bytes()))
    location = server.__enter__().url("/x.release")
    rig.backend.call("UpdateFirmware", {"location": location, "retrieveDate": datetime.now(UTC).isoformat()})
    return server


def wait_told(rig: Rig, status: str, timeout_s: float = 120) -> None:
    rig.backend.wait_for(CLASSIC, lambda payload: payload["status"] == status, timeout_s)


def test_a_release_that_crashes_after_it_changed_the_tables_is_undone_and_the_queue_is_kept(
    make_rig: RigMaker, maker: Maker, releases: Path
):
    newest = max(path.stem for path in (releases / "slots/old/station/migrations").glob("0*.py"))
    number = int(newest[:4]) + 1
    spoilt = maker.release(
        "3.0.0",
        {
            f"station/migrations/{number:04}_tariff.py": MIGRATION.format(newest=newest),
            "station/wiring.py": "\n\ndef charge_point_settings(provision):\n    raise RuntimeError('spoilt')\n",
        },
    )
    rig = start(make_rig, maker, releases)
    server = order(rig, spoilt)
    wait_told(rig, "Installing")
    wait_told(rig, "InstallationFailed")
    server.__exit__(None, None, None)  # type: ignore[attr-defined]
    assert running(releases) == OLD
    assert (rig.station.data / "station.sqlite3.failed").exists()
    rig.backend.wait_status("Available", timeout_s=20)
    rig.start_session()


def test_a_release_that_finds_no_hardware_is_ended_and_the_former_one_runs(
    make_rig: RigMaker, maker: Maker, releases: Path
):
    blind = maker.release(
        "3.1.0", {"station/worker.py": "\n\nStationWorker.take_reading = lambda self, reading: None\n"}
    )
    rig = start(make_rig, maker, releases, trial_s=8.0)
    server = order(rig, blind)
    wait_told(rig, "Installing")
    wait_told(rig, "InstallationFailed")
    server.__exit__(None, None, None)  # type: ignore[attr-defined]
    rig.backend.wait_status("Available", timeout_s=30)
    assert running(releases) == OLD
    assert "did not prove itself" in (releases / "rolled_back.json").read_text()


@pytest.mark.parametrize("moment", ["Downloading", "Downloaded", "Installing"])
def test_a_power_cut_in_the_middle_of_an_update_only_delays_it(
    make_rig: RigMaker, maker: Maker, releases: Path, moment: str
):
    rig = start(make_rig, maker, releases)
    server = order(rig, maker.release("3.2.0"))
    wait_told(rig, moment)
    rig.station.restart()
    wait_told(rig, "Installed")
    rig.backend.wait_status("Available", timeout_s=30)
    server.__exit__(None, None, None)  # type: ignore[attr-defined]
    assert running(releases) == "3.2.0"
