"""The words by which a browser's tests find a page in every language."""

from __future__ import annotations

import pytest

from tests.browser.words import Words


def test_a_text_is_found_in_each_language_with_its_values() -> None:
    assert [Words(language)("Next") for language in ("en", "ko", "de")] == ["Next", "다음", "Weiter"]
    assert Words("de")("Open the page %(title)s", title="Uhr") == "Seite Uhr öffnen"
    assert Words("de")("done", "step") == "erledigt"
    checks = Words("ko").like("%(passed)s checks passed, %(skipped)s skipped.", skipped=2)
    assert checks.fullmatch("15개 항목 통과, 2개 건너뜀.")
    assert not checks.fullmatch("15개 항목 통과, 3개 건너뜀.")


@pytest.mark.parametrize("language", ["en", "ko"])
def test_a_text_that_the_sources_do_not_say_is_an_error(language: str) -> None:
    with pytest.raises(LookupError, match="the sources say no 'Go there'"):
        Words(language)("Go there")


def test_a_text_without_a_translation_is_an_error_and_never_english() -> None:
    words = Words("ko")
    words._entries["Next", None].msgstr = ""
    with pytest.raises(LookupError, match="'Next' is not translated into ko"):
        words("Next")


def test_what_is_left_in_english_is_seen_also_with_values_in_it() -> None:
    shown = ["3 s ago", "passed", "Name", "vor 3 s", "ocpp1.6", "Version 3 is installed and running."]
    assert Words("de").english_of(shown) == ["3 s ago", "passed", "Version 3 is installed and running."]
