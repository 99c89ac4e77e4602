"""Boot safety (hardware.md sections 2.5, 2.6 and 10.4): what the board does by itself, what the host makes of it."""

from __future__ import annotations

import pytest

from hardware import rapi
from tests.scenarios.rig import StationRig


def commands(rig: StationRig, since: int = 0) -> list[str]:
    """What the host sent to the board, without sequence ids."""
    decoder = rapi.BoardDecoder()
    sent = b"".join(e.data for e in rig.simulation.log.since(since) if (e.port, e.sender) == ("board", "host"))
    return [" ".join((c.name, *c.params)) for c in decoder.feed(sent) if isinstance(c, rapi.Command)]


BUILDS = pytest.mark.parametrize(
    "build",
    [{"boot_lock": True}, {"boot_lock": False, "auth_lock": True}, {"boot_lock": False}],
    ids=["boot lock", "authorisation lock", "no lock"],
)


@BUILDS
def test_a_power_cut_with_a_plugged_car_gives_no_energy_while_the_host_is_up(build):
    rig = StationRig(**build)
    rig.plug()
    rig.until(lambda: rig.status() == "Preparing")
    rig.call("/power_cut", seconds=5)
    rig.run(60)
    assert rig.state["energy_wh"] == 0
    assert rig.state["mode"] == "sleeping"
    assert rig.state["plugged"]


def test_a_boot_locked_board_gives_nothing_however_late_the_host_comes():
    rig = StationRig(start=False, car="plugged")
    rig.run(60)
    assert rig.metrology_wh == 0
    rig.start_host()
    rig.until(lambda: rig.status() == "Preparing")
    assert rig.metrology_wh == 0
    order = commands(rig)
    assert order.index("FS") < order.index("SB"), "it wakes up asleep"
    assert "FE" not in order
    assert rig.health("board").error == ""


def test_a_board_with_an_authorisation_lock_gives_nothing_however_late_the_host_comes():
    rig = StationRig(start=False, car="plugged", boot_lock=False, auth_lock=True)
    rig.run(60)
    assert rig.metrology_wh == 0
    assert rig.state["mode"] == "locked"
    rig.start_host()
    rig.until(lambda: rig.status() == "Preparing")
    rig.run(20)
    assert rig.metrology_wh == 0
    assert rig.box.board.boot_safe
    assert rig.health("board").error == ""
    assert "S4 0" not in commands(rig), "nobody was authorised"


def test_an_authorisation_lock_is_opened_for_each_session_and_closes_behind_each_car():
    rig = StationRig(boot_lock=False, auth_lock=True)
    for number in (1, 2):
        since = rig.simulation.log.last_seq
        rig.charge()
        rig.run(10)
        order = commands(rig, since)
        assert order.index("S4 0") < order.index("FE")
        rig.swipe()
        rig.until(lambda n=number: len(rig.of("StopTransaction")) == n)
        rig.unplug()
        rig.until(lambda: rig.status() == "Available")
        rig.simulation.board.controller.enable()  # somebody wakes it by its button
        rig.until(lambda: rig.state["board"]["auth_locked"], 5)


@BUILDS
def test_a_session_goes_on_after_a_power_cut_and_no_energy_is_lost_or_unaccounted(build):
    rig = StationRig(**build)
    rig.charge()
    rig.run(10)
    rig.call("/power_cut", seconds=3)
    rig.until(lambda: not rig.state["relay"], 2)
    rig.until(lambda: rig.state["current_a"] > 4, 40)
    rig.run(10)
    rig.swipe()
    rig.until(lambda: rig.stop is not None)
    assert rig.stop["reason"] == "Local"
    assert rig.stop["meterStop"] == rig.metrology_wh
    assert rig.error_codes() <= {"NoError", "InternalError", "PowerMeterFailure", "ReaderFailure"}


@BUILDS
def test_the_host_that_dies_with_the_mains_accounts_for_all_energy(build):
    """2.6: with a lock nothing flows before the host is back; without one what flowed is measured and told."""
    rig = StationRig(**build)
    rig.charge()
    rig.run(10)
    rig.kill_host()
    rig.call("/power_cut", seconds=3)
    at_cut_wh = rig.metrology_wh
    rig.run(40)
    flowed_wh = rig.metrology_wh - at_cut_wh
    assert (flowed_wh == 0) == any(build.values())
    rig.start_host()
    rig.until(lambda: rig.stop is not None, 30)
    rig.until(lambda: not rig.state["relay"], 10)
    assert rig.stop["reason"] == "PowerLoss"
    rig.run(20)
    told = sum(int(rule.split()[0]) for rule in rig.bench.reasons() if "outside a session" in rule)
    assert abs(rig.stop["meterStop"] + told - rig.metrology_wh) <= 20, "billed or told, nothing vanishes"


def test_a_board_without_boot_lock_charges_until_the_host_comes_and_the_station_says_so():
    rig = StationRig(start=False, car="plugged", boot_lock=False)
    rig.run(40)
    assert rig.state["relay"]
    rig.start_host()
    rig.until(lambda: not rig.state["relay"], 10)
    rig.until(lambda: rig.status() == "Preparing")
    gone_wh = rig.metrology_wh
    assert gone_wh > 50
    rig.run(30)
    assert rig.metrology_wh == gone_wh
    assert "boot lock" in rig.health("board").error


