"""The network page in a real browser, on a real station over python-dbusmock's NetworkManager and ModemManager."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.browser.fake_station import CORPUS
from tests.journeys.rig import Rig, RigMaker
from tests.journeys.station import until
from tests.network.services import Services

pytestmark = [pytest.mark.browser, pytest.mark.journey]

#: The processes share two cores with other tests.
SOON = 30_000
PASSWORD = "correct horse battery"
#: eth0 and wlan0 are free, the SIM in wwan0 asks for its PIN.
WORLD = f"""
nm.AddEthernetDevice("eth0", "eth0", 30)
nm.AddWiFiDevice("wlan0", "wlan0", 30)
nm.AddObject(DEVICES + "/wwan0", NM + ".Device", {{
    "DeviceType": dbus.UInt32(8), "State": dbus.UInt32(30), "Interface": "wwan0", "Managed": True,
    "ActiveConnection": dbus.ObjectPath("/"), "AvailableConnections": dbus.Array([], signature="o"),
    "StateReason": (dbus.UInt32(30), dbus.UInt32(0))}}, [])
for name in ("eth0", "wlan0", "wwan0"):
    device = mock(NM, DEVICES + "/" + name)
    device.AddMethod(NM + ".Device", "GetAppliedConnection", "u", "a{{sa{{sv}}}}t",
        "ret = (dbus.Dictionary({{}}, signature='sa{{sv}}'), dbus.UInt64(1))")
    device.AddMethod(NM + ".Device", "Reapply", "a{{sa{{sv}}}}tu", "", "")
for number, (ssid, strength, security) in enumerate(
    [("Home", 80, 0x100), ("Café", 60, 0), ("Office", 40, 0x200)]
    + [(text[:32], 30, 0x100) for text in {CORPUS!r}]
):
    nm.AddAccessPoint(DEVICES + "/wlan0", f"ap{{number}}", ssid, "00:00", 2, 2412, 54000, strength, security)
mm = mock(MM, "/org/freedesktop/ModemManager1")
path = "/org/freedesktop/ModemManager1/Modem/0"
mm.AddObject(path, MM + ".Modem", {{
    "State": dbus.Int32(2), "SignalQuality": dbus.Struct((dbus.UInt32(63), True), signature="ub"),
    "UnlockRequired": dbus.UInt32(2),
    "UnlockRetries": dbus.Dictionary({{dbus.UInt32(2): dbus.UInt32(3)}}, signature="uu"),
    "StateFailedReason": dbus.UInt32(0)}}, [])
mock(MM, path).AddProperties(MM + ".Modem.Modem3gpp", {{"OperatorName": {CORPUS[0]!r}}})
"""
#: The radio gives up: NMDeviceState failed, NMDeviceStateReason "no secrets".
WRONG_PASSWORD = """
mock(NM, DEVICES + "/wlan0").EmitSignal(
    NM + ".Device", "StateChanged", "uuu", [dbus.UInt32(120), dbus.UInt32(60), dbus.UInt32(7)])
"""
#: The radio has got the address by which this very browser comes; the mock itself only activates.
ADDRESS = """
ip = ROOT + "/IP4Config/77"
nm.AddObject(ip, NM + ".IP4Config", {
    "AddressData": dbus.Array([dbus.Dictionary({"address": "127.0.0.1", "prefix": dbus.UInt32(8)}, signature="sv")],
                              signature="a{sv}"), "Gateway": ""}, [])
