"""Every device that the station can drive, by the name in settings, pages and simulator: the one place to add one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, TypeVar

from hardware.drivers import rtu_bus, rtu_link
from hardware.drivers.ascii_reader import AsciiReader
from hardware.drivers.evse_din import EvseDin
from hardware.drivers.modbus_meter import ModbusMeter, Registers
from hardware.drivers.openevse import OpenEvse
from hardware.drivers.orno import OrnoRegisters
from hardware.drivers.pn532 import Pn532
from hardware.drivers.rdm6300 import Rdm6300
from hardware.drivers.sdm import MODELS as SDM_MODELS
from hardware.evse import Demand
from hardware.gpio_line import GpioLine
from hardware.interfaces import BoardCapabilities, BoardState, HardwareConfig, MeterSample
from hardware.panel import INPUTS, OUTPUTS
from hardware.sentence import NOTHING, Sentence
from hardware.serial_port import Counters, Device, Line

Clock = Callable[[], float]
K = TypeVar("K", bound="Kind")


class NamedDevice(Device, Protocol):
    """A driver: a device on a line, with words for the hardware page."""

    @property
    def warning(self) -> Sentence:
        """What is wrong with the device although it answers; empty when nothing is."""

    @property
    def description(self) -> str:
        """Make and version, as far as they are known."""


class BoardDriver(NamedDevice, Protocol):
    """An EVSE board: tells its state, and follows the demand it is given in return."""

    def request_reset(self, retries: int = 0) -> bool:
        """Restart the board when its contactor is open; when it does not restart, try again so often.

        Any thread; the port must be woken afterwards. True: it is under way, and `on_reboot` or RESET_FAILED ends it.
        False: this board knows no restart.
        """

    def request_detector_test(self) -> None:
        """Let the board test its leakage detector when no energy is wanted; `BoardState.detector_test` tells how it
        went. Nothing happens where it says NONE. Any thread; the port must be woken afterwards.
        """


class MeterDriver(NamedDevice, Protocol):
    """An energy meter: tells samples."""

    def set_fast(self, fast: bool) -> bool:
        """Read every second (energy flows) or every five. True when the port must be woken. Any thread."""

    def request_fresh(self) -> None:
        """Read as soon as the line allows. Any thread; the port must be woken afterwards."""


Supervise = Callable[[BoardState], Demand]
BoardBuilder = Callable[[HardwareConfig, Clock, Counters, Supervise, Callable[[], None]], BoardDriver]
MeterBuilder = Callable[
    [HardwareConfig, Clock, Counters, Callable[[MeterSample], None], Callable[[bool], None]], MeterDriver
]
ReaderBuilder = Callable[[HardwareConfig, Clock, Counters, Callable[[str], None], Callable[[bool], None]], NamedDevice]


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What people and the settings know of a device.

    Attributes:
        title: make and model. wire: how it talks, for people.
        baud, parity: as it is delivered; settings may say otherwise.
        has_unit: it has a Modbus address.
        note: what the installer must know before choosing it.
    """

    title: str
    wire: str
    baud: int
    parity: str = "N"
    has_unit: bool = False
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class BoardKind(Kind):
    """A family of boards."""

    capabilities: BoardCapabilities
    build: BoardBuilder


@dataclass(frozen=True, kw_only=True)
class MeterKind(Kind):
    """A model of meters, and how many phases it measures."""

    phases: int
    build: MeterBuilder


@dataclass(frozen=True, kw_only=True)
class ReaderKind(Kind):
    """A kind of card readers."""

    build: ReaderBuilder


@dataclass(frozen=True, kw_only=True)
class PanelKind(Kind):
    """A kind of panels. `line_opener`: how its port is opened when it is no serial port, else None."""

    line_opener: Callable[[HardwareConfig], Callable[[], Line] | None] = lambda config: None


def _openevse(
    config: HardwareConfig, clock: Clock, counters: Counters, supervise: Supervise, on_reboot: Callable[[], None]
) -> BoardDriver:
    return OpenEvse(clock, counters, supervise, on_reboot, nominal_voltage_v=config.nominal_voltage_v)


def _evse_din(
    config: HardwareConfig, clock: Clock, counters: Counters, supervise: Supervise, on_reboot: Callable[[], None]
) -> BoardDriver:
    baud = config.board_baud or BOARDS["evse_din"].baud
    return EvseDin(clock, counters, supervise, on_reboot, unit=config.board_unit, baud=baud)


