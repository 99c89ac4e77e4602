"""Connector status derived from the facts, and StatusNotification."""

from __future__ import annotations

import itertools
import random
from datetime import timedelta

import pytest

from ocppclient.clock import format_utc
from ocppclient.events import Fault
from ocppclient.status import StatusFacts, connector_status
from tests.ocppclient.harness import START, Bench, statuses

NO_SAMPLES = {"MeterValueSampleInterval": "0"}

#: Section 4.9 with errata 3.20: from → the statuses that may follow. Preparing → Unavailable is decided by AVL-06,
#: Preparing → Reserved by errata 3.76: a card that is not followed by a plug leads back to the original status.
ALLOWED = {
    "Available": {"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Reserved", "Unavailable", "Faulted"},
    "Preparing": {
        "Available",
        "Charging",
        "SuspendedEV",
        "SuspendedEVSE",
        "Finishing",
        "Reserved",
        "Faulted",
        "Unavailable",
    },
    "Charging": {"Available", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"},
    "SuspendedEV": {"Available", "Charging", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"},
    "SuspendedEVSE": {"Available", "Charging", "SuspendedEV", "Finishing", "Unavailable", "Faulted"},
    "Finishing": {"Available", "Preparing", "Unavailable", "Faulted"},
    "Reserved": {"Available", "Preparing", "Unavailable", "Faulted"},
    "Unavailable": {"Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Faulted"},
    "Faulted": {"Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable"},
}


# --- the pure function -----------------------------------------------------------------------------------------------

FIELDS = ("ev_connected", "contactor_closed", "faulted", "operative", "granted", "running", "starting",
          "energy_allowed", "ended", "timed_out", "reserved")  # fmt: skip


def expected(f):
    """The table of section 4.9 as rows: the first that holds decides."""
    table = (
        (f.faulted, "Faulted"),
        (f.running and not f.energy_allowed, "SuspendedEVSE"),
        (f.running and not f.ev_connected, "SuspendedEV"),
        (f.running and f.contactor_closed, "Charging"),
        (f.running and f.starting, "Preparing"),
        (f.running, "SuspendedEV"),
        (not f.operative, "Unavailable"),
        (f.granted, "Preparing"),
        (f.reserved, "Reserved"),
        (f.ev_connected and (f.ended or f.timed_out), "Finishing"),
        (f.ev_connected, "Preparing"),
        (True, "Available"),
    )
    return next(status for holds, status in table if holds)


@pytest.mark.parametrize("faulted", [False, True])
@pytest.mark.parametrize("running", [False, True])
def test_every_combination_of_the_facts_has_its_status(faulted, running):
    """STA-05, STA-06, STA-07, STA-09, STA-10, field problem 26: all 2048 combinations"""
    others = [name for name in FIELDS if name not in ("faulted", "running")]
    for values in itertools.product((False, True), repeat=len(others)):
        facts = StatusFacts(faulted=faulted, running=running, **dict(zip(others, values, strict=True)))
        assert connector_status(facts) == expected(facts), facts


@pytest.mark.parametrize(
    ("facts", "status"),
    [
        ({}, "Available"),
        ({"operative": False}, "Unavailable"),
        ({"faulted": True, "operative": False, "running": True}, "Faulted"),
        ({"ev_connected": True}, "Preparing"),
        ({"granted": True}, "Preparing"),
        ({"ev_connected": True, "timed_out": True}, "Finishing"),
        ({"ev_connected": True, "timed_out": True, "granted": True}, "Preparing"),
        ({"ev_connected": True, "ended": True}, "Finishing"),
        ({"ended": True}, "Available"),
        ({"reserved": True}, "Reserved"),
        ({"reserved": True, "ev_connected": True}, "Reserved"),
        ({"reserved": True, "ev_connected": True, "timed_out": True}, "Reserved"),
        ({"reserved": True, "granted": True}, "Preparing"),
        ({"reserved": True, "operative": False}, "Unavailable"),
        ({"reserved": True, "faulted": True}, "Faulted"),
        ({"running": True, "ev_connected": True, "starting": True}, "Preparing"),
        ({"running": True, "ev_connected": True, "contactor_closed": True}, "Charging"),
        ({"running": True, "ev_connected": True}, "SuspendedEV"),
        ({"running": True}, "SuspendedEV"),
        ({"running": True, "ev_connected": True, "energy_allowed": False}, "SuspendedEVSE"),
        ({"running": True, "energy_allowed": False}, "SuspendedEVSE"),
        ({"running": True, "ev_connected": True, "contactor_closed": True, "operative": False}, "Charging"),
    ],
)
def test_the_rows_that_people_look_up(facts, status):
    """STA-05, STA-06, hardware.md 8.1"""
    assert connector_status(StatusFacts(**facts)) == status


# --- reports ---------------------------------------------------------------------------------------------------------


def test_a_report_says_everything_that_is_known():
    """STA-02, GEN-06, GEN-02"""
    bench = Bench().ready()
    bench.wait(5)
    bench.read(faults=(Fault("OtherError", info="x" * 80, vendor_id="v" * 300, vendor_error_code="c" * 60),))
    assert bench.expect("StatusNotification") == {
        "connectorId": 1, "errorCode": "OtherError", "status": "Faulted", "info": "x" * 50, "vendorId": "v" * 255,
        "vendorErrorCode": "c" * 50, "timestamp": format_utc(bench.clock.utc()),
    }  # fmt: skip


def test_the_open_contactor_of_a_car_being_unplugged_is_no_pause_of_the_car():
    """STA-05: TC_005_2 sees Finishing after Charging, nothing between"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.read(contactor_closed=False)
    bench.wait(1)
    assert bench.settle() == []
    bench.read(ev_connected=False)
    assert statuses(bench.settle()) == ["Finishing", "Available"]


def test_every_change_is_reported_and_nothing_twice():
    """STA-01, STA-08"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.actions.clear()
    seen = []
    for change in (
        {"contactor_closed": False},
        {"contactor_closed": True},
        {"contactor_closed": True},
        {"faults": (Fault("GroundFailure"),), "contactor_closed": False},
        {"faults": ()},
        {"contactor_closed": True},
    ):
        bench.read(**change)
        bench.wait(2)
        seen += statuses(bench.settle())
    bench.swipe("CARD1")
    bench.open_contactor()
    seen += statuses(bench.settle())
    bench.swipe("CARD1")
    seen += statuses(bench.settle())
    bench.read(contactor_closed=True)
    seen += statuses(bench.settle())
    bench.read(ev_connected=False, contactor_closed=False)
    seen += statuses(bench.settle())
    bench.wait(1)
    seen += statuses(bench.settle())
    assert seen == [
        "SuspendedEV", "Charging", "Faulted", "SuspendedEV", "Charging", "Finishing", "Preparing", "Charging",
        "Finishing", "Available",
    ]  # fmt: skip


def test_preparing_begins_with_the_plug_the_card_or_the_remote_start():
    """STA-04, RST-04, T:TC_003, TC_004_1, TC_011_1"""
    for begin in (
        lambda bench: bench.read(ev_connected=True),
        lambda bench: bench.swipe("CARD1"),
        lambda bench: bench.call("RemoteStartTransaction", idTag="CARD1"),
    ):
        bench = Bench().ready()
        begin(bench)
        assert statuses(bench.settle()) == ["Preparing"]


def test_a_plug_that_nobody_authorises_is_finishing_after_the_timeout_and_a_card_still_starts():
    """STA-08, STA-09, field problem 26"""
    bench = Bench({**NO_SAMPLES, "ConnectionTimeOut": "20"}).ready()
    bench.read(ev_connected=True)
    bench.wait(19.5)
    assert statuses(bench.settle()) == ["Preparing"]
    bench.wait(1)
    assert statuses(bench.settle()) == ["Finishing"]
    assert bench.call("RemoteStartTransaction", idTag="CARD1")[2] == {"status": "Accepted"}
    assert statuses(bench.settle()) == ["Preparing"]
    bench.read(contactor_closed=True)
    assert statuses(bench.settle()) == ["Charging"]


def test_after_finishing_the_next_plug_is_preparing_again():
    """STA-07, field problem 26: nothing is stored"""
    bench = Bench({**NO_SAMPLES, "ConnectionTimeOut": "20"}).ready()
    for _ in range(30):
        bench.read(ev_connected=True)
        bench.wait(21, step_s=1)
        bench.read(ev_connected=False)
        assert statuses(bench.settle()) == ["Preparing", "Finishing", "Available"]


def test_unplugging_ends_the_session_with_finishing_and_then_available():
    """STA-07, STA-16, D-06, T:TC_005_2"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.read(ev_connected=False, contactor_closed=False)
    bench.wait(1)
    reports = [payload for action, payload in bench.settle() if action == "StatusNotification"]
    assert [(p["status"], p["errorCode"], p.get("info")) for p in reports] == [
        ("Finishing", "NoError", "EV side disconnected"), ("Available", "NoError", None),
    ]  # fmt: skip


def test_the_start_of_a_session_is_preparing_until_the_contactor_closes_or_the_ev_is_late():
    """STA-05"""
    bench = Bench(NO_SAMPLES).ready()
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    bench.settle()
    bench.wait(9)
    assert bench.status == "Preparing"
    bench.wait(1.5)
    assert statuses(bench.settle()) == ["SuspendedEV"]


@pytest.mark.parametrize("limit_a", [5.9, 0.5])
def test_less_than_six_ampere_is_suspended_by_the_station_even_without_a_request_of_the_ev(limit_a):
    """STA-05, STA-06, SC-23"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.read(limit_a=limit_a, contactor_closed=False, ev_requests=False)
    assert statuses(bench.settle()) == ["SuspendedEVSE"]
    assert bench.setpoint.amps == 0.0
    bench.read(limit_a=32.0, contactor_closed=True)
    assert statuses(bench.settle()) == ["Charging"]


# --- connector 0 and faults ------------------------------------------------------------------------------------------


def test_connector_0_is_available_unavailable_or_faulted_whatever_connector_1_does():
    """STA-03, STA-10"""
    bench = Bench(NO_SAMPLES).ready().charge()
    assert bench.cp.status.condition[0].status == "Available"
    bench.read(faults=(Fault("ReaderFailure", blocking=False, connector_id=0),))
    sent = bench.settle()
    assert [(p["connectorId"], p["status"], p["errorCode"]) for _, p in sent] == [(0, "Available", "ReaderFailure")]
    bench.read(faults=())
    assert [(p["connectorId"], p["errorCode"]) for _, p in bench.settle()] == [(0, "NoError")]


def test_a_fault_of_the_whole_station_faults_its_connector_too():
    """STA-03, STA-05, STA-10, STA-13"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.read(faults=(Fault("PowerMeterFailure", connector_id=0),), contactor_closed=False)
    sent = bench.settle()
    assert {(p["connectorId"], p["status"], p["errorCode"]) for _, p in sent} == {
        (0, "Faulted", "PowerMeterFailure"), (1, "Faulted", "PowerMeterFailure"),
    }  # fmt: skip


def test_a_warning_keeps_the_status():
    """STA-10"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.read(faults=(Fault("HighTemperature", blocking=False),))
    ((_, report),) = bench.settle()
    assert (report["status"], report["errorCode"]) == ("Charging", "HighTemperature")
    assert bench.setpoint.authorised


def test_the_worst_fault_is_told_and_the_next_when_it_clears():
    """STA-12, STA-22"""
    bench = Bench().ready()
    warning, fault = Fault("HighTemperature", blocking=False), Fault("GroundFailure")
    seen = []
    for faults in ((warning,), (warning, fault), (warning,), ()):
        bench.read(faults=faults)
        ((_, report),) = bench.settle()
        seen.append((report["status"], report["errorCode"]))
    assert seen == [
        ("Available", "HighTemperature"), ("Faulted", "GroundFailure"), ("Available", "HighTemperature"),
        ("Available", "NoError"),
    ]  # fmt: skip


def test_an_ev_communication_error_is_only_told_where_the_specification_allows_it():
    """STA-11"""
    bench = Bench(NO_SAMPLES).ready()
    warning = Fault("EVCommunicationError", blocking=False)
    bench.read(faults=(warning,))
    assert bench.calls == []
    bench.read(ev_connected=True)
    ((_, report),) = bench.settle()
    assert (report["status"], report["errorCode"]) == ("Preparing", "EVCommunicationError")
    bench.charge()
    assert bench.cp.status.condition[1].error_code == "NoError"


@pytest.mark.parametrize("before", ["Available", "Preparing", "Charging", "Finishing", "Unavailable"])
def test_when_a_fault_clears_the_status_before_it_comes_back(before):
    """STA-12, STA-13"""
    bench = Bench(NO_SAMPLES).ready()
    if before in ("Charging", "Finishing"):
        bench.charge()
    if before == "Finishing":
        bench.swipe("CARD1")
        bench.open_contactor()
    if before == "Preparing":
        bench.read(ev_connected=True)
    if before == "Unavailable":
        bench.call("ChangeAvailability", connectorId=1, type="Inoperative")
    bench.settle()
    assert bench.status == before
    bench.read(faults=(Fault("OverCurrentFailure"),))
    assert statuses(bench.settle()) == ["Faulted"]
    bench.read(faults=())
    assert statuses(bench.settle()) == [before]


# --- availability ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("story", ["idle", "long plugged", "after a session"])
def test_operative_again_with_a_cable_plugged_in_is_preparing(story):
    """AVL-07: Unavailable to Finishing is no transition of section 4.9"""
    bench = Bench({**NO_SAMPLES, "ConnectionTimeOut": "10"}).ready()
    if story == "after a session":
        bench.charge()
        bench.call("ChangeAvailability", connectorId=1, type="Inoperative")
        bench.swipe("CARD1")
        bench.open_contactor()
        bench.wait(1)
    else:
        bench.read(ev_connected=True)
        bench.wait(20 if story == "long plugged" else 1)
        bench.call("ChangeAvailability", connectorId=1, type="Inoperative")
        bench.wait(20)
    bench.settle()
    assert bench.status == "Unavailable"
    bench.call("ChangeAvailability", connectorId=1, type="Operative")
    assert statuses(bench.settle()) == ["Preparing"]
    bench.wait(11)
    assert statuses(bench.settle()) == ["Finishing"]


# --- MinimumStatusDuration -------------------------------------------------------------------------------------------


def test_a_status_is_reported_when_it_lasted():
    """STA-18, C-05"""
    bench = Bench({**NO_SAMPLES, "MinimumStatusDuration": "10"}).ready()
    bench.read(ev_connected=True)
    bench.wait(9.8)
    assert bench.calls == []
    bench.wait(0.4)
    assert statuses(bench.settle()) == ["Preparing"]


def test_a_status_that_did_not_last_is_never_reported():
    """STA-18, C-05"""
    bench = Bench({**NO_SAMPLES, "MinimumStatusDuration": "10"}).ready()
    for plugged in (True, False, True, False):
        bench.read(ev_connected=plugged)
        bench.wait(6)
    bench.wait(20)
    assert bench.calls == []


def test_the_first_report_after_the_registration_does_not_wait():
    """BOOT-10, STA-18"""
    bench = Bench({"MinimumStatusDuration": "3600"})
    bench.read()
    bench.boot()
    assert len(bench.settle()) == 2


# --- the line --------------------------------------------------------------------------------------------------------


def test_after_a_reconnect_only_what_changed_is_told_and_only_how_it_is_now():
    """STA-17, field problem 3"""
    bench = Bench(NO_SAMPLES).ready()
    bench.disconnect()
    bench.connect()
    assert bench.calls == []
    bench.disconnect()
    bench.read(ev_connected=True)
    bench.read(ev_connected=False)
    bench.connect()
    assert bench.calls == []
    bench.disconnect()
    bench.read(faults=(Fault("GroundFailure"),))
    bench.read(faults=(), ev_connected=True)
    bench.connect()
    assert statuses(bench.settle()) == ["Preparing"]


def test_a_report_that_was_lost_with_the_line_is_sent_again():
    """STA-01, STA-17"""
    bench = Bench(NO_SAMPLES).ready()
    bench.read(ev_connected=True)
    bench.expect("StatusNotification")
    bench.disconnect()
    bench.connect()
    assert statuses(bench.settle()) == ["Preparing"]


def test_a_report_without_an_answer_is_sent_again_on_the_same_line():
    """STA-01, RPC-17: the backend must not keep an old status for ever"""
    bench = Bench({**NO_SAMPLES, "ConnectionTimeOut": "999"}).ready()
    bench.read(ev_connected=True)
    first = bench.calls.pop()
    bench.wait(30.2)
    message_id, _, again = bench.calls[0]
    assert again == first[2]
    assert message_id != first[0]
    bench.settle()
    bench.wait(60)
    assert bench.calls == []


def test_a_report_that_is_refused_is_not_repeated():
    """STA-01: a CALLERROR tells that it arrived"""
    bench = Bench({**NO_SAMPLES, "ConnectionTimeOut": "999"}).ready()
    bench.read(ev_connected=True)
    bench.refuse()
    bench.wait(100, step_s=1)
    assert bench.calls == []


def test_before_the_hardware_was_read_nothing_is_told():
    """BOOT-10, field problem 26"""
    bench = Bench()
    bench.boot()
    bench.wait(2)
    assert bench.calls == []
    bench.read()
    assert len(bench.settle()) == 2


def test_hardware_that_was_never_reached_is_a_fault_that_the_backend_hears_of():
    """BOOT-10, field problem 26: a board that is dead at the start is no silence"""
    bench = Bench()
    bench.boot()
    bench.read(ready=False, faults=(Fault("OtherError", info="no contact"),))
    assert statuses(bench.settle()) == ["Faulted"]
    bench.read(ready=True, faults=())
    assert statuses(bench.settle()) == ["Available"]


def test_a_status_is_dated_by_the_clock_as_it_is_known_when_the_report_leaves():
    """CLK-04, field problem 24: no report from 1970"""
    bench = Bench(NO_SAMPLES, system_utc=START.replace(year=1970))
    bench.read()
    bench.wait(10)
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START))
    assert {p["timestamp"] for _, p in bench.settle()} == {format_utc(START - timedelta(seconds=10))}


