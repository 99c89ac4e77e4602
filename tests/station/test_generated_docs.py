"""The generated pages tell the truth as of now."""

from __future__ import annotations

import pytest

from station.generated_docs import PAGES, ROOT


@pytest.mark.parametrize("path", sorted(PAGES))
def test_a_generated_page_is_up_to_date(path: str) -> None:
    assert (ROOT / path).read_text() == PAGES[path](), f"{path} is out of date: run `make docs`"
