"""What people type about networks: what fits, and every refusal."""

from __future__ import annotations

import re
from typing import Any
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from station.network import rules
from station.network.profiles import Hotspot, hotspot_profile, new_hotspot, profile_for
from station.network.rules import Ethernet, Mobile, Unfit, Wifi

WIFI = {"kind": "wifi", "ssid": "Home", "security": "wpa", "key": "12345678"}
STATIC = {"kind": "ethernet", "interface": "eth0", "method": "manual", "address": "192.168.1.20/24"}
MOBILE = {"kind": "mobile", "apn": "internet.example"}
SOME = UUID(int=1)


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({**WIFI, "ssid": ""}, "ssid"),
        ({**WIFI, "ssid": "x" * 33}, "ssid"),
        ({**WIFI, "ssid": "é" * 17}, "ssid"),
        ({**WIFI, "ssid_hex": "zz"}, "ssid"),
        ({**WIFI, "key": ""}, "key"),
        ({**WIFI, "key": "1234567"}, "key"),
        ({**WIFI, "key": "x" * 65}, "key"),
        ({**WIFI, "key": "x" * 64}, "key"),
        ({**WIFI, "key": "pässword"}, "key"),
        ({**WIFI, "key": "1234567\n"}, "key"),
        ({**WIFI, "security": "open"}, "key"),
        ({**WIFI, "security": "wep"}, "security"),
        ({**WIFI, "security": "wpa3", "key": "a" * 64}, "key"),
        ({**STATIC, "interface": "eth0; reboot"}, "interface"),
        ({**STATIC, "address": "192.168.1.20"}, "address"),
        ({**STATIC, "address": "192.168.1.300/24"}, "address"),
        ({**STATIC, "address": "192.168.1.0/24"}, "address"),
        ({**STATIC, "address": "192.168.1.255/24"}, "address"),
        ({**STATIC, "address": "192.168.1.20/31"}, "address"),
        ({**STATIC, "address": "127.0.0.1/8"}, "address"),
        ({**STATIC, "address": "224.0.0.1/24"}, "address"),
        ({**STATIC, "address": "10.42.0.7/16"}, "address"),
        ({**STATIC, "gateway": "192.168.2.1"}, "gateway"),
        ({**STATIC, "gateway": "192.168.1.20"}, "gateway"),
        ({**STATIC, "gateway": "router"}, "gateway"),
        ({**STATIC, "dns": "dns.example"}, "dns"),
        ({**STATIC, "dns": "1.1.1.1 1.1.1.2 1.1.1.3 1.1.1.4"}, "dns"),
        ({**MOBILE, "apn": ""}, "apn"),
        ({**MOBILE, "apn": "inter net"}, "apn"),
        ({**MOBILE, "apn": "a..b"}, "apn"),
        ({**MOBILE, "apn": "x" * 64}, "apn"),
        ({**MOBILE, "pin": "123"}, "pin"),
        ({**MOBILE, "pin": "12a4"}, "pin"),
        ({**MOBILE, "username": "x" * 65}, "username"),
        ({"kind": "carrier pigeon"}, "kind"),
    ],
)
def test_what_cannot_work_is_refused_with_its_field_and_a_sentence(given: dict[str, Any], field: str) -> None:
    with pytest.raises(Unfit) as refusal:
        rules.wanted(given)
    assert refusal.value.field == field
    assert str(refusal.value).endswith((".", "example"))


def test_what_fits_is_taken_as_it_was_typed() -> None:
    key = " !\"'$`\\<>&;|" + "x" * 51
    assert len(key) == 63
    assert rules.wanted({**WIFI, "ssid": " Café <b> ", "key": key, "hidden": True}) == Wifi(
        " Café <b> ".encode(), "wpa", key, True
    )
    assert rules.wanted({**WIFI, "security": "open", "key": ""}) == Wifi(b"Home", "open", "", False)
    assert rules.wanted({**WIFI, "key": "aF" * 32}).key == "aF" * 32  # type: ignore[union-attr]
    assert rules.wanted({**WIFI, "ssid": "shown otherwise", "ssid_hex": "ff00fe"}).ssid == b"\xff\x00\xfe"  # type: ignore[union-attr]
    fixed = rules.wanted({**STATIC, "gateway": "192.168.1.1", "dns": "192.168.1.1, 9.9.9.9"})
    assert isinstance(fixed, Ethernet)
    assert fixed.static is not None
    assert fixed.static.dns == ("192.168.1.1", "9.9.9.9")
    assert rules.wanted({**STATIC, "method": "auto"}) == Ethernet("eth0", None)
    assert rules.wanted({**MOBILE, "pin": "1234"}) == Mobile("internet.example", "1234", "", "")


