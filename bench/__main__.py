"""Measure the station as a process, over loopback, with the serial simulator running, and print the table.

`python -m bench [words]` measures only what has one of the words in its name (`python -m bench loopback`).
The exit code is not 0 only when a measurement could not be made; a missed target is shown, not hidden.
"""

from __future__ import annotations

import sys
import tempfile
import traceback
from collections.abc import Callable
from pathlib import Path

from bench import measurements, pages, smart_charging
from bench.measurements import Figure

MEASUREMENTS = [*measurements.MEASUREMENTS, *smart_charging.MEASUREMENTS, *pages.MEASUREMENTS]


def main() -> int:
    """Run every measurement, print as they come."""
    print(f"{'measurement':<58} {'median':>10} {'target':>10}   {'range of the runs':<24}")
    failed = False
    words = sys.argv[1:]
    for measure in MEASUREMENTS:
        if words and not any(word in measure.__name__ for word in words):
            continue
        with tempfile.TemporaryDirectory(prefix="bench-") as folder:
            failed |= not _show(measure, Path(folder))
    return 1 if failed else 0


def _show(measure: Callable[[Path], list[Figure]], folder: Path) -> bool:
    try:
        figures = measure(folder)
    except Exception:
        print(f"{measure.__name__:<58} could not be measured:")
        traceback.print_exc(limit=3, file=sys.stdout)
        return False
    for figure in figures:
        verdict = "ok" if figure.met else "MISSED"
        spread = f"{min(figure.runs):.3g} … {max(figure.runs):.3g} (n={len(figure.runs)})"
        print(
            f"{figure.name:<58} {figure.median:>6.4g} {figure.unit:<3} ≤ {figure.target:>4g} {figure.unit:<3} "
            f"{spread:<28} {verdict}",
            flush=True,
        )
    return True


if __name__ == "__main__":
    sys.exit(main())
