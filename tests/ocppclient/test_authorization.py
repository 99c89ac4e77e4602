"""Who may charge: local list, cache, Authorize.req and the offline policy."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ocppclient.authorization import CACHE_LIMIT
from ocppclient.clock import format_utc
from ocppclient.events import CacheDiscarded, Fault, LocalStart, LocalStop, SettingsChanged
from ocppclient.memory_store import MemoryStore
from ocppclient.store import IdTagEntry
from tests.ocppclient.harness import START, Bench, of, statuses

PAST, FUTURE = START - timedelta(hours=1), START + timedelta(hours=1)


def bench_with(*entries, connected=True, **configuration):
    """A station that knows these entries (of the list when their source says so)."""
    store = MemoryStore()
    for entry in entries:
        (store.save_cache_entry if entry.source == "cache" else store.save_list_entry)(entry)
    bench = Bench(configuration, store=store).ready()
    if not connected:
        bench.disconnect()
    return bench


def cached(status="Accepted", id_tag="CARD1", **fields):
    return IdTagEntry(id_tag, status, "cache", **fields)


def listed(status="Accepted", id_tag="CARD1", source="backend", **fields):
    return IdTagEntry(id_tag, status, source, **fields)


def verdict(bench, id_tag="CARD1"):
    """What the driver was told last after this card."""
    bench.swipe(id_tag)
    return bench.feedback()[-1]


# --- online ----------------------------------------------------------------------------------------------------------


def test_no_energy_without_authorisation():
    """AUT-01"""
    bench = Bench().ready()
    bench.read(ev_connected=True, ev_requests=True)
    bench.settle()
    assert not bench.setpoint.authorised
    assert not bench.calls


def test_an_unknown_card_is_asked_for():
    """AUT-03, AUT-20"""
    bench = Bench().ready()
    assert verdict(bench) == "waiting"
    assert bench.expect("Authorize") == {"idTag": "CARD1"}
    bench.answer(idTagInfo={"status": "Accepted"})
    assert bench.feedback()[-1] == "accepted"
    assert statuses(bench.settle()) == ["Preparing"]


@pytest.mark.parametrize("status", ["Blocked", "Expired", "Invalid", "ConcurrentTx"])
def test_a_refused_card_starts_nothing_and_plugging_in_is_preparing_only(status):
    """AUT-21, T:TC_023_4"""
    bench = Bench({"LocalPreAuthorize": "true", "MinimumStatusDuration": "10"}).ready()
    bench.swipe("CARD1")
    bench.answer(idTagInfo={"status": status})
    assert bench.feedback()[-1] == "rejected"
    bench.read(ev_connected=True)
    bench.wait(11)
    sent = bench.settle()
    assert statuses(sent) == ["Preparing"]
    assert not of(sent, "StartTransaction")


@pytest.mark.parametrize(
    "known", [cached(), cached("ConcurrentTx"), listed(), listed(source="station"), listed("ConcurrentTx")]
)
def test_with_local_pre_authorize_a_known_valid_card_starts_unasked(known):
    """AUT-04, AUT-14, T:TC_007_1, TC_008_1"""
    bench = bench_with(known, LocalPreAuthorize="true")
    assert verdict(bench, "card1") == "accepted"
    bench.read(ev_connected=True)
    assert [action for action, _ in bench.settle() if action != "StatusNotification"] == ["StartTransaction"]


@pytest.mark.parametrize(
    "known",
    [cached("Invalid"), cached("Blocked"), cached(expiry_date=PAST), listed("Blocked"), listed(expiry_date=PAST),
     listed("Expired")],
)  # fmt: skip
def test_a_known_card_that_is_not_valid_is_asked_again(known):
    """AUT-10, AUT-13, LAL-10"""
    bench = bench_with(known, LocalPreAuthorize="true")
    assert verdict(bench) == "waiting"
    assert bench.expect("Authorize")


def test_without_local_pre_authorize_even_known_cards_are_asked_for():
    """AUT-04"""
    assert verdict(bench_with(cached(), listed())) == "waiting"


def test_the_list_wins_over_the_cache_and_the_backend_over_the_station():
    """AUT-02, settled question 1"""
    bench = bench_with(cached(), listed("Blocked"), listed("Accepted", source="station"), connected=False)
    assert verdict(bench) == "rejected"
    bench = bench_with(cached("Blocked"), listed(), connected=False)
    assert verdict(bench) == "accepted"


def test_a_list_or_cache_that_is_switched_off_takes_no_part():
    """AUT-08"""
    assert verdict(bench_with(listed(), connected=False, LocalAuthListEnabled="false")) == "rejected"
    assert verdict(bench_with(cached(), connected=False, AuthorizationCacheEnabled="false")) == "rejected"
    bench = bench_with(listed("Blocked"), cached(), connected=False, LocalAuthListEnabled="false")
    assert verdict(bench) == "accepted"


# --- offline ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entries", "local", "unknown", "expected", "clause"),
    [
        ((), "true", "false", "rejected", "AUT-06"),
        ((), "true", "true", "accepted", ""),
        ((), "false", "true", "accepted", ""),
        ((), "false", "false", "rejected", "AUT-06"),
        ((cached(),), "true", "false", "accepted", ""),
        ((cached(),), "false", "false", "rejected", "AUT-05"),
        ((cached(),), "false", "true", "rejected", "AUT-05"),
        ((listed(),), "true", "false", "accepted", ""),
        ((listed(),), "false", "true", "rejected", "AUT-05"),
        ((cached("Blocked"),), "true", "true", "rejected", "AUT-07"),
        ((cached(expiry_date=PAST),), "true", "true", "rejected", "AUT-07"),
        ((cached(expiry_date=FUTURE),), "true", "false", "accepted", ""),
        ((listed("Invalid"),), "true", "true", "rejected", "AUT-07"),
        ((listed(expiry_date=PAST),), "true", "true", "rejected", "AUT-07"),
        ((listed("Invalid"),), "false", "true", "rejected", "AUT-07"),
    ],
)
def test_the_offline_rules(entries, local, unknown, expected, clause):
    """AUT-05, AUT-06, AUT-07, D-02, T:TC_037_1"""
    bench = bench_with(*entries, connected=False, LocalAuthorizeOffline=local, AllowOfflineTxForUnknownId=unknown)
    assert verdict(bench) == expected
    assert (bench.clauses() or [""])[-1] == clause


@pytest.mark.parametrize("failure", ["silence", "callerror", "no verdict", "lost"])
def test_without_a_usable_answer_the_card_is_decided_as_offline_within_six_seconds(failure):
    """AUT-23, field problem 27"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"}).ready()
    bench.swipe("CARD1")
    match failure:
        case "silence":
            bench.wait(4.8)
            assert bench.feedback() == ["waiting"]
            bench.wait(0.4)
        case "callerror":
            bench.refuse("InternalError")
        case "no verdict":
            bench.answer({})
        case "lost":
            bench.disconnect()
    assert bench.feedback() == ["waiting", "accepted"]


