"""What the provisioning file may say: every table, every name, and the rule of its value (design.md, section 5).

A rule takes a value from the file and returns it as it is kept, or raises `Wrong` with what is wrong and what cures it.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from datetime import date
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from hardware import registry
from hardware.panel import INPUTS, OUTPUTS
from ocppclient import feature_profiles
from ocppclient.firmware_signature import ALGORITHMS
from ocppclient.link import endpoint
from ocppclient.sentence import Sentence, quoted
from station.network import rules as network_rules
from station.regions import REGIONS

#: (value, folder that relative file names start from) → the value as it is kept.
Rule = Callable[[Any, Path], Any]


class Wrong(ValueError):
    """A value that cannot be used; the text says why, and what to write instead: the rest of a sentence about it.

    What the forms of the pages can meet as well is a `Sentence`; the rest is only told about files, in English.
    """


def text(longest: int = 500, empty: bool = True) -> Rule:
    """Printable text; blanks around it (pasted) are dropped."""

    def rule(value: Any, _: Path) -> str:
        if not isinstance(value, str):
            raise Wrong(f"must be text in quotes, not {_spelled(value)}")
        words = value.strip()
        if len(words) > longest:
            raise Wrong(
                Sentence("has {length} characters; at most {longest} are allowed", length=len(words), longest=longest)
            )
        if not words and not empty:
            raise Wrong(Sentence("must not be empty"))
        if words and not words.isprintable():
            raise Wrong(Sentence("holds characters that cannot be printed; write it again by hand"))
        return words

    return rule


def number(low: float, high: float, unit: str = "") -> Rule:
    """A number from `low` to `high`."""

    def rule(value: Any, _: Path) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise Wrong(f"must be a number, not {_spelled(value)}")
        if not low <= value <= high:
            raise Wrong(
                Sentence(
                    "is {value}; it must lie between {low} and {high}",
                    value=value,
                    low=f"{low:g}",
                    high=f"{high:g} {unit}".rstrip(),
                )
            )
        return float(value)

    return rule


def whole(low: int, high: int) -> Rule:
    """A whole number from `low` to `high`."""

    def rule(value: Any, _: Path) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise Wrong(f"must be a whole number, not {_spelled(value)}")
        if not low <= value <= high:
            raise Wrong(Sentence("is {value}; it must lie between {low} and {high}", value=value, low=low, high=high))
        return value

    return rule


def boolean(value: Any, _: Path) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise Wrong(f"must be true or false (without quotes), not {_spelled(value)}")
    return value


def one_of(*allowed: str | int) -> Rule:
    """One of a few values."""

    def rule(value: Any, _: Path) -> Any:
        if isinstance(value, bool) or value not in allowed:
            choices = ", ".join(_spelled(choice) for choice in allowed)
            raise Wrong(Sentence("is {value}; use one of {choices}", value=_spelled(value), choices=choices))
        return value

    return rule


def some_of(*allowed: str) -> Rule:
    """A list of some of the values."""

    def rule(value: Any, folder: Path) -> list[str]:
        if not isinstance(value, list):
            raise Wrong(f"must be a list in square brackets, not {_spelled(value)}")
        return [one_of(*allowed)(item, folder) for item in value]

    return rule


def url(value: Any, folder: Path) -> str:
    """The backend's websocket address, without the charge point id; "" for no backend (field problem 4)."""
    address: str = text(2000)(value, folder)
    if not address:
        return ""
    try:
        return endpoint(address)
    except ValueError as wrong:
        raise Wrong(quoted(wrong)) from None


def secure_url(value: Any, folder: Path) -> str:
    """The same with TLS."""
    address = url(value, folder)
    if address and not address.lower().startswith("wss://"):
        raise Wrong("must begin with wss://: it is the address of security profiles 2 and 3")
    return address


def contact(value: Any, folder: Path) -> str:
    """Where flaws are reported, as security.txt wants it (RFC 9116 section 2.5.3); "" for nowhere."""
    address: str = text(500)(value, folder)
    if address and (" " in address or not address.lower().startswith(("mailto:", "https://", "tel:"))):
        raise Wrong("must be an address that begins with mailto:, https:// or tel:, without blanks")
    return address


