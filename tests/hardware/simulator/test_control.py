"""The control calls answer the new state at once, and say in a sentence what is wrong with a bad one."""

import json
from typing import Any

import pytest

from hardware import rapi
from tests.hardware.simulator.rig import Rig

NEEDED = (
    "ready plugged cp relay offered_a current_a power_w energy_wh faults voltage_v soc speed board meter reader links "
    "board_state uptime_s mode"
)


def call(rig: Rig, method: str, target: str, body: object = None) -> tuple[int, dict[str, Any]]:
    data = body if isinstance(body, bytes) else b"" if body is None else json.dumps(body).encode()
    reply = rig.control.call(method, target, data)
    return reply.status, json.loads(reply.body)


def post(rig: Rig, target: str, **body: object) -> dict[str, Any]:
    status, answer = call(rig, "POST", target, body)
    assert status == 200, answer
    return answer


def test_the_state_has_what_test_rigs_rely_on():
    status, state = call(Rig(), "GET", "/state")
    assert status == 200
    assert set(NEEDED.split()) <= set(state)
    assert (state["ready"], state["plugged"], state["cp"], state["relay"]) == (False, False, "A", False)
    assert state["energy_wh"] == 0
    assert state["mode"] == "booting"


def test_ready_means_a_valid_frame_came_and_the_self_test_is_over():
    rig = Rig()
    rig.send("board", rapi.encode_command("GV"))
    assert not rig.state["ready"]
    rig.run(3)
    assert rig.state["ready"]
    quiet = Rig()
    quiet.run(3)
    assert not quiet.state["ready"]


def test_plug_with_parameters_and_unplug():
    rig = Rig()
    state = post(rig, "/plug", plugged=True, ev={"ready_after_s": 2, "current_a": 10, "soc": 80})
    assert state["plugged"]
    assert state["cp"] == "B"
    assert (state["soc"], state["ev"]["current_a"], state["ev"]["ready_after_s"]) == (80, 10, 2)
    assert not post(rig, "/plug", plugged=False)["plugged"]
    assert post(rig, "/plug")["ev"]["current_a"] == 32  # a new car
    assert post(rig, "/ev", soc=55)["soc"] == 55
    assert not post(rig, "/unplug")["plugged"]


def test_commands_to_the_car():
    rig = Rig()
    rig.start_charging()
    assert post(rig, "/ev", command="pause")["ev"]["paused"]
    rig.run(2)
    assert rig.state["cp"] == "B"
    assert not post(rig, "/ev", command="resume")["ev"]["paused"]
    assert post(rig, "/ev", command="overdraw", value=3)["ev"]["overdraw_a"] == 3
    assert post(rig, "/ev", command="overdraw", active=False)["ev"]["overdraw_a"] == 0
    assert post(rig, "/ev", command="full")["soc"] == 100


def test_a_swipe_appears_on_the_reader_and_further_ones_wait():
    rig = Rig()
    assert post(rig, "/swipe", uid="04a1b2c3")["reader"]["card"] == "04A1B2C3"
    assert post(rig, "/swipe", uid="01020304", hold_ms=100)["reader"]["waiting"] == 1


def test_the_text_reader_takes_any_printable_text():
    rig = Rig(reader="ascii")
    assert post(rig, "/swipe", uid="Tag 7/x")["reader"]["card"] == "Tag 7/x"
    assert call(rig, "POST", "/swipe", {"uid": "käse"})[0] == 400


def test_faults_go_on_and_off_under_all_their_names():
    rig = Rig()
    assert post(rig, "/fault", name="relay_stuck", active=True)["faults"] == ["weld"]
    assert post(rig, "/fault", name="overtemp", value=68)["temperature_c"] == 68
    assert post(rig, "/fault", name="weld", active=False)["faults"] == ["overtemp"]
    assert post(rig, "/fault", name="overdraw", active=True, value=None)["ev"]["overdraw_a"] == 8
    status, kinds = call(rig, "GET", "/faults")
    assert status == 200
    assert {"weld", "meter_nan", "brownout"} <= set(kinds)
    for name, kind in kinds.items():
        state = post(rig, "/fault", name=name, active=True)
        assert (name in state["faults"]) != kind["happens_once"]
        rig.run(0.2)
        assert name not in post(rig, "/fault", name=name, active=False)["faults"]


def test_a_power_cut_de_energises_everything_and_ends_by_itself():
    rig = Rig()
    rig.start_charging()
    state = post(rig, "/power_cut", seconds=3)
    assert (state["relay"], state["cp"], state["current_a"], state["voltage_v"]) == (False, "E", 0, 0)
    assert state["plugged"]
    assert (state["mode"], state["powered"], state["ready"]) == ("power_cut", False, False)
    assert rig.ask("GS") == ""
    rig.run(2.9)
    assert rig.said() == ""
    rig.run(0.2)
    assert rig.said().startswith("(relay) $AT 00 00 0 0200")
    rig.run(3)
    assert "$AB 00" in rig.said()
    assert rig.state["plugged"]
    assert rig.state["powered"]