def test_a_card_is_decided_in_time_though_another_call_hangs():
    """Field problem 27: half-open line"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"}).ready()
    bench.call("TriggerMessage", requestedMessage="Heartbeat")
    bench.swipe("CARD1")
    bench.wait(5.2)
    assert bench.feedback() == ["waiting", "accepted"]


def test_a_late_refusal_takes_back_what_was_granted_meanwhile():
    """AUT-21, AUT-23"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"}).ready()
    bench.swipe("CARD1")
    bench.wait(6)
    assert bench.feedback()[-1] == "accepted"
    assert bench.answer(idTagInfo={"status": "Blocked"}) == "Authorize"
    assert bench.feedback()[-1] == "rejected"
    bench.read(ev_connected=True)
    assert not of(bench.settle(), "StartTransaction")


def test_a_late_acceptance_is_remembered_only():
    """RPC-18, AUT-09"""
    bench = Bench().ready()
    bench.swipe("CARD1")
    bench.wait(6)
    assert bench.feedback()[-1] == "rejected"
    bench.answer(idTagInfo={"status": "Accepted"})
    assert bench.feedback()[-1] == "rejected"
    assert bench.store.cache_entry("CARD1").status == "Accepted"


# --- cards -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_tag", ["", "x" * 21, "x" * 4000, "ü", "a\nb", "a\x00", "\ud800", "😀"])
def test_what_is_no_id_tag_is_refused_and_never_sent(id_tag):
    """GEN-02, field problems 19 and 29"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"}).ready()
    assert verdict(bench, id_tag) == "rejected"
    assert bench.calls == []


@pytest.mark.parametrize("id_tag", ["x" * 20, "04A1B2C3D4E5F6", "a", "0", "Hello World!", "#äöü"[:1]])
def test_any_printable_text_of_20_characters_is_an_id_tag(id_tag):
    """GEN-04"""
    bench = Bench().ready()
    bench.swipe(id_tag)
    assert bench.expect("Authorize") == {"idTag": id_tag}


def test_the_local_page_presents_a_card_like_the_reader():
    """C-07"""
    bench = Bench().ready()
    bench.do(LocalStart("CARD1"))
    assert bench.expect("Authorize") == {"idTag": "CARD1"}


def test_the_second_presentation_cancels_the_first():
    """AUT-22, T:TC_061_1"""
    bench = bench_with(cached(), LocalPreAuthorize="true")
    bench.swipe("CARD1")
    bench.settle()
    assert verdict(bench, "card1") == "cancelled"
    assert statuses(bench.settle()) == ["Available"]


def test_a_second_presentation_while_asking_asks_no_second_time():
    """Field problem 29: debounce"""
    bench = Bench().ready()
    bench.swipe("CARD1")
    assert verdict(bench, "CARD1") == "waiting"
    assert len(bench.calls) == 1


def test_another_card_takes_the_place_of_the_one_before():
    """AUT-03"""
    bench = Bench().ready()
    bench.swipe("CARD1")
    bench.swipe("CARD2")
    bench.answer(idTagInfo={"status": "Accepted"})
    assert bench.feedback()[-1] == "waiting"
    bench.answer(idTagInfo={"status": "Accepted"})
    bench.read(ev_connected=True)
    assert [payload["idTag"] for _, payload in of(bench.settle(), "StartTransaction")] == ["CARD2"]


def test_a_card_is_refused_at_once_when_the_station_is_out_of_service_or_faulted():
    """AVL-05, STA-13, P9"""
    bench = Bench().ready()
    bench.call("ChangeAvailability", connectorId=1, type="Inoperative")
    bench.settle()
    assert verdict(bench) == "rejected"
    assert bench.clauses()[-1] == "AVL-05"
    bench.call("ChangeAvailability", connectorId=1, type="Operative")
    bench.read(faults=(Fault("GroundFailure"),))
    bench.settle()
    assert verdict(bench) == "rejected"
    assert bench.clauses()[-1] == "STA-13"
    assert bench.calls == []


@pytest.mark.parametrize("granted", [True, False])
def test_an_authorisation_ends_when_the_station_is_taken_out_of_service(granted):
    """AVL-05, AVL-06: plugging in afterwards starts nothing"""
    bench = Bench().ready()
    bench.swipe("CARD1")
    if granted:
        bench.settle()
    bench.call("ChangeAvailability", connectorId=0, type="Inoperative")
    assert bench.feedback()[-1] == "rejected"
    bench.read(ev_connected=True)
    assert not of(bench.settle(), "StartTransaction")
    assert not bench.setpoint.authorised


def test_the_driver_is_told_when_nobody_plugs_in():
    """STA-09, T:TC_004_2"""
    bench = Bench({"ConnectionTimeOut": "30"}).ready()
    bench.swipe("CARD1")
    bench.settle()
    bench.wait(29.5)
    assert bench.status == "Preparing"
    bench.wait(1)
    assert statuses(bench.settle()) == ["Available"]
    assert bench.feedback()[-1] == "rejected"
    assert bench.reasons()[-1] == "No car was plugged in within 30 s."


def test_a_factory_timeout_of_0_waits_for_the_cable_without_end():
    """Design.md section 5"""
    bench = Bench({"ConnectionTimeOut": "0"}).ready()
    bench.swipe("CARD1")
    bench.settle()
    bench.wait(3000, step_s=10)
    assert bench.status == "Preparing"


# --- stopping --------------------------------------------------------------------------------------------------------


def test_the_start_card_stops_unasked():
    """AUT-16, T:TC_068"""
    bench = Bench().ready().charge("CARD1")
    assert verdict(bench, "card1") == "stopped"
    bench.open_contactor()
    assert [action for action, _ in bench.settle()] == ["StopTransaction", "StatusNotification"]


def test_without_a_parent_another_card_causes_nothing():
    """AUT-18, D-10, T:TC_068"""
    bench = Bench().ready().charge("CARD1")
    assert verdict(bench, "CARD2") == "rejected"
    assert bench.calls == []
    assert bench.setpoint.authorised


def test_another_card_of_the_same_group_is_asked_for_and_stops():
    """AUT-17, T:TC_069"""
    bench = Bench().ready().charge("CARD1", parent="GROUP")
    bench.swipe("CARD2")
    assert bench.expect("Authorize") == {"idTag": "CARD2"}
    bench.answer(idTagInfo={"status": "Accepted", "parentIdTag": "group"})
    bench.open_contactor()
    assert bench.expect("StopTransaction")["idTag"] == "CARD2"


@pytest.mark.parametrize(
    "info",
    [
        {"status": "Accepted", "parentIdTag": "OTHER"},
        {"status": "Accepted"},
        {"status": "Blocked", "parentIdTag": "GROUP"},
        {},
    ],
)
def test_a_card_of_another_group_stops_nothing(info):
    """AUT-17"""
    bench = Bench().ready().charge("CARD1", parent="GROUP")
    bench.swipe("CARD2")
    bench.answer(idTagInfo=info)
    assert bench.feedback()[-1] == "rejected"
    assert bench.setpoint.authorised


def test_a_group_that_is_known_needs_no_question_even_offline():
    """AUT-17: list, cache, else Authorize.req"""
    bench = bench_with(cached(id_tag="CARD2", parent_id_tag="GROUP"), cached(id_tag="CARD3", parent_id_tag="OTHER"))
    bench.charge("CARD1", parent="GROUP")
    bench.disconnect()
    assert verdict(bench, "CARD3") == "rejected"
    assert verdict(bench, "CARD4") == "rejected"
    assert verdict(bench, "CARD2") == "stopped"


def test_a_parent_is_never_compared_with_a_presented_tag():
    """AUT-19"""
    bench = Bench().ready().charge("CARD1", parent="GROUP")
    bench.swipe("GROUP")
    bench.answer(idTagInfo={"status": "Accepted"})
    assert bench.feedback()[-1] == "rejected"


def test_no_answer_about_the_group_stops_nothing():
    """AUT-17, AUT-23"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"}).ready().charge("CARD1", parent="GROUP")
    bench.swipe("CARD2")
    bench.wait(5.2)
    assert bench.feedback()[-1] == "rejected"
    assert bench.setpoint.authorised