def _meter(name: str, registers: Callable[[], Registers]) -> MeterBuilder:
    def build(
        config: HardwareConfig,
        clock: Clock,
        counters: Counters,
        on_sample: Callable[[MeterSample], None],
        on_failed: Callable[[bool], None],
    ) -> MeterDriver:
        return ModbusMeter(
            name,
            registers(),
            clock,
            counters,
            on_sample,
            on_failed,
            unit=config.meter_unit,
            baud=config.meter_baud or METERS[name].baud,
            tries=rtu_bus.TRIES if config.share_a_port else rtu_link.TRIES,
            max_current_a=config.max_current_a,
            nominal_voltage_v=config.nominal_voltage_v,
            energy_rate_factor=float(config.options.get("energy_rate_factor", "1")),
        )

    return build


def _sdm(name: str) -> MeterBuilder:
    return _meter(name, lambda: SDM_MODELS[name])


def _pn532(
    config: HardwareConfig,
    clock: Clock,
    counters: Counters,
    on_card: Callable[[str], None],
    on_failed: Callable[[bool], None],
) -> NamedDevice:
    reversed_uid = config.options.get("uid_order", "normal") == "reversed"
    return Pn532(clock, counters, on_card, on_failed, reversed_uid=reversed_uid)


def _rdm6300(
    config: HardwareConfig,
    clock: Clock,
    counters: Counters,
    on_card: Callable[[str], None],
    on_failed: Callable[[bool], None],
) -> NamedDevice:
    return Rdm6300(clock, counters, on_card, on_failed, id_only=config.options.get("em4100", "full10") == "id8")


def _ascii(
    config: HardwareConfig,
    clock: Clock,
    counters: Counters,
    on_card: Callable[[str], None],
    on_failed: Callable[[bool], None],
) -> NamedDevice:
    return AsciiReader(clock, counters, on_card, on_failed)


BOARDS: Mapping[str, BoardKind] = {
    "openevse": BoardKind(
        title="OpenEVSE controller",
        wire=Sentence("RAPI on a UART"),
        baud=115_200,
        note=Sentence(
            "Buy it with boot lock: without it, a plugged car is charged until the station is up after a power cut."
        ),
        capabilities=BoardCapabilities(
            boot_lock=None,
            host_death=Sentence("limits the car to 6 A within 10 s"),
            reset=True,
        ),
        build=_openevse,
    ),
    "evse_din": BoardKind(
        title=Sentence("EVSE-DIN or EVSE-WB (evracing), revision 17 or later"),
        wire="Modbus RTU",
        baud=9_600,
        has_unit=True,
        note=Sentence(
            "It has no leakage detector, earth check, contactor check, thermometer or watchdog of its own: fit a "
            "leakage detector (type B, or type A with 6 mA DC), and the enable line of a panel."
        ),
        capabilities=BoardCapabilities(
            boot_lock=False,
            host_death=Sentence("goes on charging at the last limit"),
            reset=False,
        ),
        build=_evse_din,
    ),
}

_ORNO_NOTE = Sentence("Its register moves in steps of 10 Wh: coarse for billing.")

METERS: Mapping[str, MeterKind] = {
    "sdm120": MeterKind(
        title="Eastron SDM120-Modbus",
        wire="Modbus RTU",
        baud=9_600,
        has_unit=True,
        phases=1,
        note=Sentence("New ones talk at 2400 baud: set 2400 here, or 9600 at the meter."),
        build=_sdm("sdm120"),
    ),
    "sdm230": MeterKind(
        title="Eastron SDM230-Modbus",
        wire="Modbus RTU",
        baud=9_600,
        has_unit=True,
        phases=1,
        build=_sdm("sdm230"),
    ),
    "sdm630": MeterKind(
        title="Eastron SDM630-Modbus",
        wire="Modbus RTU",
        baud=9_600,
        has_unit=True,
        phases=3,
        build=_sdm("sdm630"),
    ),
    "orno514": MeterKind(
        title="ORNO OR-WE-514",
        wire="Modbus RTU",
        baud=9_600,
        parity="E",
        has_unit=True,
        phases=1,
        note=_ORNO_NOTE,
        build=_meter("orno514", OrnoRegisters),
    ),
    "orno515": MeterKind(
        title="ORNO OR-WE-515",
        wire="Modbus RTU",
        baud=9_600,
        parity="E",
        has_unit=True,
        phases=1,
        note=_ORNO_NOTE,
        build=_meter("orno515", OrnoRegisters),
    ),
}

