"""What both stores make of a record before they keep it: the same text, numbers and times must come back from either.

Text from the backend may hold anything JSON can spell; SQLite takes neither lone surrogates nor integers beyond 64 bit.
"""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any, TypeVar

Record = TypeVar("Record", bound=Any)

SMALLEST_INT, LARGEST_INT = -(2**63), 2**63 - 1


def clean_text(text: str) -> str:
    """Replace what cannot be written as UTF-8 (lone surrogates) by U+FFFD; split pairs are joined."""
    # isascii first: nearly every text is, and the encode is only for the others.
    return text if text.isascii() else text.encode("utf-16", "surrogatepass").decode("utf-16", "replace")


def fits(number: int) -> bool:
    """A 64-bit signed integer."""
    return SMALLEST_INT <= number <= LARGEST_INT


def tag_key(id_tag: str) -> str:
    """What id tags are compared by (CiString, OCPP 1.6 section 2.2)."""
    return clean_text(id_tag).casefold()


def same_tag(one: str, other: str) -> bool:
    """Whether two id tags (or two parents) are the same."""
    return tag_key(one) == tag_key(other)


def storable(record: Record) -> Record:
    """The record as it will be read back: clean text, times in UTC.

    Raises:
        ValueError: an integer beyond 64 bit, a number that is not an integer, or a datetime without a zone; the text
            names the field.
    """
    changes: dict[str, Any] = {}
    for name in record.__dataclass_fields__:
        value = getattr(record, name)
        clean = _clean(name, value)
        if clean is not value:
            changes[name] = clean
    return replace(record, **changes) if changes else record


def _clean(name: str, value: Any) -> Any:
    if isinstance(value, str):
        return clean_text(value)
    if isinstance(value, int):
        if not fits(value):
            raise ValueError(f"{name} does not fit into 64 bit: it has {value.bit_length()} bits")
        return value
    if isinstance(value, datetime):
        if value.tzinfo is None:
            raise ValueError(f"{name} is a datetime without a zone")
        return value if value.tzinfo is UTC else value.astimezone(UTC)
    if isinstance(value, tuple):
        cleaned = tuple(clean_text(text) for text in value)
        return value if cleaned == value else cleaned
    if isinstance(value, float):
        raise ValueError(f"{name} must be an integer, not {value}")
    return value
