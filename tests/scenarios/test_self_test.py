"""The self-test of the box through the real drivers: what it finds, what it says, and that it leaves the box safe."""

from __future__ import annotations

import pytest

from hardware.self_test import Check, Energy, Facts, RestartBoard, SelfTest, TryDetector, Verdict
from ocppclient.events import MaintenanceBegan, MaintenanceEnded
from tests.scenarios.rig import CARD, StationRig


class Examiner:
    """Runs one self-test on a rig, as the worker does."""

    def __init__(self, rig: StationRig, **options) -> None:
        self.rig = rig
        self.test = SelfTest(230.0, **options)
        self.cards: tuple[str, ...] = ()
        rig.attendant = self
        rig._inbox.append(lambda: rig.bench.do(MaintenanceBegan("self-test")))

    def tick(self) -> None:
        box = self.rig.box
        facts = Facts(self.rig.threads.now, box.reading, box.board, box.health(), box.board_restarts, self.cards)
        match self.test.step(facts):
            case Energy(amps):
                box.setpoint(amps, amps > 0)
            case RestartBoard():
                box.reset_board()
            case TryDetector():
                box.test_detector()

    def take_card(self, id_tag: str) -> bool:
        self.cards += (id_tag,)
        return True

    def finish(self) -> dict[str, Check]:
        self.rig.until(lambda: self.test.done, 200)
        self.rig.attendant = None
        self.rig.bench.do(MaintenanceEnded())
        return {check.name: check for check in self.test.checks}


def verdicts(checks: dict[str, Check]) -> dict[str, str]:
    return {name: str(check.verdict) for name, check in checks.items()}


def box_is_safe(rig: StationRig) -> None:
    assert rig.state["mode"] in ("sleeping", "fault")
    assert not rig.state["relay"] or "weld" in rig.state["faults"]
    assert not rig.of("StartTransaction")


def test_with_a_car_and_a_card_everything_is_tested_with_its_number():
    rig = StationRig()
    rig.plug()
    rig.until(lambda: rig.status() == "Preparing")
    examiner = Examiner(rig)
    rig.until(lambda: rig.status() == "Unavailable")
    rig.swipe()
    checks = examiner.finish()
    assert set(verdicts(checks).values()) == {"passed"}, [c for c in checks.values() if c.verdict != "passed"]
    assert list(checks) == [
        "board", "board_self_test", "protection", "boot_lock", "pilot", "contactor_closes", "meter_counts",
        "contactor_opens", "temperature", "meter", "mains", "reader", "card",
    ]  # fmt: skip
    assert checks["board"].measured == "openevse 8.2.3"
    assert checks["card"].measured == CARD
    assert checks["meter_counts"].measured.startswith("1 Wh at 5.")
    assert checks["meter_counts"].measured.endswith(" A")
    assert "V" in checks["mains"].measured
    assert checks["temperature"].measured == "25 °C"
    assert checks["contactor_opens"].measured.endswith("0.0 A")
    assert rig.state["energy_wh"] <= 3
    box_is_safe(rig)
    rig.until(lambda: rig.status() == "Preparing")
    assert rig.error_codes() == {"NoError"}


def test_the_meter_is_not_waited_for_again_after_it_has_been_read_for_the_open_contactor():
    rig = StationRig()
    rig.plug()
    rig.until(lambda: rig.status() == "Preparing")
    examiner = Examiner(rig)
    rig.until(lambda: rig.status() == "Unavailable")
    rig.swipe()
    rig.until(lambda: any(check.name == "contactor_opens" for check in examiner.test.checks), 100)
    before = rig.threads.now
    checks = examiner.finish()
    assert checks["meter"].verdict is Verdict.PASSED
    assert rig.threads.now - before < 1


def test_a_meter_that_falls_silent_during_the_test_fails_though_it_was_read_before():
    rig = StationRig()
    rig.plug()
    examiner = Examiner(rig)
    rig.until(lambda: rig.reading.contactor_closed and rig.reading.meter is not None, 60)
    rig.link("meter", "mute")
    checks = examiner.finish()
    assert checks["meter"].verdict is Verdict.FAILED
    box_is_safe(rig)


def test_without_a_car_and_a_card_what_needs_them_is_skipped_with_what_to_do():
    rig = StationRig()
    checks = Examiner(rig).finish()
    assert {name for name, verdict in verdicts(checks).items() if verdict != "passed"} == {
        "contactor_closes", "meter_counts", "card",
    }  # fmt: skip
    assert all(c.verdict is Verdict.SKIPPED and c.cure for c in checks.values() if c.verdict != Verdict.PASSED)
    assert checks["pilot"].measured.startswith("A, 12 V")
    box_is_safe(rig)
    rig.until(lambda: rig.status() == "Available")


