"""What people type about networks, judged before anything is changed: pure, every refusal with its cure."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Interface, IPv4Network
from typing import Any

from ocppclient.sentence import Sentence

#: The subnet of the station's own hotspot; no other network of the station may overlap it.
HOTSPOT_NETWORK = IPv4Network("10.42.0.0/24")
HOTSPOT_ADDRESS = "10.42.0.1"
#: How a WiFi may be protected. "wpa" is WPA2 or WPA3, whatever the two sides agree on.
SECURITIES = ("wpa", "wpa3", "open")
#: Prefixes of a subnet with room for a router and the station.
_MOST_PREFIX = 30


class Unfit(ValueError):
    """The value of `field` cannot work; the text is a sentence about it."""

    def __init__(self, field: str, text: Sentence) -> None:
        super().__init__(text)
        self.field = field


@dataclass(frozen=True)
class Static:
    """A fixed IPv4 address; `gateway` and `dns` may be empty on a network without internet."""

    address: IPv4Interface
    gateway: str
    dns: tuple[str, ...]


@dataclass(frozen=True)
class Wifi:
    """Join this WiFi. `key` is "" for an open one."""

    ssid: bytes
    security: str
    key: str
    hidden: bool


@dataclass(frozen=True)
class Ethernet:
    """How a wired interface gets its address; `static` None asks the network (DHCP)."""

    interface: str
    static: Static | None


@dataclass(frozen=True)
class Mobile:
    """The operator's access point; `pin` "" for a SIM that asks for none."""

    apn: str
    pin: str
    username: str
    password: str


Wanted = Wifi | Ethernet | Mobile


def wanted(order: Mapping[str, Any]) -> Wanted:
    """What a person typed, as it will be done; `kind` is "wifi", "ethernet" or "mobile".

    Raises:
        Unfit: something of it cannot work.
    """

    def text(name: str) -> str:
        return str(order.get(name) or "")

    match order.get("kind"):
        case "wifi":
            security = text("security") or "wpa"
            if security not in SECURITIES:
                raise Unfit("security", Sentence("Choose how the WiFi is protected."))
            ssid_bytes = ssid(text("ssid"), text("ssid_hex"))
            return Wifi(ssid_bytes, security, wifi_key(text("key"), security), bool(order.get("hidden")))
        case "ethernet":
            interface = text("interface")
            if not re.fullmatch(r"[A-Za-z0-9_.:-]{1,15}", interface):
                raise Unfit("interface", Sentence("Choose the interface."))
            if order.get("method") != "manual":
                return Ethernet(interface, None)
            return Ethernet(interface, static(text("address"), text("gateway"), text("dns")))
        case "mobile":
            return Mobile(
                apn(text("apn")), pin(text("pin")), _plain(text("username"), "username"),
                _plain(text("password"), "password"),
            )  # fmt: skip
    raise Unfit("kind", Sentence("The station does not know this kind of network."))


def ssid(typed: str, from_scan_hex: str = "") -> bytes:
    """The name of a WiFi: 1 to 32 bytes (IEEE 802.11, 9.4.2.2); a name from the scan may be no text at all."""
    if from_scan_hex:
        try:
            name = bytes.fromhex(from_scan_hex)
        except ValueError:
            raise Unfit("ssid", Sentence("Choose the WiFi from the list again.")) from None
    else:
        name = typed.encode(errors="surrogateescape")
    if not name:
        raise Unfit("ssid", Sentence("Type the name of the WiFi, or choose one from the list."))
    if len(name) > 32:
        raise Unfit(
            "ssid",
            Sentence(
                "The name of a WiFi has at most 32 bytes; this one has {length}. Compare it letter by letter.",
                length=len(name),
            ),
        )
    return name


def ssid_text(name: bytes) -> str:
    r"""A name for people: bytes that are no text, and signs that cannot be seen, as \xNN."""
    text = name.decode(errors="backslashreplace")
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


def wifi_key(key: str, security: str) -> str:
    """The password of a WiFi: 8 to 63 ASCII characters, or the 64 hexadecimal digits of its key (IEEE 802.11, J.4)."""
    if security == "open":
        if key:
            raise Unfit(
                "key", Sentence("An open WiFi has no password: leave it empty, or choose how the WiFi is protected.")
            )
        return ""
    if len(key) == 64 and security == "wpa":
        if not re.fullmatch(r"[0-9A-Fa-f]{64}", key):
            raise Unfit(
                "key", Sentence("A password of 64 characters has to be hexadecimal digits; a usual one has at most 63.")
            )
        return key
    if not 8 <= len(key) <= 63:
        raise Unfit(
            "key", Sentence("The password of a WiFi has 8 to 63 characters; this one has {length}.", length=len(key))
        )
    if not all(" " <= sign <= "~" for sign in key):
        raise Unfit(
            "key", Sentence("The password of a WiFi holds only letters without accents, digits, signs and spaces.")
        )
    return key


