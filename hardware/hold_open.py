"""`python -m hardware.hold_open FILE`: keeps the contactor open while nobody else runs the box (deploy/safe_mode.py).

FILE is the HardwareConfig of the station's last good start as JSON. It ends when its standard input does.
"""

from __future__ import annotations

import json
import queue
import sys
import threading
from dataclasses import asdict
from pathlib import Path

from hardware.box import Box
from hardware.interfaces import BoxReading, HardwareConfig, Show

#: Where the launcher looks for FILE, in the folder of the releases.
NOTE = "hardware.json"


def note(path: Path, config: HardwareConfig) -> None:
    """Keep what `main` needs; nothing is written when it is there already. Raises OSError."""
    text = json.dumps(asdict(config))
    if not path.exists() or path.read_text() != text:
        draft = path.with_name(f"{path.name}.new")
        draft.write_text(text)
        draft.replace(path)


def hold(config: HardwareConfig, say: queue.SimpleQueue[str]) -> Box:
    """Start the box with its first setpoint, which is no energy, and tell each change of the contactor."""
    told = ""

    def take(reading: BoxReading) -> None:
        nonlocal told
        known = reading.ready and not any(fault.code == "board_comm" for fault in reading.faults)
        now = ("closed" if reading.contactor_closed else "open") if known else "unknown"
        if now != told:
            told = now
            say.put(now)

    box = Box(config, on_reading=take, on_card=lambda card: None)
    box.show(Show.FAULTED)
    box.start()
    return box


def main(path: Path) -> None:
    """Say `open`, `closed` or `unknown` at each change, one word a line."""
    words: queue.SimpleQueue[str] = queue.SimpleQueue()
    box = hold(HardwareConfig(**json.loads(path.read_text())), words)

    def until_the_end() -> None:
        sys.stdin.read()
        words.put("")

    threading.Thread(target=until_the_end, daemon=True).start()
    while word := words.get():
        sys.stdout.write(f"{word}\n")
        sys.stdout.flush()
    box.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
