"""Which simulated device plays which name of the registry, and what all of them have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Protocol

from hardware.simulator.ascii_reader import AsciiReader
from hardware.simulator.cards import Card, CardQueue
from hardware.simulator.evse_din import EvseDin
from hardware.simulator.metrology import Metrology
from hardware.simulator.openevse import OpenEvse
from hardware.simulator.openevse_build import BoardBuild, BoardSense
from hardware.simulator.openevse_memory import Eeprom
from hardware.simulator.orno import MODELS as ORNO_MODELS
from hardware.simulator.orno import Orno
from hardware.simulator.pilot import Pilot
from hardware.simulator.pn532 import Pn532
from hardware.simulator.rdm6300 import Rdm6300
from hardware.simulator.rtu_slave import RtuSlave
from hardware.simulator.sdm import MODELS as SDM_MODELS
from hardware.simulator.sdm import Sdm


class Device(Protocol):
    """What all simulated devices have in common: a supply and a line."""

    def power_off(self) -> None: ...
    def receive(self, data: bytes) -> None: ...
    def take_output(self) -> bytes: ...


class BoardModel(Device, Protocol):
    """An EVSE board. `section` names its part of the non-volatile memory; `reset_fails`: it ignores a restart."""

    section: str
    reset_fails: bool

    @property
    def ready(self) -> bool: ...
    @property
    def valid_frames(self) -> int: ...
    @property
    def pilot(self) -> Pilot: ...
    @property
    def relay_closed(self) -> bool: ...
    @property
    def is_moving(self) -> bool: ...
    @property
    def mode(self) -> str: ...
    @property
    def state_name(self) -> str: ...
    def power_on(self, now: float) -> None: ...
    def step(self, dt: float, now: float, sense: BoardSense) -> None: ...
    def memory(self) -> dict[str, object]: ...
    def report(self) -> dict[str, object]: ...


class MeterModel(Device, Protocol):
    """An energy meter on Modbus RTU."""

    model: str
    nan: bool
    slave: RtuSlave

    def power_on(self) -> None: ...


class ReaderModel(Device, Protocol):
    """A card reader. `uid` and `text` turn what people write into what the card holds, and back."""

    valid_frames: int
    second_uid: bytes | None

    def power_on(self) -> None: ...
    def step(self, now: float, arrived: Card | None) -> None: ...
    def uid(self, text: str) -> bytes: ...
    def text(self, uid: bytes) -> str: ...


class Bus:
    """Several slaves on one RS-485 line: each hears the master and all the others, and answers to its own address."""

    def __init__(self, devices: tuple[Device, ...]) -> None:
        self._devices = devices

    def power_off(self) -> None:
        """Mains is gone."""
        for device in self._devices:
            device.power_off()

    def receive(self, data: bytes) -> None:
        """Bytes of the master."""
        for device in self._devices:
            device.receive(data)

    def take_output(self) -> bytes:
        """The bytes sent since the last call, by whoever was asked."""
        output = b""
        for device in self._devices:
            data = device.take_output()
            for other in self._devices:
                if data and other is not device:
                    other.receive(data)
            output += data
        return output


Sections = Mapping[str, Mapping[str, object]]


@dataclass(frozen=True)
class BoardSettings:
    """How a simulated board is made: `build` is of the OpenEVSE, `unit` the Modbus address of the others."""

    max_current_a: int
    unit: int
    build: BoardBuild


def _openevse(stored: Sections, settings: BoardSettings, on_change: Callable[[], None]) -> BoardModel:
    eeprom = Eeprom.from_dict(stored.get(OpenEvse.section, {}))
    eeprom.commission(settings.max_current_a)
    return OpenEvse(eeprom, settings.build, on_change)


def _evse_din(stored: Sections, settings: BoardSettings, on_change: Callable[[], None]) -> BoardModel:
    return EvseDin(stored.get(EvseDin.section, {}), unit=settings.unit, on_change=on_change)


#: name -> its model, from what is stored and how it was ordered; the last argument is called when its memory changed
BOARDS: dict[str, Callable[[Sections, BoardSettings, Callable[[], None]], BoardModel]] = {
    "openevse": _openevse,
    "evse_din": _evse_din,
}
READERS: dict[str, Callable[[CardQueue], ReaderModel]] = {"pn532": Pn532, "rdm6300": Rdm6300, "ascii": AsciiReader}
METERS = (*SDM_MODELS, *ORNO_MODELS)
#: The only reader that must ask; the others send a card by themselves.
POLLED_READERS = ("pn532",)
#: Bits per second of the line a device is on.
BAUD = {"openevse": 115_200, "pn532": 115_200, "panel": 115_200}
USUAL_BAUD = 9_600


def make_meter(
    model: str, metrology: Metrology, *, unit: int, serial: int, before_energy: Callable[[], None]
) -> MeterModel:
    """The meter of that name. `before_energy` is called before a register value leaves it."""
    if model in ORNO_MODELS:
        return Orno(model, metrology, unit=unit, before_energy=before_energy)
    return Sdm(model, metrology, unit=unit, serial=serial, before_energy=before_energy)
