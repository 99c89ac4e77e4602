"""The station's command face on the channel layer: pages ask and order, the worker answers (design.md, section 4)."""

from __future__ import annotations

import asyncio
import logging
from typing import TYPE_CHECKING, Any

from channels.consumer import AsyncConsumer

from ocppclient.events import (
    Action,
    CacheDiscarded,
    CertificateChosen,
    CertificateDiscarded,
    CertificateRequested,
    ChargeNow,
    Event,
    Explain,
    Feedback,
    KeyChosen,
    LocalStart,
    LocalStop,
    ReleaseUploaded,
    ResendParked,
    ReservationWithdrawn,
    RollbackRequested,
    SecurityLogDiscarded,
    UpdateWithdrawn,
)
from ocppclient.sentence import NOTHING, Sentence, packed, quoted
from station.backend_desk import BackendDesk, Prepared
from station.backend_settings import Unfit
from station.backend_trial import Trials
from station.errors import StartupError
from station.sentences import all_packed
from station.worker import StationWorker

if TYPE_CHECKING:
    from station.clock.desk import ClockDesk
    from station.network.desk import NetworkDesk
    from station.updates.desk import UpdateDesk

log = logging.getLogger("station.commands")

#: The domain thread answers within milliseconds; longer means that it is stuck.
PATIENCE_S = 5.0


