"""The box as the station uses it: board, meter and reader on their lines; one reading, one setpoint."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from hardware.alarms import Alarms
from hardware.drivers.panel import PanelDriver
from hardware.drivers.rtu_bus import RtuBus
from hardware.evse import Decision, Demand, Evse, Mode, Setpoint, worst_first
from hardware.interfaces import (
    BoardState,
    BoxReading,
    CardSignal,
    Fault,
    FaultCode,
    HardwareConfig,
    Hold,
    MeterSample,
    PanelInputs,
    PortHealth,
    Show,
)
from hardware.registry import MeterDriver, NamedDevice, board_kind, meter_kind, panel_kind, port_problem, reader_kind
from hardware.serial_port import Counters, Line, Port, SerialLine

UNPLUG_DEBOUNCE_S = 1.0  # while a car is authorised: some cars bounce from C through A back to C
#: After the contactor opened, for a reading that holds all the energy: usually a tenth of a second, with bad luck on a
#: bad line two rounds of requests.
METER_WAIT_S = 2.0
_FLOWING_A = 0.2
#: Option of HardwareConfig → the warnings that it turns into faults when it says "stop".
_STOPPING = {
    "on_meter_lost": (FaultCode.METER_COMM,),
    "on_wrong_voltage": (FaultCode.OVER_VOLTAGE, FaultCode.UNDER_VOLTAGE),
    "on_tamper": (FaultCode.TAMPER,),
}


@dataclass(frozen=True)
class _Fitted:
    """A device and its line; two of them may have one port."""

    name: str
    device: NamedDevice
    counters: Counters
    port: Port


class Box:
    """The hardware of one charging station.

    Args:
        config: which devices are where. Raises ValueError for an unknown device name or option.
        on_reading: called from the driver threads, one call at a time, at once when a fact changed and at every new
            meter sample. It must not wait for anything that waits for the box.
        on_card: called from the reader's thread with the card's text, once a presentation.
        on_crash: called with the port's name and the exception when a driver crashed; it is started again by itself.
        on_hold: called from the panel's thread when its button was let go after it was held for so long.
        clock: monotonic seconds.
        open_line: opens a serial line (path, baud, parity); raises LineLost. Tests put devices of their own here.
        weld: of the last reading before a restart: a stuck contactor does not come loose by it.
        start_port: starts the life of a port; tests let it run in virtual time.
    """

    def __init__(
        self,
        config: HardwareConfig,
        *,
        on_reading: Callable[[BoxReading], None],
        on_card: Callable[[str], None],
        on_crash: Callable[[str, BaseException], None] | None = None,
        on_hold: Callable[[Hold], None] = lambda hold: None,
        clock: Callable[[], float] = time.monotonic,
        open_line: Callable[[str, int, str], Line] = SerialLine,
        start_port: Callable[[Port], None] = Port.start,
        weld: str = "",
    ) -> None:
        self._on_reading = on_reading
        self._clock = clock
        self._open_line = open_line
        self._start_port = start_port
        self._on_crash = on_crash
        self._setpoint = Setpoint()
        self._evse = Evse(config.max_current_a, config.nominal_voltage_v, weld)
        self._lock = threading.RLock()  # guards what follows, and serialises on_reading
        self._reading = BoxReading(at=clock(), weld=weld)
        self._board_state: BoardState | None = None
        self._decision = Decision(Demand(Mode.OFF, 6), 0.0, ())
        self._unplugged_at: float | None = None
        self._car_was_there = False
        self._opened_at: float | None = None
        self._was_closed = False
        self._sample: MeterSample | None = None
        self._side_faults: dict[FaultCode, Fault] = {}
        self._stopping = {
            code for option, codes in _STOPPING.items() if config.options.get(option) == "stop" for code in codes
        }
        #: Counts up when the board restarts (once or twice a restart: it announces its begin and its end).
        self.board_restarts = 0
        self._alarms = Alarms()
        self._show = Show.STARTING
        self._ports: list[Port] = []
        self._fitted: list[_Fitted] = []
        self._meter: MeterDriver | None = None
        self._meter_port: Port | None = None
        self._panel: PanelDriver | None = None
        if problem := port_problem(config):
            raise ValueError(problem[1])
        self._build_board_and_meter(config)
        self._build_reader(config, on_card)
        self._build_panel(config, on_hold)

    # --- for the station ----------------------------------------------------------------------------------------------
    def start(self) -> None:
        """Start the port threads; returns at once."""
        for port in self._ports:
            self._start_port(port)

    def stop(self, timeout_s: float = 3.0) -> None:
        """Close the ports. With an authorised setpoint the board stays exactly as it is (without our heartbeat it
        falls back to 6 A), else it is left asleep."""
        deadline = time.monotonic() + timeout_s
        for port in self._ports:
            port.ask_to_stop()
        for port in self._ports:
            port.join(max(0.0, deadline - time.monotonic()))

    def setpoint(self, amps: float, authorised: bool) -> None:
        """What the station wants (a level): at most `amps` per phase; below 6 A means pause.

        Any thread; returns at once and acts at once.
        """
        self._setpoint = Setpoint(amps, authorised)
        self._board_port.wake()

    def limit(self, max_current_a: float) -> None:
        """The installer's limit is this from now on, ampere per phase. Any thread; acts at once."""
        self._evse.max_current_a = max_current_a
        self._board_port.wake()

    def reset_board(self, retries: int = 0) -> bool:
        """Restart the EVSE board once its contactor is open, and again so often when it does not.

        Asynchronous: `board_restarts` counts up when it did, RESET_FAILED is among the faults when it never did.
        False when this board knows no restart: then neither will come.
        """
        under_way = self._board.request_reset(retries)
        self._board_port.wake()
        return under_way

    def test_detector(self) -> None:
        """Let the board test its leakage detector; asynchronous, see `BoardState.detector_test`."""
        self._board.request_detector_test()
        self._board_port.wake()

    def show(self, show: Show) -> None:
        """What the lamps tell; a fault of the box comes before it. Any thread; returns at once."""
        with self._lock:
            self._show = show
            self._light()

    def signal(self, signal: CardSignal) -> None:
        """Feedback for a card. Any thread; returns at once."""
        if self._panel is not None:
            self._panel.signal(signal)

    def acknowledge(self) -> bool:
        """A person confirms that the place is safe and the contactor repaired: ends emergency stop, tampering and a
        weld that the station saw, when their cause is gone.

        False when a cause is still there.
        """
        with self._lock:
            done = self._alarms.acknowledge() & self._evse.repaired(self._board_state, self._sample)
            self._publish(self._clock())
        self._board_port.wake()
        return done

    def refresh_meter(self) -> None:
        """Read the meter as soon as its line allows; the sample comes by on_reading."""
        if self._meter is not None and self._meter_port is not None:
            self._meter.request_fresh()
            self._meter_port.wake()

    def health(self) -> tuple[PortHealth, ...]:
        """Link quality of every line."""
        return tuple(
            fitted.counters.health(
                fitted.name, fitted.device.description, fitted.port.path, fitted.device.warning, fitted.port.counters
            )
            for fitted in self._fitted
        )

    @property
    def reading(self) -> BoxReading:
        """The newest reading; never waits."""
        return self._reading

    @property
    def board(self) -> BoardState | None:
        """What the board said last; None before the first contact."""
        return self._board_state

    # --- the ports ----------------------------------------------------------------------------------------------------
    def _build_board_and_meter(self, config: HardwareConfig) -> None:
        kind, counters = board_kind(config.board), Counters()
        self._board = kind.build(config, self._clock, counters, self._supervise, self._board_restarted)
        meter = self._build_meter(config)
        path, baud = config.board_port, config.board_baud or kind.baud
        if meter is not None and config.share_a_port:
            bus = RtuBus([self._board, meter[0]], self._clock)  # type: ignore[list-item]  # port_problem allowed it
            port = Port("board", path, bus, lambda: self._open_line(path, baud, kind.parity), counters, self._on_crash)
            self._ports.append(port)
            self._fitted += [_Fitted("board", self._board, counters, port), _Fitted("meter", *meter, port)]
            self._board_port = self._meter_port = port
            return
        self._board_port = self._add_port("board", path, baud, kind.parity, self._board, counters)
        if meter is not None:
            metering = meter_kind(config.meter)
            baud, parity = config.meter_baud or metering.baud, config.meter_parity or metering.parity
            self._meter_port = self._add_port("meter", config.meter_port, baud, parity, *meter)

    def _build_meter(self, config: HardwareConfig) -> tuple[MeterDriver, Counters] | None:
        if not config.meter:
            return None
        kind, counters = meter_kind(config.meter), Counters()
        self._meter = kind.build(
            config,
            self._clock,
            counters,
            self._take_sample,
            lambda failed: self._side_fault(FaultCode.METER_COMM, failed),
        )
        return self._meter, counters

    def _build_reader(self, config: HardwareConfig, on_card: Callable[[str], None]) -> None:
        if not config.reader:
            return
        kind, counters = reader_kind(config.reader), Counters()

        def seen(card: str) -> None:
            self.signal(CardSignal.SEEN)  # at once: the verdict may need the backend
            on_card(card)

        reader = kind.build(
            config, self._clock, counters, seen, lambda failed: self._side_fault(FaultCode.READER_COMM, failed)
        )
        baud = config.reader_baud or kind.baud
        self._add_port("reader", config.reader_port, baud, kind.parity, reader, counters)

    def _build_panel(self, config: HardwareConfig, on_hold: Callable[[Hold], None]) -> None:
        if not config.panel:
            return
        kind, counters = panel_kind(config.panel), Counters()
        path = config.panel_port
        self._panel = PanelDriver(self._clock, counters, self._take_inputs, lambda: port.wake(), on_hold)
        open_line = kind.line_opener(config) or (lambda: self._open_line(path, kind.baud, kind.parity))
        port = self._add("panel", path, open_line, self._panel, counters)

    def _add_port(self, name: str, path: str, baud: int, parity: str, device: NamedDevice, counters: Counters) -> Port:
        return self._add(name, path, lambda: self._open_line(path, baud, parity), device, counters)

    def _add(
        self, name: str, path: str, open_line: Callable[[], Line], device: NamedDevice, counters: Counters
    ) -> Port:
        port = Port(name, path, device, open_line, counters, self._on_crash)
        self._ports.append(port)
        self._fitted.append(_Fitted(name, device, counters, port))
        return port

    # --- facts, on the driver threads ---------------------------------------------------------------------------------
    def _board_restarted(self) -> None:
        """On the board's thread."""
        self.board_restarts += 1
        self._evse.rebooted()

    def _supervise(self, state: BoardState) -> Demand:
        """On the board's thread, with every new state and at least once a second."""
        with self._lock:
            now = self._clock()
            self._board_state = state
            setpoint = Setpoint() if self._alarms.emergency else self._setpoint
            self._decision = self._evse.decide(now, state, setpoint, self._sample)
            if self._alarms.emergency:
                self._decision = replace(self._decision, demand=replace(self._decision.demand, mode=Mode.CUT))
            self._supply_coil(state)
            self._set_meter_pace()
            self._publish(now)
            return self._decision.demand

    def _take_sample(self, sample: MeterSample) -> None:
        """On the meter's thread."""
        with self._lock:
            self._sample = sample
            self._set_meter_pace()
            self._publish(self._clock(), at_all_events=True)

    def _take_inputs(self, inputs: PanelInputs) -> None:
        """On the panel's thread."""
        with self._lock:
            self._alarms.take(inputs)
            self._publish(self._clock())
        self._board_port.wake()

    def _supply_coil(self, board: BoardState) -> None:
        """The enable line: energy is permitted, or a car that was charging has not let go yet."""
        if self._panel is None:
            return
        match self._decision.demand.mode:
            case Mode.ON:
                wanted = True
            case Mode.OFF:
                wanted = board.relay_closed
            case Mode.CUT:
                wanted = False
        self._panel.enable(wanted and not any(fault.code is FaultCode.BOARD_COMM for fault in board.faults))

    def _light(self) -> None:
        if self._panel is None:
            return
        faults = self._reading.faults
        blocking = any(fault.blocking for fault in faults)
        show = Show.FAULTED if blocking else self._show
        self._panel.show(show, warning=bool(faults) and not blocking, alarm=self._alarms.emergency)

    def _side_fault(self, code: FaultCode, active: bool) -> None:
        with self._lock:
            if active:
                self._side_faults[code] = Fault(code, False)
            else:
                self._side_faults.pop(code, None)
            self._publish(self._clock())

    def _set_meter_pace(self) -> None:
        board, sample = self._board_state, self._sample
        flowing = sample is not None and (sample.current_a or 0.0) > _FLOWING_A
        fast = flowing or (board is not None and (board.enabled or board.relay_closed))
        if self._meter is not None and self._meter_port is not None and self._meter.set_fast(fast):
            self._meter_port.wake()

    def _publish(self, now: float, *, at_all_events: bool = False) -> None:
        before, after = self._reading, self._read(now)
        self._reading = after
        self._light()
        # Time and temperature alone are no news.
        if at_all_events or replace(after, at=before.at, temperature_c=before.temperature_c) != before:
            self._on_reading(after)

    def _read(self, now: float) -> BoxReading:
        board, decision, sample = self._board_state, self._decision, self._sample
        found = [*decision.faults, *self._side_faults.values(), *self._alarms.faults]
        faults = worst_first([replace(f, blocking=True) if f.code in self._stopping else f for f in found])
        meter_is_known = self._meter is None or sample is not None or FaultCode.METER_COMM in self._side_faults
        if board is None:
            return BoxReading(at=now, faults=faults, meter=sample, weld=self._evse.weld)
        is_faulted = any(fault.blocking for fault in board.faults)
        board_is_known = board.synchronised and (board.ev_connected is not None or is_faulted)
        return BoxReading(
            at=now,
            ready=self._reading.ready or (board_is_known and meter_is_known),
            ev_connected=self._debounced(now, board.ev_connected),
            ev_requests=board.cp in ("C", "D"),
            contactor_closed=self._contactor_closed(now, board.relay_closed, any(fault.blocking for fault in faults)),
            offered_a=decision.offered_a,
            limit_a=board.max_a,
            faults=faults,
            meter=sample,
            temperature_c=board.temperature_c,
            weld=self._evse.weld,
        )

    def _contactor_closed(self, now: float, closed: bool, faulted: bool) -> bool:
        """An opening is told with a meter reading taken after it, so that a session ends with all its energy (2.6)."""
        if closed:
            self._opened_at, self._was_closed = None, True
            return True
        if not self._was_closed:
            return False
        if self._opened_at is None:
            self._opened_at = now
            self.refresh_meter()
        read_since = self._sample is not None and self._sample.at >= self._opened_at
        is_lost = self._meter is None or FaultCode.METER_COMM in self._side_faults
        if faulted or is_lost or read_since or now - self._opened_at >= METER_WAIT_S:
            self._was_closed = False
        return self._was_closed

    def _debounced(self, now: float, connected: bool | None) -> bool | None:
        """An unplug counts at once, but with an authorised car only when it lasts: it would end the transaction."""
        if connected is None:
            return None
        if connected:
            self._unplugged_at, self._car_was_there = None, True
            return True
        if self._unplugged_at is None:
            self._unplugged_at = now
        if self._car_was_there and self._setpoint.authorised and now - self._unplugged_at < UNPLUG_DEBOUNCE_S:
            return self._reading.ev_connected  # what was said before: there, or unknown
        self._car_was_there = False
        return False
