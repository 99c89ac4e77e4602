"""An installer changes the backend while a car charges: what does not work goes back, the charge goes on."""

from __future__ import annotations

from tests.journeys.browser import Browser
from tests.journeys.rig import Rig, RigMaker
from tests.journeys.station import free_port, until
from tests.journeys.test_hardware_page import PASSWORD


def charging(make_rig: RigMaker, **factory: float) -> tuple[Rig, Browser, int]:
    """A session runs, an installer is signed in."""
    web = {"admin_user": "admin", "admin_password": PASSWORD}
    rig = make_rig({"web": web, "factory": factory}, web=True)
    rig.start()
    browser = Browser(f"http://127.0.0.1:{rig.station.http_port}", PASSWORD)
    return rig, browser, rig.start_session().transaction_id


def save_dead_end(browser: Browser) -> None:
    """An address where nobody listens."""
    dead_end = f"ws://127.0.0.1:{free_port()}/ocpp"
    page = browser.post("/backend", url=dead_end, charge_point_id="CP1", security_profile=0, do="save")
    assert "are being proven" in page


def taken_back(browser: Browser) -> None:
    until(lambda: "the old ones are back" in browser.get("/backend/state"), 30, "the old settings are back")


def ends_at_the_old_backend(rig: Rig, transaction_id: int) -> None:
    """The session went on, and its end reaches the backend that knows it."""
    rig.backend.wait_connected(20)
    assert rig.sim.state()["relay"]
    rig.charge_wh(5)
    rig.swipe()
    assert rig.backend.next("StopTransaction", 20).payload["transactionId"] == transaction_id


def test_a_dead_address_is_taken_back_while_the_car_charges(make_rig: RigMaker):
    rig, browser, transaction_id = charging(make_rig)
    save_dead_end(browser)
    taken_back(browser)
    ends_at_the_old_backend(rig, transaction_id)


def test_a_power_cut_during_the_trial_keeps_the_way_back(make_rig: RigMaker):
    rig, browser, transaction_id = charging(make_rig, reconnect_min_s=4, reconnect_max_s=5)
    save_dead_end(browser)
    rig.station.restart()
    rig.backend.wait_connected(40)
    browser = Browser(f"http://127.0.0.1:{rig.station.http_port}", PASSWORD)
    taken_back(browser)
    stop = rig.backend.next("StopTransaction", 20).payload
    assert (stop["transactionId"], stop["reason"]) == (transaction_id, "PowerLoss")
