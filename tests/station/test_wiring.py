"""What of the settings reaches the charge point."""

from __future__ import annotations

from dataclasses import replace

import pytest

import tests.appliance  # noqa: F401
from station.provisioning import BackendSettings, Provision, Secret
from station.wiring import charge_point_settings

BACKEND = BackendSettings("wss://h/ocpp", "CP1", 2, Secret("0123456789abcdef"))


@pytest.mark.parametrize(
    "change",
    [
        {"backend": replace(BACKEND, url="wss://other/ocpp")},
        {"backend": replace(BACKEND, charge_point_id="CP2")},
        {"backend": replace(BACKEND, security_profile=3)},
        {"backend": replace(BACKEND, authorization_key=Secret("0123456789abcdeF"))},
        {"backend": replace(BACKEND, root_certificates=("/data/other.pem",))},
        {"reconnect_min_s": 5.0},
    ],
)
def test_whatever_the_link_is_opened_with_makes_another_connection(change: dict) -> None:
    """design.md, journey D"""
    before = Provision(backend=BACKEND)
    one, other = charge_point_settings(before), charge_point_settings(replace(before, **change))
    assert one.connection != other.connection
    assert one.connection == charge_point_settings(before).connection


def test_the_connection_tells_no_secret() -> None:
    assert "0123456789" not in repr(charge_point_settings(Provision(backend=BACKEND)))
