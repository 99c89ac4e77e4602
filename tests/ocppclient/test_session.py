"""The spine: a session from the plug to the backend, online, offline and over a power cut."""

from __future__ import annotations

from tests.ocppclient.harness import Bench


def statuses(sent):
    return [
        payload["status"] for action, payload in sent if action == "StatusNotification" and payload["connectorId"] == 1
    ]


def test_plug_first_then_card_starts_a_transaction():
    bench = Bench().ready()
    bench.read(ev_connected=True)
    assert bench.expect("StatusNotification")["status"] == "Preparing"
    bench.settle()
    bench.swipe("04a1b2c3")
    assert bench.expect("Authorize") == {"idTag": "04a1b2c3"}
    bench.answer(idTagInfo={"status": "Accepted"})
    start = bench.expect("StartTransaction")
    assert start["idTag"] == "04a1b2c3"
    assert start["meterStart"] == 1000
    assert bench.setpoint.authorised
    assert bench.setpoint.amps == 16.0
    bench.answer(transactionId=7, idTagInfo={"status": "Accepted"})
    bench.read(contactor_closed=True, offered_a=16.0)
    assert bench.expect("StatusNotification")["status"] == "Charging"


def test_stop_by_the_same_card_waits_for_the_contactor_and_asks_nobody():
    bench = Bench().ready().charge()
    bench.read(energy_wh=1500)
    bench.swipe("card1")
    assert not bench.setpoint.authorised
    assert bench.calls == []
    bench.open_contactor()
    stop = bench.expect("StopTransaction")
    assert (stop["transactionId"], stop["meterStop"], stop["idTag"]) == (7, 1500, "card1")
    assert stop["reason"] == "Local"
    assert statuses(bench.settle()) == ["Finishing"]
    bench.read(ev_connected=False)
    assert statuses(bench.settle()) == ["Available"]


def test_a_whole_session_offline_is_delivered_in_order_after_the_reconnect():
    bench = Bench({"AllowOfflineTxForUnknownId": "true", "MeterValueSampleInterval": "60"}).ready()
    bench.disconnect()
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    bench.read(contactor_closed=True, offered_a=16.0)
    bench.wait(121)
    bench.read(energy_wh=1100)
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.read(ev_connected=False)
    bench.connect()
    sent = bench.settle()
    assert [action for action, _ in sent if action != "StatusNotification"] == [
        "StartTransaction", "MeterValues", "MeterValues", "StopTransaction",
    ]  # fmt: skip
    assert all(
        payload["transactionId"] == 7 for action, payload in sent if action in ("MeterValues", "StopTransaction")
    )


def test_a_power_cut_ends_in_a_stop_transaction_with_reason_power_loss():
    bench = Bench().ready().charge()
    bench.read(energy_wh=1105)
    bench.reboot()
    bench.reading = type(bench.reading)(ready=True, ev_connected=True, limit_a=32, meter=bench.reading.meter)
    bench.read(energy_wh=1140)
    bench.boot()
    sent = bench.settle()
    stops = [payload for action, payload in sent if action == "StopTransaction"]
    assert len(stops) == 1
    assert (stops[0]["reason"], stops[0]["meterStop"], stops[0]["transactionId"]) == ("PowerLoss", 1140, 7)
    assert statuses(sent) == ["Finishing"]


def test_a_power_cut_before_the_answer_sends_the_same_start_again():
    bench = Bench().ready()
    bench.read(ev_connected=True)
    bench.settle()
    bench.swipe("CARD1")
    bench.answer(idTagInfo={"status": "Accepted"})
    first = bench.calls[0]
    bench.reboot()
    bench.read()
    bench.boot()
    sent = []
    while bench.calls[0][1] != "StartTransaction":
        sent.append(bench.answer())
    assert bench.calls[0] == first
    bench.answer(transactionId=9, idTagInfo={"status": "Accepted"})
    assert bench.expect("StopTransaction")["transactionId"] == 9
