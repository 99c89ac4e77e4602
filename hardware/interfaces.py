"""What a charging box is made of, without saying which make: readings, faults and the three device protocols.

Nothing here knows a wire protocol; nothing here knows OCPP.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from hardware.sentence import NOTHING, Sentence


class FaultCode(StrEnum):
    """Internal fault names (hardware.md, section 9). The appliance maps them to the words of its backend protocol."""

    ESTOP = "estop"
    GROUND_FAULT = "ground_fault"
    NO_GROUND = "no_ground"
    GFCI_SELFTEST = "gfci_selftest"
    RELAY_STUCK = "relay_stuck"
    RELAY_NO_CLOSE = "relay_no_close"
    OVER_TEMP = "over_temp"
    TEMP_DERATE = "temp_derate"
    OVER_CURRENT = "over_current"
    DIODE = "diode"
    PILOT_FAULT = "pilot_fault"
    VENT_REQUIRED = "vent_required"
    OVER_VOLTAGE = "over_voltage"
    UNDER_VOLTAGE = "under_voltage"
    BOARD_COMM = "board_comm"
    METER_COMM = "meter_comm"
    READER_COMM = "reader_comm"
    RESET_FAILED = "reset_failed"
    EV_IGNORES_PILOT = "ev_ignores_pilot"
    TAMPER = "tamper"


@dataclass(frozen=True)
class Fault:
    """One active fault.

    Attributes:
        blocking: energy delivery is impossible; otherwise the fault is a warning.
        info: what was seen, a few words for the technician.
        final: the board has given up trying again by itself: only a person can clear it.
    """

    code: FaultCode
    blocking: bool
    info: Sentence = NOTHING
    final: bool = False


@dataclass(frozen=True)
class MeterSample:
    """One consistent reading of the energy meter.

    Attributes:
        at: monotonic seconds when the reading was complete.
        energy_wh: import register since manufacture, integer Wh, never decreasing within a segment.
        segment: counts how often the register went on from another value (meter exchanged or reset, a jump that no
            energy explains; believed only when three readings in a row agree on it). Readings of two segments cannot
            be subtracted.
        power_w, current_a, voltage_v, frequency_hz: instantaneous values; None when the meter has none.
            On three phases power is the sum, current the largest phase, voltage the mean of the phases.
    """

    at: float
    energy_wh: int
    power_w: float | None = None
    current_a: float | None = None
    voltage_v: float | None = None
    frequency_hz: float | None = None
    segment: int = 0


@dataclass(frozen=True)
class BoxReading:
    """All facts of the box at one moment (a level, not an edge).

    Attributes:
        at: monotonic seconds.
        ready: False until the board has been probed and synchronised once (nothing else is meaningful before).
        ev_connected: a cable is in the EV's inlet. None while it cannot be known.
        ev_requests: the EV asks for energy (pilot state C or D).
        contactor_closed: mains is connected to the EV.
        offered_a: what the pilot offers now, ampere per phase; 0 while no energy is permitted.
        limit_a: the largest current the board itself can offer (its hardware and commissioning limit).
        faults: the active faults, worst first.
        meter: the newest good sample, None before the first one.
        temperature_c: the hottest sensor of the box, None without one.
        weld: what showed the station that the contactor is stuck; to be kept, and given to the next `Box`.
    """

    at: float
    ready: bool = False
    ev_connected: bool | None = None
    ev_requests: bool = False
    contactor_closed: bool = False
    offered_a: float = 0.0
    limit_a: float = 0.0
    faults: tuple[Fault, ...] = ()
    meter: MeterSample | None = None
    temperature_c: float | None = None
    weld: str = ""


@dataclass(frozen=True)
class PortHealth:
    """Link quality of one serial line, for the hardware page."""

    name: str  # "board" | "meter" | "reader"
    device: str  # e.g. "openevse 8.2.3"
    path: str
    is_open: bool
    frames: int = 0
    checksum_errors: int = 0
    timeouts: int = 0
    reconnects: int = 0
    last_frame_at: float | None = None  # monotonic seconds
    error: Sentence = NOTHING  # the last error in words, empty when fine

    def as_dict(self, now: float) -> dict[str, str | int | bool | float | None]:
        """For snapshots and the diagnostics archive; `now` is monotonic seconds."""
        age_s = None if self.last_frame_at is None else max(0.0, round(now - self.last_frame_at, 1))
        plain = {name: value for name, value in vars(self).items() if name != "last_frame_at"}
        return {**plain, "last_frame_age_s": age_s}


class DetectorTest(StrEnum):
    """Where the test of a board's leakage detector stands, of a board that makes it on request."""

    NONE = "none"  # there is no detector, or the board tests it by itself when it restarts
    READY = "ready"
    RUNNING = "running"
    PASSED = "passed"
    FAILED = "failed"


