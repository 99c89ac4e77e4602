"""A charge point on a fake clock with an in-memory store, and a backend played by the test: no sleep, no mock."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from random import Random
from typing import Any

from ocppclient.charge_point import ChargePoint
from ocppclient.clock import Clock, format_utc
from ocppclient.codec import check_request
from ocppclient.events import (
    Action,
    CardSwiped,
    Connected,
    Disconnected,
    Event,
    Explain,
    Feedback,
    FrameReceived,
    Meter,
    Reading,
    SendFrame,
    Setpoint,
    Tick,
)
from ocppclient.memory_store import MemoryStore
from ocppclient.settings import ChargePointSettings, Electrical, Factory, Identity
from ocppclient.store import Store

START = datetime(2026, 3, 1, 12, 0, tzinfo=UTC)
TICK_S = 0.1


class FakeTime:
    """Monotonic seconds that only the test moves."""

    def __init__(self) -> None:
        self.now = 1000.0

    def monotonic(self) -> float:
        return self.now


class Bench:
    """One charge point under test.

    `calls` holds the station's CALLs that the test has not looked at yet, as (id, action, payload); `frames` the text
    of every CALL it ever sent, by id.
    """

    def __init__(
        self,
        configuration: Mapping[str, str] | None = None,
        store: Store | None = None,
        factory: Factory = Factory(),  # noqa: B008
        electrical: Electrical = Electrical(),  # noqa: B008
        system_utc: datetime = START,
        time: FakeTime | None = None,
        identity: Identity = Identity(),  # noqa: B008
        chance: Random | None = None,
        time_zone: str = "UTC",
    ) -> None:
        self.time = time or FakeTime()
        self.chance = chance or Random(16)
        self.store = store or MemoryStore()
        self.settings = ChargePointSettings(
            identity=identity,
            factory=factory,
            electrical=electrical,
            configuration=configuration or {},
            backend_key="ws://backend CP1",
            charge_point_id="CP1",
            time_zone=time_zone,
        )
        self.start = system_utc
        self.reading = Reading(ready=True, limit_a=32.0, meter=Meter(self.time.now, 1000))
        self.actions: list[Action] = []
        self.calls: list[tuple[str, str, dict[str, Any]]] = []
        self.frames: dict[str, str] = {}
        self.answers: dict[str, list[Any]] = {}
        self._next_id = 0
        self._make()

    def _make(self) -> None:
        self.clock = Clock(self.time.monotonic, lambda: self.start + timedelta(seconds=self.time.now - 1000.0))
        self.cp = ChargePoint(self.store, self.clock, self.settings, self.chance)

    # -- events

    def do(self, event: Event) -> list[Action]:
        """Hand one event in; returns its actions and files the frames among them."""
        actions = self.cp.handle(event)
        self.actions += actions
        for action in actions:
            if isinstance(action, SendFrame):
                frame = json.loads(action.text)
                if frame[0] == 2:
                    check_request(frame[2], frame[3])
                    self.calls.append((frame[1], frame[2], frame[3]))
                    self.frames[frame[1]] = action.text
                else:
                    self.answers.setdefault(frame[1], []).append(frame)
        return actions

    def read(self, **changes: Any) -> list[Action]:
        """The hardware reports: fields of Reading, or energy_wh for its meter."""
        if "energy_wh" in changes:
            changes["meter"] = replace(
                self.reading.meter or Meter(0, 0), at=self.time.now, energy_wh=changes.pop("energy_wh")
            )
        self.reading = replace(self.reading, **changes)
        return self.do(self.reading)

    def swipe(self, id_tag: str) -> list[Action]:
        return self.do(CardSwiped(id_tag))

    def wait(self, seconds: float, step_s: float = TICK_S) -> None:
        """Let time pass, tick by tick."""
        for _ in range(round(seconds / step_s)):
            self.time.now += step_s
            self.do(Tick())

    def live(self, seconds: float, step_s: float = TICK_S) -> list[tuple[str, dict[str, Any]]]:
        """The same with a backend that answers everything; returns what the station sent."""
        sent = self.settle()
        for _ in range(round(seconds / step_s)):
            self.wait(step_s, step_s)
            sent += self.settle()
        return sent

    def reboot(self, away_s: float = 5.0, *, box_goes_on: bool = False) -> None:
        """Memory is gone, the store stays: a power cut, or with `box_goes_on` a crash of the host alone."""
        self.time.now += away_s
        if not box_goes_on:
            self.reading = replace(self.reading, contactor_closed=False, offered_a=0.0)
        self.calls.clear()
        self._make()

    # -- the backend

    def connect(self) -> None:
        self.do(Connected())

    def disconnect(self) -> None:
        self.calls.clear()
        self.do(Disconnected("test"))

    def answer(self, payload: Any = None, **fields: Any) -> str:
        """Answer the oldest open CALL with these fields; returns its action."""
        message_id, action, _ = self.calls.pop(0)
        self.do(FrameReceived(json.dumps([3, message_id, fields if payload is None else payload])))
        return action

    def refuse(self, code: str = "InternalError") -> str:
        """Answer the oldest open CALL with a CALLERROR."""
        message_id, action, _ = self.calls.pop(0)
        self.do(FrameReceived(json.dumps([4, message_id, code, "", {}])))
        return action

    def expect(self, action: str) -> dict[str, Any]:
        """The oldest open CALL must be this one; returns its payload (it is still to be answered)."""
        assert self.calls, f"the station sent nothing; {action} was expected"
        assert self.calls[0][1] == action, f"{self.calls[0][1:]} came instead of {action}"
        return self.calls[0][2]

    def boot(self, interval: int = 300, status: str = "Accepted") -> None:
        """Connect and answer the BootNotification."""
        self.connect()
        self.boot_conf(interval, status)

    def boot_conf(self, interval: int = 300, status: str = "Accepted") -> None:
        """Answer the BootNotification."""
        self.expect("BootNotification")
        self.answer(status=status, interval=interval, currentTime=format_utc(self.clock.utc()))

    def ready(self) -> Bench:
        """Registered and idle: hardware read, booted, statuses answered."""
        self.read()
        self.boot()
        self.settle()
        return self

    DEFAULTS: Mapping[str, dict[str, Any]] = {
        "Authorize": {"idTagInfo": {"status": "Accepted"}},
        "StartTransaction": {"transactionId": 7, "idTagInfo": {"status": "Accepted"}},
    }

    def settle(self, **answers: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
        """Answer everything the station sends until it is silent; returns what it sent."""
        seen = []
        while self.calls:
            _, action, payload = self.calls[0]
            seen.append((action, payload))
            self.answer(answers.get(action, self.DEFAULTS.get(action, {"currentTime": format_utc(self.clock.utc())}
                                                              if action == "Heartbeat" else {})))  # fmt: skip
        return seen

    def settle_until(self, action: str) -> None:
        """Answer everything until this CALL waits for its answer."""
        while self.calls and self.calls[0][1] != action:
            self.answer(self.DEFAULTS.get(self.calls[0][1], {}))
        self.expect(action)

    def call(self, action: str, **payload: Any) -> list[Any]:
        """Send a CALL to the station; returns its answer frame, which must be the first thing it sent."""
        return self.call_raw(action, payload)

    def call_raw(self, action: str, payload: Any) -> list[Any]:
        """The same with any payload."""
        self._next_id += 1
        message_id = f"cs-{self._next_id}"
        actions = self.do(FrameReceived(json.dumps([2, message_id, action, payload])))
        frames = [json.loads(item.text) for item in actions if isinstance(item, SendFrame)]
        assert frames, f"{action} was not answered"
        assert frames[0][1] == message_id, "the answer has to be the first frame"
        # P9: whatever is not Accepted tells people why (an empty store of certificates refuses nothing)
        verdict = frames[0][2] if frames[0][0] == 4 else frames[0][2].get("status", "Accepted")
        told = any(isinstance(item, Explain) for item in actions)
        assert verdict == "Accepted" or told or action == "GetInstalledCertificateIds", f"no reason for {frames[0]}"
        return frames[0]

    # -- looking

    @property
    def setpoint(self) -> Setpoint:
        """The level that the hardware was last told."""
        return next(action for action in reversed(self.actions) if isinstance(action, Setpoint))

    @property
    def status(self) -> str:
        """What connector 1 is now (reported or not)."""
        return self.cp.status.condition[1].status

    def reasons(self) -> list[str]:
        return [action.rule for action in self.actions if isinstance(action, Explain)]

    def clauses(self) -> list[str]:
        return [action.clause for action in self.actions if isinstance(action, Explain)]

    def feedback(self) -> list[str]:
        return [action.kind.value for action in self.actions if isinstance(action, Feedback)]

    # -- whole scenes

    def charge(self, id_tag: str = "CARD1", transaction_id: int = 7, parent: str = "") -> Bench:
        """A running transaction, contactor closed, everything answered."""
        info = {"status": "Accepted", **({"parentIdTag": parent} if parent else {})}
        self.read(ev_connected=True)
        self.swipe(id_tag)
        self.settle(
            Authorize={"idTagInfo": info}, StartTransaction={"transactionId": transaction_id, "idTagInfo": info}
        )
        self.read(contactor_closed=True, ev_requests=True, offered_a=16.0)
        self.settle()
        return self

    def open_contactor(self) -> None:
        """The hardware has obeyed a stop."""
        self.read(contactor_closed=False, offered_a=0.0)


def statuses(sent: list[tuple[str, dict[str, Any]]], connector_id: int = 1) -> list[str]:
    """The statuses of one connector among what `settle` returned."""
    return [
        payload["status"]
        for action, payload in sent
        if action == "StatusNotification" and payload["connectorId"] == connector_id
    ]


def of(sent: list[tuple[str, dict[str, Any]]], *actions: str) -> list[tuple[str, dict[str, Any]]]:
    """Only these actions among what `settle` returned."""
    return [item for item in sent if item[0] in actions]


TRANSACTIONAL = ("StartTransaction", "MeterValues", "StopTransaction")
