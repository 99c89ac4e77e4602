"""`manage.py sim …`: plug in, swipe, break things on the simulated hardware of a running `runstation --simulate`."""

from __future__ import annotations

import json
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandParser

from hardware.simulator.client import SimulatorClient, SimulatorError
from station.errors import EX_TEMPFAIL, EX_USAGE, StartupError


class Command(BaseCommand):
    """Prints the new state as JSON."""

    help = "Play with the simulated hardware, e.g.: sim plug current_a=10 · sim swipe 04A1B2C3 · sim fault gfci"
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        """One sub-command for each control call."""
        actions = parser.add_subparsers(dest="action", required=True, metavar="ACTION")

        def action(name: str, explanation: str, *arguments: tuple[str, Any, str]) -> CommandParser:
            sub: CommandParser = actions.add_parser(name, help=explanation, description=explanation)
            for argument, kind, meaning in arguments:
                sub.add_argument(argument, type=kind, help=meaning)
            return sub

        more = ("parameters", "name=value …")
        action("state", "Show everything about the box and its car.")
        action("plug", "Plug a car in.").add_argument(more[0], nargs="*", help=f"of the car: {more[1]}")
        action("unplug", "Pull the plug out.")
        ev = action("ev", "Give the car a command (pause, resume, full …) or change its parameters.")
        ev.add_argument(more[0], nargs="+", help=f"a command and/or {more[1]}")
        action("swipe", "Hold a card to the reader.", ("uid", str, "hexadecimal for pn532, any text for ascii"))
        fault = action("fault", "Switch a fault on.", ("name", str, "name of the fault"))
        fault.add_argument("value", type=float, nargs="?", help="how bad, where the fault has a size")
        action("clear", "Switch a fault off.", ("name", str, "name of the fault"))
        action("power-cut", "Take mains away.", ("seconds", float, "for how long"))
        link = action(
            "link", "Disturb a serial line.", ("port", str, "board, meter or reader"), ("mode", str, "e.g. mute")
        )
        link.add_argument(more[0], nargs="*", help=more[1])
        action("speed", "Let the simulated world run faster.", ("factor", float, "world seconds in a second"))
        action("log", "Show the bytes on the serial lines.")

    def handle(self, *args: Any, **options: Any) -> None:
        """Ask the simulator, show its answer."""
        host = settings.SIM_HTTP_HOST
        client = SimulatorClient(f"http://{f'[{host}]' if ':' in host else host}:{settings.SIM_HTTP_PORT}")
        try:
            answer = _ask(client, options)
        except SimulatorError as error:
            raise StartupError(str(error), EX_TEMPFAIL) from error
        self.stdout.write(json.dumps(answer, indent=2, ensure_ascii=False))


def _ask(client: SimulatorClient, options: dict[str, Any]) -> Any:
    words = options.get("parameters") or []
    parameters = dict(_parameter(word) for word in words if "=" in word)
    commands = [word for word in words if "=" not in word]
    if commands and (options["action"] != "ev" or len(commands) > 1):
        raise StartupError(f"{commands[-1]!r} is not a parameter; write name=value.", EX_USAGE)
    match options["action"]:
        case "plug":
            return client.plug(**parameters)
        case "unplug":
            return client.unplug()
        case "ev":
            return client.ev(commands[0] if commands else None, **parameters)
        case "swipe":
            return client.swipe(options["uid"])
        case "fault":
            return client.fault(options["name"], options["value"])
        case "clear":
            return client.clear(options["name"])
        case "power-cut":
            return client.power_cut(options["seconds"])
        case "link":
            return client.link(options["port"], options["mode"], **parameters)
        case "speed":
            return client.speed(options["factor"])
        case "log":
            return client.log()
    return client.state()


def _parameter(word: str) -> tuple[str, Any]:
    """`name=value`; the value as JSON if it is (numbers, true, false), else as text."""
    name, _, text = word.partition("=")
    try:
        return name, json.loads(text)
    except ValueError:
        return name, text
