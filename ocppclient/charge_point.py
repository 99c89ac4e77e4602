"""The front door: events in, actions out. Two tables and the fixed update order; no OCPP rule of its own."""

from __future__ import annotations

from ocppclient.clock import Clock
from ocppclient.events import Action, Event
from ocppclient.settings import ChargePointSettings
from ocppclient.store import Store
from ocppclient.view import View


class ChargePoint:
    """The charge point as the specification says it; recovery is construction (design.md, concepts 1 and 4).

    Only one thread may call it.
    """

    def __init__(self, store: Store, clock: Clock, settings: ChargePointSettings) -> None:
        raise NotImplementedError

    def handle(self, event: Event) -> list[Action]:
        """Take one event, commit what it changes, return what is to be done now (in this order)."""
        raise NotImplementedError

    def view(self) -> View:
        """A snapshot for people."""
        raise NotImplementedError
