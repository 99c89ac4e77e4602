"""An update of the whole appliance: pages and jobs take the new release with the station, and know what runs."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

from tests.journeys.appliance import RedisServer, Web
from tests.journeys.browser import Browser
from tests.journeys.releases import OLD, Maker, launched, running
from tests.journeys.rig import RigMaker
from tests.journeys.station import until
from tests.station.transfer.servers import web as file_server

PASSWORD = "a-password-for-tests"


def test_pages_and_jobs_run_the_new_release_as_soon_as_the_station_does(tmp_path: Path, make_rig: RigMaker) -> None:
    (tmp_path / "maker").mkdir()
    maker, redis = Maker(tmp_path / "maker"), RedisServer(tmp_path).start()
    releases = maker.slots(tmp_path / "releases")
    rig = make_rig(
        {
            "factory": {"allow_local_transfers": True},
            "backend": {"manufacturer_roots": [maker.root.cert_file]},
            "web": {"admin_password": PASSWORD},
        }
    )
    rig.station.environment["STATION_REDIS_URL"] = redis.url
    launched(rig, releases).start()
    web, jobs = (Web(rig.station, {}, command, releases).start() for command in ("runweb", "runjobs"))
    try:
        browser = Browser(web.wait().url, PASSWORD)
        assert f">{OLD}<" in browser.get("/firmware")
        release = maker.release("3.2.0", {"station/__init__.py": '\n__version__ = "3.2.0"\n'})
        with file_server(lambda handler: handler.reply(200, release.read_bytes())) as server:
            now = datetime.now(UTC).isoformat()
            rig.backend.call("UpdateFirmware", {"location": server.url("/x.release"), "retrieveDate": now})
            told = "FirmwareStatusNotification"
            rig.backend.wait_for(told, lambda payload: payload["status"] == "Installed", 120)
        assert running(releases) == "3.2.0"
        until(lambda: "Software 3.2.0" in web.get("/login")[1], 60, lambda: f"new pages; log:\n{web.log()}")
        page = browser.get("/firmware")
        assert ">3.2.0<" in page
        assert f">{OLD}<" in page  # it can be gone back to
        until(lambda: "release 3.2.0-" in jobs.log(), 60, lambda: f"new jobs; log:\n{jobs.log()}")
        with file_server(lambda handler: (handler.read_body(), handler.reply(201))) as server:
            rig.backend.call("GetDiagnostics", {"location": server.url("/in/")})
            rig.backend.wait_for("DiagnosticsStatusNotification", lambda told: told["status"] == "Uploaded", 60)
    finally:
        web.kill()
        jobs.kill()
        rig.close()
        redis.kill()
