"""The table of configuration keys, GetConfiguration and ChangeConfiguration."""

from __future__ import annotations

import pytest

from ocppclient.configuration import KEYS, MEASURANDS, Access, Configuration
from ocppclient.events import Explain, SetPingInterval, SettingsChanged
from ocppclient.feature_profiles import REQUESTS
from ocppclient.memory_store import MemoryStore
from ocppclient.settings import Factory
from tests.ocppclient.harness import Bench

ENERGY = "Energy.Active.Import.Register"

#: Core keys of section 27 that a charge point must have, and whether the backend may write them.
REQUIRED = {
    "AuthorizeRemoteTxRequests": True,
    "ClockAlignedDataInterval": True,
    "ConnectionTimeOut": True,
    "ConnectorPhaseRotation": True,
    "GetConfigurationMaxKeys": False,
    "HeartbeatInterval": True,
    "LocalAuthorizeOffline": True,
    "LocalPreAuthorize": True,
    "MeterValuesAlignedData": True,
    "MeterValuesSampledData": True,
    "MeterValueSampleInterval": True,
    "NumberOfConnectors": False,
    "ResetRetries": True,
    "StopTransactionOnEVSideDisconnect": True,
    "StopTransactionOnInvalidId": True,
    "StopTxnAlignedData": True,
    "StopTxnSampledData": True,
    "SupportedFeatureProfiles": False,
    "TransactionMessageAttempts": True,
    "TransactionMessageRetryInterval": True,
    "UnlockConnectorOnEVSideDisconnect": False,
}


def value(bench, key):
    """What GetConfiguration reports for a key."""
    (entry,) = bench.call("GetConfiguration", key=[key])[2]["configurationKey"]
    return entry["value"]


def change(bench, key, text):
    return bench.call("ChangeConfiguration", key=key, value=text)[2]["status"]


# --- GetConfiguration ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("request_payload", [{}, {"key": []}])
def test_without_names_every_key_is_listed(request_payload):
    """CFG-01"""
    answer = Bench().ready().call("GetConfiguration", **request_payload)[2]
    assert {entry["key"] for entry in answer["configurationKey"]} == {
        key.name for key in KEYS.values() if key.access is not Access.W
    }
    assert "unknownKey" not in answer


def test_the_required_keys_are_there_with_the_right_access():
    """GEN-09, CFG-05, T:TC_019, UNL-04"""
    listed = {entry["key"]: entry for entry in Bench().ready().call("GetConfiguration")[2]["configurationKey"]}
    assert {name: not listed[name]["readonly"] for name in REQUIRED} == REQUIRED
    assert listed["UnlockConnectorOnEVSideDisconnect"]["value"] == "false"
    assert listed["NumberOfConnectors"]["value"] == "1"
    assert listed["GetConfigurationMaxKeys"]["value"] == "20"
    assert "Core" in listed["SupportedFeatureProfiles"]["value"].split(",")


def test_known_and_unknown_names_are_told_apart():
    """CFG-02"""
    answer = Bench().ready().call("GetConfiguration", key=["heartbeatINTERVAL", "Nonsense", "HeartbeatInterval"])[2]
    assert [entry["key"] for entry in answer["configurationKey"]] == ["HeartbeatInterval", "HeartbeatInterval"]
    assert answer["unknownKey"] == ["Nonsense"]


def test_only_known_names_give_no_unknown_key():
    """CFG-02, T:TC_019"""
    assert "unknownKey" not in Bench().ready().call("GetConfiguration", key=["SupportedFeatureProfiles"])[2]


def test_more_names_than_allowed_are_refused():
    """CFG-03"""
    bench = Bench().ready()
    assert bench.call("GetConfiguration", key=["HeartbeatInterval"] * 20)[0] == 3
    assert bench.call("GetConfiguration", key=["HeartbeatInterval"] * 21)[2] == "OccurenceConstraintViolation"


def test_exactly_the_implemented_profiles_are_reported():
    """GEN-10, GEN-11: a profile is there when all its requests are handled"""
    bench = Bench().ready()
    handled = {name for name, requests in REQUESTS.items() if requests <= set(bench.cp.requests)}
    assert set(value(bench, "SupportedFeatureProfiles").split(",")) == handled


def test_a_profile_that_the_factory_leaves_out_takes_its_keys_with_it():
    """CFG-06, GEN-10"""
    bench = Bench(factory=Factory(feature_profiles=("Core",))).ready()
    answer = bench.call("GetConfiguration", key=["LocalAuthListEnabled", "SupportedFeatureProfiles"])[2]
    assert answer["unknownKey"] == ["LocalAuthListEnabled"]
    assert answer["configurationKey"][0]["value"] == "Core"
    assert change(bench, "LocalAuthListEnabled", "true") == "NotSupported"


