"""Whose time the real processes take; the backend's own is in test_boot.py."""

from __future__ import annotations

import os
from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.journeys.rig import RigMaker
from tests.journeys.station import until

#: chronyc as chrony 4.3 prints it, in step since now.
CHRONYC = """#!/bin/sh
now=$(date +%s)
echo "C0000207,192.0.2.7,2,$now.5,-0.000001345,0.0,0.0,-0.057,0.003,0.240,0.000006046,0.000001709,1.0,Normal"
echo "^,*,192.0.2.7,2,6,377,1,0.000000120,0.000000204,0.000003058"
"""


def test_time_servers_are_better_than_a_backend_with_a_wrong_clock(make_rig: RigMaker, tmp_path: Path):
    """CLK-01: order NTP, OCPP, phone"""
    program = tmp_path / "chronyc"
    program.write_text(CHRONYC)
    program.chmod(0o755)
    rig = make_rig()
    rig.station.environment |= {"PATH": f"{tmp_path}:{os.environ['PATH']}", "STATION_CLOCK": "READ"}
    ahead = (datetime.now(UTC) + timedelta(hours=5)).isoformat(timespec="seconds")
    rig.backend.answer_always("BootNotification", {"status": "Accepted", "currentTime": ahead, "interval": 300})
    rig.backend.answer_always("Heartbeat", {"currentTime": ahead})
    rig.station.start()
    rig.wait_online()
    # whichever was heard first, the time servers are what counts from now on
    heard = ("follows the time servers (192.0.2.7)", "stays with NTP")
    until(lambda: any(words in rig.station.log() for words in heard), 30, rig.station.log_tail)
    rig.backend.call("TriggerMessage", {"requestedMessage": "Heartbeat"})
    until(lambda: heard[1] in rig.station.log(), 10, rig.station.log_tail)
    start = datetime.fromisoformat(rig.start_session().start.payload["timestamp"])
    assert abs(start - datetime.now(UTC)) < timedelta(seconds=30)
