"""docs/checklist.md: every obligation with the tests that prove it, or the reason why none can."""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

from ocppclient.configuration import KEYS
from station.generated_docs.page import ROOT, made_from, table
from station.generated_docs.tests_read import ReadTest, read_tests

SOURCE = "docs/checklist.toml"

_INTRODUCTION = (
    "What a charge point of OCPP 1.6-J owes, row by row, with the tests that prove it. A test proves a row by naming "
    "its id in its docstring; a certification case is named by its test's own name. `make test` fails when a row has "
    "neither a test nor a reason."
)


@dataclass(frozen=True)
class Row:
    """One obligation.

    Attributes:
        not_applicable: why no test can prove it, "" when tests have to.
        missing: what has to be built before a test can prove it; counts until a test does.
    """

    name: str
    text: str
    not_applicable: str
    missing: str
    tests: tuple[ReadTest, ...]

    @property
    def reason(self) -> str:
        """Why there is no test, "" when there has to be one."""
        if self.not_applicable:
            return f"not applicable: {self.not_applicable}"
        return f"**missing**: {self.missing}" if self.missing and not self.tests else ""

    @property
    def proof(self) -> str:
        """The tests, or why there are none."""
        return self.reason or "<br>".join(f"`{test.path}::{test.name}`" for test in self.tests)


@dataclass(frozen=True)
class Section:
    """A part of the checklist; `row_prefix` is the beginning of its rows' ids, "" for rows that are not so named."""

    title: str
    row_prefix: str
    rows: tuple[Row, ...]


@cache
def sections() -> tuple[Section, ...]:
    """The whole checklist."""
    given = tomllib.loads((ROOT / SOURCE).read_text("utf-8"))
    tests = read_tests(ROOT / "tests")

    def rows(entries: Mapping[str, Any], names: Callable[[ReadTest], frozenset[str]]) -> tuple[Row, ...]:
        return tuple(
            _row(name, entry, [test for test in tests if name in names(test)]) for name, entry in entries.items()
        )

    keys = {key.name: key.meaning for key in KEYS.values()}
    return (
        *(Section(one["title"], one["id"], rows(one["rows"], lambda test: test.rows)) for one in given["section"]),
        Section("Configuration keys", "", rows({**keys, **given["keys"]}, lambda test: test.words)),
        Section("Certification cases", "", rows(given["cases"], lambda test: test.cases)),
        Section("Field problems", "", rows(given["field_problems"], lambda test: test.field_problems)),
    )


def _row(name: str, entry: str | Mapping[str, str], tests: Iterable[ReadTest]) -> Row:
    if isinstance(entry, str):
        entry = {"text": entry}
    return Row(name, entry.get("text", ""), entry.get("not_applicable", ""), entry.get("missing", ""), tuple(tests))


def checklist() -> str:
    """The page."""
    lines = ["# Checklist", "", made_from(f"{SOURCE} and tests/"), _INTRODUCTION, ""]
    for section in sections():
        if section.title == "Configuration keys":
            continue  # docs/spec-map.md shows them, with where they live
        lines += [f"## {section.title}", ""]
        lines += table(("row", "obligation", "tests"), ((row.name, row.text, row.proof) for row in section.rows))
        lines.append("")
    return "\n".join(lines)
