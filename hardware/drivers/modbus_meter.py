"""Driver of energy meters on Modbus RTU: when to read, what to believe, when one is lost (hardware.md, section 4).

Where a make keeps its values is told by its `Registers` (sdm.py, orno.py).
"""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from hardware.drivers.plausibility import CONSISTENT_READINGS, Plausibility, Raw
from hardware.drivers.rtu_link import TRIES, RtuLink
from hardware.interfaces import MeterSample
from hardware.sentence import NOTHING, Sentence
from hardware.serial_port import Counters, Line, drain

logger = logging.getLogger(__name__)

REQUEST_GAP_S = 0.1  # the meters lose requests that come closer
FAST_INTERVAL_S, IDLE_INTERVAL_S = 1.0, 5.0
FAILURES = 3  # polls in a row, of three requests each …
SILENT_AFTER_S = 6.0  # … and no good reading for so long (3 s when there never was one)
NEVER_HEARD_AFTER_S = 3.0
#: A fresh reading of energy may stand beside power that is so old.
_INSTANT_LASTS_S = 1.5


@dataclass(frozen=True)
class Instant:
    """Volts, amperes and watts of each phase."""

    volts: tuple[float, ...]
    amps: tuple[float, ...]
    watts: tuple[float, ...]


@dataclass(frozen=True)
class Register:
    """The import register in kWh, and the frequency that comes with it (0: none)."""

    import_kwh: float
    hertz: float


class Registers(Protocol):
    """Where a make keeps its values. `step_wh` is the smallest step of its import register."""

    @property
    def phases(self) -> int: ...
    @property
    def step_wh(self) -> float: ...
    @property
    def quiet_s(self) -> float:
        """See `RtuLink`: at least as long as an answer may be late, where two answers have the same length."""

    def read_instant(self, link: RtuLink) -> Instant | None:
        """None when the meter did not answer."""

    def read_register(self, link: RtuLink) -> Register | None:
        """None when the meter did not answer."""


class ModbusMeter:
    """The meter on its line (a `Device`).

    Args:
        name: of the model, for people.
        on_sample: every plausible reading, on the line's thread.
        on_failed: True when the meter is silent or talks nonsense, False when it is back.
        tries: how often a question without an answer is asked.
        max_current_a: of the installation, per phase; readings above 1.5 times are doubted.
        energy_rate_factor: how much faster than the clock energy may plausibly rise (a simulated world may hurry).
    """

    def __init__(
        self,
        name: str,
        registers: Registers,
        clock: Callable[[], float],
        counters: Counters,
        on_sample: Callable[[MeterSample], None],
        on_failed: Callable[[bool], None],
        *,
        unit: int = 1,
        baud: int = 9600,
        tries: int = TRIES,
        max_current_a: float = 16.0,
        nominal_voltage_v: float = 230.0,
        energy_rate_factor: float = 1.0,
    ) -> None:
        self._name = name
        self._registers = registers
        self._clock = clock
        self._counters = counters
        self._on_sample = on_sample
        self._on_failed = on_failed
        self._unit = unit
        self._baud = baud
        self._tries = tries
        self._filter = Plausibility(
            max_current_a,
            nominal_voltage_v,
            phases=registers.phases,
            energy_rate_factor=energy_rate_factor,
            step_wh=registers.step_wh,
        )
        self._line: Line | None = None
        self._link: RtuLink | None = None
        self._fast = False
        self._fresh_wanted = True
        self._polled_at = -math.inf
        self._good_at: float | None = None
        self._started_at = clock()
        self._failures = 0
        self._failed = False
        self._instant: Instant | None = None
        self._instant_at = 0.0
        self.warning = NOTHING

    @property
    def description(self) -> str:
        """For the hardware page."""
        return f"{self._name} unit {self._unit}"

    def set_fast(self, fast: bool) -> bool:
        """Read every second (energy flows) or every five. True when the port must be woken. Any thread."""
        changed = fast and not self._fast
        self._fast = fast
        return changed

    def request_fresh(self) -> None:
        """Read as soon as the line allows. Any thread; the port must be woken afterwards."""
        self._fresh_wanted = True

    # --- Device -------------------------------------------------------------------------------------------------------
    def attach(self, line: Line) -> None:
        self._line = line
        self._link = RtuLink(
            line,
            self._clock,
            self._counters,
            who=Sentence("the meter"),
            unit=self._unit,
            baud=self._baud,
            gap_s=REQUEST_GAP_S,
            quiet_s=self._registers.quiet_s,
            tries=self._tries,
        )
        self._fresh_wanted = True
        drain(line, self._clock, 0.05)

    def lost(self, reason: str) -> None:
        self._line = self._link = None
        self._judge_silence(enough_failures=True)

    def farewell(self) -> None:
        """A meter needs no good-bye."""

    def step(self) -> None:
        assert self._line is not None
        wait_s = self.work()
        if wait_s > 0:
            self._line.read(wait_s)  # stray bytes belong to no request

    def work(self) -> float:
        """Read when it is due, once; the seconds until the next reading, 0: now. A wake-up may make it earlier."""
        assert self._link is not None
        now = self._clock()
        fast = self._fast or self._failures > 0 or self._good_at is None
        due_at = self._polled_at + (FAST_INTERVAL_S if fast else IDLE_INTERVAL_S)
        if now < due_at and not self._fresh_wanted:
            return due_at - now
        if self._fresh_wanted and self._instant is not None and now - self._instant_at <= _INSTANT_LASTS_S:
            # The register alone, with the power of a moment ago: whoever asks for a fresh reading waits for energy.
            self._fresh_wanted = False
            self._take(self._instant, self._registers.read_register(self._link))
            self._polled_at = now - IDLE_INTERVAL_S  # the whole reading follows
            return 0.0
        self._fresh_wanted = False
        self._polled_at = now
        self._instant, self._instant_at = self._registers.read_instant(self._link), self._clock()
        self._take(self._instant, self._registers.read_register(self._link) if self._instant else None)
        return 0.0

    # --- judging ------------------------------------------------------------------------------------------------------
    def _take(self, instant: Instant | None, register: Register | None) -> None:
        if instant is None or register is None:
            self._failures += 1
            self._judge_silence(self._failures >= FAILURES)
            return
        raw = Raw(instant.volts, instant.amps, instant.watts, register.hertz, register.import_kwh)
        sample = self._filter.judge(self._clock(), raw)
        if sample is None:
            self.warning = Sentence("implausible reading: {reason}", reason=self._filter.reason)
            self._failures += 1
            self._judge_silence(self._failures >= FAILURES)
            self._fresh_wanted = self._failures <= CONSISTENT_READINGS  # settle the doubt soon
            return
        self.warning = NOTHING
        self._failures = 0
        self._good_at = sample.at
        if self._failed:
            self._failed = False
            logger.info("the meter is back")
            self._on_failed(False)
        self._on_sample(sample)

    def _judge_silence(self, enough_failures: bool) -> None:
        now = self._clock()
        if self._good_at is None:
            silent = now - self._started_at >= NEVER_HEARD_AFTER_S
        else:
            silent = now - self._good_at >= SILENT_AFTER_S
        if enough_failures and silent and not self._failed:
            self._failed = True
            logger.warning("the meter is lost: %s", self._counters.error or self.warning)
            self._on_failed(True)
