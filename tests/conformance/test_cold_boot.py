"""Cold boot (OCTT group 1)."""

from __future__ import annotations

from tests.journeys.backend import utc_now
from tests.journeys.rig import RigMaker


def boot_answer(status: str, interval: int) -> dict:
    return {"status": status, "currentTime": utc_now(), "interval": interval}


def test_TC_001_cold_boot(make_rig: RigMaker):
    """BOOT-01, BOOT-03, BOOT-04, BOOT-05, BOOT-07, BOOT-10, HB-01, HB-03, CLK-01"""
    rig = make_rig({"identity": {"vendor": "Acme", "model": "Box", "serial_number": "SN-1", "firmware_version": "1.0"}})
    rig.backend.interval_s = 1
    rig.backend.answer_next("BootNotification", boot_answer("Rejected", 2))
    rig.station.start()
    first = rig.backend.next("BootNotification")
    assert first.payload["chargePointVendor"] == "Acme"
    assert first.payload["chargePointModel"] == "Box"
    assert first.payload["chargePointSerialNumber"] == "SN-1"
    assert first.payload["firmwareVersion"] == "1.0"
    # Rejected: silence, also towards the backend's own requests, until exactly the interval is over
    rig.backend.send_call("GetConfiguration", {"key": ["HeartbeatInterval"]})
    second = rig.backend.next("BootNotification")
    assert 1.95 <= second.at - first.at <= 3.0
    words = [e for e in rig.entries() if e.source == "station" and first.at < e.at < second.at]
    assert not words, "the station spoke while it was rejected"
    # Accepted: the status of 0 and 1, then Heartbeats spaced by the interval
    rig.backend.wait_status("Available", connector=0)
    rig.backend.wait_status("Available", connector=1)
    beats = [rig.backend.next("Heartbeat").at for _ in range(4)]
    assert 0.9 <= (beats[-1] - beats[0]) / 3 <= 1.6, beats  # the mean: what arrives late is no late sending
    assert rig.value("HeartbeatInterval") == "1"


def test_TC_002_cold_boot_pending(make_rig: RigMaker):
    """BOOT-05, BOOT-06, BOOT-08, BOOT-09, BOOT-10, BOOT-16"""
    rig = make_rig()
    rig.backend.answer_next("BootNotification", boot_answer("Pending", 2))
    rig.station.start()
    first = rig.backend.next("BootNotification")
    connection = rig.backend.wait_connected()
    assert rig.value("MeterValueSampleInterval") == "0"
    rig.configure(MeterValueSampleInterval=7)
    assert rig.command("RemoteStartTransaction", idTag=rig.card, connectorId=1) == "Rejected"
    second = rig.backend.next("BootNotification")
    assert 1.95 <= second.at - first.at <= 3.0
    assert rig.backend.connection is connection, "the connection stays open while Pending"
    own = [e.text for e in rig.backend.calls() if first.at < e.at < second.at]
    assert not own, "the station sent something unasked while it was Pending"
    rig.backend.wait_status("Available", connector=0)
    rig.backend.wait_status("Available", connector=1)
    assert rig.value("MeterValueSampleInterval") == "7"
