"""The station's settings with one more page: a sync view that does not come back (runtime.md 1.2, 1.3)."""

from station.settings import *  # noqa: F403

ROOT_URLCONF = "tests.slow_pages.urls"