def web_address(value: Any, folder: Path) -> str:
    """A page in the world; "" for none."""
    address: str = text(500)(value, folder)
    if address and (" " in address or not address.lower().startswith("https://")):
        raise Wrong("must be an address that begins with https://, without blanks")
    return address


def is_plain_https(address: str) -> bool:
    """https with a host; no credentials, which would stand in logs; no blanks; at most 2000 characters."""
    try:
        parts = urlsplit(address)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    is_clean = address.isascii() and address.isprintable() and " " not in address and "@" not in parts.netloc
    return parts.scheme == "https" and bool(host) and is_clean and len(address) <= 2000


def update_address(value: Any, folder: Path) -> str:
    """Where a list of updates lies; "" for nowhere."""
    address: str = text(2000)(value, folder)
    if address and not is_plain_https(address):
        raise Wrong(Sentence("must be an address that begins with https://, without blanks, name and password"))
    return address


def day(value: Any, folder: Path) -> str:
    """A date as text, "2031-12-31"; "" for none."""
    words: str = text(10)(value, folder)
    try:
        return date.fromisoformat(words).isoformat() if words else ""
    except ValueError:
        raise Wrong('must be a date in quotes as year-month-day, for example "2031-12-31"') from None


def authorization_key(value: Any, folder: Path) -> str:
    """The password of security profiles 1 and 2 (product.md, settled question 3); "" for none."""
    key: str = text(1000)(value, folder)
    if key and not (key.isascii() and 16 <= len(key) <= 40):
        raise Wrong(
            Sentence(
                "has {length} characters; the backend's key has 16 to 40 printable ASCII characters "
                "(or 32 to 40 hexadecimal digits)",
                length=len(key),
            )
        )
    return key


def pem_file(kind: str) -> Rule:
    """An existing PEM file that holds a `kind`; the name may be relative to the provisioning file. Kept as a path."""

    def rule(value: Any, folder: Path) -> str:
        name: str = text(4000)(value, folder)
        if not name:
            return ""
        path = folder / name
        try:
            content = path.read_bytes()
        except OSError as error:
            raise Wrong(f"names {name}, which cannot be read ({error.strerror}); looked for {path}") from None
        if b"-----BEGIN " not in content or kind.encode() not in content:
            raise Wrong(f"names {name}, which holds no {kind} in PEM form (-----BEGIN {kind}-----)")
        if b"ENCRYPTED" in content:
            raise Wrong(f"names {name}, which is locked by a pass phrase; the station needs it without one")
        return str(path)

    return rule


def pem_files(kind: str) -> Rule:
    """A list of such files."""

    def rule(value: Any, folder: Path) -> list[str]:
        if not isinstance(value, list):
            raise Wrong('must be a list of files, for example ["root.pem"]')
        return [path for item in value if (path := pem_file(kind)(item, folder))]

    return rule


def configuration_value(value: Any, folder: Path) -> str:
    """The value of a configuration key, as text."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int | float) and math.isfinite(value):
        return str(value)
    if isinstance(value, str):
        return str(text(500)(value, folder))
    raise Wrong(f"must be text, a number, true or false, not {_spelled(value)}")


def hotspot_name(value: Any, folder: Path) -> str:
    """The name of the station's own WiFi."""
    return _fits(lambda: network_rules.ssid(text(32, empty=False)(value, folder)).decode())


def hotspot_passphrase(value: Any, folder: Path) -> str:
    """Its passphrase; people type it, so the 64 digits of a raw key are none."""
    return _fits(lambda: network_rules.wifi_key(text(63, empty=False)(value, folder), "wpa"))


def _fits(read: Callable[[], str]) -> str:
    try:
        return read()
    except network_rules.Unfit as unfit:
        raise Wrong(f"cannot be used: {unfit}") from None


def _spelled(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, dict):
        return "a table"
    shown = repr(value).replace("'", '"') if isinstance(value, str) else str(value)
    return shown if len(shown) <= 60 else shown[:59] + "…"


