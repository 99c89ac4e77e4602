"""Resets, power failures and faults (OCTT groups 6, 14 and 17)."""

from __future__ import annotations

import pytest

from tests.journeys.ledger import register_values
from tests.journeys.rig import Rig


def booted(rig: Rig) -> None:
    """The station is back and has told so, and connector 0 as well."""
    rig.backend.next("BootNotification", 30)
    rig.backend.wait_for("StatusNotification", lambda p: p["connectorId"] == 0, 30, why="of connector 0")


def status_after_boot(rig: Rig) -> str:
    """What is told of the plugged connector after a boot."""
    report = rig.backend.wait_for("StatusNotification", lambda p: p["connectorId"] == 1, 30, why="of connector 1")
    assert report.payload["errorCode"] == "NoError"
    return report.payload["status"]


def reset_without_transaction(rig: Rig, kind: str) -> None:
    assert rig.command("ChangeAvailability", connectorId=1, type="Inoperative") == "Accepted"
    rig.backend.wait_status("Unavailable")
    assert rig.command("Reset", type=kind) == "Accepted"
    booted(rig)
    assert status_after_boot(rig) == "Unavailable"
    assert rig.command("ChangeAvailability", connectorId=1, type="Operative") == "Accepted"
    rig.backend.wait_status("Available")


def reset_with_transaction(rig: Rig, kind: str) -> None:
    session = rig.start_session()
    rig.charge_wh(1)
    assert rig.command("Reset", type=kind) == "Accepted"
    stop = rig.backend.next("StopTransaction", 30)
    assert (stop.payload["transactionId"], stop.payload["reason"]) == (session.transaction_id, f"{kind}Reset")
    assert stop.payload["meterStop"] > session.start.payload["meterStart"]
    rig.backend.wait_status("Finishing")
    booted(rig)
    assert status_after_boot(rig) in ("Finishing", "Preparing")
    assert not rig.sim.state()["relay"]
    rig.backend.expect_no("StartTransaction", 0.3)


def test_TC_013_hard_reset_without_transaction(rig: Rig):
    """RES-01, RES-04, RES-05, AVL-01, AVL-03, AVL-04, AVL-07, BOOT-01"""
    reset_without_transaction(rig, "Hard")


def test_TC_014_soft_reset_without_transaction(rig: Rig):
    """RES-01, RES-03, RES-05, AVL-01, AVL-03, AVL-04, BOOT-01"""
    reset_without_transaction(rig, "Soft")


def test_TC_015_hard_reset_with_transaction(rig: Rig):
    """RES-02, RES-04, RES-05, TX-11"""
    reset_with_transaction(rig, "Hard")


def test_TC_016_soft_reset_with_transaction(rig: Rig):
    """RES-02, RES-03, RES-05, TX-11"""
    reset_with_transaction(rig, "Soft")


def test_TC_032_2_power_failure_stop_transactions_after(rig: Rig):
    """TX-16, TX-19, TX-11, BOOT-01, field problem 25"""
    rig.configure(MeterValueSampleInterval=1)
    session = rig.start_session()
    samples = [rig.backend.next("MeterValues").payload for _ in range(2)]
    rig.charge_wh(1)
    rig.station.kill()
    rig.backend.skip()
    rig.station.start()
    booted(rig)
    assert status_after_boot(rig) in ("Finishing", "Preparing")
    stop = rig.backend.next("StopTransaction", 15).payload
    assert (stop["transactionId"], stop["reason"]) == (session.transaction_id, "PowerLoss")
    sent = [value for sample in samples for value in register_values(sample["meterValue"])]
    assert max(sent) <= stop["meterStop"] <= rig.sim.state()["energy_wh"] + 1
    rig.backend.expect_no("StartTransaction", 0.5)
    assert not rig.sim.state()["relay"]


def test_TC_034_power_failure_with_unavailable_status(rig: Rig):
    """STA-14, AVL-02, AVL-04"""
    assert rig.command("ChangeAvailability", connectorId=0, type="Inoperative") == "Accepted"
    rig.backend.wait_status("Unavailable", connector=0)
    rig.backend.wait_status("Unavailable", connector=1)
    rig.station.restart()
    rig.backend.next("BootNotification", 15)
    for connector in (0, 1):
        report = rig.backend.wait_for(
            "StatusNotification", lambda p, c=connector: p["connectorId"] == c, why=f"of connector {connector}"
        )
        assert report.payload["status"] == "Unavailable"


@pytest.mark.parametrize("fault", ["vent", "diode_short"])
def test_TC_041_fault_behavior(rig: Rig, fault: str):
    """STA-10, STA-13, RST-05, TX-11"""
    rig.start_session()
    rig.sim.fault(fault)
    report = rig.backend.wait_status("Faulted").payload
    assert report["errorCode"] != "NoError"
    assert rig.backend.next("StopTransaction").payload["reason"] == "Other"
    rig.backend.skip()
    rig.swipe(rig.other_card)
    assert rig.command("RemoteStartTransaction", idTag=rig.group_card, connectorId=1) == "Rejected"
    rig.backend.expect_no("StartTransaction", 0.7)
    assert not rig.sim.state()["relay"]
    rig.sim.fault(fault, active=False)
    rig.sim.unplug()
    rig.backend.wait_status("Available", errorCode="NoError")
