"""The catalogues in station/locale: brought up to date with the sources, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import polib

from station.catalogues import FOLDER
from station.languages import LANGUAGES
from station.translation.texts import SOURCES, Text, texts

#: Plural rules of gettext by language.
_PLURALS = {"de": "nplurals=2; plural=(n != 1);", "ko": "nplurals=1; plural=0;"}
#: %(name)s, %s, %d, {name}, {name:.1f}: what the program fills in.
_PLACEHOLDER = re.compile(r"%\(\w+\)[sd]|%[sd]|\{\w*(?:![rs])?(?::[^{}]*)?\}")


def path_of(language: str, domain: str, folder: Path = FOLDER) -> Path:
    """Where a catalogue is."""
    return folder / language / "LC_MESSAGES" / f"{domain}.po"


def translated() -> list[str]:
    """The languages that have catalogues: all but that of the sources."""
    return list(LANGUAGES)[1:]


def update(language: str, domain: str, folder: Path = FOLDER) -> bool:
    """Bring a catalogue up to date: new texts empty, former texts gone, sorted. Returns whether it changed."""
    path = path_of(language, domain, folder)
    fresh = _renewed(language, texts(domain), polib.pofile(str(path)) if path.exists() else polib.POFile())
    content = str(fresh) + "\n"
    if path.exists() and path.read_text() == content:
        return False
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(content)
    return True


def _renewed(language: str, wanted: list[Text], former: polib.POFile) -> polib.POFile:
    """Sorted by text, without places and dates: two people who add texts seldom meet in one line."""
    kept = {(entry.msgid, entry.msgctxt or ""): entry for entry in former if not entry.obsolete}
    fresh = polib.POFile(wrapwidth=0)
    fresh.metadata = {
        "Content-Type": "text/plain; charset=UTF-8",
        "Content-Transfer-Encoding": "8bit",
        "Language": language,
        "Plural-Forms": _PLURALS[language],
    }
    for text in wanted:
        entry = kept.get((text.singular, text.context))
        fresh.append(_entry(text, entry, language))
    return fresh


def _entry(text: Text, former: polib.POEntry | None, language: str) -> polib.POEntry:
    entry = polib.POEntry(msgid=text.singular, msgctxt=text.context or None)
    if former is not None:
        entry.flags, entry.tcomment = former.flags, former.tcomment
    if text.plural:
        count = int(re.match(r"nplurals=(\d)", _PLURALS[language]).group(1))  # type: ignore[union-attr]
        entry.msgid_plural = text.plural
        known = former.msgstr_plural if former is not None else {}
        entry.msgstr_plural = {number: known.get(number, "") for number in range(count)}
    elif former is not None:
        entry.msgstr = former.msgstr
    return entry


def problems(folder: Path = FOLDER) -> Iterator[str]:
    """What keeps the languages from being complete, a line each, with its cure."""
    for language in translated():
        for domain in SOURCES:
            path = path_of(language, domain, folder)
            name = f"{language}/{path.name}"
            former = polib.pofile(str(path)) if path.exists() else polib.POFile()
            if str(_renewed(language, texts(domain), former)) + "\n" != (path.read_text() if path.exists() else ""):
                yield f"{name} is not what the sources say: run `manage.py translations`, then translate what is new."
            for entry in former:
                yield from (f"{name}: {entry.msgid!r} {what}" for what in _wrong(entry))


def _wrong(entry: polib.POEntry) -> Iterator[str]:
    said = list(entry.msgstr_plural.values()) if entry.msgid_plural else [entry.msgstr]
    if not all(said):
        yield "is not translated."
        return
    if entry.fuzzy:
        yield "is fuzzy: look at it, and take the mark away."
    wanted = {frozenset(_PLACEHOLDER.findall(text)) for text in (entry.msgid, entry.msgid_plural) if text}
    for text in said:
        if frozenset(_PLACEHOLDER.findall(text)) not in wanted:
            yield f"has other placeholders than its translation {text!r}."
