"""From the words of OCPP to the lamps and the buzzer of the panel (hardware.md, section 6)."""

from __future__ import annotations

from hardware.interfaces import CardSignal, Show
from ocppclient.events import CardFeedback

_SHOWS = {
    "Available": Show.AVAILABLE,
    "Preparing": Show.PREPARING,
    "Charging": Show.CHARGING,
    "SuspendedEV": Show.PAUSED,
    "SuspendedEVSE": Show.PAUSED,
    "Finishing": Show.FINISHED,
    "Reserved": Show.RESERVED,
    "Unavailable": Show.UNAVAILABLE,
    "Faulted": Show.FAULTED,
}
_SIGNALS = {
    CardFeedback.ACCEPTED: CardSignal.ACCEPTED,
    CardFeedback.STOPPED: CardSignal.ACCEPTED,
    CardFeedback.CANCELLED: CardSignal.ACCEPTED,
    CardFeedback.REJECTED: CardSignal.REJECTED,
    CardFeedback.WAITING: CardSignal.WAITING,
}


def show_of(status: str) -> Show:
    """What the lamps tell for a ChargePointStatus; an unknown one is as before the start."""
    return _SHOWS.get(status, Show.STARTING)


def card_signal(kind: CardFeedback) -> CardSignal:
    """What a driver sees and hears."""
    return _SIGNALS[kind]
