"""The rights in the polkit rules are those that the code asks for: none is missing, none is left over."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
RULES = ROOT / "deploy/polkit/50-station.rules"
NM = "org.freedesktop.NetworkManager"

#: Right → the call that needs it (nm-settings, NetworkManager's D-Bus reference; timedated, logind and ModemManager).
NEEDED_BY = {
    f"{NM}.network-control": r"\.(activate_connection|deactivate_connection|reapply|get_applied_connection)\(",
    f"{NM}.settings.modify.system": r"\.(add_connection|update_connection|delete)\(",
    f"{NM}.settings.modify.hostname": r"\.save_hostname\(",
    f"{NM}.checkpoint-rollback": r"\.checkpoint_(create|destroy|rollback)\(",
    f"{NM}.wifi.scan": r"\.request_scan\(",
    f"{NM}.wifi.share.protected": r'"method": \("s", "shared"\)',
    f"{NM}.enable-disable-network": r"\.enable\(",
    f"{NM}.enable-disable-wifi": r"\.wireless_enabled\.set_async\(",
    f"{NM}.enable-disable-wwan": r"\.wwan_enabled\.set_async\(",
    "org.freedesktop.ModemManager1.Device.Control": r"\.(send_pin|send_puk|enable_modem|set_power_state)\(",
    "org.freedesktop.timedate1.set-time": r"\bset_time\(|\bSetTime\b",
    "org.freedesktop.timedate1.set-ntp": r"\bset_ntp\(|\bSetNTP\b",
    "org.freedesktop.timedate1.set-timezone": r"\bset_timezone\(|\bSetTimezone\b",
    "org.freedesktop.timesync1.set-runtime-servers": r"\.set_runtime_ntp_servers\(|\bSetRuntimeNTPServers\b",
    "org.freedesktop.systemd1.manage-units": r"\bTryRestartUnit\b|\.try_restart_unit\(",
    "org.freedesktop.login1.reboot": r"org\.freedesktop\.login1",
}


def test_every_right_has_its_call_and_every_call_its_right() -> None:
    talks = [path for path in (ROOT / "station").rglob("*.py") if re.search(r"^from sdbus", path.read_text(), re.M)]
    code = "".join(path.read_text() for path in {*talks, *(ROOT / "station/network").glob("*.py")})
    assert len(talks) >= 2
    allowed = set(re.findall(r'"(org\.freedesktop\.[\w.-]+)"', RULES.read_text()))
    assert allowed == {right for right, call in NEEDED_BY.items() if re.search(call, code)}
