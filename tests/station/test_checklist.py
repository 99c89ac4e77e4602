"""Every obligation has a test or a reason; what tests name exists."""

from __future__ import annotations

import tests.appliance  # noqa: F401
from station.generated_docs.checklist import SOURCE, sections
from station.generated_docs.page import ROOT
from station.generated_docs.tests_read import read_tests


def test_every_row_has_a_test_or_a_reason() -> None:
    rows = [row for section in sections() for row in section.rows]
    unproven = [f"{row.name} ({row.text})" for row in rows if not (row.tests or row.reason)]
    assert not unproven, f"no test names them, and {SOURCE} gives no reason"
    contradictions = [f"{row.name}: {row.tests[0].name}" for row in rows if row.tests and row.reason]
    assert not contradictions, f"a test names them, and {SOURCE} says that there is none"


def test_rows_that_tests_name_exist() -> None:
    known = {row.name for section in sections() for row in section.rows}
    prefixes = {section.row_prefix for section in sections() if section.row_prefix}
    wrong = {
        f"{test.path}::{test.name} names {name}"
        for test in read_tests(ROOT / "tests")
        for name in test.rows
        if name.partition("-")[0] in prefixes and name not in known
    }
    assert not wrong, f"{SOURCE} has no such row"


def test_certification_cases_that_tests_name_exist() -> None:
    [cases] = [section for section in sections() if section.title == "Certification cases"]
    known = {row.name for row in cases.rows}
    named = {case for test in read_tests(ROOT / "tests") if test.path.startswith("conformance/") for case in test.cases}
    assert named <= known, f"add them to [cases] of {SOURCE}"
