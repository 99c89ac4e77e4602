"""What pages look like, kept for people who look at them; and whether they fit."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from playwright.sync_api import Page

#: Where the pictures of a run lie; not in the repository.
PICTURES = Path(__file__).resolve().parents[2] / "artefacts" / "screenshots"
#: Where those of the documents lie (`make pictures`).
DOCUMENTED = PICTURES.parents[1] / "docs" / "images"
SCHEMES: tuple[Literal["light", "dark"], ...] = ("light", "dark")
PHONE, DESK = (360, 740), (1280, 800)
SIZES = (PHONE, DESK)
#: How wide a page is once its charts have followed the size of the window: they are told with the next frame.
WIDTH = """() => new Promise((tell) => {
  requestAnimationFrame(() => requestAnimationFrame(() => tell(document.documentElement.scrollWidth)));
})"""


def too_wide(page: Page) -> list[int]:
    """The widths of screens on which a page would have to be moved sideways; it ends as a phone sees it."""
    found = []
    for width, height in reversed(SIZES):
        page.set_viewport_size({"width": width, "height": height})
        if page.evaluate(WIDTH) > width:
            found.append(width)
    return found


def keep_pictures(page: Page, name: str) -> None:
    """By day and by night, as a phone and as a desk see it."""
    for width, height in reversed(SIZES):
        page.set_viewport_size({"width": width, "height": height})
        for scheme in SCHEMES:
            page.emulate_media(color_scheme=scheme)
            keep_picture(page, f"{name}-{width}-{scheme}")


def keep_picture(page: Page, name: str) -> None:
    """A page as long as it is (the longest only to a height that can be looked at)."""
    PICTURES.mkdir(parents=True, exist_ok=True)
    height = min(3000, page.evaluate("document.documentElement.scrollHeight"))
    page.screenshot(
        path=PICTURES / f"{name}.png",
        full_page=True,
        clip={"x": 0, "y": 0, "width": page.viewport_size["width"], "height": height},  # type: ignore[index]
    )


def name_of(path: str) -> str:
    """The picture's name for the address of a page."""
    return path.strip("/").replace("/", "-") or "live"