def apn(name: str) -> str:
    """An access point name: labels of letters, digits and hyphens with dots between (3GPP TS 23.003, 9.1)."""
    name = name.strip()
    if not name:
        raise Unfit("apn", Sentence("Type the APN; the operator of the SIM says it."))
    labels = name.split(".")
    if len(name) > 63 or not all(re.fullmatch(r"[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?", label) for label in labels):
        raise Unfit(
            "apn", Sentence("An APN is letters, digits, hyphens and dots, at most 63, for example internet.example.")
        )
    return name


def pin(code: str) -> str:
    """The PIN of a SIM: 4 to 8 digits (3GPP TS 31.101), or none."""
    code = code.strip()
    if code and not re.fullmatch(r"[0-9]{4,8}", code):
        raise Unfit("pin", Sentence("The PIN of a SIM has 4 to 8 digits. Leave it empty when the SIM asks for none."))
    return code


def static(address: str, gateway: str, dns: str) -> Static:
    """A fixed IPv4 address as "192.168.1.20/24", its router, and name servers separated by spaces or commas."""
    if "/" not in address:
        raise Unfit(
            "address", Sentence("Type the address with the length of its network, for example 192.168.1.20/24.")
        )
    try:
        own = IPv4Interface(address.strip())
    except ValueError:
        raise Unfit("address", Sentence("That is no IPv4 address, for example 192.168.1.20/24.")) from None
    network = own.network
    if not 1 <= network.prefixlen <= _MOST_PREFIX:
        raise Unfit(
            "address",
            Sentence(
                "The length of a network is 1 to {most}, for example 24 for 255.255.255.0.",
                most=_MOST_PREFIX,
            ),
        )
    if not _is_host(own.ip):
        raise Unfit("address", Sentence("This address is reserved and belongs to no device."))
    if own.ip in (network.network_address, network.broadcast_address):
        raise Unfit(
            "address",
            Sentence(
                "{ip} is the first or last address of {network}, which no device may have.",
                ip=str(own.ip),
                network=str(network),
            ),
        )
    if network.overlaps(HOTSPOT_NETWORK):
        raise Unfit(
            "address",
            Sentence(
                "{network} overlaps the network of the station's own hotspot, {hotspot}.",
                network=str(network),
                hotspot=str(HOTSPOT_NETWORK),
            ),
        )
    router = gateway.strip()
    if router:
        router_ip = _address(router, "gateway")
        if router_ip not in network:
            raise Unfit(
                "gateway",
                Sentence(
                    "The router {router} is not in {network}, so the station cannot reach it.",
                    router=str(router),
                    network=str(network),
                ),
            )
        if router_ip in (own.ip, network.network_address, network.broadcast_address):
            raise Unfit(
                "gateway",
                Sentence("{router} is the station's own address or none that a router can have.", router=str(router)),
            )
    servers = tuple(str(_address(server, "dns")) for server in re.split(r"[\s,;]+", dns.strip()) if server)
    if len(servers) > 3:
        raise Unfit("dns", Sentence("At most three name servers are asked."))
    return Static(own, router, servers)


def signal_words(percent: int) -> Sentence:
    """The strength of a radio signal for people."""
    words = ((75, Sentence("very good")), (55, Sentence("good")), (35, Sentence("fair")), (15, Sentence("weak")))
    return next((word for least, word in words if percent >= least), Sentence("too weak"))


def _address(text: str, field: str) -> IPv4Address:
    try:
        address = IPv4Address(text)
    except ValueError:
        raise Unfit(field, Sentence("{text} is no IPv4 address, for example 192.168.1.1.", text=text)) from None
    if not _is_host(address):
        raise Unfit(field, Sentence("{text} is reserved and belongs to no device.", text=text))
    return address


def _is_host(address: IPv4Address) -> bool:
    reserved = address.is_loopback or address.is_multicast or address.is_unspecified or address.is_reserved
    return not (reserved or address.is_link_local)


def _plain(text: str, field: str) -> str:
    if len(text) > 64 or not text.isprintable():
        raise Unfit(field, Sentence("At most 64 printable characters."))
    return text
