"""What is wrong with the networks that the station is in, from what its network desk tells."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from ipaddress import ip_network
from itertools import combinations
from typing import Any

Device = Mapping[str, Any]


def conflicts(devices: Sequence[Device]) -> Iterator[tuple[Device, Device, str]]:
    """Pairs of connected interfaces whose networks overlap, so that the station cannot tell where an address is, and
    the network. Two ways into one and the same network (they have one router) are none."""
    connected = [device for device in devices if device["state"] == "connected"]
    for one, other in combinations(connected, 2):
        if one["gateway"] and one["gateway"] == other["gateway"]:
            continue
        for mine in one["networks"]:
            if any(ip_network(mine).overlaps(ip_network(theirs)) for theirs in other["networks"]):
                yield one, other, mine
                break


def without_names(devices: Sequence[Device]) -> Iterator[Device]:
    """The interface in use, when it was given no name server: no address with a name can be reached by it."""
    return (one for one in devices if one["is_default"] and one["state"] == "connected" and not one["name_servers"])
