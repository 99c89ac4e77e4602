"""Command line of the simulator: `python -m hardware.simulator --data-dir DIR --http HOST:PORT …`."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from hardware.simulator.devices import BOARDS, METERS, READERS
from hardware.simulator.openevse_build import BoardBuild
from hardware.simulator.process import CannotStart, SimulatorProcess
from hardware.simulator.simulation import SimulationConfig
from hardware.simulator.stored_state import CAR_AT_START

EXIT_CANNOT_START = 75


def main(arguments: list[str] | None = None) -> int:
    """Run until SIGTERM, SIGINT or the parent's death. Exit code 0, or 75 when the address is taken."""
    options = _parser().parse_args(arguments)
    host, _, port = options.http.rpartition(":")
    if not host or not port.isdecimal() or int(port) > 65_535:
        return _refuse(f"STATION_SIM_HTTP must be host:port such as 127.0.0.1:8081, not {options.http!r}.")
    config = SimulationConfig(
        board=options.board,
        meter=options.meter or ("sdm630" if options.phases == 3 else "sdm230"),
        reader=options.reader,
        phases=options.phases,
        nominal_voltage_v=options.nominal_voltage,
        max_current_a=round(options.max_current),
        enable_line=options.enable_line,
        shared_line=options.shared_line,
        board_unit=options.board_unit,
        meter_unit=options.meter_unit,
        car=options.car,
        speed=options.speed,
        seed=options.seed,
        build=BoardBuild(
            options.board_firmware, options.boot_lock, options.post_s, options.gfi_test_s, options.auth_lock
        ),
    )
    process = SimulatorProcess(
        options.data_dir.absolute(), host.strip("[]"), int(port), config, die_with_parent=options.die_with_parent
    )
    try:
        process.start()
    except CannotStart as cannot:
        return _refuse(str(cannot))
    sys.stdout.write(f"simulator ready {process.url} ports={process.ports_dir}\n")
    sys.stdout.flush()
    process.run()
    process.close()
    return 0


def _refuse(sentence: str) -> int:
    sys.stderr.write(f"{sentence}\n")
    return EXIT_CANNOT_START


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="hardware.simulator", description=__doc__)
    add = parser.add_argument
    add("--data-dir", type=Path, required=True, help="folder of ports/ and nvram.json")
    add("--http", required=True, metavar="HOST:PORT", help="address of the control; port 0 takes any free one")
    add("--board", choices=list(BOARDS), default="openevse")
    add("--board-unit", type=_number(int, 1, 247), default=1, help="Modbus unit of the board, where it has one")
    add("--meter", choices=METERS, help="default: sdm230, with three phases sdm630")
    add("--meter-unit", type=_number(int, 1, 247), default=1, help="Modbus unit of the meter")
    add("--reader", choices=list(READERS), default="pn532")
    add("--enable-line", action="store_true", help="the contactor's coil is supplied by the panel's enable line")
    add("--shared-line", action="store_true", help="board and meter are on one RS-485 line, the board's port")
    add("--phases", type=int, choices=[1, 3], default=1)
    add("--nominal-voltage", type=_number(float, 50, 400), default=230.0, help="volts, line to neutral")
    add("--max-current", type=_number(float, 6, 80), default=16.0, help="amperes the board is commissioned to")
    add("--car", choices=CAR_AT_START, default="keep", help="the car at the start")
    add("--speed", type=_number(float, 0.01, 10_000), default=1.0, help="world seconds in a real second")
    add("--seed", type=int, default=1, help="of every random thing")
    add("--die-with-parent", action="store_true", help="end when standard input reaches its end")
    add("--boot-lock", action=argparse.BooleanOptionalAction, default=True, help="the board waits for $SB after boot")
    add("--auth-lock", action="store_true", help="the board is locked until $S4 0, at boot and after every car")
    add("--board-firmware", default="8.2.3", help="8.2.3, or 8.2.3.EU with over-current trip")
    add("--post-s", type=_number(float, 0, 60), default=2.0, help="world seconds of the board's self-test at boot")
    add("--gfi-test-s", type=_number(float, 0, 60), default=1.1, help="world seconds of its test before closing")
    return parser


def _number(kind: type[int] | type[float], low: float, high: float):  # type: ignore[no-untyped-def]
    def parse(text: str) -> float:
        value = kind(text)
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"must be from {low:g} to {high:g}")
        return value

    parse.__name__ = kind.__name__
    return parse


if __name__ == "__main__":
    sys.exit(main())