#: Speeds and parities of serial lines; with none, 0 or "" a device has what it is delivered with.
BAUD_RATES = (1200, 2400, 4800, 9600, 19200, 38400, 57600, 115200)
PARITIES = ("N", "E", "O")
#: Names of the GPIO lines that are wired to the panel.
PANEL_LINES = tuple(f"panel_{name}" for name in (*OUTPUTS, *INPUTS))

#: Every table of the file but [ocpp], whose names are the configuration keys.
RULES: dict[str, dict[str, Rule]] = {
    "identity": {
        "vendor": text(20, empty=False),
        "model": text(20, empty=False),
        "serial_number": text(25),
        "charge_box_serial_number": text(25),
        "firmware_version": text(50),
        "meter_type": text(25),
        "meter_serial_number": text(25),
        "iccid": text(20),
        "imsi": text(20),
    },
    "backend": {
        "url": url,
        "secure_url": secure_url,
        "charge_point_id": text(48),
        "security_profile": one_of(0, 1, 2, 3),
        "authorization_key": authorization_key,
        "system_roots": boolean,
        "root_certificates": pem_files("CERTIFICATE"),
        "client_certificate": pem_file("CERTIFICATE"),
        "client_key": pem_file("PRIVATE KEY"),
        "manufacturer_roots": pem_files("CERTIFICATE"),
    },
    "electrical": {
        "max_current_a": number(6, 80, "A"),
        "nominal_voltage_v": number(100, 277, "V"),
        "phases": one_of(1, 3),
    },
    "charging": {
        "region": one_of("", *REGIONS),
    },
    "hardware": {
        "board": one_of(*registry.BOARDS),
        "board_port": text(),
        "board_unit": whole(1, 247),
        "board_baud": one_of(0, *BAUD_RATES),
        "meter": one_of(*registry.METERS, ""),
        "meter_port": text(),
        "meter_unit": whole(1, 247),
        "meter_baud": one_of(0, *BAUD_RATES),
        "meter_parity": one_of(*PARITIES, ""),
        "reader": one_of(*registry.READERS, ""),
        "reader_port": text(),
        "reader_baud": one_of(0, *BAUD_RATES),
        "panel": one_of(*registry.PANELS, ""),
        "panel_port": text(),
        # options of the drivers (hardware/interfaces.py)
        "energy_rate_factor": number(0.001, 1_000_000),
        "uid_order": one_of("normal", "reversed"),
        "em4100": one_of("full10", "id8"),
        "on_meter_lost": one_of("warn", "stop"),
        "on_wrong_voltage": one_of("warn", "stop"),
        "on_tamper": one_of("warn", "stop"),
        "simulated_lock": one_of("boot", "authorisation", "none"),
        **{name: text(64) for name in PANEL_LINES},
    },
    "factory": {
        "resume_after_power_loss": boolean,
        "feature_profiles": some_of(*feature_profiles.IMPLEMENTED),
        "queue_resume_delay_s": number(0, 3600, "s"),
        "queue_quota": whole(100, 10_000_000),
        "authorize_wait_s": number(0.1, 120, "s"),
        "boot_retry_s": number(0.1, 86400, "s"),
        "reconnect_min_s": number(0.05, 86400, "s"),
        "reconnect_max_s": number(0.05, 86400, "s"),
        "allow_unsigned_update": boolean,
        "firmware_signatures": some_of(*ALGORITHMS),
        "allow_local_transfers": boolean,
        "ballast_mib": whole(0, 1024),
    },
    "hotspot": {
        "ssid": hotspot_name,
        "passphrase": hotspot_passphrase,
        "wpa3_only": boolean,
    },
    "web": {
        "admin_user": text(150, empty=False),
        "admin_password": text(128),
        "admin_password_once": boolean,
        "metrics": boolean,
        "driver_page": boolean,
        "driver_receipt": boolean,
    },
    "updates": {
        "url": update_address,
        "install_at_night": boolean,
    },
    "support": {
        "security_contact": contact,
        "security_policy": web_address,
        "until": day,
    },
}
