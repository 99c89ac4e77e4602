"""The live trial of backend settings that a person started: one at a time, beside the running link."""

from __future__ import annotations

import asyncio
import logging
from dataclasses import asdict
from datetime import UTC, datetime
from typing import Any

from ocppclient import trial
from ocppclient.clock import Clock
from ocppclient.link import final_url, is_secure
from ocppclient.sentence import Sentence
from ocppclient.trial import Stage
from station.backend_desk import Prepared

log = logging.getLogger("station.backend")


class Trials:
    """Belongs to the loop on which the command face lives."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self._task: asyncio.Task[None] | None = None
        self._stages: list[Stage] = []
        self._prepared: Prepared | None = None
        self._began_at = ""

    def begin(self, prepared: Prepared) -> None:
        """Start one; it takes the place of one that runs."""
        if self._task is not None:
            self._task.cancel()
        self._prepared, self._began_at = prepared, datetime.now(UTC).isoformat()
        stages: list[Stage] = []  # the former trial keeps its own list
        self._stages = stages
        self._task = asyncio.get_running_loop().create_task(self._run(prepared, stages), name="backend trial")

    def told(self) -> dict[str, Any] | None:
        """For the page: {"running", "url", "at", "stages": [{"name", "verdict", "took_s", "text"}], "next": name}."""
        if self._prepared is None:
            return None
        link = self._prepared.link
        running = self._task is not None and not self._task.done()
        names = [name for name in trial.STAGES if name != "tls" or is_secure(link)]
        done = {stage.name for stage in self._stages}
        return {
            "running": running,
            "url": final_url(link),
            "at": self._began_at,
            "stages": [asdict(stage) for stage in self._stages],
            "next": next((name for name in names if name not in done), "") if running else "",
        }

    async def _run(self, prepared: Prepared, stages: list[Stage]) -> None:
        try:
            await trial.run(
                prepared.link,
                prepared.identity,
                stages.append,
                self._clock,
                gently=prepared.gently,
            )
        except Exception as error:  # the page says it; the station goes on
            log.exception("The trial of backend settings failed")
            stages.append(Stage("boot", "failed", 0.0, Sentence("the trial itself failed: {error}", error=str(error))))
