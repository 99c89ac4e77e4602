"""Whole sessions with every combination of families that an installer may choose: the bytes of each, one behaviour."""

from __future__ import annotations

import pytest

from tests.scenarios.rig import StationRig

TAG = "010063E9AE"


@pytest.mark.parametrize("board", ["openevse", "evse_din"])
@pytest.mark.parametrize(("meter", "step_wh"), [("sdm120", 1), ("orno514", 10)])
@pytest.mark.parametrize(("reader", "card"), [("pn532", "04A1B2C3"), ("rdm6300", TAG), ("ascii", "any text")])
def test_a_session_from_plug_to_stop_has_the_right_energy(
    board: str, meter: str, step_wh: int, reader: str, card: str
) -> None:
    rig = StationRig(board=board, meter=meter, reader=reader)
    rig.plug()
    rig.until(lambda: rig.status() == "Preparing")
    rig.swipe(card)
    rig.until(lambda: rig.status() == "Charging", 30)
    rig.run(60)
    rig.swipe(card)
    rig.until(lambda: bool(rig.of("StopTransaction")), 30)
    start, stop = rig.of("StartTransaction")[0], rig.of("StopTransaction")[0]
    assert start["idTag"] == card
    assert stop["reason"] == "Local"
    truth_wh = rig.simulation.metrology.energy_wh
    assert truth_wh - step_wh <= stop["meterStop"] <= truth_wh
    assert not rig.simulation.world.energised
    rig.unplug()
    rig.until(lambda: rig.status() == "Available")
