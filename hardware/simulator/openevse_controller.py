"""The charging state machine of the OpenEVSE firmware 8.2.3, in the firmware's order (hardware.md, 2.4, 2.5, 10.1).

Its timers run in world time; only the heartbeat supervision runs in real time, as the host's pulses do.
"""

from __future__ import annotations

from collections.abc import Callable

from hardware.simulator import openevse_memory as memory
from hardware.simulator.openevse_ammeter import Ammeter
from hardware.simulator.openevse_build import BoardBuild, BoardSense
from hardware.simulator.openevse_limit import CurrentLimit
from hardware.simulator.openevse_memory import Eeprom, State
from hardware.simulator.pilot import Pilot, PilotMode, amps_to_duty

RELAY_TEXT = b"\nrelayCloseMs: 100\r\nrelayHoldPwm: 255\r\n"
_DEBOUNCE_TO_A_S = 0.025
_DEBOUNCE_S = 0.25
_RELAY_CLOSE_S = 0.1
_CHECK_AFTER_S = 1.0  # ground with the relay closed, welded contact with it open
_EARLY_FAULT_S = 2.0  # a fault that soon after closing is final
_RETRY_AFTER_S = 300.0
_MAX_RETRIES = 6
_SLEEP_OPENS_AFTER_S = 3.0
_SLEEP_OPENS_BELOW_MA = 1000
_GFI_TRIP_MA = 20.0
_PANIC_C, _PANIC_BLOCKS_S = 71.0, 5.0
_OVER_CURRENT_A, _OVER_CURRENT_S, _OVER_CURRENT_BLOCKS_S = 5.0, 10.0, 1.0  # .EU builds only
_CLEARED_BY_UNPLUG = frozenset(
    {State.VENT_REQUIRED, State.DIODE, State.GFCI, State.NO_GROUND, State.OVER_TEMP, State.OVER_CURRENT}
)
_TRIP_COUNTERS = {
    State.GFCI: "trips_gfi",
    State.NO_GROUND: "trips_no_ground",
    State.STUCK_RELAY: "trips_stuck",
}


