"""What the browser sees of the running station: one JSON-able snapshot, and frames with their secrets masked.

Ages and durations are seconds at the moment of the snapshot; the browser lets them tick on.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import datetime
from typing import Any

from hardware.interfaces import BoxReading, PortHealth
from ocppclient.clock import format_utc
from ocppclient.link import LinkStatus
from ocppclient.redact import mask, shortened
from ocppclient.sentence import Sentence
from ocppclient.view import ReservationView, TransactionView, View
from station.faults import TABLE
from station.history import Measurement
from station.roles import Role, shown_tag

#: The Channels group of all open pages, and the channel of the station's worker.
GROUP, STATION = "live", "station"

#: Longest frame shown, characters; a charging profile may have megabytes.
FRAME_SHOWN = 4000

#: ChargePointStatus → (plain words, kind of state: its colour and icon)
STATES = {
    "Available": (Sentence("Available"), "available"),
    "Preparing": (Sentence("Getting ready"), "waiting"),
    "Charging": (Sentence("Charging"), "charging"),
    "SuspendedEV": (Sentence("Paused by the car"), "waiting"),
    "SuspendedEVSE": (Sentence("Paused by the station"), "waiting"),
    "Finishing": (Sentence("Finished"), "waiting"),
    "Reserved": (Sentence("Reserved"), "waiting"),
    "Unavailable": (Sentence("Out of service"), "unavailable"),
    "Faulted": (Sentence("Fault"), "fault"),
}

LINKS = {
    "off": (Sentence("No backend"), "unavailable"),
    "connecting": (Sentence("Connecting"), "waiting"),
    "connected": (Sentence("Connected"), "available"),
    "waiting": (Sentence("Not connected"), "fault"),
}

REGISTRATIONS = {
    "waiting": Sentence("not registered yet"),
    "accepted": Sentence("accepted by the backend"),
    "pending": Sentence("pending: the backend wants to configure the station first"),
    "rejected": Sentence("rejected by the backend"),
}

#: Reason of StopTransaction (OCPP 1.6 section 7.36) in plain words.
STOPS = {
    "DeAuthorized": Sentence("card not accepted"),
    "EmergencyStop": Sentence("emergency stop"),
    "EVDisconnected": Sentence("car unplugged"),
    "HardReset": Sentence("station restarted"),
    "Local": Sentence("stopped at the station"),
    "Other": Sentence("stopped"),
    "PowerLoss": Sentence("power cut"),
    "Reboot": Sentence("station restarted"),
    "Remote": Sentence("stopped by the backend"),
    "SoftReset": Sentence("station restarted"),
    "UnlockCommand": Sentence("unlocked by the backend"),
}


def snapshot(
    view: View,
    box: BoxReading | None,
    link: LinkStatus,
    now_utc: datetime,
    monotonic_now: float,
    *,
    ports: Iterable[PortHealth] = (),
    minutes: Iterable[Measurement] = (),
    frames: Mapping[str, int] | None = None,
    simulator_url: str = "",
    uptime_s: float = 0.0,
) -> dict[str, Any]:
    """Everything the dashboard shows.

    Args:
        now_utc, monotonic_now: the same moment on both clocks; link and ports give their times on the monotonic one.
        minutes: what was measured and is not in the database yet (charts draw it).
        frames: how many went "in" and "out" since the start.
        simulator_url: page of the simulator's control when the hardware is simulated, else "".
        uptime_s: since the start of the station's software.
    """
    word, kind = STATES.get(view.status, (view.status, "unavailable"))
    return {
        "at": format_utc(now_utc),
        "state": {
            "status": view.status,
            "word": word,
            "kind": kind,
            "sentence": view.sentence,
            "error_code": view.error_code,
        },
        "limit": {
            "offered_a": round(view.offered_a, 1),
            "limit_a": round(view.limit_a, 1),
            "hardware_a": round(box.limit_a, 1) if box else 0.0,
            "sentence": view.limit_sentence,
            "waiting": view.waiting,
        },
        "meter": {
            "power_w": _rounded(view.power_w, 0),
            "current_a": _rounded(view.current_a, 1),
            "voltage_v": _rounded(view.voltage_v, 0),
            "energy_wh": view.energy_wh,
            "temperature_c": _rounded(view.temperature_c, 0),
        },
        "session": _session(view.transaction, now_utc) if view.transaction else None,
        "reservation": _reservation(view.reservation) if view.reservation else None,
        "backend": _backend(view, link, monotonic_now),
        "profile_changes": view.profile_changes,
        "frames": {"in": 0, "out": 0, **(frames or {})},
        "minutes": [[one.minute, one.power_w, one.current_ma, one.limit_ma] for one in minutes],
        "clock": {
            "utc": format_utc(view.clock_utc),
            "synchronised": view.clock_synchronised,
            "confirmed": view.clock.confirmed,
            "source": view.clock.source,
            "by": view.clock.by,
            "told_s": _rounded(view.clock.told_s, 0),
            "held_s": _rounded(view.clock.held_s, 0),
        },
        "box": {
            "ready": box is not None and box.ready,
            "ev_connected": view.ev_connected,
            "contactor_closed": view.contactor_closed,
            "faults": [
                {"code": str(fault.code), "words": TABLE[fault.code].title, "info": fault.info,
                 "cure": TABLE[fault.code].cure, "blocking": fault.blocking}
                for fault in (box.faults if box else ())
            ],
            "ports": [_port(port, monotonic_now) for port in ports],
        },
        "simulator": simulator_url,
        "uptime_s": round(uptime_s),
    }  # fmt: skip


def shown_to(role: Role, snapshot: dict[str, Any]) -> dict[str, Any]:
    """As this role may see it: a viewer gets cards masked."""
    shown = dict(snapshot)
    for name in ("session", "reservation"):
        if whose := snapshot.get(name):
            masked = shown_tag(whose["id_tag"], role)
            shown[name] = {**whose, "id_tag": masked}
            if (state := shown.get("state")) and whose["id_tag"]:  # its sentence names the card of a reservation
                shown["state"] = {**state, "sentence": state["sentence"].replace(whose["id_tag"], masked)}
    return shown


def frame(seq: int, at: datetime, direction: str, text: str) -> dict[str, Any]:
    """One frame for the frame page: masked, and cut when it is very long; `direction` is "in" or "out"."""
    return {"seq": seq, "at": format_utc(at), "direction": direction, "text": shortened(text, FRAME_SHOWN)}


def _session(transaction: TransactionView, now_utc: datetime) -> dict[str, Any]:
    ended = transaction.stopped_at
    return {
        "uid": transaction.uid,
        "id_tag": transaction.id_tag,
        "transaction_id": transaction.transaction_id,
        "started_at": format_utc(transaction.started_at),
        "stopped_at": format_utc(ended) if ended else None,
        "elapsed_s": max(0, round(((ended or now_utc) - transaction.started_at).total_seconds())),
        "running": ended is None,
        "energy_wh": transaction.energy_wh,
        "reason": transaction.reason,
        "acknowledged": transaction.acknowledged,
    }


def _backend(view: View, link: LinkStatus, now: float) -> dict[str, Any]:
    word, kind = LINKS.get(link.state, (link.state, "unavailable"))
    return {
        "state": link.state,
        "word": word,
        "kind": kind,
        "url": mask(link.url),
        "since_s": _age(link.since, now),
        "last_byte_age_s": _age(link.last_byte_at, now),
        "next_attempt_in_s": None if link.next_attempt_at is None else max(0, round(link.next_attempt_at - now)),
        "attempts": link.attempts,
        "last_error": link.last_error,
        "warning": link.subprotocol_warning,
        "registration": view.registration,
        "registration_words": REGISTRATIONS.get(view.registration, view.registration),
        "heartbeat_interval_s": view.heartbeat_interval_s,
        "queue_depth": view.queue_depth,
        "parked": view.parked,
        "in_flight": view.in_flight,
        "in_flight_s": _rounded(view.in_flight_s, 0) if view.in_flight else None,
        "message_error": view.last_error,
        "quirks": view.quirks,
    }


def _reservation(reservation: ReservationView) -> dict[str, Any]:
    return {
        "id": reservation.reservation_id,
        "id_tag": reservation.id_tag,
        "group": reservation.group,
        "until": format_utc(reservation.until),
    }


def _port(port: PortHealth, now: float) -> dict[str, Any]:
    if not port.is_open:
        kind, word = "fault", Sentence("not connected")
    elif port.error:
        kind, word = "waiting", Sentence("trouble")
    else:
        kind, word = "available", Sentence("fine")
    return {**port.as_dict(now), "kind": kind, "word": word}


def _rounded(number: float | None, digits: int) -> float | int | None:
    if number is None:
        return None
    return round(number, digits) if digits else round(number)


def _age(moment: float | None, now: float) -> int | None:
    return None if moment is None else max(0, round(now - moment))
