"""chronyc's answers, as chrony 4.3 printed them, and the file of time servers."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from station.clock import chrony
from station.clock.picture import Server

IN_STEP = """\
7F000001,127.0.0.1,9,1795479531.295173311,-0.000001345,0.000000084,0.000001203,-0.057,0.003,0.240,0.000006046,0.000001709,1.0,Normal
^,*,127.0.0.1,8,0,377,1,0.000000120,0.000000204,0.000003058
"""
LOST = """\
00000000,,0,0.000000000,0.000000000,0.000000000,0.000000000,0.000,0.000,0.000,1.000000000,1.0,0.0,Not synchronised
^,?,127.0.0.1,0,1,0,4294967295,0.000000000,0.000000000,0.000000000
"""
#: Its own clock (`local`), and a person who typed the time (`settime`).
ITS_OWN = IN_STEP.replace("7F000001,127.0.0.1", "7F7F0101,", 1)
TYPED = IN_STEP.replace("7F000001,127.0.0.1", "4D414E55,", 1)


def test_a_chronyd_in_step_tells_its_server_and_what_is_left_to_slew() -> None:
    tracking = chrony.read(IN_STEP)
    assert tracking == chrony.Tracking(
        True, "127.0.0.1", 1795479531.295173311, -0.000001345, (Server("127.0.0.1", "in use"),)
    )


@pytest.mark.parametrize("text", [LOST, ITS_OWN, TYPED], ids=["no server answers", "its own clock", "typed"])
def test_a_time_that_no_server_tells_is_no_ntp(text: str) -> None:
    tracking = chrony.read(text)
    assert tracking is not None
    assert (tracking.synchronised, tracking.server) == (False, "")


def test_a_server_that_does_not_answer_is_shown() -> None:
    tracking = chrony.read(LOST)
    assert tracking is not None
    assert tracking.servers == (Server("127.0.0.1", "no answer"),)


@pytest.mark.parametrize("text", ["", "506 Cannot talk to daemon\n", "a,b\n", IN_STEP.replace("1795479531.29", "x")])
def test_anything_else_is_no_answer(text: str) -> None:
    assert chrony.read(text) is None


def program(folder: Path, body: str) -> str:
    """A chronyc that behaves like this."""
    file = folder / "chronyc"
    file.write_text(f"#!/bin/sh\n{body}\n")
    file.chmod(0o755)
    return str(file)


def test_the_program_is_asked_for_both_in_one_go(tmp_path: Path) -> None:
    asked = tmp_path / "asked"
    told = asyncio.run(chrony.ask(program(tmp_path, f'echo "$@" > {asked}\ncat <<EOF\n{IN_STEP}EOF')))
    assert told == chrony.read(IN_STEP)
    assert asked.read_text() == "-c -n -m tracking sources\n"


def test_without_chrony_there_is_nothing_to_ask(tmp_path: Path) -> None:
    assert asyncio.run(chrony.ask(str(tmp_path / "nothing"))) is None
    assert asyncio.run(chrony.ask(program(tmp_path, "echo '506 Cannot talk to daemon'; exit 1"))) is None


def test_a_program_that_hangs_is_ended(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(chrony, "PATIENCE_S", 0.05)
    assert asyncio.run(chrony.ask(program(tmp_path, "exec sleep 60"))) is None


def test_the_file_is_written_in_place_and_only_when_it_differs(tmp_path: Path) -> None:
    file = tmp_path / "station.sources"
    file.touch()
    node = file.stat().st_ino
    assert chrony.write_sources(file, ["a.example", "2001:db8::1"])
    assert file.read_text() == "server a.example iburst\nserver 2001:db8::1 iburst\n"
    assert file.stat().st_ino == node
    assert not chrony.write_sources(file, ["a.example", "2001:db8::1"])
    assert chrony.write_sources(file, [])
    assert file.read_text() == ""
