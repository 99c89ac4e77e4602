"""Smart charging (OCTT group 23)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import count

import pytest

from tests.journeys.backend import RemoteError
from tests.journeys.rig import Rig

Periods = list[tuple[int, float]]

#: Of a plug that carries 16 A: nothing installed means this.
INSTALLED_A = 16.0

_ids = count(1)


def profile(purpose: str, periods: Periods, duration: int | None = None, *, level: int = 0, **more: object) -> dict:
    """An absolute schedule that began a moment ago, in whole seconds."""
    now = datetime.now(UTC).replace(microsecond=0)
    schedule: dict[str, object] = {
        "chargingRateUnit": more.pop("unit", "A"),
        "chargingSchedulePeriod": [{"startPeriod": start, "limit": limit} for start, limit in periods],
        "startSchedule": now.isoformat(),
    }
    return {
        "chargingProfileId": next(_ids),
        "stackLevel": level,
        "chargingProfilePurpose": purpose,
        "chargingProfileKind": "Absolute",
        "chargingSchedule": schedule if duration is None else {**schedule, "duration": duration},
        **more,
    }


def validity(seconds: int = 600) -> dict[str, str]:
    now = datetime.now(UTC)
    return {
        "validFrom": (now - timedelta(seconds=5)).isoformat(),
        "validTo": (now + timedelta(seconds=seconds)).isoformat(),
    }


def install(rig: Rig, given: dict, connector_id: int = 1) -> str:
    return rig.command("SetChargingProfile", connectorId=connector_id, csChargingProfiles=given)


def composite(rig: Rig, duration: int, unit: str = "A", connector_id: int = 1) -> dict:
    """GetCompositeSchedule.conf, its envelope checked."""
    asked = datetime.now(UTC)
    answer = rig.backend.call(
        "GetCompositeSchedule", {"connectorId": connector_id, "duration": duration, "chargingRateUnit": unit}
    )
    assert (answer["status"], answer["connectorId"]) == ("Accepted", connector_id)
    assert abs(datetime.fromisoformat(answer["scheduleStart"]) - asked) <= timedelta(seconds=3)
    schedule = answer["chargingSchedule"]
    assert (schedule["duration"], schedule["chargingRateUnit"]) == (duration, unit)
    assert schedule["chargingSchedulePeriod"][0]["startPeriod"] == 0
    return answer


def by_second(answer: dict) -> list[float]:
    """The limit of each second of a composite schedule."""
    schedule = answer["chargingSchedule"]
    return spread([(p["startPeriod"], p["limit"]) for p in schedule["chargingSchedulePeriod"]], schedule["duration"])


def spread(periods: Periods, duration: int) -> list[float]:
    limits, ends = [], [start for start, _ in periods[1:]] + [duration]
    for (start, limit), end in zip(periods, ends, strict=True):
        limits += [limit] * (end - start)
    return limits


def expect(rig: Rig, expected: Periods, duration: int, origin: dict) -> None:
    """The composite schedule is `expected`, which counts from the startSchedule of `origin`."""
    answer = composite(rig, duration)
    begun = datetime.fromisoformat(origin["chargingSchedule"]["startSchedule"])
    late = int((datetime.fromisoformat(answer["scheduleStart"]) - begun).total_seconds())
    assert by_second(answer)[: duration - late] == spread(expected, duration)[late:]


def offered(rig: Rig, amps: float) -> None:
    rig.sim.wait(lambda s: abs(s["offered_a"] - amps) < 0.3, 20, f"the pilot offers {amps} A")


def test_TC_056_central_smart_charging_tx_default_profile(rig: Rig):
    """SC-01, SC-24, SC-28, SC-32, SC-10"""
    given = profile("TxDefaultProfile", [(0, 6)], 300, **validity())
    assert install(rig, given) == "Accepted"
    expect(rig, [(0, 6)], 300, given)
    rig.start_session()
    offered(rig, 6)


def test_TC_056_the_same_in_watts(rig: Rig):
    """SC-19, SC-20, SC-21, SC-25"""
    assert install(rig, profile("TxDefaultProfile", [(0, 1840)], 300, unit="W")) == "Accepted"
    assert by_second(composite(rig, 200, "W"))[:190] == [1840] * 190
    assert by_second(composite(rig, 200, "A"))[:190] == [8] * 190


def test_TC_057_central_smart_charging_tx_profile(rig: Rig):
    """SC-01, SC-02, SC-08, SC-09, SC-31"""
    session = rig.start_session()
    given = profile("TxProfile", [(0, 8)], 300, transactionId=session.transaction_id, **validity())
    assert install(rig, given) == "Accepted"
    expect(rig, [(0, 8)], 300, given)
    offered(rig, 8)
    rig.sim.unplug()
    rig.backend.wait_status("Available", timeout_s=15)
    assert set(by_second(composite(rig, 100))) == {INSTALLED_A}, "it ends with its transaction"


def test_TC_058_1_tx_profile_no_ongoing_transaction(rig: Rig):
    """SC-02"""
    assert install(rig, profile("TxProfile", [(0, 8)], 300)) == "Rejected"
    assert set(by_second(composite(rig, 100))) == {INSTALLED_A}


def test_TC_058_2_tx_profile_wrong_transaction_id(rig: Rig):
    """SC-02"""
    session = rig.start_session()
    wrong = profile("TxProfile", [(0, 8)], 300, transactionId=session.transaction_id + 1)
    assert install(rig, wrong) == "Rejected"
    assert set(by_second(composite(rig, 100))) == {INSTALLED_A}


def test_TC_059_remote_start_transaction_with_charging_profile(rig: Rig):
    """RST-08, SC-08, SC-24"""
    given = profile("TxProfile", [(0, 6)], 300)
    answer = rig.command("RemoteStartTransaction", idTag=rig.card, connectorId=1, chargingProfile=given)
    assert answer == "Accepted"
    rig.backend.wait_status("Preparing")
    rig.sim.plug()
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)
    expect(rig, [(0, 6)], 300, given)
    offered(rig, 6)


def test_a_later_tx_profile_replaces_that_of_the_remote_start_or_stacks_on_it(rig: Rig):
    """RST-09, SC-05"""
    first = profile("TxProfile", [(0, 6)])
    assert rig.command("RemoteStartTransaction", idTag=rig.card, chargingProfile=first) == "Accepted"
    rig.sim.plug()
    session = rig.wait_started()
    rig.backend.wait_status("Charging", timeout_s=15)
    assert install(rig, profile("TxProfile", [(0, 10)], transactionId=session.transaction_id)) == "Accepted"
    assert set(by_second(composite(rig, 60))) == {10}
    assert rig.command("ClearChargingProfile", id=first["chargingProfileId"]) == "Unknown", "it was replaced"
    above = profile("TxProfile", [(0, 8)], level=1, transactionId=session.transaction_id)
    assert install(rig, above) == "Accepted"
    assert set(by_second(composite(rig, 60))) == {8}
    assert rig.command("ClearChargingProfile", id=above["chargingProfileId"]) == "Accepted"
    assert set(by_second(composite(rig, 60))) == {10}


@pytest.mark.parametrize("purpose", ["TxDefaultProfile", "ChargePointMaxProfile"])
def test_TC_060_remote_start_transaction_with_charging_profile_rejected(rig: Rig, purpose: str):
    """RST-08"""
    given = profile(purpose, [(0, 6)], 300)
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    answer = rig.command("RemoteStartTransaction", idTag=rig.card, connectorId=1, chargingProfile=given)
    assert answer == "Rejected"
    rig.backend.expect_no("StartTransaction", 0.5)


def test_TC_066_get_composite_schedule(rig: Rig):
    """SC-08, SC-18, SC-22, SC-24, SC-25, SC-27, SC-33"""
    assert int(rig.value("MaxChargingProfilesInstalled")) >= 3
    assert int(rig.value("ChargingScheduleMaxPeriods")) >= 5
    session = rig.start_session()
    most = profile("ChargePointMaxProfile", [(0, 10)], 86_400)
    default = profile("TxDefaultProfile", [(0, 6), (60, 10), (120, 8), (180, 25), (260, 8)], 300)
    own = profile(
        "TxProfile", [(0, 8), (50, 11), (140, 16), (200, 6), (240, 12)], 240, transactionId=session.transaction_id
    )
    # one origin for all three, however long the requests take
    for given in (default, own):
        given["chargingSchedule"]["startSchedule"] = most["chargingSchedule"]["startSchedule"]
    assert install(rig, most, connector_id=0) == "Accepted"
    assert install(rig, default) == "Accepted"
    assert install(rig, own) == "Accepted"
    expect(rig, [(0, 8), (50, 10), (200, 6), (240, 10), (260, 8), (300, 10)], 400, most)
    offered(rig, 8)


def test_TC_067_clear_charging_profile(rig: Rig):
    """SC-29, SC-30, SC-31"""
    clear = "ClearChargingProfile"
    most = profile("ChargePointMaxProfile", [(0, 12)])
    first = profile("TxDefaultProfile", [(0, 10)])
    second = profile("TxDefaultProfile", [(0, 8)], level=1)
    assert install(rig, most, connector_id=0) == "Accepted"
    assert install(rig, first) == "Accepted"
    assert install(rig, second) == "Accepted"
    assert set(by_second(composite(rig, 60))) == {8}
    assert rig.command(clear, id=second["chargingProfileId"]) == "Accepted"
    assert set(by_second(composite(rig, 60))) == {10}
    assert rig.command(clear, connectorId=1, chargingProfilePurpose="TxDefaultProfile", stackLevel=0) == "Accepted"
    assert set(by_second(composite(rig, 60))) == {12}
    assert rig.command(clear, id=second["chargingProfileId"]) == "Unknown"
    assert install(rig, second) == "Accepted"
    assert rig.command(clear) == "Accepted"
    assert set(by_second(composite(rig, 60))) == {INSTALLED_A}
    assert rig.command(clear) == "Unknown", "nothing is left"


def test_TC_072_stacking_charging_profiles(rig: Rig):
    """SC-05, SC-07, SC-16, SC-18, field problem 30"""
    low = profile("TxDefaultProfile", [(0, 6), (100, 8), (200, 10)], 400)
    high = profile("TxDefaultProfile", [(0, 7), (100, 9)], 150, level=1)
    high["chargingSchedule"]["startSchedule"] = low["chargingSchedule"]["startSchedule"]
    assert install(rig, low) == "Accepted"
    assert install(rig, high) == "Accepted"
    stacked: Periods = [(0, 7), (100, 9), (150, 8), (200, 10)]
    expect(rig, stacked, 350, low)
    expect(rig, [*stacked, (400, INSTALLED_A)], 550, low)


def test_TC_082_tx_default_profile_with_ongoing_transaction(rig: Rig):
    """SC-10, SC-31"""
    rig.start_session()
    offered(rig, INSTALLED_A)
    given = profile("TxDefaultProfile", [(0, 6)], 300, **validity())
    assert install(rig, given) == "Accepted"
    expect(rig, [(0, 6)], 300, given)
    offered(rig, 6)


@pytest.mark.parametrize(
    "break_it",
    [
        pytest.param(lambda p: p.update(chargingProfilePurpose="MaxProfile"), id="purpose"),
        pytest.param(lambda p: p["chargingSchedule"].update(chargingRateUnit="kW"), id="unit"),
    ],
)
def test_a_bad_enum_is_a_property_constraint_violation(rig: Rig, break_it):
    """SC-04, RPC-24"""
    given = profile("TxDefaultProfile", [(0, 6)])
    break_it(given)
    with pytest.raises(RemoteError) as refused:
        install(rig, given)
    assert refused.value.code == "PropertyConstraintViolation"


def test_an_unknown_connector_is_a_property_constraint_violation(rig: Rig):
    """SC-04, SC-25"""
    with pytest.raises(RemoteError) as refused:
        install(rig, profile("TxDefaultProfile", [(0, 6)]), connector_id=2)
    assert refused.value.code == "PropertyConstraintViolation"
    assert rig.command("GetCompositeSchedule", connectorId=2, duration=60) == "Rejected"


def test_less_than_six_amperes_is_a_pause(rig: Rig):
    """SC-23, STA-05, STA-06"""
    rig.start_session()
    assert install(rig, profile("TxDefaultProfile", [(0, 5.9)])) == "Accepted"
    rig.backend.wait_status("SuspendedEVSE")
    rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
    assert rig.command("ClearChargingProfile") == "Accepted"
    rig.backend.wait_status("Charging", timeout_s=20)


def test_profiles_are_there_before_the_contactor_after_a_power_cut(rig: Rig):
    """SC-11, field problem 30"""
    given = profile("TxDefaultProfile", [(0, 6)])
    assert install(rig, given) == "Accepted"
    rig.station.restart()
    rig.wait_online()
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.swipe()
    state = rig.sim.wait(lambda s: s["relay"], 15, "the contactor closes")
    assert state["offered_a"] == pytest.approx(6, abs=0.3)
