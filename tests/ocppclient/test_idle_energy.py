"""Energy outside sessions is told once, and a session accounts for its own."""

from __future__ import annotations

from tests.ocppclient.harness import Bench


def told(bench: Bench) -> list[str]:
    return [rule for rule in bench.reasons() if "outside a session" in rule]


def test_a_session_accounts_for_its_own_energy():
    """P7"""
    bench = Bench().ready().charge()
    bench.read(energy_wh=9000)
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.settle()
    bench.read(energy_wh=9019)  # a step of a coarse meter
    bench.wait(5)
    assert not told(bench)


def test_energy_that_flowed_while_the_station_was_off_is_told_once():
    """P7, hardware.md section 2.6: a board without boot lock"""
    bench = Bench().ready()
    bench.reboot(60)
    bench.read(energy_wh=1500)
    assert told(bench) == ["500 Wh flowed outside a session, perhaps while the station was off."]
    bench.wait(5)
    bench.reboot(60)
    bench.read(energy_wh=1500)
    assert len(told(bench)) == 1


def test_energy_after_a_session_that_a_power_cut_ended_is_not_told_twice():
    """P7: what recovery puts into the session is accounted for"""
    bench = Bench().ready().charge()
    bench.read(energy_wh=1200)
    bench.reboot(60)
    bench.read(energy_wh=1210)
    bench.wait(40)
    assert not told(bench)


def test_another_register_that_shows_less_is_the_new_beginning():
    """F21"""
    bench = Bench().ready()
    bench.reboot()
    bench.read(energy_wh=5)
    bench.reboot()
    bench.read(energy_wh=15)
    assert not told(bench)