@dataclass(frozen=True)
class BoardState:
    """What the EVSE board says about itself.

    Attributes:
        cp: control pilot state "A".."F", "?" while unknown.
        pilot_is_live: the board looks at the pilot now; asleep it tells A and B apart only.
        ev_connected: None while it cannot be known (unknown, disabled, no contact with the board).
        enabled: the board is allowed to deliver energy (not sleeping, disabled, locked or faulted).
        limit_a: the current its pilot advertises when on; 0 while unknown.
        max_a, min_a: what its hardware and commissioning allow; max_a is 0 while unknown.
        synchronised: the driver has probed the board and brought it to a known state since the contact was (re)made.
        boot_safe: after power-up it gives no energy until the host allows it; None while unknown.
        checks_off: protective checks that are switched off in its settings, in words.
        detector_test: see `BoardDriver.request_detector_test`.
        trip_counters: life-time counts of (ground fault, missing earth, stuck relay), None while unknown.
    """

    at: float
    cp: str
    ev_connected: bool | None
    relay_closed: bool
    enabled: bool
    limit_a: float
    max_a: float
    faults: tuple[Fault, ...] = ()
    temperature_c: float | None = None
    firmware: str = ""
    min_a: float = 6.0
    synchronised: bool = False
    trip_counters: tuple[int, int, int] | None = None
    pilot_is_live: bool = True
    boot_safe: bool | None = None
    checks_off: Sentence = NOTHING
    detector_test: DetectorTest = DetectorTest.NONE


@dataclass(frozen=True)
class BoardCapabilities:
    """What a family of boards can do by itself.

    Attributes:
        boot_lock: after a power cut it offers nothing until the station says so (None: when it was bought so).
        host_death: what it does when the station dies, a sentence for people.
        reset: it can be restarted over its line, and then tests itself.
    """

    boot_lock: bool | None
    host_death: str
    reset: bool


@dataclass(frozen=True)
class HardwareConfig:
    """Which devices the box has and where; provisioned as [hardware] and [electrical].

    Names are those of `hardware.registry`. Ports are paths (a udev symlink, /dev/serial/by-id/…, or the simulator's
    pseudo-terminals). An empty name (reader, meter, panel) means that none is fitted. A speed of 0 and an empty
    parity (N, E, O) mean what the device usually has. Units are Modbus addresses, where the device has one.

    Options (all text): `energy_rate_factor` multiplies how fast the energy register may plausibly rise (a simulated
    world can run faster than the clock; default 1); `uid_order` is `normal` (byte 0 first, default) or `reversed`;
    `on_meter_lost`, `on_wrong_voltage` and `on_tamper` are `warn` (default) or `stop`: no energy while it lasts;
    `em4100` is `full10` (with the version byte, default) or `id8`; `panel_red`, `panel_green`, `panel_blue`,
    `panel_buzzer`, `panel_enable`, `panel_estop`, `panel_tamper`, `panel_door`, `panel_button` name the GPIO lines that
    are wired ("!" before a name inverts it); `simulated_lock` is `boot` (default), `authorisation` or `none`: how a
    simulated OpenEVSE board is compiled (a real one is asked).
    """

    board: str = "openevse"
    board_port: str = ""
    board_unit: int = 1
    board_baud: int = 0
    meter: str = "sdm230"
    meter_port: str = ""
    meter_unit: int = 1
    meter_baud: int = 0
    meter_parity: str = ""
    reader: str = "pn532"
    reader_port: str = ""
    reader_baud: int = 0
    panel: str = ""
    panel_port: str = ""
    max_current_a: float = 16.0
    nominal_voltage_v: float = 230.0
    phases: int = 1
    options: dict[str, str] = field(default_factory=dict)

    @property
    def share_a_port(self) -> bool:
        """Board and meter are on one RS-485 line (`registry.port_problem` says whether they can be)."""
        return bool(self.meter and self.board_port) and self.board_port == self.meter_port


class Show(StrEnum):
    """What the lamps of the panel tell people at the station."""

    STARTING = "starting"
    AVAILABLE = "available"
    PREPARING = "preparing"
    CHARGING = "charging"
    PAUSED = "paused"
    FINISHED = "finished"
    RESERVED = "reserved"
    UNAVAILABLE = "unavailable"
    FAULTED = "faulted"


class CardSignal(StrEnum):
    """What the driver sees and hears after presenting a card."""

    SEEN = "seen"
    WAITING = "waiting"
    ACCEPTED = "accepted"
    REJECTED = "rejected"


@dataclass(frozen=True)
class PanelInputs:
    """Contacts of the panel: emergency stop pressed, housing tampered with, door open, button held."""

    estop: bool = False
    tamper: bool = False
    door: bool = False
    button: bool = False


class Hold(StrEnum):
    """For how long the button of the panel was held (hardware/button.py); the station knows what each asks for."""

    SHORT = "short"
    LONG = "long"
    VERY_LONG = "very long"


class Panel(Protocol):
    """Lamps, buzzer, contacts and the enable line of the contactor's coil. All methods return at once, any thread."""

    def show(self, show: Show, *, warning: bool, alarm: bool) -> None:
        """The lamps: a state, a warning beside it, and the alarm of the emergency stop."""

    def signal(self, signal: CardSignal) -> None:
        """Feedback for a card."""

    def enable(self, on: bool) -> None:
        """Supply of the contactor's coil. It falls when this is not repeated for 10 s."""


class Clock(Protocol):
    """Monotonic time that tests can move. `wait` sleeps at most `seconds` and returns early when `wake` is called."""

    def monotonic(self) -> float: ...
