"""What the pages say in a language, by the English text of the sources; never English where a translation lacks."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import cached_property

import polib
from playwright.sync_api import Page

import tests.appliance  # noqa: F401  Django is ready: before anything of the station
from station.translation.catalogue import path_of, translated
from station.translation.texts import SOURCES

#: %(name)s of gettext and {name:.1f} of a Sentence.
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|\{\w+(?:![rs])?(?::[^{}]*)?\}")
#: A template with less text than this, in letters, says English only with single words in its places.
_TELLING = 12
#: Every piece of text that somebody sees in the middle of a page; what is the same in all languages is marked so.
_SEEN = """() => {
  const walker = document.createTreeWalker(document.querySelector("main"), NodeFilter.SHOW_TEXT);
  const found = [];
  while (walker.nextNode()) {
    const text = walker.currentNode.data.trim().replace(/\\s+/g, " ");
    const place = walker.currentNode.parentElement;
    if (text && place.checkVisibility() && !place.closest("[lang]:not(html), [translate=no], option")) found.push(text);
  }
  return found;
}"""


class Words:
    """The words of one language.

    Args:
        language: a code of `LANGUAGES`; in English too a text has to be one of the sources.
    """

    def __init__(self, language: str) -> None:
        self.language = language
        self._is_source = language not in translated()
        catalogues = [polib.pofile(str(path_of(self._catalogue, domain))) for domain in SOURCES]
        self._entries = {(entry.msgid, entry.msgctxt): entry for entries in catalogues for entry in entries}

    @property
    def _catalogue(self) -> str:
        return translated()[0] if self._is_source else self.language

    def __call__(self, text: str, context: str | None = None, /, **values: object) -> str:
        """The whole text, its placeholders filled with `values`.

        Raises:
            LookupError: the sources know no such text, it is not translated, or a value lacks.
        """
        return _PLACEHOLDER.sub(lambda place: str(values[_name(place)]), self._template(text, context))

    def like(self, text: str, context: str | None = None, /, **values: object) -> re.Pattern[str]:
        """The same where not all values are known before: each other placeholder stands for some characters."""
        template = self._template(text, context)
        literals = map(re.escape, _PLACEHOLDER.split(template))
        fillings = [
            re.escape(str(values[_name(one)])) if _name(one) in values else ".+?"
            for one in _PLACEHOLDER.finditer(template)
        ]
        return re.compile("".join(map(str.__add__, literals, [*fillings, ""])))

    def _template(self, text: str, context: str | None) -> str:
        entry = self._entries.get((text, context))
        if entry is None:
            raise LookupError(f"the sources say no {text!r} (context {context})")
        if self._is_source:
            return text
        if not entry.translated():
            raise LookupError(f"{text!r} is not translated into {self.language}")
        return str(entry.msgstr)

    def left_in_english(self, page: Page) -> list[str]:
        """What the page says in English though the catalogue has other words for it."""
        return [] if self._is_source else self.english_of(page.evaluate(_SEEN))

    def english_of(self, texts: Iterable[str]) -> list[str]:
        """Those of the texts that are English; a word that is the same in both languages is none."""
        translations = {entry.msgstr for entry in self._entries.values()}
        others = [text for text in texts if text not in translations]
        return [text for text in others if any(one.fullmatch(text) for one in self._english)]

    @cached_property
    def _english(self) -> list[re.Pattern[str]]:
        different = (
            english
            for entry in self._entries.values()
            for english in (entry.msgid, entry.msgid_plural)
            if english and english not in (entry.msgstr, *entry.msgstr_plural.values())
        )
        return [_matching(english) for english in different if re.search(r"[A-Za-z]{3}", _PLACEHOLDER.sub("", english))]


def _matching(template: str) -> re.Pattern[str]:
    """The template with anything in its places."""
    literals = _PLACEHOLDER.split(template)
    anything = ".+?" if len(re.findall("[A-Za-z]", "".join(literals))) >= _TELLING else r"\S+"
    return re.compile(anything.join(map(re.escape, literals)))


def _name(place: re.Match[str]) -> str:
    [name] = re.findall(r"^\W+(\w+)", place[0])
    return str(name)