def test_a_name_that_is_no_text_is_shown_in_signs_that_can_be_seen() -> None:
    assert rules.ssid_text(b"\xff\xfeCaf\xc3\xa9\x00\n") == r"\xff\xfeCafé\x00\n"


@given(st.binary(max_size=32))
def test_every_name_can_be_shown(name: bytes) -> None:
    assert rules.ssid_text(name).isprintable()


def test_a_signal_has_a_word() -> None:
    assert [rules.signal_words(percent) for percent in (100, 60, 40, 20, 3)] == [
        "very good", "good", "fair", "weak", "too weak",
    ]  # fmt: skip


def test_every_unit_gets_a_hotspot_of_its_own_that_can_be_typed() -> None:
    some = [new_hotspot() for _ in range(50)]
    assert len({hotspot.passphrase for hotspot in some}) == len({hotspot.ssid for hotspot in some}) == 50
    for hotspot in some:
        assert re.fullmatch(r"[2-9A-HJ-NP-Za-km-z]{4}(-[2-9A-HJ-NP-Za-km-z]{4}){3}", hotspot.passphrase)
        assert rules.wifi_key(hotspot.passphrase, "wpa") == hotspot.passphrase
        assert re.fullmatch(r"charger-[0-9a-f]{6}", hotspot.ssid)


def test_profiles_say_what_networkmanager_needs() -> None:
    wifi = profile_for(Wifi(b"\xff", "wpa3", "12345678", True), SOME, "wlan0")
    assert wifi["802-11-wireless"] == {"ssid": ("ay", b"\xff"), "mode": ("s", "infrastructure"), "hidden": ("b", True)}
    assert wifi["802-11-wireless-security"]["key-mgmt"] == ("s", "sae")
    assert wifi["802-11-wireless-security"]["pmf"] == ("i", 3)
    assert wifi["connection"]["interface-name"] == ("s", "wlan0")
    assert "802-11-wireless-security" not in profile_for(Wifi(b"x", "open", "", False), SOME, "wlan0")
    fixed = rules.wanted({**STATIC, "gateway": "192.168.1.1", "dns": "1.2.3.4"})
    ipv4 = profile_for(fixed, SOME, "eth0")["ipv4"]
    assert ipv4["method"] == ("s", "manual")
    assert ipv4["address-data"] == ("aa{sv}", [{"address": ("s", "192.168.1.20"), "prefix": ("u", 24)}])
    assert ipv4["gateway"] == ("s", "192.168.1.1")
    kind, numbers = ipv4["dns"]
    assert (kind, [number.to_bytes(4, "little") for number in numbers]) == ("au", [bytes([1, 2, 3, 4])])
    assert profile_for(Mobile("a", "", "u", ""), SOME, "cdc-wdm0")["gsm"] == {"apn": ("s", "a"), "username": ("s", "u")}


def test_the_hotspot_is_protected_shared_and_never_starts_by_itself() -> None:
    hotspot = hotspot_profile(Hotspot("charger-1", "secret-secret"), SOME, "wlan0")
    assert hotspot["connection"]["autoconnect"] == ("b", False)
    assert hotspot["802-11-wireless"]["mode"] == ("s", "ap")
    assert hotspot["802-11-wireless-security"]["proto"] == ("as", ["rsn"])
    assert hotspot["802-11-wireless-security"]["key-mgmt"] == ("s", "wpa-psk")
    assert hotspot["ipv4"]["method"] == ("s", "shared")
    only_new = hotspot_profile(Hotspot("charger-1", "secret-secret", wpa3_only=True), SOME, "wlan0")
    assert only_new["802-11-wireless-security"]["key-mgmt"] == ("s", "sae")
