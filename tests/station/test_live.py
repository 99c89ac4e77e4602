"""The snapshot and the frames that go to the browser."""

from __future__ import annotations

import dataclasses
import json
from datetime import UTC, datetime, timedelta
from typing import Any, get_args

import pytest

from hardware.interfaces import BoxReading, Fault, FaultCode, PortHealth
from ocppclient.link import LinkState, LinkStatus
from ocppclient.view import ReservationView, TransactionView, View
from station import live
from station.faults import TABLE

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)


def view(**changes: Any) -> View:
    return dataclasses.replace(
        View(
            status="Charging", error_code="NoError", sentence="The car takes 3.7 kW.",
            limit_sentence="16 A: installer.",
            online=True, registration="accepted", heartbeat_interval_s=300, queue_depth=2, parked=1,
            in_flight="MeterValues", in_flight_s=1.4, last_error="", quirks=0, clock_utc=NOON, clock_synchronised=True,
            transaction=TransactionView("u", "CARD", 0, NOON - timedelta(minutes=2), 1234), offered_a=16.04,
            limit_a=32.0,
            ev_connected=True, contactor_closed=True, energy_wh=123456, power_w=3679.6, current_a=15.96,
            voltage_v=230.4, temperature_c=None,
        ),
        **changes,
    )  # fmt: skip


def snapshot(view_: View, box: BoxReading | None = None, link: LinkStatus | None = None, **more: Any) -> dict[str, Any]:
    found = live.snapshot(view_, box, link or LinkStatus(), NOON, 1000.0, **more)
    assert json.loads(json.dumps(found)) == found
    return found


def test_the_numbers_are_rounded_as_people_read_them() -> None:
    seen = snapshot(view())
    assert seen["meter"] == {
        "power_w": 3680, "current_a": 16.0, "voltage_v": 230, "energy_wh": 123456, "temperature_c": None,
    }  # fmt: skip
    assert seen["limit"] == {
        "offered_a": 16.0, "limit_a": 32.0, "hardware_a": 0.0, "sentence": "16 A: installer.", "waiting": False,
    }  # fmt: skip
    assert seen["state"]["word"] == "Charging"
    assert seen["session"]["elapsed_s"] == 120
    assert seen["session"]["running"] is True
    assert seen["session"]["transaction_id"] == 0


def test_a_reservation_is_shown_as_long_as_there_is_one() -> None:
    assert snapshot(view())["reservation"] is None
    held = ReservationView(17, "CARD", True, NOON + timedelta(hours=1))
    assert snapshot(view(reservation=held))["reservation"] == {
        "id": 17, "id_tag": "CARD", "group": True, "until": "2026-03-01T13:00:00.000Z",
    }  # fmt: skip


def test_every_status_has_words_a_colour_and_an_icon() -> None:
    for status in (
        "Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Reserved", "Unavailable",
        "Faulted",
    ):  # fmt: skip
        word, kind = live.STATES[status]
        assert word
        assert kind in {"available", "charging", "waiting", "fault", "unavailable"}
    assert set(live.LINKS) == set(get_args(LinkState))


def test_the_link_is_shown_by_the_age_of_the_last_byte() -> None:
    link = LinkStatus("waiting", "ws://b/x", since=990.0, last_byte_at=700.0, next_attempt_at=1042.4, last_error="why")
    seen = snapshot(view(), link=link)["backend"]
    assert (seen["since_s"], seen["last_byte_age_s"], seen["next_attempt_in_s"]) == (10, 300, 42)
    assert (seen["queue_depth"], seen["parked"], seen["in_flight"], seen["in_flight_s"]) == (2, 1, "MeterValues", 1)
    assert seen["last_error"] == "why"
    assert snapshot(view(in_flight=""))["backend"]["in_flight_s"] is None


def test_a_session_that_ended_stands_still() -> None:
    ended = TransactionView("u", "CARD", None, NOON - timedelta(hours=2), 0, NOON - timedelta(hours=1), "Local")
    assert snapshot(view(transaction=ended))["session"]["elapsed_s"] == 3600
    assert snapshot(view(transaction=None))["session"] is None


def test_the_hardware_is_shown_with_its_faults_and_lines() -> None:
    box = BoxReading(at=999.0, ready=True, faults=(Fault(FaultCode.NO_GROUND, True, "x"),))
    ports = [
        PortHealth("board", "openevse", "/dev/x", True, frames=5, last_frame_at=998.0),
        PortHealth("meter", "sdm230", "/dev/y", True, timeouts=2, checksum_errors=1, error="no answer"),
        PortHealth("reader", "pn532", "/dev/z", False),
    ]
    seen = snapshot(view(), box, ports=ports, simulator_url="http://127.0.0.1:8081/")
    assert seen["box"]["faults"] == [
        {
            "code": "no_ground", "words": "No protective earth", "info": "x",
            "cure": TABLE[FaultCode.NO_GROUND].cure, "blocking": True,
        }
    ]  # fmt: skip
    shown = [(port["kind"], port["checksum_errors"], port["timeouts"], port["last_frame_age_s"])
             for port in seen["box"]["ports"]]  # fmt: skip
    assert shown == [("available", 0, 0, 2), ("waiting", 1, 2, None), ("fault", 0, 0, None)]
    assert seen["simulator"] == "http://127.0.0.1:8081/"


def test_before_the_first_reading_the_hardware_is_not_ready() -> None:
    assert snapshot(view())["box"]["ready"] is False
    nothing = view(energy_wh=None, power_w=None, current_a=None, voltage_v=None)
    assert set(snapshot(nothing)["meter"].values()) == {None}


def test_frames_are_masked_and_cut() -> None:
    text = '[2,"1","ChangeConfiguration",{"key":"AuthorizationKey","value":"TOPSECRETTOPSECRET"}]'
    shown = live.frame(7, NOON, "in", text)
    assert (shown["seq"], shown["at"], shown["direction"]) == (7, "2026-03-01T12:00:00.000Z", "in")
    assert "TOPSECRET" not in shown["text"]
    long = live.frame(8, NOON, "out", "x" * 3_000_000)["text"]
    assert len(long) < 4100
    assert long.endswith("(3000000 characters)")


@pytest.mark.parametrize("status", ["Charging", "SomethingNew"])
def test_an_unknown_word_of_the_domain_is_shown_as_it_is(status: str) -> None:
    assert snapshot(view(status=status))["state"]["status"] == status
