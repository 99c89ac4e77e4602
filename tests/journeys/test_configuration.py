"""Configuration: what the certification cases of tests/conformance leave open."""

from __future__ import annotations

import pytest

from tests.journeys.backend import RemoteError
from tests.journeys.rig import Rig, RigMaker


def test_more_keys_than_the_limit_are_refused(rig: Rig):
    """CFG-03"""
    assert rig.value("GetConfigurationMaxKeys") == "20"
    with pytest.raises(RemoteError) as refused:
        rig.backend.call("GetConfiguration", {"key": [f"Key{n}" for n in range(21)]})
    assert refused.value.code == "OccurenceConstraintViolation"


def test_configuration_survives_a_power_cut(make_rig: RigMaker):
    """CFG-10"""
    rig = make_rig()
    rig.start()
    rig.configure(MeterValueSampleInterval=33)
    rig.station.kill()
    rig.backend.skip()
    rig.start()
    assert rig.value("MeterValueSampleInterval") == "33"
    assert rig.value("ConnectionTimeOut") == "3"  # of the provisioning file
