"""GetConfiguration and ChangeConfiguration over the real line (OCTT TC_019, TC_021, TC_040)."""

from __future__ import annotations

import pytest

from tests.journeys.backend import RemoteError
from tests.journeys.rig import Rig, RigMaker

#: Required keys of Core and whether they may be written (conformance.md section 27).
REQUIRED = {
    "AuthorizeRemoteTxRequests": None,
    "ClockAlignedDataInterval": False,
    "ConnectionTimeOut": False,
    "ConnectorPhaseRotation": False,
    "GetConfigurationMaxKeys": True,
    "HeartbeatInterval": False,
    "LocalAuthorizeOffline": False,
    "LocalPreAuthorize": False,
    "MeterValuesAlignedData": False,
    "MeterValuesSampledData": False,
    "MeterValueSampleInterval": False,
    "NumberOfConnectors": True,
    "ResetRetries": False,
    "StopTransactionOnEVSideDisconnect": False,
    "StopTransactionOnInvalidId": False,
    "StopTxnAlignedData": False,
    "StopTxnSampledData": False,
    "SupportedFeatureProfiles": True,
    "TransactionMessageAttempts": False,
    "TransactionMessageRetryInterval": False,
    "UnlockConnectorOnEVSideDisconnect": True,
}


def value_of(rig: Rig, key: str) -> str:
    answer = rig.backend.call("GetConfiguration", {"key": [key]})
    assert not answer.get("unknownKey")
    return answer["configurationKey"][0]["value"]


def test_retrieve_configuration_TC_019(rig: Rig):
    assert "Core" in value_of(rig, "SupportedFeatureProfiles").split(",")
    keys = {item["key"]: item for item in rig.backend.call("GetConfiguration", {})["configurationKey"]}
    assert keys.keys() >= REQUIRED.keys()
    wrong = {k: keys[k]["readonly"] for k, ro in REQUIRED.items() if ro is not None and keys[k]["readonly"] is not ro}
    assert not wrong
    assert rig.backend.call("GetConfiguration", {"key": []})["configurationKey"] == list(keys.values())
    assert "AuthorizationKey" not in keys

    answer = rig.backend.call("GetConfiguration", {"key": ["heartbeatinterval", "NoSuchKey", "NumberOfConnectors"]})
    assert [item["key"] for item in answer["configurationKey"]] == ["HeartbeatInterval", "NumberOfConnectors"]
    assert answer["unknownKey"] == ["NoSuchKey"]


def test_more_keys_than_the_limit_are_refused(rig: Rig):
    assert value_of(rig, "GetConfigurationMaxKeys") == "20"
    with pytest.raises(RemoteError) as refused:
        rig.backend.call("GetConfiguration", {"key": [f"Key{n}" for n in range(21)]})
    assert refused.value.code == "OccurenceConstraintViolation"


def test_change_configuration_TC_021(rig: Rig):
    rig.configure(MeterValueSampleInterval=17)
    assert value_of(rig, "MeterValueSampleInterval") == "17"


@pytest.mark.parametrize(
    ("key", "value", "status"),
    [
        pytest.param("Testing", "1", "NotSupported", id="TC_040_1"),
        pytest.param("MeterValueSampleInterval", "-1", "Rejected", id="TC_040_2"),
        ("MeterValueSampleInterval", "3601", "Rejected"),
        ("MeterValueSampleInterval", "soon", "Rejected"),
        ("WebSocketPingInterval", "-1", "Rejected"),
        ("NumberOfConnectors", "2", "Rejected"),
        ("MeterValuesSampledData", "Energy.Active.Import.Register,Nonsense", "Rejected"),
        ("LocalPreAuthorize", "perhaps", "Rejected"),
    ],
)
def test_what_cannot_be_set_changes_nothing(rig: Rig, key: str, value: str, status: str):
    before = rig.backend.call("GetConfiguration", {})
    assert rig.backend.call("ChangeConfiguration", {"key": key, "value": value}) == {"status": status}
    assert rig.backend.call("GetConfiguration", {}) == before


def test_configuration_survives_a_power_cut(make_rig: RigMaker):
    rig = make_rig()
    rig.start()
    rig.configure(MeterValueSampleInterval=33)
    rig.station.kill()
    rig.backend.skip()
    rig.start()
    assert value_of(rig, "MeterValueSampleInterval") == "33"
    assert value_of(rig, "ConnectionTimeOut") == "3"  # of the provisioning file
