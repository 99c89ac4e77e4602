"""When the hotspot is open, and which uplink comes first: decisions on facts and a time that tests set."""

from __future__ import annotations

from dataclasses import replace

from station.network.policy import DOWN_AFTER, UP_AFTER, Facts, Health, HotspotPolicy, metrics

ONLINE = Facts(setting_up=False, online=True, is_open=False, guests=False, shares_radio=False)
OFFLINE = replace(ONLINE, online=False)
ORDER = ["ethernet", "wifi", "mobile"]


def test_during_set_up_it_is_always_open() -> None:
    assert HotspotPolicy().wants(replace(ONLINE, setting_up=True), 0) == "set-up"


def test_by_order_it_is_open_for_15_minutes() -> None:
    policy = HotspotPolicy()
    policy.wants(ONLINE, 0)
    policy.order(1000)
    opened = replace(ONLINE, is_open=True)
    assert policy.wants(opened, 1000 + 899) == "order"
    assert policy.wants(opened, 1000 + 900) == ""
    policy.order(3000)
    policy.withdraw()
    assert policy.wants(opened, 3001) == ""


def test_without_any_uplink_it_opens_after_three_minutes_and_not_at_a_short_gap() -> None:
    policy = HotspotPolicy()
    assert policy.wants(OFFLINE, 0) == ""
    assert policy.wants(OFFLINE, 179) == ""
    assert policy.wants(ONLINE, 179.5) == ""
    assert policy.wants(OFFLINE, 181) == ""
    assert policy.wants(OFFLINE, 181 + 180) == "no network"


def test_it_closes_when_the_uplink_has_been_back_for_a_minute() -> None:
    policy = HotspotPolicy()
    policy.wants(OFFLINE, 0)
    opened = replace(ONLINE, is_open=True)
    assert policy.wants(opened, 200) == "no network"
    assert policy.wants(opened, 259) == "no network"
    assert policy.wants(opened, 260) == ""


def test_guests_are_not_thrown_out_but_do_not_keep_it_open_for_ever() -> None:
    policy = HotspotPolicy()
    guests = replace(ONLINE, is_open=True, guests=True)
    policy.wants(guests, 0)
    assert policy.wants(guests, 100) == "guests"
    assert policy.wants(guests, 900) == ""


def test_on_one_radio_it_makes_way_for_the_wifi_now_and_then_but_not_while_somebody_uses_it() -> None:
    policy = HotspotPolicy()
    policy.wants(OFFLINE, 0)
    assert policy.wants(OFFLINE, 180) == "no network"
    alone = replace(OFFLINE, is_open=True, shares_radio=True)
    policy.wants(alone, 181)
    assert policy.wants(replace(alone, guests=True), 181 + 300) == "no network"
    assert policy.wants(alone, 182 + 300) == ""
    assert policy.wants(OFFLINE, 182 + 330) == ""
    assert policy.wants(OFFLINE, 182 + 360) == "no network"


def test_the_order_of_the_uplinks_is_that_of_people() -> None:
    uplinks = [("wwan0", "mobile"), ("wlan0", "wifi"), ("eth0", "ethernet")]
    assert metrics(ORDER, uplinks, Health()) == {"eth0": 50, "wlan0": 60, "wwan0": 70}
    assert metrics(["mobile", "wifi", "ethernet"], uplinks, Health()) == {"wwan0": 50, "wlan0": 60, "eth0": 70}


def test_an_uplink_that_does_not_reach_the_backend_goes_behind_and_comes_back() -> None:
    uplinks, health = [("eth0", "ethernet"), ("wwan0", "mobile")], Health()
    for _ in range(DOWN_AFTER - 1):
        health.probed("eth0", False)
    assert metrics(ORDER, uplinks, health)["eth0"] == 50
    health.probed("eth0", False)
    assert health.word("eth0") == "does not reach the backend"
    assert metrics(ORDER, uplinks, health) == {"eth0": 20_050, "wwan0": 60}
    for _ in range(UP_AFTER - 1):
        health.probed("eth0", True)
    assert metrics(ORDER, uplinks, health)["eth0"] == 20_050
    health.probed("eth0", True)
    assert metrics(ORDER, uplinks, health)["eth0"] == 50
    assert health.word("eth0") == "reaches the backend"


def test_when_nothing_reaches_the_backend_the_order_stays() -> None:
    uplinks, health = [("eth0", "ethernet"), ("wwan0", "mobile")], Health()
    for _ in range(DOWN_AFTER):
        health.probed("eth0", False)
        health.probed("wwan0", False)
    assert metrics(ORDER, uplinks, health) == {"eth0": 50, "wwan0": 60}