class ChargeController:
    """Relay, pilot, checks and limits from one power-up to the next.

    `announce` is called where the firmware would tell its host of a change, `say` with text it prints.
    """

    def __init__(
        self,
        eeprom: Eeprom,
        build: BoardBuild,
        now: float,
        write_eeprom: Callable[..., None],
        say: Callable[[bytes], None],
        announce: Callable[[], None],
    ) -> None:
        self.eeprom = eeprom
        self.build = build
        self.now = now
        self.ammeter = Ammeter()
        self.sense = BoardSense()
        self.state = State.UNKNOWN
        self.pilot_state = State.UNKNOWN
        self.relay_closed = False
        self.limit = CurrentLimit(eeprom, now)
        self.millivolts: int | None = None  # what `$SV` said since boot
        self.boot_locked = build.boot_lock
        self.auth_locked = build.auth_lock
        self.post_failed = False
        self.hard_fault = self.gfi_tripped = self.no_ground_tripped = False
        self.ev_connected = self.previously_connected = False
        self.session_ended = True
        self._write_eeprom = write_eeprom
        self._say = say
        self._announce = announce
        self._time_s = 0.0
        self._pilot_mode = PilotMode.STEADY
        self._busy_until: float | None = None
        self._then: Callable[[], None] = _nothing
        self._candidate = State.UNKNOWN
        self._candidate_since = self._relay_changed_at = self._sleep_since = self._fault_since = 0.0
        self._charge_started_at: float | None = None
        self._elapsed_s = 0.0
        self._retries = 0
        self._over_current_s = 0.0

    # --- time ---------------------------------------------------------------------------------------------------

    @property
    def is_busy(self) -> bool:
        """The firmware is inside a slow step and serves no line."""
        return self._busy_until is not None

    def block(self, seconds: float, then: Callable[[], None]) -> None:
        """Be busy for `seconds` of world time, then go on with `then`."""
        self._busy_until = self._time_s + seconds
        self._then = then

    @property
    def is_moving(self) -> bool:
        """A debounce, a self-test or a stop is under way: the simulation must tick finely."""
        stopping = self.state is State.SLEEPING and self.relay_closed
        return self.is_busy or self._candidate != self.state or stopping

    def pass_time(self, dt: float, now: float, sense: BoardSense) -> None:
        """`dt` world seconds later, at `now` real monotonic seconds, the board measures `sense`."""
        self._time_s += dt
        self.now = now
        self.sense = sense
        if self._busy_until is not None and self._time_s >= self._busy_until:
            self._busy_until = None
            then, self._then = self._then, _nothing
            then()
        self.ammeter.step(dt, self.relay_closed, sense.current_a, self.supposed_millivolts, self.eeprom)

    def update(self) -> None:
        """One pass of the firmware's loop; not to be called while it is busy."""
        if self.post_failed or self.boot_locked:
            return
        if self.state is State.DISABLED:
            self._candidate = self.state
            return
        self._follow_connection()
        if self.state is State.SLEEPING:
            self._candidate = self.state
            self._stop_gracefully()
        elif self.state.is_fault:
            self._wait_in_fault()
        elif not self._check_failed():
            self.limit.supervise_heartbeat(self.now)
            self.limit.follow_temperature(self.sense.temperature_c)
            self._follow_pilot()

    @property
    def pilot(self) -> Pilot:
        """What the board drives the control pilot with."""
        if self._pilot_mode is PilotMode.PWM:
            return Pilot(PilotMode.PWM, amps_to_duty(self.limit.capacity_a))
        return Pilot(self._pilot_mode)

    # --- the pilot ----------------------------------------------------------------------------------------------

    def _follow_connection(self) -> None:
        connected = self.sense.pilot_load != "A"
        self.previously_connected = self.ev_connected
        if connected == self.ev_connected:
            return
        self.ev_connected = connected
        if connected:
            self.ammeter.session_ws = 0.0
            return
        self.session_ended = True
        if self.ammeter.session_ws:  # saved here only: a power cut loses the energy of its session
            self._write_eeprom(total_wh=self.eeprom.total_wh + self.ammeter.session_ws / 3600)

    def _stop_gracefully(self) -> None:
        car_stopped = self.sense.pilot_load in "AB" or self.ammeter.milliamps <= _SLEEP_OPENS_BELOW_MA
        if car_stopped or self._time_s - self._sleep_since >= _SLEEP_OPENS_AFTER_S:
            self._open_relay()

    def _follow_pilot(self) -> None:
        seen = self._seen_state()
        if seen != self._candidate:
            self._candidate, self._candidate_since = seen, self._time_s
        if seen == self.state:
            return
        wait_s = _DEBOUNCE_TO_A_S if seen is State.A else _DEBOUNCE_S
        if self._time_s - self._candidate_since >= wait_s:
            self._enter(seen)

    def _seen_state(self) -> State:
        flags, load = self.eeprom.flags, self.sense.pilot_load
        offering = self._pilot_mode is PilotMode.PWM
        if load == "A":
            return State.A
        if load == "E":
            return State.UNKNOWN
        if offering and not self.sense.diode_ok and not flags & memory.NO_DIODE_CHECK:
            return State.DIODE
        if load == "B" or not offering or self.auth_locked:
            return State.B  # state C without an offer counts as B
        if load == "D" and not flags & memory.NO_VENT_CHECK:
            return State.VENT_REQUIRED
        return State.C

    def _enter(self, state: State) -> None:
        if state.is_fault:
            self.raise_fault(state, hard=True)
            return
        if state is State.C:
            self.block(0.0 if self.eeprom.flags & memory.NO_GFI_TEST else self.build.gfi_test_s, self._close_relay)
            return
        self._open_relay()
        self.state = self.pilot_state = state
        if state is State.B:
            self._pilot_mode = PilotMode.STEADY if self.auth_locked else PilotMode.PWM
        else:
            self._pilot_mode = PilotMode.STEADY
            self._retries = 0
            self.auth_locked = self.build.auth_lock  # the next car needs its own permission

    def _close_relay(self) -> None:
        """After the self-test of the ground-fault circuit: close, and look whether the output becomes live."""
        flags = self.eeprom.flags
        if not self.sense.gfi_test_passes and not flags & memory.NO_GFI_TEST:
            self.raise_fault(State.GFI_TEST, hard=True)
        elif self._seen_state() is not State.C:  # the car left or stopped asking during the self-test
            self._candidate = State.UNKNOWN
        elif self.sense.output_live and not flags & memory.NO_RELAY_CHECK:
            self._trip(State.STUCK_RELAY)
        else:
            self._say(RELAY_TEXT)
            self.relay_closed = True
            self._relay_changed_at = self._time_s
            self.block(_RELAY_CLOSE_S, self._finish_closing)

    def _finish_closing(self) -> None:
        if not self.sense.output_live and not self.eeprom.flags & memory.NO_RELAY_CHECK:
            self.raise_fault(State.RELAY_CLOSURE, hard=True)
            return
        self.state = self.pilot_state = self._candidate = State.C
        self.session_ended = False
        self._charge_started_at = self._time_s
        self._announce()

    def _open_relay(self) -> None:
        if not self.relay_closed:
            return
        self.relay_closed = False
        self._relay_changed_at = self._time_s
        self._elapsed_s = self.elapsed_s
        self._charge_started_at = None

    @property
    def elapsed_s(self) -> float:
        """Seconds of this charge, or of the last one."""
        return self._elapsed_s if self._charge_started_at is None else self._time_s - self._charge_started_at

    # --- checks and faults --------------------------------------------------------------------------------------

    def _check_failed(self) -> bool:
        """True when a check failed and the board is in a fault state now."""
        flags, sense = self.eeprom.flags, self.sense
        settled = self._time_s - self._relay_changed_at > _CHECK_AFTER_S
        self._over_current_s = self._over_current_s if self._is_over_current else 0.0
        if self.relay_closed and sense.leakage_ma > _GFI_TRIP_MA:
            self._trip(State.GFCI)
        elif self.relay_closed and settled and not sense.ground_ok and not flags & memory.NO_GROUND_CHECK:
            self._trip(State.NO_GROUND)
        elif not self.relay_closed and settled and sense.output_live and not flags & memory.NO_RELAY_CHECK:
            self._trip(State.STUCK_RELAY)
        elif sense.temperature_c >= _PANIC_C and not flags & memory.NO_TEMP_CHECK:
            self.raise_fault(State.OVER_TEMP, hard=True)
            self.block(_PANIC_BLOCKS_S, _nothing)
        elif self._is_over_current and self._over_current_lasts():
            self.raise_fault(State.OVER_CURRENT, hard=True)
            self.block(_OVER_CURRENT_BLOCKS_S, _nothing)
        else:
            return False
        return True

    @property
    def _is_over_current(self) -> bool:
        return self.build.is_eu and self.relay_closed and self.sense.current_a > self.limit.capacity_a + _OVER_CURRENT_A

    def _over_current_lasts(self) -> bool:
        if not self._over_current_s:
            self._over_current_s = self._time_s
        return self._time_s - self._over_current_s >= _OVER_CURRENT_S

    def _trip(self, state: State) -> None:
        self.gfi_tripped = self.gfi_tripped or state is State.GFCI
        self.no_ground_tripped = self.no_ground_tripped or state is State.NO_GROUND
        counter = _TRIP_COUNTERS[state]
        self._write_eeprom(**{counter: min(getattr(self.eeprom, counter) + 1, memory.MAX_TRIPS)})
        early = self.relay_closed and self._time_s - self._relay_changed_at < _EARLY_FAULT_S
        self.raise_fault(state, hard=early or state is State.STUCK_RELAY or self._retries >= _MAX_RETRIES)

    def raise_fault(self, state: State, *, hard: bool) -> None:
        """Open, offer nothing, tell the host. A hard fault is not retried."""
        self._open_relay()
        self._pilot_mode = PilotMode.STEADY
        self.state = self._candidate = state
        self.hard_fault = hard
        self._fault_since = self._time_s
        self._announce()

    def _wait_in_fault(self) -> None:
        if self.sense.pilot_load == "A" and self.state in _CLEARED_BY_UNPLUG:
            self.hard_fault = False
            self._retries = 0
            self._start_over()
        elif not self.hard_fault and self._time_s - self._fault_since >= _RETRY_AFTER_S:
            self._retries += 1
            self._start_over()

    def _start_over(self) -> None:
        self.state = self._candidate = State.UNKNOWN
        self._candidate_since = self._relay_changed_at = self._time_s

    @property
    def supposed_millivolts(self) -> int:
        """The board measures no voltage: a constant of build and service level, or what `$SV` said since boot."""
        if self.millivolts is not None:
            return self.millivolts
        if self.build.is_eu:
            return 230_000
        return 240_000 if self.eeprom.flags & memory.LEVEL_2 else 120_000

    @property
    def vflags(self) -> int:
        """The volatile flags as `$GS` and `$AT` show them."""
        shown = (
            (self.hard_fault, memory.HARD_FAULT),
            (self.auth_locked, memory.AUTH_LOCKED),
            (self.no_ground_tripped, memory.NO_GROUND_TRIPPED),
            (self.relay_closed, memory.RELAY_CLOSED),
            (self.gfi_tripped, memory.GFI_TRIPPED),
            (self.ev_connected, memory.EV_CONNECTED),
            (self.session_ended, memory.SESSION_ENDED),
            (self.previously_connected, memory.PREVIOUSLY_CONNECTED),
            (self.boot_locked, memory.BOOT_LOCKED),
        )
        return sum(bit for is_set, bit in shown if is_set)

    # --- what the host may ask ----------------------------------------------------------------------------------

    def enable(self) -> None:
        """`$FE`: leave sleep or disablement; in any other state nothing happens."""
        if self.state in (State.SLEEPING, State.DISABLED):
            self._open_relay()
            self._pilot_mode = PilotMode.STEADY
            self._start_over()

    def sleep(self) -> None:
        """`$FS`: offer nothing; the relay opens when the car stopped, at the latest 3 s later. Masks a fault."""
        if self.state is not State.SLEEPING:
            self.state = State.SLEEPING
            self._sleep_since = self._time_s
            self._pilot_mode = PilotMode.STEADY

    def lock(self, locked: bool) -> None:
        """`$S4`: while locked a car gets no offer, and the relay stays open."""
        self.auth_locked = locked
        if self.state in (State.B, State.C):
            self._enter(State.B)

    def disable(self) -> None:
        """`$FD`: relay open at once, pilot -12 V. Masks a fault, and the car cannot be seen any more."""
        self._open_relay()
        self.state = State.DISABLED
        self._pilot_mode = PilotMode.FAULT


def _nothing() -> None:
    """Where a slow step has no sequel."""
