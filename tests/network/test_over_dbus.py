"""The real class against python-dbusmock's NetworkManager and a ModemManager on a private bus."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any, TypeVar

import pytest

from station.network.over_dbus import DBusNetwork
from station.network.picture import Cell, Modem, Refused, Unavailable
from station.network.profiles import Hotspot
from station.network.rules import Ethernet, Mobile, Wifi, static
from station.supervisor import until
from tests.network.services import Services

Found = TypeVar("Found")
XSS = "<script>alert(1)</script>"
HOME = Wifi(b"Home", "wpa", "correct horse", hidden=True)
DEVICES = """
nm.AddEthernetDevice("eth0", "eth0", 100)
nm.AddWiFiDevice("wlan0", "wlan0", 30)
"""
CONNECTED = """
path = ROOT + "/IP4Config/1"
nm.AddObject(path, NM + ".IP4Config", {
    "AddressData": dbus.Array([dbus.Dictionary({"address": "192.168.1.5", "prefix": dbus.UInt32(24)}, signature="sv")],
                              signature="a{sv}"),
    "Gateway": "192.168.1.1"}, [])
mock(NM, DEVICES + "/eth0").AddProperty(NM + ".Device", "Ip4Config", dbus.ObjectPath(path))
"""


@pytest.fixture
def services(buses: Callable[[], Services], monkeypatch: pytest.MonkeyPatch) -> Services:
    made = buses()
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", made.address)
    made.start_networkmanager()
    made.play(DEVICES)
    return made


def on(work: Callable[[DBusNetwork], Coroutine[Any, Any, Found]]) -> Found:
    """Do it with a new network on a loop of its own."""

    async def done() -> Found:
        async with asyncio.timeout(30):
            return await work(DBusNetwork())

    return asyncio.run(done())


def profiles(services: Services) -> list[str]:
    told = services.play(
        "for path in dbus.Interface(bus.get_object(NM, ROOT + '/Settings'), NM + '.Settings').ListConnections():\n"
        "    table = dbus.Interface(bus.get_object(NM, path), NM + '.Settings.Connection').GetSettings()\n"
        "    print(table['connection']['id'], bytes(table.get('802-11-wireless', {}).get('ssid', b'')).decode())"
    )
    return [line.strip() for line in told.splitlines()]


def test_devices_are_shown_with_their_state_and_addresses(services: Services) -> None:
    services.play(CONNECTED)
    eth0, wlan0 = on(DBusNetwork.look).devices
    assert (eth0.interface, eth0.kind, eth0.state) == ("eth0", "ethernet", "connected")
    assert (eth0.addresses, eth0.gateway) == (("192.168.1.5",), "192.168.1.1")
    assert (wlan0.interface, wlan0.kind, wlan0.state, wlan0.addresses) == ("wlan0", "wifi", "off", ())


def test_wifis_are_shown_once_the_strongest_first_whatever_their_names_are(services: Services) -> None:
    services.play(
        f"""
for number, (ssid, strength, security) in enumerate([
    ("Home", 40, 0x100), ("Home", 70, 0x100), ({XSS!r}, 60, 0), ("Office", 50, 0x200), ("New", 55, 0x400),
    ("", 90, 0)]):
    nm.AddAccessPoint(DEVICES + "/wlan0", f"ap{{number}}", ssid, "00:00", 2, 2412, 54000, strength, security)
mock(NM, ROOT + "/AccessPoint/ap4").UpdateProperties(
    NM + ".AccessPoint", {{"Ssid": dbus.ByteArray(bytes([255, 0, 254]))}})
