"""`manage.py sim`: every action reaches the simulator's control, and its absence is told in one sentence."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command

from station.errors import StartupError

asked: list[tuple[str, str, Any]] = []


class Control(BaseHTTPRequestHandler):
    """Notes what is asked."""

    def do_GET(self) -> None:
        self._answer(None)

    def do_POST(self) -> None:
        self._answer(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))

    def _answer(self, body: Any) -> None:
        asked.append((self.command, self.path, body))
        known = "nonsense" not in str(body)
        self.send_response(200 if known else 400)
        self.end_headers()
        self.wfile.write(json.dumps({"ready": True, "entries": []} if known else {"error": "No such fault."}).encode())

    def log_message(self, *args: Any) -> None:
        """Silent."""


@pytest.fixture
def control(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    asked.clear()
    server = HTTPServer(("127.0.0.1", 0), Control)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    monkeypatch.setattr(settings, "SIM_HTTP_PORT", server.server_address[1])
    yield
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.usefixtures("control")
@pytest.mark.parametrize(
    ("words", "target", "body"),
    [
        (["state"], "/state", None),
        (["plug", "soc=80", "name=x"], "/plug", {"plugged": True, "ev": {"soc": 80, "name": "x"}}),
        (["unplug"], "/plug", {"plugged": False}),
        (["ev", "pause"], "/ev", {"command": "pause"}),
        (["ev", "current_a=7.5"], "/ev", {"current_a": 7.5}),
        (["swipe", "04A1B2C3"], "/swipe", {"uid": "04A1B2C3", "hold_ms": 600}),
        (["fault", "gfci"], "/fault", {"name": "gfci", "active": True, "value": None}),
        (["fault", "over_voltage", "270"], "/fault", {"name": "over_voltage", "active": True, "value": 270.0}),
        (["clear", "gfci"], "/fault", {"name": "gfci", "active": False}),
        (["power-cut", "2.5"], "/power_cut", {"seconds": 2.5}),
        (["link", "meter", "corrupt", "rate=0.1"], "/link", {"port": "meter", "mode": "corrupt", "rate": 0.1}),
        (["speed", "60"], "/speed", {"factor": 60.0}),
        (["log"], "/log?since=0", None),
    ],
)
def test_every_action_reaches_the_simulator(words: list[str], target: str, body: Any) -> None:
    output = io.StringIO()
    call_command("sim", *words, stdout=output)
    assert asked == [("GET" if body is None else "POST", target, body)]
    json.loads(output.getvalue())


@pytest.mark.usefixtures("control")
def test_what_the_simulator_refuses_is_told_in_its_words() -> None:
    with pytest.raises(StartupError, match="No such fault"):
        call_command("sim", "fault", "nonsense")


@pytest.mark.usefixtures("control")
def test_a_word_that_is_no_parameter_is_refused() -> None:
    with pytest.raises(StartupError, match="write name=value") as refused:
        call_command("sim", "plug", "fast")
    assert refused.value.exit_code == 64
    assert asked == []


def test_a_simulator_that_does_not_run_is_told_in_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(settings, "SIM_HTTP_PORT", 1)
    with pytest.raises(StartupError, match="Start the station with --simulate") as refused:
        call_command("sim", "state")
    assert refused.value.exit_code == 75