def test_the_password_is_never_told():
    """CFG-09"""
    bench = Bench(configuration={"AuthorizationKey": "correct horse battery"}).ready()
    listing, asked = bench.call("GetConfiguration"), bench.call("GetConfiguration", key=["authorizationkey"])
    assert "correct horse" not in str(listing) + str(asked)
    assert "AuthorizationKey" not in [entry["key"] for entry in listing[2]["configurationKey"]]
    assert asked[2] == {"configurationKey": [{"key": "AuthorizationKey", "readonly": False}]}


# --- ChangeConfiguration ---------------------------------------------------------------------------------------------


def test_a_change_is_accepted_effective_at_once_and_outlives_a_reboot():
    """CFG-04, CFG-10, T:TC_021"""
    bench = Bench().ready()
    assert change(bench, "MeterValueSampleInterval", "30") == "Accepted"
    assert bench.cp.config.meter_value_sample_interval == 30
    bench.reboot()
    bench.read()
    bench.boot()
    assert value(bench, "MeterValueSampleInterval") == "30"


def test_an_unknown_key_is_not_supported_and_its_value_is_kept_to_itself():
    """CFG-04, T:TC_040_1; what nobody here knows may be a secret"""
    bench = Bench().ready()
    assert change(bench, "Testing", "s3cret") == "NotSupported"
    assert not [action for action in bench.actions if isinstance(action, Explain) and "s3cret" in repr(action)]


@pytest.mark.parametrize("key", [key.name for key in KEYS.values() if key.access is Access.R])
def test_read_only_keys_cannot_be_written(key):
    """CFG-05, UNL-04"""
    bench = Bench().ready()
    before = value(bench, key)
    assert change(bench, key, before) == "Rejected"
    assert value(bench, key) == before


@pytest.mark.parametrize(
    ("key", "text"),
    [
        ("MeterValueSampleInterval", "-1"),
        ("MeterValueSampleInterval", "3601"),
        ("MeterValueSampleInterval", ""),
        ("MeterValueSampleInterval", "1.5"),
        ("MeterValueSampleInterval", "1e2"),
        ("MeterValueSampleInterval", "٣"),
        ("MeterValueSampleInterval", "9" * 400),
        ("HeartbeatInterval", "0"),
        ("HeartbeatInterval", "10801"),
        ("ConnectionTimeOut", "0"),
        ("ClockAlignedDataInterval", "86401"),
        ("WebSocketPingInterval", "-1"),
        ("TransactionMessageAttempts", "0"),
        ("TransactionMessageRetryInterval", "-1"),
        ("LocalPreAuthorize", "yes"),
        ("LocalPreAuthorize", "1"),
        ("MeterValuesSampledData", f"{ENERGY},SoC"),
        ("MeterValuesSampledData", f"{ENERGY},"),
        ("MeterValuesSampledData", f"{ENERGY},{ENERGY}"),
        ("MeterValuesSampledData", ENERGY.lower()),
        ("MeterValuesAlignedData", "Voltage.L2"),
        ("StopTxnSampledData", "nonsense"),
        ("ConnectorPhaseRotation", "2.RST"),
        ("ConnectorPhaseRotation", "1.XYZ"),
        ("MinimumStatusDuration", "-1"),
    ],
)
def test_a_value_that_does_not_fit_is_rejected_with_a_reason_and_nothing_changes(key, text):
    """CFG-04, CFG-08, CFG-12, MTR-12, T:TC_040_2, field problem 31"""
    bench = Bench().ready()
    before = value(bench, key)
    assert change(bench, key, text) == "Rejected"
    assert value(bench, key) == before
    assert bench.clauses()[-1] == "CFG-04"
    assert key in bench.reasons()[-1]


@pytest.mark.parametrize(
    ("key", "text", "canonical"),
    [
        ("metervaluesampleinterval", " 0060 ", "60"),
        ("MeterValueSampleInterval", "0", "0"),
        ("MeterValueSampleInterval", "3600", "3600"),
        ("HeartbeatInterval", "10800", "10800"),
        ("LocalPreAuthorize", "TRUE", "true"),
        ("LOCALPREAUTHORIZE", "False", "false"),
        ("MeterValuesSampledData", f" {ENERGY} , Voltage ", f"{ENERGY},Voltage"),
        ("MeterValuesSampledData", "", ""),
        ("StopTxnAlignedData", "", ""),
        ("ConnectorPhaseRotation", "0.RST,1.NotApplicable", "0.RST,1.NotApplicable"),
        ("ClockAlignedDataInterval", "86400", "86400"),
        ("WebSocketPingInterval", "0", "0"),
    ],
)
def test_values_are_read_tolerantly_and_reported_in_their_canonical_form(key, text, canonical):
    """CFG-12, GEN-03, MTR-01, field problem 31"""
    bench = Bench().ready()
    assert change(bench, key, text) == "Accepted"
    assert value(bench, key) == canonical


