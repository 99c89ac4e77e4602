"""Who may charge: local list → cache → Authorize.req → offline policy (OCPP 1.6 sections 3.4, 3.5, 4.1).

A decision is a fact that later features look at: `granted` may start a transaction, `stop_granted` may stop it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime

from ocppclient.availability import Availability
from ocppclient.boot import Boot
from ocppclient.clock import Clock, parse_utc
from ocppclient.codec import Payload
from ocppclient.configuration import Configuration
from ocppclient.events import Action, CardFeedback, Explain, Feedback
from ocppclient.facts import Facts
from ocppclient.local_auth_list import LocalAuthList
from ocppclient.outbox import Outbox, Outcome
from ocppclient.reservation import Reservations
from ocppclient.sentence import Sentence
from ocppclient.settings import Factory
from ocppclient.storable import same_tag
from ocppclient.store import IdTagEntry, Store, Transaction

#: In list and cache these count as valid (section 3.5.2 maps ConcurrentTx to valid).
VALID = ("Accepted", "ConcurrentTx")
STATUSES = ("Accepted", "Blocked", "Expired", "Invalid", "ConcurrentTx")
CACHE_LIMIT = 1000
_OFFLINE = Sentence("offline")
_RESTARTING = Sentence("This station is restarting. Tap again in a minute.")


@dataclass(frozen=True)
class IdTagInfo:
    """What a backend answered about an idTag; `status` "" when the answer held none."""

    status: str = ""
    parent_id_tag: str = ""
    expiry_date: datetime | None = None


@dataclass(frozen=True)
class Grant:
    """An authorisation that waits for its cable; it ends after ConnectionTimeOut."""

    id_tag: str
    parent_id_tag: str
    granted_at: float
    remote: bool


@dataclass(frozen=True)
class _Asked:
    id_tag: str
    asked_at: float
    remote: bool
    to_stop: str = ""  # uid of the transaction that shall be stopped


def read_id_tag_info(response: Payload) -> IdTagInfo:
    """IdTagInfo of a .conf, read with tolerance: some backends put the status one level too high (field problem 12)."""
    info = response.get("idTagInfo")
    if not isinstance(info, dict):
        info = response
    status, parent = info.get("status"), info.get("parentIdTag")
    try:
        expiry = parse_utc(info["expiryDate"]) if info.get("expiryDate") else None
    except (ValueError, TypeError):
        expiry = None
    return IdTagInfo(
        status if status in STATUSES else "",
        parent[:20] if isinstance(parent, str) else "",
        expiry,
    )


class Authorization:
    """Decides about presented idTags.

    Attributes:
        granted: may start a transaction as soon as a cable is plugged in.
        stop_granted: an idTag that may stop the running transaction; the transactions feature consumes it.
        conflicts: idTags that the local list accepts and the backend does not, the newest last (section 3.5.2). Such a
            conflict lasts until the list or the backend's verdict changes; a reboot forgets it.
    """

    def __init__(
        self,
        store: Store,
        clock: Clock,
        config: Configuration,
        facts: Facts,
        outbox: Outbox,
        boot: Boot,
        availability: Availability,
        local_auth_list: LocalAuthList,
        reservations: Reservations,
        factory: Factory,
        actions: list[Action],
    ) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._facts = facts
        self._outbox = outbox
        self._boot = boot
        self._availability = availability
        self._local_auth_list = local_auth_list
        self._reservations = reservations
        self._factory = factory
        self._actions = actions
        self.conflicts: list[str] = []
        self._list_seen = 0  # the state of the list that `conflicts` were compared with
        self.granted: Grant | None = None
        self.stop_granted = ""
        self._asked: _Asked | None = None

    @property
    def online(self) -> bool:
        """The backend can be asked."""
        return self._outbox.online and self._boot.registration == "accepted"

    @property
    def busy(self) -> bool:
        """A decision is pending or granted already."""
        return self._asked is not None or self.granted is not None

    @property
    def asking(self) -> str:
        """The idTag whose Authorize.req waits for its answer, "" if none."""
        return self._asked.id_tag if self._asked else ""

    # -- entry points

    def present(self, id_tag: str) -> None:
        """A card was presented at the station."""
        if not 0 < len(id_tag) <= 20 or not (id_tag.isascii() and id_tag.isprintable()):  # CiString20
            rule = Sentence("This card's number does not fit the 20 printable ASCII characters of OCPP.")
            self._refuse(ascii(id_tag[:20]), rule, "GEN-02")
            return
        running = self._store.open_transaction()
        if running is not None:
            if running.reason:
                self._feedback(CardFeedback.WAITING, Sentence("The session is just ending. Tap again in a moment."))
                return
            self._present_to_stop(id_tag, running)
            return
        if self._asked is not None and same_tag(self._asked.id_tag, id_tag):
            self._feedback(CardFeedback.WAITING, Sentence("Still asking the operator about this card."))
            return
        if self.granted is not None and same_tag(self.granted.id_tag, id_tag):
            self.granted = None
            self._feedback(CardFeedback.CANCELLED, Sentence("Cancelled. Tap again to start."))
            return
        self.request(id_tag, remote=False)

    def request(self, id_tag: str, *, remote: bool) -> None:
        """Decide whether `id_tag` may start a transaction: at once, or when Authorize.conf came."""
        if self.kept_out(id_tag):
            self._refuse_reserved(id_tag, self._known_parent(id_tag))
            return
        self.granted = self._asked = None
        if self._boot.restarting:
            self._refuse(id_tag, _RESTARTING, "RES-03")
            return
        if self._boot.denied:
            self._refuse(id_tag, Sentence("The backend has not accepted this station yet."), "BOOT-12")
            return
        if not self._availability.operative(1):
            self._refuse(
                id_tag, Sentence("This station is out of service ({cause}).", cause=self._availability.cause), "AVL-05"
            )
            return
        if faults := self._facts.blocking_faults:
            self._refuse(
                id_tag,
                Sentence("This station has a fault: {fault}", fault=faults[0].code_and_info),
                "STA-13",
            )
            return
        if not self.online:
            self._decide_offline(id_tag, remote)
            return
        entry = self.known(id_tag)
        if (
            self._config.local_pre_authorize
            and entry is not None
            and self._valid(entry)
            and self._reservations.admits(id_tag, entry.parent_id_tag)
        ):
            self._grant(id_tag, entry.parent_id_tag, remote)
            return
        self._ask(id_tag, remote)

    def grant_unasked(self, id_tag: str) -> None:
        """A remote start with AuthorizeRemoteTxRequests=false: the backend judges in StartTransaction.conf."""
        parent_id_tag = self._known_parent(id_tag)
        if self._reservations.admits(id_tag, parent_id_tag):
            self._grant(id_tag, parent_id_tag, remote=True)
        else:  # whether it belongs to the group of the reservation only the backend knows (section 5.13)
            self._ask(id_tag, remote=True)

    def cancel(self) -> None:
        """The grant is used up, or not wanted any more."""
        self.granted = None

    def kept_out(self, id_tag: str) -> bool:
        """The connector is reserved for others; False also while only the backend can tell the group of this tag."""
        reservation, parent_id_tag = self._reservations.current, self._known_parent(id_tag)
        if reservation is None or reservation.is_for(id_tag, parent_id_tag):
            return False
        return not reservation.parent_id_tag or bool(parent_id_tag)

    # -- knowledge

    def known(self, id_tag: str) -> IdTagEntry | None:
        """The entry that counts: the local list's before the cache's (section 3.5.3)."""
        if self._config.local_auth_list_enabled and (entry := self._store.list_entry(id_tag)):
            return entry
        if self._config.authorization_cache_enabled:
            return self._store.cache_entry(id_tag)
        return None

    def _known_parent(self, id_tag: str) -> str:
        """The group of a valid tag as list or cache know it, "" when they do not."""
        entry = self.known(id_tag)
        return entry.parent_id_tag if entry is not None and self._valid(entry) else ""

    def learn(self, id_tag: str, info: IdTagInfo) -> None:
        """Keep a verdict of the backend in the cache, unless the tag is in the local list (section 3.5.1)."""
        if not info.status:
            return
        if self._config.local_auth_list_enabled and (listed := self._store.list_entry(id_tag)):
            self._compare_with_list(id_tag, info, accepted=self._valid(listed))
            return
        if not self._config.authorization_cache_enabled:
            return
        entry = IdTagEntry(id_tag, info.status, "cache", info.parent_id_tag, info.expiry_date, self._clock.utc())
        former = self._store.cache_entry(id_tag)
        if former is not None and replace(former, id_tag=id_tag, updated_at=entry.updated_at) == entry:
            return  # nothing new: no write
        if former is None and self._store.cache_size() >= CACHE_LIMIT:
            self._store.evict_cache_entry(self._clock.utc())
        self._store.save_cache_entry(entry)

    def clear_cache(self, request: Payload) -> Payload:
        """ClearCache.req (section 5.4)."""
        self.discard_cache()
        return {"status": "Accepted"}

    def discard_cache(self) -> None:
        """The backend or a person at the station wants every card to be asked about again."""
        self._store.clear_cache()

    def _compare_with_list(self, id_tag: str, info: IdTagInfo, *, accepted: bool) -> None:
        """Section 3.5.2: the list says valid, the backend says otherwise; the status feature reports it."""
        known = next((tag for tag in self.conflicts if same_tag(tag, id_tag)), None)
        conflict = accepted and info.status not in VALID
        if known is not None and not conflict:
            self.conflicts.remove(known)
        elif conflict and known is None:
            self.conflicts.append(id_tag)
            rule = Sentence("The local list accepts {id_tag}, the backend does not.", id_tag=id_tag)
            self._actions.append(Explain(Sentence("local list"), "LocalListConflict", rule, id_tag, "AUT-15"))

    def _forget_conflicts(self) -> None:
        """The list was changed or switched off: what it accepts no longer cannot contradict the backend."""
        if not self._config.local_auth_list_enabled:
            self.conflicts.clear()
        if self._list_seen != self._local_auth_list.changes:
            self._list_seen = self._local_auth_list.changes
            listed = ((tag, self._store.list_entry(tag)) for tag in self.conflicts)
            self.conflicts = [tag for tag, entry in listed if entry is not None and self._valid(entry)]

    def _valid(self, entry: IdTagEntry) -> bool:
        return entry.status in VALID and not self._expired(entry)

    def _expired(self, entry: IdTagEntry) -> bool:
        return entry.expiry_date is not None and entry.expiry_date <= self._clock.utc()

    # -- decisions

    def _decide_offline(self, id_tag: str, remote: bool, *, why: Sentence = _OFFLINE) -> None:
        """Section 3.5.4: what the station may decide without the backend."""
        entry = self.known(id_tag)
        if entry is not None and not self._valid(entry):
            shown = "Expired" if entry.status in VALID else entry.status
            self._refuse(id_tag, Sentence("This card is known as {shown} ({why}).", shown=shown, why=why), "AUT-07")
        elif entry is not None and self._config.local_authorize_offline:
            self._grant(id_tag, entry.parent_id_tag, remote)
        elif entry is not None:
            self._refuse(
                id_tag,
                Sentence("Known cards may not start now ({why}; LocalAuthorizeOffline is false).", why=why),
                "AUT-05",
            )
        elif self._config.allow_offline_tx_for_unknown_id:
            self._grant(id_tag, "", remote)
        else:
            self._refuse(
                id_tag,
                Sentence("Unknown cards may not start now ({why}; AllowOfflineTxForUnknownId is false).", why=why),
                "AUT-06",
            )

    def _present_to_stop(self, id_tag: str, running: Transaction) -> None:
        """Sections 3.4 and 3.10: the same card stops, another one only when it belongs to the same group."""
        if same_tag(id_tag, running.id_tag):
            self.stop_granted = id_tag
            return
        entry = self.known(id_tag)
        if not running.parent_id_tag:
            self._refuse(id_tag, Sentence("Another card started this session; only that card can stop it."), "AUT-18")
        elif entry is not None and self._valid(entry) and entry.parent_id_tag:
            self._stop_if_same_group(id_tag, entry.parent_id_tag, running)
        elif self.online:
            self._ask(id_tag, remote=False, to_stop=running.uid)
        else:
            self._refuse(
                id_tag, Sentence("Whether this card belongs to the same group cannot be asked while offline."), "AUT-17"
            )

    def _stop_if_same_group(self, id_tag: str, parent_id_tag: str, running: Transaction) -> None:
        if same_tag(parent_id_tag, running.parent_id_tag):
            self.stop_granted = id_tag
        else:
            self._refuse(
                id_tag, Sentence("This card belongs to another group than the one that started the session."), "AUT-17"
            )

    def _ask(self, id_tag: str, remote: bool, to_stop: str = "") -> None:
        self._asked = _Asked(id_tag, self._clock.monotonic(), remote, to_stop)
        self._outbox.send("Authorize", {"idTag": id_tag})
        self._feedback(CardFeedback.WAITING, Sentence("Asking the operator …"))

    def authorize_conf(self, outcome: Outcome) -> None:
        """Authorize.conf (section 6.2); no usable answer means deciding as offline (conformance AUT-23)."""
        id_tag: str = outcome.request["idTag"]
        info = read_id_tag_info(outcome.response) if outcome.response is not None else IdTagInfo()
        self.learn(id_tag, info)
        asked = self._asked
        if asked is None or not same_tag(asked.id_tag, id_tag):  # decided meanwhile, as offline
            granted = self.granted
            if granted is not None and same_tag(granted.id_tag, id_tag) and info.status not in ("", "Accepted"):
                self.granted = None
                self._refuse(id_tag, Sentence("The backend answered {status}.", status=info.status), "AUT-21")
            return
        if outcome.late and not info.status:
            return  # of an earlier question about the same tag
        if not info.status:
            self._give_up(outcome.error or Sentence("the backend's answer held no verdict"))
            return
        self._asked = None
        if asked.to_stop:
            running = self._store.open_transaction()
            if running is None or running.uid != asked.to_stop:
                return
            if info.status in VALID:
                self._stop_if_same_group(id_tag, info.parent_id_tag, running)
            else:
                self._refuse(id_tag, Sentence("The backend answered {status}.", status=info.status), "AUT-17")
        elif info.status == "Accepted":
            self._grant(id_tag, info.parent_id_tag or self._known_parent(id_tag), asked.remote)
        else:
            self._refuse(id_tag, Sentence("The backend answered {status}.", status=info.status), "AUT-21")

    def _give_up(self, why: Sentence) -> None:
        asked, self._asked = self._asked, None
        if asked is None:
            return
        if asked.to_stop:
            self._refuse(
                asked.id_tag,
                Sentence("Whether this card belongs to the same group is not known ({why}).", why=why),
                "AUT-17",
            )
        else:
            self._decide_offline(asked.id_tag, asked.remote, why=why)

    def _grant(self, id_tag: str, parent_id_tag: str, remote: bool) -> None:
        if not self._reservations.admits(id_tag, parent_id_tag):
            self._refuse_reserved(id_tag, parent_id_tag)
            return
        self.granted = Grant(id_tag, parent_id_tag, self._clock.monotonic(), remote)
        plugged = self._facts.reading.ev_connected
        self._feedback(
            CardFeedback.ACCEPTED, Sentence("Accepted.") if plugged else Sentence("Accepted. Plug in the car.")
        )

    def _refuse_reserved(self, id_tag: str, parent_id_tag: str) -> None:
        until = self._reservations.until
        rule = Sentence("This station is reserved for somebody else until {until}.", until=until)
        if (reservation := self._reservations.current) and reservation.parent_id_tag and not parent_id_tag:
            rule = Sentence("{reserved} It is not known whether this card belongs to the same group.", reserved=rule)
        self._refuse(id_tag, rule, "RSV-04")

    def _refuse(self, id_tag: str, rule: Sentence, clause: str) -> None:
        self._feedback(CardFeedback.REJECTED, rule)
        self._actions.append(Explain(Sentence("card"), Sentence("refused"), rule, id_tag, clause))

    def _feedback(self, kind: CardFeedback, text: Sentence) -> None:
        self._actions.append(Feedback(kind, text))

    def update(self) -> None:
        """A grant ends with the availability, or when it is reserved away; and deadlines: the wait for Authorize.conf,
        ConnectionTimeOut of a grant."""
        now = self._clock.monotonic()
        self._forget_conflicts()
        if self.busy and self._boot.restarting:
            id_tag = self.granted.id_tag if self.granted else self.asking
            self.granted = self._asked = None
            self._refuse(id_tag, _RESTARTING, "RES-03")
        if self.busy and not self._availability.operative(1):
            id_tag = self.granted.id_tag if self.granted else self.asking
            self.granted = self._asked = None
            self._refuse(
                id_tag,
                Sentence("This station was taken out of service ({cause}).", cause=self._availability.cause),
                "AVL-05",
            )
        granted = self.granted
        if granted is not None and not self._reservations.admits(granted.id_tag, granted.parent_id_tag):
            self.granted = None  # the backend has replaced the reservation since
            self._refuse_reserved(granted.id_tag, granted.parent_id_tag)
        if self._asked is not None and now - self._asked.asked_at >= self._factory.authorize_wait_s:
            self._give_up(
                Sentence("no answer within {authorize_wait_s:g} s", authorize_wait_s=self._factory.authorize_wait_s)
            )
        wait_s = self._config.connection_time_out
        if self.granted is not None and 0 < wait_s <= now - self.granted.granted_at:
            id_tag, self.granted = self.granted.id_tag, None
            rule = Sentence("No car was plugged in within {wait_s} s.", wait_s=wait_s)
            if self._facts.reading.ev_connected:
                rule = Sentence(
                    "The session could not start within {wait_s} s (a fault, or no reading of the energy meter).",
                    wait_s=wait_s,
                )
            self._refuse(id_tag, rule, "STA-09")
