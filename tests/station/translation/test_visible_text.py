"""Words that no call of gettext holds are found wherever people would see them, and nothing else is."""

from __future__ import annotations

from pathlib import Path

import pytest

from station.translation import visible_text

SEEN = [
    ("templates/a.html", "<p>Plug in</p>", "Plug in"),
    ("templates/a.html", "<p>{{ amps }} A for {{ name }}</p>", "… A for …"),
    ("templates/a.html", '<input placeholder="Search">', "Search"),
    ("templates/a.html", '<p>{{ name|default:"nobody" }}</p>', "nobody"),
    ("templates/a.html", '{% include "b.html" with title="Cards" %}', "Cards"),
    ("station/a.py", 'messages.success(request, "Saved.")', "Saved."),
    ("station/a.py", 'forms.CharField(label="Name" if new else gettext("Other"))', "Name"),
    ("station/a.py", 'raise ValidationError(f"{amps} is too much")', "f'{amps} is too much'"),
    ("station/a.py", 'forms.CharField(error_messages={"required": "Write it."})', "Write it."),
    ("static/station/a.js", 'note.textContent = "Try again";', '"Try again"'),
    ("static/station/a.js", "note.textContent = `after ${ago(x)}`;", "`after ${ago(x)}`"),
]
UNSEEN = [
    ("templates/a.html", '{% load i18n %}<p class="note wide">{% translate "Plug in" %} {{ amps }} A</p>'),
    ("templates/a.html", '<p>{% blocktranslate %}Hold {{ card }} here{% endblocktranslate %} <code>GET now</code></p>'),
    ("templates/a.html", '<p translate="no">OpenEVSE board</p>{# a remark #}{{ name|default:_("nobody") }}'),
    ("station/a.py", 'messages.success(request, gettext("Saved.")); log.warning("No card")'),
    ("station/a.py", 'Proof(State.DONE, f"{language}, {zone}")'),
    ("station/api/a.py", 'raise ValidationError("is no number")'),
    ("static/station/a.js", 'x = gettext("Try again"); y = ngettext("a card", "many cards", n);'),
    ("static/station/a.js", 'all(".switch button"); media("(prefers-color-scheme: dark)");'),
    ("static/station/a.js", 'font = `${12 * ratio}px system-ui, serif`; ask(`${url}?hours=${h}&unit=${u}`);'),
    ("static/station/a.js", 'fill = `color-mix(in srgb, ${colour("--accent")} 12%, transparent)`;'),
]  # fmt: skip


def problems(root: Path, name: str, source: str) -> list[str]:
    path = root / name
    path.parent.mkdir(parents=True)
    path.write_text(source)
    return list(visible_text.problems(root))


@pytest.mark.parametrize(("name", "source", "words"), SEEN)
def test_words_that_stay_english_are_told_with_their_file(tmp_path: Path, name: str, source: str, words: str) -> None:
    assert problems(tmp_path, name, source) == [f"{name}: {words!r} is not translatable."]


@pytest.mark.parametrize(("name", "source"), UNSEEN)
def test_what_is_translatable_or_no_language_is_passed_over(tmp_path: Path, name: str, source: str) -> None:
    assert problems(tmp_path, name, source) == []


def test_every_word_of_the_pages_can_be_translated() -> None:
    assert list(visible_text.problems()) == []