def test_an_answer_about_the_group_of_a_session_that_is_over_stops_nothing():
    """A8: races"""
    bench = Bench().ready().charge("CARD1", parent="GROUP")
    bench.swipe("CARD2")
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.answer(idTagInfo={"status": "Accepted", "parentIdTag": "GROUP"})
    assert len(of(bench.settle(), "StopTransaction")) == 1


def test_a_card_while_the_session_is_ending_gets_an_answer_too():
    """Field problem 27, P9"""
    bench = Bench().ready().charge("CARD1")
    bench.swipe("CARD1")
    assert verdict(bench, "CARD1") == "waiting"
    assert verdict(bench, "CARD2") == "waiting"


# --- the cache -------------------------------------------------------------------------------------------------------


def test_the_cache_learns_from_authorize_start_and_stop():
    """AUT-09, TX-17"""
    bench = Bench().ready()
    bench.read(ev_connected=True)
    bench.settle()
    bench.swipe("CARD1")
    bench.answer(idTagInfo={"status": "Accepted", "parentIdTag": "GROUP", "expiryDate": format_utc(FUTURE)})
    entry = bench.store.cache_entry("card1")
    assert (entry.status, entry.parent_id_tag, entry.expiry_date, entry.source) == (
        "Accepted",
        "GROUP",
        FUTURE,
        "cache",
    )
    bench.answer(transactionId=1, idTagInfo={"status": "Accepted"})
    assert bench.store.cache_entry("CARD1").parent_id_tag == ""
    bench.settle()
    bench.swipe("CARD1")
    bench.settle(StopTransaction={"idTagInfo": {"status": "Blocked"}})
    assert bench.store.cache_entry("CARD1").status == "Blocked"


