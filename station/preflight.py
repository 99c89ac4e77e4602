"""What has to be free and present before the station starts; every refusal is one sentence with its cure."""

from __future__ import annotations

import errno
import fcntl
import logging
import os
import socket
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from hardware import hold_open
from hardware.interfaces import HardwareConfig
from station.errors import EX_CANTCREAT, EX_CONFIG, EX_NOINPUT, EX_TEMPFAIL, StartupError

log = logging.getLogger("station")

T = TypeVar("T")

#: A predecessor that is just ending gets so long, seconds.
PATIENCE_S = 3.0
_RETRY_S = 0.05


def lock_folder(folder: Path) -> int:
    """One station per data folder: a lock that ends with the process. Returns its descriptor; keep it open.

    Raises:
        StartupError: 75 another station runs on this folder, 73 the lock cannot be made.
    """
    path = folder / "station.lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        raise StartupError(f"The lock {path} cannot be made ({error.strerror}).", EX_CANTCREAT) from error
    try:
        _patiently(lambda: fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB))
    except OSError as error:
        os.close(descriptor)
        raise StartupError(
            f"Another station runs on the data folder {folder}. "
            "Stop it first, or set STATION_DATA_DIR to another folder.",
            EX_TEMPFAIL,
        ) from error
    return descriptor


def check_port(host: str, port: int, variable: str, purpose: str) -> None:
    """Somebody else must not listen there.

    Raises:
        StartupError: 75 the port is taken, 78 the address is not one of this machine.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(
            host or "0.0.0.0", port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
    except OSError as error:
        raise StartupError(f"{variable} names the host {host!r}, which is not known ({error}).", EX_CONFIG) from error

    def try_it() -> None:
        with socket.socket(family, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
            probe.listen(1)

    try:
        _patiently(try_it)
    except OSError as error:
        if error.errno == errno.EADDRNOTAVAIL:
            text = f"{variable} names the address {host}, which this machine does not have."
            raise StartupError(f"{text} Use 127.0.0.1, 0.0.0.0 or one of its own.", EX_CONFIG) from error
        raise StartupError(
            f"The {purpose} cannot listen on {host}:{port} ({error.strerror}). "
            f"Set {variable} to a free host:port, or stop what uses this one.",
            EX_TEMPFAIL,
        ) from error


def check_serial_ports(config: HardwareConfig) -> None:
    """Every device that is fitted has its port.

    Raises:
        StartupError: 78 no port is configured, 66 it is not there.
    """
    for name, device, path in (
        ("board", config.board, config.board_port),
        ("meter", config.meter, config.meter_port),
        ("reader", config.reader, config.reader_port),
        ("panel", config.panel, config.panel_port),
    ):
        if device and not path:
            raise StartupError(
                f"No serial port is configured for the {name} ({device}). Give {name}_port in [hardware] of the "
                "provisioning file (for example /dev/serial/by-id/…), or start with --simulate.",
                EX_CONFIG,
            )
        if device and not Path(path).exists():
            raise StartupError(
                f"The serial port {path} of the {name} ({device}) is not there. Check the cable and {name}_port in "
                "[hardware], or start with --simulate.",
                EX_NOINPUT,
            )


def tell_missing_ports(config: HardwareConfig) -> None:
    """An appliance starts without them, shows the fault and waits: nobody sits there to read an exit code."""
    try:
        check_serial_ports(config)
    except StartupError as error:
        log.error("%s The station starts without it.", error)


def note_hardware(folder: Path, config: HardwareConfig) -> None:
    """Whoever keeps the contactor open in safe mode has to know the board (deploy/safe_mode.py)."""
    try:
        hold_open.note(folder / hold_open.NOTE, config)
    except OSError as error:
        log.error("What safe mode needs to know of the hardware could not be written: %s", error)


def _patiently(attempt: Callable[[], T]) -> T:
    deadline, waiting = time.monotonic() + PATIENCE_S, threading.Event()
    while True:
        try:
            return attempt()
        except OSError as error:
            if error.errno not in (errno.EADDRINUSE, errno.EWOULDBLOCK) or time.monotonic() >= deadline:
                raise
            waiting.wait(_RETRY_S)
