"""The control protocol of the simulator: JSON calls on a simulation (design.md, section 5). No sockets here."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import parse_qs

from hardware.simulator import line as link
from hardware.simulator.cards import Card
from hardware.simulator.faults import FAULTS, fault_named, fault_value
from hardware.simulator.simulation import PORTS, Simulation
from hardware.simulator.state_report import state_report

_PAGES = {"/": ("page.html", "text/html; charset=utf-8"), "/page.js": ("page.js", "text/javascript; charset=utf-8")}
_MOST_SECONDS = 86_400.0


@dataclass(frozen=True)
class Reply:
    """Status and body of an HTTP answer."""

    status: int
    body: bytes
    content_type: str = "application/json"


class BadCall(ValueError):
    """The caller is wrong; the message is a sentence that names the cure."""


Body = dict[str, object]


class Control:
    """Executes calls at once. Each answers the new state; a wrong one 400, 404 or 405 with {"error": sentence}."""

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self._posts: dict[str, Callable[[Body], None]] = {
            "/plug": self._plug,
            "/unplug": self._unplug,
            "/ev": self._ev,
            "/swipe": self._swipe,
            "/fault": self._fault,
            "/power_cut": self._power_cut,
            "/link": self._link,
            "/speed": self._speed,
        }

    def call(self, method: str, target: str, body: bytes) -> Reply:
        """One request: method, path with query, body."""
        path, _, query = target.partition("?")
        try:
            if path in self._posts:
                if method != "POST":
                    return _error(405, f"Call {path} with POST.")
                self._posts[path](_object(body))
                self._simulation.attend()
                return _json(200, state_report(self._simulation))
            gets: Mapping[str, Callable[[], object]] = {
                "/state": lambda: state_report(self._simulation),
                "/log": lambda: self._log(query),
                "/faults": _fault_list,
            }
            if path not in gets and path not in _PAGES:
                known = " ".join(sorted(["/", *gets, *self._posts]))
                return _error(404, f"There is no {path} here. Use one of: {known}")
            if method not in ("GET", "HEAD"):
                return _error(405, f"Call {path} with GET.")
            if path in _PAGES:
                name, content_type = _PAGES[path]
                return Reply(200, (Path(__file__).parent / name).read_bytes(), content_type)
            return _json(200, gets[path]())
        except ValueError as wrong:
            return _error(400, str(wrong))

    def _log(self, query: str) -> Body:
        given = parse_qs(query).get("since", ["0"])[-1]
        if not given.isdecimal():
            raise BadCall(f"'since' must be the number of a log entry (0 for all), not {given!r}.")
        log = self._simulation.log
        entries = [
            {
                "seq": entry.seq,
                "at_s": round(entry.at_s, 4),
                "port": entry.port,
                "from": entry.sender,
                "hex": entry.data.hex(),
                "text": "".join(chr(byte) if 32 <= byte < 127 else "." for byte in entry.data),
            }
            for entry in log.since(int(given))
        ]
        return {"last_seq": log.last_seq, "entries": entries}

    # --- calls --------------------------------------------------------------------------------------------------

    def _plug(self, body: Body) -> None:
        plugged = _take(body, "plugged", True)
        ev = _take(body, "ev", None) or {}
        _nothing_left(body, "plugged, ev")
        if not isinstance(plugged, bool):
            raise BadCall(f"'plugged' must be true or false, not {plugged!r}.")
        if not isinstance(ev, dict):
            raise BadCall("'ev' must be an object with parameters of the car, such as {\"soc\": 40}.")
        if plugged:
            self._simulation.world.plug(ev)
        else:
            self._simulation.world.ev.unplug()

    def _unplug(self, body: Body) -> None:
        _nothing_left(body, "nothing")
        self._simulation.world.ev.unplug()

    def _ev(self, body: Body) -> None:
        command = _take(body, "command", None)
        if command is None:
            if not body:
                raise BadCall(f"Name a command of the car ({', '.join(sorted(_EV_COMMANDS))}) or its parameters.")
            self._simulation.world.ev.change(body)
            return
        if not isinstance(command, str) or command not in _EV_COMMANDS:
            raise BadCall(f"The car knows no command {command!r}. Use one of: {', '.join(sorted(_EV_COMMANDS))}.")
        name, default, off = _EV_COMMANDS[command]
        active = _take(body, "active", True)
        value = _take(body, "value", default)
        _nothing_left(body, "command, value, active")
        if not isinstance(active, bool):
            raise BadCall(f"'active' must be true or false, not {active!r}.")
        self._simulation.world.ev.change({name: value if active else off})

    def _swipe(self, body: Body) -> None:
        uid = _take(body, "uid", None)
        hold_ms = _number(_take(body, "hold_ms", 600), "hold_ms", 0, 1000 * _MOST_SECONDS)
        gap_ms = _take(body, "gap_ms", None)
        gap_s = None if gap_ms is None else _number(gap_ms, "gap_ms", 0, 1000 * _MOST_SECONDS) / 1000
        _nothing_left(body, "uid, hold_ms, gap_ms")
        if not isinstance(uid, str) or not uid:
            raise BadCall("'uid' must be a text such as \"04A1B2C3\".")
        self._simulation.swipe(Card(self._simulation.reader.uid(uid), hold_ms / 1000, gap_s))

    def _fault(self, body: Body) -> None:
        name = fault_named(_take(body, "name", None))
        active = _take(body, "active", True)
        value = fault_value(name, _take(body, "value", None))
        _nothing_left(body, "name, active, value")
        if not isinstance(active, bool):
            raise BadCall(f"'active' must be true or false, not {active!r}.")
        self._simulation.world.set_fault(name, active, value)

    def _power_cut(self, body: Body) -> None:
        seconds = _number(_take(body, "seconds", 3.0), "seconds", 0, _MOST_SECONDS)
        ports = _take(body, "ports", False)
        _nothing_left(body, "seconds, ports")
        if not isinstance(ports, bool):
            raise BadCall(f"'ports' must be true (the serial ports vanish as well) or false, not {ports!r}.")
        self._simulation.power_cut(seconds, ports=ports)

    def _link(self, body: Body) -> None:
        port = _take(body, "port", None)
        if port not in PORTS:
            raise BadCall(f"There is no port {port!r}. Use one of: {', '.join(PORTS)}.")
        mode = _take(body, "mode", None)
        given = _take(body, "seconds", None)
        seconds = None if given is None else _number(given, "seconds", 0, _MOST_SECONDS)
        self._simulation.lines[str(port)].set_mode(link.link_mode(mode, body), self._simulation.now, seconds)

    def _speed(self, body: Body) -> None:
        factor = _number(_take(body, "factor", None), "factor", 0.01, 10_000)
        _nothing_left(body, "factor")
        self._simulation.speed = factor


# command -> parameter of the car, value when given none, value when not active
_EV_COMMANDS: dict[str, tuple[str, object, object]] = {
    "pause": ("paused", True, False),
    "resume": ("paused", False, True),
    "full": ("soc", 100, 40),
    "ventilate": ("ventilate", True, False),
    "sleep_no_wake": ("sleep_no_wake", True, False),
    "ignore_pwm_off": ("ignore_pwm_off", True, False),
    "diode_short": ("diode_short", True, False),
    "simplified": ("simplified", True, False),
    "overdraw": ("overdraw_a", 8, 0),
    "slow_react": ("react_delay_s", 8, 1),
    "weird_limit": ("weird_limit_a", 8, 0),
    "cp_bounce": ("cp_bounce", 3, 0),
}


def _object(body: bytes) -> Body:
    if not body.strip():
        return {}
    try:
        parsed = json.loads(body)
    except (ValueError, RecursionError):
        raise BadCall('The body is not JSON. Send an object such as {"plugged": true}.') from None
    if not isinstance(parsed, dict):
        raise BadCall('The body must be a JSON object such as {"plugged": true}.')
    return parsed


def _take(body: Body, name: str, default: object) -> object:
    return body.pop(name, default)


def _nothing_left(body: Body, known: str) -> None:
    if body:
        raise BadCall(f"{next(iter(body))!r} is not known here. This call takes: {known}.")


def _number(value: object, name: str, low: float, high: float) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
        raise BadCall(f"{name!r} must be a number from {low:g} to {high:g}, not {value!r}.")
    return float(value)


def _fault_list() -> Body:
    return {
        name: {"meaning": kind.meaning, "unit": kind.unit, "default": kind.default, "happens_once": kind.happens_once}
        for name, kind in FAULTS.items()
    }


def _json(status: int, content: object) -> Reply:
    return Reply(status, json.dumps(content).encode() + b"\n")


def _error(status: int, sentence: str) -> Reply:
    return _json(status, {"error": sentence})