class StationConsumer(AsyncConsumer):  # type: ignore[misc]
    """Handles the messages of the channel "station"; a crash of it loses nothing."""

    def __init__(
        self,
        worker: StationWorker,
        desk: BackendDesk | None = None,
        trials: Trials | None = None,
        network: NetworkDesk | None = None,
        clock: ClockDesk | None = None,
        updates: UpdateDesk | None = None,
    ) -> None:
        self._worker = worker
        self._desk = desk
        self._trials = trials
        self._network = network
        self._updates = updates
        self._clock = clock
        self._waiting: set[asyncio.Task[None]] = set()  # a task that nobody holds may be collected

    async def station_snapshot(self, message: dict[str, Any]) -> None:
        """A page wants to see everything now, and (`watch`) the news of the next minute."""
        channel, frames = message["reply_channel"], bool(message.get("frames", True))
        watch = bool(message.get("watch", True))
        shown = self._worker.call(lambda: self._worker.show(channel, frames, watch))
        await asyncio.wait_for(asyncio.wrap_future(shown), PATIENCE_S)

    async def station_command(self, message: dict[str, Any]) -> None:
        """A person orders something: "stop", "charge_now", "swipe" (idTag), "resend" (seq), "acknowledge",
        "configure" ({"key", "value"}), "backend" ({"values", "unproven"}), "settings" (they changed), "apply" (what
        waits for a start), "install_release" ({"file", "sha256", "version"}),
        "updates" ({"do": "look", "settings" (they changed), or "install" with a "version"}),
        "roll_back_release" ({"slot", "version"}), "cancel_update",
        "certificate_install" ({"kind", "pem"}), "certificate_remove" ({"kind", "fingerprint"}), "certificate_request",
        "security_log_clear", "cache_clear" or "reservation_end" (its id)."""
        command, argument, user = message.get("command"), message.get("argument"), message.get("user", "somebody")
        told = argument.get("key", "") if isinstance(argument, dict) else "" if argument is None else argument
        log.info("%s: %s %s", user, command, told)
        try:
            future = self._worker.call(lambda: self._obey(str(command), argument, str(user)))
            ok, text = await asyncio.wait_for(asyncio.wrap_future(future), PATIENCE_S)
        except TimeoutError:
            ok, text = False, Sentence("The station did not answer in time.")
        if reply_channel := message.get("reply_channel"):
            await self.channel_layer.send(reply_channel, {"type": "live.reply", "ok": ok, "text": packed(text)})

    async def station_trial(self, message: dict[str, Any]) -> None:
        """A person wants backend settings ("values") to be tried; without them only what the last trial is at."""
        values, ok, text = message.get("values"), True, NOTHING
        if values is not None and self._desk is not None and self._trials is not None:
            log.info("%s: backend trial", message.get("user", "somebody"))
            desk = self._desk
            try:
                prepared = self._worker.call(lambda: _prepared(desk, values))
                match await asyncio.wait_for(asyncio.wrap_future(prepared), PATIENCE_S):
                    case Prepared() as trial:
                        self._trials.begin(trial)
                    case unfit:
                        ok, text = False, quoted(unfit)
            except TimeoutError:
                ok, text = False, Sentence("The station did not answer in time.")
        told = self._trials.told() if self._trials else None
        reply = {"type": "live.trial", "ok": ok, "text": packed(text), "trial": all_packed(told)}
        await self.channel_layer.send(message["reply_channel"], reply)

    async def station_network(self, message: dict[str, Any]) -> None:
        """A person orders something of the network ("order"), or only sees it; without a desk there is nothing.

        In a task of its own: NetworkManager may take its time, and this channel is handled one message after the other.
        """
        task = asyncio.create_task(self._about_network(message), name="network order")
        self._waiting.add(task)
        task.add_done_callback(self._waiting.discard)

    async def _about_network(self, message: dict[str, Any]) -> None:
        order, ok, text = message.get("order"), True, NOTHING
        told = None
        try:
            if self._network is not None:
                if order is not None:
                    ok, text = await self._network.obey(order, str(message.get("user", "somebody")))
                told = await self._network.told()
        except Exception:
            log.exception("The network cannot be told of")
            ok, text = False, Sentence("The station made a mistake; it is in its log.")
        reply = {"type": "live.network", "ok": ok, "text": packed(text), "network": all_packed(told)}
        await self.channel_layer.send(message["reply_channel"], reply)

    async def station_clock(self, message: dict[str, Any]) -> None:
        """A person orders something of the clock ("order"), or only sees it."""
        order, ok, text = message.get("order"), True, NOTHING
        told = None
        if self._clock is not None:
            if order is not None:
                ok, text = await self._clock.obey(order, str(message.get("user", "somebody")))
            told = await self._clock.told()
        reply = {"type": "live.clock", "ok": ok, "text": packed(text), "clock": all_packed(told)}
        await self.channel_layer.send(message["reply_channel"], reply)

    def _obey(self, command: str, argument: Any, user: str) -> tuple[bool, Sentence]:
        """On the domain thread."""
        worker = self._worker
        match command, argument:
            case "stop", _:
                if worker.charge_point.view().transaction is None:
                    return False, Sentence("Nothing is charging.")
                return self._outcome(LocalStop(), Sentence("The session is being stopped."))
            case "charge_now", _:
                return self._outcome(ChargeNow(user), Sentence("The session charges now."))
            case "swipe", str(id_tag) if 0 < len(id_tag.strip()) <= 20:
                return self._outcome(LocalStart(id_tag.strip()), Sentence("The card was presented."))
            case "swipe", _:
                return False, Sentence("A card has 1 to 20 characters.")
            case "resend", int(seq):
                call = worker.store.queued(seq)
                if call is None or not call.parked_reason:
                    return False, Sentence("That message is not parked any more.")
                return self._outcome(ResendParked(seq), Sentence("{action} is queued again.", action=call.action))
            case "configure", {"key": str(key), "value": str(value)}:
                return self._outcome(
                    KeyChosen(key, value), Sentence("{key} is {value} now.", key=key, value=value or Sentence("empty"))
                )
            case "backend", {"values": dict(values), "unproven": bool(unproven)} if self._desk:
                try:
                    return True, self._desk.save(values, user, unproven=unproven)
                except Unfit as unfit:
                    return False, quoted(unfit)
            case "acknowledge", _:
                if worker.box.acknowledge():
                    return True, Sentence("Confirmed: nothing is pressed, open or stuck any more.")
                return (
                    False,
                    Sentence(
                        "The emergency stop is still pressed, the housing still open, or the contactor still stuck."
                    ),
                )
            case "hardware", _:
                if worker.charge_point.view().transaction is not None:
                    return False, Sentence(
                        "The devices are changed when the session has ended: it needs the present ones."
                    )
                worker.restart()
                return True, Sentence("The station starts again with the chosen devices.")
            case "apply", _:  # what waits for a start: a restore, a factory reset
                if worker.charge_point.view().transaction is not None:
                    return False, Sentence("A session is running. Try again when it has ended.")
                worker.restart()
                return True, Sentence("The station starts again.")
            case "settings", _:
                try:
                    changed = worker.settings_changed()
                except StartupError as error:  # a certificate is gone, or values do not fit together any more
                    return False, quoted(error)
                return self._outcome(changed, Sentence("The station has read its settings again."))
            case "install_release", {"file": str(file), "sha256": str(sha256), "version": str(version)}:
                older = bool(argument.get("allow_older"))
                wanted = ReleaseUploaded(file, sha256, version, older)
                return self._outcome(
                    wanted, Sentence("Version {version} is installed as soon as nobody charges.", version=version)
                )
            case "updates", {"do": str(do)} if self._updates:
                return self._about_updates(self._updates, do, str(argument.get("version", "")))
            case "roll_back_release", {"slot": str(slot), "version": str(version)}:
                return self._outcome(
                    RollbackRequested(slot, version),
                    Sentence("The station goes back to {version} as soon as nobody charges.", version=version),
                )
            case "cancel_update", _:
                return self._outcome(UpdateWithdrawn(user), Sentence("The update is cancelled."))
            case "certificate_install", {"kind": str(kind), "pem": str(pem)}:
                return self._outcome(CertificateChosen(kind, pem, user), Sentence("The certificate is installed."))
            case "certificate_remove", {"kind": str(kind), "fingerprint": str(fingerprint)}:
                return self._outcome(
                    CertificateDiscarded(kind, fingerprint, user), Sentence("The certificate is removed.")
                )
            case "certificate_request", _:
                return self._outcome(
                    CertificateRequested(user), Sentence("The backend is asked for a new certificate.")
                )
            case "security_log_clear", _:
                return self._outcome(SecurityLogDiscarded(user), Sentence("The security log is cleared."))
            case "cache_clear", _:
                return self._outcome(CacheDiscarded(), Sentence("The remembered cards are forgotten."))
            case "reservation_end", int(reservation_id):
                reserved = worker.charge_point.view().reservation
                if reserved is None or reserved.reservation_id != reservation_id:
                    return False, Sentence("Reservation {number} has ended already.", number=reservation_id)
                worker.handle_now(ReservationWithdrawn(reservation_id, user))
                return True, Sentence("Reservation {number} is ended.", number=reservation_id)
        return False, Sentence("The station does not know the command {command!r}.", command=command[:50])

    def _about_updates(self, updates: UpdateDesk, do: str, version: str) -> tuple[bool, Sentence]:
        match do:
            case "look":
                return updates.look()
            case "settings":
                updates.settings_changed()
                return True, Sentence("Saved.")
            case "install" if wanted := updates.offered(version):
                told = Sentence("Version {version} is downloaded and installed while nobody charges.", version=version)
                return self._outcome(wanted, told)
        return False, Sentence("That version is not offered any more. Load the page again.")

    def _outcome(self, event: Event, otherwise: Sentence) -> tuple[bool, Sentence]:
        actions: list[Action] = self._worker.handle_now(event)
        for action in actions:
            match action:
                case Explain(what, _, rule) if what != "limit":  # what limits the current from now on is no refusal
                    return False, rule
                case Feedback(_, text):
                    return True, text
        return True, otherwise


def _prepared(desk: BackendDesk, values: dict[str, Any]) -> Prepared | Unfit:
    """A refusal is an answer, no failure of the domain thread."""
    try:
        return desk.prepare(values)
    except Unfit as unfit:
        return unfit
