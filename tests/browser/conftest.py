"""A real Chromium against the real web with a worker that plays scenes."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest
from playwright.sync_api import Browser, expect, sync_playwright

#: The processes share two cores with other tests, ms.
expect.set_options(timeout=15_000)

#: The address bar of Chromium opens two pages of its own beside every page of a test, which costs twice what the test
#: costs (measured: 15 contexts 16.5 s of processor with them, 5 s without). The last list of features wins, so that
#: what matters of Playwright's own stands here again.
FEATURES_OFF = [
    *("WebUIOmniboxPopup", "WebUIOmniboxAimPopup"),
    *("HttpsUpgrades", "HttpsFirstBalancedModeAutoEnable", "DestroyProfileOnBrowserClose", "PaintHolding"),
    *("MediaRouter", "OptimizationHints", "NetworkTimeServiceQuerying", "PreconnectToSearch", "AimEnabled"),
]

ARGUMENTS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    f"--disable-features={','.join(FEATURES_OFF)}",
    # Whatever a page asks from elsewhere fails, and is noticed by the test.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]

#: Is anything drawn on the canvas, in the colour of the curve that is allowed?
PAINTED = """(place) => {
  const canvas = place.querySelector("canvas");
  const pixels = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height).data;
  const probe = document.createElement("canvas").getContext("2d");
  probe.fillStyle = getComputedStyle(place).getPropertyValue("--accent");
  probe.fillRect(0, 0, 1, 1);
  const [r, g, b] = probe.getImageData(0, 0, 1, 1).data;
  let found = 0;
  for (let i = 0; i < pixels.length; i += 4) {
    const distance = Math.abs(pixels[i] - r) + Math.abs(pixels[i + 1] - g) + Math.abs(pixels[i + 2] - b);
    if (distance < 12 && pixels[i + 3] > 200) found += 1;
  }
  return found;
}"""


class Station:
    """The web under test: `url`, and `play(scene)` for its worker."""

    def __init__(self, url: str, scenes: IO[str]) -> None:
        self.url = url
        self._scenes = scenes

    def play(self, scene: str) -> None:
        """Available, charging, faulted, offline, reserved, silent, nasty; "profiles" and "big profile" set profiles."""
        self._scenes.write(f"{scene}\n")
        self._scenes.flush()


@pytest.fixture(scope="package")
def station(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Station]:
    with running(tmp_path_factory.mktemp("station")) as station:
        yield station


@contextmanager
def running(folder: Path, **more: str) -> Iterator[Station]:
    """A web with its scenes on a data folder of its own; `more` goes into its environment."""
    environment = {name: text for name, text in os.environ.items() if not name.startswith("STATION_")}
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.browser.fake_station"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
        env={**environment, **more, "STATION_DATA_DIR": str(folder), "DJANGO_SETTINGS_MODULE": "station.settings"},
    )
    assert process.stdin is not None
    assert process.stdout is not None
    port = process.stdout.readline().strip()
    assert port, "the web did not start"
    yield Station(f"http://127.0.0.1:{port}", process.stdin)
    process.stdin.close()
    process.wait(timeout=15)
    process.stdout.close()


@pytest.fixture(scope="package")
def chromium() -> Iterator[Browser]:
    """Not for the session: playwright's loop runs in this thread, and Django refuses to work beside a running loop."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=ARGUMENTS)
        yield browser
        browser.close()
