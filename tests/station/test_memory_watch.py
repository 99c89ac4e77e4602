"""The watch over disk and RAM."""

from __future__ import annotations

from pathlib import Path

from ocppclient.events import SecurityEventSeen
from station.memory_watch import LOWEST, MIB, MemoryWatch, free_bytes


def test_a_shortage_is_told_once_and_again_after_it_was_over() -> None:
    told: list[SecurityEventSeen] = []
    watch = MemoryWatch(told.append)
    for mib in (1000, 99, 50, 150, 99, 200, 99):
        watch.look({"disk": mib * MIB, "RAM": 500 * MIB})
    assert told == [
        SecurityEventSeen("MemoryExhaustion", "99 MiB of disk are left"),
        SecurityEventSeen("MemoryExhaustion", "99 MiB of disk are left"),
    ]
    watch.look({"RAM": 10 * MIB})
    assert told[-1].tech_info == "10 MiB of RAM are left"


def test_the_free_bytes_are_read(tmp_path: Path) -> None:
    memory = tmp_path / "meminfo"
    memory.write_text("MemTotal: 1000 kB\nMemAvailable:     512 kB\n")
    found = free_bytes(tmp_path, memory)
    assert found["RAM"] == 512 * 1024
    assert found["disk"] > 0
    assert set(found) == set(LOWEST)


def test_what_cannot_be_read_is_left_out(tmp_path: Path) -> None:
    assert free_bytes(tmp_path / "gone", tmp_path / "gone") == {}