def test_no_walk_through_the_day_leaves_the_table_of_transitions():
    """STA-01, section 4.9: a long random walk, the connector never makes a step that the table does not know"""
    rng = random.Random(16)
    bench = Bench({**NO_SAMPLES, "ConnectionTimeOut": "5", "AllowOfflineTxForUnknownId": "true"}).ready()
    walk = [bench.status]
    for _ in range(2000):
        match rng.randrange(11):
            case 0:
                bench.read(ev_connected=not bench.reading.ev_connected, contactor_closed=False)
            case 1:
                bench.swipe(rng.choice(["A", "B"]))
            case 2:
                bench.call("RemoteStartTransaction", idTag="A")
            case 3:
                bench.call("RemoteStopTransaction", transactionId=7)
            case 4:
                bench.read(contactor_closed=bench.setpoint.authorised and bench.reading.ev_connected)
            case 5:
                bench.read(faults=rng.choice([(), (), (Fault("GroundFailure"),)]), contactor_closed=False)
            case 6:
                wish = rng.choice(["Operative", "Operative", "Inoperative"])
                bench.call("ChangeAvailability", connectorId=rng.randrange(2), type=wish)
            case 7:
                bench.call(
                    "ReserveNow", connectorId=rng.randrange(2), idTag="A", reservationId=rng.randrange(2),
                    expiryDate=format_utc(bench.clock.utc() + timedelta(seconds=rng.choice([3, 30]))),
                )  # fmt: skip
            case 8:
                bench.call("CancelReservation", reservationId=rng.randrange(2))
            case _:
                bench.wait(rng.choice([0.2, 2, 6]), step_s=0.2)
        walk += statuses(bench.settle())
        if not bench.setpoint.authorised:  # the hardware obeys
            bench.read(contactor_closed=False)
            walk += statuses(bench.settle())
    steps = {(one, other) for one, other in itertools.pairwise(walk) if one != other}
    assert len(steps) > 20
    assert not {(one, other) for one, other in steps if other not in ALLOWED[one]}
