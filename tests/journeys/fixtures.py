"""Fixtures of the journeys: one running station that several journeys share, and stations of one's own.

A plugin of tests/conftest.py, so that every folder of journeys has them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest

from tests.journeys.rig import Rig, RigMaker
from tests.journeys.station import LoneSimulator

#: The simulated world runs that much faster than the clock: cars, contactors and the board's self-tests cost time.
SPEED = 8.0

_RIGS = pytest.StashKey[list[Rig]]()
_FAILED = pytest.StashKey[bool]()
_TOLD = pytest.StashKey[list[str]]()


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark the journeys; `tools/journeys.sh` collects only the folders where they may be."""
    for item in items:
        in_a_folder_of_journeys = "/journeys/" in item.nodeid or "/conformance/" in item.nodeid
        if in_a_folder_of_journeys and "test_harness" not in item.nodeid:
            item.add_marker(pytest.mark.journey)
        elif item.get_closest_marker("journey") and "/browser/" not in item.nodeid:
            raise pytest.UsageError(f"{item.nodeid}: journeys live in tests/journeys, conformance and browser")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]):
    """A failure shows the whole story of the rigs that took part."""
    report = yield
    if report.failed:
        item.stash[_FAILED] = True
        for number, rig in enumerate(item.stash.get(_RIGS, [])):
            report.sections.append((f"story of rig {number}", rig.story()))
    return report


@pytest.fixture
def lone_box(tmp_path_factory: pytest.TempPathFactory) -> Iterator[LoneSimulator]:
    """A simulated box that lives on when the station beside it is killed."""
    box = LoneSimulator(tmp_path_factory.mktemp("box"), reader="ascii", speed=SPEED)
    yield box
    box.close()


@pytest.fixture
def tell(request: pytest.FixtureRequest) -> Callable[[str], None]:
    """Say something in the summary of the test run."""
    return request.config.stash.setdefault(_TOLD, []).append


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    for line in config.stash.get(_TOLD, []):
        terminalreporter.write_line(line)


def _finish(request: pytest.FixtureRequest, rig: Rig) -> None:
    """Leave the station idle and judge the journey; after a failure its reason stays the only one shown."""
    failed = request.node.stash.get(_FAILED, False)
    try:
        rig.settle()
    except AssertionError:
        if not failed:
            raise
    if not failed:
        rig.check()


@pytest.fixture(scope="module")
def shared_provision() -> dict:
    """What the module's shared station is provisioned with, besides `rig.QUICK`; modules override it."""
    return {}


@pytest.fixture(scope="module")
def shared_rig(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, shared_provision: dict
) -> Iterator[Rig]:
    """A running station for all journeys of a module."""
    appliance = request.config.getoption("--run-mode") == "appliance"
    rig = Rig(tmp_path_factory.mktemp("station"), shared_provision, speed=SPEED, appliance=appliance)
    try:
        rig.start()
        yield rig
    finally:
        rig.close()


@pytest.fixture
def rig(request: pytest.FixtureRequest, shared_rig: Rig) -> Iterator[Rig]:
    """The module's station, idle and online; afterwards its story is judged and it is idle again."""
    request.node.stash[_RIGS] = [shared_rig]
    shared_rig.begin_journey()
    yield shared_rig
    _finish(request, shared_rig)


@pytest.fixture
def make_rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RigMaker]:
    """Makes a station of one's own (not started); at the end all of them are judged and ended."""
    rigs: list[Rig] = []
    request.node.stash[_RIGS] = rigs

    def make(provision: dict | None = None, **options: object) -> Rig:
        appliance = request.config.getoption("--run-mode") == "appliance" and not options.get("web")
        made = {"speed": SPEED, "appliance": appliance, **options}
        rig = Rig(tmp_path_factory.mktemp("station"), provision, **made)
        rigs.append(rig)
        return rig

    try:
        yield make
        for rig in rigs:
            _finish(request, rig)
    finally:
        for rig in rigs:
            rig.close()
