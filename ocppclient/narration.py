"""The state in one plain sentence: what is going on, or why the car does not charge. For people only."""

from __future__ import annotations

from ocppclient.authorization import Authorization
from ocppclient.availability import Availability
from ocppclient.boot import Boot
from ocppclient.facts import Facts
from ocppclient.limits import Limits
from ocppclient.reservation import Reservations
from ocppclient.sentence import Sentence
from ocppclient.status import Condition
from ocppclient.transactions import Transactions


def sentence(
    condition: Condition | None,
    facts: Facts,
    boot: Boot,
    availability: Availability,
    reservations: Reservations,
    authorization: Authorization,
    transactions: Transactions,
    limits: Limits,
) -> Sentence:
    """One sentence for the dashboard."""
    if condition is None:
        return Sentence("The hardware is being read …")
    reading = facts.reading
    if transactions.stopping:
        return Sentence("The session is ending; the contactor opens.")
    if authorization.asking:
        return Sentence("Asking the operator about the card …")
    match condition.status:
        case "Faulted":
            return _fault(facts)
        case "Unavailable" if availability.maintenance:
            return Sentence("Out of service: {maintenance}.", maintenance=availability.maintenance)
        case "Unavailable" if availability.disk_full:
            return Sentence("The disk is full: no session can start until there is room.")
        case "Unavailable" if availability.held:
            return Sentence("New software is being installed; charging is possible again in a few minutes.")
        case "Unavailable":
            return Sentence("The operator took this station out of service.")
        case "Preparing" if transactions.running is not None:
            return Sentence("The session has started; waiting for the car to begin.")
        case "Preparing" if authorization.granted is not None:
            return Sentence("Accepted. Plug in the car.")
        case "Preparing":
            return Sentence("The car is plugged in. Tap a card to start.")
        case "Charging":
            return Sentence("Charging at up to {limit}.", limit=limits.sentence)
        case "SuspendedEV" if not reading.ev_connected:
            return Sentence("The car was unplugged; the session waits for it to return.")
        case "SuspendedEV":
            return Sentence("The car does not ask for energy now.")
        case "SuspendedEVSE":
            running = transactions.running
            if running is not None and running.deauthorised:
                return Sentence("The operator refused this card; no energy is delivered.")
            if limits.waiting:
                return limits.sentence
            return Sentence("Paused by the station: {limit}.", limit=limits.sentence)
        case "Finishing":
            return (
                Sentence("The session is over. Unplug the car.")
                if transactions.ended_plugged
                else Sentence("The car is plugged in, but no card was tapped. Tap a card to start.")
            )
        case "Reserved" if reading.ev_connected:
            return Sentence(
                "The car is plugged in, but the station is {reservation}", reservation=reservations.sentence
            )
        case "Reserved":
            return Sentence("The station is {reservation}", reservation=reservations.sentence)
        case _:
            if boot.denied:
                return Sentence("The backend has not accepted this station yet.")
            return Sentence("Ready. Plug in the car or tap a card.")


def _fault(facts: Facts) -> Sentence:
    """The worst fault that blocks: in its own words, else in OCPP's."""
    worst = next(iter(facts.blocking_faults), None)
    if worst is None:
        return Sentence("A fault was detected.")
    return Sentence("{fault}.", fault=worst.words or worst.code_and_info)
