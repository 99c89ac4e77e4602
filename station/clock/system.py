"""chrony, systemd's services and the battery clock behind one class."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

from ocppclient.sentence import Sentence
from station.clock import chrony
from station.clock.picture import Refused, Seen, Server
from station.clock.timedate import Timedate

#: Made by the package, for the station's user (deploy/chrony).
SOURCES = Path("/etc/chrony/sources.d/station.sources")
#: Seconds of the battery clock; Linux keeps it in UTC on a station.
RTC = Path("/sys/class/rtc/rtc0/since_epoch")
CHRONY_UNIT = "chrony.service"


class Computer:
    """The clock of this computer (`picture.SystemTime`); belongs to one event loop."""

    def __init__(
        self,
        timedate: Timedate,
        chronyc: str = "chronyc",
        sources: Path = SOURCES,
        rtc: Path = RTC,
        monotonic: Callable[[], float] = time.monotonic,
        system_utc: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._timedate = timedate
        self._chronyc = chronyc
        self._sources = sources
        self._rtc = rtc
        self._monotonic = monotonic
        self._system_utc = system_utc

    async def look(self) -> Seen:
        """chrony first; else what the kernel and timesyncd say."""
        tracking = await chrony.ask(self._chronyc)
        enabled = await self._timedate.is_enabled()
        if tracking is not None:
            seen = self._seen("chrony", tracking.synchronised, enabled, slow_s=tracking.slow_s)
            if not tracking.synchronised:
                return replace(seen, servers=tracking.servers)
            age_s = seen.system.timestamp() - tracking.reference_at
            return replace(
                seen, server=tracking.server, age_s=max(age_s, 0.0), offset_s=-tracking.slow_s, servers=tracking.servers
            )
        timesyncd, synchronised = await self._timedate.timesyncd(), await self._timedate.is_synchronised()
        if timesyncd is None:
            return self._seen("", synchronised, enabled)
        seen = self._seen("systemd-timesyncd", synchronised, enabled)
        if not (synchronised and timesyncd.answered_at):
            return seen
        return replace(
            seen,
            server=timesyncd.server,
            age_s=max(seen.system.timestamp() - timesyncd.answered_at, 0.0),
            offset_s=-timesyncd.slow_s,  # as of the last answer; it has been slewing since
            servers=(Server(timesyncd.server, "in use"),),
        )

    def _seen(self, program: str, synchronised: bool, enabled: bool | None, slow_s: float = 0.0) -> Seen:
        system, at_s = self._system_utc(), self._monotonic()
        utc = system + timedelta(seconds=slow_s if synchronised else 0.0)
        return Seen(
            utc, at_s, system, program, synchronised, enabled=enabled, rtc_ahead_s=self._rtc_ahead_s(system)
        )  # fmt: skip

    def _rtc_ahead_s(self, system: datetime) -> float | None:
        try:
            return float(int(self._rtc.read_text()) - int(system.timestamp()))
        except (OSError, ValueError):
            return None

    async def shift(self, by_s: float) -> None:
        """By timedate1, which sets the battery clock as well."""
        await self._timedate.shift(by_s)

    async def enable(self) -> None:
        """By timedate1."""
        await self._timedate.enable()

    async def use_servers(self, servers: Sequence[str]) -> None:
        """chrony's where the package has made the file for them, else timesyncd's."""
        try:
            if chrony.write_sources(self._sources, servers):
                await self._timedate.restart(CHRONY_UNIT)
            return
        except FileNotFoundError:
            pass
        except OSError as error:
            raise Refused(
                Sentence("The list of time servers could not be written: {error}.", error=error.strerror or "")
            ) from error
        timesyncd = await self._timedate.timesyncd()
        if timesyncd is not None:
            if list(timesyncd.runtime_servers) != list(servers):
                await self._timedate.use_runtime_servers(servers)
        elif servers:
            raise Refused(
                Sentence("Neither chrony nor systemd-timesyncd runs here: nobody would ask the time servers.")
            )
