"""Try a device on a port before it is chosen: open, identify, count frames. Never permits energy."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, replace

from hardware.box import Box
from hardware.interfaces import HardwareConfig, PortHealth
from hardware.sentence import Sentence
from hardware.serial_port import Line, Port, SerialLine

ENOUGH_FRAMES = 2  # what a meter says in one reading
ENOUGH_S = 2.5  # a PN532 is configured after half a second, a silent board is asked twice


@dataclass(frozen=True)
class Probed:
    """What was found. `heard`: the device answers, or (a reader that only talks) its port can be opened."""

    heard: bool
    sentence: str
    health: PortHealth


def probe(
    what: str,
    config: HardwareConfig,
    *,
    seconds: float = ENOUGH_S,
    clock: Callable[[], float] = time.monotonic,
    open_line: Callable[[str, int, str], Line] = SerialLine,
) -> Probed:
    """Serve one port ("board", "meter", "reader", "panel") for some seconds, or until two frames were good.

    Blocks the caller for no longer. Whoever else is on the port is not asked. Raises ValueError for an unknown device,
    and when there is none to try.
    """
    others = {f"{device}_port": "" for device in ("board", "meter", "reader", "panel") if device != what}
    config = replace(config, **others)  # type: ignore[arg-type]  # all of them are text
    ports: list[Port] = []
    box = Box(
        config,
        on_reading=lambda reading: None,
        on_card=lambda card: None,
        clock=clock,
        open_line=open_line,
        start_port=ports.append,
    )
    box.start()
    port = next((port for port in ports if port.name == what), None)
    if port is None:
        raise ValueError(f"no {what} is chosen")
    port.run_for(seconds, clock, enough=lambda counters: counters.frames >= ENOUGH_FRAMES)
    health = next(health for health in box.health() if health.name == what)
    return _judged(health, port.was_open)


def _judged(health: PortHealth, was_open: bool) -> Probed:
    if not was_open:
        return Probed(False, Sentence("The port cannot be opened: {error}.", error=health.error), health)
    if health.frames:
        bad = health.checksum_errors + health.timeouts
        device, frames = health.device, health.frames
        if bad:
            heard = Sentence(
                "{device} answers: {frames} good frames, {bad} lost or damaged.", device=device, frames=frames, bad=bad
            )
        else:
            heard = Sentence("{device} answers: {frames} good frames.", device=device, frames=frames)
        return Probed(True, heard, health)
    if health.timeouts or health.checksum_errors:
        return Probed(
            False,
            Sentence(
                "Nothing that makes sense was heard: {error}.", error=health.error or Sentence("damaged frames only")
            ),
            health,
        )
    return Probed(True, Sentence("The port is open. This device only talks: hold a card to it to see more."), health)
