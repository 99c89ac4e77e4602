"""Options that all tests share."""

from __future__ import annotations

import pytest

pytest_plugins = ("tests.journeys.fixtures", "tests.network.fixtures")


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--campaign",
        choices=("short", "long"),
        default="short",
        help="how long the campaigns run (kills, fuzzing): short for every change, long for `make prove`",
    )
    parser.addoption(
        "--run-mode",
        choices=("embedded", "appliance"),
        default="embedded",
        help="journeys without a mode of their own: one process, or worker, pages and jobs over Redis (`make prove`)",
    )
    parser.addoption("--pictures", action="store_true", help="write the pictures of the README (`make pictures`)")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """What takes as long as all other journeys of a worker together begins first."""
    items.sort(key=lambda item: item.path.name not in ("test_kills.py", "test_package.py"))
