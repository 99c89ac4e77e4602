"""Every translatable text of Python, templates and scripts, by Babel and Django's own reading of templates."""

from __future__ import annotations

import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from babel.messages.extract import extract
from django.utils.translation.template import templatize

ROOT = Path(__file__).resolve().parent.parent.parent
#: gettext domain → (folder, name pattern, Babel's method).
SOURCES = {
    "django": (
        ("station", "*.py", "python"),
        ("ocppclient", "*.py", "python"),
        ("hardware", "*.py", "python"),
        ("templates", "*.html", "template"),
    ),
    "djangojs": (("static/station", "*.js", "javascript"),),
}
#: Function → which of its arguments are the text; "c" marks the context.
KEYWORDS: dict[str, tuple[int | tuple[int, str], ...] | None] = {
    "_": None,  # in templates
    "gettext": None,
    "gettext_lazy": None,
    "gettext_noop": None,
    "noop": None,  # its short name in tables
    "Sentence": None,  # ocppclient/sentence.py and its twin
    "ngettext": (1, 2),
    "ngettext_lazy": (1, 2),
    "pgettext": ((1, "c"), 2),
    "pgettext_lazy": ((1, "c"), 2),
    "npgettext": ((1, "c"), 2, 3),
}


@dataclass(frozen=True, order=True)
class Text:
    """One text to translate, as gettext knows it. `plural` and `context` are empty for most."""

    singular: str
    plural: str = ""
    context: str = ""


def texts(domain: str, root: Path = ROOT) -> list[Text]:
    """All texts of a gettext domain, sorted, each once; a text with and without plural counts with it."""
    found: dict[tuple[str, str], Text] = {}
    for folder, pattern, method in SOURCES[domain]:
        for path in sorted((root / folder).rglob(pattern)):
            for text in _of(path, method):
                known = found.get((text.singular, text.context))
                if known is None or not known.plural:
                    found[text.singular, text.context] = text
    return sorted(found.values())


def _of(path: Path, method: str) -> Iterator[Text]:
    source = path.read_text()
    if method == "template":
        # Calls of gettext between what was blanked; its lines are no Python, so their indentation means nothing.
        calls = templatize(source, origin=str(path))
        source, method = "\n".join(line.lstrip() for line in calls.splitlines()), "python"
    options = {"template_string": False} if method == "javascript" else {}
    for _, message, _, context in extract(method, io.BytesIO(source.encode()), KEYWORDS, options=options):
        singular, plural = message if isinstance(message, tuple) else (message, "")
        if singular:
            yield Text(singular, plural, context or "")
