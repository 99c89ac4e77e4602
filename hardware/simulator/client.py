"""A client of the simulator's control, for the management command and the tests (standard library only)."""

from __future__ import annotations

import http.client
import json
from typing import Any
from urllib.parse import urlsplit

State = dict[str, Any]


class SimulatorError(Exception):
    """The simulator is not there or refused; the message is a sentence for people."""


class SimulatorClient:
    """Calls a running simulator at `base_url`, "127.0.0.1:8081" or "http://127.0.0.1:8081".

    Every call answers the new state and raises SimulatorError when it cannot.
    """

    def __init__(self, base_url: str, timeout_s: float = 5.0) -> None:
        parts = urlsplit(base_url if "://" in base_url else f"http://{base_url}")
        self._host, self._port = parts.hostname or "127.0.0.1", parts.port or 80
        self._timeout_s = timeout_s

    def state(self) -> State:
        """Everything about the box and its car."""
        return self._call("GET", "/state")

    def plug(self, **ev: object) -> State:
        """Plug a car in; parameters of the car by name: `plug(soc=80, current_a=10)`."""
        return self._call("POST", "/plug", {"plugged": True, "ev": ev})

    def unplug(self) -> State:
        """Pull the plug out."""
        return self._call("POST", "/plug", {"plugged": False})

    def ev(self, command: str | None = None, **parameters: object) -> State:
        """A command to the car ("pause", "resume", "full" …) or changes of its parameters."""
        return self._call("POST", "/ev", {**({"command": command} if command else {}), **parameters})

    def swipe(self, uid: str, hold_ms: int = 600) -> State:
        """Hold a card to the reader."""
        return self._call("POST", "/swipe", {"uid": uid, "hold_ms": hold_ms})

    def fault(self, name: str, value: float | None = None) -> State:
        """Switch a fault on."""
        return self._call("POST", "/fault", {"name": name, "active": True, "value": value})

    def clear(self, name: str) -> State:
        """Switch a fault off."""
        return self._call("POST", "/fault", {"name": name, "active": False})

    def power_cut(self, seconds: float) -> State:
        """Take mains away for real seconds."""
        return self._call("POST", "/power_cut", {"seconds": seconds})

    def link(self, port: str, mode: str, **parameters: object) -> State:
        """Change what a serial line does: `link("meter", "corrupt", rate=0.01, seconds=60)`."""
        return self._call("POST", "/link", {"port": port, "mode": mode, **parameters})

    def speed(self, factor: float) -> State:
        """World seconds in a real second."""
        return self._call("POST", "/speed", {"factor": factor})

    def log(self, since: int = 0) -> list[dict[str, Any]]:
        """The traffic on the lines after entry number `since`."""
        entries: list[dict[str, Any]] = self._call("GET", f"/log?since={since}")["entries"]
        return entries

    def _call(self, method: str, target: str, body: object = None) -> State:
        connection = http.client.HTTPConnection(self._host, self._port, timeout=self._timeout_s)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(method, target, data, {"Content-Type": "application/json"})
            response = connection.getresponse()
            answer: State = json.loads(response.read())
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise SimulatorError(
                f"No simulator answers at {self._host}:{self._port} ({error}). Start the station with --simulate, "
                "and check STATION_SIM_HTTP."
            ) from error
        finally:
            connection.close()
        if response.status != http.client.OK:
            raise SimulatorError(str(answer.get("error", f"The simulator answered {response.status}.")))
        return answer
