"""The messages of one session: what was delivered, what waits, what was given up; and the energy that they tell."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from itertools import pairwise
from typing import Any

from django.utils.formats import number_format
from django.utils.translation import gettext_lazy

from ocppclient.clock import parse_utc
from ocppclient.redact import mask, shortened
from ocppclient.store import DeliveredCall, QueuedCall
from station.live import FRAME_SHOWN
from station.store import CALLS, DELIVERED

#: kind of its colour, words
_STATES = {
    "delivered": ("available", gettext_lazy("answered")),
    "waiting": ("waiting", gettext_lazy("waits to be sent")),
    "parked": ("fault", gettext_lazy("given up")),
}
_REGISTER = "Energy.Active.Import.Register"


@dataclass(frozen=True)
class Message:
    """One message of a session as its page shows it.

    Attributes:
        state: "delivered", "waiting" or "parked"; reason why it was given up.
        attempts: transmissions that the backend failed to process.
    """

    seq: int
    action: str
    state: str
    request: str
    answer: str = ""
    created_at: datetime | None = None
    sent_at: datetime | None = None
    answered_at: datetime | None = None
    attempts: int = 0
    reason: str = ""

    @property
    def chip(self) -> tuple[str, str]:
        """Colour and words."""
        kind, words = _STATES[self.state]
        return kind, str(words)

    @property
    def took(self) -> str:
        """How long its answer took."""
        if self.sent_at is None or self.answered_at is None:
            return ""
        seconds = max(0.0, (self.answered_at - self.sent_at).total_seconds())
        return f"{number_format(seconds, 1)} s"


def messages_of(uid: str) -> list[Message]:
    """All that is known, in the order in which they were made."""
    found = [_delivered(row) for row in DELIVERED.select("WHERE transaction_uid = %s ORDER BY seq", uid)]
    found += [_queued(row) for row in CALLS.select("WHERE transaction_uid = %s ORDER BY seq", uid)]
    return sorted(found, key=lambda message: message.seq)


def _delivered(row: DeliveredCall) -> Message:
    return Message(
        row.seq, row.action, "delivered", _shown(row.payload), _shown(row.answer), row.created_at, row.sent_at,
        row.answered_at, row.attempts,
    )  # fmt: skip


def _queued(row: QueuedCall) -> Message:
    state = "parked" if row.parked_reason else "waiting"
    return Message(
        row.seq, row.action, state, _shown(row.payload), created_at=row.created_at, attempts=row.attempts,
        reason=row.parked_reason,
    )  # fmt: skip


def _shown(text: str) -> str:
    try:
        return shortened(json.dumps(json.loads(mask(text)), indent=2, ensure_ascii=False), FRAME_SHOWN)
    except ValueError:
        return shortened(text, FRAME_SHOWN)


def energy_samples(uid: str, transaction_data: str) -> list[tuple[int, float]]:
    """The register as the messages of a session tell it: (seconds since 1970, Wh), in time order, each moment once."""
    payloads = [row.payload for row in DELIVERED.select("WHERE transaction_uid = %s", uid)]
    payloads += [row.payload for row in CALLS.select("WHERE transaction_uid = %s", uid)]
    samples: dict[int, float] = {}
    for values in [_loaded(transaction_data), *map(_meter_values, payloads)]:
        samples.update(_registers(values))
    return sorted(samples.items())


def _meter_values(payload: str) -> Any:
    message = _loaded(payload)
    return (message.get("meterValue") or message.get("transactionData")) if isinstance(message, dict) else None


def _loaded(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return None


def _registers(values: Any) -> Iterable[tuple[int, float]]:
    for one in values if isinstance(values, list) else ():
        for sample in one.get("sampledValue", ()):
            if sample.get("measurand", _REGISTER) == _REGISTER and "phase" not in sample:
                factor = 1000 if sample.get("unit") == "kWh" else 1
                yield int(parse_utc(one["timestamp"]).timestamp()), float(sample["value"]) * factor


def mean_powers(samples: list[tuple[int, float]]) -> list[tuple[int, float]]:
    """Mean power between one sample and the next, at its beginning; the last one is 0 at the last sample. W."""
    steps = [
        (at, (later_wh - wh) * 3600 / (later - at)) for (at, wh), (later, later_wh) in pairwise(samples) if later > at
    ]
    return [*steps, (samples[-1][0], 0.0)] if steps else []
