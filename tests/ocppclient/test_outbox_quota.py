"""The quota of the transaction queue: coarser meter values at worst, never a lost start, stop, first or last value."""

from __future__ import annotations

import json
from itertools import pairwise

from ocppclient.events import Explain
from ocppclient.settings import Factory
from tests.ocppclient.harness import TRANSACTIONAL, Bench, of


def queued(bench):
    return [call.action for call in bench.store._all_calls()]


def offline_session(bench, minutes):
    """A session without the backend, a value a minute; returns what it would have sent."""
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    bench.read(contactor_closed=True)
    for _ in range(minutes):
        bench.read(energy_wh=bench.reading.meter.energy_wh + 50)
        bench.wait(60, step_s=60)
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.read(ev_connected=False)
    return [json.loads(call.payload) for call in bench.store._all_calls()]


def offline(quota, **configuration):
    bench = Bench({"AllowOfflineTxForUnknownId": "true", **configuration}, factory=Factory(queue_quota=quota)).ready()
    bench.disconnect()
    return bench


def test_below_the_quota_nothing_is_thinned():
    """TXQ-08, TXQ-09"""
    bench = offline(200)
    offline_session(bench, 100)
    assert queued(bench) == ["StartTransaction", *["MeterValues"] * 100, "StopTransaction"]
    assert "TXQ-09" not in bench.clauses()


def test_at_the_quota_the_middle_of_the_meter_values_becomes_coarser_and_the_rest_stays():
    """TXQ-09, MTR-16, field problem 24: never a start, a stop, a first or a last value"""
    bench = offline(100)
    everything = offline_session(bench, 500)
    actions = queued(bench)
    assert len(actions) <= 102
    assert (actions[0], actions[-1], set(actions[1:-1])) == ("StartTransaction", "StopTransaction", {"MeterValues"})
    values = [int(payload["meterValue"][0]["sampledValue"][0]["value"]) for payload in everything[1:-1]]
    assert (values[0], values[-1]) == (1050, 1000 + 500 * 50)
    assert values == sorted(values)
    assert max(later - one for one, later in pairwise(values)) <= 16 * 50  # thinned four times: no hole anywhere
    assert bench.clauses().count("TXQ-09") <= 20


def test_what_was_thinned_is_delivered_in_order():
    """TXQ-01, TXQ-09"""
    bench = offline(100)
    offline_session(bench, 300)
    left = len(queued(bench))
    bench.connect()
    sent = of(bench.settle(), *TRANSACTIONAL)
    assert len(sent) == left
    times = [payload.get("timestamp") or payload["meterValue"][0]["timestamp"] for _, payload in sent]
    assert times == sorted(times)


def test_beyond_the_quota_starts_and_stops_are_kept_and_that_is_told():
    """TXQ-09: money is never dropped"""
    bench = offline(100, MeterValueSampleInterval="0")
    for _ in range(60):
        offline_session(bench, 0)
    assert queued(bench) == ["StartTransaction", "StopTransaction"] * 60
    full = [action for action in bench.actions if isinstance(action, Explain) and action.verdict == "full"]
    assert 1 <= len(full) <= 11


def test_parked_meter_values_count_for_the_quota_and_are_thinned_too():
    """TXQ-09: a backend that refuses every value cannot fill the disk"""
    bench = Bench({"TransactionMessageAttempts": "1"}, factory=Factory(queue_quota=100)).ready().charge()
    for _ in range(400):
        bench.wait(60, step_s=60)
        while bench.calls:
            bench.refuse() if bench.calls[0][1] == "MeterValues" else bench.settle()
    assert bench.store.parked_depth() <= 101


def test_without_a_backend_the_queue_is_bounded_as_well():
    """TXQ-09: nobody ever configured one"""
    bench = Bench({"AllowOfflineTxForUnknownId": "true"}, factory=Factory(queue_quota=100))
    bench.read()
    for _ in range(5):
        offline_session(bench, 60)
    actions = queued(bench)
    assert len(actions) <= 102
    assert (actions.count("StartTransaction"), actions.count("StopTransaction")) == (5, 5)
