"""The network at one moment, in the station's words, and the protocol of the class that shows and changes it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from station.network.profiles import Hotspot
from station.network.rules import Wanted


class Unavailable(Exception):
    """There is no NetworkManager here, or it does not answer; the text says which and what to do."""


class Refused(Exception):
    """The network service refused an order; the text is for people."""


@dataclass(frozen=True)
class Device:
    """One interface. `kind`: "ethernet", "wifi" or "mobile"; `state`: "connected", "connecting", "off", "failed" or
    "unplugged"; `ssid` of the WiFi it is in (or is, as a hotspot), `signal` of it 0…100 %, None for what has none.
    `networks` of its addresses, as "192.168.1.0/24"; `name_servers` that it was given."""

    path: str
    interface: str
    kind: str
    state: str
    addresses: tuple[str, ...] = ()
    gateway: str = ""
    profile: str = ""
    active: str = ""
    ssid: bytes = b""
    is_hotspot: bool = False
    is_default: bool = False
    signal: int | None = None
    networks: tuple[str, ...] = ()
    name_servers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cell:
    """One WiFi that is heard; `security`: "open", "wpa", "wpa3", "enterprise" or "wep"; `signal` 0…100 %."""

    ssid: bytes
    signal: int
    security: str


@dataclass(frozen=True)
class Modem:
    """The modem; `needs`: "", "pin", "puk" or "sim"; `pin_tries` None when the modem does not say; `signal` 0…100 %."""

    state: str
    signal: int
    operator: str
    needs: str
    pin_tries: int | None


@dataclass(frozen=True)
class Picture:
    """Everything at one moment; WiFis from the strongest to the weakest, each name once."""

    devices: tuple[Device, ...] = ()
    cells: tuple[Cell, ...] = ()
    modem: Modem | None = None

    def of(self, path: str) -> Device | None:
        """The device with this D-Bus path."""
        return next((device for device in self.devices if device.path == path), None)

    @property
    def hotspot(self) -> Device | None:
        """The device that is the station's own WiFi now."""
        return next((device for device in self.devices if device.is_hotspot), None)

    @property
    def uplinks(self) -> list[Device]:
        """What is connected to another network."""
        return [device for device in self.devices if device.state == "connected" and not device.is_hotspot]


@dataclass(frozen=True)
class Applied:
    """A change that was made: its new profile, and the device that is to carry it (D-Bus paths)."""

    profile: str
    device: str


class Network(Protocol):
    """What the desk needs of the network. Everything raises `Unavailable` when the service is not there."""

    async def look(self) -> Picture:
        """As it is now."""

    async def scan(self) -> None:
        """Listen for WiFis; what is heard shows in the next looks."""

    async def checkpoint(self, timeout_s: int) -> str:
        """Remember everything; without `keep` the service itself goes back after so many seconds."""

    async def keep(self, checkpoint: str) -> None:
        """What was changed since stays."""

    async def go_back(self, checkpoint: str) -> None:
        """Everything is as it was; a checkpoint that is over already is no error."""

    async def apply(self, wanted: Wanted) -> Applied:
        """Make and start a new profile beside the old ones. Raises `Refused`."""

    def failure(self, applied: Applied) -> int | None:
        """NMDeviceStateReason with which the device failed since the change was made; None: it did not."""

    async def drop_others(self, applied: Applied) -> None:
        """Delete the station's older profiles for the same device."""

    async def forget(self) -> None:
        """Delete every profile of the station but the hotspot's; what others made stays."""

    async def prefer(self, metrics: Mapping[str, int]) -> None:
        """Give the interfaces these route metrics, for as long as they are connected; no profile changes."""

    async def open_hotspot(self, hotspot: Hotspot) -> None:
        """Start the hotspot. Raises `Refused`: no radio that can."""

    async def close_hotspot(self) -> None:
        """End it; the radio goes back to its WiFi by itself."""
