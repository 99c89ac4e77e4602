"""The promises about transactions under every order of events, power cuts at every instant, and failing writes."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from ocppclient.clock import format_utc
from ocppclient.events import AliveSeen, Connected, Disconnected, FrameReceived, LocalStop, ResendParked, Tick
from tests.ocppclient.ledger import TIMEOUT_S, Ledger, PowerCut

ENERGY = "Energy.Active.Import.Register"
CONFIGURATION = {
    "AllowOfflineTxForUnknownId": "true",
    "MeterValueSampleInterval": "20",
    "StopTxnSampledData": ENERGY,
    "TransactionMessageAttempts": "2",
    "TransactionMessageRetryInterval": "5",
}


class Backend(Ledger):
    """The ledger with a backend that is played message by message, and hardware that obeys."""

    def __init__(self, configuration=CONFIGURATION):
        self.next_transaction_id = 0  # 0 is an id like any other
        super().__init__(dict(configuration))

    def payload(self, action, verdict="Accepted", registration="Accepted"):
        match action:
            case "BootNotification":
                return {"status": registration, "interval": 5, "currentTime": format_utc(self.clock.utc())}
            case "Heartbeat":
                return {"currentTime": format_utc(self.clock.utc())}
            case "Authorize":
                return {"idTagInfo": {"status": verdict}}
            case "StartTransaction":
                self.next_transaction_id += 1
                return {"transactionId": self.next_transaction_id - 1, "idTagInfo": {"status": verdict}}
            case _:
                return {}

    def reply(self, message_id, payload):
        """A CALLRESULT, on time or late."""
        self.took(message_id, payload)
        try:
            self.do(FrameReceived(json.dumps([3, message_id, payload])))
        except Exception:  # the answer was not durably recorded
            if (seq := self.seq_of.get(message_id)) is not None:
                self.excused[seq] += 1
            raise

    def settle(self, **answers):
        """Answer everything; returns what was answered."""
        seen = []
        while self.calls:
            message_id, action, payload = self.calls.pop(0)
            seen.append((action, payload))
            if message_id in self.waiting:
                self.reply(message_id, answers.get(action) or self.payload(action))
        return seen

    def settle_but(self, action):
        """Answer everything until this waits for its answer."""
        while self.calls and self.calls[0][1] != action:
            message_id, other, _ = self.calls.pop(0)
            self.reply(message_id, self.payload(other))

    def power_cut(self, away_s=5.0):
        """Memory is gone; the contactor opens by itself."""
        self.lost_line()
        self.store.fail_in = 0
        self.cut_after = None
        self.reading = type(self.reading)(
            ready=True, ev_connected=self.reading.ev_connected, limit_a=32.0, meter=self.reading.meter
        )
        self.reboot(away_s)

    def obey(self):
        """The hardware follows its setpoint."""
        closed = self.setpoint.authorised and self.reading.ev_connected
        self.read(contactor_closed=closed, offered_a=16.0 if closed else 0.0)

    def in_the_end(self):
        """The backend is back for good: whatever is queued gets its chance."""
        self.store.fail_in = 0
        self.read()
        if not self.cp.outbox.online:
            self.do(Connected())
        for _ in range(60):
            self.settle()
            if not self.store.queue_depth() and not self.cp.transactions.stopping:
                break
            self.excuse()
            self.time.now += TIMEOUT_S + 1
            self.do(Tick())
            self.obey()
        self.settle()
        self.settled()


# --- any order -------------------------------------------------------------------------------------------------------


class Promises(RuleBasedStateMachine):
    """P1…P7 over any order of plugs, cards, lines, answers, failures and power cuts."""

    @initialize(
        resume=st.booleans(),
        stop_on_invalid=st.booleans(),
        scene=st.sampled_from(["boot", "registered", "starting", "starting", "charging", "charging"]),
    )
    def boot(self, resume, stop_on_invalid, scene):
        self.asked_calls = 0
        self.bench = Backend({**CONFIGURATION, "StopTransactionOnInvalidId": str(stop_on_invalid)})
        if resume:
            self.bench.settings = replace(
                self.bench.settings, factory=replace(self.bench.settings.factory, resume_after_power_loss=True)
            )
            self.bench.reboot(0)
        self.bench.read()
        if scene != "boot":
            self.bench.do(Connected())
            self.bench.settle()
        if scene in ("starting", "charging"):
            self.bench.read(ev_connected=True)
            self.bench.settle()
            self.bench.swipe("A")
            self.bench.settle_but("StartTransaction")
            self.bench.obey()
        if scene == "charging":
            self.bench.settle()

    def attempt(self, work):
        """Do something; when the store fails the process ends and starts again, as it has to."""
        try:
            work()
        except OSError:
            self.bench.power_cut(1.0)
            self.bench.read()
        self.bench.store.fail_in = 0

    online = precondition(lambda self: self.bench.cp.outbox.online)
    offline = precondition(lambda self: not self.bench.cp.outbox.online)
    asked = precondition(lambda self: bool(self.bench.calls))

    @rule(plugged=st.booleans())
    def plug(self, plugged):
        self.attempt(lambda: self.bench.read(ev_connected=plugged, contactor_closed=False))

    @rule(id_tag=st.sampled_from(["A", "A", "B"]))
    def swipe(self, id_tag):
        self.attempt(lambda: self.bench.swipe(id_tag))

    @rule(energy_wh=st.sampled_from([0, 1, 60, 150, -1, -3]))
    def meter(self, energy_wh):
        register = self.bench.reading.meter.energy_wh + energy_wh
        self.attempt(lambda: self.bench.read(energy_wh=register))

    @rule()
    def hardware_obeys(self):
        self.attempt(self.bench.obey)

    @rule()
    def local_stop(self):
        self.attempt(lambda: self.bench.do(LocalStop()))

    @online
    @rule()
    def remote_start(self):
        self.ask("RemoteStartTransaction", idTag="R")

    @online
    @rule(back=st.integers(1, 2))
    def remote_stop(self, back):
        self.ask("RemoteStopTransaction", transactionId=self.bench.next_transaction_id - back)

    def ask(self, action, **payload):
        """A CALL of the backend; while the station is Rejected it stays unanswered."""
        self.asked_calls += 1
        frame = json.dumps([2, f"cs-{self.asked_calls}", action, payload])
        self.attempt(lambda: self.bench.do(FrameReceived(frame)))

    @offline
    @rule()
    def connect(self):
        self.attempt(lambda: self.bench.do(Connected()))

    @online
    @rule()
    def disconnect(self):
        self.bench.lost_line()
        self.attempt(lambda: self.bench.do(Disconnected("test")))

    @online
    @asked
    @rule()
    def answer_all(self):
        def work():
            while self.bench.calls:
                message_id, action, _ = self.bench.calls.pop(0)
                self.bench.reply(message_id, self.bench.payload(action))

        self.attempt(work)

    @online
    @asked
    @rule(
        verdict=st.sampled_from(["Accepted", "Accepted", "Accepted", "Invalid"]),
        registration=st.sampled_from(["Accepted", "Accepted", "Pending", "Rejected"]),
    )
    def answer(self, verdict, registration):
        """On time, or late: the oldest CALL that was not answered yet."""
        message_id, action, _ = self.bench.calls.pop(0)
        payload = self.bench.payload(action, verdict, registration)
        self.attempt(lambda: self.bench.reply(message_id, payload))

    @online
    @asked
    @rule(payload=st.sampled_from([{}, None, [], {"transactionId": None}, {"status": "Accepted"}]))
    def odd_answer(self, payload):
        message_id, _, _ = self.bench.calls.pop(0)
        self.attempt(lambda: self.bench.reply(message_id, payload))

    @online
    @asked
    @rule()
    def callerror(self):
        message_id, _, _ = self.bench.calls.pop(0)
        if message_id in self.bench.waiting:
            self.bench.excuse()
        self.bench.waiting.pop(message_id, None)
        self.attempt(lambda: self.bench.do(FrameReceived(json.dumps([4, message_id, "InternalError", "", {}]))))

    @online
    @rule()
    def answer_to_nothing(self):
        self.attempt(lambda: self.bench.do(FrameReceived('[3,"nobody",{"transactionId":99}]')))

    @rule(seconds=st.sampled_from([0.1, 2.0, 6.0, 21.0]))
    def time_passes(self, seconds):
        self.pass_time(seconds)

    @rule(alive=st.booleans())
    def timeout(self, alive):
        """Nobody answers; the line is alive or not."""
        self.pass_time(TIMEOUT_S / 2)
        if alive:
            self.attempt(lambda: self.bench.do(AliveSeen()))
        self.pass_time(TIMEOUT_S / 2 + 0.1)

    def pass_time(self, seconds):
        self.bench.time.now += seconds
        for message_id, at in self.bench.waiting.items():
            if self.bench.time.now - at >= TIMEOUT_S and message_id in self.bench.seq_of:
                self.bench.excused[self.bench.seq_of[message_id]] += 1
        self.attempt(lambda: self.bench.do(Tick()))

    @rule(away_s=st.sampled_from([1.0, 90.0]), connected=st.booleans())
    def power_cut(self, away_s, connected):
        self.bench.power_cut(away_s)
        if connected:
            self.bench.do(Connected())

    @rule(k=st.integers(1, 6))
    def store_fails(self, k):
        """The k-th write of the next event raises."""
        self.bench.store.fail_in = k

    @precondition(lambda self: bool(self.bench.store.parked_calls()))
    @rule()
    def resend_by_hand(self):
        row = self.bench.store.parked_calls()[0]
        self.bench.excused[row.seq] += 1
        self.attempt(lambda: self.bench.do(ResendParked(row.seq)))

    def teardown(self):
        if hasattr(self, "bench"):
            self.bench.in_the_end()


Promises.TestCase.settings = settings(max_examples=60, stateful_step_count=50, deadline=None)
TestPromises = Promises.TestCase


# --- power cuts at every instant -------------------------------------------------------------------------------------


def session(bench):
    """A full session: registered, charged, offline for a while, stopped by the card, unplugged."""
    bench.read()
    bench.do(Connected())
    bench.settle()
    bench.read(ev_connected=True)
    bench.settle()
    bench.swipe("A")
    bench.settle()
    bench.obey()
    for energy in (40, 110, 35):
        bench.read(energy_wh=bench.reading.meter.energy_wh + energy)
        bench.wait(21, step_s=21)
        bench.settle()
    bench.lost_line()
    bench.do(Disconnected("test"))
    bench.wait(42, step_s=21)
    bench.read(energy_wh=bench.reading.meter.energy_wh + 90)
    bench.do(Connected())
    bench.settle()
    bench.swipe("A")
    bench.obey()
    bench.settle()
    bench.read(ev_connected=False)
    bench.settle()


#: The register moves within the session from 1000 to 1275 Wh.
START_WH, END_WH = 1000, 1275


def recovered(bench):
    """After a power cut: the station boots and the backend must get the whole truth of at most one session."""
    bench.power_cut(10.0)
    at_cut = bench.reading.meter.energy_wh
    bench.in_the_end()
    rows = list(bench.store._transactions.values())
    assert len(rows) <= 1
    for row in rows:
        assert row.stopped_at is not None
        assert row.meter_start_wh == START_WH
        assert row.meter_stop_wh == at_cut  # the register is the witness: not a Wh is lost
        assert row.reason in ("PowerLoss", "Local")


def test_without_a_power_cut_the_session_is_told_once():
    """P1, P4"""
    bench = Backend()
    session(bench)
    bench.in_the_end()
    (row,) = bench.store._transactions.values()
    assert (row.meter_start_wh, row.meter_stop_wh, row.reason) == (START_WH, END_WH, "Local")
    assert max(bench.sent.values()) == 1


def count(attribute):
    bench = Backend()
    session(bench)
    return bench.events if attribute == "events" else bench.store.writes


def test_a_power_cut_after_any_event_loses_nothing():
    """P1…P7, F1: committed, but no frame of that event left"""
    events = count("events")
    assert events > 30
    for n in range(1, events + 1):
        bench = Backend()
        bench.cut_after = n
        with pytest.raises(PowerCut):
            session(bench)
        recovered(bench)


def test_a_power_cut_at_any_write_of_the_store_loses_nothing():
    """P1…P7, F1, F5: the unit of work is undone, the process ends"""
    writes = count("writes")
    assert writes > 40
    cuts = 0
    for k in range(1, writes + 1):
        bench = Backend()
        bench.store.fail_in = k
        try:
            session(bench)
        except OSError:
            cuts += 1
            recovered(bench)
        else:  # the failing write belonged to a CALL of the backend, which was answered with an InternalError
            bench.in_the_end()
    assert cuts == writes


def test_two_power_cuts_in_a_row_lose_nothing_either():
    """P1…P7, F1, F33: the second one while the first is being recovered"""
    for n in range(1, count("events") + 1, 2):
        for again in range(1, 8, 2):
            bench = Backend()
            bench.cut_after = n
            with pytest.raises(PowerCut):
                session(bench)
            bench.power_cut(3.0)
            bench.cut_after = bench.events + again
            try:
                bench.in_the_end()
            except PowerCut:
                recovered(bench)


def test_a_power_cut_between_answer_and_commit_sends_one_identical_copy():
    """P3: the CONF was not durably recorded, so it is asked again, byte for byte"""
    bench = Backend()
    bench.read()
    bench.do(Connected())
    bench.settle()
    bench.read(ev_connected=True)
    bench.swipe("A")
    while bench.calls[0][1] != "StartTransaction":
        message_id, action, _ = bench.calls.pop(0)
        bench.reply(message_id, bench.payload(action))
    message_id, action, _ = bench.calls[0]
    bench.cut_after = None
    bench.store.fail_in = 1
    with pytest.raises(OSError, match="disk"):
        bench.do(FrameReceived(json.dumps([3, message_id, bench.payload(action)])))
    recovered(bench)
    assert sorted(bench.sent.values()) == [1, 2]
