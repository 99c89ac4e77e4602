"""Set/ClearChargingProfile, GetCompositeSchedule and the profiles of remote starts (conformance SC, RST-08…10)."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ocppclient import codec, composite_conf, profile_frame
from ocppclient.charging_profile import Periods
from ocppclient.clock import format_utc
from ocppclient.codec import Call, CallFailure, Encoded, check_request, check_response, decode
from ocppclient.composite_schedule import Composite
from ocppclient.events import FrameReceived, SendFrame, Setpoint
from ocppclient.settings import Electrical, Factory
from tests.ocppclient.harness import START, Bench

HOUSE = Electrical(max_current_a=32.0)


def ready(**more: Any) -> Bench:
    """A station of 32 A, registered and idle."""
    return Bench(electrical=HOUSE, **more).ready()


def periods(*pairs: tuple[int, float]) -> list[dict[str, Any]]:
    return [{"startPeriod": start, "limit": limit} for start, limit in pairs]


def profile(purpose: str = "TxDefaultProfile", *pairs: tuple[int, float], **more: Any) -> dict[str, Any]:
    """csChargingProfiles; members of the schedule are given as `duration`, `chargingRateUnit`, `startSchedule` …"""
    schedule = {
        "startSchedule": format_utc(START),
        "chargingRateUnit": "A",
        "chargingSchedulePeriod": periods(*(pairs or ((0, 6),))),
    }
    for name in ("duration", "startSchedule", "chargingRateUnit", "chargingSchedulePeriod", "minChargingRate"):
        if name in more:
            schedule[name] = more.pop(name)
    whole = {
        "chargingProfileId": 1,
        "stackLevel": 0,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": {name: value for name, value in schedule.items() if value is not None},
        **more,
    }
    return {name: value for name, value in whole.items() if value is not None}


def put(bench: Bench, given: dict[str, Any], connector_id: int = 1) -> Any:
    """Set a profile; the status, or the code of the CALLERROR."""
    answer = bench.call("SetChargingProfile", connectorId=connector_id, csChargingProfiles=given)
    bench.settle()
    return answer[2]["status"] if answer[0] == 3 else answer[2]


def composite(bench: Bench, duration: int = 400, connector_id: int = 1, **more: Any) -> list[tuple[int, float]]:
    """The composite schedule as pairs."""
    answer = bench.call("GetCompositeSchedule", connectorId=connector_id, duration=duration, **more)
    assert answer[2]["status"] == "Accepted"
    schedule = answer[2]["chargingSchedule"]
    assert "startSchedule" not in schedule
    return [(period["startPeriod"], period["limit"]) for period in schedule["chargingSchedulePeriod"]]


def clear(bench: Bench, **given: Any) -> str:
    status: str = bench.call("ClearChargingProfile", **given)[2]["status"]
    return status


# -- certification cases


def test_tc_056_a_default_profile_shows_without_a_transaction():
    """TC_056, SC-24, SC-28"""
    bench = ready()
    window = {"validFrom": format_utc(START), "validTo": "2026-03-02T12:00:00Z"}
    assert put(bench, profile("TxDefaultProfile", (0, 6), duration=300, **window)) == "Accepted"
    answer = bench.call("GetCompositeSchedule", connectorId=1, duration=300, chargingRateUnit="A")[2]
    assert answer == {
        "status": "Accepted",
        "connectorId": 1,
        "scheduleStart": format_utc(START),
        "chargingSchedule": {
            "duration": 300,
            "chargingRateUnit": "A",
            "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6.0}],
        },
    }


def test_tc_057_a_tx_profile_for_the_running_transaction():
    """TC_057, SC-08"""
    bench = ready().charge()
    assert put(bench, profile("TxProfile", (0, 6), (10, 8), transactionId=7)) == "Accepted"
    assert bench.setpoint == Setpoint(6.0, True)
    assert composite(bench) == [(0, 6), (10, 8)]
    bench.wait(10, 1.0)
    assert bench.setpoint == Setpoint(8.0, True)


def test_tc_058_a_tx_profile_without_its_transaction_is_rejected():
    """TC_058_1, TC_058_2, SC-02"""
    bench = ready()
    assert put(bench, profile("TxProfile")) == "Rejected"
    assert put(bench, profile("TxProfile", transactionId=7)) == "Rejected"
    bench.charge()
    assert put(bench, profile("TxProfile", transactionId=8)) == "Rejected"
    assert bench.clauses().count("SC-02") == 3
    assert bench.cp.smart_charging.installed == {}
    assert put(bench, profile("TxProfile")) == "Accepted", "SC-03: for the one that runs"


def test_a_tx_profile_cannot_name_a_transaction_whose_id_is_not_known_yet():
    """SC-02"""
    bench = ready()
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    bench.settle(StartTransaction={"idTagInfo": {"status": "Accepted"}})
    assert put(bench, profile("TxProfile", transactionId=7)) == "Rejected"


def test_tc_082_a_default_profile_acts_on_the_running_transaction():
    """TC_082, SC-10"""
    bench = ready().charge()
    assert put(bench, profile("TxDefaultProfile", (0, 6))) == "Accepted"
    assert bench.setpoint == Setpoint(6.0, True)
    assert put(bench, profile("TxDefaultProfile", (0, 8))) == "Accepted"
    assert composite(bench) == [(0, 8)]
    assert clear(bench, id=1) == "Accepted"
    assert bench.setpoint == Setpoint(32.0, True)


def test_tc_066_the_composite_is_the_minimum_of_all_purposes():
    """TC_066, SC-08, SC-25, SC-26: the vector of the checklist, in both units and for connector 0 as well."""
    bench = ready().charge()
    most = profile("ChargePointMaxProfile", (0, 10), duration=86_400, chargingProfileId=1)
    default = profile(
        "TxDefaultProfile", (0, 6), (60, 10), (120, 8), (180, 25), (260, 8), duration=300, chargingProfileId=2
    )
    own = profile("TxProfile", (0, 8), (50, 11), (140, 16), (200, 6), (240, 12), duration=240, chargingProfileId=3)
    assert [put(bench, most, 0), put(bench, default), put(bench, own)] == ["Accepted"] * 3
    expected = [(0, 8), (50, 10), (200, 6), (240, 10), (260, 8), (300, 10)]
    assert composite(bench) == expected
    assert composite(bench, connector_id=0) == expected, "SC-26"
    assert composite(bench, chargingRateUnit="W") == [(start, limit * 230) for start, limit in expected]


def test_tc_067_profiles_are_cleared_by_id_by_criteria_and_all():
    """TC_067, SC-29, SC-30"""
    bench = ready()
    installed = [
        (0, profile("ChargePointMaxProfile", (0, 25), chargingProfileId=1)),
        (0, profile("TxDefaultProfile", (0, 20), chargingProfileId=2)),
        (1, profile("TxDefaultProfile", (0, 16), chargingProfileId=3)),
        (1, profile("TxDefaultProfile", (0, 10), chargingProfileId=4, stackLevel=1)),
    ]

    def left(**given: Any) -> list[int]:
        clear(bench)
        for connector_id, one in installed:
            assert put(bench, one, connector_id) == "Accepted"
        assert clear(bench, **given) == "Accepted"
        return sorted(bench.cp.smart_charging.installed)

    assert left(id=4, stackLevel=0, connectorId=7) == [1, 2, 3]
    assert composite(bench) == [(0, 16)]
    assert left(chargingProfilePurpose="TxDefaultProfile") == [1]
    assert composite(bench) == [(0, 25)]
    assert left(stackLevel=0) == [4]
    assert left(connectorId=0) == [3, 4]
    assert left(connectorId=1, stackLevel=0) == [1, 2, 4]
    assert left() == []
    assert composite(bench) == [(0, 32)]
    assert clear(bench) == "Unknown"
    assert clear(bench, id=1) == "Unknown"
    assert clear(bench, connectorId=5) == "Unknown"
    assert "No installed profile matches." in bench.reasons()


def test_tc_072_a_higher_level_runs_first_then_the_lower_one_shines_through():
    """TC_072, SC-18"""
    bench = ready()
    low = profile("TxDefaultProfile", (0, 6), (100, 8), (200, 10), duration=400)
    high = profile("TxDefaultProfile", (0, 7), (100, 9), duration=150, stackLevel=1, chargingProfileId=2)
    assert [put(bench, low), put(bench, high)] == ["Accepted"] * 2
    assert composite(bench, 350) == [(0, 7), (100, 9), (150, 8), (200, 10)]


def start_remotely(bench: Bench, **more: Any) -> str:
    answer = bench.call("RemoteStartTransaction", connectorId=1, idTag="CARD1", chargingProfile=profile(**more))
    return answer[2]["status"] if answer[0] == 3 else answer[2]


def test_tc_059_a_remote_start_brings_its_profile():
    """TC_059, RST-08, RST-09"""
    bench = ready()
    put(bench, profile("TxDefaultProfile", (0, 10), chargingProfileId=9, stackLevel=3))
    status = start_remotely(
        bench, purpose="TxProfile", duration=300, chargingProfileKind="Relative", startSchedule=None,
        chargingSchedulePeriod=periods((0, 6), (100, 8)),
    )  # fmt: skip
    assert status == "Accepted"
    bench.settle()
    assert composite(bench) == [(0, 10)], "the transaction has not begun"
    bench.wait(30, 1.0)
    bench.read(ev_connected=True)
    assert bench.setpoint == Setpoint(6.0, True), "from the first ampere on"
    bench.settle()
    assert composite(bench, 300, chargingRateUnit="A") == [(0, 6), (100, 8)]
    assert put(bench, profile("TxProfile", (0, 7), transactionId=7, chargingProfileId=2)) == "Accepted"
    assert sorted(bench.cp.smart_charging.installed) == [2, 9], "RST-09: equal level replaces"
    assert put(bench, profile("TxProfile", (0, 9), transactionId=7, chargingProfileId=3, stackLevel=1)) == "Accepted"
    assert sorted(bench.cp.smart_charging.installed) == [2, 3, 9], "RST-09: other levels stack"


@pytest.mark.parametrize(
    ("more", "word"),
    [
        ({"purpose": "TxDefaultProfile"}, "only a TxProfile"),
        ({"purpose": "ChargePointMaxProfile"}, "only a TxProfile"),
        ({"purpose": "TxProfile", "transactionId": 7}, "names a transaction"),
        ({"purpose": "TxProfile", "stackLevel": 4}, "stackLevel 4"),
        ({"purpose": "TxProfile", "chargingSchedulePeriod": periods((1, 6))}, "has to start at 0"),
    ],
)
def test_tc_060_a_remote_start_with_another_profile_is_rejected_and_starts_nothing(more, word):
    """TC_060, RST-08"""
    bench = ready()
    bench.read(ev_connected=True)
    bench.settle()
    assert start_remotely(bench, **more) == "Rejected"
    assert word in " ".join(bench.reasons())
    assert bench.settle() == []
    assert bench.status == "Preparing"
    assert not bench.setpoint.authorised


def test_the_profile_of_a_remote_start_goes_with_its_refused_or_expired_start():
    """RST-08, RST-13: the next transaction must not inherit it."""
    bench = ready()
    assert start_remotely(bench, purpose="TxProfile") == "Accepted"
    bench.settle(Authorize={"idTagInfo": {"status": "Blocked"}})
    bench.charge("CARD2")
    assert bench.setpoint == Setpoint(32.0, True)

    bench = ready()
    assert start_remotely(bench, purpose="TxProfile") == "Accepted"
    bench.settle(Authorize={"idTagInfo": {"status": "Blocked"}})
    assert bench.call("RemoteStartTransaction", connectorId=1, idTag="CARD2")[2] == {"status": "Accepted"}
    bench.settle()
    bench.read(ev_connected=True)
    assert bench.setpoint == Setpoint(32.0, True)

    bench = ready()
    assert start_remotely(bench, purpose="TxProfile") == "Accepted"
    bench.settle()
    bench.swipe("CARD3")  # another card is accepted meanwhile, and plugs in first
    bench.settle()
    bench.read(ev_connected=True)
    bench.settle()
    assert bench.setpoint == Setpoint(32.0, True)
    assert bench.cp.smart_charging.installed == {}


def test_without_smart_charging_the_profile_of_a_remote_start_is_ignored():
    """RST-10, SC-04"""
    bench = ready(factory=Factory(feature_profiles=("Core",)))
    assert put(bench, profile()) == "NotSupported"
    assert bench.call("ClearChargingProfile")[2] == "NotSupported"
    assert start_remotely(bench, purpose="TxDefaultProfile") == "Accepted"


# -- life time


def test_a_tx_profile_ends_with_its_transaction():
    """SC-09"""
    bench = ready().charge()
    put(bench, profile("TxProfile", (0, 8)))
    put(bench, profile("TxDefaultProfile", (0, 10), chargingProfileId=2))
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.settle()
    assert sorted(bench.cp.smart_charging.installed) == [2]
    assert [row.profile_id for row in bench.store.charging_profiles()] == [2]


def test_profiles_survive_a_power_cut_and_hold_before_the_contactor_may_close():
    """SC-11, SC-12, field problem 30: after the reboot no setpoint was ever above the profile."""
    bench = ready()
    put(bench, profile("TxDefaultProfile", (0, 10)))
    bench.reboot()
    bench.actions.clear()
    bench.read(ev_connected=True)
    bench.boot()
    bench.charge()
    setpoints = [action for action in bench.actions if isinstance(action, Setpoint)]
    assert {setpoint.amps for setpoint in setpoints} == {10.0}
    assert setpoints[-1].authorised


def test_a_resumed_transaction_keeps_its_tx_profile():
    """SC-11, SC-12"""
    bench = ready(factory=Factory(resume_after_power_loss=True)).charge()
    put(bench, profile("TxProfile", (0, 9)))
    bench.reboot()
    bench.read()
    assert bench.setpoint == Setpoint(9.0, True)
    bench = ready().charge()
    put(bench, profile("TxProfile", (0, 9)))
    bench.reboot()
    bench.read(contactor_closed=False, offered_a=0.0)
    assert bench.cp.smart_charging.installed == {}


def test_profiles_hold_while_offline():
    """SC-12"""
    bench = ready().charge()
    put(bench, profile("TxProfile", (0, 9), (60, 12)))
    bench.disconnect()
    bench.wait(61, 1.0)
    assert bench.setpoint == Setpoint(12.0, True)


def test_it_is_kept_who_brought_a_profile_and_when_and_each_change_is_counted():
    """The page of the profiles shows it."""
    bench = ready()
    put(bench, profile(chargingProfileId=2))
    assert bench.cp.view().profile_changes == 1
    status = start_remotely(bench, purpose="TxProfile")
    assert status == "Accepted"
    bench.settle()
    assert bench.cp.view().profile_changes == 1, "not before its transaction begins"
    bench.wait(30, 1.0)
    bench.read(ev_connected=True)
    told = {row.profile_id: (row.origin, row.installed_at) for row in bench.store.charging_profiles()}
    later = START + timedelta(seconds=30)
    assert told == {1: ("RemoteStartTransaction", later), 2: ("SetChargingProfile", START)}
    changes = bench.cp.view().profile_changes
    clear(bench, id=2)
    assert bench.cp.view().profile_changes == changes + 1


# -- replacement


def test_the_same_id_or_the_same_place_replaces():
    """SC-05"""
    bench = ready()
    put(bench, profile("TxDefaultProfile", (0, 6), chargingProfileId=1))
    put(bench, profile("TxDefaultProfile", (0, 7), chargingProfileId=2))
    assert sorted(bench.cp.smart_charging.installed) == [2]
    put(bench, profile("TxDefaultProfile", (0, 8), chargingProfileId=3), 0)
    assert sorted(bench.cp.smart_charging.installed) == [2, 3], "per connector"
    put(bench, profile("ChargePointMaxProfile", (0, 9), chargingProfileId=2, stackLevel=2), 0)
    assert sorted(bench.cp.smart_charging.installed) == [2, 3]
    put(bench, profile("TxDefaultProfile", (0, 8), chargingProfileId=2), 0)
    assert sorted(bench.cp.smart_charging.installed) == [2], "both at once"
    assert [row.profile_id for row in bench.store.charging_profiles()] == [2]


def test_a_replacement_that_is_valid_later_replaces_at_once():
    """SC-06"""
    bench = ready().charge()
    put(bench, profile("TxDefaultProfile", (0, 6)))
    put(bench, profile("TxDefaultProfile", (0, 8), validFrom="2026-03-01T12:01:00Z"))
    assert bench.setpoint == Setpoint(32.0, True)
    bench.wait(60, 1.0)
    assert bench.setpoint == Setpoint(8.0, True)


def test_only_so_many_profiles_are_kept_and_those_that_are_over_make_room():
    """SC-22"""
    bench = ready(configuration={"MaxChargingProfilesInstalled": "3"})
    for level in range(3):
        assert put(bench, profile(chargingProfileId=level, stackLevel=level)) == "Accepted"
    assert put(bench, profile(chargingProfileId=3, stackLevel=3)) == "Rejected"
    assert put(bench, profile(chargingProfileId=2, stackLevel=2)) == "Accepted", "replacing needs no room"
    put(bench, profile(chargingProfileId=2, stackLevel=2, validTo="2026-03-01T12:00:10Z"))
    bench.wait(11, 1.0)
    assert put(bench, profile(chargingProfileId=3, stackLevel=3)) == "Accepted"
    assert sorted(bench.cp.smart_charging.installed) == [0, 1, 3]


# -- what is refused


REFUSED: list[tuple[int, dict[str, Any], str, str]] = [
    (2, {}, "PropertyConstraintViolation", "RPC-19"),
    (-1, {}, "PropertyConstraintViolation", "RPC-19"),
    (1, {"chargingRateUnit": "kW"}, "PropertyConstraintViolation", "RPC-19"),
    (1, {"chargingProfilePurpose": "Default"}, "PropertyConstraintViolation", "RPC-19"),
    (1, {"chargingProfileKind": "absolute"}, "PropertyConstraintViolation", "RPC-19"),
    (1, {"recurrencyKind": "Monthly"}, "PropertyConstraintViolation", "RPC-19"),
    (1, {"startSchedule": "tomorrow"}, "PropertyConstraintViolation", "RPC-19"),
    (1, {"validTo": "2026-13-01T00:00:00Z"}, "PropertyConstraintViolation", "RPC-19"),
    (1, {"stackLevel": "0"}, "TypeConstraintViolation", "RPC-19"),
    (1, {"chargingProfileId": None}, "OccurenceConstraintViolation", "RPC-19"),
    (1, {"colour": "red"}, "FormationViolation", "RPC-19"),
    (1, {"stackLevel": 4}, "Rejected", "SC-22"),
    (1, {"stackLevel": -1}, "Rejected", "SC-22"),
    (1, {"chargingProfilePurpose": "ChargePointMaxProfile"}, "Rejected", "SC-03"),
    (0, {"chargingProfilePurpose": "TxProfile"}, "Rejected", "SC-03"),
    (1, {"chargingSchedulePeriod": []}, "Rejected", "SC-15"),
    (1, {"chargingSchedulePeriod": periods((1, 6))}, "Rejected", "SC-15"),
    (1, {"chargingSchedulePeriod": periods((0, 6), (20, 6), (10, 8))}, "Rejected", "SC-15"),
    (1, {"chargingSchedulePeriod": periods((0, 6), (10, 6), (10, 8))}, "Rejected", "SC-15"),
    (1, {"chargingSchedulePeriod": periods((0, 6), (2**33, 8))}, "Rejected", "SC-15"),
    (1, {"chargingSchedulePeriod": periods((0, -0.1))}, "Rejected", "SC-19"),
    (1, {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6, "numberPhases": 0}]}, "Rejected", "SC-20"),
    (1, {"chargingSchedulePeriod": periods(*((n, 6) for n in range(86_401)))}, "Rejected", "SC-22"),
    (1, {"duration": 0}, "Rejected", "SC-16"),
    (1, {"duration": -5}, "Rejected", "SC-16"),
    (1, {"chargingProfileKind": "Recurring"}, "Rejected", "SC-14"),
    (1, {"chargingProfileKind": "Recurring", "recurrencyKind": "Daily", "startSchedule": None},
     "Rejected", "SC-14"),
    (1, {"validFrom": "2026-03-02T00:00:00Z", "validTo": "2026-03-02T00:00:00Z"}, "Rejected", "SC-07"),
]  # fmt: skip


@pytest.mark.parametrize(("connector_id", "more", "answer", "clause"), REFUSED)
def test_what_does_not_fit_is_refused_with_a_reason_and_changes_nothing(connector_id, more, answer, clause):
    """SC-03, SC-04, SC-07, SC-14, SC-15, SC-16, SC-19, SC-22, settled question 7"""
    bench = ready()
    assert put(bench, profile(chargingProfileId=5, stackLevel=1)) == "Accepted"
    before = bench.store.charging_profiles()
    assert put(bench, profile(**more), connector_id) == answer
    assert bench.clauses()[-1] == clause
    assert bench.store.charging_profiles() == before
    assert composite(bench) == [(0, 6)]


@pytest.mark.parametrize(("connector_id", "more", "answer", "clause"), REFUSED)
@pytest.mark.parametrize("beside", [False, True])
def test_a_long_schedule_is_refused_for_the_same_reasons_as_a_short_one(connector_id, more, answer, clause, beside):
    """Settled question 7; `beside`: read by the link's thread, as frames of this kind are."""
    bench = ready()
    assert put(bench, profile(chargingProfileId=5, stackLevel=1)) == "Accepted"
    before = bench.store.charging_profiles()
    given = more.get("chargingSchedulePeriod", periods((0, 6)))
    many = [*given, *periods(*((100_000 + n, 6) for n in range(300)))] if given else given
    payload = {"connectorId": connector_id, "csChargingProfiles": profile(**{**more, "chargingSchedulePeriod": many})}
    text = frame(payload)
    bench.do(FrameReceived(text, codec.read(text) if beside else None))
    (told,) = bench.answers["big"]
    assert (told[2]["status"] if told[0] == 3 else told[2]) == answer
    assert bench.clauses()[-1] == clause
    assert bench.store.charging_profiles() == before