def test_a_list_longer_than_its_max_length_key_is_rejected():
    """CFG-07, MTR-12"""
    bench = Bench({"StopTxnSampledDataMaxLength": "2"}).ready()
    assert change(bench, "StopTxnSampledData", f"{ENERGY},Voltage") == "Accepted"
    assert change(bench, "StopTxnSampledData", f"{ENERGY},Voltage,Current.Import") == "Rejected"
    assert value(bench, "StopTxnSampledData") == f"{ENERGY},Voltage"


@pytest.mark.parametrize(
    "key", ["MeterValuesSampledData", "MeterValuesAlignedData", "StopTxnSampledData", "StopTxnAlignedData"]
)
def test_everything_that_can_be_measured_can_be_configured(key):
    """MTR-20"""
    bench = Bench().ready()
    assert change(bench, key, ",".join(MEASURANDS)) == "Accepted"


def test_a_new_ping_interval_is_handed_to_the_connection_at_once():
    """RPC-29, CFG-08"""
    bench = Bench().ready()
    change(bench, "WebSocketPingInterval", "30")
    assert [action for action in bench.actions if isinstance(action, SetPingInterval)] == [SetPingInterval(30)]
    change(bench, "WebSocketPingInterval", "30")
    assert len([action for action in bench.actions if isinstance(action, SetPingInterval)]) == 1


def test_a_person_may_change_a_key_behind_the_back_of_the_domain():
    """Design.md, concept 9: the database is the truth, the poke a latency aid"""
    bench = Bench().ready()
    bench.store.set_value("key.WebSocketPingInterval", "45")
    assert bench.cp.config.web_socket_ping_interval == 120
    assert SetPingInterval(45) in bench.do(SettingsChanged())
    assert bench.cp.config.web_socket_ping_interval == 45


# --- the factory -----------------------------------------------------------------------------------------------------


def test_the_factory_sets_read_only_keys_and_values_outside_the_certified_range():
    """Design.md section 5: the factory is trusted"""
    bench = Bench({"numberofconnectors": "2", "HeartbeatInterval": "86400", "MeterValueSampleInterval": "7200"})
    assert bench.cp.config.number_of_connectors == 2
    assert bench.cp.config.heartbeat_interval == 86400
    assert bench.cp.config.meter_value_sample_interval == 7200


def test_what_the_backend_changed_wins_over_the_factory():
    """CFG-10"""
    bench = Bench({"LocalPreAuthorize": "true"}).ready()
    change(bench, "LocalPreAuthorize", "false")
    bench.reboot()
    assert bench.cp.config.local_pre_authorize is False


@pytest.mark.parametrize("key", sorted(KEYS))
@pytest.mark.parametrize("text", ["", "x", "-7", "0", "9" * 30, ",,"])
def test_no_stored_value_keeps_the_station_from_working(key, text):
    """F33: every key poisoned; the session goes its way."""
    store = MemoryStore()
    store.set_value(f"key.{KEYS[key].name}", text)
    bench = Bench({"LocalAuthorizeOffline": "true"}, store=store)
    bench.read()
    bench.connect()
    bench.settle(BootNotification={"status": "Accepted", "interval": 0, "currentTime": "2026-03-01T12:00:00Z"})
    bench.charge()
    bench.wait(20, step_s=5)
    bench.swipe("CARD1")
    bench.open_contactor()
    assert [row.reason for row in store._transactions.values()] == ["Local"]


def test_every_key_tells_people_its_meaning_and_range():
    """Design.md: the documentation is generated from the table"""
    for key in KEYS.values():
        assert key.meaning.endswith(".")
        assert key.range_text
        assert key.access is not Access.RW or key.parse(key.format(key.default)) == key.default


def test_keys_are_declared_once_and_found_in_any_case():
    """GEN-03"""
    assert KEYS["heartbeatinterval"] is Configuration.heartbeat_interval
    assert all(name == key.name.casefold() for name, key in KEYS.items())
    assert all(len(key.name) <= 50 for key in KEYS.values())


def test_keys_of_our_own_carry_our_prefix_and_shadow_no_standard_name():
    """CFG-11"""
    standard = set(REQUIRED) | {key.name for key in KEYS.values() if "." not in key.name}
    own = {key.name for key in KEYS.values() if "." in key.name}
    assert own
    assert all(name.startswith("OpenStation.") for name in own)
    assert not {name.removeprefix("OpenStation.") for name in own} & standard


def test_by_default_a_half_open_line_is_found_before_a_message_is_given_up():
    """RPC-30"""
    config = Bench().cp.config
    patience_s = config.transaction_message_attempts * config.transaction_message_retry_interval
    assert 0 < config.web_socket_ping_interval < patience_s
