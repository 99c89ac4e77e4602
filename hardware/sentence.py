"""A text for people: plain English that remembers how it was made, so that it can be said in another language."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

#: Of a sentence that is nothing but somebody else's words.
_QUOTED = "{words}"


class Sentence(str):
    """English, made of a template and its values: the twin of `ocppclient/sentence.py`, which says more.

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
