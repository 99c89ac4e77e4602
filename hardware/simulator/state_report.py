"""The state of the simulated box as the control protocol shows it (design.md, section 5)."""

from __future__ import annotations

from dataclasses import asdict

from hardware.simulator.simulation import Simulation


def state_report(simulation: Simulation) -> dict[str, object]:
    """Everything at this moment. Amperes and volts are the truth; `energy_wh` is the meter's register."""
    simulation.store_register()  # what is shown once cannot be taken back by a kill
    world, board = simulation.world, simulation.board
    return {
        "ready": is_ready(simulation),
        "mode": board.mode if simulation.powered else "power_cut",
        "plugged": world.ev.plugged,
        "cp": world.cp,
        "relay": world.energised,
        "offered_a": round(board.pilot.offered_a, 2),
        "current_a": round(world.current_a, 3),
        "power_w": round(world.power_w, 1),
        "energy_wh": simulation.metrology.values.import_wh,
        "voltage_v": round(world.voltage_v, 2),
        "frequency_hz": round(world.frequency_hz, 3),
        "temperature_c": round(world.thermal.temperature_c, 1),
        "soc": round(world.ev.soc_percent, 3),
        "faults": sorted(world.faults),
        "powered": simulation.powered,
        "speed": simulation.speed,
        "phases": simulation.config.phases,
        "uptime_s": round(simulation.now - simulation.started_at, 3),
        "world_s": round(world.time_s, 3),
        "board_state": board.state_name,
        "board": board.report(),
        "meter": _meter(simulation),
        "reader": _reader(simulation),
        "panel": {**simulation.panel.outputs, "valid_frames": simulation.panel.valid_frames},
        "links": {port: _link(simulation, port) for port in simulation.lines},
        "ev": {**asdict(world.ev.parameters), "soc": round(world.ev.soc_percent, 3)},
        "log_seq": simulation.log.last_seq,
    }


def is_ready(simulation: Simulation) -> bool:
    """The station has opened its ports (a valid frame came to the board) and the board passed its self-test."""
    return simulation.board.valid_frames > 0 and simulation.board.ready


def _meter(simulation: Simulation) -> dict[str, object]:
    meter = simulation.meter
    return {
        "kind": meter.model,
        "unit": meter.slave.unit,
        "gain": round(simulation.metrology.gain, 6),
        "valid_frames": meter.slave.valid_frames,
    }


def _reader(simulation: Simulation) -> dict[str, object]:
    card = simulation.cards.card
    shown = None if card is None else simulation.reader.text(card.uid)
    return {
        "kind": simulation.config.reader,
        "card": shown,
        "waiting": len(simulation.cards) - (card is not None),
        "valid_frames": simulation.reader.valid_frames,
    }


def _link(simulation: Simulation, port: str) -> dict[str, object]:
    line = simulation.lines[port]
    left_s = None if line.ends_at is None else round(max(0.0, line.ends_at - simulation.now), 3)
    return {"mode": line.mode.name, "seconds_left": left_s}
