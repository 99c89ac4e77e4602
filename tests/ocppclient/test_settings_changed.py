"""People change the settings while the station runs: design.md journey D, OCPP-J 5.4, OCPP 1.6 section 4.2.1."""

from __future__ import annotations

from dataclasses import replace

import pytest

from ocppclient.events import Connect, Disconnected, SendFrame, SettingsChanged
from ocppclient.settings import Electrical, Identity
from tests.ocppclient.harness import TRANSACTIONAL, Bench, of, statuses


def changed(bench, **changes):
    """The person's change reaches the station."""
    bench.settings = replace(bench.settings, **changes)
    return bench.do(SettingsChanged(bench.settings))


def new_session(bench):
    """What the link does with Connect: the former session ends, the new one opens."""
    bench.calls.clear()
    bench.do(Disconnected("ordered"))
    bench.connect()


@pytest.mark.parametrize("change", [{"backend_key": "wss://other cp"}, {"connection": "another key"}])
def test_another_backend_or_key_opens_a_new_session_and_registers_again(change):
    bench = Bench().ready()
    assert Connect("the backend settings were changed") in changed(bench, **change)
    assert (bench.cp.view().online, bench.cp.view().registration) == (False, "waiting")
    new_session(bench)
    assert bench.expect("BootNotification")
    bench.boot_conf()
    assert statuses(bench.settle()) == ["Available"]


def test_nothing_more_is_sent_to_the_former_backend():
    """Not even the BootNotification that the new one has to get first."""
    bench = Bench().ready()
    actions = changed(bench, backend_key="wss://other cp")
    bench.read(ev_connected=True)
    bench.wait(5)
    assert bench.calls == []
    assert not [item for item in actions if isinstance(item, SendFrame)]


def test_charging_goes_on_and_the_queue_reaches_the_new_backend():
    bench = Bench({"MeterValueSampleInterval": "60"}).ready().charge()
    before = bench.setpoint
    changed(bench, connection="new password")
    bench.read(energy_wh=1500)
    bench.wait(61, step_s=1)
    assert bench.setpoint == before
    assert bench.status == "Charging"
    new_session(bench)
    bench.boot_conf()
    sent = of(bench.settle(), *TRANSACTIONAL)
    assert [(action, payload["transactionId"]) for action, payload in sent] == [("MeterValues", 7)]


def test_a_start_that_was_under_way_is_sent_again_with_its_id():
    """TXQ, settled question 12"""
    bench = Bench().ready()
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    bench.settle_until("StartTransaction")
    first = bench.calls[0]
    changed(bench, connection="new password")
    new_session(bench)
    bench.boot_conf()
    bench.settle_until("StartTransaction")
    assert bench.calls[0] == first


def test_another_identity_is_told_over_the_same_connection():
    """RPC-07: BootNotification when one of its fields changed"""
    bench = Bench().ready()
    assert Connect not in map(type, changed(bench, identity=Identity(serial_number="S-2")))
    assert bench.expect("BootNotification")["chargePointSerialNumber"] == "S-2"
    bench.boot_conf()
    assert bench.cp.view().registration == "accepted"


def test_what_the_backend_does_not_see_changes_nothing_on_the_line():
    bench = Bench().ready()
    changed(bench, configuration={"HeartbeatInterval": "77"})
    bench.do(SettingsChanged())
    assert bench.calls == []
    assert bench.cp.view().registration == "accepted"


def test_a_key_that_the_settings_fix_is_read_again():
    bench = Bench({"ConnectionTimeOut": "40"}).ready()
    changed(bench, configuration={"ConnectionTimeOut": "90"})
    assert bench.cp.config.connection_time_out == 90


def test_the_refusal_of_the_former_backend_is_forgotten():
    """BOOT-12: whoever was never reached is offline, not denied (decision 5)"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"})
    bench.read()
    bench.boot(status="Rejected")
    bench.swipe("CARD1")
    changed(bench, backend_key="wss://other cp")
    bench.swipe("CARD1")
    assert bench.feedback() == ["rejected", "accepted"]


def test_another_electrical_limit_acts_at_once_and_is_a_security_event():
    bench = Bench().ready().charge()
    assert bench.setpoint.amps == 16
    changed(bench, electrical=Electrical(max_current_a=10))
    assert bench.setpoint.amps == 10
    assert "10.0 A, the installer's limit" in bench.cp.view().limit_sentence
    changed(bench, electrical=Electrical(max_current_a=40))
    assert bench.setpoint.amps == 32  # what the hardware allows
    told = [event.tech_info for event in bench.store.security_events() if event.type.startswith("Reconfiguration")]
    assert told[-1] == "max_current_a 10 → 40, by a person at the station"
    assert len(told) == 2
