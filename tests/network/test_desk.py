"""A change of the network is kept by a hit on its new path, and comes back by itself otherwise."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import replace
from typing import Any

import pytest

from station.network import rules
from station.network.desk import CONFIRM_S, NetworkDesk
from station.network.picture import Applied, Device, Modem, Picture, Refused, Unavailable
from station.network.profiles import Hotspot, kind_of
from station.network.rules import Wanted
from station.network.wish import Wish

ETHERNET = Device("/eth0", "eth0", "ethernet", "connected", addresses=("192.168.1.5",), profile="/old")
RADIO = Device("/wlan0", "wlan0", "wifi", "off")
WIFI = {"do": "change", "kind": "wifi", "ssid": "Home", "security": "wpa", "key": "correct horse"}


class PlayedNetwork:
    """Profiles and devices as NetworkManager keeps them, with its checkpoints."""

    def __init__(self, *devices: Device, modem: Modem | None = None) -> None:
        self.devices = {device.path: device for device in devices}
        self.modem = modem
        self.absent = False
        self.refuses = ""
        self.reason: int | None = None
        self.checkpoints: dict[str, dict[str, Device]] = {}
        self.profiles = ["/old"]
        self.preferred: dict[str, int] = {}
        self.wanted: list[Wanted] = []

    async def look(self) -> Picture:
        if self.absent:
            raise Unavailable("NetworkManager cannot be used on this machine.")
        return Picture(tuple(self.devices.values()), (), self.modem)

    async def scan(self) -> None:
        pass

    async def checkpoint(self, timeout_s: int) -> str:
        await self.look()
        assert timeout_s > CONFIRM_S, "the service's own way back comes after ours, which can say why"
        self.checkpoints["/checkpoint"] = dict(self.devices)
        return "/checkpoint"

    async def keep(self, checkpoint: str) -> None:
        del self.checkpoints[checkpoint]

    async def go_back(self, checkpoint: str) -> None:
        self.devices = self.checkpoints.pop(checkpoint)
        self.profiles = ["/old"]

    async def apply(self, wanted: Wanted) -> Applied:
        if self.refuses:
            raise Refused(self.refuses)
        self.wanted.append(wanted)
        self.reason = None
        device = next(device for device in self.devices.values() if device.kind == kind_of(wanted))
        self.devices[device.path] = replace(device, state="connecting", profile="/new", addresses=())
        self.profiles.append("/new")
        return Applied("/new", device.path)

    def becomes(self, path: str, state: str, *addresses: str) -> None:
        self.devices[path] = replace(self.devices[path], state=state, addresses=addresses)

    def failure(self, applied: Applied) -> int | None:
        return self.reason

    async def drop_others(self, applied: Applied) -> None:
        self.profiles = [applied.profile]

    async def forget(self) -> None:
        await self.look()
        self.profiles = []
        self.devices = {
            path: device if device.is_hotspot else replace(device, state="off", addresses=(), profile="")
            for path, device in self.devices.items()
        }

    async def prefer(self, metrics: Mapping[str, int]) -> None:
        self.preferred = dict(metrics)

    async def open_hotspot(self, hotspot: Hotspot) -> None:
        path = next(device.path for device in self.devices.values() if device.kind == "wifi")
        self.devices[path] = replace(self.devices[path], state="connected", is_hotspot=True, addresses=("10.42.0.1",))

    async def close_hotspot(self) -> None:
        path = next(device.path for device in self.devices.values() if device.is_hotspot)
        self.devices[path] = replace(self.devices[path], state="off", is_hotspot=False, addresses=())


class PlayedSettings:
    def __init__(self) -> None:
        self.kinds = ["ethernet", "wifi", "mobile"]
        self.is_setting_up = False
        self.proven: list[dict[str, Any]] = []
        self.waiting: Wish | None = None

    def hotspot(self) -> Hotspot:
        return Hotspot("charger-1", "pass-word-pass-word")

    def order(self) -> list[str]:
        return self.kinds

    def set_order(self, kinds: list[str]) -> None:
        self.kinds = kinds

    def setting_up(self) -> bool:
        return self.is_setting_up

    def keep_uplink(self, order: Mapping[str, Any]) -> None:
        self.proven.append(dict(order))

    def uplinks(self) -> list[dict[str, Any]]:
        return self.proven

    def forget_uplinks(self) -> None:
        self.proven, self.waiting = [], Wish.FORGET

    def wish(self) -> Wish | None:
        return self.waiting

    def wish_done(self) -> None:
        self.waiting = None


class Bench:
    """The desk with a clock that tests move."""

    def __init__(self, *devices: Device, modem: Modem | None = None) -> None:
        self.now = 1000.0
        self.network = PlayedNetwork(*devices, modem=modem)
        self.settings = PlayedSettings()
        self.reached: dict[str, bool] = {}
        self.guests = False
        self.desk = NetworkDesk(
            self.network, self.settings, self._recall, lambda: self.now, self._probe, lambda _: self.guests
        )
        self.pass_s(0)

    @staticmethod
    async def _recall(read: Callable[[], Any]) -> Any:
        return read()

    async def _probe(self, device: Device) -> bool | None:
        return self.reached.get(device.interface)

    def pass_s(self, seconds: float) -> None:
        self.now += seconds
        asyncio.run(self.desk.tick())

    def order(self, **order: Any) -> tuple[bool, str]:
        return asyncio.run(self.desk.obey(order, "ina"))

    @property
    def told(self) -> dict[str, Any]:
        return asyncio.run(self.desk.told())

    @property
    def change(self) -> dict[str, Any]:
        return self.told["change"]  # type: ignore[no-any-return]


@pytest.fixture
def bench() -> Bench:
    return Bench(ETHERNET, RADIO)


def test_a_hit_on_the_new_path_keeps_the_change_and_only_then_the_old_profile_goes(bench: Bench) -> None:
    assert bench.order(**WIFI)[0]
    assert bench.network.profiles == ["/old", "/new"]
    token = bench.change["token"]
    assert "not connected yet" in bench.order(do="keep", token=token, local="192.168.7.9")[1]
    bench.network.becomes("/wlan0", "connected", "192.168.7.9")
    bench.pass_s(5)
    assert bench.change["addresses"] == ["192.168.7.9"]
    assert bench.order(do="keep", token=token, local="192.168.7.9") == (True, "The new network settings are kept.")
    assert bench.change["state"] == "confirmed"
    assert bench.network.profiles == ["/new"]
    assert bench.network.checkpoints == {}
    bench.pass_s(CONFIRM_S + 10)
    assert bench.network.devices["/wlan0"].state == "connected"
    assert bench.order(do="keep", token=token, local="192.168.7.9")[0], "the link twice is no error"


def test_without_a_hit_everything_is_back_after_90_s(bench: Bench) -> None:
    bench.order(**WIFI)
    bench.network.becomes("/wlan0", "connected", "192.168.7.9")
    bench.pass_s(CONFIRM_S - 1)
    assert bench.change["state"] == "on trial"
    assert bench.change["left_s"] == 1
    bench.pass_s(1)
    assert bench.change["state"] == "taken back"
    assert bench.change["why"] == "nobody opened the station by its new address within 90 s"
    assert bench.network.devices["/wlan0"] == RADIO
    assert bench.network.profiles == ["/old"]


def test_a_hit_on_another_path_proves_nothing(bench: Bench) -> None:
    bench.order(**WIFI)
    bench.network.becomes("/wlan0", "connected", "192.168.7.9")
    ok, text = bench.order(do="keep", token=bench.change["token"], local="192.168.1.5")
    assert not ok
    assert "by another path" in text
    bench.pass_s(CONFIRM_S)
    assert bench.change["state"] == "taken back"


def test_a_wrong_password_brings_the_old_settings_back_at_once_with_the_reason(bench: Bench) -> None:
    bench.order(**WIFI)
    bench.network.reason = 7
    bench.pass_s(1)
    assert bench.change["state"] == "taken back"
    assert bench.change["why"] == "the password is wrong or missing"
    assert bench.network.profiles == ["/old"]
    assert "correct horse" not in str(bench.told)


@pytest.mark.parametrize(
    ("state", "after_s", "why"),
    [("failed", 1, "reason 0"), ("unplugged", 1, "cable"), ("off", 6, "could not be made"), ("connecting", 90, "90 s")],
)
def test_what_does_not_connect_is_taken_back(bench: Bench, state: str, after_s: float, why: str) -> None:
    bench.order(**WIFI)
    bench.network.becomes("/wlan0", state)
    bench.pass_s(after_s)
    assert bench.change["state"] == "taken back"
    assert why in bench.change["why"]


def test_a_person_may_keep_it_without_a_proof_or_take_it_back(bench: Bench) -> None:
    assert bench.order(do="keep anyway") == (False, "No change is being proven.")
    bench.order(**WIFI)
    assert bench.order(do="keep anyway")[0]
    assert bench.change["why"] == "kept without a proof"
    bench.order(**WIFI)
    assert bench.order(do="take back")[0]
    assert bench.change["why"] == "ina took it back"


def test_one_change_at_a_time_and_no_foreign_token(bench: Bench) -> None:
    bench.order(**WIFI)
    ok, text = bench.order(**WIFI)
    assert not ok
    assert "Another change" in text
    assert not bench.order(do="keep", token="", local="192.168.7.9")[0]
    assert not bench.order(do="keep", token="ä", local="192.168.7.9")[0]
    assert bench.change["state"] == "on trial"


def test_what_is_refused_leaves_no_checkpoint(bench: Bench) -> None:
    bench.network.refuses = "This station has no wifi interface."
    assert bench.order(**WIFI) == (False, "This station has no wifi interface.")
    assert bench.network.checkpoints == {}
    assert bench.change is None
    ok, text = bench.order(**{**WIFI, "key": "short"})
    assert (ok, "8 to 63" in text) == (False, True)


def test_a_mobile_change_is_proven_by_any_hit_once_it_is_connected() -> None:
    modem = Modem("registered", 60, "Op", "", None)
    bench = Bench(ETHERNET, Device("/m", "cdc-wdm0", "mobile", "off"), modem=modem)
    assert bench.order(do="change", kind="mobile", apn="internet")[0]
    token = bench.change["token"]
    assert not bench.order(do="keep", token=token, local="192.168.1.5")[0]
    bench.network.becomes("/m", "connected", "10.1.1.1")
    assert bench.order(do="keep", token=token, local="192.168.1.5")[0]


@pytest.mark.parametrize(
    ("needs", "tries", "pin", "words"),
    [
        ("puk", None, "1234", "PUK"),
        ("sim", None, "", "no SIM"),
        ("pin", 3, "", "asks for its PIN"),
        ("pin", 1, "1234", "one more try"),
    ],
)
def test_a_sim_is_never_locked_by_the_station(needs: str, tries: int | None, pin: str, words: str) -> None:
    bench = Bench(Device("/m", "cdc-wdm0", "mobile", "off"), modem=Modem("locked", 0, "", needs, tries))
    ok, text = bench.order(do="change", kind="mobile", apn="internet", pin=pin)
    assert not ok
    assert words in text
    assert bench.network.wanted == []


def test_the_hotspot_opens_without_a_network_and_closes_when_one_is_back(bench: Bench) -> None:
    bench.network.becomes("/eth0", "unplugged")
    bench.pass_s(10)
    bench.pass_s(180)
    assert bench.network.devices["/wlan0"].is_hotspot
    bench.network.becomes("/eth0", "connected", "192.168.1.5")
    bench.pass_s(10)
    bench.pass_s(60)
    assert not bench.network.devices["/wlan0"].is_hotspot


def test_the_hotspot_is_open_during_set_up_and_by_order(bench: Bench) -> None:
    bench.settings.is_setting_up = True
    bench.pass_s(10)
    bench.pass_s(1)
    assert bench.told["hotspot"]["open"]
    bench.settings.is_setting_up = False
    bench.pass_s(100)
    bench.pass_s(1)
    assert not bench.told["hotspot"]["open"]
    assert bench.order(do="hotspot", open=True)[0]
    bench.pass_s(10)
    assert bench.told["hotspot"] | {"passphrase": ""} == {
        "ssid": "charger-1", "passphrase": "", "open": True, "why": "order", "left_s": 890,
    }  # fmt: skip
    bench.order(do="hotspot", open=False)
    bench.pass_s(1)
    bench.pass_s(1)
    assert not bench.told["hotspot"]["open"]


def test_the_hotspot_rests_while_a_change_is_proven(bench: Bench) -> None:
    bench.settings.is_setting_up = True
    bench.order(**WIFI)
    bench.pass_s(10)
    assert not bench.network.devices["/wlan0"].is_hotspot


def test_an_uplink_that_does_not_reach_the_backend_is_preferred_no_more(bench: Bench) -> None:
    bench.network.devices["/wlan0"] = replace(RADIO, state="connected", addresses=("192.168.7.9",))
    bench.reached = {"eth0": False, "wlan0": True}
    bench.pass_s(30)
    assert bench.network.preferred == {"eth0": 50, "wlan0": 60}
    for _ in range(3):
        bench.pass_s(30)
    assert bench.network.preferred == {"eth0": 20_050, "wlan0": 60}
    assert bench.told["devices"][0]["health"] == "does not reach the backend"
    assert bench.order(do="order", kinds=["wifi", "ethernet", "mobile"])[0]
    bench.pass_s(1)
    assert bench.network.preferred == {"wlan0": 50, "eth0": 20_060}
    assert not bench.order(do="order", kinds=["wifi"])[0]


def test_without_networkmanager_it_says_so_and_looks_again_later(bench: Bench) -> None:
    bench.network.absent = True
    bench.pass_s(10)
    assert "cannot be used" in bench.told["problem"]
    assert bench.told["hotspot"] is None
    assert bench.order(**WIFI) == (False, "NetworkManager cannot be used on this machine.")
    bench.network.absent = False
    bench.pass_s(60)
    assert bench.told["problem"] == ""


# -- what outlives NetworkManager: backups and resets


def test_only_what_is_proven_is_kept_for_a_backup(bench: Bench) -> None:
    bench.order(**WIFI)
    assert bench.settings.proven == []
    bench.network.becomes("/wlan0", "connected", "192.168.7.9")
    bench.order(do="keep", token=bench.change["token"], local="192.168.7.9")
    assert [order["ssid"] for order in bench.settings.proven] == ["Home"]
    bench.order(**{**WIFI, "ssid": "Elsewhere"})
    bench.order(do="take back")
    assert [order["ssid"] for order in bench.settings.proven] == ["Home"]


def test_the_networks_of_a_backup_are_joined_as_soon_as_networkmanager_is_there(bench: Bench) -> None:
    bench.network.absent = True
    bench.settings.waiting = Wish.JOIN
    bench.settings.proven = [{"kind": "wifi", "ssid": "Depot", "key": "correct horse"}]
    bench.pass_s(60)
    assert bench.network.wanted == []
    bench.network.absent = False
    bench.pass_s(60)
    (wifi,) = bench.network.wanted
    assert wifi == rules.Wifi(b"Depot", "wpa", "correct horse", hidden=False)
    assert bench.settings.waiting is None
    bench.pass_s(60)
    assert len(bench.network.wanted) == 1


def test_a_network_of_a_backup_that_this_box_cannot_have_is_left_out_and_the_others_are_joined(bench: Bench) -> None:
    bench.settings.proven = [
        {"kind": "mobile", "apn": "internet.example"},  # this box has no modem
        {"kind": "wifi", "ssid": "x" * 40, "key": "correct horse"},
        {"kind": "wifi", "ssid": "Depot", "key": "correct horse"},
    ]
    bench.settings.waiting = Wish.JOIN
    bench.pass_s(10)
    assert [wanted.ssid for wanted in bench.network.wanted if isinstance(wanted, rules.Wifi)] == [b"Depot"]
    assert bench.settings.waiting is None


def test_after_a_reset_the_profiles_go_even_when_networkmanager_comes_later(bench: Bench) -> None:
    bench.network.absent = True
    bench.settings.waiting = Wish.FORGET
    bench.pass_s(60)
    assert bench.settings.waiting is Wish.FORGET
    bench.network.absent = False
    bench.pass_s(60)
    assert bench.network.profiles == []
    assert bench.settings.waiting is None


def test_forgetting_all_networks_takes_a_change_back_and_opens_the_hotspot(bench: Bench) -> None:
    bench.order(**WIFI)
    ok, text = bench.order(do="forget")
    assert ok
    assert "hotspot is open for 15 minutes" in text
    assert bench.change["state"] == "taken back"
    assert bench.network.profiles == []
    bench.pass_s(5)
    assert bench.told["hotspot"]["why"] == "order"


def test_forgetting_goes_on_when_networkmanager_is_away_just_now(bench: Bench) -> None:
    bench.network.absent = True
    assert not bench.order(do="forget")[0]
    assert bench.settings.waiting is Wish.FORGET