def test_energy_that_flowed_without_the_host_is_measured_and_told():
    rig = StationRig(boot_lock=False)
    rig.charge()
    rig.run(20)
    rig.swipe()
    rig.until(lambda: rig.status() == "Finishing")
    rig.stop_host()
    before_wh = rig.metrology_wh
    rig.call("/power_cut", seconds=1)
    rig.run(60)
    assert rig.state["relay"]
    rig.start_host()
    rig.until(lambda: rig.status() == "Preparing")
    rig.run(10)
    (told,) = [rule for rule in rig.bench.reasons() if "outside a session" in rule]
    assert abs(int(told.split()[0]) - (rig.metrology_wh - before_wh)) <= 20
    assert len(rig.of("StopTransaction")) == 1


@BUILDS
@pytest.mark.parametrize(
    ("fault", "error_code"),
    [("no_ground", "GroundFailure"), ("weld", "PowerSwitchFailure"), ("gfci_test_fail", "GroundFailure")],
)
def test_a_fault_present_at_boot_is_told_and_never_masked(fault, error_code, build):
    rig = StationRig(start=False, **build)
    rig.fault(fault)
    rig.call("/power_cut", seconds=1)
    rig.run(5)
    since = rig.simulation.log.last_seq
    rig.start_host()
    rig.until(lambda: rig.status() == "Faulted", 20)
    assert rig.told()["errorCode"] == error_code
    rig.run(30)
    assert rig.status() == "Faulted"
    assert not {"FS", "FD", "FE", "SB"} & set(commands(rig, since))
    rig.clear(fault)
    rig.box.reset_board()
    rig.until(lambda: rig.status() == "Available" and rig.told()["errorCode"] == "NoError", 30)


def test_a_fault_found_by_the_self_test_of_a_reboot_under_a_session_ends_it():
    rig = StationRig()
    rig.charge()
    rig.fault("no_ground")
    rig.call("/power_cut", seconds=2)
    rig.until(lambda: rig.status() == "Faulted", 20)
    rig.until(lambda: rig.stop is not None, 5)
    assert rig.told()["errorCode"] == "GroundFailure"


def test_the_limit_of_a_session_is_told_again_after_a_power_cut():
    rig = StationRig()
    rig.charge()
    rig.limit(20)
    rig.until(lambda: rig.state["offered_a"] == 20, 10)
    rig.call("/power_cut", seconds=3)
    offered = set()
    rig.run(3)
    for _ in range(300):
        rig.run(0.1)
        offered.add(rig.state["offered_a"])
    assert rig.state["relay"]
    assert offered == {0.0, 20.0}, "never the maximum of the board's own memory"
    assert rig.stop is None


def test_a_lost_host_limits_the_board_to_six_ampere_and_the_limit_comes_back_with_it():
    """The heartbeat cannot open the contactor; it limits (2.5, trap 1). The acknowledgement restores the EEPROM's."""
    rig = StationRig()
    rig.charge()
    rig.limit(20)
    rig.until(lambda: rig.state["offered_a"] == 20, 10)
    rig.link("board", "mute", seconds=15)
    rig.run(11)
    assert rig.state["offered_a"] == 6
    assert rig.state["relay"]
    offered = set()
    for _ in range(150):
        rig.run(0.1)
        offered.add(rig.state["offered_a"])
    assert rig.state["offered_a"] == 20
    assert rig.state["board"]["heartbeat_trips"] == 1
    assert rig.stop is None


def test_a_killed_host_leaves_six_ampere_and_resynchronises_within_seconds():
    rig = StationRig()
    rig.charge()
    rig.kill_host()
    rig.run(15)
    assert rig.state["offered_a"] == 6
    rig.start_host()
    rig.until(lambda: not rig.state["relay"], 5)
    rig.until(lambda: rig.stop is not None, 20)
    assert rig.stop["reason"] == "PowerLoss"
    assert rig.stop["meterStop"] == rig.metrology_wh


def test_an_orderly_stopped_host_leaves_an_idle_board_asleep_and_a_charging_one_charging():
    rig = StationRig()
    rig.plug()
    rig.until(lambda: rig.status() == "Preparing")
    rig.stop_host()
    assert rig.state["mode"] == "sleeping"
    rig = StationRig()
    rig.charge()
    rig.stop_host()
    rig.run(20)
    assert rig.state["relay"]
    assert rig.state["offered_a"] == 6


def test_supervision_by_the_board_is_restored_when_somebody_switched_it_off():
    rig = StationRig()
    rig.charge()
    rig.simulation.board.eeprom.heartbeat_s = 0
    rig.until(lambda: rig.state["board"]["heartbeat_s"] == 10, 10)
    rig.simulation.board.eeprom.heartbeat_a = 32
    rig.until(lambda: rig.simulation.board.eeprom.heartbeat_a == 6, 10)
    assert rig.error_codes() == {"NoError"}


def test_safety_checks_that_are_switched_off_in_the_board_are_named():
    rig = StationRig()
    rig.simulation.board.eeprom.flags |= 0x0002 | 0x0008
    rig.until(lambda: "diode, earth" in rig.health("board").error, 10)
