"""What of the simulated box lasts, as sections of the non-volatile memory, and how the car comes back from them."""

from __future__ import annotations

from collections.abc import Mapping

from hardware.simulator.devices import BoardModel
from hardware.simulator.ev import ElectricVehicle
from hardware.simulator.metrology import Metrology

CAR_AT_START = ("keep", "plugged", "unplugged")


def stored_sections(metrology: Metrology, board: BoardModel, ev: ElectricVehicle) -> dict[str, dict[str, object]]:
    """Everything that survives a power cut."""
    return {
        "meter": {"energy_wh": metrology.energy_wh},
        board.section: board.memory(),
        "car": {"plugged": ev.plugged, "soc": ev.soc_percent, "parameters": ev.parameters.differences()},
    }


def restore_car(ev: ElectricVehicle, stored: Mapping[str, object], car: str) -> None:
    """Put the car where it was (`keep`) or where it is wanted; one that makes no sense becomes a default one."""
    plugged = car == "plugged" or (car == "keep" and stored.get("plugged") is True)
    if not plugged:
        return
    parameters = stored.get("parameters")
    known = dict(parameters) if stored.get("plugged") is True and isinstance(parameters, dict) else {}
    if stored.get("plugged") is True and "soc" in stored:
        known["soc"] = stored["soc"]
    try:
        ev.plug(known)
    except ValueError:
        ev.plug({})
