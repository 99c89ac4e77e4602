"""The log as a story: one line each event that matters to people; frames at DEBUG, masked."""

from __future__ import annotations

import logging
import re

from ocppclient.events import CardSwiped, ChargeNow, Event, FrameReceived, LocalStart, LocalStop, Reading
from ocppclient.redact import shortened

log = logging.getLogger("station.worker")
frames_log = logging.getLogger("station.frames")

#: Longest frame in the log, characters.
_LOGGED = 2000
_CALL = re.compile(r'\s*\[\s*2\s*,\s*"[^"]*"\s*,\s*"([^"]{1,50})"')


class Story:
    """Remembers the last reading, so that it tells changes only."""

    def __init__(self) -> None:
        self._former: Reading | None = None

    def tell(self, event: Event) -> None:
        """Something happened."""
        match event:
            case FrameReceived(text):
                self.frame("←", text)
            case CardSwiped(id_tag):
                log.info("Card %s", line(id_tag))
            case LocalStart(id_tag):
                log.info("Card %s, from the local page", line(id_tag))
            case ChargeNow(by):
                log.info("Charge now, by %s", by)
            case LocalStop(reason):
                log.info("Stop at the station (%s)", reason)
            case Reading():
                for sentence in changes(self._former, event):
                    log.info("%s", sentence)
                self._former = event

    def frame(self, arrow: str, text: str) -> None:
        """A frame came or goes: the name of a request, and all of it at DEBUG."""
        if call := _CALL.match(text):
            log.info("%s %s", arrow, line(call.group(1)))
        if frames_log.isEnabledFor(logging.DEBUG):
            frames_log.debug("%s %s", arrow, line(shortened(text, _LOGGED)))


def line(text: str) -> str:
    """One line, whatever a peer has put into it."""
    return "".join(letter if letter.isprintable() else "·" for letter in text)


def changes(former: Reading | None, reading: Reading) -> list[str]:
    """What happened between two readings, in sentences."""
    if not reading.ready:
        return []
    if former is None or not former.ready:
        former = Reading()
        told = ["The hardware is ready"]
    else:
        told = []
    if reading.ev_connected != former.ev_connected:
        told.append("A car is plugged in" if reading.ev_connected else "The car is unplugged")
    if reading.contactor_closed != former.contactor_closed:
        told.append("The contactor is closed" if reading.contactor_closed else "The contactor is open")
    for fault in reading.faults:
        if fault not in former.faults:
            told.append(f"Fault: {fault.error_code} {fault.vendor_error_code} {fault.info}".rstrip())
    told += [f"Fault gone: {fault.error_code}" for fault in former.faults if fault not in reading.faults]
    return told
