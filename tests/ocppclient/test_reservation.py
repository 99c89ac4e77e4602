"""ReserveNow, CancelReservation, who may charge meanwhile and what ends a reservation."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import timedelta

import pytest

from ocppclient.clock import format_utc
from ocppclient.events import (
    CardFeedback,
    Explain,
    Fault,
    Feedback,
    ReservationWithdrawn,
    Setpoint,
    SettingsChanged,
)
from ocppclient.reservation import HISTORY, HISTORY_KEPT
from ocppclient.settings import Factory
from ocppclient.store import IdTagEntry
from tests.ocppclient.harness import START, Bench, of, statuses

MINE, OTHER, FAMILY = "MINE", "OTHER", "FAMILY"
NO_SAMPLES = {"MeterValueSampleInterval": "0"}
ACCEPTED = {"idTagInfo": {"status": "Accepted"}}


def member(status="Accepted", parent=FAMILY):
    """An Authorize.conf of a card that belongs to a group."""
    return {"idTagInfo": {"status": status, "parentIdTag": parent}}


def station(**configuration):
    return Bench({**NO_SAMPLES, **configuration}).ready()


def reserve(bench, reservation_id=17, id_tag=MINE, minutes=30, **fields):
    """The status of ReserveNow.conf, or the code of the CALLERROR."""
    request = {
        "connectorId": 1, "idTag": id_tag, "reservationId": reservation_id,
        "expiryDate": format_utc(bench.clock.utc() + timedelta(minutes=minutes)),
    }  # fmt: skip
    answer = bench.call("ReserveNow", **{**request, **fields})
    return answer[2] if answer[0] == 4 else answer[2]["status"]


def reserved(bench, **fields):
    """The station after an accepted reservation, everything answered."""
    assert reserve(bench, **fields) == "Accepted"
    bench.settle()
    assert bench.status == "Reserved"
    bench.actions.clear()
    return bench


def cancel(bench, reservation_id=17):
    return bench.call("CancelReservation", reservationId=reservation_id)[2]["status"]


def remote_start(bench, id_tag):
    return bench.call("RemoteStartTransaction", idTag=id_tag, connectorId=1)[2]["status"]


def reading_text(bench):
    """What the driver was told last."""
    return next(action for action in reversed(bench.actions) if isinstance(action, Feedback))


def why(bench):
    """The last line of the why log."""
    return next(action for action in reversed(bench.actions) if isinstance(action, Explain))


def learn(bench, source, id_tag, parent, status="Accepted", expiry_date=None):
    """A card that the local list or the cache knows."""
    entry = IdTagEntry(id_tag, status, source, parent, expiry_date, START)
    (bench.store.save_cache_entry if source == "cache" else bench.store.save_list_entry)(entry)


# --- ReserveNow ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connector_id", [0, 1])
def test_an_accepted_reservation_is_reported_as_reserved_right_after_the_answer(connector_id):
    """RSV-01, RSV-03, STA-19, T:TC_046_1, TC_049"""
    bench = station()
    assert reserve(bench, connectorId=connector_id) == "Accepted"
    report = bench.expect("StatusNotification")
    assert (report["connectorId"], report["status"], report["errorCode"]) == (1, "Reserved", "NoError")
    assert statuses(bench.settle(), 0) == []


def test_the_report_of_reserved_waits_as_long_as_any_other():
    """STA-18, RSV-01"""
    bench = station(MinimumStatusDuration="10")
    assert reserve(bench) == "Accepted"
    bench.wait(9)
    assert bench.calls == []
    bench.wait(1.5)
    assert statuses(bench.settle()) == ["Reserved"]


@pytest.mark.parametrize(
    ("fields", "status", "clause"),
    [
        ({"connectorId": 2}, "Rejected", "RSV-11"),
        ({"connectorId": -1}, "Rejected", "RSV-11"),
        ({"minutes": -1}, "Rejected", "RSV-11"),
        ({"minutes": 0}, "Rejected", "RSV-11"),
        ({"id_tag": ""}, "Rejected", "GEN-02"),
    ],
)
def test_a_reservation_that_makes_no_sense_is_rejected(fields, status, clause):
    """RSV-11, GEN-02"""
    bench = station()
    assert reserve(bench, **fields) == status
    assert bench.clauses() == [clause]
    assert bench.calls == []
    assert bench.status == "Available"


@pytest.mark.parametrize(
    ("fields", "code"),
    [
        ({"expiryDate": "tomorrow"}, "PropertyConstraintViolation"),
        ({"expiryDate": 7}, "TypeConstraintViolation"),
        ({"expiryDate": None}, "OccurenceConstraintViolation"),
        ({"idTag": "x" * 21}, "TypeConstraintViolation"),
        ({"parentIdTag": "x" * 21}, "TypeConstraintViolation"),
        ({"reservationId": "17"}, "TypeConstraintViolation"),
        ({"surprise": 1}, "FormationViolation"),
    ],
)
def test_a_request_that_does_not_fit_its_schema_reserves_nothing(fields, code):
    """RPC-34, RPC-26, RSV-11"""
    bench = station()
    assert reserve(bench, **fields) == code
    assert bench.status == "Available"


@pytest.mark.parametrize(
    "spelling", ["2026-03-01T12:30:00Z", "2026-03-01T14:30:00+02:00", "2026-03-01t12:30:00.000000z"]
)
def test_the_expiry_date_is_understood_in_any_spelling(spelling):
    """GEN-06, field problem 20"""
    bench = station()
    assert reserve(bench, expiryDate=spelling) == "Accepted"
    bench.wait(29 * 60, step_s=10)
    assert bench.status == "Reserved"
    bench.live(65, step_s=1)
    assert bench.status == "Available"


def test_the_whole_station_is_not_reserved_when_the_factory_says_so():
    """RSV-03, 9.3.1, T:TC_050_4"""
    bench = station(ReserveConnectorZeroSupported="false")
    assert reserve(bench, connectorId=0) == "Rejected"
    assert bench.clauses() == ["RSV-03"]
    assert reserve(bench, connectorId=1) == "Accepted"


def test_the_key_of_connector_0_is_true_and_read_only():
    """Conformance section 27: ReserveConnectorZeroSupported"""
    bench = station()
    entry = {"key": "ReserveConnectorZeroSupported", "readonly": True, "value": "true"}
    answer = bench.call("GetConfiguration", key=["ReserveConnectorZeroSupported"])[2]
    assert answer == {"configurationKey": [entry]}
    change = bench.call("ChangeConfiguration", key="ReserveConnectorZeroSupported", value="false")[2]
    assert change == {"status": "Rejected"}


def test_without_the_profile_there_is_no_reservation():
    """GEN-10, RSV-02, T:TC_048_4"""
    bench = Bench(factory=Factory(feature_profiles=("Core",))).ready()
    assert reserve(bench) == "NotSupported"
    assert bench.call("CancelReservation", reservationId=17)[2] == "NotSupported"
    assert "unknownKey" in bench.call("GetConfiguration", key=["ReserveConnectorZeroSupported"])[2]


@pytest.mark.parametrize("connector_id", [0, 1])
@pytest.mark.parametrize("use", ["plugged", "long plugged", "card", "charging", "stopping", "over"])
def test_a_connector_in_use_is_occupied(use, connector_id):
    """RSV-02, T:TC_048_2, TC_050_2"""
    bench = station(ConnectionTimeOut="20")
    if "plugged" in use:
        bench.read(ev_connected=True)
        bench.wait(25 if "long" in use else 0)
    if use == "card":
        bench.swipe(OTHER)
    if use in ("charging", "stopping", "over"):
        bench.charge(OTHER)
    if use in ("stopping", "over"):
        bench.swipe(OTHER)
    if use == "over":
        bench.open_contactor()
    bench.settle()
    before = bench.status
    assert before in ("Preparing", "Finishing", "Charging")
    assert reserve(bench, connectorId=connector_id) == "Occupied"
    assert why(bench).rule == f"The connector is in use: {before}."
    assert bench.status == before


@pytest.mark.parametrize("id_tag", [MINE, OTHER])
@pytest.mark.parametrize(("first", "second"), [(0, 0), (0, 1), (1, 0), (1, 1)])
def test_what_is_reserved_is_occupied_for_another_reservation_also_of_the_same_card(first, second, id_tag):
    """RSV-02, section 5.13"""
    bench = reserved(station(), connectorId=first)
    assert reserve(bench, 18, id_tag, connectorId=second) == "Occupied"
    assert why(bench) == Explain(
        "ReserveNow", "Occupied", "The connector is reserved until 12:30 UTC for card MINE.", "18", "RSV-02"
    )
    assert cancel(bench, 18) == "Rejected"
    assert cancel(bench, 17) == "Accepted"


@pytest.mark.parametrize("fault_of", [0, 1])
@pytest.mark.parametrize("connector_id", [0, 1])
def test_a_faulted_connector_is_not_reserved(connector_id, fault_of):
    """RSV-02, T:TC_048_1, TC_050_1"""
    bench = station()
    bench.read(faults=(Fault("GroundFailure", connector_id=fault_of),))
    assert reserve(bench, connectorId=connector_id) == "Faulted"
    assert why(bench) == Explain("ReserveNow", "Faulted", "The connector has a fault: GroundFailure.", "17", "RSV-02")
    bench.read(faults=())
    assert bench.status == "Available"


@pytest.mark.parametrize("unavailable", [0, 1])
@pytest.mark.parametrize("connector_id", [0, 1])
def test_an_unavailable_connector_is_not_reserved(connector_id, unavailable):
    """RSV-02, AVL-05, T:TC_048_3, TC_050_3"""
    bench = station()
    bench.call("ChangeAvailability", connectorId=unavailable, type="Inoperative")
    assert reserve(bench, connectorId=connector_id) == "Unavailable"
    assert bench.clauses()[-1] == "AVL-05"


def test_before_the_hardware_was_read_nothing_is_reserved():
    """RSV-02: a car may stand there"""
    bench = Bench()
    bench.boot()
    assert reserve(bench) == "Unavailable"
    assert why(bench).rule == "The hardware has not been read yet."


@pytest.mark.parametrize("registration", ["Pending", "Rejected"])
def test_a_backend_that_has_not_accepted_the_station_cannot_reserve_it(registration):
    """BOOT-07, BOOT-09"""
    bench = Bench()
    bench.read()
    bench.boot(status=registration)
    if registration == "Rejected":
        with pytest.raises(AssertionError, match="not answered"):
            reserve(bench)
    else:
        assert reserve(bench) == "Rejected"
        assert bench.clauses()[-1] == "BOOT-09"
    assert bench.status == "Available"


# --- replacing -------------------------------------------------------------------------------------------------------


def test_a_known_reservation_id_replaces_everything_of_the_reservation():
    """RSV-01"""
    bench = reserved(station(), parentIdTag=FAMILY, minutes=5)
    assert reserve(bench, 17, OTHER, 60, connectorId=0) == "Accepted"
    assert bench.calls == []
    bench.live(6 * 60, step_s=10)
    assert bench.status == "Reserved"
    bench.swipe(MINE)
    assert bench.feedback()[-1] == CardFeedback.REJECTED
    assert bench.calls == []
    bench.swipe(OTHER)
    bench.settle()
    assert bench.status == "Preparing"


def test_a_replacement_that_is_refused_leaves_the_reservation_as_it_was():
    """RSV-01, RSV-11"""
    bench = reserved(station())
    assert reserve(bench, minutes=-5) == "Rejected"
    assert reserve(bench, connectorId=3) == "Rejected"
    assert bench.status == "Reserved"


def test_a_reservation_replaced_for_somebody_else_withdraws_the_card_that_was_accepted():
    """RSV-01, RSV-04"""
    bench = reserved(station())
    bench.swipe(MINE)
    bench.settle()
    assert bench.status == "Preparing"
    assert reserve(bench, 17, OTHER) == "Accepted"
    assert statuses(bench.settle()) == ["Reserved"]
    assert bench.feedback()[-1] == CardFeedback.REJECTED
    bench.read(ev_connected=True)
    assert not of(bench.settle(), "StartTransaction")


def test_a_reservation_replaced_for_the_same_card_keeps_it_accepted():
    """RSV-01"""
    bench = reserved(station())
    bench.swipe(MINE)
    bench.settle()
    assert reserve(bench, 17, MINE, 90) == "Accepted"
    bench.settle()
    assert bench.status == "Preparing"


def test_what_expired_a_moment_ago_does_not_stand_in_the_way_of_the_next():
    """RSV-01, RSV-06: the request is the first event after the expiry"""
    bench = reserved(station(), minutes=1)
    bench.time.now += 61
    assert reserve(bench, 18, OTHER) == "Accepted"
    bench.swipe(OTHER)
    bench.settle()
    assert bench.status == "Preparing"


# --- the reserved card -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connector_id", [0, 1])
def test_the_reserved_card_is_authorised_and_its_transaction_ends_the_reservation(connector_id):
    """RSV-06, RSV-08, RSV-10, TX-02, STA-19, T:TC_046_1, TC_049"""
    bench = reserved(station(), connectorId=connector_id)
    bench.swipe(MINE)
    sent = bench.settle()
    assert sent[0] == ("Authorize", {"idTag": MINE})
    assert statuses(sent) == ["Preparing"]
    bench.read(ev_connected=True)
    ((_, start),) = of(bench.settle(), "StartTransaction")
    assert (start["idTag"], start["reservationId"], start["connectorId"]) == (MINE, 17, 1)
    assert cancel(bench) == "Rejected"
    bench.read(contactor_closed=True)
    assert statuses(bench.settle()) == ["Charging"]
    bench.swipe(MINE)
    bench.open_contactor()
    bench.read(ev_connected=False)
    assert "Reserved" not in statuses(bench.settle())
    assert bench.status == "Available"


def test_the_next_transaction_of_the_same_card_carries_no_reservation():
    """RSV-08"""
    bench = reserved(station())
    for expected in (17, None):
        bench.read(ev_connected=True)
        bench.swipe(MINE)
        ((_, start),) = of(bench.settle(), "StartTransaction")
        assert start.get("reservationId") == expected
        bench.swipe(MINE)
        bench.read(ev_connected=False)
        bench.settle()


@pytest.mark.parametrize("reservation_id", [0, -1, 2**31, 2**63 - 1])
def test_any_integer_is_a_reservation_id(reservation_id):
    """RSV-08, section 6.45"""
    bench = reserved(station(), reservation_id=reservation_id)
    bench.read(ev_connected=True)
    bench.swipe(MINE)
    ((_, start),) = of(bench.settle(), "StartTransaction")
    assert start["reservationId"] == reservation_id


def test_upper_and_lower_case_of_a_card_are_the_same():
    """GEN-02, RSV-04"""
    bench = reserved(station(), id_tag="aBc")
    bench.swipe("ABC")
    bench.settle()
    assert bench.status == "Preparing"
    bench = reserved(station(), parentIdTag="fam")
    bench.swipe(OTHER)
    bench.settle(Authorize=member(parent="FAM"))
    assert bench.status == "Preparing"


def test_a_car_that_is_plugged_in_first_leaves_the_connector_reserved_until_the_card_comes():
    """STA-19, section 4.9 G2: only the reserved identity leads to Preparing"""
    bench = reserved(station(ConnectionTimeOut="20"))
    bench.read(ev_connected=True)
    bench.wait(30)
    assert bench.calls == []
    assert bench.cp.view().sentence == (
        "The car is plugged in, but the station is reserved until 12:30 UTC for card MINE."
    )
    bench.swipe(MINE)
    sent = bench.settle()
    assert statuses(sent) == ["Preparing"]
    assert of(sent, "StartTransaction")[0][1]["reservationId"] == 17


def test_a_reserved_card_that_the_backend_refuses_does_not_start():
    """RSV-10, AUT-21"""
    bench = reserved(station())
    bench.swipe(MINE)
    bench.settle(Authorize={"idTagInfo": {"status": "Blocked"}})
    bench.read(ev_connected=True)
    assert bench.settle() == []
    assert bench.status == "Reserved"


@pytest.mark.parametrize("how", ["no plug", "second tap"])
def test_a_reserved_card_without_a_plug_leads_back_to_reserved(how):
    """STA-09, AUT-22, errata 3.76: back to the original status"""
    bench = reserved(station(ConnectionTimeOut="20"))
    bench.swipe(MINE)
    assert statuses(bench.settle()) == ["Preparing"]
    if how == "no plug":
        bench.wait(21)
    else:
        bench.swipe(MINE)
    assert statuses(bench.settle()) == ["Reserved"]
    assert cancel(bench) == "Accepted"


def test_the_card_of_the_list_starts_offline_and_the_backend_is_told_the_reservation_later():
    """RSV-08, TX-20, AUT-05"""
    bench = station()
    learn(bench, "backend", MINE, "")
    reserved(bench)
    bench.disconnect()
    bench.read(ev_connected=True)
    bench.swipe(MINE)
    assert bench.status == "Preparing"
    bench.connect()
    ((_, start),) = of(bench.settle(), "StartTransaction")
    assert start["reservationId"] == 17


# --- other cards -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connector_id", [0, 1])
@pytest.mark.parametrize("plugged", [False, True])
def test_another_card_is_refused_with_a_reason_and_nobody_is_asked(connector_id, plugged):
    """RSV-04, RSV-05, T:TC_046_1, TC_049"""
    bench = reserved(station(), connectorId=connector_id)
    bench.read(ev_connected=plugged)
    bench.swipe(OTHER)
    assert bench.settle() == []
    assert reading_text(bench) == Feedback(
        CardFeedback.REJECTED, "This station is reserved for somebody else until 12:30 UTC."
    )
    assert (why(bench).what, why(bench).value, why(bench).clause) == ("card", OTHER, "RSV-04")
    assert bench.status == "Reserved"
    assert not any(isinstance(action, Setpoint) for action in bench.actions)


@pytest.mark.parametrize("source", ["cache", "backend", "station"])
def test_a_card_that_may_always_start_may_not_while_it_is_reserved(source):
    """RSV-04 before AUT-04"""
    bench = station(LocalPreAuthorize="true")
    learn(bench, source, OTHER, "")
    reserved(bench)
    bench.read(ev_connected=True)
    bench.swipe(OTHER)
    assert bench.settle() == []


def test_another_card_does_not_disturb_the_reserved_one():
    """RSV-04"""
    bench = reserved(station())
    bench.swipe(MINE)
    bench.settle()
    bench.swipe(OTHER)
    assert bench.settle() == []
    assert bench.status == "Preparing"
    bench.read(ev_connected=True)
    assert of(bench.settle(), "StartTransaction")[0][1]["idTag"] == MINE


def test_a_card_whose_question_was_on_its_way_when_the_reservation_came_is_refused():
    """RSV-04"""
    bench = station()
    bench.swipe(OTHER)
    bench.expect("Authorize")
    assert reserve(bench) == "Accepted"
    bench.settle()
    assert bench.status == "Reserved"
    assert bench.feedback() == [CardFeedback.WAITING, CardFeedback.REJECTED]
    bench.read(ev_connected=True)
    assert not of(bench.settle(), "StartTransaction")


@pytest.mark.parametrize("unknown", ["true", "false"])
def test_offline_another_card_is_refused_whatever_the_offline_policy(unknown):
    """RSV-04 before AUT-06"""
    bench = reserved(station(AllowOfflineTxForUnknownId=unknown))
    bench.disconnect()
    bench.read(ev_connected=True)
    bench.swipe(OTHER)
    assert bench.status == "Reserved"
    assert why(bench).clause == "RSV-04"
    bench.swipe(MINE)
    assert bench.status == ("Preparing" if unknown == "true" else "Reserved")


# --- groups ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("connector_id", [0, 1])
def test_the_parent_of_an_unknown_card_is_asked_and_its_group_may_charge(connector_id):
    """RSV-05, RSV-08, T:TC_053_1"""
    bench = reserved(station(), parentIdTag=FAMILY, connectorId=connector_id)
    bench.swipe(OTHER)
    assert bench.expect("Authorize") == {"idTag": OTHER}
    assert statuses(bench.settle(Authorize=member())) == ["Preparing"]
    bench.read(ev_connected=True)
    ((_, start),) = of(bench.settle(StartTransaction={"transactionId": 7, **member()}), "StartTransaction")
    assert (start["idTag"], start["reservationId"]) == (OTHER, 17)
    assert cancel(bench) == "Rejected"


@pytest.mark.parametrize(
    ("verdict", "clause"),
    [
        (member(parent="ANOTHER"), "RSV-04"),
        (ACCEPTED, "RSV-04"),
        (member(parent=MINE), "RSV-04"),
        (member("Blocked"), "AUT-21"),
        (member("Invalid"), "AUT-21"),
    ],
)
def test_a_card_of_another_group_or_of_none_is_refused(verdict, clause):
    """RSV-04, RSV-05, AUT-19, AUT-21"""
    bench = reserved(station(), parentIdTag=FAMILY)
    bench.read(ev_connected=True)
    bench.swipe(OTHER)
    assert not of(bench.settle(Authorize=verdict), "StartTransaction", "StatusNotification")
    assert why(bench).clause == clause
    assert bench.feedback()[-1] == CardFeedback.REJECTED


def test_a_card_that_spells_like_the_parent_is_not_of_the_group():
    """AUT-19: parents are compared with parents only"""
    bench = reserved(station(), parentIdTag=FAMILY)
    bench.swipe(FAMILY)
    bench.settle()
    assert bench.status == "Reserved"


@pytest.mark.parametrize("source", ["cache", "backend", "station"])
def test_a_card_that_is_known_to_be_of_another_group_is_refused_without_asking(source):
    """RSV-05: list or cache may be looked at"""
    bench = station()
    learn(bench, source, OTHER, "ANOTHER")
    reserved(bench, parentIdTag=FAMILY)
    bench.swipe(OTHER)
    assert bench.settle() == []
    assert why(bench).rule == "This station is reserved for somebody else until 12:30 UTC."


@pytest.mark.parametrize("source", ["cache", "backend"])
def test_a_card_that_is_known_to_be_of_the_group_needs_no_question(source):
    """RSV-05, AUT-04"""
    bench = station(LocalPreAuthorize="true")
    learn(bench, source, OTHER, FAMILY)
    reserved(bench, parentIdTag=FAMILY)
    bench.read(ev_connected=True)
    bench.swipe(OTHER)
    sent = bench.settle()
    assert not of(sent, "Authorize")
    assert of(sent, "StartTransaction")[0][1]["reservationId"] == 17


def test_a_known_card_without_a_known_group_is_asked_about_though_it_would_be_accepted_locally():
    """RSV-05 before AUT-04"""
    bench = station(LocalPreAuthorize="true")
    learn(bench, "cache", OTHER, "")
    reserved(bench, parentIdTag=FAMILY)
    bench.swipe(OTHER)
    assert bench.expect("Authorize") == {"idTag": OTHER}
    bench.settle(Authorize=member())
    assert bench.status == "Preparing"


def test_the_group_in_the_list_counts_when_the_backend_names_none():
    """RSV-05, AUT-02: Authorize.conf may contain the parent (errata 4.12)"""
    bench = station()
    learn(bench, "backend", OTHER, FAMILY)
    reserved(bench, parentIdTag=FAMILY)
    bench.swipe(OTHER)
    bench.settle(Authorize=ACCEPTED)
    assert bench.status == "Preparing"


def test_what_is_known_of_an_expired_card_does_not_count():
    """RSV-05, AUT-13"""
    bench = station()
    learn(bench, "cache", OTHER, "ANOTHER", expiry_date=START - timedelta(days=1))
    reserved(bench, parentIdTag=FAMILY)
    bench.swipe(OTHER)
    bench.settle(Authorize=member())
    assert bench.status == "Preparing"


def test_offline_only_a_known_member_of_the_group_may_charge():
    """RSV-04, RSV-05, AUT-05, AUT-06"""
    bench = station(AllowOfflineTxForUnknownId="true")
    learn(bench, "cache", "SISTER", FAMILY)
    learn(bench, "cache", "LOOSE", "")
    reserved(bench, parentIdTag=FAMILY)
    bench.disconnect()
    for card in ("UNKNOWN", "LOOSE"):
        bench.swipe(card)
        assert bench.status == "Reserved"
        assert why(bench).rule == (
            "This station is reserved for somebody else until 12:30 UTC. "
            "It is not known whether this card belongs to the same group."
        )
    bench.swipe("SISTER")
    assert bench.status == "Preparing"


def test_a_backend_that_does_not_answer_about_the_group_keeps_the_connector_reserved():
    """RSV-05, AUT-23"""
    bench = reserved(station(AllowOfflineTxForUnknownId="true"), parentIdTag=FAMILY)
    bench.swipe(OTHER)
    bench.wait(6)
    assert bench.status == "Reserved"
    assert why(bench).clause == "RSV-04"


# --- remote start ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("authorize", ["true", "false"])
@pytest.mark.parametrize("connector_id", [0, 1])
def test_a_remote_start_of_the_reserved_card_uses_the_reservation(connector_id, authorize):
    """RSV-12, RSV-08, T:TC_046_2"""
    bench = reserved(station(AuthorizeRemoteTxRequests=authorize), connectorId=connector_id)
    assert remote_start(bench, MINE) == "Accepted"
    assert statuses(bench.settle()) == ["Preparing"]
    bench.read(ev_connected=True)
    ((_, start),) = of(bench.settle(), "StartTransaction")
    assert (start["idTag"], start["reservationId"]) == (MINE, 17)
    assert cancel(bench) == "Rejected"


@pytest.mark.parametrize("authorize", ["true", "false"])
@pytest.mark.parametrize("connector_id", [0, 1])
def test_a_remote_start_of_another_card_is_rejected(connector_id, authorize):
    """RSV-12, RST-05, field problem 28"""
    bench = reserved(station(AuthorizeRemoteTxRequests=authorize), connectorId=connector_id)
    assert remote_start(bench, OTHER) == "Rejected"
    assert why(bench) == Explain(
        "RemoteStartTransaction", "Rejected", "The connector is reserved until 12:30 UTC for card MINE.", OTHER,
        "RSV-12",
    )  # fmt: skip
    assert bench.calls == []


@pytest.mark.parametrize("authorize", ["true", "false"])
def test_a_remote_start_of_the_group_asks_for_the_parent_also_when_it_need_not_authorise(authorize):
    """RSV-05, RSV-12, T:TC_053_2"""
    bench = reserved(station(AuthorizeRemoteTxRequests=authorize), parentIdTag=FAMILY)
    assert remote_start(bench, OTHER) == "Accepted"
    assert bench.expect("Authorize") == {"idTag": OTHER}
    bench.settle(Authorize=member())
    bench.read(ev_connected=True)
    assert of(bench.settle(), "StartTransaction")[0][1]["reservationId"] == 17


@pytest.mark.parametrize("authorize", ["true", "false"])
def test_a_remote_start_of_another_group_comes_to_nothing(authorize):
    """RSV-04, RSV-12"""
    bench = reserved(station(AuthorizeRemoteTxRequests=authorize), parentIdTag=FAMILY)
    assert remote_start(bench, OTHER) == "Accepted"
    bench.settle(Authorize=member(parent="ANOTHER"))
    assert bench.status == "Reserved"
    learn(bench, "cache", OTHER, "ANOTHER")
    assert remote_start(bench, OTHER) == "Rejected"
    assert why(bench).rule == "The connector is reserved until 12:30 UTC for card MINE and its group."


def test_a_remote_start_of_a_known_member_needs_no_question_when_it_need_not_authorise():
    """RST-02, RSV-12"""
    bench = station(AuthorizeRemoteTxRequests="false")
    learn(bench, "backend", OTHER, FAMILY)
    reserved(bench, parentIdTag=FAMILY)
    assert remote_start(bench, OTHER) == "Accepted"
    assert not of(bench.settle(), "Authorize")
    assert bench.status == "Preparing"


# --- its end ---------------------------------------------------------------------------------------------------------


def test_a_cancelled_reservation_is_available_and_another_card_charges_without_it():
    """RSV-07, RSV-08, RSV-09, T:TC_051"""
    bench = reserved(station())
    assert cancel(bench) == "Accepted"
    assert statuses(bench.settle()) == ["Available"]
    bench.swipe(OTHER)
    bench.read(ev_connected=True)
    ((_, start),) = of(bench.settle(), "StartTransaction")
    assert "reservationId" not in start


@pytest.mark.parametrize("reservation_id", [16, 0, -17])
def test_cancelling_another_id_is_rejected_and_changes_nothing(reservation_id):
    """RSV-09, T:TC_052"""
    bench = reserved(station())
    assert cancel(bench, reservation_id) == "Rejected"
    assert bench.calls == []
    rule = f"There is no reservation {reservation_id}."
    assert why(bench) == Explain("CancelReservation", "Rejected", rule, str(reservation_id), "RSV-09")
    assert bench.status == "Reserved"
    assert cancel(bench) == "Accepted"
    assert cancel(bench) == "Rejected"


def test_an_expired_reservation_is_available_and_another_card_charges_without_it():
    """RSV-06, RSV-07, RSV-08, T:TC_047"""
    bench = reserved(station(), minutes=1)
    bench.wait(59.8)
    assert bench.calls == []
    bench.wait(0.4)
    assert statuses(bench.settle()) == ["Available"]
    assert (why(bench).what, why(bench).verdict, why(bench).value) == ("reservation", "ended", "17")
    assert cancel(bench) == "Rejected"
    assert reserve(bench, 17) == "Accepted"
    assert cancel(bench) == "Accepted"
    bench.read(ev_connected=True)
    bench.swipe(OTHER)
    assert "reservationId" not in of(bench.settle(), "StartTransaction")[0][1]


@pytest.mark.parametrize("end", ["cancelled", "expired"])
@pytest.mark.parametrize("plugged_s", [1, 100])
def test_with_a_car_plugged_in_the_end_of_a_reservation_is_preparing(end, plugged_s):
    """RSV-07, STA-19: from Reserved no way leads to Finishing"""
    bench = reserved(station(ConnectionTimeOut="20"), minutes=2)
    bench.read(ev_connected=True)
    bench.wait(plugged_s)
    if end == "cancelled":
        cancel(bench)
    else:
        bench.wait(120 - plugged_s)
    assert statuses(bench.settle()) == ["Preparing"]
    bench.wait(21)
    assert statuses(bench.settle()) == ["Finishing"]
    bench.swipe(OTHER)
    assert of(bench.settle(), "StartTransaction")


@pytest.mark.parametrize("end", ["cancelled", "expired"])
def test_the_accepted_card_may_still_start_when_the_reservation_ends_before_the_plug_but_without_it(end):
    """RSV-08"""
    bench = reserved(station(ConnectionTimeOut="999"), minutes=2)
    bench.swipe(MINE)
    bench.settle()
    if end == "cancelled":
        assert cancel(bench) == "Accepted"
    else:
        bench.wait(121)
    bench.settle()
    assert bench.status == "Preparing"
    bench.read(ev_connected=True)
    ((_, start),) = of(bench.settle(), "StartTransaction")
    assert (start["idTag"], start.get("reservationId")) == (MINE, None)


@pytest.mark.parametrize("connector_id", [0, 1])
@pytest.mark.parametrize("fault_of", [0, 1])
def test_a_fault_ends_the_reservation(connector_id, fault_of):
    """RSV-06, STA-19, section 5.13"""
    bench = reserved(station(), connectorId=connector_id)
    bench.read(faults=(Fault("GroundFailure", connector_id=fault_of),))
    assert statuses(bench.settle()) == ["Faulted"]
    assert why(bench).rule == "The connector has a fault: GroundFailure."
    bench.read(faults=())
    assert statuses(bench.settle()) == ["Available"]
    assert cancel(bench) == "Rejected"


def test_a_warning_leaves_the_reservation_alone():
    """RSV-06, STA-10"""
    bench = reserved(station())
    bench.read(faults=(Fault("HighTemperature", blocking=False),))
    ((_, report),) = bench.settle()
    assert (report["status"], report["errorCode"]) == ("Reserved", "HighTemperature")


@pytest.mark.parametrize("connector_id", [0, 1])
@pytest.mark.parametrize("unavailable", [0, 1])
def test_an_unavailable_connector_ends_the_reservation(connector_id, unavailable):
    """RSV-06, AVL-05, STA-19, section 4.9 G8"""
    bench = reserved(station(), connectorId=connector_id)
    answer = bench.call("ChangeAvailability", connectorId=unavailable, type="Inoperative")
    assert answer[2] == {"status": "Accepted"}
    assert statuses(bench.settle()) == ["Unavailable"]
    assert why(bench).clause == "AVL-05"
    bench.call("ChangeAvailability", connectorId=unavailable, type="Operative")
    assert statuses(bench.settle()) == ["Available"]


def test_operative_again_what_is_operative_leaves_the_reservation_alone():
    """AVL-01, RSV-06"""
    bench = reserved(station())
    bench.call("ChangeAvailability", connectorId=0, type="Operative")
    assert bench.settle() == []
    assert bench.status == "Reserved"


# --- reboots and clocks ----------------------------------------------------------------------------------------------


def test_the_reservation_survives_a_power_cut():
    """RSV-11"""
    bench = reserved(station(), parentIdTag=FAMILY)
    bench.reboot(away_s=600)
    bench.read()
    bench.boot()
    assert statuses(bench.settle()) == ["Reserved"]
    bench.swipe(OTHER)
    bench.settle()
    assert bench.status == "Reserved"
    bench.read(ev_connected=True)
    bench.swipe(MINE)
    assert of(bench.settle(), "StartTransaction")[0][1]["reservationId"] == 17


def test_it_survives_a_power_cut_with_a_car_plugged_in():
    """RSV-11, STA-19"""
    bench = reserved(station())
    bench.read(ev_connected=True)
    bench.reboot()
    bench.read()
    bench.boot()
    assert statuses(bench.settle()) == ["Reserved"]


def test_a_reset_leaves_it_alone():
    """RSV-11, section 5.14"""
    bench = reserved(station())
    assert bench.call("Reset", type="Hard")[2] == {"status": "Accepted"}
    bench.reboot()
    bench.read()
    bench.boot()
    assert statuses(bench.settle()) == ["Reserved"]


def test_what_expired_while_the_station_was_off_is_over_at_once():
    """RSV-06, RSV-11"""
    bench = reserved(station(), minutes=10)
    bench.reboot(away_s=601)
    bench.read(ev_connected=True)
    assert bench.status == "Preparing"
    bench.swipe(OTHER)
    assert why(bench).clause != "RSV-04"
    bench.boot()
    assert statuses(bench.settle()) == ["Preparing"]
    assert (why(bench).what, why(bench).verdict) == ("reservation", "ended")


def test_a_reservation_used_before_the_power_cut_does_not_come_back():
    """RSV-06, TX-16"""
    bench = reserved(station())
    bench.read(ev_connected=True)
    bench.swipe(MINE)
    bench.settle()
    bench.reboot()
    bench.read(ev_connected=False)
    bench.boot()
    assert "Reserved" not in statuses(bench.settle())
    assert bench.status == "Available"


def test_offline_it_expires_by_the_own_clock():
    """RSV-06: a reservation is no reason to wait for the backend"""
    bench = reserved(station(AllowOfflineTxForUnknownId="true"), minutes=1)
    bench.disconnect()
    bench.wait(61)
    assert bench.status == "Available"
    bench.read(ev_connected=True)
    bench.swipe(OTHER)
    assert bench.status == "Preparing"
    bench.connect()
    sent = bench.settle()
    assert "Reserved" not in statuses(sent)
    assert "reservationId" not in of(sent, "StartTransaction")[0][1]


def station_that_lost_its_time(minutes_off, **fields):
    """Reserved, then a power cut of that length after which the clock starts where it was last known."""
    bench = reserved(station(AllowOfflineTxForUnknownId="true"), **fields)
    away = timedelta(minutes=minutes_off)
    bench.time.now += away.total_seconds()
    bench.start = START.replace(year=1970)
    bench.reboot(away_s=0)
    assert not bench.clock.synchronised
    return bench, START + away


def test_with_a_lost_clock_the_reservation_holds_until_the_time_is_known():
    """RSV-06, CLK-04: the guess never runs ahead of the time"""
    bench, utc = station_that_lost_its_time(minutes_off=40, minutes=30)
    bench.read(ev_connected=True)
    bench.swipe(OTHER)
    assert bench.status == "Reserved"
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(utc))
    assert statuses(bench.settle()) == ["Preparing"]


def test_a_clock_that_ran_ahead_does_not_end_the_reservation_for_good():
    """RSV-06, CLK-01: the backend corrects it, and the reservation holds again"""
    bench = reserved(station(), minutes=30)
    bench.start = START + timedelta(hours=5)
    bench.reboot()
    bench.read()
    assert bench.status == "Available"
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START + timedelta(minutes=1)))
    assert statuses(bench.settle()) == ["Reserved"]
    bench.live(30 * 60, step_s=5)
    assert bench.status == "Available"


def test_a_session_that_began_while_the_clock_ran_ahead_ends_the_reservation():
    """RSV-06: no reservation waits behind a transaction"""
    bench = reserved(station(AllowOfflineTxForUnknownId="true"), minutes=30)
    bench.start = START + timedelta(hours=5)
    bench.reboot()
    bench.read(ev_connected=True)
    bench.swipe(OTHER)
    bench.connect()
    bench.answer(status="Accepted", interval=300, currentTime=format_utc(START + timedelta(minutes=1)))
    ((_, start),) = of(bench.settle(), "StartTransaction")
    assert "reservationId" not in start
    assert cancel(bench) == "Rejected"


def test_another_backend_ends_the_reservation_of_the_former_once_it_has_accepted_the_station():
    """RSV-06, inferred: nobody could cancel it any more; settings that did not work change nothing"""
    bench = reserved(station(), minutes=10**6)
    bench.do(SettingsChanged(replace(bench.settings, backend_key="ws://another")))
    bench.wait(60)
    assert bench.status == "Reserved"
    bench.disconnect()
    bench.boot()
    assert statuses(bench.settle()) == ["Available"]
    assert why(bench).rule == "Another backend has accepted this station since."


def test_a_request_that_could_not_be_stored_reserves_nothing(monkeypatch):
    """RPC-22: what fails changes nothing"""
    bench = station()
    written = bench.store.set_value

    def full(name, value):
        written(name, value)
        if name == "reservation":
            raise OSError("no space left")

    monkeypatch.setattr(bench.store, "set_value", full)
    assert reserve(bench) == "InternalError"
    monkeypatch.undo()
    bench.wait(1)
    assert bench.status == "Available"


# --- for people ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "sentence"),
    [
        ({}, "The station is reserved until 12:30 UTC for card MINE."),
        ({"parentIdTag": FAMILY}, "The station is reserved until 12:30 UTC for card MINE and its group."),
        ({"minutes": 24 * 60}, "The station is reserved until 2026-03-02 12:00 UTC for card MINE."),
    ],
)
def test_people_read_for_whom_it_is_reserved_and_until_when(fields, sentence):
    """RSV-04, product.md: no refusal without a reason"""
    assert reserved(station(), **fields).cp.view().sentence == sentence


def test_the_view_tells_the_reservation_as_long_as_it_holds():
    """R-1"""
    bench = station()
    assert bench.cp.view().reservation is None
    reserved(bench, parentIdTag=FAMILY)
    shown = bench.cp.view().reservation
    assert (shown.reservation_id, shown.id_tag, shown.group, shown.until) == (
        17, MINE, True, START + timedelta(minutes=30),
    )  # fmt: skip
    cancel(bench)
    assert bench.cp.view().reservation is None


def history(bench):
    """How the reservations ended, the oldest first."""
    entries = json.loads(bench.store.value(HISTORY) or "[]")
    return [(entry["reservation_id"], entry["how"]) for entry in entries]


def test_a_person_at_the_station_ends_a_reservation_and_the_backend_sees_the_status():
    """RSV-06: OCPP has no message for it but the status; the why log names who it was"""
    bench = reserved(station())
    bench.do(ReservationWithdrawn(17, "ann"))
    assert statuses(bench.settle()) == ["Available"]
    assert why(bench).rule.startswith("ann ended it at the station")
    assert cancel(bench) == "Rejected"
    (entry,) = json.loads(bench.store.value(HISTORY))
    assert (entry["how"], entry["by"], entry["id_tag"]) == ("withdrawn", "ann", MINE)
    assert (entry["made_at"], entry["ended_at"]) == (format_utc(START), format_utc(bench.clock.utc()))


def test_a_person_ends_only_the_reservation_that_was_looked_at():
    bench = reserved(station())
    bench.do(ReservationWithdrawn(16, "ann"))
    bench.wait(1)
    assert bench.status == "Reserved"
    assert history(bench) == []


def test_the_history_says_how_each_reservation_ended():
    """RSV-05, RSV-06"""
    bench = reserved(station())
    cancel(bench)
    bench.settle()
    reserved(bench, reservation_id=18)
    reserve(bench, reservation_id=18, minutes=1)
    bench.wait(61)
    bench.settle()
    reserved(bench, reservation_id=19)
    bench.read(faults=(Fault("GroundFailure"),))
    bench.read(faults=())
    bench.wait(1)
    bench.settle()
    reserved(bench, reservation_id=20)
    bench.swipe(MINE)
    bench.read(ev_connected=True)
    bench.settle()
    assert history(bench) == [(17, "cancelled"), (18, "replaced"), (18, "expired"), (19, "fault"), (20, "used")]


def test_the_history_is_bounded_and_survives_a_power_cut():
    bench = station()
    for number in range(HISTORY_KEPT + 3):
        reserve(bench, reservation_id=number)
        cancel(bench, number)
    bench.reboot()
    assert history(bench) == [(number, "cancelled") for number in range(3, HISTORY_KEPT + 3)]


def test_a_reservation_that_an_older_software_kept_still_holds():
    bench = reserved(station())
    kept = json.loads(bench.store.value("reservation"))
    kept.pop("made_at")
    bench.store.set_value("reservation", json.dumps(kept))
    bench.reboot()
    assert bench.cp.view().reservation.reservation_id == 17
    bench.read()
    bench.do(ReservationWithdrawn(17, "ann"))
    assert json.loads(bench.store.value(HISTORY))[0]["made_at"] is None
