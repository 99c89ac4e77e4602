"""The languages are complete, and what gathers and checks their texts sees what is missing."""

from __future__ import annotations

import os
from pathlib import Path

import polib
import pytest

from station import catalogues
from station.translation import catalogue
from station.translation.texts import Text, texts

WORDS = 'gettext("Plug in"); ngettext("%(n)s card", "%(n)s cards", n); pgettext("role", "operator")\n'
PAGE = """{% load i18n %}
  <p>{% translate "Tap a card" %} {{ name|default:_("nobody") }}
 {% blocktranslate trimmed count n=3 %}one
   message{% plural %}{{ n }} messages{% endblocktranslate %}</p>"""


@pytest.fixture
def sources(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A small project, whose catalogues are in its own folder."""
    for name, text in (
        ("station/a.py", WORDS),
        ("templates/b.html", PAGE),
        ("static/station/c.js", "x = gettext('Look');"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    monkeypatch.setattr(catalogue, "texts", lambda domain: texts(domain, tmp_path))
    return tmp_path


def test_every_text_is_translated_into_every_language() -> None:
    assert list(catalogue.problems()) == []


def test_texts_are_found_in_python_templates_and_scripts(sources: Path) -> None:
    assert texts("django", sources) == [
        Text("%(n)s card", "%(n)s cards"),
        Text("Plug in"),
        Text("Tap a card"),
        Text("nobody"),
        Text("one message", "%(n)s messages"),
        Text("operator", context="role"),
    ]
    assert texts("djangojs", sources) == [Text("Look")]


def test_an_update_keeps_what_was_translated_and_drops_what_is_no_more(sources: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locale"
    assert catalogue.update("de", "django", folder)
    assert not catalogue.update("de", "django", folder), "nothing is new"
    path = catalogue.path_of("de", "django", folder)
    path.write_text(path.read_text().replace('msgid "Plug in"\nmsgstr ""', 'msgid "Plug in"\nmsgstr "Anstecken"'))
    (sources / "station" / "a.py").write_text('gettext("Plug in"), gettext("Unplug")')
    assert catalogue.update("de", "django", folder)
    assert [(entry.msgid, entry.msgstr) for entry in polib.pofile(str(path))][:2] == [
        ("Plug in", "Anstecken"),
        ("Tap a card", ""),
    ]


def filled(folder: Path) -> None:
    """Every language complete."""
    for language in catalogue.translated():
        for domain in catalogue.SOURCES:
            catalogue.update(language, domain, folder)
            path = catalogue.path_of(language, domain, folder)
            content = polib.pofile(str(path), wrapwidth=0)
            for entry in content:
                entry.msgstr = "" if entry.msgid_plural else f"+{entry.msgid}"
                entry.msgstr_plural = dict.fromkeys(entry.msgstr_plural, f"+{entry.msgid_plural}")
            path.write_text(f"{content}\n")


def test_what_is_wrong_with_a_catalogue_is_told(sources: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locale"
    filled(folder)
    assert list(catalogue.problems(folder)) == []
    path = catalogue.path_of("ko", "django", folder)
    whole = path.read_text()

    def told(former: str, broken: str) -> list[str]:
        assert former in whole
        path.write_text(whole.replace(former, broken))
        return list(catalogue.problems(folder))

    assert told('"+Plug in"', '""') == ["ko/django.po: 'Plug in' is not translated."]
    assert told('"+%(n)s messages"', '""') == ["ko/django.po: 'one message' is not translated."]
    assert told('msgid "Plug in"', '#, fuzzy\nmsgid "Plug in"') == [
        "ko/django.po: 'Plug in' is fuzzy: look at it, and take the mark away."
    ]
    assert told('"+%(n)s cards"', '"+%(m)s cards"') == [
        "ko/django.po: '%(n)s card' has other placeholders than its translation '+%(m)s cards'."
    ]
    assert "is not what the sources say" in told('msgid "Plug in"', 'msgid "Plugged in"')[0]


def test_a_catalogue_is_compiled_once_and_again_when_it_changed(sources: Path, tmp_path: Path) -> None:
    folder = tmp_path / "locale"
    filled(folder)
    paths = {catalogue.path_of(*which, folder) for which in (("de", "django"), ("de", "djangojs"), ("ko", "django"),
                                                            ("ko", "djangojs"))}  # fmt: skip
    assert set(catalogues.compile_stale(folder)) == {path.with_suffix(".mo") for path in paths}
    assert catalogues.compile_stale(folder) == []
    changed = catalogue.path_of("de", "django", folder)
    made_at = changed.with_suffix(".mo").stat().st_mtime
    os.utime(changed, (made_at + 1, made_at + 1))
    assert catalogues.compile_stale(folder) == [changed.with_suffix(".mo")]
    assert polib.mofile(str(changed.with_suffix(".mo"))).find("Plug in").msgstr == "+Plug in"


def test_a_catalogue_that_cannot_be_written_stops_nothing(
    sources: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "locale"
    catalogue.update("de", "django", folder)
    path = catalogue.path_of("de", "django", folder)
    path.with_suffix(f".{os.getpid()}").mkdir()  # in the way, also of root
    assert catalogues.compile_stale(folder) == []
    assert "django.po cannot be compiled: " in caplog.text
