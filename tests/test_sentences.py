"""Sentences: English everywhere, kept with how they were made; both twins alike; their templates can be found."""

from __future__ import annotations

import ast
import copy
import json
import pickle
from pathlib import Path
from typing import Any

import pytest

import hardware.sentence
import ocppclient.sentence
from ocppclient.sentence import NOTHING, Sentence, packed, unpacked

ROOT = Path(__file__).parent.parent
TWINS = [ocppclient.sentence, hardware.sentence]


@pytest.mark.parametrize("twin", TWINS)
def test_a_sentence_is_its_english_and_knows_its_template(twin: Any) -> None:
    limit = twin.Sentence("{limit_a:.1f} A by {who!r}", limit_a=9.96, who="CPO")
    told = twin.Sentence("Charging at up to {limit}.", limit=limit)
    assert told == "Charging at up to 10.0 A by 'CPO'."
    assert json.dumps([told]) == "[\"Charging at up to 10.0 A by 'CPO'.\"]"
    assert (told.template, told.values) == ("Charging at up to {limit}.", {"limit": limit})


@pytest.mark.parametrize("twin", TWINS)
@pytest.mark.parametrize("again", [copy.deepcopy, lambda text: pickle.loads(pickle.dumps(text))])
def test_a_copy_is_the_same_sentence(twin: Any, again: Any) -> None:
    told = again(twin.Sentence("{number} left", number=3))
    assert (told, told.template, told.values) == ("3 left", "{number} left", {"number": 3})


@pytest.mark.parametrize("twin", TWINS)
def test_what_others_say_is_quoted_and_a_sentence_inside_an_exception_stays_one(twin: Any) -> None:
    told = twin.Sentence("no answer")
    assert twin.quoted(ValueError(told)) is told
    assert twin.quoted(told) is told
    assert twin.quoted(OSError("disk {x}")) == "disk {x}"
    assert not twin.quoted("")


@pytest.mark.parametrize("twin", TWINS)
def test_a_list_has_commas(twin: Any) -> None:
    assert twin.listed([]) == ""
    assert twin.listed([twin.Sentence("a"), twin.Sentence("b"), twin.Sentence("c")]) == "a, b, c"


@pytest.mark.parametrize(
    "told",
    [
        Sentence("Ready."),
        Sentence("{a} and {b:.1f}", a="x\x1e[", b=1.0),
        Sentence("{outer}: {n}", outer=Sentence("{inner}", inner="é"), n=2),
        hardware.sentence.Sentence("{x}!", x=hardware.sentence.Sentence("y")),
    ],
)
def test_packed_and_unpacked_it_is_the_same_and_begins_with_the_english(told: Sentence) -> None:
    kept = packed(told)
    assert kept.startswith(str(told))
    again = unpacked(kept)
    assert isinstance(again, Sentence)
    assert (again, again.template, dict(again.values)) == (told, told.template, dict(told.values))


@pytest.mark.parametrize(
    "text", ["", "of an older version", "odd\x1e", 'odd\x1e["{x}", {}]', "odd\x1e[1, 2]", "odd\x1e7"]
)
def test_what_was_never_packed_stays_as_it_is(text: str) -> None:
    assert unpacked(text) == text
    assert not isinstance(unpacked(text), Sentence)


def test_nothing_to_say_and_the_words_of_others_are_kept_as_plain_text() -> None:
    assert packed(NOTHING) == ""
    assert packed(ocppclient.sentence.quoted("a server's words")) == "a server's words"


def test_every_template_is_a_literal_so_that_it_can_be_translated() -> None:
    wrong = []
    for path in sorted(path for room in ("ocppclient", "hardware", "station") for path in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "Sentence":
                literal = isinstance(node.args[0], ast.Constant) if node.args else False
                if not literal and path.name != "sentence.py":
                    wrong.append(f"{path.relative_to(ROOT)}:{node.lineno}")
    assert wrong == []