def test_the_cache_outlives_a_reboot():
    """AUT-12"""
    bench = Bench().ready().charge("CARD1")
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.settle()
    bench.reboot()
    bench.read(ev_connected=False)
    assert verdict(bench, "CARD1") == "accepted"


def test_a_tag_of_the_list_never_enters_the_cache():
    """AUT-09, LAL-09"""
    bench = bench_with(listed())
    bench.charge("CARD1")
    assert bench.store.cache_entry("CARD1") is None


def test_a_cache_that_is_switched_off_learns_nothing():
    """AUT-08"""
    bench = Bench({"AuthorizationCacheEnabled": "false"}).ready().charge("CARD1")
    assert bench.store.cache_size() == 0


def test_a_full_cache_gives_up_what_is_not_valid_first_and_then_the_oldest():
    """AUT-11"""
    entries = [cached(id_tag=f"T{n}", updated_at=PAST + timedelta(seconds=n)) for n in range(CACHE_LIMIT - 1)]
    bench = bench_with(cached("Invalid", "BAD", updated_at=START), *entries)
    for id_tag in ("NEW1", "NEW2"):
        bench.swipe(id_tag)
        bench.answer(idTagInfo={"status": "Invalid"})
    store = bench.store
    assert store.cache_size() == CACHE_LIMIT
    assert [store.cache_entry(tag) is None for tag in ("BAD", "NEW1", "NEW2", "T0", "T1")] == [
        True,
        True,
        False,
        False,
        False,
    ]
    for id_tag in ("OK1", "OK2"):
        bench.swipe(id_tag)
        bench.settle()
    assert [store.cache_entry(tag) is None for tag in ("NEW2", "OK1", "T0", "T1")] == [True, False, True, False]