@pytest.mark.parametrize(("key", "unit"), [("Current", "W"), ("Power", "A")])
def test_a_unit_that_is_not_allowed_is_rejected(key, unit):
    """SC-22"""
    bench = ready(configuration={"ChargingScheduleAllowedChargingRateUnit": key})
    assert put(bench, profile(chargingRateUnit=unit)) == "Rejected"
    assert put(bench, profile(chargingRateUnit={"A": "W", "W": "A"}[unit])) == "Accepted"


@pytest.mark.parametrize(
    "more",
    [
        {"stackLevel": 3},
        {"chargingSchedulePeriod": periods((0, 0))},
        {"chargingSchedulePeriod": periods((0, 6.25))},
        {"chargingSchedulePeriod": periods((0, 1e300))},
        {"chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6, "numberPhases": 5}]},
        {"minChargingRate": 6.05},
        {"duration": 2**62},
        {"recurrencyKind": "Daily"},
        {"transactionId": 9},
        {"startSchedule": None},
        {"startSchedule": "9999-12-31T23:59:59Z"},
        {"startSchedule": "0001-01-01T00:00:00Z", "duration": 2**62},
        {"chargingProfileKind": "Relative"},
        {"chargingProfileKind": "Recurring", "recurrencyKind": "Weekly"},
        {"validFrom": "2026-03-01T12:00:00+01", "validTo": "9999-12-31T23:59:59-05:00"[:19]},
        {"chargingProfileId": -(2**63)},
    ],
)
def test_what_is_only_odd_is_accepted(more):
    """SC-13, SC-14, SC-19, SC-23, field problem 30; level 3 is the highest, 0 A is a limit"""
    bench = ready().charge()
    assert put(bench, profile(**more)) == "Accepted"
    assert composite(bench)
    bench.wait(2, 1.0)


def test_more_decimals_than_one_are_rounded_down():
    """SC-19, field problem 30"""
    bench = ready()
    put(bench, profile(chargingSchedulePeriod=periods((0, 6.25), (10, 8.19))))
    assert composite(bench) == [(0, 6.2), (10, 8.1)]


def test_a_composite_for_an_unknown_connector_or_time_is_rejected():
    """SC-25"""
    bench = ready()
    for request in ({"connectorId": 2, "duration": 60}, {"connectorId": 1, "duration": -1}):
        assert bench.call("GetCompositeSchedule", **request)[2] == {"status": "Rejected"}
    assert bench.clauses()[-2:] == ["SC-25", "SC-25"]
    answer = bench.call("GetCompositeSchedule", connectorId=1, duration=60, chargingRateUnit="kW")
    assert answer[2] == "PropertyConstraintViolation"
    assert composite(bench, 2**62) == [(0, 32)]
    assert "SC-24" in bench.clauses()


def test_the_hardware_limits_the_composite_too():
    """SC-27"""
    bench = ready()
    bench.read(limit_a=20.0)
    assert composite(bench) == [(0, 20)]


def test_the_smart_charging_keys_are_readable():
    """SC-33"""
    bench = ready()
    names = ["ChargeProfileMaxStackLevel", "ChargingScheduleAllowedChargingRateUnit", "ChargingScheduleMaxPeriods",
             "MaxChargingProfilesInstalled", "SupportedFeatureProfiles"]  # fmt: skip
    keys = {item["key"]: item for item in bench.call("GetConfiguration", key=names)[2]["configurationKey"]}
    assert [keys[name]["value"] for name in names[:4]] == ["3", "Current,Power", "86400", "12"]
    assert all(item["readonly"] for item in keys.values())
    assert "SmartCharging" in keys["SupportedFeatureProfiles"]["value"].split(",")


def test_a_failure_of_the_store_leaves_the_memory_as_it_was(monkeypatch: pytest.MonkeyPatch):
    """Reliability: a CALL that failed changed nothing, in memory neither."""
    bench = ready().charge()
    put(bench, profile("TxDefaultProfile", (0, 10)))

    def broken(row: Any) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(bench.store, "save_charging_profile", broken)
    assert put(bench, profile("TxDefaultProfile", (0, 20))) == "InternalError"
    assert bench.setpoint == Setpoint(10.0, True)
    assert composite(bench) == [(0, 10)]


# -- big profiles (docs/decisions/0006-big-profiles.md)


def big(count: int, given: Callable[[int], dict[str, Any]] | None = None, **more: Any) -> dict[str, Any]:
    """SetChargingProfile.req with so many periods of a second each."""
    each = given or (lambda second: {"startPeriod": second, "limit": 6 + second % 100 / 10})
    return {
        "connectorId": 1,
        "csChargingProfiles": profile(chargingSchedulePeriod=[each(n) for n in range(count)], **more),
    }


def frame(payload: Any, action: str = "SetChargingProfile") -> str:
    """The CALL; for a RemoteStartTransaction the payload of a SetChargingProfile is spelled as its."""
    if action == "RemoteStartTransaction":
        payload = {"connectorId": 1, "idTag": "CARD1", "chargingProfile": payload["csChargingProfiles"]}
    return json.dumps([2, "big", action, payload])


def test_the_certified_number_of_periods_is_taken_kept_and_told():
    """ORS-15, SC-22"""
    bench = ready()
    assert bench.call_raw("SetChargingProfile", big(86_400))[2] == {"status": "Accepted"}
    bench.reboot()
    bench.ready()
    told = composite(bench, 86_400)
    offset = told[0][1]
    assert len(told) == 86_400 - round(bench.time.now - 1000)
    assert told[:3] == [(0, offset), (1, pytest.approx(offset + 0.1)), (2, pytest.approx(offset + 0.2))]


def test_a_big_frame_is_not_kept_to_recognise_it_when_it_comes_twice():
    """Field problem 18, and the memory of the station"""
    bench = ready()
    text = frame(big(3000))
    first, second = (
        next(action.text for action in bench.do(FrameReceived(text)) if isinstance(action, SendFrame)) for _ in range(2)
    )
    assert first == second == '[3,"big",{"status":"Accepted"}]'
    assert all(len(str(key)) < 1000 for key in bench.cp._answers)


def test_big_and_small_frames_mean_the_same():
    """The typed parser and the strict one: same periods, same members."""
    payload = big(
        600, lambda n: {"startPeriod": n, "limit": n / 100, **({"numberPhases": 1 + n % 3} if n % 2 else {})},
        duration=900, minChargingRate=6.0, validFrom="2026-03-01T12:00:00Z", recurrencyKind="Daily",
    )  # fmt: skip
    call = decode(frame(payload))
    assert isinstance(call, Call)
    assert call.checked
    compact = call.payload["csChargingProfiles"]["chargingSchedule"].pop("chargingSchedulePeriod")
    assert isinstance(compact, Periods)
    plain = payload["csChargingProfiles"]["chargingSchedule"].pop("chargingSchedulePeriod")
    assert call.payload == payload
    assert list(compact.starts) == [period["startPeriod"] for period in plain]
    assert list(compact.limits) == [int(period["limit"] * 10) for period in plain]
    assert list(compact.phases) == [period.get("numberPhases", 0) for period in plain]


def test_escapes_do_not_cost_the_speed():
    """Some serialisers spell the plus of an offset so."""
    text = frame(big(300, validFrom="2026-03-01T12:00:00+01:00")).replace("+01:00", "\\u002B01:00")
    read = profile_frame.read(text)
    assert read is not None
    assert read[2]["csChargingProfiles"]["validFrom"] == "2026-03-01T12:00:00+01:00"


def strictly(text: str) -> Any:
    """The message as the strict way reads it, or the code of its refusal."""
    threshold, profile_frame.BIG = profile_frame.BIG, 2**60
    try:
        message = decode(text)
        if isinstance(message, Call):
            check_request(message.action, message.payload)
        return message
    except CallFailure as failure:
        return failure.code
    finally:
        profile_frame.BIG = threshold


BAD = [
    ('"startPeriod": 7,', '"startPeriod": 7, "startPeriod": 7,'),
    ('"startPeriod": 7,', '"startPeriod": 7, "start\\u0050eriod": 7,'),
    ('"startPeriod": 7,', '"startPeriod": 7, "StartPeriod": 7,'),
    ('"startPeriod": 7,', '"startPeriod": "7",'),
    ('"startPeriod": 7,', '"startPeriod": 7.5,'),
    ('"startPeriod": 7,', '"startPeriod": 7.0,'),
    ('"startPeriod": 7,', '"startPeriod": 7e0,'),
    ('"startPeriod": 7,', '"startPeriod": true,'),
    ('"startPeriod": 7,', '"startPeriod": null,'),
    ('"startPeriod": 7,', '"startPeriod": -7,'),
    ('"startPeriod": 7,', '"startPeriod": 99999999999999999999,'),
    ('"startPeriod": 7,', '"startPeriod": 07,'),
    ('"startPeriod": 7,', ""),
    ('"limit": 6.7}', '"limit": NaN}'),
    ('"limit": 6.7}', '"limit": Infinity}'),
    ('"limit": 6.7}', '"limit": 1e400}'),
    ('"limit": 6.7}', '"limit": 99999999999999999999}'),
    ('"limit": 6.7}', '"limit": "6.7"}'),
    ('"limit": 6.7}', '"limit": false}'),
    ('"limit": 6.7}', '"limit": -6.7}'),
    ('"limit": 6.7}', '"limit": 6.75}'),
    ('"limit": 6.7}', '"limit": 6.7, "numberPhases": null}'),
    ('"limit": 6.7}', '"limit": 6.7, "numberPhases": 4}'),
    ('"limit": 6.7}', '"limit": 6.7, "numberPhases": 1.0}'),
    ('"limit": 6.7}', '"limit": 6.7,}'),
    ('"limit": 6.7}', '"limit": 6.7, "x": {}}'),
    ('"connectorId": 1', '"connectorId": 1, "connectorId": 1'),
    ('"connectorId": 1', '"connectorId": "1"'),
    ('"connectorId": 1', '"x": 1'),
    ('"TxDefaultProfile"', '"Default"'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "recurrencyKind": "Yearly"'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "recurrencyKind": null'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "validTo": "\ud800"'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "validTo": "\\ud800"'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "validTo": "\\ud800x"'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "validTo": "\\ud800\\u0041"'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "validTo": "\\ude00\\ud83d"'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "validTo": "\\ud83d\\ude00"'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "validTo": "a\\"b"'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "validTo": "never\t"'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "validTo": 7'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "transactionId": 1e2'),
    ('"A"', '"a"'),
    ("[2,", "[2.0,"),
    ("[2,", "[3,"),
    ('"big"', '""'),
    ('"big"', '"' + "x" * 37 + '"'),
    ('"big"', "7"),
    ('"SetChargingProfile"', '"SetChargingProfiles"'),
    ('"SetChargingProfile"', '"SetChargingProfile", {}'),
    ("]}}}]", "]}}}], 1"),
    ("]}}}]", "]}}}"),
    ("]}}}]", "]}}}]]"),
    # what the cutting into pieces might overlook
    ("}, {", "} {"),
    ("}, {", "},, {"),
    ("}, {", "}, , {"),
    ("}, {", "}], [{"),
    ("}, {", "}]; [{"),
    ("}, {", "}\u00a0, {"),
    ("}, {", "}, 7, {"),
    ("}, {", "}, [], {"),
    ("}, {", "}, null, {"),
    ("}]}}}]", "},]}}}]"),
    ("}]}}}]", "}, ]}}}]"),
    ("}]}}}]", "}  ]}}}]"),
    ("[{", "[, {"),
    ("[{", "[[{"),
    ('"startPeriod": 7,', '"startPeriod": 7, "x": "}, {",'),
    ('"startPeriod": 7,', '"startPeriod": 7, "x": "]",'),
    ('"startPeriod": 7,', '"startPeriod": 7, "x": [],'),
    ('"A"', '"A", "chargingSchedulePeriod": []'),
    ('"A"', '"A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]'),
    ('"A"', '"A", "charging\\u0053chedulePeriod": []'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "validTo": "\\"chargingSchedulePeriod\\": ["'),
    ('"TxDefaultProfile"', '"TxDefaultProfile", "chargingSchedulePeriod": []'),
]
ACTIONS = ["SetChargingProfile", "RemoteStartTransaction"]


@pytest.mark.parametrize("piece", [300, 65_536])
@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(("good", "bad"), BAD)
def test_what_the_strict_way_refuses_the_typed_parser_never_accepts(good, bad, action, piece, monkeypatch):
    """RPC-23 … RPC-26, field problem 13: strictness does not depend on the size."""
    monkeypatch.setattr(profile_frame, "PIECE", piece)
    good, bad = good.replace("SetChargingProfile", action), bad.replace("SetChargingProfile", action)
    text = frame(big(300), action)
    assert good in text
    assert profile_frame.read(text) is not None
    agree(text.replace(good, bad, 1))


@pytest.mark.parametrize(
    "id_tag", ["x" * 20, "x" * 21, "😀" * 20, "😀" * 21, "\u00e9" * 20, "", None, 7], ids=lambda tag: repr(tag)[:9]
)
def test_the_card_of_a_big_remote_start_is_as_long_as_that_of_a_small_one(id_tag):
    """RST-08, GEN-02"""
    payload = {"idTag": id_tag, "chargingProfile": big(300)["csChargingProfiles"]}
    agree(json.dumps([2, "big", "RemoteStartTransaction", payload]))
    agree(json.dumps([2, "big", "RemoteStartTransaction", payload], ensure_ascii=False))


def test_a_big_remote_start_takes_the_fast_way_and_starts_with_its_profile():
    """RST-08, ORS-15"""
    bench = ready()
    profile_given = big(3000, purpose="TxProfile", chargingProfileKind="Relative", startSchedule=None)
    text = json.dumps(
        [2, "r", "RemoteStartTransaction", {"idTag": "CARD1", "chargingProfile": profile_given["csChargingProfiles"]}]
    )
    assert profile_frame.read(text) is not None
    assert bench.call_raw("RemoteStartTransaction", json.loads(text)[3])[2] == {"status": "Accepted"}
    bench.settle()
    bench.read(ev_connected=True)
    bench.settle()
    assert composite(bench, 3)[:3] == [(0, 6), (1, 6.1), (2, 6.2)]


@pytest.mark.parametrize("action", ACTIONS)
@pytest.mark.parametrize(("good", "bad"), [("", ""), *BAD])
def test_a_frame_that_was_read_on_another_thread_is_answered_the_same(good, bad, action):
    """The link reads what is long beside the domain thread: verdict, error code and reason are those of the domain."""
    text = frame(big(300), action).replace(good, bad.replace("SetChargingProfile", action), 1)

    def answered(read: Any) -> list[Any]:
        bench = ready()
        return bench.do(FrameReceived(text, read))

    assert answered(codec.read(text)) == answered(None)


def agree(text: str) -> None:
    """Whatever the typed parser accepts, the strict way accepts too, and reads the same."""
    fast = profile_frame.read(text)
    if fast is None:
        return
    strict = strictly(text)
    assert isinstance(strict, Call), strict
    assert (strict.message_id, strict.action) == fast[:2]
    name = {"SetChargingProfile": "csChargingProfiles", "RemoteStartTransaction": "chargingProfile"}[strict.action]
    given, read = strict.payload[name], fast[2][name]
    plain = given["chargingSchedule"].pop("chargingSchedulePeriod")
    compact = read["chargingSchedule"].pop("chargingSchedulePeriod")
    assert strict.payload == fast[2]
    assert list(compact.starts) == [period["startPeriod"] for period in plain]
    assert list(compact.limits) == [int(period["limit"] * 10) for period in plain]
    assert list(compact.phases or bytes(len(plain))) == [period.get("numberPhases", 0) for period in plain]


@settings(max_examples=500, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_the_typed_parser_and_the_schema_agree_on_any_mutation(data):
    """The schemas of the ocpp package stay the source of truth."""
    text = data.draw(st.sampled_from(SMALL))
    for _ in range(data.draw(st.integers(1, 3))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 8))
        new = data.draw(
            st.text('[]{}",:0123456789.eE-nul ', max_size=4)
            | st.sampled_from(
                ['"limit":1', "null", "true", '"numberPhases":2', "1e3", '"startPeriod":1', ',"duration":5', "}, {"]
            )
        )
        text = text[:at] + new + text[at + cut :]
    sizes = profile_frame.BIG, profile_frame.PIECE
    profile_frame.BIG, profile_frame.PIECE = 0, data.draw(st.sampled_from([30, 60, 65_536]))
    try:
        agree(text)
    finally:
        profile_frame.BIG, profile_frame.PIECE = sizes


SMALL = [
    frame(big(4, recurrencyKind="Daily", validFrom="2026-03-01T12:00:00Z", duration=60), action) for action in ACTIONS
]


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.data())
def test_every_good_profile_takes_the_fast_way(data):
    """Otherwise the promise of speed would be empty."""
    number = st.integers(0, 10**6)
    optional = {
        "duration": number, "minChargingRate": st.floats(0, 100), "validFrom": st.just("2026-03-01T12:00:00Z"),
        "transactionId": st.integers(-(2**63), 2**63 - 1), "recurrencyKind": st.sampled_from(["Daily", "Weekly"]),
        "startSchedule": st.none(), "stackLevel": number, "chargingRateUnit": st.sampled_from("AW"),
    }  # fmt: skip
    chosen = data.draw(st.fixed_dictionaries({}, optional=optional))
    phases = data.draw(st.booleans())
    payload = big(
        300, lambda n: {"startPeriod": n, "limit": n / 7, **({"numberPhases": 1 + n % 3} if phases else {})}, **chosen
    )
    check_request("SetChargingProfile", payload)
    text = frame(payload, data.draw(st.sampled_from(ACTIONS)))
    text = text.replace('"big"', json.dumps(data.draw(st.text("abc-0189", min_size=1, max_size=36))))
    if data.draw(st.booleans()):
        text = text.replace(", ", ",").replace(": ", ":")
    sizes, profile_frame.PIECE = profile_frame.PIECE, data.draw(st.sampled_from([100, 1000, 65_536]))
    try:
        assert profile_frame.read(text) is not None
        agree(text)
    finally:
        profile_frame.PIECE = sizes


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2**32 - 1), st.integers(0, 3)), min_size=1, max_size=30), st.booleans())
def test_long_answers_are_written_as_short_ones_are(pairs, phases):
    """GetCompositeSchedule.conf obeys its schema whatever its length."""
    schedule = Composite(
        "A", 60, list(range(len(pairs))), [tenths for tenths, _ in pairs],
        [number for _, number in pairs] if phases else [],
    )  # fmt: skip
    short = composite_conf.composite_conf(1, 1_772_366_400, schedule)
    ordinary, composite_conf.ORDINARY = composite_conf.ORDINARY, 0
    try:
        long = composite_conf.composite_conf(1, 1_772_366_400, schedule)
    finally:
        composite_conf.ORDINARY = ordinary
    assert isinstance(long, Encoded)
    assert not isinstance(short, Encoded)
    assert json.loads(codec.encode_result("m", long)) == [3, "m", short]
    check_response("GetCompositeSchedule", short)
