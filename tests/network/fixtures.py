"""Private buses with the services of a Linux machine, for tests of network and clock."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.network.services import Services


@pytest.fixture(scope="module")
def buses(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Callable[[], Services]]:
    """Starts a bus of its own at each call; they end with the module."""
    started: list[Services] = []

    def start() -> Services:
        started.append(Services(tmp_path_factory.mktemp("bus")))
        return started[-1]

    yield start
    for services in started:
        services.stop()
