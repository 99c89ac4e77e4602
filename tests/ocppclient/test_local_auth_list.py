"""The local authorization list: GetLocalListVersion, SendLocalList, and what a listed card may do."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest

from ocppclient import feature_profiles
from ocppclient.clock import format_utc
from ocppclient.events import Explain, SettingsChanged
from ocppclient.memory_store import MemoryStore
from ocppclient.settings import Factory
from ocppclient.store import IdTagEntry
from tests.appliance import disk_store, empty_tables
from tests.ocppclient.harness import START, Bench, of

OFFLINE = {"AllowOfflineTxForUnknownId": "false", "LocalAuthorizeOffline": "true"}
ONLINE = {"LocalPreAuthorize": "true"}


def entry(id_tag: str, status: str = "Accepted", **info: Any) -> dict[str, Any]:
    return {"idTag": id_tag, "idTagInfo": {"status": status, **info}}


def removal(id_tag: str) -> dict[str, Any]:
    return {"idTag": id_tag}


def send(bench: Bench, version: int, kind: str, *entries: dict[str, Any]) -> str:
    """Send a list; the status that the station answers."""
    answer = bench.call("SendLocalList", listVersion=version, updateType=kind, localAuthorizationList=list(entries))
    assert answer[0] == 3, answer
    return answer[2]["status"]


def full(bench: Bench, version: int, *entries: dict[str, Any]) -> str:
    return send(bench, version, "Full", *entries)


def differential(bench: Bench, version: int, *entries: dict[str, Any]) -> str:
    return send(bench, version, "Differential", *entries)


def version(bench: Bench) -> int:
    return bench.call("GetLocalListVersion")[2]["listVersion"]


def listed(bench: Bench, source: str = "backend") -> list[str]:
    return [row.id_tag for row in bench.store.list_entries(source)]


def last_reason(bench: Bench) -> Explain:
    return next(action for action in reversed(bench.actions) if isinstance(action, Explain))


def numbered(count: int, first: int = 0) -> list[dict[str, Any]]:
    return [entry(f"CARD{number:06}") for number in range(first, first + count)]


# -- version


def test_a_new_station_has_version_0():
    """LAL-02"""
    assert version(Bench().ready()) == 0


def test_an_empty_full_list_is_accepted_and_reads_version_0():
    """LAL-02, LAL-03, D-08, T:TC_042_2"""
    bench = Bench().ready()
    assert full(bench, 3, entry("A")) == "Accepted"
    assert full(bench, 4) == "Accepted"
    assert (version(bench), listed(bench)) == (0, [])
    assert bench.call("SendLocalList", listVersion=5, updateType="Full")[2] == {"status": "Accepted"}
    assert version(bench) == 0


def test_a_list_that_is_switched_off_has_version_minus_1_and_takes_nothing():
    """LAL-02, LAL-07, AUT-08, T:TC_042_1"""
    bench = Bench().ready()
    full(bench, 3, entry("A"))
    bench.call("ChangeConfiguration", key="LocalAuthListEnabled", value="false")
    assert version(bench) == -1
    assert last_reason(bench).clause == "LAL-02"
    assert full(bench, 4, entry("B")) == "NotSupported"
    assert last_reason(bench).clause == "LAL-07"
    bench.call("ChangeConfiguration", key="LocalAuthListEnabled", value="true")
    assert (version(bench), listed(bench)) == (3, ["A"])


def test_list_and_version_outlive_a_power_cut():
    """LAL-08"""
    bench = Bench().ready()
    full(bench, 7, entry("A"), entry("B", "Blocked"))
    bench.reboot()
    bench.read()
    bench.boot()
    assert (version(bench), listed(bench)) == (7, ["A", "B"])


# -- updates


def test_a_full_update_replaces_everything_and_takes_any_version():
    """LAL-03, LAL-05, T:TC_043"""
    bench = Bench().ready()
    full(bench, 9, entry("A"), entry("B"))
    assert full(bench, 2, entry("b", "Blocked"), entry("C")) == "Accepted"
    assert (version(bench), listed(bench)) == (2, ["b", "C"])
    assert bench.store.list_entry("B").status == "Blocked"


def test_an_entry_keeps_everything_it_was_sent_with():
    """LAL-03, GEN: CiString"""
    bench = Bench().ready()
    full(bench, 1, entry("AbC", "ConcurrentTx", parentIdTag="Fleet", expiryDate="2026-04-01T02:00:00+02:00"))
    kept = bench.store.list_entry("aBc")
    assert (kept.id_tag, kept.status, kept.parent_id_tag, kept.source) == ("AbC", "ConcurrentTx", "Fleet", "backend")
    assert format_utc(kept.expiry_date) == "2026-04-01T00:00:00.000Z"


def test_a_differential_update_adds_changes_and_removes():
    """LAL-04, T:TC_043"""
    bench = Bench().ready()
    full(bench, 1, entry("A", parentIdTag="P"), entry("B"), entry("C"))
    assert differential(bench, 5, entry("D"), entry("a", "Blocked"), removal("b"), removal("NEVER")) == "Accepted"
    assert (version(bench), listed(bench)) == (5, ["a", "C", "D"])
    changed = bench.store.list_entry("A")
    assert (changed.status, changed.parent_id_tag) == ("Blocked", "")


def test_null_instead_of_an_absent_id_tag_info_removes_the_tag():
    """LAL-04, field problem 28"""
    bench = Bench().ready()
    full(bench, 1, entry("A"), entry("B"))
    assert differential(bench, 2, {"idTag": "A", "idTagInfo": None}) == "Accepted"
    assert listed(bench) == ["B"]


def test_an_empty_differential_update_takes_the_version_over():
    """LAL-04"""
    bench = Bench().ready()
    full(bench, 1, entry("A"))
    assert differential(bench, 4) == "Accepted"
    assert (version(bench), listed(bench)) == (4, ["A"])


def test_removing_the_last_entry_leaves_version_0():
    """LAL-02"""
    bench = Bench().ready()
    full(bench, 6, entry("A"))
    assert differential(bench, 7, removal("A")) == "Accepted"
    assert version(bench) == 0
    assert differential(bench, 1, entry("B")) == "Accepted"
    assert version(bench) == 1


@pytest.mark.parametrize("number", [5, 4, 1])
def test_a_differential_update_that_is_not_newer_is_a_version_mismatch(number: int):
    """LAL-05, T:TC_043_2"""
    bench = Bench().ready()
    full(bench, 2, entry("A"))
    differential(bench, 5, entry("B"))
    assert differential(bench, number, entry("C")) == "VersionMismatch"
    assert (version(bench), listed(bench)) == (5, ["A", "B"])
    assert (last_reason(bench).clause, last_reason(bench).value) == ("LAL-05", str(number))


# -- what fails, all of it


@pytest.mark.parametrize(
    ("number", "kind", "entries", "value"),
    [
        (0, "Full", [entry("X")], "0"),
        (-1, "Full", [entry("X")], "-1"),
        (0, "Differential", [entry("X")], "0"),
        (-7, "Differential", [], "-7"),
        (9, "Full", numbered(4), "4"),
        (9, "Differential", numbered(4), "4"),
        (9, "Differential", [*numbered(3)], "5"),
        (9, "Full", [entry("X"), entry("Y"), entry("x")], "x"),
        (9, "Full", [entry("x"), entry("Y"), entry("X")], "X"),
        (9, "Differential", [entry("X"), removal("x")], "x"),
        (9, "Full", [entry("X"), removal("Y")], "Y"),
    ],
)
def test_an_update_that_cannot_be_applied_fails_as_a_whole(number: int, kind: str, entries: list[Any], value: str):
    """LAL-06, T:TC_043_3, ER 3.52"""
    bench = Bench({"SendLocalListMaxLength": "3", "LocalAuthListMaxLength": "4"}).ready()
    full(bench, 3, entry("A"), entry("B"))
    before = bench.store.list_entries("backend")
    assert send(bench, number, kind, *entries) == "Failed"
    assert (version(bench), bench.store.list_entries("backend")) == (3, before)
    assert (last_reason(bench).what, last_reason(bench).clause) == ("SendLocalList", "LAL-06")
    assert last_reason(bench).value == value


def test_the_length_of_the_resulting_list_counts_not_that_of_the_update():
    """LAL-06"""
    bench = Bench({"LocalAuthListMaxLength": "3", "SendLocalListMaxLength": "10"}).ready()
    full(bench, 1, entry("A"), entry("B"), entry("C"))
    assert differential(bench, 2, entry("a", "Blocked"), entry("B"), entry("C")) == "Accepted"
    assert differential(bench, 3, entry("D"), entry("E"), removal("A"), removal("B")) == "Accepted"
    assert listed(bench) == ["C", "D", "E"]
    assert full(bench, 4, *numbered(4)) == "Failed"
    assert listed(bench) == ["C", "D", "E"]


def test_an_expiry_that_is_no_date_is_refused_and_nothing_changes():
    """LAL-06, LAL-10, GEN"""
    bench = Bench().ready()
    full(bench, 3, entry("A"))
    answer = bench.call(
        "SendLocalList", listVersion=4, updateType="Full",
        localAuthorizationList=[entry("B"), entry("C", expiryDate="tomorrow")],
    )  # fmt: skip
    assert answer[0] == 4
    assert answer[2] == "PropertyConstraintViolation"
    assert "'C'" in answer[3]
    assert (version(bench), listed(bench)) == (3, ["A"])


@pytest.mark.parametrize(
    "payload",
    [
        {"updateType": "Full"},
        {"listVersion": 1},
        {"listVersion": "1", "updateType": "Full"},
        {"listVersion": 1, "updateType": "Partial"},
        {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry("X" * 21)]},
        {"listVersion": 1, "updateType": "Full", "localAuthorizationList": [entry("X", "Fine")]},
    ],
)
def test_a_request_that_breaks_the_schema_is_a_call_error(payload: dict[str, Any]):
    """RPC-19"""
    bench = Bench().ready()
    assert bench.call_raw("SendLocalList", payload)[0] == 4
    assert version(bench) == 0


class FullDisk(MemoryStore):
    """Has no room for a list of more than one entry, and notices in the middle."""

    def replace_backend_list(self, entries):
        super().replace_backend_list(entries)
        if len(entries) > 1:
            raise OSError("no space left on device")


def test_a_list_that_cannot_be_stored_fails_and_the_former_one_stays():
    """LAL-06"""
    bench = Bench(store=FullDisk()).ready()
    full(bench, 3, entry("A"))
    assert full(bench, 4, entry("B"), entry("C")) == "Failed"
    assert (version(bench), listed(bench)) == (3, ["A"])
    assert last_reason(bench).value == "OSError"


def test_every_answer_but_accepted_says_why():
    """Issue 3, "why" on every refusal"""
    bench = Bench({"SendLocalListMaxLength": "1"}).ready()
    full(bench, 2, entry("A"))
    seen = set()
    for step in (
        lambda: full(bench, 0),
        lambda: full(bench, 3, entry("A"), entry("B")),
        lambda: full(bench, 3, removal("A")),
        lambda: differential(bench, 1),
        lambda: bench.call("ChangeConfiguration", key="LocalAuthListEnabled", value="false") and full(bench, 3),
    ):
        told = len(bench.reasons())
        status = step()
        assert status != "Accepted"
        assert len(bench.reasons()) == told + 1
        reason = last_reason(bench)
        assert reason.verdict == status
        assert all((reason.rule, reason.value, reason.clause))
        seen.add(reason.rule)
    assert len(seen) == 5


# -- keys and profiles


def test_the_keys_of_the_list_are_there():
    """Section 27, LocalAuthListManagement; PL ORS-12/13"""
    keys = ["LocalAuthListEnabled", "LocalAuthListMaxLength", "SendLocalListMaxLength"]
    answer = Bench().ready().call("GetConfiguration", key=keys)[2]["configurationKey"]
    assert [(item["value"], item["readonly"]) for item in answer] == [("true", False), ("100", True), ("100", True)]


def test_a_hundred_entries_fit_and_one_more_does_not():
    """PL ORS-12/13"""
    bench = Bench().ready()
    assert full(bench, 1, *numbered(100)) == "Accepted"
    assert full(bench, 2, *numbered(101)) == "Failed"
    assert differential(bench, 2, entry("ONE MORE")) == "Failed"


def profiles(bench: Bench) -> list[str]:
    (item,) = bench.call("GetConfiguration", key=["SupportedFeatureProfiles"])[2]["configurationKey"]
    return item["value"].split(",")


def test_the_feature_profiles_are_those_whose_every_message_is_implemented():
    """GEN-09, CFG: SupportedFeatureProfiles"""
    bench = Bench().ready()
    implemented = [name for name, requests in feature_profiles.REQUESTS.items() if requests <= bench.cp.requests.keys()]
    assert profiles(bench) == implemented
    assert "LocalAuthListManagement" in implemented


def test_a_profile_that_the_factory_removes_is_gone_with_its_messages_and_keys():
    """LAL-07, CFG-06, T:TC_043_1"""
    bench = Bench(factory=Factory(feature_profiles=("RemoteTrigger",))).ready()
    assert profiles(bench) == ["Core", "RemoteTrigger"]
    for action, payload in (("GetLocalListVersion", {}), ("SendLocalList", {"listVersion": 1, "updateType": "Full"})):
        assert bench.call(action, **payload)[2] == "NotSupported"
    names = {item["key"] for item in bench.call("GetConfiguration")[2]["configurationKey"]}
    assert "HeartbeatInterval" in names
    assert not names & {"LocalAuthListEnabled", "LocalAuthListMaxLength", "SendLocalListMaxLength"}
    assert bench.call("GetConfiguration", key=["LocalAuthListEnabled"])[2]["unknownKey"] == ["LocalAuthListEnabled"]
    assert bench.call("ChangeConfiguration", key="LocalAuthListEnabled", value="true")[2]["status"] == "NotSupported"


def test_without_the_profile_an_old_list_decides_nothing():
    """AUT-08"""
    bench = Bench(OFFLINE, factory=Factory(feature_profiles=("Core",)))
    bench.store.save_list_entry(IdTagEntry("A", "Accepted", "station"))
    bench.read()
    bench.swipe("A")
    assert bench.feedback() == ["rejected"]


def test_the_factory_cannot_add_what_is_not_implemented():
    """GEN-09"""
    bench = Bench(factory=Factory(feature_profiles=("Core", "SmartCharging", "FirmwareManagement"))).ready()
    assert set(profiles(bench)) <= set(feature_profiles.IMPLEMENTED)


# -- cache and station entries


def test_tags_that_enter_the_list_leave_the_cache():
    """LAL-09, AUT-09"""
    bench = Bench().ready()
    for tag in ("A", "B", "C"):
        bench.store.save_cache_entry(IdTagEntry(tag, "Accepted", "cache"))
    full(bench, 1, entry("a", "Blocked"))
    assert (bench.store.cache_entry("A"), bench.store.cache_size()) == (None, 2)
    differential(bench, 2, entry("b"))
    assert (bench.store.cache_entry("B"), bench.store.cache_size()) == (None, 1)
    bench.swipe("a")
    bench.settle(Authorize={"idTagInfo": {"status": "Accepted"}})
    assert bench.store.cache_entry("A") is None


def test_an_entry_that_people_add_leaves_the_cache_when_the_station_looks():
    """LAL-09; design.md, concept 9"""
    bench = Bench().ready()
    bench.store.save_cache_entry(IdTagEntry("A", "Accepted", "cache"))
    bench.store.save_list_entry(IdTagEntry("a", "Blocked", "station"))
    bench.do(SettingsChanged())
    assert bench.store.cache_size() == 0


def test_the_backend_neither_counts_nor_touches_what_people_added():
    """Product.md, settled question 1"""
    bench = Bench({"LocalAuthListMaxLength": "2"}).ready()
    for tag in ("S1", "S2", "A"):
        bench.store.save_list_entry(IdTagEntry(tag, "Accepted", "station"))
    assert version(bench) == 0
    assert full(bench, 1, entry("A", "Blocked"), entry("B")) == "Accepted"
    assert (listed(bench), listed(bench, "station")) == (["A", "B"], ["A", "S1", "S2"])
    assert bench.store.list_entry("A").status == "Blocked"
    assert differential(bench, 2, removal("A"), removal("S1")) == "Accepted"
    assert listed(bench, "station") == ["A", "S1", "S2"]
    assert bench.store.list_entry("A").status == "Accepted"
    assert full(bench, 3) == "Accepted"
    assert (version(bench), listed(bench, "station")) == (0, ["A", "S1", "S2"])


def test_a_list_that_people_changed_without_a_backend_has_to_be_sent_again():
    """Product.md, settled question 1: without a backend the admin edits everything"""
    bench = Bench().ready()
    full(bench, 5, entry("A"), entry("B"))
    bench.store.delete_list_entry("a", "backend")
    assert version(bench) == 0
    assert differential(bench, 6, entry("C")) == "Failed"
    assert listed(bench) == ["B"]
    assert full(bench, 6, entry("C"), entry("D")) == "Accepted"
    assert (version(bench), listed(bench)) == (6, ["C", "D"])


# -- what a listed card may do


def test_a_listed_card_starts_without_authorize():
    """AUT-02, AUT-04, T:TC_008_1"""
    bench = Bench(ONLINE).ready()
    full(bench, 1, entry("A", parentIdTag="FLEET"))
    bench.swipe("A")
    assert bench.status == "Preparing"
    bench.read(ev_connected=True)
    sent = bench.settle()
    assert not of(sent, "Authorize")
    assert of(sent, "StartTransaction")[0][1]["idTag"] == "A"
    assert bench.store.open_transaction().parent_id_tag == "FLEET"


def test_a_listed_card_starts_remotely_without_authorize():
    """AUT-04, T:TC_008_2"""
    bench = Bench({**ONLINE, "AuthorizeRemoteTxRequests": "true"}).ready()
    full(bench, 1, entry("A"))
    assert bench.call("RemoteStartTransaction", idTag="A", connectorId=1)[2] == {"status": "Accepted"}
    bench.read(ev_connected=True)
    sent = bench.settle()
    assert not of(sent, "Authorize")
    assert of(sent, "StartTransaction")


@pytest.mark.parametrize(
    ("info", "verdict"),
    [
        ({"status": "Accepted"}, "accepted"),
        ({"status": "ConcurrentTx"}, "accepted"),
        ({"status": "Blocked"}, "rejected"),
        ({"status": "Invalid"}, "rejected"),
        ({"status": "Expired"}, "rejected"),
        ({"status": "Accepted", "expiryDate": format_utc(START + timedelta(hours=1))}, "accepted"),
        ({"status": "Accepted", "expiryDate": format_utc(START - timedelta(hours=1))}, "rejected"),
        ({"status": "Accepted", "expiryDate": format_utc(START)}, "rejected"),
    ],
)
def test_offline_the_list_decides(info: dict[str, Any], verdict: str):
    """AUT-05, AUT-07, AUT-14, LAL-10"""
    bench = Bench({**OFFLINE, "AllowOfflineTxForUnknownId": "true"}).ready()
    full(bench, 1, {"idTag": "A", "idTagInfo": info})
    bench.disconnect()
    bench.swipe("a")
    assert bench.feedback()[-1] == verdict


def test_an_entry_expires_while_the_station_runs():
    """LAL-10"""
    bench = Bench(OFFLINE).ready()
    full(bench, 1, entry("A", expiryDate=format_utc(START + timedelta(minutes=10))))
    bench.disconnect()
    bench.wait(601, step_s=60)
    bench.swipe("A")
    assert bench.feedback()[-1] == "rejected"
    assert "Expired" in bench.reasons()[-1]


# -- size


def test_ten_thousand_entries_are_applied():
    """The limits of the list are a factory setting."""
    empty_tables()
    bench = Bench({"LocalAuthListMaxLength": "10000", "SendLocalListMaxLength": "10000"}, store=disk_store()).ready()
    many = [entry(f"CARD{number:06}", expiryDate="2027-01-01T00:00:00Z", parentIdTag="P") for number in range(10_000)]
    for update in (
        lambda: full(bench, 1, *many),
        lambda: full(bench, 2, *many),
        lambda: differential(bench, 3, *many),
        lambda: differential(bench, 4, *(removal(item["idTag"]) for item in many[:9999])),
    ):
        assert update() == "Accepted"
    assert (version(bench), listed(bench)) == (4, ["CARD009999"])
    empty_tables()
