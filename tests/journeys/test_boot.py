"""Odd registrations; the cases are in tests/conformance/test_cold_boot.py."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from tests.journeys.backend import NULL, Error, Late, Raw, Silence, utc_now
from tests.journeys.rig import RigMaker


def boot_answer(status: str, interval: int) -> dict:
    return {"status": status, "currentTime": utc_now(), "interval": interval}


@pytest.mark.parametrize("status", ["Pending", "Rejected"])
def test_nobody_charges_before_the_first_acceptance(make_rig: RigMaker, status: str):
    """BOOT-07, BOOT-08, BOOT-12, field problem 33"""
    rig = make_rig({"ocpp": {"AllowOfflineTxForUnknownId": True, "ConnectionTimeOut": 60}})
    rig.backend.answer_next("BootNotification", boot_answer(status, 3))
    rig.station.start()
    first = rig.backend.next("BootNotification")
    rig.sim.plug()
    rig.swipe()
    rig.backend.expect_no("Authorize", 1.5)
    assert not rig.sim.state()["relay"]
    second = rig.backend.next("BootNotification")
    assert second.at - first.at >= 2.9
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.7)


@pytest.mark.parametrize(
    "odd",
    [
        pytest.param(Silence(), id="nothing"),
        pytest.param(Raw("garbage"), id="garbage"),
        pytest.param(Error("InternalError"), id="CALLERROR"),
    ],
)
def test_boot_without_a_usable_answer_is_asked_again(make_rig: RigMaker, odd: object):
    """BOOT-13, field problem 33"""
    rig = make_rig({"ocpp": {"MessageTimeout": 2}, "factory": {"boot_retry_s": 1}})
    rig.backend.answer_next("BootNotification", odd)
    rig.station.start()
    first = rig.backend.next("BootNotification")
    second = rig.backend.next("BootNotification", 15)
    assert 0.9 <= second.at - first.at <= 5
    rig.backend.wait_status("Available")


def test_boot_answered_with_null_is_delivered(make_rig: RigMaker):
    """RPC-10, field problem 12"""
    rig = make_rig()
    rig.backend.answer_always("BootNotification", NULL)
    rig.tolerated = ["before BootNotification was Accepted"]  # null is read as an answer: settled question 6
    rig.station.start()
    rig.backend.next("BootNotification")
    rig.backend.wait_status("Available")
    rig.backend.expect_no("BootNotification", 1.0)
    rig.start_session()


def test_a_late_answer_to_boot_counts(make_rig: RigMaker):
    """RPC-18, BOOT-13, field problem 16"""
    rig = make_rig({"ocpp": {"MessageTimeout": 2}, "factory": {"boot_retry_s": 30}})
    rig.backend.answer_next("BootNotification", Late(3, boot_answer("Accepted", 300)))
    rig.station.start()
    rig.backend.next("BootNotification")
    rig.backend.wait_status("Available", timeout_s=6)
    rig.backend.expect_no("BootNotification", 0.3)


def test_the_backends_clock_is_adopted(make_rig: RigMaker):
    """CLK-01"""
    rig = make_rig()
    ahead = datetime.now(UTC) + timedelta(hours=5)
    rig.backend.answer_always(
        "BootNotification",
        {"status": "Accepted", "currentTime": ahead.isoformat(timespec="seconds"), "interval": 300},
    )
    rig.backend.answer_always("Heartbeat", {"currentTime": ahead.isoformat()})
    rig.station.start()
    rig.wait_online()
    session = rig.start_session()
    start = datetime.fromisoformat(session.start.payload["timestamp"])
    assert abs(start - ahead) < timedelta(seconds=30)


@pytest.mark.parametrize("odd_time", ["1970-01-01T00:00:00Z", None])
def test_an_absurd_clock_of_the_backend_is_ignored(make_rig: RigMaker, odd_time: object):
    """CLK-04, field problem 20"""
    rig = make_rig()
    rig.backend.answer_always("BootNotification", {"status": "Accepted", "currentTime": odd_time, "interval": 300})
    rig.station.start()
    rig.wait_online()
    session = rig.start_session()
    start = datetime.fromisoformat(session.start.payload["timestamp"])
    assert abs(start - datetime.now(UTC)) < timedelta(seconds=30)


def test_the_identity_is_percent_encoded_in_the_url(make_rig: RigMaker):
    """RPC-01, RPC-02, RPC-03, RPC-31, field problems 4 and 6"""
    rig = make_rig({"backend": {"charge_point_id": "CP 1/é"}})
    rig.start()
    assert rig.backend.connection.path == "/ocpp/CP%201%2F%C3%A9"
    assert rig.backend.connection.headers["sec-websocket-protocol"] == "ocpp1.6"
    assert "sec-websocket-extensions" not in rig.backend.connection.headers, "no compression is offered"


def test_a_backend_without_the_subprotocol_is_accepted_with_a_warning(make_rig: RigMaker):
    """RPC-04, field problem 5"""
    rig = make_rig()
    rig.backend.subprotocol = None
    rig.station.start()
    try:
        rig.wait_online()
    finally:
        rig.backend.subprotocol = "ocpp1.6"
