"""The same journeys in both run modes: one process, and the appliance's worker, pages and jobs over a real Redis."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from websockets.sync.client import ClientConnection

from tests.journeys.browser import Browser
from tests.journeys.fixtures import SPEED
from tests.journeys.rig import Rig
from tests.journeys.station import until
from tests.station.transfer.servers import web as file_server

PASSWORD = "a-password-for-tests"


@pytest.fixture(scope="module", params=["embedded", "appliance"])
def shared_rig(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Rig]:
    appliance = request.param == "appliance"
    provision = {
        "ocpp": {"AllowOfflineTxForUnknownId": True},
        "factory": {"allow_local_transfers": True},
        "web": {"admin_password": PASSWORD},
    }
    folder = tmp_path_factory.mktemp(request.param)
    rig = Rig(folder, provision, speed=SPEED, web=not appliance, appliance=appliance)
    try:
        yield rig.start()
    finally:
        rig.close()


@pytest.fixture
def page(rig: Rig) -> Iterator[ClientConnection]:
    """An open page of somebody who signed in."""
    with sign_in(rig).live() as live:
        yield live


def sign_in(rig: Rig) -> Browser:
    """As soon as the pages answer: they start after the rest."""

    def attempt() -> Browser | None:
        try:
            return Browser(f"http://127.0.0.1:{rig.station.http_port}", PASSWORD)
        except OSError:
            return None

    signed_in: Browser = until(attempt, 40, rig.station.log_tail)
    return signed_in


def wait_message(page: ClientConnection, fits: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    """The next message to the page that fits."""

    def next_one() -> dict[str, Any] | None:
        message = json.loads(page.recv(timeout=20))
        return message if fits(message) else None

    found: dict[str, Any] = until(next_one, 30, "the page hears of it")
    return found


def wait_shown(page: ClientConnection, status: str) -> None:
    """Until the page shows this status."""
    wait_message(page, lambda heard: heard["type"] == "snapshot" and heard["snapshot"]["state"]["status"] == status)


def test_a_session_by_card_is_live_on_an_open_page(rig: Rig, page: ClientConnection) -> None:
    wait_shown(page, "Available")
    session = rig.start_session()
    wait_shown(page, "Charging")
    rig.charge_wh(2)
    rig.swipe()
    assert rig.backend.next("StopTransaction", 20).payload["transactionId"] == session.transaction_id
    wait_shown(page, "Finishing")
    rig.sim.unplug()
    wait_shown(page, "Available")


def test_a_person_starts_and_ends_a_session_on_a_page(rig: Rig, page: ClientConnection) -> None:
    rig.sim.plug()
    wait_shown(page, "Preparing")
    page.send(json.dumps({"type": "command", "command": "swipe", "argument": rig.card}))
    assert wait_message(page, lambda heard: heard["type"] == "reply")["ok"]
    rig.wait_started()
    wait_shown(page, "Charging")
    page.send(json.dumps({"type": "command", "command": "stop", "argument": None}))
    assert rig.backend.next("StopTransaction", 20).payload["reason"] == "Local"


def test_a_session_is_started_and_ended_from_afar(rig: Rig) -> None:
    """RST-01"""
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    assert rig.command("RemoteStartTransaction", idTag=rig.card, connectorId=1) == "Accepted"
    session = rig.wait_started()
    rig.backend.wait_status("Charging", timeout_s=20)
    assert rig.command("RemoteStopTransaction", transactionId=session.transaction_id) == "Accepted"
    assert rig.backend.next("StopTransaction", 20).payload["reason"] == "Remote"


def test_a_session_without_the_backend_is_delivered_later(rig: Rig) -> None:
    """TXQ-01"""
    rig.backend.go_down()
    rig.sim.plug()
    rig.swipe()
    rig.sim.wait(lambda state: state["relay"], 20, "the contactor closes")
    rig.charge_wh(1)
    rig.sim.unplug()
    rig.sim.wait(lambda state: not state["relay"], 20, "the contactor opens")
    rig.backend.come_up()
    start = rig.backend.next("StartTransaction", 20)
    stop = rig.backend.next("StopTransaction", 20)
    assert stop.payload["transactionId"] == rig.transaction_id(start)


def test_diagnostics_are_uploaded(rig: Rig) -> None:
    """DIA-01"""
    with file_server(lambda handler: (handler.read_body(), handler.reply(201))) as server:
        rig.backend.call("GetDiagnostics", {"location": server.url("/in/")})
        told = [rig.backend.next("DiagnosticsStatusNotification", 60).payload["status"] for _ in range(2)]
    assert told == ["Uploading", "Uploaded"]


def test_after_a_soft_reset_everything_works_and_pages_find_the_station_again(rig: Rig) -> None:
    """RES-02"""
    rig.start_session()
    assert rig.command("Reset", type="Soft") == "Accepted"
    assert rig.backend.next("StopTransaction", 20).payload["reason"] == "SoftReset"
    rig.backend.next("BootNotification", 40)
    rig.sim.unplug()
    rig.backend.wait_status("Available", timeout_s=40)
    with sign_in(rig).live() as page:
        wait_shown(page, "Available")