def test_clear_cache_empties_it_and_the_card_is_asked_for_again():
    """AUT-24, T:TC_061_1"""
    bench = bench_with(cached(), LocalPreAuthorize="true")
    assert bench.call("ClearCache")[2] == {"status": "Accepted"}
    assert verdict(bench) == "waiting"
    assert bench.expect("Authorize")


def test_a_person_at_the_station_empties_the_cache_and_the_list_stays():
    """AUT-24, by hand"""
    bench = bench_with(cached(), LocalPreAuthorize="true")
    bench.store.save_list_entry(IdTagEntry("LISTED", "Accepted", "station"))
    bench.do(CacheDiscarded())
    assert bench.store.cache_size() == 0
    assert bench.store.list_size("station") == 1
    assert verdict(bench) == "waiting"
    assert bench.expect("Authorize")


@pytest.mark.parametrize(("operative", "status"), [(True, "Available"), (False, "Unavailable")])
def test_a_conflict_between_list_and_backend_is_reported_on_connector_0(operative, status):
    """AUT-15, STA-03, STA-20"""
    bench = bench_with(listed(), LocalPreAuthorize="true", StopTransactionOnInvalidId="false")
    bench.swipe("CARD1")
    bench.read(ev_connected=True)
    if not operative:
        bench.store.set_value("availability.0", "Inoperative")
    sent = bench.settle(StartTransaction={"transactionId": 1, "idTagInfo": {"status": "Invalid"}})
    assert [(p["connectorId"], p["status"]) for _, p in sent if p.get("errorCode") == "LocalListConflict"] == [
        (0, status)
    ]


