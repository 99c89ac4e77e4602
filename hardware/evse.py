"""What to ask of the EVSE board: the arbiter of limits, start/pause/stop and the checks the host owes (hardware.md, 1).

Pure: facts and the time go in, a decision comes out. The board keeps the car safe without it.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

from hardware.interfaces import BoardState, Fault, FaultCode, MeterSample
from hardware.sentence import Sentence, quoted

MIN_PILOT_A = 6  # no value between 0 and 6 A exists on the pilot
INCREASE_INTERVAL_S = 5.0  # the pilot must not change more often (IEC_PWM_MAX_UPDATE_INTERVAL)
RELAY_OPENS_WITHIN_S = 4.5  # the board forces the relay open after 3 s; 1.5 s margin
CUT_OPENS_WITHIN_S = 2.0
WELD_CURRENT_A = 0.5
WELD_AFTER_S = 3.0
OVER_CURRENT_AFTER_S = 7.0
VOLTAGE_AFTER_S = 5.0
PILOT_UNKNOWN_AFTER_S = 10.0
OVER_OFFER_AFTER_S = 10.0
EV_STOPS_WITHIN_S = 2.0  # the board opens under load after 3 s: a car that still draws then has ignored the pilot …
EV_OPENS_S2_WITHIN_S = 6.0  # … as has one that still asks for energy (C1)
EV_STOPPED_A = 1.0
# The board throttles itself at these temperatures; the station asks for less as well, so that both agree.
DERATE_HALF_C, DERATE_QUARTER_C, DERATE_OFF_C, DERATE_RESTORE_C = 65.0, 68.0, 71.0, 62.0

_WORST_FIRST = {code: rank for rank, code in enumerate(FaultCode)}


class Mode(StrEnum):
    """OFF: sleep, gracefully. ON: energy is permitted. CUT: open the relay now, whatever the car does."""

    OFF = "off"
    ON = "on"
    CUT = "cut"


@dataclass(frozen=True)
class Setpoint:
    """What the station wants: up to `amps` per phase if `authorised`; below the board's minimum means pause."""

    amps: float = 0.0
    authorised: bool = False


@dataclass(frozen=True)
class Demand:
    """What the board shall do: a level. `limit_a` (whole ampere, >= 6) shall be advertised in every mode."""

    mode: Mode
    limit_a: int


@dataclass(frozen=True)
class Decision:
    """The demand, what is offered to the car at this moment, and all faults of board and host, worst first."""

    demand: Demand
    offered_a: float
    faults: tuple[Fault, ...]


def worst_first(faults: list[Fault]) -> tuple[Fault, ...]:
    """One fault a code, blocking ones first, then in the order of the fault list."""
    ordered = sorted(faults, key=lambda fault: (not fault.blocking, _WORST_FIRST[fault.code]))
    unique: dict[FaultCode, Fault] = {}
    for fault in ordered:
        unique.setdefault(fault.code, fault)
    return tuple(unique.values())


