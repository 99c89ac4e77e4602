"""The packet filter and the names of the hotspot, with real packets: a station between a phone, a LAN and a modem."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.journeys.station import until

DEPLOY = Path(__file__).resolve().parents[2] / "deploy"
#: Interface of the station → its address and that of whoever is on the other side.
LINKS = {
    "wlan0": ("10.42.0.1", "10.42.0.17"),
    "wlan1": ("192.0.2.1", "192.0.2.17"),  # a WiFi that the station has joined
    "eth0": ("198.51.100.1", "198.51.100.17"),
    "wwan0": ("203.0.113.1", "203.0.113.17"),
}
#: Listens on these ports of the station and answers every datagram; "ready" when it does.
SERVER = """
import selectors, socket, sys
looks = selectors.DefaultSelector()
for port in (22, 53, 80, 443, 8080):
    tcp = socket.create_server(("0.0.0.0", port))
    looks.register(tcp, selectors.EVENT_READ, "tcp")
for port in (53, 67, 5353):
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, 1)
    udp.bind(("0.0.0.0", port))
    looks.register(udp, selectors.EVENT_READ, "udp")
print("ready", flush=True)
while True:
    for key, _ in looks.select():
        if key.data == "tcp":
            key.fileobj.accept()[0].close()
        else:
            text, who = key.fileobj.recvfrom(100)
            key.fileobj.sendto(text, who)
"""
#: host, "tcp" or "udp", port → "open" or "closed" on one line each.
CLIENT = """
import socket, sys
for line in sys.argv[1:]:
    host, kind, port = line.split(":")
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM if kind == "tcp" else socket.SOCK_DGRAM) as probe:
        probe.settimeout(0.7)
        try:
            if kind == "tcp":
                probe.connect((host, int(port)))
            else:
                probe.sendto(b"?", (host, int(port)))
                probe.recv(100)
            print(line, "open")
        except OSError:
            print(line, "closed")
"""


class Town:
    """Network namespaces: "box" is the station, the others are named like the station's interface to them."""

    def __init__(self) -> None:
        self._prefix = f"st{os.getpid()}-"
        self._running: list[subprocess.Popen[str]] = []
        self._add("box")
        self.run("box", "ip", "link", "set", "lo", "up")
        for name, (own, other) in LINKS.items():
            self._add(name)
            self._ip("link", "add", name, "netns", self._prefix + "box", "type", "veth",
                     "peer", "name", "uplink", "netns", self._prefix + name)  # fmt: skip
            for space, device, address in (("box", name, own), (name, "uplink", other)):
                self.run(space, "ip", "address", "add", f"{address}/24", "dev", device)
                self.run(space, "ip", "link", "set", device, "up")
            self.run(name, "ip", "route", "add", "default", "via", own)
        # As NetworkManager leaves it for a hotspot that it shares.
        self.run("box", "sh", "-c", "echo 1 > /proc/sys/net/ipv4/ip_forward")

    def _add(self, space: str) -> None:
        self._ip("netns", "add", self._prefix + space)

    @staticmethod
    def _ip(*words: str) -> None:
        subprocess.run(["ip", *words], check=True, capture_output=True)

    def run(self, space: str, *command: str) -> str:
        found = subprocess.run(
            ["ip", "netns", "exec", self._prefix + space, *command], capture_output=True, text=True, timeout=60
        )
        assert found.returncode == 0, f"{command}: {found.stderr}"
        return found.stdout

    def start(self, space: str, *command: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            ["ip", "netns", "exec", self._prefix + space, *command], stdout=subprocess.PIPE, text=True
        )
        self._running.append(process)
        return process

    def serve(self, space: str) -> None:
        process = self.start(space, sys.executable, "-I", "-c", SERVER)
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"

    def reaches(self, space: str, host: str, *doors: str) -> set[str]:
        """Those of the doors ("tcp:443") that are open for somebody there."""
        told = self.run(space, sys.executable, "-I", "-c", CLIENT, *(f"{host}:{door}" for door in doors))
        return {line.split()[0].partition(":")[2] for line in told.splitlines() if line.endswith(" open")}

    def close(self) -> None:
        for process in self._running:
            process.kill()
            process.communicate()
        for space in ("box", *LINKS):
            subprocess.run(["ip", "netns", "delete", self._prefix + space], capture_output=True)


