"""What people own of the local list: what fits into an entry, who may change it, and telling the station about it."""

from __future__ import annotations

import contextlib
from typing import Any

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django.db import transaction
from django.utils.translation import gettext

from ocppclient.configuration import KEYS, Refused
from station import provisioning
from station.live import STATION
from station.models import IdTag, Value

TAG_LENGTH = 20  # CiString20
NOTE_LENGTH = 100
STATUSES = tuple(status for status, _ in IdTag.STATUSES)
#: In list and cache these let a card charge (OCPP 1.6 section 3.5.2).
VALID = ("Accepted", "ConcurrentTx")
LISTED = ("backend", "station")


class Unfit(ValueError):
    """A value that does not fit; `cure` says what to do about it."""

    def __init__(self, reason: str, cure: str) -> None:
        super().__init__(f"{reason} {cure}")
        self.reason = reason
        self.cure = cure


def check_id_tag(text: str) -> str:
    """The tag without blanks around it.

    Raises:
        Unfit: it is empty, too long, or holds what no reader and no message can hold.
    """
    text = text.strip()
    if not text:
        raise Unfit(gettext("The card number is missing."), gettext("Give 1 to 20 characters."))
    return _check_tag(text)


def check_parent_id_tag(text: str) -> str:
    """The group of a card; it may be empty."""
    return _check_tag(text.strip())


def _check_tag(text: str) -> str:
    if len(text) > TAG_LENGTH:
        raise Unfit(
            gettext("It has %(length)s characters.") % {"length": len(text)},
            gettext("OCPP has room for %(tag_length)s; take them from the reader.") % {"tag_length": TAG_LENGTH},
        )
    if not text.isascii() or (text and not text.isprintable()):
        odd = next(letter for letter in text if not (letter.isascii() and letter.isprintable()))
        raise Unfit(
            gettext("It holds the character %(odd)s.") % {"odd": ascii(odd)},
            gettext("Use letters, digits and signs without accents only."),
        )
    return text


def check_note(text: str) -> str:
    """A note: any one line of text."""
    text = text.strip()
    if len(text) > NOTE_LENGTH:
        raise Unfit(
            gettext("The note has %(text)s characters.") % {"text": len(text)},
            gettext("Shorten it to %(note_length)s.") % {"note_length": NOTE_LENGTH},
        )
    if text and not text.isprintable():
        raise Unfit(
            gettext("The note holds a line break or another control character."), gettext("Write it in one line.")
        )
    return text


def has_backend() -> bool:
    """A backend is configured."""
    return bool(provisioning.stored("backend", "url"))


def is_ours(entry: IdTag | None) -> bool:
    """People may change it: entries of the backend change by SendLocalList only, as long as there is a backend."""
    return entry is None or entry.source == "station" or (entry.source == "backend" and not has_backend())


def key_is_true(name: str) -> bool:
    """The present value of a boolean configuration key, as the station's worker stored it or the factory fixed it."""
    row = Value.objects.filter(name=f"key.{name}").first()
    key = KEYS[name.casefold()]
    text: Any = row.value if row else provisioning.stored("ocpp", name)
    try:
        return bool(key.default if text is None else key.parse(str(text)))
    except Refused:
        return bool(key.default)


def list_is_used() -> bool:
    """The list takes part in decisions."""
    profiles = provisioning.stored("factory", "feature_profiles")
    return (profiles is None or "LocalAuthListManagement" in profiles) and key_is_true("LocalAuthListEnabled")


def poke(user: str) -> None:
    """Let the station look as soon as this is committed; it would find the change anyway (design.md, concept 9)."""
    message = {"type": "station.command", "command": "settings", "user": user}

    def send() -> None:
        with contextlib.suppress(ChannelFull):
            async_to_sync(get_channel_layer().send)(STATION, message)

    transaction.on_commit(send)
