"""The simulated OpenEVSE says, byte by byte, what the firmware says (hardware.md, sections 2 and 10.1)."""

import pytest

from hardware.simulator.openevse_build import BoardBuild
from tests.hardware.simulator.rig import Rig

LOCKED = BoardBuild(boot_lock=True)


def test_the_golden_session_of_the_reference():
    rig = Rig()
    rig.run(3.0)
    assert rig.said() == "(relay) $AT 00 00 0 0200^03 $AB 00 8.2.3^1E $AT 01 01 16 0200^34"
    assert rig.ask("FS") == "$OK^20 $AT fe 01 16 0200^36"

    rig.simulation.world.plug({})
    rig.run(0.5)
    assert rig.said().startswith("$AT fe 01 16 0300^")
    assert rig.ask("SC 16 V") == "$OK 16^07"
    assert rig.ask("FE") == "$OK^20"
    rig.run(0.6)
    assert rig.said().startswith("$AT 02 02 16 0700^")

    took_s = rig.run_until(lambda: rig.board_state() == "C")
    assert 1.5 <= took_s <= 4.0  # S2 delay, debounce, GFI self-test
    said = rig.said()
    assert said.startswith("(relay) $AT 03 03 16 0540^")

    rig.run(125.1)
    assert rig.ask("GS").startswith("$OK 03 125 03 0540^")
    assert rig.ask("FS").startswith("$OK^20 $AT fe 03 16 0540^")
    rig.run_until(lambda: rig.flags() == "0500", within_s=3.5)

    rig.simulation.world.ev.unplug()
    rig.run(0.02)
    assert rig.said().startswith("$AT fe 03 16 0600^")
    rig.run(0.1)
    assert rig.flags() == "0200"


def test_a_sequence_id_is_echoed_and_a_bad_checksum_is_refused_without_one():
    rig = Rig()
    rig.run(3.0)
    rig.said()
    rig.send("board", b"$GV :21^2C\r")
    assert rig.listen("board") == b"$OK 8.2.3 5.2.1 :21^36\r"
    rig.send("board", b"$GV :21^00\r")
    assert rig.listen("board") == b"$NK^21\r"
    rig.send("board", b"noise $GX $S3 4\r")
    assert rig.listen("board") == b"$NK^21\r"
    rig.send("board", b"$FP 0 0 12345678901234567890123456789\r")  # too long: dropped without a word
    assert rig.listen("board") == b""


def test_a_locked_board_charges_nothing_until_the_host_unlocks_it():
    rig = Rig(build=LOCKED, car="plugged")
    rig.run(30)
    assert rig.said() == "(relay) $AT 00 00 0 4200^07 $AB 00 8.2.3^1E"
    assert rig.flags() == "4200"
    assert not rig.state["relay"]
    assert rig.ask("FS").startswith("$OK^20 $AT fe 00 16 4200^")
    assert rig.ask("SB") == "$OK 0^30"
    rig.run(5)
    assert rig.flags() == "0700"
    assert not rig.state["relay"]


def test_a_board_without_lock_charges_a_plugged_car_by_itself_after_a_power_cut():
    rig = Rig(car="plugged")
    rig.run(8)
    assert rig.state["relay"]
    assert rig.ask("SB") == "$NK^21"


def test_the_board_is_deaf_during_its_self_test_and_answers_what_waited_in_the_fifo():
    rig = Rig()
    rig.run(0.5)
    rig.said()
    rig.send("board", b"$GV^35\r" * 12)  # 84 bytes: the FIFO holds 64
    rig.run(1.0)
    assert rig.said() == ""
    rig.run(1.0)
    assert rig.said().count("$OK 8.2.3 5.2.1") == 9


@pytest.mark.parametrize(
    ("fault", "post", "flags"), [("no_ground", "07", "0202"), ("weld", "08", "0202"), ("gfci_test_fail", "09", "0202")]
)
def test_a_fault_present_at_boot_stops_the_board_until_it_is_reset(fault: str, post: str, flags: str):
    rig = Rig()
    rig.fault(fault)
    rig.run(3.0)
    said = rig.said()
    assert f"$AB {post} 8.2.3" in said
    assert f"$AT {post} 00 16 {flags}" in said
    rig.fault(fault, active=False)
    rig.run(5)
    assert rig.ask("GS").startswith(f"$OK {post} ")
    assert rig.ask("FR") == ""
    rig.run(3)
    assert "$AB 00 8.2.3" in rig.said()


def test_a_ground_fault_is_retried_six_times_then_it_is_hard_until_the_car_is_unplugged():
    rig = Rig()
    rig.start_charging()
    for trip in range(1, 8):
        rig.fault("ground_fault", value=30)
        rig.run(0.1)
        assert not rig.state["relay"]
        said = rig.said()
        assert "$AT 06 03 16 " in said
        assert rig.ask("GF").startswith(f"$OK {trip:x} 0 0^")
        rig.fault("ground_fault", active=False)
        if trip < 7:
            rig.run(299, tick_s=0.1)
            assert rig.board_state() == "GFCI"
            rig.run(12, tick_s=0.1)
            assert rig.board_state() == "C"
            rig.said()
    assert int(rig.flags(), 16) & 0x0002
    rig.run(700, tick_s=0.5)
    assert rig.board_state() == "GFCI"
    rig.simulation.world.ev.unplug()
    rig.run(0.5)
    assert rig.board_state() == "A"
    assert rig.stored["board"]["trips_gfi"] == 7


