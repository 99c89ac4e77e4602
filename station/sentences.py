"""Sentences of the domain and the hardware at the edge: kept with how they were made, said in the reader's language."""

from __future__ import annotations

from collections.abc import Callable
from string import Formatter
from typing import TYPE_CHECKING, Any

from django.db import models
from django.utils.formats import get_format
from django.utils.functional import lazy
from django.utils.translation import gettext

from ocppclient.sentence import is_made, packed, unpacked

__all__ = ["SentenceField", "all_packed", "all_spoken", "all_unpacked", "packed", "spoken", "spoken_lazy", "unpacked"]


class _Speaker(Formatter):
    """Fills placeholders as the active language writes them."""

    def format_field(self, value: Any, format_spec: str) -> str:
        if is_made(value):
            return spoken(value)
        text: str = super().format_field(value, format_spec)
        return text.replace(".", get_format("DECIMAL_SEPARATOR")) if isinstance(value, float) else text


def spoken(text: str) -> str:
    """In the active language; what has no translation there, as a card number or a peer's words, as it is."""
    if not text:
        return ""
    if not is_made(text):
        return gettext(text)
    return _Speaker().vformat(gettext(text.template), (), text.values)  # type: ignore[attr-defined]


#: The same when it is shown: for what is made at import, as labels of forms.
spoken_lazy = lazy(spoken, str)


def all_packed(value: Any) -> Any:
    """For a channel: something made of dictionaries, lists and plain values, with its sentences packed."""
    return _everywhere(packed, value)


def all_unpacked(value: Any) -> Any:
    """The other way, for who keeps or compares them."""
    return _everywhere(unpacked, value)


def all_spoken(value: Any) -> Any:
    """For a reader: the sentences in it, packed or not, in the active language; other texts (a name, a card) stay."""
    return _everywhere(lambda text: spoken(made) if is_made(made := unpacked(text)) else text, value)


def _everywhere(change: Callable[[str], str], value: Any) -> Any:
    match value:
        case str():
            return change(value)
        case dict():
            return {name: _everywhere(change, one) for name, one in value.items()}
        case list() | tuple():
            return [_everywhere(change, one) for one in value]
        case _:
            return value


if TYPE_CHECKING:
    _TextField = models.TextField[str, str]
else:
    _TextField = models.TextField


class SentenceField(_TextField):
    """A column of sentences: they are read as they were written. Plain texts stay plain; English can be searched."""

    def from_db_value(self, value: str | None, expression: object, connection: object) -> str | None:
        """Out of the database."""
        return None if value is None else unpacked(value)

    def get_prep_value(self, value: Any) -> Any:
        """Into it."""
        return packed(value) if isinstance(value, str) else super().get_prep_value(value)

    def deconstruct(self) -> Any:
        """In the database it is a column of text as any other."""
        name, _, args, kwargs = super().deconstruct()
        return name, "django.db.models.TextField", args, kwargs
