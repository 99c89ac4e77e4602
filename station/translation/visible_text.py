"""Texts that people would see in English whatever their language: what no call of gettext holds."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

from babel.messages.jslexer import tokenize
from django.template.base import Lexer, TokenType

from station.translation.texts import ROOT

#: Attributes that are read, heard or shown.
_SHOWN = ("alt", "aria-label", "data-label", "placeholder", "title")
#: Elements whose content is no language.
_UNREAD = ("code", "script", "style", "svg")
_WORD = re.compile(r"[^\W\d_]{2,}")
#: Units and names, the same in every language.
_SAME = {"kW", "kWh", "Wh", "mA", "UTC", "OCPP", "WiFi", "dBm", "QR", "SHA", "MiB", "min", "Bd"}
#: Filters that put words into a page.
_FILTER = re.compile(r"""\|\s*(?:default|default_if_none|yesno|pluralize|join)\s*:\s*(?:"([^"]*)"|'([^']*)')""")
_WITH = re.compile(r"""\b\w+=(?:"([^"]*)"|'([^']*)')""")
_HOLE = "\ue000"
#: Speaks English to programs.
_API = "station/api"


def problems(root: Path = ROOT) -> Iterator[str]:
    """A line each: where, and the words."""
    for folder, pattern, read in (
        ("templates", "*.html", _template),
        ("station", "*.py", _python),
        ("static/station", "*.js", _script),
    ):
        for path in sorted((root / folder).rglob(pattern)):
            if root / _API in path.parents:
                continue
            for words in read(path.read_text()):
                yield f"{path.relative_to(root)}: {words!r} is not translatable."


def _is_text(words: str) -> bool:
    return any(word not in _SAME for word in _WORD.findall(words))


# -- templates


def _template(source: str) -> list[str]:
    """Texts between tags and in attributes that no translate tag holds, and words in filters.

    HTML's own `translate="no"` marks what is a name.
    """
    page, found, skipped_until = "", [], ""
    for token in Lexer(source).tokenize():
        word = token.contents.split()[0] if token.token_type is TokenType.BLOCK else ""
        if skipped_until:
            skipped_until = "" if word == skipped_until else skipped_until
        elif token.token_type is TokenType.TEXT:
            page += token.contents
        elif word == "block" and token.contents.endswith("_attributes"):  # of a tag in the page below
            skipped_until = "endblock"
        elif word in ("blocktranslate", "comment"):
            skipped_until = f"end{word}"
            page += _HOLE
        else:
            in_tag = page.rfind("<") > page.rfind(">")
            if not in_tag:
                found += _literals(token.contents, word)
            page += "" if word and word != "translate" else _HOLE
    reader = _Reader()
    reader.feed(page)
    reader.close()
    return found + reader.found


def _literals(contents: str, word: str) -> list[str]:
    pattern = _WITH if word == "include" else _FILTER
    texts = [double or single for double, single in pattern.findall(contents)]
    return [text for text in texts if _is_text(text)]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self._unread: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        told = dict(attrs)
        if self._unread:
            self._unread += [tag] if tag == self._unread[-1] else []
        elif tag in _UNREAD or told.get("translate") == "no":
            self._unread.append(tag)
        else:
            self.found += [text for name in _SHOWN if _is_text(text := told.get(name) or "")]

    def handle_endtag(self, tag: str) -> None:
        if self._unread and tag == self._unread[-1]:
            self._unread.pop()

    def handle_data(self, data: str) -> None:
        if not self._unread and _is_text(data):
            self.found.append(" ".join(data.replace(_HOLE, "…").split()))


# -- Python

#: Call → which of its positional arguments people read.
_CALLS = {
    "success": 1, "warning": 1, "error": 1, "info": 1, "ValidationError": 0, "add_error": 1, "Proof": 1,
}  # fmt: skip
_KEYWORDS = ("label", "help_text", "empty_label", "verbose_name")


def _python(source: str) -> list[str]:
    """Plain literals where forms and messages take what people read."""
    found: list[ast.expr] = []
    for node in ast.walk(ast.parse(source)):
        if not isinstance(node, ast.Call):
            continue
        called = node.func
        name = called.attr if isinstance(called, ast.Attribute) else getattr(called, "id", "")
        # log.warning and its like speak to technicians.
        of_log = isinstance(called, ast.Attribute) and getattr(called.value, "id", "") in ("log", "_log", "logging")
        place = _CALLS.get(name)
        if place is not None and not of_log and len(node.args) > place:
            found.append(node.args[place])
        found += [keyword.value for keyword in node.keywords if keyword.arg in _KEYWORDS]
        for keyword in node.keywords:
            if keyword.arg == "error_messages" and isinstance(keyword.value, ast.Dict):
                found += keyword.value.values
    return [words for expression in found for words in _spoken(expression)]


def _spoken(expression: ast.expr) -> Iterator[str]:
    match expression:
        case ast.Constant(value=str(words)) if _is_text(words):
            yield words
        case ast.JoinedStr(values=parts) if any(map(_is_literal, parts)):
            yield ast.unparse(expression)
        case ast.IfExp(body=first, orelse=second):
            yield from _spoken(first)
            yield from _spoken(second)


def _is_literal(part: ast.expr) -> bool:
    return isinstance(part, ast.Constant) and _is_text(str(part.value))


# -- scripts

#: Two words in a row, or a word before what is filled in; those of selectors, sizes and colours begin otherwise.
_SENTENCE = re.compile(rf"(?<![\w.({_HOLE}-])[A-Za-z]{{2,}}(?:[,;:]? [A-Za-z]| {_HOLE})")
_FILLED = re.compile(r"\$\{[^{}]*\}")
_TRANSLATING = (["gettext"], ["ngettext"], ["pgettext"])


def _script(source: str) -> list[str]:
    """Literals with two words in a row outside a call of gettext; selectors and the like have none."""
    found, calls, last = [], [], ""
    for token in tokenize(source, dotted=False):
        if token.type == "operator" and token.value == "(":
            calls.append(last)
        elif token.type == "operator" and token.value == ")" and calls:
            calls.pop()
        elif token.type.endswith("string") and calls[-1:] not in _TRANSLATING:
            found += [token.value] if _SENTENCE.search(_FILLED.sub(_HOLE, token.value)) else []
        last = token.value if token.type == "name" else ""
    return found
