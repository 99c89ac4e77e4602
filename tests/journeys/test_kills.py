"""The kill campaign: SIGKILL at random instants of running sessions, then a restart, again and again (P1 to P7).

Every kill ends the whole process group of `runstation --simulate` (worker and simulator): a power cut of the computer.
The short campaign makes 200 of them, on two stations side by side; `--campaign=long` makes 2,000. A driver and an
operator keep plugging, tapping, stopping and unplugging all the time, and the backend answers with random delays, so
that the kills fall before, between and after StartTransaction.req, its .conf, the samples and StopTransaction.
"""

from __future__ import annotations

import contextlib
import random
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.journeys.backend import Late
from tests.journeys.ledger import Ledger, LedgerTransaction
from tests.journeys.rig import Rig
from tests.journeys.station import until
from tests.journeys.story import Entry

KILLS = {"short": 200, "long": 2000}
STATIONS = 2
SPEED = 10.0
#: A kill comes at a random instant of this long after the start: during the start, in idle, in the sessions.
LIFE_S = (0.2, 3.4)
#: The register advances by this much between two readings of the meter (1 s) at 16 A and the campaign's speed.
UNSEEN_WH = 16 * 240 / 3600 * SPEED * 1.5 + 2
CARDS = [f"04C0FF{n:02X}" for n in range(40)]

PROVISION = {
    "ocpp": {
        "MeterValueSampleInterval": 1,
        "ConnectionTimeOut": 20,
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
    ended: threading.Event = field(default_factory=threading.Event)
    closings: int = 0

    def run(self) -> None:
        """Kill and restart; the last start stays alive until everything is delivered."""
        self.rig.station.start()
        self.rig.backend.answer_always("StartTransaction", self._slowly)
        self.rig.backend.answer_always("StopTransaction", self._slowly)
        traffic = threading.Thread(target=self._traffic, daemon=True)
        traffic.start()
        try:
            for _ in range(self.kills):
                self.ended.wait(self.random.uniform(*LIFE_S))
                self.rig.station.kill()
                self.rig.station.launch()
        finally:
            self.ended.set()
            traffic.join(30)
        self.rig.station.wait_simulator()
        self.rig.station.wait_ready()
        self.rig.settle()

    def _slowly(self, call: Entry) -> Late:
        return Late(self.random.choice((0.0, 0.02, 0.1, 0.4)), self.rig.backend._default(call))

    def _traffic(self) -> None:
        """Driver and operator: one random move after the other, whether the station is alive or not."""
        was_closed = False
        while not self.ended.wait(self.random.uniform(0.02, 0.3)):
            with contextlib.suppress(OSError, AssertionError, ValueError):
                state = self.rig.sim.state()
                if state["relay"] and not was_closed:
                    self.closings += 1
                was_closed = state["relay"]
                self._move(state)

    def _move(self, state: dict) -> None:
        sim, roll = self.rig.sim, self.random.random()
        if roll < 0.05:
            sim.speed(SPEED)  # a new simulator starts at 1
        if not state["plugged"]:
            sim.plug() if roll < 0.8 else sim.swipe(self.random.choice(CARDS))
        elif not state["relay"]:
            if roll < 0.4:
                sim.swipe(self.random.choice(CARDS))
            elif roll < 0.6:
                self._remote("RemoteStartTransaction", {"idTag": self.random.choice(CARDS), "connectorId": 1})
            elif roll < 0.65:
                sim.unplug()
        elif roll < 0.05:
            sim.unplug()
        elif roll < 0.10:
            sim.swipe(self._last_card())
        elif roll < 0.15:
            self._remote("RemoteStopTransaction", {"transactionId": self._last_transaction_id()})
        elif roll < 0.17:
            self.rig.backend.drop(abruptly=self.random.random() < 0.5)

    def _remote(self, action: str, payload: dict) -> None:
        """Send the CALL without waiting: the station may be killed before it answers."""
        if self.rig.backend.connection is not None:
            self.rig.backend.send_call(action, payload)

    def _last_card(self) -> str:
        return self.rig.backend.calls("StartTransaction")[-1].payload["idTag"]

    def _last_transaction_id(self) -> int:
        answers = (e.message for e in reversed(self.rig.entries()) if e.source == "backend")
        return next(m[2]["transactionId"] for m in answers if m[0] == 3 and "transactionId" in m[2])


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
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory, record_property
):
    kills = KILLS[request.config.getoption("--campaign")]
    campaigns = [
        Campaign(
            Rig(tmp_path_factory.mktemp(f"kills{n}"), {**PROVISION, "hardware": {"reader": reader}}, speed=SPEED),
            random.Random(20161 + n),
            kills // STATIONS,
        )
        for n, reader in enumerate(["ascii", "pn532"])
    ]
    began = time.monotonic()
    try:
        with ThreadPoolExecutor(STATIONS) as pool:
            for result in [pool.submit(campaign.run) for campaign in campaigns]:
                result.result()
        for campaign in campaigns:
            judge(campaign)
    except AssertionError as failure:
        stories = [keep(campaign, tmp_path_factory.getbasetemp()) for campaign in campaigns]
        raise AssertionError(f"{str(failure)[:4000]}\nthe stories are in {stories}") from None
    finally:
        for campaign in campaigns:
            campaign.rig.close()
    record_property("seconds", round(time.monotonic() - began))


def judge(campaign: Campaign) -> None:
    """The promises over the whole campaign of one station."""
    rig = campaign.rig
    rig.tolerated = ["not answered within"]
    ledger = rig.check()
    until(lambda: not rig.sim.state()["relay"], 10, "the contactor is open at the end")
    violations = conserved(ledger, rig.sim.state()["energy_wh"])
    assert not violations, "\n".join(violations)
    # The campaign itself must have been worth its name.
    assert len(ledger.transactions) >= campaign.kills // 5, f"only {len(ledger.transactions)} sessions"
    reasons = [t.stop.payload.get("reason", "Local") for t in ledger.transactions]
    assert reasons.count("PowerLoss") >= campaign.kills // 10, reasons


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
