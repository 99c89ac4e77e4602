"""How the former run ended: an asked-for end and a power cut are no crash, everything else on the same machine is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from ocppclient.memory_store import MemoryStore
from station import in_force, last_run, provisioning
from tests.appliance import disk_store
from tests.station.test_cards import configure

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_run_that_was_asked_to_end_is_no_crash() -> None:
    store = MemoryStore()
    assert not last_run.begin(store, "boot 1", NOW)
    last_run.end(store)
    assert not last_run.begin(store, "boot 1", NOW)


def test_a_run_that_ended_without_a_goodbye_on_the_same_machine_was_a_crash() -> None:
    store = MemoryStore()
    last_run.begin(store, "boot 1", NOW)
    assert last_run.begin(store, "boot 1", NOW + timedelta(hours=1))
    assert last_run.crashes(store.value(last_run.CRASHES)) == [NOW + timedelta(hours=1)]


def test_a_power_cut_and_a_machine_that_cannot_be_told_apart_are_no_crash() -> None:
    store = MemoryStore()
    last_run.begin(store, "boot 1", NOW)
    assert not last_run.begin(store, "boot 2", NOW)
    assert not last_run.begin(store, "", NOW)
    assert not last_run.begin(store, "", NOW)
    assert last_run.crashes(store.value(last_run.CRASHES)) == []


def test_only_the_last_crashes_are_kept() -> None:
    store = MemoryStore()
    for hour in range(30):
        last_run.begin(store, "boot 1", NOW + timedelta(hours=hour))
    kept = last_run.crashes(store.value(last_run.CRASHES))
    assert (len(kept), kept[-1]) == (20, NOW + timedelta(hours=29))


def test_the_machine_has_a_name_for_its_present_run() -> None:
    assert last_run.machine_boot() == last_run.machine_boot()


def test_settings_of_the_hardware_wait_for_the_next_start() -> None:
    configure(hardware={"board": "openevse", "board_port": "/dev/a"})
    assert not in_force.wait_for_start(), "no start has been noted"
    disk_store().set_value(in_force.VALUE, in_force.stored())
    assert not in_force.wait_for_start()
    provisioning.save_hardware({"board_port": "/dev/b"})
    assert in_force.wait_for_start()
    provisioning.save_hardware({"board_port": "/dev/a"})
    assert not in_force.wait_for_start()
