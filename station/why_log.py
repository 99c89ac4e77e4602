"""The why log under a flood: a few lines of a kind are written as they come, what repeats itself on is counted.

Nothing is dropped without a word, and no peer can push the other reasons out of the log or wear the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

from ocppclient.events import Explain
from ocppclient.sentence import Sentence

#: Lines of one kind within the first window; from the next one on only their number is told.
EACH = 5
#: The first window of a kind, seconds; it doubles up to the longest while the flood goes on.
SHORTEST_S, LONGEST_S = 60.0, 600.0
#: Kinds that are told apart; a peer may invent as many as it likes, the rest counts as one.
KINDS = 100


@dataclass
class _Kind:
    """Reasons of one kind: same request, verdict and clause."""

    since: float
    length_s: float = SHORTEST_S
    told: int = 0
    held: int = 0
    newest: Explain | None = None


class WhyLog:
    """Hands reasons on to `write`, floods as one line a window.

    Args:
        write: keeps one line.
    """

    def __init__(self, write: Callable[[Explain], None]) -> None:
        self._write = write
        self._kinds: dict[tuple[str, ...], _Kind] = {}

    def tell(self, explain: Explain, now: float) -> None:
        """A reason; `now` is monotonic seconds."""
        self.update(now)
        name: tuple[str, ...] = (explain.what, explain.verdict, explain.clause)
        if name not in self._kinds and len(self._kinds) >= KINDS:
            name = ()
        kind = self._kinds.setdefault(name, _Kind(now))
        if kind.told < EACH:
            kind.told += 1
            self._write(explain)
        else:
            kind.held += 1
            kind.newest = explain

    def update(self, now: float) -> None:
        """Tell what was held back in the windows that are over."""
        for name, kind in list(self._kinds.items()):
            if now - kind.since < kind.length_s:
                continue
            if kind.newest is None:
                del self._kinds[name]
                continue
            self._summarise(kind, now)
            longer_s = min(2 * kind.length_s, LONGEST_S)
            self._kinds[name] = _Kind(now, longer_s, told=EACH)

    def close(self, now: float) -> None:
        """The station stops: tell what is still held back."""
        for kind in self._kinds.values():
            self._summarise(kind, now)
        self._kinds.clear()

    def _summarise(self, kind: _Kind, now: float) -> None:
        if kind.newest is None:
            return
        within_s, last = max(round(now - kind.since), 1), kind.newest.rule
        if kind.held == 1:
            rule = Sentence("Once more within {within_s} s, the last: {last}", within_s=within_s, last=last)
        else:
            rule = Sentence(
                "{times} times more within {within_s} s, the last: {last}",
                times=kind.held,
                within_s=within_s,
                last=last,
            )
        self._write(replace(kind.newest, rule=rule))
