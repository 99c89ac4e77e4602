"""Local Authorization List Management (OCPP 1.6 sections 3.5.2, 5.10 and 5.15; conformance LAL).

The backend's entries only: what people add at the station (source "station") is neither counted nor touched here.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime

from ocppclient.clock import Clock, parse_utc
from ocppclient.codec import CallFailure, Payload, tolerant_int
from ocppclient.configuration import Configuration
from ocppclient.events import Action, Explain
from ocppclient.sentence import Sentence, quoted
from ocppclient.storable import tag_key
from ocppclient.store import IdTagEntry, Store

log = logging.getLogger(__name__)

_VERSION, _LENGTH = "local_list.version", "local_list.length"


@dataclass(frozen=True)
class _Refusal:
    """Why a list is not taken: the status to answer, the rule, the offending value and the clause."""

    status: str
    rule: Sentence
    value: str
    clause: str


class _TooLong(Exception):
    """The list that would result does not fit; raised to undo it."""


class LocalAuthList:
    """The list as the backend sees it; nothing of it is kept in memory, `Authorization` reads it from the store."""

    def __init__(self, store: Store, clock: Clock, config: Configuration, actions: list[Action]) -> None:
        self._store = store
        self._clock = clock
        self._config = config
        self._actions = actions
        #: Counts the changes of the list in this boot: whoever has drawn a conclusion from it looks again.
        self.changes = 0

    @property
    def version(self) -> int:
        """What GetLocalListVersion tells: 0 while the list is empty (section 5.10).

        Also 0 when people changed the backend's entries (they may while no backend is configured): then the version
        describes the list no longer, and the backend has to send it again.
        """
        length = self._stored(_LENGTH)
        return self._stored(_VERSION) if length and not self._changed_by_people else 0

    @property
    def _changed_by_people(self) -> bool:
        """They take entries away from the backend's, or make them the station's own; they never add to them."""
        return self._store.list_size("backend") != self._stored(_LENGTH)

    def _stored(self, name: str) -> int:
        return tolerant_int(self._store.value(name)) or 0

    # -- messages

    def get_local_list_version(self, request: Payload) -> Payload:
        """GetLocalListVersion.req."""
        if not self._config.local_auth_list_enabled:
            rule = Sentence("The local list is switched off (LocalAuthListEnabled is false).")
            self._actions.append(Explain("GetLocalListVersion", "-1", rule, "false", "LAL-02"))
            return {"listVersion": -1}
        return {"listVersion": self.version}

    def send_local_list(self, request: Payload) -> Payload:
        """SendLocalList.req: all of it, or nothing.

        Raises:
            CallFailure: an expiryDate is no date.
        """
        items: list[Payload] = request.get("localAuthorizationList") or []
        full = request["updateType"] == "Full"
        version = tolerant_int(request["listVersion"]) or 0
        refusal = self._check(version, full, items)
        if refusal is None:
            now = self._clock.utc()
            entries = [_entry(item, now) for item in items if "idTagInfo" in item]
            removed = [item["idTag"] for item in items if "idTagInfo" not in item]
            refusal = self._apply(version, full, entries, removed)
        if refusal is None:
            return {"status": "Accepted"}
        self._actions.append(Explain("SendLocalList", refusal.status, refusal.rule, refusal.value, refusal.clause))
        return {"status": refusal.status}

    def _check(self, version: int, full: bool, items: Sequence[Payload]) -> _Refusal | None:
        """Everything that can be said without looking at the entries of the list."""
        if not self._config.local_auth_list_enabled:
            rule = Sentence("The local list is switched off (LocalAuthListEnabled is false).")
            return _Refusal("NotSupported", rule, "false", "LAL-07")
        if version < 1:  # 0 tells of an empty list, -1 of none
            return _Refusal(
                "Failed", Sentence("The listVersion of an update has to be 1 or more."), str(version), "LAL-06"
            )
        if not full:
            if self._changed_by_people:
                rule = Sentence(
                    "Entries of the backend were changed at the station; only a Full update makes the list right."
                )
                return _Refusal("Failed", rule, "Differential", "LAL-06")
            if version <= (current := self.version):
                rule = Sentence(
                    "The list has version {current} already; a Differential update needs a higher one.", current=current
                )
                return _Refusal("VersionMismatch", rule, str(version), "LAL-05")
        if len(items) > (longest := self._config.send_local_list_max_length):
            rule = Sentence(
                "At most {longest} entries fit into one SendLocalList (SendLocalListMaxLength).", longest=longest
            )
            return _Refusal("Failed", rule, str(len(items)), "LAL-06")
        seen: set[str] = set()
        for item in items:
            key = tag_key(item["idTag"])
            if key in seen:
                rule = Sentence("An idTag occurs twice in the update (upper and lower case count as the same).")
                return _Refusal("Failed", rule, item["idTag"], "LAL-06")
            seen.add(key)
            if full and "idTagInfo" not in item:
                rule = Sentence("An entry of a Full update has no idTagInfo; leaving a tag out is what removes it.")
                return _Refusal("Failed", rule, item["idTag"], "LAL-06")
        return None

    def _apply(
        self, version: int, full: bool, entries: Sequence[IdTagEntry], removed: Sequence[str]
    ) -> _Refusal | None:
        """Write the update; what does not fit or cannot be written leaves everything as it was (section 7.47)."""
        try:
            with self._store.atomic():
                if full:
                    self._store.replace_backend_list(entries)
                else:
                    self._store.change_backend_list(entries, removed)
                length = self._store.list_size("backend")
                if length > self._config.local_auth_list_max_length:
                    raise _TooLong
                self._store.set_value(_VERSION, str(version))
                self._store.set_value(_LENGTH, str(length))
                self._store.drop_listed_from_cache()
        except _TooLong:
            longest = self._config.local_auth_list_max_length
            rule = Sentence(
                "The list would have more than the {longest} entries that fit (LocalAuthListMaxLength).",
                longest=longest,
            )
            return _Refusal("Failed", rule, str(length), "LAL-06")
        except Exception as problem:
            log.exception("The local list could not be written")
            rule = Sentence("The list could not be stored; the former one counts. The log of the station says more.")
            return _Refusal("Failed", rule, type(problem).__name__, "LAL-06")
        self.changes += 1
        return None

    # -- people

    def settings_changed(self) -> None:
        """People may have added entries: tags of the list do not stay in the cache (section 3.5.3)."""
        self.changes += 1
        if self._config.local_auth_list_enabled:
            self._store.drop_listed_from_cache()


def _entry(item: Payload, now: datetime) -> IdTagEntry:
    info, expiry_date = item["idTagInfo"], None
    if "expiryDate" in info:
        try:
            expiry_date = parse_utc(info["expiryDate"])
        except ValueError as problem:
            raise CallFailure(
                "PropertyConstraintViolation",
                Sentence("expiryDate of idTag {id_tag!r}: {problem}", id_tag=item["idTag"], problem=quoted(problem)),
            ) from None
    return IdTagEntry(item["idTag"], info["status"], "backend", info.get("parentIdTag", ""), expiry_date, now)
