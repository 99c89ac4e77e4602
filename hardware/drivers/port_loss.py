"""A reader that cannot be asked anything has failed when its port is gone (hardware.md, section 9: 5 s)."""

from __future__ import annotations

import logging
from collections.abc import Callable

logger = logging.getLogger(__name__)

GONE_AFTER_S = 5.0


class PortLoss:
    """Tells `on_failed` True when the port was gone for 5 s, False when it is back."""

    def __init__(self, clock: Callable[[], float], on_failed: Callable[[bool], None]) -> None:
        self._clock = clock
        self._on_failed = on_failed
        self._present_at = clock()
        self._failed = False

    def judge(self, present: bool) -> None:
        """The port is there, or not."""
        now = self._clock()
        if present:
            self._present_at = now
        failed = now - self._present_at >= GONE_AFTER_S
        if failed != self._failed:
            self._failed = failed
            logger.warning("the card reader is %s", "gone" if failed else "back")
            self._on_failed(failed)
