"""What importing a file would do, line by line, and doing exactly that: all of it, or nothing."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import cached_property

from django.db import transaction
from django.utils import timezone
from django.utils.translation import gettext, gettext_lazy

from ocppclient.clock import format_utc
from ocppclient.storable import tag_key
from ocppclient.store import IdTagEntry
from station.card_csv import Line
from station.local_list import LISTED, VALID
from station.models import IdTag

_FIELDS = ("status", "parent_id_tag", "expiry_date", "note")
_WORDS = {
    "status": gettext_lazy("verdict"),
    "parent_id_tag": gettext_lazy("group"),
    "expiry_date": gettext_lazy("valid until"),
    "note": gettext_lazy("note"),
}


class Kind(StrEnum):
    """What happens to a line; in the order that people want to see."""

    ERROR = "error"
    NEW = "new"
    CHANGED = "changed"
    KEPT = "kept"
    UNCHANGED = "unchanged"


@dataclass(frozen=True)
class Outcome:
    """One line and its fate; `entry` is what would be written, None when nothing is."""

    line: Line
    kind: Kind
    details: tuple[str, ...] = ()
    entry: IdTagEntry | None = None


@dataclass(frozen=True)
class Plan:
    """All lines of a file against the list as it is now."""

    outcomes: tuple[Outcome, ...]

    @cached_property
    def counts(self) -> dict[Kind, int]:
        """How many lines of each kind."""
        found = Counter(outcome.kind for outcome in self.outcomes)
        return {kind: found[kind] for kind in Kind}

    @property
    def entries(self) -> list[IdTagEntry]:
        """What would be written; nothing while a line has an error."""
        if self.counts[Kind.ERROR]:
            return []
        return [outcome.entry for outcome in self.outcomes if outcome.entry is not None]

    @cached_property
    def digest(self) -> str:
        """Changes with everything that the plan would do."""
        told = repr([(outcome.line.number, outcome.kind, outcome.details, outcome.entry) for outcome in self.outcomes])
        return hashlib.sha256(told.encode("utf-8", "surrogatepass")).hexdigest()


class ListMoved(Exception):
    """The list changed after the preview: what would happen now is not what was shown."""


def plan(lines: Sequence[Line]) -> Plan:
    """What would happen now."""
    listed = {(row.key, row.source): row for row in IdTag.objects.filter(source__in=LISTED)}
    now = timezone.now()
    return Plan(tuple(_outcome(line, listed, now) for line in lines))


def apply(lines: Sequence[Line], digest: str) -> Plan:
    """Do what the plan with this digest showed.

    Raises:
        ListMoved: it would be something else now; nothing was written.
    """
    with transaction.atomic():
        now_planned = plan(lines)
        if now_planned.digest != digest:
            raise ListMoved
        now = timezone.now()
        rows = [
            IdTag(
                key=tag_key(entry.id_tag), id_tag=entry.id_tag, status=entry.status, source="station",
                parent_id_tag=entry.parent_id_tag, expiry_date=entry.expiry_date, note=entry.note, updated_at=now,
            )
            for entry in now_planned.entries
        ]  # fmt: skip
        IdTag.objects.bulk_create(
            rows,
            update_conflicts=True,
            unique_fields=["key", "source"],
            update_fields=["id_tag", *_FIELDS, "updated_at"],
        )
    return now_planned


def _outcome(line: Line, listed: Mapping[tuple[str, str], IdTag], now: datetime) -> Outcome:
    if line.problems:
        return Outcome(line, Kind.ERROR)
    key = tag_key(line.id_tag)
    if (key, "backend") in listed:
        return Outcome(line, Kind.KEPT, (gettext("the backend's entry wins"),))
    if line.source == "backend":
        return Outcome(
            line, Kind.KEPT, (gettext("only the backend adds its entries; write station as source to add it here"),)
        )
    former = listed.get((key, "station"))
    if former is None:
        entry = replace(IdTagEntry(line.id_tag, "Accepted", "station"), **line.fields)
        return Outcome(line, Kind.NEW, _expired(entry, now), entry)
    as_is = IdTagEntry(
        former.id_tag, former.status, "station", former.parent_id_tag, former.expiry_date, None, former.note
    )
    entry = replace(as_is, **line.fields)
    changes = tuple(
        f"{_WORDS[name]}: {_shown(getattr(as_is, name))} → {_shown(getattr(entry, name))}"
        for name in _FIELDS
        if _written(getattr(as_is, name)) != _written(getattr(entry, name))
    )
    if not changes:
        return Outcome(line, Kind.UNCHANGED, _expired(entry, now))
    return Outcome(line, Kind.CHANGED, (*changes, *_expired(entry, now)), entry)


def _expired(entry: IdTagEntry, now: datetime) -> tuple[str, ...]:
    """A warning, no error: people keep old cards in their files."""
    if entry.status in VALID and entry.expiry_date is not None and entry.expiry_date <= now:
        return (gettext("has expired already (%(expiry_date)s)") % {"expiry_date": _shown(entry.expiry_date)},)
    return ()


def _written(value: str | datetime | None) -> str:
    """As a file spells it: a file holds no microseconds."""
    return format_utc(value) if isinstance(value, datetime) else value or ""


def _shown(value: str | datetime | None) -> str:
    return f"{value:%Y-%m-%d %H:%M:%S} UTC" if isinstance(value, datetime) else value or "none"