READERS: Mapping[str, ReaderKind] = {
    "pn532": ReaderKind(title=Sentence("PN532, ISO 14443 A cards"), wire="HSU (UART)", baud=115_200, build=_pn532),
    "rdm6300": ReaderKind(
        title=Sentence("RDM6300 or RDM630, EM4100 tags (125 kHz)"),
        wire=Sentence("UART, talks only"),
        baud=9_600,
        note=Sentence("Such tags are easily copied, and a dead reader cannot be told from a silent one."),
        build=_rdm6300,
    ),
    "ascii": ReaderKind(
        title=Sentence("Reader that sends a line of text per card"),
        wire=Sentence("serial text"),
        baud=115_200,
        note=Sentence("A dead reader cannot be told from a silent one."),
        build=_ascii,
    ),
}


def _gpio(config: HardwareConfig) -> Callable[[], Line] | None:
    """A chip is opened as such; any other port (a simulated panel) speaks the panel's frames itself."""
    if not Path(config.panel_port).name.startswith("gpiochip"):
        return None
    wiring = {name: config.options.get(f"panel_{name}", "") for name in (*OUTPUTS, *INPUTS)}
    return lambda: GpioLine(config.panel_port, wiring)


PANELS: Mapping[str, PanelKind] = {
    "gpiod": PanelKind(
        title=Sentence("Lamps, buzzer and contacts on GPIO lines"),
        wire=Sentence("GPIO chip of the kernel (libgpiod)"),
        baud=115_200,
        note=Sentence("The enable line, when it is wired, opens the contactor when the station dies."),
        line_opener=_gpio,
    ),
    "serial": PanelKind(
        title=Sentence("Lamps, buzzer and contacts behind a microcontroller"),
        wire=Sentence("lines of text with a checksum"),
        baud=115_200,
        note=Sentence("The microcontroller must switch everything off when it hears nothing for 3 s."),
    ),
}


def port_problem(config: HardwareConfig) -> tuple[str, Sentence] | None:
    """Why two devices cannot be on one port: which one is too many, and a sentence with the cure; None: all is well.

    Only a board and a meter on Modbus RTU can share one, at the same speed and parity and under different addresses.
    Raises ValueError for an unknown device.
    """
    taken: dict[str, str] = {}
    for what in ("board", "meter", "reader", "panel"):
        path = getattr(config, f"{what}_port")
        if not getattr(config, what) or not path:
            continue
        if path in taken:
            both = (taken[path], what)
            if sentence := _sharing_problem(config) if both == ("board", "meter") else _own_port(what, taken[path]):
                return what, sentence
        taken[path] = what
    return None


_DEVICES = {
    "board": Sentence("board"),
    "meter": Sentence("meter"),
    "reader": Sentence("reader"),
    "panel": Sentence("panel"),
}


def _own_port(what: str, other: str) -> Sentence:
    return Sentence(
        "The {other} is on this port already: give the {what} an own adapter.",
        other=_DEVICES[other],
        what=_DEVICES[what],
    )


def _sharing_problem(config: HardwareConfig) -> Sentence:
    board, meter = board_kind(config.board), meter_kind(config.meter)
    if not board.has_unit or not meter.has_unit:
        own_port = _own_port("meter", "board")
        return Sentence("{own_port} Only devices on Modbus RTU can share one.", own_port=own_port)
    if config.board_unit == config.meter_unit:
        return Sentence(
            "Board and meter share this port and have the same Modbus address {board_unit}: change one.",
            board_unit=config.board_unit,
        )
    speeds = (config.board_baud or board.baud, config.meter_baud or meter.baud)
    parities = (board.parity, config.meter_parity or meter.parity)
    if speeds[0] != speeds[1] or parities[0] != parities[1]:
        return Sentence(
            "Board and meter share this port: set the meter to {board} as the board, not {meter}, "
            "at the meter and here.",
            board=f"{speeds[0]} baud 8{parities[0]}1",
            meter=f"{speeds[1]} baud 8{parities[1]}1",
        )
    return NOTHING


def panel_kind(name: str) -> PanelKind:
    """Raises ValueError, naming the known ones."""
    return _known("panel", name, PANELS)


def board_kind(name: str) -> BoardKind:
    """Raises ValueError, naming the known ones."""
    return _known("board", name, BOARDS)


def meter_kind(name: str) -> MeterKind:
    """Raises ValueError, naming the known ones."""
    return _known("meter", name, METERS)


def reader_kind(name: str) -> ReaderKind:
    """Raises ValueError, naming the known ones."""
    return _known("reader", name, READERS)


def _known(what: str, name: str, kinds: Mapping[str, K]) -> K:
    if name not in kinds:
        raise ValueError(f"unknown {what} {name!r}; known: {', '.join(kinds)}")
    return kinds[name]
