"""Mass production: from one template a provisioning file for each unit, and what its label says.

Every secret comes from the source of randomness of the system; none can be derived from a serial number or another one.
"""

from __future__ import annotations

import json
import os
import secrets
import tomllib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from segno import helpers

from station import people, provisioning
from station.errors import EX_CANTCREAT, EX_NOINPUT, EX_USAGE, StartupError
from station.network.profiles import Hotspot, new_hotspot

MOST_UNITS = 10_000


def make(template: Path, folder: Path, pattern: str, first: int, count: int) -> Iterator[dict[str, str]]:
    """Write `<serial>.toml` (mode 0600) for each unit, and yield what its label says.

    Args:
        pattern: of the serial numbers, with one number field, like "HEV{:06d}".

    Raises:
        StartupError: 64 the pattern or a number cannot be used, 66 the template cannot be read, 73 a file exists
            already (a unit never gets other secrets by mistake) or cannot be written, 78 the template does not
            make a station, or would give all units one secret.
    """
    if not 1 <= count <= MOST_UNITS or first < 0:
        raise StartupError(f"From 0 on, 1 to {MOST_UNITS} units at a time.", EX_USAGE)
    try:
        serials = [pattern.format(number) for number in range(first, first + count)]
    except (ValueError, IndexError, KeyError) as error:
        raise StartupError(
            f'"{pattern}" is no pattern ({error}). Write for example "HEV{{:06d}}".', EX_USAGE
        ) from error
    if len(set(serials)) < count or not all(serial.isascii() and serial.isalnum() for serial in serials):
        raise StartupError('Serial numbers are letters and digits with one number in them: "HEV{:06d}".', EX_USAGE)
    try:
        tables = tomllib.loads(template.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise StartupError(f"The template {template} cannot be read ({error}).", EX_NOINPUT) from error
    if not all(isinstance(table, dict) for table in tables.values()):
        raise StartupError(f"The template {template} holds a value outside a table, like [backend].")
    if {"ssid", "passphrase"} & set(tables.get("hotspot", {})):
        raise StartupError(
            f"The template {template} holds the hotspot's name or passphrase, which would be the same for all units. "
            "Leave them out: each unit gets its own."
        )
    names: set[str] = set()
    for serial in serials:
        hotspot = next(made for made in iter(new_hotspot, None) if made.ssid not in names)
        names.add(hotspot.ssid)
        yield _unit(tables, folder / f"{serial}.toml", serial, hotspot)


def _unit(tables: Mapping[str, Any], path: Path, serial: str, hotspot: Hotspot) -> dict[str, str]:
    backend, web = dict(tables.get("backend", {})), dict(tables.get("web", {}))
    backend.setdefault("charge_point_id", serial)
    if backend.get("security_profile") and not backend.get("authorization_key"):
        backend["authorization_key"] = secrets.token_hex(20)
    web.update(admin_password=people.one_time_password(), admin_password_once=True)
    identity = {**tables.get("identity", {}), "serial_number": serial, "charge_box_serial_number": serial}
    radio = {**tables.get("hotspot", {}), "ssid": hotspot.ssid, "passphrase": hotspot.passphrase}
    content = _toml({**tables, "identity": identity, "backend": backend, "hotspot": radio, "web": web})
    try:
        with os.fdopen(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w", encoding="utf-8") as file:
            file.write(content)
    except FileExistsError as error:
        raise StartupError(f"{path} exists already: that unit has its secrets.", EX_CANTCREAT) from error
    except OSError as error:
        raise StartupError(f"{path} cannot be written ({error.strerror}).", EX_CANTCREAT) from error
    try:
        provisioning.parse(str(path))
    except StartupError:
        path.unlink()
        raise
    return {
        "serial_number": serial,
        "charge_point_id": backend["charge_point_id"],
        "authorization_key": backend.get("authorization_key", ""),
        "user": web.get("admin_user", provisioning.WebSettings().admin_user),
        "password": web["admin_password"],
        "hotspot_ssid": hotspot.ssid,
        "hotspot_passphrase": hotspot.passphrase,
        "hotspot_qr": helpers.make_wifi_data(hotspot.ssid, hotspot.passphrase, "WPA"),
        "file": path.name,
    }


def _toml(tables: Mapping[str, Mapping[str, Any]]) -> str:
    lines = []
    for section, table in tables.items():
        lines.append(f"[{section}]")
        lines += [
            f"{json.dumps(name)} = {json.dumps(value, ensure_ascii=False)}" for name, value in table.items()
        ]  # a TOML value as well
        lines.append("")
    return "\n".join(lines)
