"""What the devices and the car keep over a power cut of the host, and that no kill tears or rewinds it."""

import json
import os
from pathlib import Path

import pytest

from hardware import modbus_rtu as rtu
from hardware.simulator.nvram import NonVolatileMemory
from tests.hardware.simulator.rig import Rig


def shown_wh(rig: Rig) -> int:
    rig.listen("meter")
    rig.send("meter", rtu.read_request(1, rtu.READ_INPUT, 0x48, 2))
    rig.run(0.02)
    reply = rtu.ReplyDecoder(1, rtu.READ_INPUT, 2).feed(rig.listen("meter"))
    assert isinstance(reply, rtu.RegistersReply)
    high, low = reply.registers
    return round(rtu.registers_float(high, low) * 1000)


def test_a_fresh_meter_reads_zero():
    assert shown_wh(Rig()) == 0


@pytest.mark.parametrize("speed", [1, 60])
def test_what_the_meter_has_shown_is_never_taken_back_by_a_kill(speed: float):
    rig = Rig(speed=speed)
    rig.start_charging()
    shown = 0
    for _ in range(40):
        rig.run(0.37)
        shown = shown_wh(rig)
        assert shown_wh(Rig(rig.stored)) >= shown  # a kill now, and a new process
    assert shown > 10


def test_the_register_is_stored_about_once_a_second_while_energy_flows_and_never_when_idle():
    rig = Rig(speed=10)
    rig.start_charging()
    before = rig.stores
    rig.run(20)
    assert 15 <= rig.stores - before <= 21
    rig.ask("FS")
    rig.run(3)
    before = rig.stores
    rig.run(20)
    assert rig.stores == before


def test_a_car_and_its_battery_stay_plugged_over_a_kill():
    rig = Rig()
    rig.simulation.world.plug({"soc": 80, "current_a": 10, "ready_after_s": 3})
    rig.simulation.attend()
    again = Rig(json.loads(json.dumps(rig.stored)))
    assert again.state["plugged"]
    assert (again.state["soc"], again.state["ev"]["current_a"], again.state["ev"]["ready_after_s"]) == (80, 10, 3)
    assert not Rig(rig.stored, car="unplugged").state["plugged"]
    assert Rig(car="plugged").state["plugged"]
    assert not Rig(car="keep").state["plugged"]


def test_the_site_limit_is_applied_again_only_when_it_changes():
    rig = Rig(max_current_a=16)
    rig.boot()
    rig.ask("SC 13")
    assert Rig(rig.stored, max_current_a=16).simulation.board.eeprom.max_a == 13
    assert Rig(rig.stored, max_current_a=32).simulation.board.eeprom.max_a == 32


@pytest.mark.parametrize(
    "stored",
    [
        {"meter": {"energy_wh": "many"}},
        {"meter": {"energy_wh": -5}},
        {"board": {"max_a": None, "flags": "x"}},
        {"car": {"plugged": True, "soc": 900, "parameters": {"wheels": 4}}},
        {"car": {"plugged": "maybe", "parameters": 3}},
    ],
)
def test_nonsense_in_the_memory_becomes_defaults(stored: dict[str, dict[str, object]]):
    rig = Rig(stored)
    rig.run(1)
    assert shown_wh(rig) == 0
    assert rig.simulation.board.eeprom.max_a == 16


def test_the_file_is_replaced_as_a_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    memory = NonVolatileMemory(tmp_path / "nvram.json")
    assert memory.load() == {}
    memory.store({"meter": {"energy_wh": 5.0}}, sync=True)

    def killed(*_: object) -> None:
        raise KeyboardInterrupt  # SIGKILL between writing the new file and its renaming

    with monkeypatch.context() as patch:
        patch.setattr(os, "replace", killed)
        with pytest.raises(KeyboardInterrupt):
            memory.store({"meter": {"energy_wh": 6.0}}, sync=False)
    assert memory.load() == {"meter": {"energy_wh": 5.0}}
    memory.store({"meter": {"energy_wh": 7.0}}, sync=False)
    assert memory.load() == {"meter": {"energy_wh": 7.0}}


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"version": 9}', b"\xff\xfe"])
def test_an_unreadable_file_is_put_aside(tmp_path: Path, content: bytes):
    path = tmp_path / "nvram.json"
    path.write_bytes(content)
    assert NonVolatileMemory(path).load() == {}
    assert (tmp_path / "nvram.json.bad").read_bytes() == content
