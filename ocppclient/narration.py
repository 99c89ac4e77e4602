"""The state in one plain sentence: what is going on, or why the car does not charge. For people only."""

from __future__ import annotations

from ocppclient.authorization import Authorization
from ocppclient.availability import Availability
from ocppclient.boot import Boot
from ocppclient.facts import Facts
from ocppclient.limits import Limits
from ocppclient.reservation import Reservations
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
) -> str:
    """One sentence for the dashboard."""
    if condition is None:
        return "The hardware is being read …"
    reading = facts.reading
    if transactions.stopping:
        return "The session is ending; the contactor opens."
    if authorization.asking:
        return "Asking the operator about the card …"
    match condition.status:
        case "Faulted":
            return _fault(facts)
        case "Unavailable" if availability.maintenance:
            return f"Out of service: {availability.maintenance}."
        case "Unavailable" if availability.disk_full:
            return "The disk is full: no session can start until there is room."
        case "Unavailable" if availability.held:
            return "New software is being installed; charging is possible again in a few minutes."
        case "Unavailable":
            return "The operator took this station out of service."
        case "Preparing" if transactions.running is not None:
            return "The session has started; waiting for the car to begin."
        case "Preparing" if authorization.granted is not None:
            return "Accepted. Plug in the car."
        case "Preparing":
            return "The car is plugged in. Tap a card to start."
        case "Charging":
            return f"Charging at up to {limits.sentence}."
        case "SuspendedEV" if not reading.ev_connected:
            return "The car was unplugged; the session waits for it to return."
        case "SuspendedEV":
            return "The car does not ask for energy now."
        case "SuspendedEVSE":
            running = transactions.running
            if running is not None and running.deauthorised:
                return "The operator refused this card; no energy is delivered."
            return f"Paused by the station: {limits.sentence}."
        case "Finishing":
            return (
                "The session is over. Unplug the car."
                if transactions.ended_plugged
                else ("The car is plugged in, but no card was tapped. Tap a card to start.")
            )
        case "Reserved" if reading.ev_connected:
            return f"The car is plugged in, but the station is {reservations.sentence}"
        case "Reserved":
            return f"The station is {reservations.sentence}"
        case _:
            if boot.denied:
                return "The backend has not accepted this station yet."
            return "Ready. Plug in the car or tap a card."


def _fault(facts: Facts) -> str:
    """The worst fault that blocks: in its own words, else in OCPP's."""
    worst = next(iter(facts.blocking_faults), None)
    if worst is None:
        return "A fault was detected."
    return f"{worst.words or f'{worst.error_code} {worst.info}'.strip()}."