mock(NM, DEVICES + "/wlan0").AddProperty(NM + ".Device", "Ip4Config", dbus.ObjectPath(ip))
"""


@pytest.fixture
def services(tmp_path: Path) -> Iterator[Services]:
    folder = tmp_path / "bus"
    folder.mkdir()
    made = Services(folder)
    made.start_networkmanager()
    made.start_modemmanager()
    made.play(WORLD)
    yield made
    made.stop()


@pytest.fixture
def rig(make_rig: RigMaker, services: Services) -> Rig:
    rig = make_rig({"web": {"admin_user": "admin", "admin_password": PASSWORD}}, web=True)
    rig.station.environment |= {"STATION_NETWORK": "ON", "DBUS_SYSTEM_BUS_ADDRESS": services.address}
    rig.station.start()
    until(lambda: f"http://127.0.0.1:{rig.station.http_port}" in rig.station.log(), 30, "the pages are there")
    return rig


@pytest.fixture
def page(chromium: Browser, rig: Rig) -> Iterator[Page]:
    """Signed in, on a phone; a dialog or a broken script fails the test."""
    context = chromium.new_context(viewport={"width": 360, "height": 740}, locale="en-GB")
    context.set_default_timeout(SOON)
    page = context.new_page()
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("dialog", lambda dialog: (wrong.append(f"dialog: {dialog.message}"), dialog.dismiss()))
    page.goto(f"http://127.0.0.1:{rig.station.http_port}/network")
    page.get_by_label("Name").fill("admin")
    page.get_by_label("Password").fill(PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    yield page
    context.close()
    assert wrong == []


def profiles(services: Services) -> str:
    return services.play(
        "for path in dbus.Interface(bus.get_object(NM, ROOT + '/Settings'), NM + '.Settings').ListConnections():\n"
        "    table = dbus.Interface(bus.get_object(NM, path), NM + '.Settings.Connection').GetSettings()\n"
        "    print({section: {name: str(value) for name, value in items.items()} for section, items in table.items()})"
    )


def test_every_kind_of_network_is_set_up_by_hand(page: Page, services: Services, tmp_path: Path) -> None:
    pictures = Path(os.environ.get("STATION_PICTURES", tmp_path))
    state, forms = page.locator("#state"), page.locator("main form")

    def picture(name: str) -> None:
        assert page.evaluate("document.documentElement.scrollWidth <= innerWidth"), name
        page.screenshot(path=pictures / f"network-{name}.png", full_page=True)

    # what is heard, strangers' names as text
    expect(page.get_by_role("link", name="Home")).to_be_visible()
    for text in CORPUS:
        expect(page.get_by_text(text[:32], exact=True)).to_be_visible()
    expect(page.get_by_text("Office")).to_be_visible()
    expect(page.get_by_role("link", name="Office")).to_have_count(0)  # a company login is shown, not offered
    picture("heard")
    page.get_by_role("link", name=CORPUS[0][:32], exact=True).click()
    expect(page.get_by_label("Name of the WiFi (SSID)")).to_have_value(CORPUS[0][:32])
    expect(page.get_by_text("Ssid hex")).to_have_count(0)

    # a wrong password: everything is as before, and it says why
    page.get_by_role("link", name="Home").click()
    page.get_by_label("Password of the WiFi").fill("wrong password")
    page.get_by_role("button", name="Join and prove").click()
    expect(state).to_contain_text("on trial", timeout=SOON)
    picture("trial")
    services.play(WRONG_PASSWORD)
    expect(state).to_contain_text("the password is wrong or missing", timeout=SOON)
    expect(state).to_contain_text("taken back", timeout=SOON)
    picture("taken-back")
    assert "Home" not in profiles(services)

    # an open one, taken back by hand
    page.get_by_role("link", name="Café").click()
    expect(page.get_by_label("Protection")).to_have_value("open")
    page.get_by_role("button", name="Join and prove").click()
    page.get_by_role("button", name="Take it back now").click()
    expect(state).to_contain_text("admin took it back", timeout=SOON)

    # a fixed address: judged in words, then kept by somebody who knows better
    page.get_by_label("Address", exact=True).select_option("manual")
    page.get_by_label("Address and length").fill("192.168.1.255/24")
    page.get_by_role("button", name="Set and prove").first.click()
    expect(page.get_by_text("which no device may have")).to_be_visible()
    picture("wrong-address")
    page.get_by_label("Address and length").fill("192.168.1.20/24")
    page.get_by_role("button", name="Set and prove").first.click()
    page.get_by_role("button", name="Keep without a proof").click()
    expect(state).to_contain_text("kept without a proof", timeout=SOON)
    assert "192.168.1.20" in profiles(services)

    # the SIM: without its PIN nothing is tried
    expect(state).to_contain_text("the SIM asks for its PIN", timeout=SOON)
    page.get_by_label("APN", exact=True).fill("internet.example")
    page.get_by_role("button", name="Set and prove").last.click()
    expect(page.get_by_text("The SIM asks for its PIN.", exact=True)).to_be_visible()
    picture("pin")
    page.get_by_label("PIN of the SIM").fill("1234")
    page.get_by_role("button", name="Set and prove").last.click()
    page.get_by_role("button", name="Take it back now").click()
    expect(state).to_contain_text("admin took it back", timeout=SOON)

    # a hidden one with a key of 63 characters; the browser on its path is the proof
    key = " ~!#$%&" + "k" * 56
    page.get_by_label("Name of the WiFi (SSID)").fill("Keller 2. UG")
    page.get_by_label("Password of the WiFi").fill(key)
    page.get_by_label("Hidden: it does not tell its name").check()
    page.get_by_role("button", name="Join and prove").click()
    expect(state).to_contain_text("on trial", timeout=SOON)
    services.play(ADDRESS)
    expect(state).to_contain_text("confirmed", timeout=SOON)
    assert key in profiles(services)
    picture("confirmed")

    # order and hotspot
    page.get_by_label("Order").select_option("wifi,ethernet,mobile")
    forms.filter(has=page.get_by_label("Order")).get_by_role("button", name="Save").click()
    expect(page.get_by_label("Order")).to_have_value("wifi,ethernet,mobile")
    page.get_by_role("button", name="Open for 15 minutes").click()
    expect(page.get_by_role("status").first).to_contain_text("open for 15 minutes")
    expect(state).to_contain_text(re.compile("charger-[0-9a-f]{6}"), timeout=SOON)
    assert "station hotspot" in profiles(services)
    picture("hotspot")
