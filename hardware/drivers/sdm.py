"""Driver of the Eastron SDM120, SDM230 and SDM630 meters over Modbus RTU (hardware.md, sections 4.1 and 4.3)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable
from dataclasses import dataclass

from hardware import modbus_rtu as rtu
from hardware.drivers.plausibility import CONSISTENT_READINGS, Plausibility, Raw
from hardware.interfaces import MeterSample
from hardware.serial_port import Counters, Line, drain

logger = logging.getLogger(__name__)

REQUEST_GAP_S = 0.1  # the meters lose requests that come closer
FAST_INTERVAL_S, IDLE_INTERVAL_S = 1.0, 5.0
TRIES = 3
FAILURES = 3  # polls in a row, of TRIES requests each …
SILENT_AFTER_S = 6.0  # … and no good reading for so long (3 s when there never was one)
NEVER_HEARD_AFTER_S = 3.0
_ENERGY_ADDRESS, _ENERGY_COUNT = 0x0046, 6  # frequency, import, export


@dataclass(frozen=True)
class Model:
    """Where a model keeps voltage, current and power of each phase. One read of `count` registers from 0 has all.

    `count` differs from the length of the energy block: a reply tells its length, not its address, so that a late
    energy reply can never be taken for watts.
    """

    count: int
    volts: tuple[int, ...]
    amps: tuple[int, ...]
    watts: tuple[int, ...]


_ONE_PHASE = Model(14, (0x00,), (0x06,), (0x0C,))
MODELS = {
    "sdm120": _ONE_PHASE,
    "sdm230": _ONE_PHASE,
    "sdm630": Model(18, (0x00, 0x02, 0x04), (0x06, 0x08, 0x0A), (0x0C, 0x0E, 0x10)),
}
#: A fresh reading of energy may stand beside power that is so old.
_INSTANT_LASTS_S = 1.5


class Sdm:
    """The meter on its line (a `Device`).

    Args:
        model: a key of MODELS. Raises ValueError for another.
        on_sample: every plausible reading, on the line's thread.
        on_failed: True when the meter is silent or talks nonsense, False when it is back.
        max_current_a: of the installation, per phase; readings above 1.5 times are doubted.
        energy_rate_factor: how much faster than the clock energy may plausibly rise (a simulated world may hurry).
    """

    def __init__(
        self,
        model: str,
        clock: Callable[[], float],
        counters: Counters,
        on_sample: Callable[[MeterSample], None],
        on_failed: Callable[[bool], None],
        *,
        unit: int = 1,
        baud: int = 9600,
        max_current_a: float = 16.0,
        nominal_voltage_v: float = 230.0,
        energy_rate_factor: float = 1.0,
    ) -> None:
        if model not in MODELS:
            raise ValueError(f"unknown meter {model!r}; known: {', '.join(MODELS)}")
        self._name = model
        self._model = MODELS[model]
        self._clock = clock
        self._counters = counters
        self._on_sample = on_sample
        self._on_failed = on_failed
        self._unit = unit
        self._baud = baud
        self._filter = Plausibility(
            max_current_a, nominal_voltage_v, phases=len(self._model.volts), energy_rate_factor=energy_rate_factor
        )
        self._line: Line | None = None
        self._fast = False
        self._fresh_wanted = True
        self._polled_at = -math.inf
        self._sent_at = -math.inf
        self._good_at: float | None = None
        self._started_at = clock()
        self._failures = 0
        self._failed = False
        self._instant: tuple[float, ...] | None = None  # the newest voltages, currents and powers
        self._instant_at = 0.0
        self.warning = ""

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
        self._fresh_wanted = True
        drain(line, self._clock, 0.05)

    def lost(self, reason: str) -> None:
        self._line = None
        self._judge_silence(enough_failures=True)

    def farewell(self) -> None:
        """A meter needs no good-bye."""

    def step(self) -> None:
        assert self._line is not None
        now = self._clock()
        fast = self._fast or self._failures > 0 or self._good_at is None
        due_at = self._polled_at + (FAST_INTERVAL_S if fast else IDLE_INTERVAL_S)
        if now < due_at and not self._fresh_wanted:
            self._line.read(due_at - now)  # stray bytes belong to no request
            return
        if self._fresh_wanted and self._instant is not None and now - self._instant_at <= _INSTANT_LASTS_S:
            self._fresh_wanted = False
            self._poll_energy(self._line, self._instant)
            self._polled_at = now - IDLE_INTERVAL_S  # the whole reading follows
            return
        self._fresh_wanted = False
        self._polled_at = now
        self._poll(self._line)

    # --- reading ------------------------------------------------------------------------------------------------------
    def _poll_energy(self, line: Line, instant: tuple[float, ...]) -> None:
        """The register alone, with the power of a moment ago: whoever asks for a fresh reading waits for energy."""
        self._take(instant, self._read(line, _ENERGY_ADDRESS, _ENERGY_COUNT))

    def _poll(self, line: Line) -> None:
        self._instant, self._instant_at = self._read(line, 0, self._model.count), self._clock()
        self._take(self._instant, self._read(line, _ENERGY_ADDRESS, _ENERGY_COUNT) if self._instant else None)

    def _take(self, instant: tuple[float, ...] | None, energy: tuple[float, ...] | None) -> None:
        if instant is None or energy is None:
            self._failures += 1
            self._judge_silence(self._failures >= FAILURES)
            return
        sample = self._filter.judge(self._clock(), self._raw(instant, energy))
        if sample is None:
            self.warning = f"implausible reading: {self._filter.reason}"
            self._failures += 1
            self._judge_silence(self._failures >= FAILURES)
            self._fresh_wanted = self._failures <= CONSISTENT_READINGS  # settle the doubt soon
            return
        self.warning = ""
        self._failures = 0
        self._good_at = sample.at
        if self._failed:
            self._failed = False
            logger.info("the meter is back")
            self._on_failed(False)
        self._on_sample(sample)

    def _read(self, line: Line, address: int, count: int) -> tuple[float, ...] | None:
        """A block of floats; None when three requests brought none."""
        for _ in range(TRIES):
            self._keep_gap(line)
            decoder = rtu.ReplyDecoder(self._unit, rtu.READ_INPUT, count)
            line.write(rtu.read_request(self._unit, rtu.READ_INPUT, address, count))
            self._sent_at = self._clock()
            reply = self._await(line, decoder, count)
            now = self._clock()
            self._sent_at = now  # the gap counts from the end of the reply
            if decoder.checksum_errors:
                self._counters.damaged(now, decoder.checksum_errors)
            match reply:
                case rtu.RegistersReply():
                    self._counters.good(now)
                    words = reply.registers
                    return tuple(rtu.registers_float(words[i], words[i + 1]) for i in range(0, count, 2))
                case rtu.ExceptionReply():
                    self._counters.good(now)
                    self._counters.error = f"the meter refuses with exception {reply.code}"
                    return None  # an answer: asking again would not change it
                case _:
                    self._counters.timeout(now, "no answer from the meter")
                    drain(line, self._clock, 0.05)  # a late reply must not be taken for the next one
        return None

    def _await(self, line: Line, decoder: rtu.ReplyDecoder, count: int) -> rtu.Reply | None:
        bytes_on_the_wire = 8 + 5 + 2 * count
        until = self._clock() + bytes_on_the_wire * 11 / self._baud + 0.27
        while (now := self._clock()) < until:
            reply = decoder.feed(line.read(until - now))
            if reply is not None:
                return reply
        return None

    def _keep_gap(self, line: Line) -> None:
        while (now := self._clock()) < self._sent_at + REQUEST_GAP_S:
            line.read(self._sent_at + REQUEST_GAP_S - now)

    def _raw(self, instant: tuple[float, ...], energy: tuple[float, ...]) -> Raw:
        return Raw(
            volts=tuple(instant[address // 2] for address in self._model.volts),
            amps=tuple(instant[address // 2] for address in self._model.amps),
            watts=tuple(instant[address // 2] for address in self._model.watts),
            hertz=energy[0],
            import_kwh=energy[1],
        )

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
