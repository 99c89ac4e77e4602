"""A driver at the station, card in hand: how sessions start and end (OCTT TC_003…005, 023, 068…071)."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from itertools import pairwise

import pytest

from tests.journeys.ledger import register_values
from tests.journeys.rig import Rig


@pytest.fixture(scope="module", params=["pn532", "ascii"])
def shared_provision(request: pytest.FixtureRequest) -> dict:
    return {"hardware": {"reader": request.param}}


both_readers = pytest.mark.parametrize("shared_provision", ["pn532", "ascii"], indirect=True, scope="module")
one_reader = pytest.mark.parametrize("shared_provision", ["pn532"], indirect=True, scope="module")


@both_readers
def test_plug_first_TC_003(rig: Rig):
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    assert not rig.sim.state()["relay"]
    before_wh = rig.sim.state()["energy_wh"]
    rig.swipe()
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    start = rig.wait_started().start.payload
    assert (start["connectorId"], start["idTag"]) == (1, rig.card)
    assert abs(start["meterStart"] - before_wh) <= 2
    assert "reservationId" not in start
    rig.backend.wait_status("Charging", timeout_s=15)
    state = rig.sim.wait(lambda s: s["relay"] and s["power_w"] > 1000, 15, "energy flows")
    assert state["offered_a"] == pytest.approx(16, abs=0.5)


@both_readers
def test_card_first_TC_004_1(rig: Rig):
    rig.swipe()
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.5)
    rig.sim.plug()
    assert rig.wait_started().start.payload["idTag"] == rig.card
    rig.backend.wait_status("Charging", timeout_s=15)


@one_reader
def test_card_first_and_no_car_in_time_TC_004_2(rig: Rig):
    rig.swipe()
    preparing = rig.backend.wait_status("Preparing")
    available = rig.backend.wait_status("Available", timeout_s=6)
    assert 2.5 <= available.at - preparing.at <= 4.5  # ConnectionTimeOut is 3 s
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 1.0)
    assert not rig.sim.state()["relay"]


@one_reader
def test_the_same_card_again_before_plugging_cancels(rig: Rig):
    rig.configure(ConnectionTimeOut=60)
    rig.swipe()
    rig.backend.wait_status("Preparing")
    rig.swipe()
    rig.backend.wait_status("Available")


@both_readers
def test_the_same_card_stops_and_another_card_does_not_TC_068(rig: Rig):
    session = rig.start_session()
    rig.charge_wh(1)
    rig.backend.skip()
    rig.swipe(rig.other_card)
    rig.backend.expect_no("Authorize", 1.5)
    rig.backend.expect_no("StopTransaction", 0.1)
    assert rig.sim.state()["relay"]

    rig.swipe()
    stop = rig.backend.next("StopTransaction").payload
    assert stop["transactionId"] == session.transaction_id
    assert stop["idTag"] == rig.card
    assert stop.get("reason", "Local") == "Local"
    assert stop["meterStop"] > session.start.payload["meterStart"]
    rig.backend.wait_status("Finishing")
    state = rig.sim.wait(lambda s: not s["relay"], what="the contactor opens")
    assert abs(stop["meterStop"] - state["energy_wh"]) <= 2
    rig.backend.expect_no("Authorize", 0.1)
    rig.sim.unplug()
    rig.backend.wait_status("Available")


@one_reader
def test_a_card_of_the_same_group_stops_and_of_another_group_does_not_TC_069(rig: Rig):
    rig.backend.cards[rig.card] = {"status": "Accepted", "parentIdTag": "FLEET"}
    rig.backend.cards[rig.group_card] = {"status": "Accepted", "parentIdTag": "FLEET"}
    rig.backend.cards[rig.other_card] = {"status": "Accepted", "parentIdTag": "NEIGHBOUR"}
    session = rig.start_session()
    rig.backend.skip()
    rig.swipe(rig.other_card)
    assert rig.backend.next("Authorize").payload == {"idTag": rig.other_card}
    rig.backend.expect_no("StopTransaction", 0.7)
    rig.swipe(rig.group_card)
    assert rig.backend.next("Authorize").payload == {"idTag": rig.group_card}
    stop = rig.backend.next("StopTransaction").payload
    assert stop["transactionId"] == session.transaction_id
    assert stop["idTag"] == rig.group_card
    assert stop.get("reason", "Local") == "Local"
    rig.backend.wait_status("Finishing")


@one_reader
def test_a_parent_is_never_compared_with_a_card(rig: Rig):
    rig.backend.cards[rig.card] = {"status": "Accepted", "parentIdTag": rig.other_card}
    rig.start_session()
    rig.backend.skip()
    rig.swipe(rig.other_card)
    rig.backend.expect_no("StopTransaction", 1.5)


@both_readers
def test_unplugged_at_the_car_stops_TC_005_2(rig: Rig):
    rig.configure(StopTransactionOnEVSideDisconnect=True)
    session = rig.start_session()
    rig.charge_wh(1)
    rig.sim.unplug()
    stop = rig.backend.next("StopTransaction").payload
    assert stop["transactionId"] == session.transaction_id
    assert stop["reason"] == "EVDisconnected"
    rig.backend.wait_status("Available")
    assert not rig.sim.state()["relay"]
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 0.5)


@one_reader
def test_unplugged_at_the_car_suspends_TC_005_3(rig: Rig):
    rig.configure(StopTransactionOnEVSideDisconnect=False)
    session = rig.start_session()
    rig.sim.unplug()
    rig.backend.wait_status("SuspendedEV")
    rig.backend.expect_no("StopTransaction", 1.0)
    assert not rig.sim.state()["relay"]
    rig.sim.plug()
    rig.backend.wait_status("Charging", timeout_s=15)
    rig.sim.unplug()
    rig.backend.wait_status("SuspendedEV")
    answer = rig.backend.call("RemoteStopTransaction", {"transactionId": session.transaction_id})
    assert answer == {"status": "Accepted"}
    stop = rig.backend.next("StopTransaction").payload
    assert (stop["reason"], stop["transactionId"]) == ("Remote", session.transaction_id)


@both_readers
def test_an_invalid_card_TC_023(rig: Rig):
    rig.backend.cards[rig.card] = {"status": "Invalid"}
    rig.swipe()
    assert rig.backend.next("Authorize").payload == {"idTag": rig.card}
    rig.sim.plug()
    rig.backend.wait_status("Preparing")
    rig.backend.expect_no("StartTransaction", 1.0)
    assert not rig.sim.state()["relay"]


@one_reader
def test_a_cached_card_starts_without_authorize_TC_007_1(rig: Rig):
    rig.configure(AuthorizationCacheEnabled=True, LocalPreAuthorize=True)
    rig.start_session()
    rig.sim.unplug()
    rig.backend.wait_status("Available", timeout_s=15)
    rig.backend.skip()
    rig.swipe()
    rig.backend.wait_status("Preparing")
    rig.sim.plug()
    rig.wait_started()
    rig.backend.expect_no("Authorize", 0.1)


@one_reader
def test_sampled_meter_values_come_exactly_one_interval_apart_TC_070(rig: Rig):
    rig.configure(MeterValueSampleInterval=1)
    session = rig.start_session()
    samples = [rig.backend.next("MeterValues").payload for _ in range(4)]
    times = []
    for sample in samples:
        assert (sample["connectorId"], sample["transactionId"]) == (1, session.transaction_id)
        [value] = sample["meterValue"]
        [energy] = value["sampledValue"]
        assert energy["context"] == "Sample.Periodic"
        assert energy.get("measurand", "Energy.Active.Import.Register") == "Energy.Active.Import.Register"
        assert energy.get("format", "Raw") == "Raw"
        assert energy.get("location") != "EV"
        times.append(datetime.fromisoformat(value["timestamp"]))
    begin = datetime.fromisoformat(session.start.payload["timestamp"])
    assert {b - a for a, b in pairwise(times)} == {timedelta(seconds=1)}
    assert abs(times[0] - begin - timedelta(seconds=1)) <= timedelta(milliseconds=20), (
        "the grid begins with the session"
    )


@one_reader
def test_clock_aligned_meter_values_lie_on_the_grid_TC_071(rig: Rig):
    rig.configure(ClockAlignedDataInterval=2)
    session = rig.start_session()
    in_transaction = [m.payload for m in (rig.backend.next("MeterValues") for _ in range(3))]
    for message in in_transaction:
        [value] = message["meterValue"]
        assert {s["context"] for s in value["sampledValue"]} == {"Sample.Clock"}
        moment = datetime.fromisoformat(value["timestamp"]).astimezone(UTC)
        assert (moment.second % 2, moment.microsecond) == (0, 0)
    assert in_transaction[-1]["transactionId"] == session.transaction_id


@one_reader
def test_stop_transaction_carries_the_data_that_were_asked_for(rig: Rig):
    rig.configure(MeterValueSampleInterval=1, StopTxnSampledData="Energy.Active.Import.Register")
    rig.start_session()
    for _ in range(2):
        rig.backend.next("MeterValues")
    rig.sim.unplug()
    stop = rig.backend.next("StopTransaction").payload
    contexts = [s["context"] for v in stop["transactionData"] for s in v["sampledValue"]]
    assert contexts[0] == "Transaction.Begin"
    assert contexts[-1] == "Transaction.End"
    assert contexts[1:-1].count("Sample.Periodic") >= 2
    assert register_values(stop["transactionData"])[-1] == stop["meterStop"]


@one_reader
def test_two_sessions_in_a_row_share_the_register(rig: Rig):
    rig.start_session()
    rig.charge_wh(1)
    rig.sim.unplug()
    first = rig.backend.next("StopTransaction").payload
    rig.backend.wait_status("Available", timeout_s=15)
    session = rig.start_session(rig.other_card)
    assert session.start.payload["meterStart"] == first["meterStop"]
