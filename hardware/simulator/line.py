"""A serial line between host and device with everything that goes wrong on one (hardware.md, section 10).

Pure: bytes and real seconds in, bytes out. Whether the plug is in at all is the port's business.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass

from hardware.simulator.byte_log import ByteLog
from hardware.simulator.openevse_controller import RELAY_TEXT

_NOT_PACED_BELOW_S = 0.005  # shorter transmissions are not worth a wake-up


@dataclass(frozen=True)
class LinkMode:
    """What the line does to the bytes.

    Attributes:
        name: ok; unplugged; mute (nothing passes); drop (`rate` of the pieces is lost); late (answers come
            `delay_s` later); corrupt (`rate` of the bytes is changed, both ways); garbage (`bytes` random bytes
            before each answer, or `inside` it, and every `every_s`); split (byte by byte, `gap_s` apart);
            echo (the host hears itself); duplicate (answers come twice); boot_text (the board's relay text
            before each answer).
    """

    name: str = "ok"
    rate: float = 0.0
    delay_s: float = 0.0
    gap_s: float = 0.0
    bytes: int = 0
    every_s: float = 0.0
    inside: bool = False


# per mode: its parameters with default and range
MODES: dict[str, dict[str, tuple[float, float, float]]] = {
    "ok": {},
    "unplugged": {},
    "mute": {},
    "echo": {},
    "duplicate": {},
    "boot_text": {},
    "drop": {"rate": (0.3, 0, 1)},
    "corrupt": {"rate": (0.01, 0, 1)},
    "late": {"delay_s": (1.5, 0, 3600)},
    "split": {"gap_s": (0.003, 0, 10)},
    "garbage": {"bytes": (16, 1, 1024), "every_s": (0.5, 0.01, 3600)},
}


def link_mode(name: object, params: Mapping[str, object]) -> LinkMode:
    """A checked mode. Raises ValueError with a sentence that names the cure."""
    if not isinstance(name, str) or name not in MODES:
        raise ValueError(f"There is no link mode {name!r}. Use one of: {', '.join(sorted(MODES))}.")
    allowed = MODES[name]
    values: dict[str, float | int | bool] = {key: default for key, (default, _, _) in allowed.items()}
    for key, value in params.items():
        if name == "garbage" and key == "inside" and isinstance(value, bool):
            values[key] = value
            continue
        if key not in allowed:
            known = ", ".join([*allowed, "seconds"])
            raise ValueError(f"The link mode {name!r} has no parameter {key!r}. It takes: {known}.")
        _, low, high = allowed[key]
        if isinstance(value, bool) or not isinstance(value, int | float) or not low <= value <= high:
            raise ValueError(f"{key!r} must be a number from {low:g} to {high:g}, not {value!r}.")
        values[key] = value
    if "bytes" in values:
        values["bytes"] = int(values["bytes"])
    return LinkMode(name, **values)  # type: ignore[arg-type]


class Line:
    """One line. `now` is real monotonic seconds everywhere."""

    def __init__(self, port: str, baud: int, log: ByteLog, seed: int, started_at: float) -> None:
        self.port = port
        self.mode = LinkMode()
        self.ends_at: float | None = None  # when the mode falls back to ok
        self._baud = baud
        self._log = log
        self._started_at = started_at
        self._rng = random.Random(f"line {port} {seed}")
        self._due: deque[tuple[float, bytes]] = deque()
        self._last_due = 0.0
        self._garbage_at = 0.0

    @property
    def connected(self) -> bool:
        """The plug is in."""
        return self.mode.name != "unplugged"

    def set_mode(self, mode: LinkMode, now: float, seconds: float | None = None) -> None:
        """Change what the line does, for `seconds` or until changed again."""
        self.mode = mode
        self.ends_at = None if seconds is None else now + seconds
        self._garbage_at = now
        if not self.connected:
            self._due.clear()

    def step(self, now: float) -> None:
        """End a mode that was set for a time; make unsolicited garbage."""
        if self.ends_at is not None and now >= self.ends_at:
            self.set_mode(LinkMode(), now)
        if self.mode.name == "garbage" and now >= self._garbage_at:
            self._garbage_at = now + self.mode.every_s
            self._schedule(now, self._noise())

    def from_host(self, data: bytes, now: float) -> bytes:
        """Bytes that the host sent -> what arrives at the device."""
        self._log.add(now - self._started_at, self.port, "host", data)
        mode = self.mode
        if mode.name == "echo":
            self._schedule(now, data)
        if mode.name in ("mute", "unplugged") or (mode.name == "drop" and self._rng.random() < mode.rate):
            return b""
        return self._corrupted(data)

    def from_device(self, data: bytes, now: float) -> None:
        """Bytes that the device sent: on their way to the host."""
        mode = self.mode
        if not data or mode.name in ("mute", "unplugged"):
            return
        if mode.name == "drop" and self._rng.random() < mode.rate:
            return
        data = self._corrupted(data)
        sending_s = len(data) * 10 / self._baud
        start = now + (sending_s if sending_s >= _NOT_PACED_BELOW_S else 0.0) + mode.delay_s
        match mode.name:
            case "split":
                for index in range(len(data)):
                    self._schedule(start + index * mode.gap_s, data[index : index + 1])
                return
            case "garbage":
                cut = len(data) // 2 if mode.inside else 0
                data = data[:cut] + self._noise() + data[cut:]
            case "duplicate":
                data += data
            case "boot_text":
                data = RELAY_TEXT + data
        self._schedule(start, data)

    def take(self, now: float) -> bytes:
        """What reaches the host by now."""
        data = b""
        while self._due and self._due[0][0] <= now:
            data += self._due.popleft()[1]
        if data:
            self._log.add(now - self._started_at, self.port, "device", data)
        return data

    @property
    def next_at(self) -> float | None:
        """When there is something to do, None: nothing planned."""
        times = [self._due[0][0]] if self._due else []
        times += [self.ends_at] if self.ends_at is not None else []
        times += [self._garbage_at] if self.mode.name == "garbage" else []
        return min(times, default=None)

    def _schedule(self, at: float, data: bytes) -> None:
        self._last_due = max(self._last_due, at)
        self._due.append((self._last_due, data))

    def _noise(self) -> bytes:
        return self._rng.randbytes(self.mode.bytes)

    def _corrupted(self, data: bytes) -> bytes:
        if self.mode.name != "corrupt":
            return data
        rng, rate = self._rng, self.mode.rate
        return bytes(byte ^ rng.randrange(1, 256) if rng.random() < rate else byte for byte in data)
