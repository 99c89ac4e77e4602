"""What the held button of the panel does: 5 s opens the hotspot, 15 s gives a way back in, 30 s is a factory reset.

Whoever holds it has opened the housing: no password is asked. What is done or refused stands in the why log.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import TYPE_CHECKING, Protocol

from hardware.interfaces import CardSignal, Hold
from ocppclient.events import Event, Explain, SecurityEventSeen
from ocppclient.sentence import NOTHING, Sentence, quoted
from station import factory_reset
from station.factory_reset import ResetRefused
from station.worker import BoxLike

if TYPE_CHECKING:
    from station.network.desk import NetworkDesk

log = logging.getLogger("station.button")

WHO = "the button"
_NOT_RULED = Sentence("This station does not rule the network of its computer, so it has no hotspot.")


class ButtonWorker(Protocol):
    """The worker as the button uses it; everything but `call` on the domain thread."""

    def call(self, call: Callable[[], object]) -> object: ...
    def put(self, event: Event) -> None: ...
    def explain(self, explain: Explain) -> None: ...
    def restart(self) -> None: ...
    @property
    def box(self) -> BoxLike: ...


class HeldButton:
    """The button of one station.

    Args:
        network: the desk, once there is one, and the loop it belongs to.
    """

    def __init__(
        self, worker: ButtonWorker, network: Callable[[], tuple[NetworkDesk, asyncio.AbstractEventLoop] | None]
    ) -> None:
        self._worker = worker
        self._network = network

    def asked(self, hold: Hold) -> None:
        """Any thread; returns at once."""
        log.warning("The button was held: %s", hold)
        self._worker.call(lambda: self._obey(hold))

    def _obey(self, hold: Hold) -> None:
        """On the domain thread."""
        match hold:
            case Hold.SHORT:
                self._order({"do": "hotspot", "open": True}, Sentence("Hotspot by the button"), _NOT_RULED)
            case Hold.LONG:
                self._let_in()
            case Hold.VERY_LONG:
                self._reset()

    def _let_in(self) -> None:
        what = Sentence("Way back in by the button")
        try:
            user = factory_reset.give_label_password()
        except ResetRefused as refused:
            self._told(what, False, quoted(refused))
            return
        self._worker.put(
            SecurityEventSeen(
                "ReconfigurationOfSecurityParameters", Sentence("label password of {user}, by the button", user=user)
            )
        )
        password = Sentence("The password of the label counts again.")
        self._order({"do": "forget"}, what, password, password)

    def _reset(self) -> None:
        what = Sentence("Factory reset by the button")
        try:
            factory_reset.ask(WHO)
        except ResetRefused as refused:
            self._told(what, False, quoted(refused))
            return
        self._told(what, True, Sentence("The station starts again as it was delivered."))
        self._worker.restart()

    def _order(self, order: dict[str, object], what: Sentence, otherwise: Sentence, before: Sentence = NOTHING) -> None:
        """Give it to the desk; without one, `otherwise` is what is said (`before`: something was done already)."""
        found = self._network()
        if found is None:
            self._told(what, bool(before), otherwise)
            return
        desk, loop = found
        answer = asyncio.run_coroutine_threadsafe(desk.obey(order, WHO), loop)

        def done() -> None:
            ok, text = answer.result()
            told = Sentence("{first} {next}", first=before, next=text) if before else text
            self._told(what, ok or bool(before), told)

        answer.add_done_callback(lambda _: self._worker.call(done))

    def _told(self, what: Sentence, ok: bool, text: Sentence) -> None:
        self._worker.box.signal(CardSignal.ACCEPTED if ok else CardSignal.REJECTED)
        self._worker.explain(Explain(what, "Accepted" if ok else Sentence("Refused"), text))
