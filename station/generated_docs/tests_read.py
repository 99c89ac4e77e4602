"""The tests as their source says: which rows each one proves, and which names of the specification it uses.

Only read, never imported: neither pytest nor the tests' fixtures are needed, and the result depends on nothing else.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

_FUNCTION = (ast.FunctionDef, ast.AsyncFunctionDef)
_ROW = re.compile(r"\b[A-Z]{2,4}-\d\d\b")
_FIELD_PROBLEMS = re.compile(r"field problems? ((?:\d+(?:, | and )?)+)")
_CASE = re.compile(r"TC_\d{3}(?:_\d)?")


@dataclass(frozen=True)
class ReadTest:
    """One test function (or state machine) of a test module.

    Attributes:
        path: of its module below tests/, without the suffix.
        rows: obligations that its docstring names, such as "TX-05".
        field_problems: numbers that its docstring names.
        cases: certification cases that its own name holds, such as "TC_004_1".
        words: every text and keyword in it and in what it uses of its module.
    """

    path: str
    name: str
    rows: frozenset[str]
    field_problems: frozenset[str]
    cases: frozenset[str]
    words: frozenset[str]


@cache
def read_tests(folder: Path) -> tuple[ReadTest, ...]:
    """All tests below the folder, in the order of their paths."""
    return tuple(test for path in sorted(folder.rglob("test_*.py")) for test in _module(path, folder))


def _module(path: Path, folder: Path) -> Iterator[ReadTest]:
    where = path.relative_to(folder).with_suffix("").as_posix()
    parts = dict(_parts(ast.parse(path.read_text("utf-8")).body))
    said = {name: _said(node) for name, node in parts.items()}
    for name, node in parts.items():
        if isinstance(node, _FUNCTION) and name.startswith("test_"):
            told = ast.get_docstring(node) or ""
        elif name.startswith("Test") and (machine := _state_machine(node, parts)) is not None:
            told = ast.get_docstring(machine) or ""
        else:
            continue
        numbers = " ".join(_FIELD_PROBLEMS.findall(told))
        yield ReadTest(
            path=where,
            name=name,
            rows=frozenset(_ROW.findall(told)),
            field_problems=frozenset(re.findall(r"\d+", numbers)),
            cases=frozenset(_CASE.findall(name)),
            words=frozenset(_words(name, said)),
        )


def _parts(body: Iterable[ast.stmt]) -> Iterator[tuple[str, ast.AST]]:
    """What the module defines, by name."""
    for statement in body:
        match statement:
            case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                yield name, statement
            case ast.Assign(targets=targets):
                names = (name for target in targets for name in ast.walk(target) if isinstance(name, ast.Name))
                yield from ((name.id, statement) for name in names)
            case ast.AnnAssign(target=ast.Name(id=name)):
                yield name, statement


def _state_machine(node: ast.AST, parts: dict[str, ast.AST]) -> ast.ClassDef | None:
    """The class of `TestX = X.TestCase` (Hypothesis)."""
    match node:
        case ast.Assign(value=ast.Attribute(value=ast.Name(id=name), attr="TestCase")):
            found = parts.get(name)
            return found if isinstance(found, ast.ClassDef) else None
    return None


def _said(part: ast.AST) -> tuple[set[str], set[str]]:
    """Texts and keywords in a part of a module, and the names that it uses."""
    words, names = set(), set()
    for node in ast.walk(part):
        match node:
            case ast.Constant(value=str(text)):
                words.add(text)
            case ast.keyword(arg=str(keyword)):
                words.add(keyword)
            case ast.Name(id=name) | ast.arg(arg=name):
                names.add(name)
    return words, names


def _words(test: str, said: dict[str, tuple[set[str], set[str]]]) -> Iterator[str]:
    """Texts and keywords of a test and of the helpers, fixtures and constants of its module that it reaches."""
    reached = [test]
    for part in reached:  # it grows meanwhile
        words, names = said[part]
        yield from words
        reached += (names & said.keys()) - set(reached)
