"""Does an uplink reach the backend's host, and is somebody on the hotspot: two small looks at the kernel."""

from __future__ import annotations

import asyncio
import socket
from pathlib import Path

from station.network.picture import Device

#: A connection takes a second on a bad mobile link.
PATIENCE_S = 5.0
_COMPLETE = 0x2  # ATF_COM of linux/if_arp.h: the address was answered


async def reaches(device: Device, target: tuple[str, int] | None) -> bool | None:
    """A TCP connection through this very interface (SO_BINDTODEVICE, free for all since Linux 5.7); None: no target."""
    if target is None:
        return None
    loop = asyncio.get_running_loop()
    try:
        async with asyncio.timeout(PATIENCE_S):
            for family, kind, protocol, _, address in await loop.getaddrinfo(*target, type=socket.SOCK_STREAM):
                with socket.socket(family, kind, protocol) as line:
                    line.setblocking(False)
                    line.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, device.interface.encode())
                    try:
                        await loop.sock_connect(line, address)
                    except OSError:
                        continue
                    return True
    except (OSError, TimeoutError):
        pass
    return False


def somebody_on(interface: str, table: Path = Path("/proc/net/arp")) -> bool:
    """A neighbour that answers is on this interface."""
    try:
        rows = [line.split() for line in table.read_text().splitlines()[1:]]
    except OSError:
        return False
    return any(row[5] == interface and int(row[2], 16) & _COMPLETE for row in rows if len(row) >= 6)
