"""NetworkManager and ModemManager over D-Bus (their own names: org.freedesktop.NetworkManager, …ModemManager1).

One GetManagedObjects a look: everything of the same moment, in one round trip.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from ipaddress import IPv6Address, ip_interface
from typing import Any
from uuid import uuid4

from sdbus import DbusObjectManagerInterfaceAsync, SdBus, sd_bus_open_system
from sdbus.exceptions import SdBusBaseError, SdBusLibraryError
from sdbus_async.networkmanager import (
    NetworkConnectionSettings,
    NetworkDeviceGeneric,
    NetworkDeviceWireless,
    NetworkManager,
    NetworkManagerSettings,
)

from ocppclient.sentence import Sentence
from station.network.picture import Applied, Cell, Device, Modem, Picture, Refused, Unavailable
from station.network.profiles import HOTSPOT_NAME, MARK, Hotspot, Profile, hotspot_profile, kind_of, profile_for
from station.network.rules import Wanted, ssid_text

log = logging.getLogger("station.network")

Properties = dict[str, Any]
#: Path → interface → its properties.
Objects = dict[str, dict[str, Properties]]

#: Of the service and of its interfaces.
_NM = "org.freedesktop.NetworkManager"
_MM = "org.freedesktop.ModemManager1"
#: NMDeviceType.
_KINDS = {1: "ethernet", 2: "wifi", 8: "mobile"}
#: NMCheckpointCreateFlags: profiles and devices that are new since the checkpoint go away with it.
_DELETE_NEW_CONNECTIONS, _DISCONNECT_NEW_DEVICES = 0x02, 0x04
#: NM80211ApSecurityFlags of the key management, and NM80211ApFlags PRIVACY.
_PSK, _ENTERPRISE, _SAE, _PRIVACY = 0x100, 0x200, 0x400, 0x1
#: NM_WIFI_DEVICE_CAP_AP.
_CAN_BE_ACCESS_POINT = 0x40
#: MMModemState in words.
_MODEM_STATES = {-1: "failed", 2: "locked", 3: "disabled", 7: "searching", 8: "registered", 10: "connecting",
                 11: "connected"}  # fmt: skip
#: MMModemLock: SIM PIN, SIM PUK.
_SIM_PIN, _SIM_PUK = 2, 4
_DEVICE_FAILED = 120  # NMDeviceState
_SIM_MISSING = 2  # MMModemStateFailedReason


class DBusNetwork:
    """Belongs to one event loop. A bus that went away is opened again at the next call."""

    def __init__(self, open_bus: Callable[[], SdBus] = sd_bus_open_system) -> None:
        self._open_bus = open_bus
        self._bus: SdBus | None = None
        self._failures: dict[str, int] = {}
        self._listener: asyncio.Task[None] | None = None

    async def look(self) -> Picture:
        """As it is now; a machine without ModemManager has no modem."""
        with self._service() as bus:
            objects = await _objects(_NM, "/org/freedesktop", bus)
        modems: Objects = {}
        try:
            modems = await _objects(_MM, "/org/freedesktop/ModemManager1", bus)
        except (SdBusBaseError, OSError):
            log.debug("There is no ModemManager")
        names = await self._names(bus)
        devices = tuple(
            device for path in sorted(objects) if (device := _device(path, objects, names)) is not None
        )  # fmt: skip
        return Picture(devices, _cells(objects), _modem(modems))

    async def scan(self) -> None:
        """A radio that scans already says no: its result comes anyway."""
        for device in (await self.look()).devices:
            if device.kind == "wifi" and not device.is_hotspot:
                with self._service() as bus:
                    try:
                        await NetworkDeviceWireless(device.path, bus).request_scan({})
                    except SdBusBaseError as error:
                        log.debug("%s does not scan: %s", device.interface, error)

    async def checkpoint(self, timeout_s: int) -> str:
        """Of all devices."""
        with self._service() as bus:
            flags = _DELETE_NEW_CONNECTIONS | _DISCONNECT_NEW_DEVICES
            return await NetworkManager(bus).checkpoint_create([], timeout_s, flags)

    async def keep(self, checkpoint: str) -> None:
        """Raises `Unavailable` when it is over already: what was changed is gone then."""
        with self._service() as bus:
            await NetworkManager(bus).checkpoint_destroy(checkpoint)

    async def go_back(self, checkpoint: str) -> None:
        """NetworkManager may have done it by itself."""
        with self._service() as bus:
            try:
                await NetworkManager(bus).checkpoint_rollback(checkpoint)
            except SdBusBaseError as error:
                log.warning("NetworkManager did not go back: %s (it may have done so by itself)", error)

    async def apply(self, wanted: Wanted) -> Applied:
        """On the first device of the kind, or the one that is named."""
        kind = kind_of(wanted)
        named = getattr(wanted, "interface", "")
        devices = [device for device in (await self.look()).devices if device.kind == kind]
        # A radio that is no hotspot comes first: the phone of the installer hangs on the other one.
        devices.sort(key=lambda device: device.is_hotspot)
        device = next((device for device in devices if named in ("", device.interface)), None)
        if device is None:
            interface = f"{kind} {named}".rstrip()
            raise Refused(Sentence("This station has no interface {interface}.", interface=interface))
        profile = profile_for(wanted, uuid4(), device.interface)
        self._listen(device.path)
        return Applied(await self._start(profile, device.path), device.path)

    def failure(self, applied: Applied) -> int | None:
        """What was heard since `apply`: a failed device is "disconnected" for no reason a moment later."""
        return self._failures.get(applied.device)

    async def drop_others(self, applied: Applied) -> None:
        """Only profiles that the station made itself."""
        with self._service() as bus:
            new = (await NetworkConnectionSettings(applied.profile, bus).get_settings())["connection"]
            for path in await NetworkManagerSettings(bus).list_connections():
                settings = NetworkConnectionSettings(path, bus)
                old = (await settings.get_settings())["connection"]
                same = all(_value(old, name) == _value(new, name) for name in ("id", "interface-name"))
                if path != applied.profile and same:
                    await settings.delete()

    async def forget(self) -> None:
        """What hangs on a profile is disconnected with it."""
        await self._delete(lambda name: name != HOTSPOT_NAME)

    async def prefer(self, metrics: Mapping[str, int]) -> None:
        """Only where it differs: what is applied now, with another metric (NetworkManager's Reapply)."""
        with self._service() as bus:
            for device in (await self.look()).uplinks:
                if device.interface not in metrics:
                    continue
                nm_device = NetworkDeviceGeneric(device.path, bus)
                applied, version = await nm_device.get_applied_connection(0)
                metric = ("x", metrics[device.interface])
                families = [family for family in ("ipv4", "ipv6") if family in applied]
                if any(applied[family].get("route-metric") != metric for family in families):
                    for family in families:
                        applied[family]["route-metric"] = metric
                    await nm_device.reapply(applied, version, 0)

    async def open_hotspot(self, hotspot: Hotspot) -> None:
        """On a radio that is free, else on the first one that can."""
        with self._service() as bus:
            objects = await _objects(_NM, "/org/freedesktop", bus)
        picture = await self.look()
        if picture.hotspot is not None:
            return
        able = [
            device
            for device in picture.devices
            if device.kind == "wifi"
            and objects[device.path].get(f"{_NM}.Device.Wireless", {}).get("WirelessCapabilities", _CAN_BE_ACCESS_POINT)
            & _CAN_BE_ACCESS_POINT
        ]
        if not able:
            raise Refused(Sentence("This station has no WiFi radio that can be a hotspot."))
        radio = min(able, key=lambda device: device.state == "connected")
        await self._delete(lambda name: name == HOTSPOT_NAME)
        await self._start(hotspot_profile(hotspot, uuid4(), radio.interface), radio.path)

    async def close_hotspot(self) -> None:
        """Nothing happens when there is none."""
        device = (await self.look()).hotspot
        if device is not None:
            with self._service() as bus:
                await NetworkManager(bus).deactivate_connection(device.active)

    def _listen(self, device: str) -> None:
        if self._listener is not None:
            self._listener.cancel()
        self._failures.clear()
        self._listener = asyncio.get_running_loop().create_task(self._hear(device), name="network change")

    async def _hear(self, device: str) -> None:
        with suppress(SdBusBaseError, Unavailable), self._service() as bus:
            async for new, _, reason in NetworkDeviceGeneric(device, bus).state_changed:
                if new == _DEVICE_FAILED:
                    self._failures.setdefault(device, reason)

    async def _start(self, profile: Profile, device: str) -> str:
        with self._service() as bus:
            try:
                path = await NetworkManagerSettings(bus).add_connection(profile)
                await NetworkManager(bus).activate_connection(path, device, "/")
            except SdBusBaseError as error:
                raise Refused(Sentence("NetworkManager refused it: {error}", error=str(error))) from error
        return path

    async def _delete(self, is_meant: Callable[[str], bool]) -> None:
        """Profiles of the station with such names."""
        with self._service() as bus:
            for path, name in (await self._names(bus)).items():
                if is_meant(name):
                    await NetworkConnectionSettings(path, bus).delete()

    async def _names(self, bus: SdBus) -> dict[str, str]:
        """Profile → its name, of those that the station made."""
        found = {}
        with self._service():
            for path in await NetworkManagerSettings(bus).list_connections():
                settings = await NetworkConnectionSettings(path, bus).get_settings()
                name = str(_value(settings["connection"], "id"))
                if name.startswith(MARK):
                    found[path] = name
        return found

    @contextmanager
    def _service(self) -> Iterator[SdBus]:
        """The bus; what goes wrong with it is told in words."""
        try:
            if self._bus is None:
                self._bus = self._open_bus()
            yield self._bus
        except (SdBusBaseError, OSError) as error:
            self._bus = None
            no_bus = isinstance(error, (SdBusLibraryError, OSError))
            raise Unavailable(
                Sentence(
                    "NetworkManager cannot be used on this machine ({reason}). "
                    "Its network is set up with the means of its operating system.",
                    reason=Sentence("there is no D-Bus") if no_bus else str(error),
                )
            ) from error


async def _objects(service: str, path: str, bus: SdBus) -> Objects:
    root = DbusObjectManagerInterfaceAsync.new_proxy(service, path, bus)
    managed = await root.get_managed_objects()
    return {
        path: {name: {key: variant[1] for key, variant in table.items()} for name, table in interfaces.items()}
        for path, interfaces in managed.items()
    }


def _device(path: str, objects: Objects, names: dict[str, str]) -> Device | None:
    facts = objects[path].get(f"{_NM}.Device", {})
    kind = _KINDS.get(int(facts.get("DeviceType", 0)))
    if kind is None or not facts.get("Managed", True):
        return None
    active = objects.get(str(facts.get("ActiveConnection", "/")), {}).get(f"{_NM}.Connection.Active", {})
    ip4 = objects.get(str(facts.get("Ip4Config", "/")), {}).get(f"{_NM}.IP4Config", {})
    ip6 = objects.get(str(facts.get("Ip6Config", "/")), {}).get(f"{_NM}.IP6Config", {})
    radio = objects[path].get(f"{_NM}.Device.Wireless", {})
    cell = objects.get(str(radio.get("ActiveAccessPoint", "/")), {}).get(f"{_NM}.AccessPoint", {})
    profile = str(active.get("Connection", ""))
    return Device(
        path=path,
        interface=str(facts.get("Interface", "")),
        kind=kind,
        state=_state(int(facts.get("State", 0)), kind, int(active.get("State", 0))),
        addresses=tuple(str(_value(entry, "address")) for entry in ip4.get("AddressData", [])),
        gateway=str(ip4.get("Gateway", "")),
        profile=profile,
        active=str(facts.get("ActiveConnection", "")),
        ssid=bytes(cell.get("Ssid", b"")),
        is_hotspot=names.get(profile) == HOTSPOT_NAME,
        is_default=bool(active.get("Default", False)),
        signal=int(cell["Strength"]) if "Strength" in cell else None,
        networks=tuple(_network(entry) for entry in ip4.get("AddressData", [])),
        name_servers=(
            *(str(_value(entry, "address")) for entry in ip4.get("NameserverData", [])),
            *(str(IPv6Address(bytes(entry))) for entry in ip6.get("Nameservers", [])),
        ),
    )


def _network(entry: dict[str, Any]) -> str:
    """The network that an entry of AddressData is in."""
    return str(ip_interface(f"{_value(entry, 'address')}/{_value(entry, 'prefix') or 32}").network)


def _state(state: int, kind: str, active: int) -> str:
    """NMDeviceState in the words of `Device`; an active connection (NMActiveConnectionState) that ends has failed."""
    match state:
        case 100:
            return "connecting" if active == 1 else "connected"
        case 40 | 50 | 60 | 70 | 80 | 90:
            return "connecting"
        case 120:
            return "failed"
        case 20 if kind == "ethernet":
            return "unplugged"
    return "off"


def _cells(objects: Objects) -> tuple[Cell, ...]:
    strongest: dict[bytes, Cell] = {}
    for interfaces in objects.values():
        facts = interfaces.get(f"{_NM}.AccessPoint")
        if facts is None or not facts.get("Ssid"):  # a hidden one says no name
            continue
        cell = Cell(bytes(facts["Ssid"]), int(facts.get("Strength", 0)), _security(facts))
        if cell.ssid not in strongest or strongest[cell.ssid].signal < cell.signal:
            strongest[cell.ssid] = cell
    return tuple(sorted(strongest.values(), key=lambda cell: (-cell.signal, cell.ssid)))


def _security(facts: Properties) -> str:
    keys = int(facts.get("WpaFlags", 0)) | int(facts.get("RsnFlags", 0))
    if keys & _PSK:
        return "wpa"
    if keys & _SAE:
        return "wpa3"
    if keys & _ENTERPRISE:
        return "enterprise"
    return "wep" if int(facts.get("Flags", 0)) & _PRIVACY else "open"


def _modem(objects: Objects) -> Modem | None:
    for path in sorted(objects):
        facts = objects[path].get(f"{_MM}.Modem")
        if facts is None:
            continue
        gsm = objects[path].get(f"{_MM}.Modem.Modem3gpp", {})
        state, lock = int(facts.get("State", 0)), int(facts.get("UnlockRequired", 0))
        needs = {_SIM_PIN: "pin", _SIM_PUK: "puk"}.get(lock, "")
        if state == -1 and int(facts.get("StateFailedReason", 0)) == _SIM_MISSING:
            needs = "sim"
        tries = facts.get("UnlockRetries", {}).get(_SIM_PIN)
        return Modem(
            _MODEM_STATES.get(state, "starting"),
            int(facts.get("SignalQuality", (0, False))[0]),
            ssid_text(str(gsm.get("OperatorName", "")).encode()),
            needs,
            None if tries is None else int(tries),
        )
    return None


def _value(table: dict[str, Any], name: str) -> Any:
    """The value of a D-Bus variant in a table; "" when there is none."""
    return table.get(name, ("s", ""))[1]