def in_conflict(**configuration):
    """A session with a card that the list accepts and the backend refuses; what was told of connector 0 follows."""
    bench = bench_with(listed(), LocalPreAuthorize="true", StopTransactionOnInvalidId="false", **configuration)
    bench.swipe("CARD1")
    bench.read(ev_connected=True)
    bench.settle(StartTransaction={"transactionId": 1, "idTagInfo": {"status": "Invalid"}})
    return bench


def station_codes(sent):
    return [payload["errorCode"] for action, payload in sent if payload.get("connectorId") == 0]


def test_a_conflict_is_over_when_the_backend_sends_another_list():
    """AUT-15, STA-20: NoError follows, as after any fault"""
    bench = in_conflict()
    assert station_codes(bench.live(5)) == []
    bench.call("SendLocalList", listVersion=2, updateType="Full", localAuthorizationList=[])
    assert station_codes(bench.settle()) == ["NoError"]


def test_a_conflict_stays_while_the_list_goes_on_accepting_the_card():
    """AUT-15"""
    bench = in_conflict()
    item = {"idTag": "OTHER", "idTagInfo": {"status": "Accepted"}}
    bench.call("SendLocalList", listVersion=2, updateType="Differential", localAuthorizationList=[item])
    assert station_codes(bench.settle()) == []
    bench.do(SettingsChanged())
    assert station_codes(bench.settle()) == []


def test_a_conflict_is_over_when_the_backend_accepts_the_card_after_all():
    """AUT-15"""
    bench = in_conflict()
    bench.do(LocalStop())
    sent = bench.settle(StopTransaction={"idTagInfo": {"status": "Accepted"}})
    bench.open_contactor()
    bench.call("ChangeConfiguration", key="LocalPreAuthorize", value="false")
    bench.swipe("card1")
    sent += bench.settle()
    assert station_codes(sent) == ["NoError"]


def test_a_conflict_is_over_when_the_list_is_switched_off():
    """AUT-08, AUT-15"""
    bench = in_conflict()
    bench.call("ChangeConfiguration", key="LocalAuthListEnabled", value="false")
    assert station_codes(bench.settle()) == ["NoError"]


def test_a_conflict_that_came_while_offline_is_told_after_the_reconnect():
    """AUT-15, STA-17"""
    bench = in_conflict()
    bench.disconnect()
    bench.connect()
    assert station_codes(bench.settle()) == []  # the backend knows it already
    bench.do(SettingsChanged(replace(bench.settings, connection="new")))
    bench.connect()
    bench.boot_conf()
    assert station_codes(bench.settle()) == ["LocalListConflict"]


def test_concurrent_tx_is_no_conflict():
    """AUT-14"""
    bench = bench_with(listed(), LocalPreAuthorize="true")
    bench.swipe("CARD1")
    bench.read(ev_connected=True)
    sent = bench.settle(StartTransaction={"transactionId": 1, "idTagInfo": {"status": "ConcurrentTx"}})
    assert not [payload for _, payload in sent if payload.get("errorCode") == "LocalListConflict"]


@pytest.mark.parametrize(
    ("answer", "status", "parent"),
    [
        ({"status": "Accepted"}, "Accepted", ""),
        ({"idTagInfo": {"status": "Accepted", "parentIdTag": None, "expiryDate": None}}, "Accepted", ""),
        ({"idTagInfo": {"status": "Accepted", "parentIdTag": "x" * 99}}, "Accepted", "x" * 20),
        ({"idTagInfo": {"status": "Accepted", "expiryDate": "never", "more": [1]}}, "Accepted", ""),
        ({"idTagInfo": {"status": "Accepted", "expiryDate": "9999-12-31T23:59:59-08:00"}}, "Accepted", ""),
        ({"idTagInfo": {"status": "Accepted", "expiryDate": {}}}, "Accepted", ""),
    ],
)
def test_odd_verdicts_are_read_as_far_as_they_go(answer, status, parent):
    """Field problem 12"""
    bench = Bench().ready()
    bench.swipe("CARD1")
    bench.answer(answer)
    assert bench.feedback()[-1] == "accepted"
    entry = bench.store.cache_entry("CARD1")
    assert (entry.status, entry.parent_id_tag, entry.expiry_date) == (status, parent, None)
