"""The button of the panel: how long it was held is what it asks for (hardware.md, "The panel"). Pure."""

from __future__ import annotations

from hardware.interfaces import Hold

#: Held for so long, seconds, it asks for this when it is let go.
HELD_S = {Hold.SHORT: 5.0, Hold.LONG: 15.0, Hold.VERY_LONG: 30.0}
#: Held for longer than this it is stuck, or its wire is broken: it asks for nothing.
STUCK_S = 60.0


class Button:
    """One button; times are monotonic seconds."""

    def __init__(self) -> None:
        self._pressed_at: float | None = None
        self._counts = (
            False  # it was seen up before: what is down at the start is a broken wire, or was meant for before
        )

    @property
    def is_down(self) -> bool:
        """Somebody holds it, and letting go may mean something."""
        return self._pressed_at is not None

    def take(self, is_down: bool, now: float) -> Hold | None:
        """How it stands now; what it asks for, when it was let go."""
        if is_down:
            if self._counts and self._pressed_at is None:
                self._pressed_at = now
            return None
        asked = self.hold(now)
        self._counts, self._pressed_at = True, None
        return asked

    def hold(self, now: float) -> Hold | None:
        """What it would ask for if it were let go now."""
        if self._pressed_at is None:
            return None
        held_s = now - self._pressed_at
        if held_s >= STUCK_S:
            return None
        return next((hold for hold, least_s in reversed(HELD_S.items()) if held_s >= least_s), None)

    def forget(self) -> None:
        """Nobody knows how it stands: it has to be seen up again."""
        self._pressed_at, self._counts = None, False
