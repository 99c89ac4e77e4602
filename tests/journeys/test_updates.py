"""A station that looks for updates by itself finds one at its seller's, tells it, and installs it when told."""

from __future__ import annotations

import re
import ssl
import subprocess
import sys
from pathlib import Path
from typing import Any

from tests.journeys.browser import Browser
from tests.journeys.releases import OLD, Maker, launched, running
from tests.journeys.rig import RigMaker
from tests.journeys.station import PROJECT, until
from tests.ocppclient.certificates import issue
from tests.station.transfer.servers import web

PASSWORD = "a-password-for-tests"


def test_a_release_is_found_told_and_installed_by_one_press(tmp_path: Path, make_rig: RigMaker) -> None:
    (tmp_path / "maker").mkdir()
    maker = Maker(tmp_path / "maker")
    releases, release, listed = maker.slots(tmp_path / "releases"), maker.release("3.2.0"), tmp_path / "updates.json"
    keys = ["--key", maker.signer.key_file, "--certificate", maker.signer.cert_file]
    command = [sys.executable, "manage.py", "make_update_list", str(listed), str(release), "--security", *keys]
    subprocess.run([*command, "--notes", "Repairs a flaw."], cwd=PROJECT, check=True, capture_output=True)

    web_root = issue(tmp_path, "Web Root")
    made = issue(tmp_path, "seller", web_root, hosts=("127.0.0.1",))
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    tls.load_cert_chain(made.cert_file, made.key_file)
    files = {"/updates.json": listed, f"/{release.name}": release}

    def seller(handler: Any) -> None:
        handler.reply(200, files[handler.path].read_bytes())

    with web(seller, tls) as server:
        rig = make_rig(
            {
                "factory": {"allow_local_transfers": True},
                "backend": {"manufacturer_roots": [maker.root.cert_file], "root_certificates": [web_root.cert_file]},
                "updates": {"url": server.url("/updates.json")},
                "web": {"admin_password": PASSWORD},
            },
            web=True,
        )
        launched(rig, releases).start()
        browser = Browser(f"http://127.0.0.1:{rig.station.http_port}", PASSWORD)
        until(lambda: "Install 3.2.0" in browser.get("/firmware"), 60, lambda: "an offer on the page")
        page = browser.get("/firmware")
        assert "Repairs a flaw." in page
        assert "repairs security" in page
        assert "Version 3.2.0 can be installed" in browser.get("/dashboard/alerts")
        assert running(releases) == OLD  # nobody said so yet
        browser.post("/firmware/install", "/firmware", version="3.2.0")
        until(lambda: running(releases) == "3.2.0" and not (releases / "fallback").is_symlink(), 120, lambda: "3.2.0")
        rig.backend.wait_status("Available", timeout_s=60)
        browser = Browser(f"http://127.0.0.1:{rig.station.http_port}", PASSWORD)
        assert re.search(r"3\.2\.0</b> <span[^>]*>installed", browser.get("/firmware"))
        assert "can be installed" not in browser.get("/dashboard/alerts")
    # the list as often as it was asked for, the release once
    assert [path for _, path, _ in server.seen].count(f"/{release.name}") == 1