def test_link_faults_by_call():
    rig = Rig()
    rig.run(3)
    state = post(rig, "/link", port="meter", mode="corrupt", rate=0.02, seconds=5)
    assert state["links"]["meter"] == {"mode": "corrupt", "seconds_left": 5}
    assert post(rig, "/link", port="board", mode="mute")["links"]["board"]["mode"] == "mute"
    assert rig.ask("GV") == ""
    assert post(rig, "/link", port="board", mode="ok")["links"]["board"]["mode"] == "ok"
    assert rig.ask("GV").startswith("$OK")
    rig.run(5.1)
    assert rig.state["links"]["meter"]["mode"] == "ok"


def test_speed_moves_the_world_and_not_the_clock():
    rig = Rig()
    before = rig.state
    assert post(rig, "/speed", factor=60)["speed"] == 60
    rig.run(10)
    after = rig.state
    assert after["world_s"] - before["world_s"] == pytest.approx(600)
    assert after["uptime_s"] - before["uptime_s"] == pytest.approx(10)


def test_a_fast_world_finishes_a_session_quickly_with_the_same_energy():
    rig = Rig(speed=60)
    rig.start_charging()
    rig.run(2)
    before = rig.state["energy_wh"]
    rig.run(30, tick_s=0.05)
    assert rig.state["energy_wh"] - before == pytest.approx(rig.state["power_w"] / 2, rel=0.03)


def test_the_log_shows_the_bytes_of_both_sides():
    rig = Rig()
    rig.run(3)
    rig.ask("GV")
    status, log = call(rig, "GET", "/log")
    assert status == 200
    sent, answered = log["entries"][-2:]
    assert (sent["port"], sent["from"], sent["text"]) == ("board", "host", "$GV^35.")
    assert bytes.fromhex(answered["hex"]) == b"$OK 8.2.3 5.2.1^2F\r"
    assert call(rig, "GET", f"/log?since={log['last_seq']}")[1]["entries"] == []


@pytest.mark.parametrize(
    ("target", "body", "cure"),
    [
        ("/plug", b"{", "JSON"),
        ("/plug", b"[" * 60_000, "JSON"),
        ("/plug", [1], "object"),
        ("/plug", {"plugged": "yes"}, "true or false"),
        ("/plug", {"plugged": True, "ev": {"wheels": 4}}, "capacity_kwh"),
        ("/plug", {"plugged": True, "ev": 3}, "object"),
        ("/plug", {"plugged": True, "car": {}}, "plugged, ev"),
        ("/ev", {}, "pause"),
        ("/ev", {"command": "fly"}, "resume"),
        ("/swipe", {}, "04A1B2C3"),
        ("/swipe", {"uid": "04A1B2"}, "4, 7 or 10 bytes"),
        ("/swipe", {"uid": "not hex!"}, "4, 7 or 10 bytes"),
        ("/swipe", {"uid": "04A1B2C3", "hold_ms": -1}, "number from"),
        ("/fault", {"active": True}, "weld"),
        ("/fault", {"name": "gremlin"}, "weld"),
        ("/fault", {"name": "weld", "value": 3}, "Leave 'value' out"),
        ("/fault", {"name": "overtemp", "value": 1000}, "-40 to 200"),
        ("/fault", {"name": "weld", "active": 1}, "true or false"),
        ("/power_cut", {"seconds": "long"}, "number from 0"),
        ("/power_cut", b'{"seconds": NaN}', "number from 0"),
        ("/link", {"port": "modem", "mode": "ok"}, "board, meter, reader"),
        ("/link", {"port": "meter", "mode": "sticky"}, "unplugged"),
        ("/link", {"port": "meter", "mode": "corrupt", "rate": 7}, "0 to 1"),
        ("/speed", {}, "0.01 to 10000"),
        ("/speed", {"factor": 0}, "0.01 to 10000"),
    ],
)
def test_a_bad_call_is_refused_with_the_cure_and_changes_nothing(target: str, body: object, cure: str):
    rig = Rig()
    before = rig.state
    status, answer = call(rig, "POST", target, body)
    assert status == 400
    assert cure in answer["error"]
    assert rig.state == before


def test_unknown_paths_and_methods_are_named():
    rig = Rig()
    status, answer = call(rig, "GET", "/nowhere")
    assert status == 404
    assert "/state" in answer["error"]
    assert call(rig, "GET", "/plug")[0] == 405
    assert call(rig, "POST", "/state")[0] == 405
    assert call(rig, "GET", "/log?since=x")[0] == 400


def test_the_page_needs_no_file_from_elsewhere():
    rig = Rig()
    page = rig.control.call("GET", "/", b"")
    script = rig.control.call("GET", "/page.js", b"")
    assert page.status == script.status == 200
    assert page.content_type.startswith("text/html")
    assert b"http" not in page.body + script.body
    assert b'<script src="/page.js"></script>' in page.body