def test_a_fault_within_two_seconds_of_closing_is_hard_at_once():
    rig = Rig()
    rig.boot()
    rig.fault("ground_fault", value=30)
    rig.simulation.world.plug({})
    rig.ask("FE")
    rig.run(6)
    assert rig.board_state() == "GFCI"
    assert rig.state["board"]["hard_fault"]
    rig.fault("ground_fault", active=False)
    rig.run(400, tick_s=0.5)
    assert rig.board_state() == "GFCI"


@pytest.mark.parametrize(
    ("fault", "value", "state"),
    [
        ("no_ground", 0, "NO_GROUND"),
        ("overtemp", 72, "OVER_TEMP"),
        ("diode_short", 0, "DIODE"),
        ("vent", 0, "VENT_REQUIRED"),
    ],
)
def test_a_fault_while_charging_opens_the_contactor_and_ends_by_unplugging(fault: str, value: float, state: str):
    rig = Rig()
    rig.start_charging()
    rig.fault(fault, value=value)
    rig.run(1.5)
    assert rig.board_state() == state
    assert not rig.state["relay"]
    assert rig.current_a == 0
    rig.fault(fault, active=False)
    rig.run(6)
    assert rig.board_state() == state
    rig.simulation.world.ev.unplug()
    rig.run(1)
    assert rig.board_state() == "A"


def test_a_contactor_that_never_closes_and_one_that_never_opens_are_found():
    rig = Rig()
    rig.boot()
    rig.fault("relay_open")
    rig.simulation.world.plug({})
    rig.ask("FE")
    rig.run(6)
    assert rig.board_state() == "RELAY_CLOSURE"
    assert not rig.state["relay"]
    rig.fault("relay_open", active=False)
    rig.ask("FR")
    rig.run(3)
    rig.fault("weld")
    rig.run(2)
    assert rig.board_state() == "STUCK_RELAY"
    assert rig.state["relay"]
    assert rig.ask("GF").startswith("$OK 0 0 1^")


def test_the_gfi_self_test_before_closing_can_fail():
    rig = Rig()
    rig.boot()
    rig.fault("gfci_test_fail")
    rig.simulation.world.plug({})
    rig.ask("FE")
    rig.run(6)
    assert rig.board_state() == "GFI_TEST"


def test_sleep_masks_a_fault_as_the_real_firmware_does():
    rig = Rig()
    rig.start_charging()
    rig.fault("vent")
    rig.run(1)
    assert rig.board_state() == "VENT_REQUIRED"
    assert rig.ask("FS").startswith("$OK^20 $AT fe")


def test_unplugging_under_load_opens_the_contactor_within_100_ms():
    rig = Rig()
    rig.start_charging()
    rig.simulation.world.ev.unplug()
    assert rig.run_until(lambda: not rig.state["relay"]) <= 0.1
    assert "$AT 01 01 16 0" in rig.said()


def test_without_pulses_the_board_falls_back_to_6_a_and_the_acknowledgement_restores_the_eeprom_limit():
    rig = Rig(max_current_a=32)
    rig.start_charging()
    assert rig.ask("SC 20 V").startswith("$OK 20")
    assert rig.ask("SY 10 6") == "$OK 10 6 0^07"
    for _ in range(5):
        rig.run(5)
        assert rig.ask("SY").startswith("$OK 10 6 0")
    rig.run(11)
    assert rig.pilot_a == 6
    assert "$AT 03 03 6 " in rig.said()
    assert rig.ask("SY").startswith("$NK 10 6 2")
    assert "$OK 10 6 1" in rig.ask("SY 165")
    assert rig.pilot_a == 32


def test_heartbeat_runs_in_real_time_however_fast_the_world_is():
    rig = Rig(speed=60)
    rig.start_charging()
    rig.ask("SY 10 6")
    rig.run(9)
    assert rig.pilot_a == 16
    rig.run(2)
    assert rig.pilot_a == 6


def test_a_heartbeat_above_65_s_overflows_as_in_the_firmware():
    rig = Rig()
    rig.start_charging()
    rig.ask("SY 66 6")
    rig.run(0.6)
    assert rig.pilot_a == 6


def test_a_sleeping_board_does_not_supervise_but_trips_at_once_on_waking():
    rig = Rig()
    rig.boot()
    rig.simulation.world.plug({})
    rig.ask("SY 10 6")
    rig.run(30)
    assert rig.ask("GY").startswith("$OK 10 6 0")
    rig.ask("FE")
    rig.run(1)
    assert rig.ask("GY").startswith("$OK 10 6 2")