class Evse:
    """The decisions about one EVSE. `decide` is called whenever a fact changed and at least every second or so.

    Attributes:
        max_current_a: the installer's limit, ampere per phase; it may be changed while the station runs.
    """

    def __init__(self, max_current_a: float, nominal_voltage_v: float, weld: str = "") -> None:
        """`weld`: what showed a stuck contactor before the station was restarted (see `weld`)."""
        self.max_current_a = max_current_a
        self._nominal_voltage_v = nominal_voltage_v
        self._mode = Mode.OFF
        self._limit_a = max(math.floor(max_current_a), MIN_PILOT_A)
        self._limit_changed_at = -math.inf
        self._paused_at = -math.inf  # energy was withdrawn from an authorised car
        self._was_authorised = False
        self._latched: dict[FaultCode, Fault] = {}
        if weld:
            self._latch(FaultCode.RELAY_STUCK, quoted(weld))
        self._derate = 1.0
        self._board_limit_a = 0.0
        self._decreased_at = -math.inf
        self._since: dict[str, float] = {}
        self._ignored: Fault | None = None

    def rebooted(self) -> None:
        """The board has restarted: the pilot is judged anew. A contactor does not come loose by that."""
        self._latched.pop(FaultCode.PILOT_FAULT, None)
        self._since.clear()

    @property
    def weld(self) -> str:
        """What showed the station that the contactor is stuck; empty when nothing did. To be kept over restarts."""
        fault = self._latched.get(FaultCode.RELAY_STUCK)
        return fault.info if fault else ""

    def repaired(self, board: BoardState | None, meter: MeterSample | None) -> bool:
        """A person says that the contactor was repaired. False when what is seen now says the opposite."""
        if board is not None and any(fault.code is FaultCode.RELAY_STUCK for fault in board.faults):
            return False
        flows = meter is not None and (meter.current_a or 0.0) > WELD_CURRENT_A
        if self.weld and (flows or (board is not None and board.relay_closed)):
            return False
        self._latched.pop(FaultCode.RELAY_STUCK, None)
        self._since.pop("weld", None)
        return True

    def decide(self, now: float, board: BoardState, setpoint: Setpoint, meter: MeterSample | None) -> Decision:
        """The decision at `now` (monotonic seconds)."""
        heard = not any(fault.code is FaultCode.BOARD_COMM for fault in board.faults)
        in_contact = heard and board.synchronised
        warnings = self._voltage(meter)
        if in_contact:
            self._watch_over_current(now, board, meter)
            self._watch_relay(board, meter)
            warnings += self._temperature(board)
            warnings += self._watch_car(now, board, meter)
        if board.ev_connected is False:
            self._latched.pop(FaultCode.OVER_CURRENT, None)
        if heard:
            self._watch_pilot(now, board)
        blocked = bool(self._latched) or any(fault.blocking for fault in (*board.faults, *warnings))
        self._settle(now, board, setpoint, blocked)
        faults = worst_first([*board.faults, *self._latched.values(), *warnings])
        offers = heard and board.enabled and self._mode is Mode.ON
        return Decision(Demand(self._mode, self._limit_a), board.limit_a if offers else 0.0, faults)

    # --- the arbiter --------------------------------------------------------------------------------------------------
    def _settle(self, now: float, board: BoardState, setpoint: Setpoint, blocked: bool) -> None:
        """Set mode and limit: decreases at once, increases at most every 5 s, a new start at once."""
        target = self._target_a(board, setpoint)
        enough = target >= max(MIN_PILOT_A, board.min_a) and not self._over_offer(now, board)
        stop_in_doubt = self._mode is Mode.CUT and board.relay_closed
        if not (setpoint.authorised and enough) or blocked or stop_in_doubt:
            if self._mode is Mode.ON and setpoint.authorised:
                self._paused_at = now
            self._mode = Mode.CUT if self._relay_refuses(now, board) else Mode.OFF
            self._change_limit(now, min(self._limit_a, max(self._ceiling_a(board), MIN_PILOT_A)))
        else:
            self._since.pop("closing down", None)
            fresh = not self._was_authorised
            if self._mode is not Mode.ON and (fresh or now - self._paused_at >= INCREASE_INTERVAL_S):
                self._mode = Mode.ON
                self._change_limit(now, target)
            elif target < self._limit_a or now - self._limit_changed_at >= INCREASE_INTERVAL_S:
                self._change_limit(now, target)
        self._was_authorised = setpoint.authorised

    def _target_a(self, board: BoardState, setpoint: Setpoint) -> int:
        """The smallest of all limits, whole ampere rounded down; 0 for anything that is not a number."""
        thermal_a = self.max_current_a * self._derate
        if 0 < self._derate < 1:  # half of a small limit still charges, slowly
            thermal_a = max(thermal_a, min(float(MIN_PILOT_A), self.max_current_a))
        if math.isnan(setpoint.amps):
            return 0
        return math.floor(max(min(setpoint.amps, thermal_a, self._ceiling_a(board)), 0.0) + 1e-9)

    def _ceiling_a(self, board: BoardState) -> int:
        """What installer and board allow."""
        return math.floor(min(self.max_current_a, board.max_a) if board.max_a > 0 else self.max_current_a)

    def _change_limit(self, now: float, target: int) -> None:
        if target == self._limit_a:
            return
        if target < self._limit_a:
            self._decreased_at = now
        self._limit_a = target
        self._limit_changed_at = now

    def _over_offer(self, now: float, board: BoardState) -> bool:
        """The pilot has offered more than allowed for long, in spite of all requests: better no energy at all.

        Not while the board throttles itself: it then refuses other limits.
        """
        more = board.limit_a > self._limit_a and self._derate == 1
        return self._lasts("over-offer", now, more, OVER_OFFER_AFTER_S)

    # --- the host's own checks ----------------------------------------------------------------------------------------
    def _relay_refuses(self, now: float, board: BoardState) -> bool:
        """Stop sequence: the relay is closed although energy was withdrawn; latch a weld if even cutting fails."""
        if not board.synchronised:
            return False
        if self._lasts("closing down", now, board.relay_closed, RELAY_OPENS_WITHIN_S + CUT_OPENS_WITHIN_S):
            self._latch(FaultCode.RELAY_STUCK, Sentence("the contactor does not open"))
        return board.relay_closed and now - self._since["closing down"] >= RELAY_OPENS_WITHIN_S

    def _watch_relay(self, board: BoardState, meter: MeterSample | None) -> None:
        """Current although the contactor is open: it is welded.

        A reading counts when the board said "open" before and after it: an old word of the board proves nothing.
        """
        if board.relay_closed:
            self._since.pop("weld", None)
            self._since.pop("open", None)
            return
        opened_at = self._since.setdefault("open", board.at)
        if meter is None or meter.current_a is None or not opened_at <= meter.at <= board.at:
            return
        if self._lasts("weld", meter.at, meter.current_a > WELD_CURRENT_A, WELD_AFTER_S):
            self._latch(FaultCode.RELAY_STUCK, Sentence("current flows with the contactor open"))

    def _watch_over_current(self, now: float, board: BoardState, meter: MeterSample | None) -> None:
        if board.limit_a < self._board_limit_a:
            self._decreased_at = now  # also when the board itself lowers the pilot
        self._board_limit_a = board.limit_a
        if meter is None or meter.current_a is None or not (board.enabled and board.relay_closed):
            self._since.pop("over-current", None)
            return
        allowed = (board.limit_a + 0.5) * 1.10
        judged = meter.at - self._decreased_at >= OVER_CURRENT_AFTER_S
        if self._lasts("over-current", meter.at, judged and meter.current_a > allowed, OVER_CURRENT_AFTER_S):
            self._latch(
                FaultCode.OVER_CURRENT,
                Sentence(
                    "{current_a:.1f} A drawn, {limit_a:.0f} A allowed", current_a=meter.current_a, limit_a=board.limit_a
                ),
            )

    def _watch_pilot(self, now: float, board: BoardState) -> None:
        """A pilot without a state for long is a fault until a board that looks at it sees a good one.

        The board is put to sleep by the fault and then tells A and B apart only: its B proves nothing.
        """
        if self._lasts("pilot", now, board.cp in ("?", "E"), PILOT_UNKNOWN_AFTER_S):
            self._latch(FaultCode.PILOT_FAULT, Sentence("pilot state {cp}", cp=board.cp))
        elif board.cp == "A" or (board.cp in ("B", "C", "D") and board.pilot_is_live):
            self._latched.pop(FaultCode.PILOT_FAULT, None)

    def _watch_car(self, now: float, board: BoardState, meter: MeterSample | None) -> list[Fault]:
        """Energy was withdrawn, and the car goes on drawing or asking; told until it may charge again or is gone."""
        if self._mode is Mode.ON or board.ev_connected is False or (board.pilot_is_live and board.cp in ("A", "B")):
            self._ignored = None
            self._since.pop("withdrawn", None)
            self._since.pop("C1", None)
            return []
        withdrawn_at = self._since.setdefault("withdrawn", now)
        asks = board.pilot_is_live and board.cp in ("C", "D")
        if self._lasts("C1", now, asks, EV_OPENS_S2_WITHIN_S):
            self._ignored = Fault(FaultCode.EV_IGNORES_PILOT, False, Sentence("still asks for energy"))
        drawn_a = meter.current_a if meter is not None and meter.at - withdrawn_at >= EV_STOPS_WITHIN_S else None
        if board.relay_closed and (drawn_a or 0.0) > EV_STOPPED_A:
            self._ignored = Fault(
                FaultCode.EV_IGNORES_PILOT,
                False,
                Sentence("{drawn_a:.1f} A drawn, none allowed", drawn_a=drawn_a or 0.0),
            )
        return [] if self._ignored is None else [self._ignored]

    def _voltage(self, meter: MeterSample | None) -> list[Fault]:
        if meter is None or meter.voltage_v is None:
            return []
        volts, nominal = meter.voltage_v, self._nominal_voltage_v
        faults = []
        if self._lasts("over-voltage", meter.at, volts > 1.10 * nominal, VOLTAGE_AFTER_S):
            faults.append(Fault(FaultCode.OVER_VOLTAGE, False, quoted(f"{volts:.0f} V")))
        if self._lasts("under-voltage", meter.at, volts < 0.85 * nominal, VOLTAGE_AFTER_S):
            faults.append(Fault(FaultCode.UNDER_VOLTAGE, False, quoted(f"{volts:.0f} V")))
        return faults

    def _temperature(self, board: BoardState) -> list[Fault]:
        """Half the current at 65 °C, a quarter at 68, none at 71; all of it again at 62."""
        celsius = board.temperature_c
        if celsius is None or celsius <= DERATE_RESTORE_C:
            self._derate = 1.0
        elif celsius >= DERATE_OFF_C:
            self._derate = 0.0
        elif celsius >= DERATE_QUARTER_C:
            self._derate = min(self._derate, 0.25)
        elif celsius >= DERATE_HALF_C:
            self._derate = min(self._derate, 0.5)
        return [Fault(FaultCode.TEMP_DERATE, False, quoted(f"{celsius:.0f} °C"))] if self._derate < 1 else []

    def _latch(self, code: FaultCode, info: Sentence) -> None:
        self._latched.setdefault(code, Fault(code, True, info))

    def _lasts(self, name: str, now: float, condition: bool, seconds: float) -> bool:
        """True when `condition` has held at every call for `seconds`."""
        if not condition:
            self._since.pop(name, None)
            return False
        return now - self._since.setdefault(name, now) >= seconds
