"""A reservation and the death of the station's computer; the cases are in tests/conformance/test_reservation.py."""

from __future__ import annotations

from tests.journeys.backend import Silence
from tests.journeys.rig import RigMaker
from tests.journeys.station import until


def test_a_reservation_outlives_the_death_of_the_computer(make_rig: RigMaker):
    """RSV-11: SIGKILL of the whole process group while reserved, with a car that comes meanwhile"""
    rig = make_rig()
    rig.start()
    assert rig.reserve(17) == "Accepted"
    rig.backend.wait_status("Reserved")
    rig.station.kill()
    rig.backend.skip()
    rig.station.start()
    rig.wait_online("Reserved")
    rig.sim.plug()
    rig.swipe(rig.other_card)
    rig.backend.expect_no("Authorize", 0.5)
    assert rig.status() == "Reserved"
    rig.swipe()
    start = rig.wait_started().start.payload
    assert (start["idTag"], start["reservationId"]) == (rig.card, 17)
    rig.backend.wait_status("Charging", timeout_s=15)


def test_a_reservation_that_is_used_up_does_not_come_back_after_the_death_of_the_computer(make_rig: RigMaker):
    """RSV-06, RSV-08: SIGKILL right after the start, before the backend has answered it"""
    rig = make_rig()
    rig.start()
    assert rig.reserve(18) == "Accepted"
    rig.backend.wait_status("Reserved")
    rig.backend.answer_next("StartTransaction", Silence())
    rig.swipe()
    rig.sim.plug()
    first = rig.backend.next("StartTransaction", 15)
    rig.station.kill()
    rig.backend.skip()
    rig.station.start()
    rig.wait_online(None)
    again = rig.backend.next("StartTransaction", 15)
    assert again.text == first.text, "the same id and every byte"
    assert again.payload["reservationId"] == 18
    assert rig.backend.next("StopTransaction", 15).payload["reason"] == "PowerLoss"
    until(lambda: rig.status() in ("Finishing", "Preparing"), 10, "the status of the plugged connector")
    assert rig.command("CancelReservation", reservationId=18) == "Rejected"
