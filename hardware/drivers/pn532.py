"""Driver of a PN532 card reader in HSU (UART) mode, ISO 14443 A (hardware.md, section 5.1)."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable

from hardware import pn532
from hardware.drivers.presentation import Presentation
from hardware.sentence import NOTHING, Sentence
from hardware.serial_port import Counters, Line, drain

logger = logging.getLogger(__name__)

POLL_INTERVAL_S = 0.22
ACK_TIMEOUT_S = 0.1  # the chip needs at most 15 ms, a USB adapter some more
ANSWER_TIMEOUT_S = 1.0
REFRESH_INTERVAL_S = 60.0
TIMEOUTS_TO_REFRESH = 3
SILENT_AFTER_S = 5.0


class Pn532:
    """The reader on its line (a `Device`).

    Args:
        on_card: the card's UID as upper-case hex, byte 0 first, once a presentation; on the line's thread.
        on_failed: True when the reader was silent for 5 s, False when it is back.
        reversed_uid: the installation's other readers give the last byte first.
    """

    def __init__(
        self,
        clock: Callable[[], float],
        counters: Counters,
        on_card: Callable[[str], None],
        on_failed: Callable[[bool], None],
        *,
        reversed_uid: bool = False,
    ) -> None:
        self._clock = clock
        self._counters = counters
        self._on_card = on_card
        self._on_failed = on_failed
        self._reversed = reversed_uid
        self._decoder = pn532.Decoder()
        self._presentation = Presentation()
        self._line: Line | None = None
        self._ready = False
        self._refreshed_at = self._polled_at = -math.inf
        self._heard_at = clock()
        self._timeouts = 0
        self._failed = False
        self._firmware = ""
        self.warning = NOTHING

    @property
    def description(self) -> str:
        """For the hardware page: "pn532 v1.6"."""
        return f"pn532 {self._firmware}".strip()

    # --- Device -------------------------------------------------------------------------------------------------------
    def attach(self, line: Line) -> None:
        self._line = line
        self._ready = False
        drain(line, self._clock, 0.05)

    def lost(self, reason: str) -> None:
        self._line = None
        self._judge_silence()

    def farewell(self) -> None:
        """The reader may go on; the next poll of anyone re-initialises it."""

    def step(self) -> None:
        assert self._line is not None
        now = self._clock()
        if now < self._polled_at + POLL_INTERVAL_S:
            self._line.read(self._polled_at + POLL_INTERVAL_S - now)  # nothing unasked is expected
            return
        self._polled_at = now
        if not self._ready or now - self._refreshed_at >= REFRESH_INTERVAL_S:
            self._ready = self._initialise(self._line)
        else:
            self._poll(self._line)
        self._judge_silence()

    # --- the chip -----------------------------------------------------------------------------------------------------
    def _initialise(self, line: Line) -> bool:
        """Wake the chip and configure it; it forgets all on a brown-out, hence also once a minute."""
        line.write(pn532.WAKE)
        answer = self._command(line, pn532.FIRMWARE_VERSION_COMMAND)
        firmware = pn532.parse_firmware(answer) if answer else None
        if firmware is None:
            return False
        self._firmware = f"v{firmware.version}.{firmware.revision}"
        for command in (pn532.SAM_NORMAL_COMMAND, pn532.ONE_RETRY_COMMAND):
            if self._command(line, command) is None:
                return False
        self._refreshed_at = self._clock()
        self._timeouts = 0
        return True

    def _poll(self, line: Line) -> None:
        answer = self._command(line, pn532.POLL_TYPE_A_COMMAND)
        if answer is None:
            self._timeouts += 1
            self._ready = self._timeouts < TIMEOUTS_TO_REFRESH
            return
        self._timeouts = 0
        for target in (pn532.parse_targets(answer) or ())[:1]:
            uid = target.uid[::-1] if self._reversed else target.uid
            card = uid.hex().upper()
            if self._presentation.sees(card, self._clock()):
                self._on_card(card)

    def _command(self, line: Line, command: bytes) -> bytes | None:
        """The data of the chip's answer; None when it did not acknowledge or answer in time."""
        self._decoder.reset()
        line.write(pn532.host_frame(command))
        acknowledged = False
        until = self._clock() + ACK_TIMEOUT_S
        while (now := self._clock()) < until:
            errors = self._decoder.checksum_errors
            frames = self._decoder.feed(line.read(until - now))
            if self._decoder.checksum_errors > errors:
                self._counters.damaged(self._clock(), self._decoder.checksum_errors - errors)
            for frame in frames:
                match frame:
                    case pn532.Ack() if not acknowledged:
                        acknowledged = True
                        until = self._clock() + ANSWER_TIMEOUT_S
                    case pn532.Frame(tfi=pn532.CHIP, data=data) if acknowledged and data[:1] == bytes([command[0] + 1]):
                        self._heard_at = self._clock()
                        self._counters.good(self._heard_at)
                        return data
                    case pn532.ErrorFrame() | pn532.Nack():
                        self._counters.error = Sentence("the reader refuses a command")
                        return None
        self._counters.timeout(self._clock(), Sentence("no answer from the reader"))
        line.write(pn532.ACK)  # aborts whatever the chip is still doing
        return None

    def _judge_silence(self) -> None:
        failed = self._clock() - self._heard_at >= SILENT_AFTER_S
        if failed != self._failed:
            self._failed = failed
            logger.warning("the card reader is %s", "silent" if failed else "back")
            self._on_failed(failed)
