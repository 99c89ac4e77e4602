"""A whole station in virtual time: the simulated world and its bytes, the real drivers and box, the charge point.

Nothing is faked between the car and StatusNotification; the backend answers everything at once.
"""

from __future__ import annotations

import json
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from hardware.box import Box
from hardware.interfaces import BoxReading, HardwareConfig, Hold, PortHealth
from hardware.serial_port import Line, LineLost, Port
from hardware.simulator.control import Control
from hardware.simulator.openevse_build import BoardBuild
from hardware.simulator.simulation import PORTS, Simulation, SimulationConfig
from hardware.simulator.state_report import state_report
from ocppclient.events import Feedback, Setpoint, ShutdownRequested, Tick
from ocppclient.settings import Electrical
from station.faults import to_reading
from station.signals import card_signal, show_of
from station.worker import Attendant
from tests.ocppclient.harness import Bench, FakeTime
from tests.scenarios.virtual_time import VirtualThreads

CARD = "04A1B2C3"
Sent = tuple[str, dict[str, Any]]


class SimulatedLine:
    """The host's end of a simulated line."""

    def __init__(self, rig: StationRig, port: str) -> None:
        self._rig = rig
        self._port = port
        self._woken = False
        self._wire = rig.simulation.lines[port]
        self.plug = rig.plugs[port]  # another plug-in of the adapter is another device node
        rig.heard[port].clear()

    @property
    def _is_gone(self) -> bool:
        return not self._wire.connected or self.plug != self._rig.plugs[self._port]

    def write(self, data: bytes) -> None:
        if self._is_gone:
            raise LineLost("write failed: Input/output error")
        self._rig.simulation.receive(self._port, data, self._rig.threads.now)
        self._rig.hear()

    def read(self, timeout_s: float) -> bytes:
        heard = self._rig.heard[self._port]
        # a real poll has millisecond steps: time always moves on
        until = self._rig.threads.now + max(timeout_s, 0.001)
        self._rig.threads.pause(until, lambda: bool(heard) or self._woken or self._is_gone)
        self._woken = False
        if self._is_gone:
            raise LineLost("the device has disappeared")
        data = bytes(heard)
        heard.clear()
        return data

    def wake(self) -> None:
        self._woken = True

    def close(self) -> None:
        """Nothing to release."""


