"""The button of the panel, held at the real processes: the lamps tell the stage, letting go asks for it."""

from __future__ import annotations

from tests.journeys.rig import RigMaker
from tests.journeys.station import until


def test_a_held_button_is_shown_heard_and_answered_with_its_reason(make_rig: RigMaker):
    rig = make_rig({})
    rig.start()
    lamps = ("red", "green", "blue")
    rig.sim.wait(lambda s: s["panel"]["green"] and not s["panel"]["red"], 20, "available")
    until(lambda: "button=0" in str(rig.sim.log()), 10, "the button was seen up: one that is down at the start is none")
    rig.sim.fault("button")
    rig.sim.wait(lambda s: all(s["panel"][lamp] for lamp in lamps), 20, "the lamps blink white after 5 s")
    rig.sim.fault("button", active=False)
    rig.sim.wait(lambda s: s["panel"]["red"] and not s["panel"]["green"], 10, "refused: red")
    until(lambda: "does not rule the network of its computer" in rig.station.log(), 10, "the reason is noted")
