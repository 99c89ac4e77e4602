"""A text for people: plain English that remembers how it was made, so that it can be said in another language."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

#: Between the English of a packed sentence and how it was made; no text of the station or of a peer needs it.
_SEPARATOR = "\x1e"
#: Of a sentence that is nothing but somebody else's words.
_QUOTED = "{words}"


class Sentence(str):
    """English, made of a template and its values (docs/decisions/0013-sentences.md).

    Wherever a text is wanted (log, OCPP, file, comparison) it is that English text; what is cut or joined from it is
    an ordinary string. `station/sentences.py` stores it, and says it in the language of the reader.
    `hardware/sentence.py` is its twin.

    Args:
        template: a literal, with placeholders as of `str.format`; it is the key of its translations.
        values: numbers, names (never translated) and sentences.
    """

    template: str
    values: Mapping[str, Any]

    def __new__(cls, template: str, /, **values: str | float) -> Sentence:
        sentence = super().__new__(cls, template.format(**values))
        sentence.template, sentence.values = template, values
        return sentence

    def __reduce__(self) -> tuple[Any, ...]:
        """Copies and pickles stay sentences."""
        return _again, (self.template, self.values)


def _again(template: str, values: Mapping[str, Any]) -> Sentence:
    return Sentence(template, **values)


_EMPTY = ""  # no template: gettext has its own meaning for it
#: Nothing to say.
NOTHING = Sentence(_EMPTY)


def quoted(said: object) -> Sentence:
    """What somebody else says, e.g. an exception: the sentence it is or was made with, else its words as they are."""
    if isinstance(said, BaseException) and said.args and isinstance(said.args[0], Sentence):
        said = said.args[0]
    return said if isinstance(said, Sentence) else Sentence(_QUOTED, words=str(said))


def listed(sentences: Sequence[Sentence]) -> Sentence:
    """All of them, with commas between."""
    told = sentences[0] if sentences else NOTHING
    for sentence in sentences[1:]:
        told = Sentence("{first}, {next}", first=told, next=sentence)
    return told


def is_made(text: object) -> bool:
    """It is a sentence: one of this module, or of its twin."""
    return hasattr(text, "template")


def packed(text: str) -> str:
    """One string with everything in it, to be kept or sent: the English, then how it was made. Plain text stays so."""
    if not text or not is_made(text) or text.template == _QUOTED:  # type: ignore[attr-defined]
        return str(text)
    return f"{text}{_SEPARATOR}{json.dumps(_parts(text), ensure_ascii=False)}"


def unpacked(text: str) -> str:
    """What `packed` was given; a text that was never packed (of an older version) as it is."""
    _, separator, parts = text.rpartition(_SEPARATOR)
    if not separator:
        return text
    try:
        return _made(json.loads(parts))
    except (ValueError, TypeError, LookupError, AttributeError):
        return text


def _parts(sentence: Any) -> list[Any]:
    values = sentence.values.items()
    return [sentence.template, {name: _parts(one) if is_made(one) else one for name, one in values}]


def _made(parts: Any) -> Sentence:
    template, values = parts
    return Sentence(template, **{name: _made(one) if isinstance(one, list) else one for name, one in values.items()})
