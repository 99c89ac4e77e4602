"""The web as it is, on a free port, with a worker that plays scenes: `python -m tests.browser.fake_station`.

Scenes are chosen by lines on stdin ("available", "charging", "faulted", "offline", "reserved", "silent", and "nasty":
every stranger writes markup), charging profiles are set by "profiles" and "big profile"; the port comes on stdout.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import threading
import time
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from twisted.internet import asyncioreactor

loop = asyncio.new_event_loop()
asyncio.set_event_loop(loop)
asyncioreactor.install(loop)

from channels.layers import get_channel_layer  # noqa: E402
from daphne.server import Server  # noqa: E402
from django.conf import settings  # noqa: E402

from hardware.interfaces import BoxReading, Fault, FaultCode, PortHealth  # noqa: E402
from ocppclient.link import LinkStatus  # noqa: E402
from ocppclient.view import ClockView, ReservationView, TransactionView, View  # noqa: E402
from station import asgi, live  # noqa: E402
from station.network.desk import NetworkDesk  # noqa: E402
from station.network.picture import Device, Modem  # noqa: E402
from station.web_certificate import certificate  # noqa: E402
from tests.browser.corpus import CORPUS  # noqa: E402
from tests.browser.history import fill_database, remove_profiles, set_profile, strangers_write  # noqa: E402
from tests.network.test_desk import PlayedNetwork, PlayedSettings  # noqa: E402

started = time.monotonic()
scene = "available"
profile_changes = 0
curtain = asyncio.Event()  # a new scene begins
SESSION_START = datetime.now(UTC) - timedelta(minutes=47)


#: Scenes that set profiles: ordinary ones instead of all others, and one more at the certified limit.
PROFILES: dict[str, Any] = {
    "no profiles": remove_profiles,
    "profiles": lambda: (
        remove_profiles(),
        set_profile(1, 0, (0, 13), (6 * 3600, 16), purpose="ChargePointMaxProfile", connector_id=0),
        set_profile(7, 0, (0, 10), (2 * 3600, 6), (5 * 3600, 15), kind="Recurring", recurrency_kind="Daily"),
        set_profile(8, 1, (0, 8), (4 * 3600, 0), duration_s=5 * 3600),
    ),
    "big profile": lambda: set_profile(9, 3, *((second, 6 + second % 30 / 10) for second in range(86_400))),
}


def picture() -> dict[str, Any]:
    """The snapshot of the scene."""
    now_utc, now = datetime.now(UTC), time.monotonic()
    charging = scene == "charging"
    fault = Fault(FaultCode.GROUND_FAULT, True, "tripped 2 times") if scene == "faulted" else None
    fault = Fault(FaultCode.ESTOP, True) if scene == "emergency" else fault
    watt = 3648.0 + 30 * ((now * 7) % 5) if charging else 0.0
    nasty = " ".join(CORPUS) if scene == "nasty" else ""
    view = View(
        status={
            "charging": "Charging", "faulted": "Faulted", "offline": "SuspendedEVSE", "reserved": "Reserved",
        }.get(scene, "Available"),
        error_code="GroundFailure" if fault else "NoError",
        sentence={
            "charging": "The car takes 3.7 kW; 16 A are offered.",
            "faulted": "Leakage current was found. Unplug the car; the station tests itself again.",
            "reserved": "The station is reserved until 2030-05-06 07:08 UTC for card 04A1<B>C and its group.",
            "offline": "The charging profile of the backend allows 0 A until 18:00.",
        }.get(scene, nasty or "Plug in and hold a card to the reader."),
        limit_sentence={"offline": "0 A by backend profile 3.", "nasty": nasty}.get(
            scene, "Limited to 16 A by the installer."
        ),
        online=scene not in ("offline",), registration="accepted", heartbeat_interval_s=300,
        queue_depth=3 if scene == "offline" else 0, parked=1 if scene == "offline" else 0,
        in_flight="StatusNotification" if charging else "", in_flight_s=1.0 if charging else 0.0,
        last_error="StartTransaction: InternalError, database is locked" if scene == "offline" else "", quirks=0,
        clock_utc=now_utc, clock_synchronised=scene != "offline", clock=ClockView(confirmed=scene != "offline"),
        transaction=TransactionView("uid-6", "04A1B2C9", 4711, SESSION_START, 2874) if charging else None,
        offered_a=16.0 if charging else 0.0, limit_a=16.0, ev_connected=charging, contactor_closed=charging,
        energy_wh=1234567, power_w=watt, current_a=watt / 230, voltage_v=230.4, temperature_c=31.0,
        reservation=ReservationView(17, "04A1<B>C", True, datetime(2030, 5, 6, 7, 8, tzinfo=UTC))
        if scene == "reserved" else ReservationView(1, nasty, True, now_utc) if nasty else None,
        profile_changes=profile_changes,
    )  # fmt: skip
    link = LinkStatus(
        state="waiting" if scene == "offline" else "connected", url="ws://127.0.0.1:9000/ocpp/HALL%203%20%2F%20BAY%2012",
        since=started, last_byte_at=now - 3, next_attempt_at=now + 42 if scene == "offline" else None, attempts=4,
        last_error="The backend refuses connections (ECONNREFUSED): is it running, and is the port right?"
        if scene == "offline" else nasty, subprotocol_warning=nasty,
    )  # fmt: skip
    box = BoxReading(at=now, ready=True, ev_connected=charging, faults=(fault,) if fault else ())
    ports = [
        PortHealth("board", "OpenEVSE 8.2.3", "/dev/pts/3", True, 1234, 1, 0, 0, now - 0.2),
        PortHealth("meter", "SDM230", "/dev/pts/4", True, 555, 0, 2, 1, now - 1,
                   "no answer to the last request" if scene == "faulted" else ""),
        PortHealth("reader", "PN532", "/dev/pts/5", scene != "faulted", 99, 0, 0, 0, None),
    ]  # fmt: skip
    if nasty:
        view = replace(
            view, error_code=nasty, registration=nasty, in_flight=nasty, last_error=nasty,
            transaction=TransactionView(nasty, nasty, 1, SESSION_START, 1, reason=nasty),
            clock=ClockView("ntp", nasty, 3.0, True),
        )  # fmt: skip
        link = replace(link, state=nasty, url=nasty)
        box = replace(box, faults=(Fault(FaultCode.GROUND_FAULT, True, nasty),))
        ports = [replace(port, device=nasty, error=nasty) for port in ports]
    return live.snapshot(
        view, box, link, now_utc, now, ports=ports, simulator_url="http://127.0.0.1:8081/", uptime_s=now - started
    )


def frames() -> list[dict[str, Any]]:
    """The ring of frames."""
    texts = [
        ("out", '[2,"1","BootNotification",{"chargePointVendor":"OpenStation","chargePointModel":"AC-1"}]'),
        ("in", '[3,"1",{"status":"Accepted","currentTime":"2026-11-23T17:00:00Z","interval":300}]'),
        ("in", '[2,"x","ChangeConfiguration",{"key":"AuthorizationKey","value":"TOPSECRETTOPSECRET"}]'),
        ("out", '[4,"x","NotImplemented","<img src=x onerror=alert(1)>",{}]'),
        ("out", '[2,"2","Heartbeat",{}]'),
        ("in", "]] not JSON at all <b>"),
    ]
    if scene == "nasty":
        texts += [("in", text) for text in CORPUS]
        texts += [("in", json.dumps([2, text, text, {"vendorId": text, "data": text}])) for text in CORPUS]
        texts += [("out", json.dumps([4, text, text, text, {}])) for text in CORPUS]
    return [
        live.frame(seq, datetime.now(UTC), direction, text)  # type: ignore[arg-type]
        for seq, (direction, text) in enumerate(texts)
    ]


async def network() -> NetworkDesk:
    """The desk of a station with a cable, a SIM, and a stranger's WiFi with the addresses of the cable's network."""

    async def recall(read: Any) -> Any:
        return read()

    async def reaches(device: Device) -> bool:
        return device.kind != "wifi"

    lan, air, sim = "192.168.1.0/24", "192.168.1.0/25", "10.7.0.0/30"
    devices = (
        Device("/e", "eth0", "ethernet", "connected", ("192.168.1.5",), "192.168.1.1", is_default=True,
               networks=(lan,)),
        Device("/w", "wlan0", "wifi", "connected", ("192.168.1.77",), "192.168.1.99", ssid=b"Hall 3 <b>", signal=72,
               networks=(air,), name_servers=("9.9.9.9",)),
        Device("/p", "wwan0", "mobile", "connected", ("10.7.0.2",), "10.7.0.1", networks=(sim,)),
    )  # fmt: skip
    played = PlayedNetwork(*devices, modem=Modem("connected", 61, "Operator", "", 3))
    desk = NetworkDesk(played, PlayedSettings(), recall, time.monotonic, reaches, lambda interface: False)
    await desk.tick()
    return desk


def clock() -> dict[str, object]:
    """What the clock desk tells."""
    server = " ".join(CORPUS) if scene == "nasty" else "time.example"
    system = {
        "program": "chrony", "synchronised": True, "server": server, "age_s": 12.0, "offset_s": 0.002,
        "servers": [{"name": server, "state": "in use"}, {"name": "192.0.2.9", "state": "no answer"}],
        "rtc_ahead_s": None, "behind_s": 0.0,
    }  # fmt: skip
    return {"rules": True, "problem": "", "system": system, "chosen": [server]}


async def worker() -> None:
    """Answer what pages ask, publish every second."""
    layer = get_channel_layer()

    async def publish() -> None:
        while True:
            if scene != "silent":
                await layer.group_send(live.GROUP, {"type": "live.snapshot", "snapshot": picture()})
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(curtain.wait(), 1)
            curtain.clear()

    publishing = asyncio.create_task(publish())
    while not publishing.done():
        message = await layer.receive(live.STATION)
        if scene == "silent":
            continue
        reply = message.get("reply_channel")
        if reply is None:  # a poke: nobody waits for an answer
            continue
        if message["type"] == "station.snapshot":
            await layer.send(reply, {"type": "live.snapshot", "snapshot": picture()})
            await layer.send(reply, {"type": "live.frames", "frames": frames(), "reset": True})
        elif message["type"] == "station.network":
            told = await (await network()).told()
            await layer.send(reply, {"type": "live.network", "ok": True, "text": "", "network": told})
        elif message["type"] == "station.trial":
            await layer.send(reply, {"type": "live.reply", "ok": True, "text": "", "trial": None})
        elif message["type"] == "station.clock":
            await layer.send(reply, {"type": "live.clock", "ok": True, "text": "", "clock": clock()})
        else:
            text = f"{message['command']} {message['argument']} by {message['user']}"
            await layer.send(reply, {"type": "live.reply", "ok": True, "text": text})


def listen_to_scenes() -> None:
    """One word a line; end of file ends the process."""
    global scene, profile_changes
    from twisted.internet import reactor

    for line in sys.stdin:
        if change := PROFILES.get(line.strip()):
            change()
            profile_changes += 1
        else:
            if line.strip() == "nasty":
                strangers_write()
            scene = line.strip()
        loop.call_soon_threadsafe(curtain.set)
    reactor.callFromThread(reactor.stop)  # type: ignore[attr-defined]


def main() -> None:
    """Run until stdin ends."""
    from twisted.internet import reactor

    fill_database()
    if settings.HTTPS_PORT is not None:
        certificate().ensure()  # what the page of the hotspot names
    server = Server(application=asgi.application, endpoints=["tcp:port=0:interface=127.0.0.1"], signal_handlers=False)
    tasks = []

    def ready() -> None:
        tasks.append(loop.create_task(worker()))
        sys.stdout.write(f"{server.listening_addresses[0][1]}\n")
        sys.stdout.flush()
        threading.Thread(target=listen_to_scenes, daemon=True).start()

    reactor.callLater(0.05, ready)  # type: ignore[attr-defined]
    server.run()


if __name__ == "__main__":
    main()
