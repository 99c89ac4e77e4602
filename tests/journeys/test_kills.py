"""The kill campaign: SIGKILL at random instants of running sessions, then a restart, again and again (P1 to P7).

All kills hit the real processes, on three stations side by side (`--campaign=long`: ten times as many):
- 70 and 70 power cuts of the computer: the whole process group of `runstation --simulate`, with its simulator, once
  with the ascii and once with the pn532 reader;
- 60 crashes of the application: `runstation` alone, while the box (the simulator as a process of its own) lives on and
  may go on charging without its host.
A driver and an operator keep plugging, tapping, stopping and unplugging all the time, lines are cut, and the backend
answers with random delays, so that kills fall before, between and after StartTransaction.req, its .conf, the samples
and StopTransaction. A backend that gives a new transactionId to every copy makes mix-ups visible.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path

import pytest

from tests.journeys.backend import Late
from tests.journeys.ledger import Ledger, LedgerTransaction
from tests.journeys.rig import Rig, no_card
from tests.journeys.station import LoneSimulator, until
from tests.journeys.story import Entry

SPEED = 10.0
#: Three kills of ten come at a random instant of the start, the others at one of the traffic that follows.
WHILE_STARTING_S, IN_TRAFFIC_S = (0.1, 1.5), (0.0, 2.4)
#: Wh of the register that may lie outside the sessions each time: rounding, and nothing else.
UNSEEN_WH = 2
CARDS = [f"04C0FF{n:02X}" for n in range(40)]

PROVISION = {
    "ocpp": {
        "MeterValueSampleInterval": 1,
        "ConnectionTimeOut": 5,
        "AllowOfflineTxForUnknownId": True,
        "StopTransactionOnEVSideDisconnect": True,
    },
}


@dataclass
class Campaign:
    """One station that is killed, its traffic, and what came of it."""

    rig: Rig
    random: random.Random
    kills: int
    name: str
    box: LoneSimulator | None = None
    ended: threading.Event = field(default_factory=threading.Event)
    moves: Counter[str] = field(default_factory=Counter)

    def run(self) -> None:
        """Kill and restart; the last start stays alive until everything is delivered."""
        self.rig.station.start()
        self.rig.backend.answer_always("StartTransaction", self._slowly)
        self.rig.backend.answer_always("StopTransaction", self._slowly)
        traffic = threading.Thread(target=self._traffic, daemon=True)
        traffic.start()
        try:
            for _ in range(self.kills):
                self._live()
                self.rig.station.kill()
                self.rig.station.launch()
        finally:
            self.ended.set()
            traffic.join(30)
        self._wait_online()
        self.rig.settle()

    def _live(self) -> None:
        """Until the next kill."""
        if self.random.random() < 0.3:
            self.ended.wait(self.random.uniform(*WHILE_STARTING_S))
        else:
            self._wait_online()
            self.ended.wait(self.random.uniform(*IN_TRAFFIC_S))

    def _wait_online(self) -> None:
        """The station of this start has told the backend its status."""
        self.rig.station.wait_simulator()
        started = max(e.at for e in self.rig.backend.story.entries() if e.text == "station started")
        reported = self.rig.backend.story.wait(
            lambda: any(
                e.source == "station" and e.is_call("StatusNotification") and e.at > started
                for e in reversed(self.rig.backend.story.newest(40))
            ),
            30,
        )
        assert reported, f"not online within 30 s\n{self.rig.station.log_tail()}"

    def _slowly(self, call: Entry) -> Late:
        return Late(self.random.choice((0.0, 0.02, 0.1, 0.4)), self.rig.backend.default_answer(call))

    def _traffic(self) -> None:
        """Driver and operator: one random move after the other, whether the station is alive or not."""
        while not self.ended.wait(self.random.uniform(0.02, 0.12)):
            with contextlib.suppress(OSError, AssertionError, ValueError, LookupError, StopIteration):
                move = self._move(self.rig.sim.state())
                self.moves[move] += 1

    def _move(self, state: dict) -> str:
        sim, roll = self.rig.sim, self.random.random()
        if state["speed"] != SPEED:
            sim.speed(SPEED)  # a new simulator starts at 1
        if not state["plugged"]:
            if roll < 0.2:
                return self._tap(state, self._any_card())
            sim.plug()
            return "plug"
        if not state["relay"]:
            if roll < 0.4:
                return self._tap(state, self._any_card())
            if roll < 0.6:
                return self._remote("RemoteStartTransaction", {"idTag": self._any_card(), "connectorId": 1})
            if roll < 0.65:
                sim.unplug()
                return "unplug"
        elif roll < 0.05:
            sim.unplug()
            return "unplug while charging"
        elif roll < 0.10:
            return self._tap(state, self.rig.backend.calls("StartTransaction")[-1].payload["idTag"])
        elif roll < 0.15:
            return self._remote("RemoteStopTransaction", {"transactionId": self._newest_transaction_id()})
        elif roll < 0.17:
            self.rig.backend.drop(abruptly=self.random.random() < 0.5)
            return "line cut"
        return "nothing"

    def _tap(self, state: dict, card: str) -> str:
        if not no_card(state):
            return "nothing"  # a lone reader's cards wait for the station to come back
        self.rig.sim.swipe(card)
        return "tap"

    def _remote(self, action: str, payload: dict) -> str:
        """Send the CALL without waiting: the station may be killed before it answers."""
        if self.rig.backend.connection is not None:
            self.rig.backend.send_call(action, payload)
        return action

    def _any_card(self) -> str:
        return self.random.choice(CARDS)

    def _newest_transaction_id(self) -> int:
        return self.rig.transaction_id(self.rig.backend.calls("StartTransaction")[-1])

    def judge(self) -> str:
        """The promises over the whole campaign of this station; returns what happened, in a line."""
        rig = self.rig
        until(lambda: not rig.sim.state()["relay"], 10, "the contactor is open at the end")
        ledger = rig.check()
        # The campaign itself must have been worth its name.
        reasons = Counter(t.stop.payload.get("reason", "Local") for t in ledger.transactions)
        copies = sum(t.copies for t in ledger.transactions)
        energy_wh = sum(t.energy_wh for t in ledger.transactions)
        bounds = [(t.start.payload["meterStart"], t.stop.payload["meterStop"]) for t in ledger.transactions]
        gaps = [start - stop for (_, stop), (start, _) in pairwise([(0, 0), *bounds])]
        told = (
            f"{self.name}: {self.kills} kills, {len(ledger.transactions)} sessions, {energy_wh} Wh, "
            f"{copies} copies of StartTransaction, stops {dict(reasons)}, largest gap {max(gaps)} Wh"
        )
        violations = conserved(ledger, rig.sim.state()["energy_wh"])
        assert not violations, "\n".join([told, *violations])
        assert len(ledger.transactions) >= self.kills // 4, told
        assert reasons["PowerLoss"] >= self.kills // 8, told
        return told


def conserved(ledger: Ledger, register_wh: float) -> list[str]:
    """Energy conservation (P7): every Wh of the register lies in one session, none in two."""
    violations, last_wh = [], 0
    for transaction in ledger.transactions:
        start, stop = transaction.start.payload["meterStart"], transaction.stop.payload["meterStop"]
        if transaction.energy_wh < 0:
            violations.append(f"negative energy: {start} … {stop} Wh")
        if not 0 <= start - last_wh <= UNSEEN_WH:
            violations.append(f"{start - last_wh} Wh flowed between the session that ended at {last_wh} and {start} Wh")
        last_wh = stop
    if not -1 <= register_wh - last_wh <= UNSEEN_WH:
        violations.append(f"the register shows {register_wh} Wh, the sessions end at {last_wh} Wh")
    return violations


def test_kills_at_random_instants_lose_and_double_nothing(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, tell
):
    times = {"short": 1, "long": 10}[request.config.getoption("--campaign")]
    campaigns: list[Campaign] = []

    def add(name: str, kills: int, reader: str, *, lone_box: bool) -> None:
        folder = tmp_path_factory.mktemp("kills")
        box = LoneSimulator(folder, reader=reader, speed=SPEED) if lone_box else None
        rig = Rig(folder, {**PROVISION, "hardware": {"reader": reader}}, speed=SPEED, box=box)
        rig.tolerated = ["not answered within"]
        campaigns.append(Campaign(rig, random.Random(f"{name} 20161"), kills * times, name, box))

    began = time.monotonic()
    try:
        add("power cuts, ascii reader", 70, "ascii", lone_box=False)
        add("power cuts, pn532 reader", 70, "pn532", lone_box=False)
        add("crashes beside a living box", 60, "ascii", lone_box=True)
        with ThreadPoolExecutor(len(campaigns)) as pool:
            for result in [pool.submit(campaign.run) for campaign in campaigns]:
                result.result()
        for campaign in campaigns:
            tell(campaign.judge())
        tell(f"the kill campaign took {time.monotonic() - began:.0f} s")
    except AssertionError as failure:
        stories = [keep(campaign, tmp_path_factory.getbasetemp()) for campaign in campaigns]
        raise AssertionError(f"{str(failure)[:4000]}\nthe stories are in {stories}") from None
    finally:
        for campaign in campaigns:
            campaign.ended.set()
            campaign.rig.close()
            if campaign.box is not None:
                campaign.box.close()


def keep(campaign: Campaign, folder: Path) -> str:
    """The story of a failed campaign is too long for a terminal: it goes into a file."""
    path = folder / f"{campaign.rig.station.folder.name}-story.txt"
    path.write_text(f"{campaign.rig.backend.story}\n\n{campaign.rig.station.log()}")
    return str(path)


def test_the_campaigns_own_check_sees_energy_that_nobody_paid_for():
    """Red once: a gap between two sessions, and a register that shows more than the last one."""

    def session(meter_start: int, meter_stop: int) -> LedgerTransaction:
        start = Entry(0, 1, "station", "", [2, "a", "StartTransaction", {"meterStart": meter_start}])
        stop = Entry(0, 1, "station", "", [2, "b", "StopTransaction", {"meterStop": meter_stop}])
        return LedgerTransaction(start, {1}, [], stop)

    clean = Ledger([session(0, 100), session(101, 300)])
    assert not conserved(clean, 301)
    assert "between" in conserved(Ledger([session(0, 100), session(500, 600)]), 600)[0]
    assert "register" in conserved(clean, 900)[0]
    assert "negative" in conserved(Ledger([session(10, 5)]), 5)[0]