@pytest.mark.parametrize(
    ("fault", "value", "failed"),
    [
        ("gfci_test_fail", None, "board_self_test"),
        ("no_ground", None, "board_self_test"),
        ("weld", None, "board_self_test"),
        ("reset_fails", None, "board_self_test"),
        ("relay_open", None, "contactor_closes"),
        ("pilot_short", None, "pilot"),
        ("overtemp", 66, "temperature"),
        ("overvoltage", None, "mains"),
        ("meter_exception", None, "meter"),
    ],
)
def test_each_defect_fails_its_check_with_a_cure(fault, value, failed):
    rig = StationRig()
    rig.plug()
    rig.until(lambda: rig.status() == "Preparing")
    rig.fault(fault, value)
    rig.run(12 if fault.startswith("meter") else 1)
    checks = Examiner(rig).finish()
    assert checks[failed].verdict is Verdict.FAILED
    assert checks[failed].measured
    assert checks[failed].cure.endswith(".")
    box_is_safe(rig)


def test_a_meter_that_stands_still_while_current_flows_fails():
    rig = StationRig()
    rig.plug()
    examiner = Examiner(rig)
    rig.until(lambda: rig.reading.contactor_closed and (rig.reading.meter.current_a or 0) > 1, 60)
    rig.fault("meter_freeze")
    checks = examiner.finish()
    assert checks["meter_counts"].verdict is Verdict.FAILED
    assert checks["meter_counts"].measured.startswith("0 Wh at ")
    box_is_safe(rig)


@pytest.mark.parametrize(("port", "failed"), [("board", "board"), ("meter", "meter"), ("reader", "reader")])
def test_a_silent_line_fails_its_device_and_the_rest_is_tested(port, failed):
    rig = StationRig()
    rig.link(port, "mute")
    rig.run(15)
    checks = Examiner(rig).finish()
    assert [name for name, verdict in verdicts(checks).items() if verdict == "failed"] == [failed]
    assert "reader" in checks
    if port == "meter":
        unseen = checks["contactor_opens"]
        assert (unseen.verdict, unseen.measured) == (Verdict.SKIPPED, "open; the current was not measured")
    rig.link(port, "ok")
    rig.run(15)
    box_is_safe(rig)


def test_switched_off_checks_of_the_board_fail():
    rig = StationRig()
    rig.simulation.board.eeprom.flags |= 0x0200
    rig.run(6)
    checks = Examiner(rig).finish()
    assert checks["protection"].verdict is Verdict.FAILED
    assert "leakage detector" in checks["protection"].measured


def test_the_second_family_is_tested_as_far_as_it_can():
    rig = StationRig(board="evse_din", meter="orno514", reader="rdm6300")
    rig.plug()
    rig.until(lambda: rig.status() == "Preparing")
    checks = Examiner(rig, board_restarts=False).finish()
    assert {name for name, verdict in verdicts(checks).items() if verdict != "passed"} == {
        "boot_lock", "temperature", "card",
    }  # fmt: skip
    assert all(check.verdict is not Verdict.FAILED for check in checks.values())
    assert 29 < float(checks["board_self_test"].measured.removesuffix(" s")) < 35
    assert not rig.state["relay"]


def test_a_leakage_detector_that_does_not_trip_fails_and_stays_a_fault_until_a_test_passes():
    rig = StationRig(board="evse_din", meter="orno514", reader="rdm6300")
    rig.until(lambda: rig.status() == "Available")
    rig.fault("gfci_test_fail")
    check = Examiner(rig, board_restarts=False).finish()["board_self_test"]
    assert check.verdict is Verdict.FAILED
    assert check.measured.startswith("failed after ")
    assert check.cure.endswith("replace it.")
    rig.run(60)  # the board has forgotten by now, the station has not
    assert rig.status() == "Faulted"
    rig.plug()
    rig.swipe()
    rig.run(20)
    assert not rig.state["relay"]
    assert not rig.of("StartTransaction")
    rig.clear("gfci_test_fail")
    rig.unplug()
    rig.run(5)
    assert Examiner(rig, board_restarts=False).finish()["board_self_test"].verdict is Verdict.PASSED
    rig.until(lambda: rig.status() == "Available")


def test_a_board_without_a_leakage_detector_says_so():
    rig = StationRig(board="evse_din", meter="orno514", reader="rdm6300")
    rig.simulation.board._eeprom[5] &= ~0x0010  # 2005, bit 4
    rig.run(70)  # the settings are read once a minute
    check = Examiner(rig, board_restarts=False).finish()["board_self_test"]
    assert (check.verdict, check.measured) == (Verdict.SKIPPED, "no detector")