def why_not() -> str:
    if os.getuid() != 0:
        return "network namespaces can be made by root only"
    lacking = [name for name in ("ip", "nft", "dnsmasq") if shutil.which(name, path="/usr/sbin:/sbin:/usr/bin") is None]
    return f"{', '.join(lacking)} missing; `make test` installs them" if lacking else ""


@pytest.fixture(scope="module")
def town() -> Iterator[Town]:
    if reason := why_not():
        assert "STATION_CI" not in os.environ, reason
        pytest.skip(f"the packet filter is not tried with packets: {reason}")
    made = Town()
    try:
        made.run("box", "nft", "-f", str(DEPLOY / "nftables/station.nft"))
        made.serve("box")
        yield made
    finally:
        made.close()


DOORS = ("tcp:22", "tcp:53", "tcp:80", "tcp:443", "tcp:8080", "udp:53", "udp:67", "udp:5353")


@pytest.mark.parametrize(
    ("side", "open_doors"),
    [
        ("wlan0", {"tcp:53", "tcp:80", "tcp:443", "udp:53", "udp:67", "udp:5353"}),
        ("wlan1", {"tcp:80", "tcp:443", "udp:5353"}),
        ("eth0", {"tcp:80", "tcp:443", "udp:5353"}),
        ("wwan0", set()),
    ],
)
def test_each_side_finds_only_the_doors_that_are_meant_for_it(town: Town, side: str, open_doors: set[str]) -> None:
    assert town.reaches(side, LINKS[side][0], *DOORS) == open_doors


def test_the_hotspots_address_is_no_way_around_from_another_side(town: Town) -> None:
    assert town.reaches("eth0", LINKS["wlan0"][0], "udp:53", "udp:67") == set()
    assert town.reaches("wwan0", LINKS["wlan0"][0], *DOORS) == set()


def test_nothing_is_forwarded_between_the_sides(town: Town) -> None:
    """Neither does a phone surf on the SIM, nor does the LAN look at phones, though the kernel would forward."""
    town.serve("wwan0")
    town.serve("wlan0")
    assert town.reaches("box", LINKS["wwan0"][1], "tcp:443") == {"tcp:443"}  # the station itself goes out
    assert town.reaches("wlan0", LINKS["wwan0"][1], "tcp:443", "udp:53") == set()
    assert town.reaches("eth0", LINKS["wlan0"][1], "tcp:80") == set()
    town.run("box", "nft", "delete", "table", "inet", "station")  # so it was the filter
    try:
        assert town.reaches("wlan0", LINKS["wwan0"][1], "tcp:443") == {"tcp:443"}
    finally:
        town.run("box", "nft", "-f", str(DEPLOY / "nftables/station.nft"))


def test_every_name_leads_phones_to_the_station(town: Town, tmp_path: Path) -> None:
    """The very file, read by dnsmasq as NetworkManager starts it for a shared network."""
    shutil.copy(DEPLOY / "dnsmasq/station.conf", tmp_path)
    town.start(
        "wlan0", "dnsmasq", "--conf-file=/dev/null", "--no-hosts", "--keep-in-foreground", "--bind-interfaces",
        "--no-resolv", "--port=5300", "--pid-file=", "--listen-address=127.0.0.1", f"--conf-dir={tmp_path}",
    )  # fmt: skip
    town.run("wlan0", "ip", "link", "set", "lo", "up")

    def answers(name: str) -> str:
        return town.run("wlan0", sys.executable, "-I", "-c", LOOK_UP, name).strip()

    until(lambda: answers("x.example") != "silence", 20, "dnsmasq answers")
    assert answers("connectivitycheck.gstatic.com") == "10.42.0.1"
    assert answers("captive.apple.com") == "10.42.0.1"


#: Asks 127.0.0.1:5300 for the address of a name; prints the last four bytes of the answer.
LOOK_UP = """
import socket, sys
question = b"".join(bytes([len(part)]) + part.encode() for part in sys.argv[1].split(".")) + b"\\0\\0\\1\\0\\1"
with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
    probe.settimeout(2)
    try:
        probe.sendto(b"\\x12\\x34\\1\\0\\0\\1\\0\\0\\0\\0\\0\\0" + question, ("127.0.0.1", 5300))
        print(socket.inet_ntoa(probe.recv(500)[-4:]))
    except OSError:
        print("silence")
"""
