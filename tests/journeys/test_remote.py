"""The operator starts from afar: what the certification cases of tests/conformance leave open."""

from __future__ import annotations

from tests.journeys.rig import Rig


def remote_start(rig: Rig, card: str) -> str:
    return rig.command("RemoteStartTransaction", idTag=card)


def test_remote_start_without_a_connector_means_the_only_one(rig: Rig):
    """RST-07, field problem 28"""
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    assert remote_start(rig, rig.card) == "Accepted"
    assert rig.wait_started().start.payload["connectorId"] == 1


def test_a_second_remote_start_while_one_waits_is_rejected(rig: Rig):
    """RST-05, field problem 18"""
    assert remote_start(rig, rig.card) == "Accepted"
    assert remote_start(rig, rig.other_card) == "Rejected"