class StationRig:
    """The box with its car, and the station on it.

    Args:
        configuration: OCPP keys. config: fields of HardwareConfig. sim: fields of SimulationConfig.
        start: False leaves the host off until `start_host`.

    Attributes:
        sent: every CALL of the station, oldest first; all were answered.
        readings: every reading of the box.
        holds: what the button of the panel asked for.
        attendant: who runs a self-test, as the worker has it.
    """

    def __init__(
        self,
        configuration: Mapping[str, str] | None = None,
        config: Mapping[str, Any] | None = None,
        *,
        start: bool = True,
        tick_s: float = 0.1,
        boot_lock: bool = True,
        auth_lock: bool = False,
        **sim: Any,
    ) -> None:
        self.threads = VirtualThreads(1000.0)
        self.sent: list[Sent] = []
        self.readings: list[BoxReading] = []
        self.holds: list[Hold] = []
        self.heard: dict[str, bytearray] = {port: bytearray() for port in PORTS}
        self.plugs = dict.fromkeys(self.heard, 0)
        sim.setdefault("build", BoardBuild(boot_lock=boot_lock, auth_lock=auth_lock))
        sim.setdefault("max_current_a", 32)
        self.simulation = Simulation(SimulationConfig(**sim), {}, lambda sections, sync: None, self.threads.now)
        self.control = Control(self.simulation)
        self._sim = self.simulation.config
        self._config = dict(config or {})
        self._was_connected = dict.fromkeys(self.heard, True)
        self._tick_s = tick_s
        self._next_tick_at = self.threads.now
        self._inbox: deque[Callable[[], Any]] = deque()
        self._obeyed = 0
        time = FakeTime()
        self._time = time
        electrical = Electrical(max_current_a=float(self._sim.max_current_a), phases=self._sim.phases)
        self.bench = Bench(configuration, electrical=electrical, time=time)
        self.box: Box | None = None
        self.attendant: Attendant | None = None
        self._weld = ""  # as the worker keeps it
        if start:
            self.start_host()
            self.until(lambda: self.status(0) == "Available", 30)

    # --- the host -----------------------------------------------------------------------------------------------------
    def start_host(self) -> None:
        """The application starts: drivers and charge point, with what the store kept."""
        self._obeyed = len(self.bench.actions)
        self._inbox.clear()
        self._ev_connected = False
        ports = {f"{port}_port": port for port in self.heard}
        options = {"energy_rate_factor": str(self._sim.speed), **self._config.get("options", {})}
        fields = {
            "board": self._sim.board, "meter": self._sim.meter, "reader": self._sim.reader, "phases": self._sim.phases,
            "max_current_a": float(self._sim.max_current_a), **ports, **self._config, "options": options,
        }  # fmt: skip
        self.box = Box(
            HardwareConfig(**fields),
            on_reading=self._take_reading,
            on_card=self._take_card,
            on_crash=self._crashed,
            on_hold=self.holds.append,
            clock=lambda: self.threads.now,
            open_line=self._open_line,
            start_port=self._start_port,
            weld=self._weld,
        )
        self.box.start()
        self._domain(self.bench.boot)

    def kill_host(self) -> None:
        """SIGKILL: no last words on the lines, memory is gone, the store stays."""
        self.threads.kill()
        self.box = None
        self._inbox.clear()
        self.bench.reboot(0.0, box_goes_on=True)

    def stop_host(self) -> None:
        """SIGTERM: noted in the store, last words on the lines."""
        assert self.box is not None
        self.bench.do(ShutdownRequested())
        self.box.stop()
        self.until(lambda: not self.threads.alive, 10)
        self.box = None
        self.bench.reboot(0.0, box_goes_on=True)

    def _start_port(self, port: Port) -> None:
        def wait(seconds: float) -> bool:
            self.threads.pause(self.threads.now + seconds, lambda: port.is_stopping)
            return port.is_stopping

        self.threads.spawn(port.name, lambda: port.run(wait))

    def _open_line(self, path: str, baud: int, parity: str) -> Line:
        if not self.simulation.lines[path].connected:
            raise LineLost("No such file or directory")
        return SimulatedLine(self, path)

    def _take_reading(self, reading: BoxReading) -> None:
        self.readings.append(reading)
        self._weld = reading.weld
        facts = to_reading(reading, self._ev_connected)
        self._ev_connected = facts.ev_connected
        self._inbox.append(lambda: self.bench.do(facts))

    def _take_card(self, text: str) -> None:
        if self.attendant is None or not self.attendant.take_card(text):
            self._inbox.append(lambda: self.bench.swipe(text))

    def _crashed(self, port: str, error: BaseException) -> None:
        raise AssertionError(f"the driver of the {port} crashed") from error

    # --- time ---------------------------------------------------------------------------------------------------------
    def run(self, seconds: float) -> None:
        """Let real seconds pass; the world moves `speed` times as far."""
        end = self.threads.now + seconds
        while self.threads.now < end:
            self._step(end)

    def until(self, condition: Callable[[], bool], within_s: float = 30.0) -> float:
        """Let time pass until `condition`; the seconds it took."""
        start = self.threads.now
        while not condition():
            assert self.threads.now - start < within_s, f"not within {within_s} s; {self.picture()}"
            self._step(start + within_s)
        return self.threads.now - start

    def _step(self, end: float) -> None:
        self._settle()
        now = max(min(self.threads.next_at(), self.simulation.next_at(), self._next_tick_at, end), self.threads.now)
        self.threads.now = self._time.now = now
        self.simulation.advance(now)
        self.hear()
        self._settle()
        if now >= self._next_tick_at:
            self._next_tick_at = now + self._tick_s
            if self.box is not None:
                self._domain(lambda: self.bench.do(Tick()))
                if self.attendant is not None:
                    self._domain(self.attendant.tick)

    def _settle(self) -> None:
        """Everything that can happen without time happens."""
        self.threads.run_ready()
        while self._inbox:
            self._domain(self._inbox.popleft())
            self.threads.run_ready()

    def hear(self) -> None:
        """Bytes reach the host's ends of the lines."""
        for port, wire in self.simulation.lines.items():
            if wire.connected and not self._was_connected[port]:
                self.plugs[port] += 1
            self._was_connected[port] = wire.connected
            self.heard[port] += self.simulation.take(port)

    def _domain(self, event: Callable[[], Any]) -> None:
        """One event of the charge point with its actions, and a backend that answers at once."""
        event()
        self.sent += self.bench.settle()
        new, self._obeyed = self.bench.actions[self._obeyed :], len(self.bench.actions)
        for action in new:
            match action:
                case Setpoint(amps, authorised) if self.box is not None:
                    self.box.setpoint(amps, authorised)
                case Feedback(kind, _) if self.box is not None:
                    self.box.signal(card_signal(kind))
        if self.box is not None:
            self.box.show(show_of(self.bench.cp.connector_status()))

    # --- what people and the backend do ------------------------------------------------------------------------------
    def plug(self, **ev: Any) -> None:
        self.simulation.world.plug(ev)
        self.simulation.attend()

    def unplug(self) -> None:
        self.simulation.world.ev.unplug()
        self.simulation.attend()

    def call(self, path: str, **body: Any) -> None:
        """A call of the simulator's control."""
        reply = self.control.call("POST", path, json.dumps(body).encode())
        assert reply.status == 200, reply.body

    def fault(self, name: str, value: float | None = None) -> None:
        self.call("/fault", name=name, **({} if value is None else {"value": value}))

    def clear(self, name: str) -> None:
        self.call("/fault", name=name, active=False)

    def link(self, port: str, mode: str, **parameters: Any) -> None:
        self.call("/link", port=port, mode=mode, **parameters)

    def swipe(self, uid: str = CARD) -> None:
        self.call("/swipe", uid=uid)

    def backend(self, action: str, **payload: Any) -> Any:
        """A CALL of the backend; its answer."""
        answer: list[Any] = []
        self._inbox.append(lambda: answer.append(self.bench.call(action, **payload)))
        self._settle()
        return answer[0][2]

    def limit(self, amps: float) -> None:
        """The backend limits the running session."""
        schedule = {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": amps}]}
        profile = {
            "chargingProfileId": 1, "transactionId": 7, "stackLevel": 0, "chargingProfilePurpose": "TxProfile",
            "chargingProfileKind": "Relative", "chargingSchedule": schedule,
        }  # fmt: skip
        assert self.backend("SetChargingProfile", connectorId=1, csChargingProfiles=profile) == {"status": "Accepted"}

    def charge(self, **ev: Any) -> None:
        """A car is plugged in, a card tapped, current flows."""
        self.plug(**ev)
        self.until(lambda: self.status() == "Preparing")
        self.swipe()
        self.until(lambda: self.state["current_a"] > 4, 30)
        self.until(lambda: self.status() == "Charging")

    # --- looking ------------------------------------------------------------------------------------------------------
    @property
    def state(self) -> dict[str, Any]:
        """The truth about the world."""
        return state_report(self.simulation)

    @property
    def metrology_wh(self) -> int:
        """The true register of the meter."""
        return int(self.simulation.metrology.energy_wh)

    def status(self, connector_id: int = 1) -> str:
        return str(self.told(connector_id).get("status", ""))

    def told(self, connector_id: int = 1) -> dict[str, Any]:
        """The last StatusNotification of a connector."""
        return next((payload for payload in reversed(self.notifications(connector_id))), {})

    def notifications(self, connector_id: int = 1) -> list[dict[str, Any]]:
        return [p for action, p in self.sent if action == "StatusNotification" and p["connectorId"] == connector_id]

    def error_codes(self) -> set[str]:
        """Every error code that was ever told."""
        return {payload["errorCode"] for action, payload in self.sent if action == "StatusNotification"}

    def of(self, action: str) -> list[dict[str, Any]]:
        return [payload for name, payload in self.sent if name == action]

    @property
    def stop(self) -> dict[str, Any] | None:
        """The newest StopTransaction."""
        return next((payload for payload in reversed(self.of("StopTransaction"))), None)

    @property
    def reading(self) -> BoxReading:
        assert self.box is not None
        return self.box.reading

    def faults(self) -> dict[str, bool]:
        """Active faults of the box and whether they block."""
        return {str(fault.code): fault.blocking for fault in self.reading.faults}

    def health(self, port: str) -> PortHealth:
        assert self.box is not None
        return next(health for health in self.box.health() if health.name == port)

    def picture(self) -> str:
        """For a failed test."""
        reading = self.box.reading if self.box else None
        return f"world {self.state['mode']}, told {self.told()}, box {reading}"
