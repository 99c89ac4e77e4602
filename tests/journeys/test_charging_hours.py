"""A private station of the UK: its session begins at once, its power after a random delay, unless somebody skips it."""

from __future__ import annotations

import json

from tests.journeys.browser import Browser
from tests.journeys.rig import RigMaker
from tests.journeys.station import until
from tests.journeys.test_hardware_page import PASSWORD


def test_power_waits_for_the_random_delay_until_a_person_skips_it(make_rig: RigMaker):
    rig = make_rig(
        {"charging": {"region": "UK"}, "web": {"admin_password": PASSWORD}, "ocpp": {'"OpenStation.PeakHours"': ""}},
        web=True,
    )
    rig.start()
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.swipe()
    rig.wait_started()  # within its 10 s
    rig.backend.wait_status("SuspendedEVSE")
    assert not rig.sim.state()["relay"]
    browser = Browser(f"http://127.0.0.1:{rig.station.http_port}", PASSWORD)

    def live() -> dict:
        return json.loads(browser.get("/api/v1/status"))

    assert live()["limit"]["waiting"]
    assert "spreading the load of the grid" in live()["state"]["sentence"]
    with browser.live() as page:
        page.send(json.dumps({"type": "command", "command": "charge_now"}))
        reply = next(told for text in page if (told := json.loads(text))["type"] == "reply")
    assert reply == {"type": "reply", "ok": True, "text": "The session charges now."}
    rig.backend.wait_status("Charging", timeout_s=15)
    until(lambda: rig.sim.state()["relay"], 10, "the contactor closes")
    assert not live()["limit"]["waiting"]
    rig.sim.unplug()
    rig.backend.next("StopTransaction")
