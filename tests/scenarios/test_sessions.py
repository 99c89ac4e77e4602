"""Sessions of hardware.md section 10.4, from the bytes on the lines to the messages of the backend."""

from __future__ import annotations

from tests.scenarios.rig import CARD, StationRig


def test_a_card_starts_and_stops_a_session():
    rig = StationRig()
    rig.charge()
    (start,) = rig.of("StartTransaction")
    assert start["idTag"] == CARD
    rig.run(60)
    rig.swipe()
    rig.until(lambda: rig.stop is not None)
    assert rig.stop["reason"] == "Local"
    assert rig.stop["meterStop"] == rig.state["energy_wh"] > start["meterStart"]
    assert rig.status() == "Finishing"
    rig.unplug()
    rig.until(lambda: rig.status() == "Available")