"""
    )
    assert on(DBusNetwork.look).cells == (
        Cell(b"Home", 70, "wpa"),
        Cell(XSS.encode(), 60, "open"),
        Cell(b"\xff\x00\xfe", 55, "wpa3"),
        Cell(b"Office", 50, "enterprise"),
    )


def test_a_wifi_is_joined_beside_the_old_profiles_and_goes_with_its_checkpoint(services: Services) -> None:
    async def tried(network: DBusNetwork) -> str:
        checkpoint = await network.checkpoint(100)
        await network.apply(HOME)
        assert profiles(services) == ["station wifi Home"]
        assert network.failure(await network.apply(HOME)) is None
        await network.go_back(checkpoint)
        return checkpoint

    on(tried)
    assert profiles(services) == []


def test_a_change_that_is_kept_drops_the_stations_older_profile_only(services: Services) -> None:
    services.play(
        "nm.AddAccessPoint(DEVICES + '/wlan0', 'ap0', 'Foreign', '00:00', 2, 2412, 54000, 50, 0x100)\n"
        "nm.AddWiFiConnection(DEVICES + '/wlan0', 'foreign', 'Foreign', 'wpa-psk')"
    )

    async def kept(network: DBusNetwork) -> None:
        await network.apply(Wifi(b"Old", "open", "", hidden=False))
        checkpoint = await network.checkpoint(100)
        applied = await network.apply(HOME)
        await network.keep(checkpoint)
        await network.drop_others(applied)

    on(kept)
    assert "station wifi Home" in profiles(services)
    assert "station wifi Old" not in profiles(services)
    assert len(profiles(services)) == 2


def test_forgetting_deletes_the_stations_profiles_but_the_hotspots_and_nobody_elses(services: Services) -> None:
    services.play(
        "nm.AddAccessPoint(DEVICES + '/wlan0', 'ap0', 'Foreign', '00:00', 2, 2412, 54000, 50, 0x100)\n"
        "nm.AddWiFiConnection(DEVICES + '/wlan0', 'foreign', 'Foreign', 'wpa-psk')"
    )

    async def forgotten(network: DBusNetwork) -> None:
        await network.apply(HOME)
        await network.apply(Ethernet("eth0", None))
        await network.open_hotspot(Hotspot("charger-1", "pass-word-pass-word"))
        assert len(profiles(services)) == 4
        await network.forget()

    on(forgotten)
    left = profiles(services)
    assert len(left) == 2
    assert any("hotspot" in name for name in left)
    assert any("Foreign" in name for name in left)


def test_a_device_that_fails_is_heard_with_its_reason(services: Services) -> None:
    async def heard(network: DBusNetwork) -> int | None:
        applied = await network.apply(HOME)
        await asyncio.to_thread(
            services.play,
            "for new, why in ((dbus.UInt32(120), dbus.UInt32(7)), (dbus.UInt32(30), dbus.UInt32(0))):\n"
            "    mock(NM, DEVICES + '/wlan0').EmitSignal(\n"
            "        NM + '.Device', 'StateChanged', 'uuu', [new, dbus.UInt32(60), why])",
        )
        await until(lambda: network.failure(applied) is not None, 0.01)
        return network.failure(applied)

    assert on(heard) == 7


def test_a_fixed_address_reaches_networkmanager(services: Services) -> None:
    on(lambda network: network.apply(Ethernet("eth0", static("192.168.1.20/24", "192.168.1.1", "9.9.9.9"))))
    told = services.play(
        "table = dbus.Interface(bus.get_object(NM, ROOT + '/Settings/0'), NM + '.Settings.Connection').GetSettings()\n"
        "print(table['ipv4']['method'], table['ipv4']['address-data'][0]['address'], table['ipv4']['gateway'])"
    )
    assert told == "manual 192.168.1.20 192.168.1.1"


def test_what_is_not_there_is_refused(services: Services) -> None:
    with pytest.raises(Refused, match="no interface ethernet eth7"):
        on(lambda network: network.apply(Ethernet("eth7", None)))
    with pytest.raises(Refused, match="no interface mobile"):
        on(lambda network: network.apply(Mobile("internet", "", "", "")))


def test_the_hotspot_opens_shows_and_closes(services: Services) -> None:
    async def opened(network: DBusNetwork) -> None:
        await network.open_hotspot(Hotspot("charger-1", "pass-word-pass-word"))
        await asyncio.to_thread(
            services.play, "nm.SetDeviceActive(DEVICES + '/wlan0', ROOT + '/ActiveConnection/0')"
        )  # the mock activates, but leaves that to its user
        await network.open_hotspot(Hotspot("charger-1", "pass-word-pass-word"))

    on(opened)
    assert profiles(services) == ["station hotspot charger-1"]
    hotspot = on(DBusNetwork.look).hotspot
    assert hotspot is not None
    assert hotspot.interface == "wlan0"
    on(DBusNetwork.close_hotspot)
    assert on(DBusNetwork.look).hotspot is None


def test_the_order_is_applied_to_what_runs_and_only_where_it_differs(services: Services) -> None:
    services.play(
        "device = mock(NM, DEVICES + '/eth0')\n"
        "device.AddMethod(NM + '.Device', 'GetAppliedConnection', 'u', 'a{sa{sv}}t', "
        "\"ret = (getattr(self, 'now', dbus.Dictionary({'ipv4': dbus.Dictionary({'method': 'auto'}, signature='sv')}, "
        "signature='sa{sv}')), dbus.UInt64(3))\")\n"
        "device.AddMethod(NM + '.Device', 'Reapply', 'a{sa{sv}}tu', '', 'self.now = args[0]')"
    )

    async def twice(network: DBusNetwork) -> None:
        await network.prefer({"eth0": 70})
        await network.prefer({"eth0": 70})

    on(twice)
    told = services.play(
        "device = mock(NM, DEVICES + '/eth0')\n"
        "calls = [call[2] for call in device.GetCalls() if call[1] == 'Reapply']\n"
        "print(len(calls), int(calls[0][0]['ipv4']['route-metric']), int(calls[0][1]))"
    )
    assert told == "1 70 3"


def test_the_modem_is_shown_in_words(services: Services) -> None:
    assert on(DBusNetwork.look).modem is None
    services.start_modemmanager()
    services.play(
        f"""
mm = mock(MM, "/org/freedesktop/ModemManager1")
path = "/org/freedesktop/ModemManager1/Modem/0"
mm.AddObject(path, MM + ".Modem", {{
    "State": dbus.Int32(2), "SignalQuality": dbus.Struct((dbus.UInt32(63), True), signature="ub"),
    "UnlockRequired": dbus.UInt32(2),
    "UnlockRetries": dbus.Dictionary({{dbus.UInt32(2): dbus.UInt32(3)}}, signature="uu"),
    "StateFailedReason": dbus.UInt32(0)}}, [])
mock(MM, path).AddProperties(MM + ".Modem.Modem3gpp", {{"OperatorName": {XSS!r}}})
"""
    )
    assert on(DBusNetwork.look).modem == Modem("locked", 63, XSS, "pin", 3)


def test_without_networkmanager_or_a_bus_it_says_so(
    buses: Callable[[], Services], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", buses().address)
    with pytest.raises(Unavailable, match="NetworkManager cannot be used"):
        on(DBusNetwork.look)
    monkeypatch.setenv("DBUS_SYSTEM_BUS_ADDRESS", f"unix:path={tmp_path}/nobody")
    with pytest.raises(Unavailable, match="there is no D-Bus"):
        on(DBusNetwork.look)