@pytest.mark.parametrize(
    ("command", "answer"),
    [
        ("SC 16 V", "$OK 16^07"),
        ("SC 3 V", "$NK 6^37"),
        ("SC 80 V", "$NK 32"),
        ("SC 300 V", "$NK 32"),  # a byte: 44, then clamped
        ("SC 263 V", "$OK 7"),
    ],
)
def test_limits_are_clamped_and_volatile_ones_never_reach_the_eeprom(command: str, answer: str):
    rig = Rig(max_current_a=32)
    rig.boot()
    before = rig.stores
    assert rig.ask(command).startswith(answer)
    assert rig.stores == before
    assert rig.ask("GC").split()[4][:2] == "32"


def test_the_commissioned_limit_survives_a_power_cut_and_the_volatile_one_does_not():
    rig = Rig(max_current_a=32)
    rig.boot()
    rig.ask("SC 24")
    rig.ask("SC 10 V")
    rig.ask("SY 10 6")
    assert rig.ask("GC") == "$OK 6 80 10 24^19"
    again = Rig(rig.stored, max_current_a=32)
    again.boot()
    assert again.ask("GC") == "$OK 6 80 24 24^1E"
    assert again.ask("GY").startswith("$OK 10 6 0")


def test_the_hardware_maximum_can_be_burnt_once():
    rig = Rig(max_current_a=32)
    rig.boot()
    assert rig.ask("SC 20 M").startswith("$OK 20")
    assert rig.ask("SC 30 M").startswith("$NK 20")
    assert rig.ask("SC 32 V").startswith("$NK 20")


def test_heat_halves_and_quarters_the_offer_and_cooling_restores_the_eeprom_limit():
    rig = Rig(max_current_a=32)
    rig.start_charging()
    rig.ask("SC 30 V")
    rig.fault("overtemp", value=66)
    rig.run(0.5)
    assert rig.pilot_a == 16
    assert rig.ask("SC 30 V").startswith("$NK 16")
    rig.fault("overtemp", value=69)
    rig.run(0.5)
    assert rig.pilot_a == 8
    rig.fault("overtemp", value=63)
    rig.run(0.5)
    assert rig.pilot_a == 8
    rig.fault("overtemp", active=False)
    rig.run(0.5)
    assert rig.pilot_a == 32


def test_only_the_european_build_trips_on_over_current():
    for firmware, state in (("8.2.3", "C"), ("8.2.3.EU", "OVER_CURRENT")):
        rig = Rig(build=BoardBuild(firmware, boot_lock=False))
        rig.start_charging()
        rig.fault("overdraw", value=8)
        rig.run(15)
        assert rig.board_state() == state


def test_disable_opens_at_once_and_hides_the_car():
    rig = Rig()
    rig.start_charging()
    assert "$AT ff" in rig.ask("FD")
    rig.run(0.02)
    assert not rig.state["relay"]
    assert rig.state["cp"] == "F"
    assert rig.ask("G0").startswith("$OK 2")


def test_the_ammeter_steps_by_220_ma_and_energy_uses_the_supposed_voltage():
    rig = Rig()
    rig.start_charging()
    rig.run(60)
    milliamps, millivolts = (int(word) for word in rig.ask("GG").split("^")[0].split()[1:])
    assert milliamps % 220 == 0
    assert abs(milliamps / 1000 - rig.current_a) <= 0.11
    assert millivolts == 240_000
    rig.ask("SV 230000")
    assert rig.ask("GG").split("^")[0].endswith(" 230000")
    session_ws = int(rig.ask("GU").split()[1])
    assert 150_000 < session_ws < 260_000


def test_other_commands_answer_as_the_firmware_does():
    rig = Rig()
    rig.boot()
    assert rig.ask("GE") == "$OK 16 0021^24"
    assert rig.ask("GP").startswith("$OK 250 -2560 -2560")
    assert rig.ask("GI").startswith("$OK  W2ABC")
    assert rig.ask("GF").startswith("$OK 0 0 0")
    assert rig.ask("FF D 0") == "$OK^20"
    assert rig.ask("GE").startswith("$OK 16 0023")
    assert rig.ask("SL 1").startswith("$OK")
    assert rig.ask("SL X") == "$NK^21"
    for absent in ("G4", "S4 1", "G3", "S3 4", "SH 2", "GH", "ZZ", "SC x"):
        assert rig.ask(absent) == "$NK^21", absent
    rig.ask("FP 0 0 Hello\x11you")
    assert rig.state["board"]["display"][0] == "Hello you       "


def test_auto_detection_of_the_service_level_lands_on_level_1():
    rig = Rig(max_current_a=32)
    rig.boot()
    rig.ask("SL A")
    rig.ask("FR")
    rig.run(3)
    assert rig.ask("GC").startswith("$OK 6 80 24 24")
    assert rig.ask("GE").startswith("$OK 24 0000")


def test_a_reboot_while_charging_takes_three_seconds_and_answers_nothing():
    rig = Rig()
    rig.start_charging()
    assert rig.ask("FR") == ""
    rig.run(1)
    assert not rig.state["relay"] or rig.state["board"]["coil"]
    rig.run(4.5)
    assert "$AB 00 8.2.3" in rig.said()
