"""An installer changes the devices on the page: the station starts again with them, the simulator plays them."""

from __future__ import annotations

from tests.journeys.browser import Browser
from tests.journeys.rig import RigMaker

PASSWORD = "correct horse battery"
EVSE_DIN = {
    "board": "evse_din", "board_unit": 1, "board_baud": 0, "meter": "sdm120", "meter_unit": 1, "meter_baud": 0,
    "meter_parity": "", "reader": "rdm6300", "reader_baud": 0, "uid_order": "normal", "em4100": "id8", "panel": "",
}  # fmt: skip


def test_other_devices_are_chosen_on_the_page(make_rig: RigMaker):
    rig = make_rig({"web": {"admin_user": "admin", "admin_password": PASSWORD}}, web=True)
    rig.start()
    assert rig.sim.state()["board"]["kind"] == "openevse"
    browser = Browser(f"http://127.0.0.1:{rig.station.http_port}", PASSWORD)
    rig.start_session()
    assert "A session is running" in browser.post("/hardware", **EVSE_DIN)
    rig.swipe()
    rig.backend.next("StopTransaction", 20)
    rig.sim.unplug()
    rig.backend.wait_status("Available")
    energy_wh = rig.sim.state()["energy_wh"]
    assert "Saved. The station starts again" in browser.post("/hardware", **EVSE_DIN)
    rig.wait_online()
    rig.station.wait_simulator()  # another process: it has the speed of the clock again
    state = rig.sim.wait(lambda s: s["ready"], 20, "the ports of the new devices are open")
    assert (state["board"]["kind"], state["meter"]["kind"], state["reader"]["kind"]) == (
        "evse_din", "sdm120", "rdm6300",
    )  # fmt: skip
    assert state["energy_wh"] == energy_wh, "the register lasts"
    rig.start_session(rig.other_card)
