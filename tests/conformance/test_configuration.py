"""Get and change configuration, data transfer (OCTT groups 8, 16 and 24)."""

from __future__ import annotations

import pytest

from tests.journeys.rig import Rig

#: Required keys by profile, and whether they are read-only (None: either is allowed).
REQUIRED: dict[str, dict[str, bool | None]] = {
    "Core": {
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
        "UnlockConnectorOnEVSideDisconnect": True,  # a fixed cable
    },
    "LocalAuthListManagement": {
        "LocalAuthListEnabled": False,
        "LocalAuthListMaxLength": True,
        "SendLocalListMaxLength": True,
    },
    "SmartCharging": {
        "ChargeProfileMaxStackLevel": True,
        "ChargingScheduleAllowedChargingRateUnit": True,
        "ChargingScheduleMaxPeriods": True,
        "MaxChargingProfilesInstalled": True,
    },
}


def test_TC_019_retrieve_configuration(rig: Rig):
    """CFG-01, CFG-02, CFG-05, CFG-09, GEN-09, GEN-10, SC-33, UNL-04"""
    profiles = rig.value("SupportedFeatureProfiles").split(",")
    assert "Core" in profiles
    everything = rig.backend.call("GetConfiguration", {})
    assert not everything.get("unknownKey")
    keys = {item["key"]: item for item in everything["configurationKey"]}
    required = {key: readonly for profile in profiles for key, readonly in REQUIRED.get(profile, {}).items()}
    assert keys.keys() >= required.keys()
    wrong = {
        key: keys[key]["readonly"] for key, ro in required.items() if ro is not None and keys[key]["readonly"] != ro
    }
    assert not wrong, "the access of these keys"
    assert "AuthorizationKey" not in keys or not keys["AuthorizationKey"].get("value")
    assert rig.backend.call("GetConfiguration", {"key": []}) == everything
    answer = rig.backend.call("GetConfiguration", {"key": ["heartbeatinterval", "NoSuchKey", "NumberOfConnectors"]})
    assert [item["key"] for item in answer["configurationKey"]] == ["HeartbeatInterval", "NumberOfConnectors"]
    assert answer["unknownKey"] == ["NoSuchKey"]


def test_TC_021_change_set_configuration(rig: Rig):
    """CFG-04"""
    rig.configure(MeterValueSampleInterval=17)  # asserts Accepted
    assert rig.value("MeterValueSampleInterval") == "17"


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
def test_TC_040_1_TC_040_2_configuration_key_not_supported_or_invalid_value(
    rig: Rig, key: str, value: str, status: str
):
    """CFG-04, CFG-05, CFG-08, MTR-12"""
    before = rig.backend.call("GetConfiguration", {})
    assert rig.command("ChangeConfiguration", key=key, value=value) == status
    assert rig.backend.call("GetConfiguration", {}) == before


def test_the_limits_are_the_certified_ones(rig: Rig):
    """CFG-07, SC-33, RSV-03, RPC-30: as the factory leaves them"""
    certified = {
        "GetConfigurationMaxKeys": "20",
        "MeterValuesAlignedDataMaxLength": "99",
        "MeterValuesSampledDataMaxLength": "99",
        "StopTxnAlignedDataMaxLength": "99",
        "StopTxnSampledDataMaxLength": "99",
        "StopTransactionMaxMeterValues": "20",
        "WebSocketPingInterval": "120",
        "LocalAuthListMaxLength": "100",
        "SendLocalListMaxLength": "100",
        "ChargeProfileMaxStackLevel": "3",
        "ChargingScheduleMaxPeriods": "86400",
        "ChargingScheduleAllowedChargingRateUnit": "Current,Power",
        "ReserveConnectorZeroSupported": "true",
        "NumberOfConnectors": "1",
        "ConnectorPhaseRotationMaxLength": "2",
    }
    assert {key: rig.value(key) for key in certified} == certified


@pytest.mark.parametrize("message", [{}, {"messageId": "x", "data": "…"}])
def test_TC_062_data_transfer_to_a_charge_point(rig: Rig, message: dict):
    """DT-01"""
    answer = rig.backend.call("DataTransfer", {"vendorId": "org.example.nobody", **message})
    assert answer == {"status": "UnknownVendorId"}
