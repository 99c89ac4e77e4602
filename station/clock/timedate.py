"""systemd's services over D-Bus: timedate1 (sets the clock), timesync1 (timesyncd), systemd1 (restarts chrony)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from sdbus import DbusInterfaceCommonAsync, SdBus, dbus_method_async, dbus_property_async, sd_bus_open_system
from sdbus.exceptions import SdBusBaseError

from ocppclient.sentence import Sentence
from station.clock.picture import Refused

_TIMEDATE = ("org.freedesktop.timedate1", "/org/freedesktop/timedate1")
_TIMESYNC = ("org.freedesktop.timesync1", "/org/freedesktop/timesync1")
_SYSTEMD = ("org.freedesktop.systemd1", "/org/freedesktop/systemd1")
#: Fields of timesync1's NTPMessage: when the request left and the answer came, by the server and by us, microseconds.
_ORIGIN, _RECEIVE, _TRANSMIT, _DESTINATION = 8, 9, 10, 11


class _Timedate(DbusInterfaceCommonAsync, interface_name="org.freedesktop.timedate1"):
    @dbus_property_async("b", property_name="NTP")
    def ntp(self) -> bool:
        raise NotImplementedError

    @dbus_property_async("b", property_name="CanNTP")
    def can_ntp(self) -> bool:
        raise NotImplementedError

    @dbus_property_async("b", property_name="NTPSynchronized")
    def ntp_synchronized(self) -> bool:
        raise NotImplementedError

    @dbus_method_async("xbb", method_name="SetTime")
    async def set_time(self, usec: int, relative: bool, interactive: bool) -> None:
        raise NotImplementedError

    @dbus_method_async("bb", method_name="SetNTP")
    async def set_ntp(self, wanted: bool, interactive: bool) -> None:
        raise NotImplementedError


class _Timesync(DbusInterfaceCommonAsync, interface_name="org.freedesktop.timesync1.Manager"):
    @dbus_property_async("s", property_name="ServerName")
    def server_name(self) -> str:
        raise NotImplementedError

    @dbus_property_async("as", property_name="RuntimeNTPServers")
    def runtime_ntp_servers(self) -> list[str]:
        raise NotImplementedError

    @dbus_property_async("(uuuuittayttttbtt)", property_name="NTPMessage")
    def ntp_message(self) -> tuple[Any, ...]:
        raise NotImplementedError

    @dbus_method_async("as", method_name="SetRuntimeNTPServers")
    async def set_runtime_ntp_servers(self, servers: list[str]) -> None:
        raise NotImplementedError


class _Systemd(DbusInterfaceCommonAsync, interface_name="org.freedesktop.systemd1.Manager"):
    @dbus_method_async("ss", "o", method_name="TryRestartUnit")
    async def try_restart_unit(self, name: str, mode: str) -> str:
        raise NotImplementedError


@dataclass(frozen=True)
class Timesync:
    """The last answer of timesyncd's server.

    Attributes:
        answered_at: by the system's clock, Unix seconds; 0.0: none yet.
        slow_s: so far the system's clock was behind.
    """

    server: str
    answered_at: float
    slow_s: float
    runtime_servers: tuple[str, ...]


class Timedate:
    """Belongs to one event loop. A bus that went away is opened again at the next call."""

    def __init__(self, open_bus: Callable[[], SdBus] = sd_bus_open_system) -> None:
        self._open_bus = open_bus
        self._bus: SdBus | None = None

    async def is_synchronised(self) -> bool:
        """By the kernel, whoever it is that keeps its clock; False when nobody can be asked."""
        return bool(await self._property(_Timedate, _TIMEDATE, "ntp_synchronized"))

    async def is_enabled(self) -> bool | None:
        """The operating system is to follow time servers; None: it knows no program for it, or cannot be asked."""
        if not await self._property(_Timedate, _TIMEDATE, "can_ntp"):
            return None
        enabled: bool | None = await self._property(_Timedate, _TIMEDATE, "ntp")
        return enabled

    async def timesyncd(self) -> Timesync | None:
        """None: it does not run."""
        message = await self._property(_Timesync, _TIMESYNC, "ntp_message")
        if message is None:
            return None
        server = await self._property(_Timesync, _TIMESYNC, "server_name") or ""
        runtime = await self._property(_Timesync, _TIMESYNC, "runtime_ntp_servers") or ()
        origin, receive, transmit, destination = (
            message[index] / 1e6 for index in (_ORIGIN, _RECEIVE, _TRANSMIT, _DESTINATION)
        )
        slow_s = ((receive - origin) + (transmit - destination)) / 2  # RFC 5905, section 8
        return Timesync(server, destination, slow_s, tuple(runtime))

    async def shift(self, by_s: float) -> None:
        """Move the system's clock. It may only be set while no program follows time servers. Raises `Refused`."""
        enabled = await self.is_enabled()
        try:
            if enabled:
                await self._timedate().set_ntp(False, False)
            try:
                await self._timedate().set_time(round(by_s * 1e6), True, False)
            finally:
                if enabled:
                    await self._timedate().set_ntp(True, False)
        except (SdBusBaseError, OSError) as error:
            raise self._refused(Sentence("The system's clock could not be set"), error) from error

    async def enable(self) -> None:
        """Follow time servers. Raises `Refused`."""
        try:
            await self._timedate().set_ntp(True, False)
        except (SdBusBaseError, OSError) as error:
            raise self._refused(Sentence("The time servers could not be switched on"), error) from error

    async def use_runtime_servers(self, servers: Sequence[str]) -> None:
        """Of timesyncd, until it ends. Raises `Refused`."""
        try:
            await _Timesync.new_proxy(*_TIMESYNC, self._open()).set_runtime_ntp_servers(list(servers))
        except (SdBusBaseError, OSError) as error:
            raise self._refused(Sentence("The time servers could not be set"), error) from error

    async def restart(self, unit: str) -> None:
        """When it runs. Raises `Refused`."""
        try:
            await _Systemd.new_proxy(*_SYSTEMD, self._open()).try_restart_unit(unit, "replace")
        except (SdBusBaseError, OSError) as error:
            raise self._refused(Sentence("{unit} could not be started again", unit=unit), error) from error

    def _timedate(self) -> _Timedate:
        return _Timedate.new_proxy(*_TIMEDATE, self._open())

    def _open(self) -> SdBus:
        if self._bus is None:
            self._bus = self._open_bus()
        return self._bus

    async def _property(self, interface: type[DbusInterfaceCommonAsync], place: tuple[str, str], name: str) -> Any:
        """None: the service is not there, or does not know it."""
        try:
            return await getattr(interface.new_proxy(*place, self._open()), name)
        except (SdBusBaseError, OSError):
            self._bus = None
            return None

    def _refused(self, what: Sentence, error: Exception) -> Refused:
        self._bus = None
        return Refused(Sentence("{what}: {error}.", what=what, error=str(error)))
