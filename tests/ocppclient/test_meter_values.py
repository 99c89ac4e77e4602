"""Sampled and clock-aligned meter values, and the transactionData of StopTransaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocppclient.clock import format_utc, parse_utc
from ocppclient.codec import check_request
from ocppclient.configuration import MEASURANDS
from ocppclient.events import Meter, Reading
from ocppclient.meter_values import levels, sampled_values, thin
from ocppclient.settings import Electrical
from tests.ocppclient.harness import START, Bench, of

ENERGY = "Energy.Active.Import.Register"
FULL = Meter(1000.0, 1000, power_w=3680.04, current_a=16.04, voltage_v=229.96, temperature_c=31.25, frequency_hz=50.02)


def samples(sent):
    """(timestamp, context, values) of each MeterValues."""
    found = []
    for _, payload in of(sent, "MeterValues"):
        (entry,) = payload["meterValue"]
        contexts = {value["context"] for value in entry["sampledValue"]}
        found.append((parse_utc(entry["timestamp"]), *contexts, [value["value"] for value in entry["sampledValue"]]))
    return found


def distances(moments):
    return [(later - one).total_seconds() for one, later in pairwise(moments)]


# --- sampled ---------------------------------------------------------------------------------------------------------


def test_samples_are_taken_at_multiples_of_the_interval_from_the_start():
    """MTR-01, MTR-02, MTR-07, MTR-11, T:TC_070"""
    bench = Bench({"MeterValueSampleInterval": "10"}).ready()
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    began = bench.clock.utc()
    bench.settle()
    sent = []
    for tenth in range(301):
        bench.wait(0.1)
        if tenth % 7 == 0:
            bench.read(energy_wh=1000 + tenth)
        sent += bench.settle()
    assert [moment - began for moment, _, _ in samples(sent)] == [timedelta(seconds=s) for s in (10, 20, 30)]
    assert {context for _, context, _ in samples(sent)} == {"Sample.Periodic"}
    for _, payload in of(sent, "MeterValues"):
        assert (payload["connectorId"], payload["transactionId"]) == (1, 7)
        (value,) = payload["meterValue"][0]["sampledValue"]
        assert (value["measurand"], value.get("unit", ""), value["format"], value["location"]) == (
            ENERGY,
            "Wh",
            "Raw",
            "Outlet",
        )
        assert value["value"].isdecimal()


def test_samples_missed_by_the_line_are_delivered_later_exactly_one_interval_apart():
    """TXQ-08, T:TC_036, MTR-02"""
    bench = Bench({"MeterValueSampleInterval": "10"}).ready().charge()
    bench.wait(15)
    sent = bench.settle()
    bench.disconnect()
    bench.wait(40)
    bench.connect()
    sent += bench.settle()
    bench.wait(10)
    sent += bench.settle()
    assert distances([moment for moment, _, _ in samples(sent)]) == [10.0] * 5


def test_one_value_per_configured_measurand_that_can_be_read():
    """MTR-02, MTR-06, MTR-09, MTR-20, MTR-21"""
    bench = Bench({"MeterValueSampleInterval": "10", "MeterValuesSampledData": ",".join(MEASURANDS)}).ready()
    bench.read(meter=FULL, offered_a=16.0)
    bench.charge()
    bench.wait(10.1)
    ((_, payload),) = of(bench.settle(), "MeterValues")
    values = {
        value["measurand"]: (value["value"], value.get("unit", ""))
        for value in payload["meterValue"][0]["sampledValue"]
    }
    assert values == {
        ENERGY: ("1000", "Wh"),
        "Power.Active.Import": ("3680.0", "W"),
        "Current.Import": ("16.0", "A"),
        "Voltage": ("230.0", "V"),
        "Current.Offered": ("16.0", "A"),
        "Power.Offered": ("3680.0", "W"),
        "Temperature": ("31.2", "Celcius"),
        "Frequency": ("50.0", ""),
    }


@pytest.mark.parametrize("odd", [float("nan"), float("inf"), float("-inf")])
def test_what_is_no_number_is_left_out(odd):
    """F22: NaN from a meter"""
    reading = Reading(meter=Meter(0.0, 5, power_w=odd, current_a=odd, voltage_v=odd, temperature_c=odd))
    values = sampled_values(MEASURANDS, levels(reading, Electrical()), 5, "Sample.Periodic")
    assert [value["measurand"] for value in values] == [ENERGY, "Current.Offered", "Power.Offered"]


def test_a_station_that_only_takes_energy_in_reports_nothing_negative_but_the_cold():
    """MTR-10: a meter that is wired backwards, or noise around zero"""
    reading = Reading(meter=Meter(0.0, 5, power_w=-3.2, current_a=-0.01, voltage_v=230.0, temperature_c=-12.0))
    values = sampled_values(MEASURANDS, levels(reading, Electrical()), 5, "Sample.Periodic")
    told = {value["measurand"]: value["value"] for value in values}
    assert (told["Power.Active.Import"], told["Current.Import"], told["Temperature"]) == ("0.0", "0.0", "-12.0")


def test_an_empty_list_means_the_energy_register():
    """MTR-19, T:TC_070"""
    bench = Bench({"MeterValueSampleInterval": "10", "MeterValuesSampledData": ""}).ready().charge()
    bench.wait(10.1)
    ((_, payload),) = of(bench.settle(), "MeterValues")
    assert [value["measurand"] for value in payload["meterValue"][0]["sampledValue"]] == [ENERGY]


@pytest.mark.parametrize("configuration", [
    {"MeterValuesSampledData": "Voltage"},
    {"MeterValuesSampledData": "Voltage", "ClockAlignedDataInterval": "10", "MeterValuesAlignedData": "Voltage"},
    {"StopTxnSampledData": "Voltage,Current.Import", "StopTxnAlignedData": "Voltage"},
    {"MeterValuesSampledData": "SoC,Voltage.L1,Nonsense", "StopTxnSampledData": "SoC"},
])  # fmt: skip
def test_what_the_meter_cannot_read_is_left_out_and_the_session_goes_on(configuration):
    """MTR-06, MTR-09, F19, design.md section 5: sampledValue needs at least one entry"""
    bench = Bench({"MeterValueSampleInterval": "10", **configuration}).ready().charge()
    bench.wait(25)
    bench.swipe("CARD1")
    bench.open_contactor()
    sent = bench.settle()
    (stop,) = [payload for _, payload in of(sent, "StopTransaction")]
    assert "transactionData" not in stop
    assert all("Voltage" not in str(payload) for _, payload in sent)


def test_interval_0_takes_none_and_a_change_counts_from_the_change():
    """MTR-01, T:TC_021, T:TC_071"""
    bench = Bench({"MeterValueSampleInterval": "0"}).ready().charge()
    bench.wait(100, step_s=1)
    assert bench.calls == []
    bench.call("ChangeConfiguration", key="MeterValueSampleInterval", value="20")
    bench.wait(19.5)
    assert bench.calls == []
    bench.wait(1)
    assert bench.expect("MeterValues")


def test_no_samples_outside_a_transaction_and_none_after_its_stop():
    """MTR-02"""
    bench = Bench({"MeterValueSampleInterval": "10"}).ready()
    bench.wait(30)
    bench.charge()
    bench.wait(5)
    bench.swipe("CARD1")
    bench.open_contactor()
    bench.settle()
    bench.wait(60)
    assert not of(bench.settle(), "MeterValues")


def test_after_a_gap_one_sample_is_taken_and_the_grid_stays():
    """MTR-02: a suspended or stalled process"""
    bench = Bench({"MeterValueSampleInterval": "10"}).ready().charge()
    began = bench.store.open_transaction().started_at
    bench.wait(33, step_s=33)
    bench.wait(10)
    assert [moment - began for moment, _, _ in samples(bench.settle())] == [
        timedelta(seconds=30),
        timedelta(seconds=40),
    ]


def test_a_meter_that_is_silent_repeats_its_last_register():
    """MTR-10: nothing falls back to 0"""
    bench = Bench({"MeterValueSampleInterval": "10"}).ready().charge()
    bench.read(energy_wh=1300)
    bench.read(meter=None)
    bench.wait(11)
    assert [values for _, _, values in samples(bench.settle())] == [["1300"]]


# --- clock-aligned ---------------------------------------------------------------------------------------------------


def aligned(interval_s=20, system_utc=START, **configuration):
    bench = Bench(
        {"ClockAlignedDataInterval": str(interval_s), "MeterValueSampleInterval": "0", **configuration},
        system_utc=system_utc,
    ).ready()
    bench.settle()
    return bench


def test_aligned_values_lie_on_the_grid_also_without_a_transaction():
    """MTR-03, MTR-04, T:TC_071"""
    bench = aligned(20, START + timedelta(seconds=7))
    sent = bench.live(60)
    assert [format_utc(moment)[17:] for moment, _, _ in samples(sent)] == ["20.000Z", "40.000Z", "00.000Z"]
    assert {context for _, context, _ in samples(sent)} == {"Sample.Clock"}
    assert not any("transactionId" in payload for _, payload in of(sent, "MeterValues"))
    bench.charge()
    bench.wait(21)
    ((_, payload),) = of(bench.settle(), "MeterValues")
    assert payload["transactionId"] == 7


def test_the_grid_restarts_at_utc_midnight():
    """MTR-04, D-09, settled question 9"""
    bench = aligned(7000, START.replace(hour=23, minute=0))
    sent = bench.live(7200, step_s=1)
    assert [f"{moment:%H:%M:%S}" for moment, _, _ in samples(sent)] == ["23:20:00", "00:00:00"]


@pytest.mark.parametrize("interval", ["100000", "86400"])
def test_an_interval_of_a_day_or_more_gives_one_value_a_day(interval):
    """MTR-03, design.md section 5"""
    bench = aligned(interval, START.replace(hour=23, minute=59))
    assert [f"{moment:%H:%M:%S}" for moment, _, _ in samples(bench.live(120))] == ["00:00:00"]


@pytest.mark.parametrize("interval", ["0", "-5"])
def test_without_an_interval_there_are_none(interval):
    """MTR-01"""
    bench = aligned(interval)
    assert not of(bench.live(3600, step_s=10), "MeterValues")


def step_clock(bench, seconds):
    """The backend moves the clock."""
    bench.call("TriggerMessage", requestedMessage="Heartbeat")
    bench.answer(currentTime=format_utc(bench.clock.utc() + timedelta(seconds=seconds)))


def test_a_clock_set_back_a_little_gives_no_value_twice():
    """MTR-03, CLK-05"""
    bench = aligned(60, START + timedelta(seconds=55))
    sent = bench.live(7)
    step_clock(bench, -5)
    moments = [moment for moment, _, _ in samples(sent + bench.live(120))]
    assert moments == [START + timedelta(minutes=n) for n in (1, 2)]


@pytest.mark.parametrize("seconds", [-86_400 * 400, -3600])
def test_a_clock_set_back_far_goes_on_with_the_grid_there(seconds):
    """MTR-03, CLK-05, F10: not silent until the old time comes again"""
    bench = aligned(60)
    sent = bench.live(61)
    step_clock(bench, seconds)
    moments = [moment for moment, _, _ in samples(sent + bench.live(61))]
    assert moments == [START + timedelta(minutes=1), START + timedelta(minutes=2, seconds=seconds)]


def test_a_clock_set_forward_invents_no_value_of_the_past():
    """MTR-03, MTR-06: no value stands for a moment at which none was taken"""
    bench = aligned(900)
    step_clock(bench, 86_400 * 90 + 600)
    ((moment, _, _),) = samples(bench.live(310, step_s=1))
    assert moment == START + timedelta(days=90, minutes=15)


def test_a_stall_of_some_seconds_loses_no_aligned_value():
    """MTR-03"""
    bench = aligned(900, START + timedelta(seconds=895))
    bench.wait(20, step_s=20)
    assert [moment for moment, _, _ in samples(bench.settle())] == [START + timedelta(minutes=15)]


def powers(bench, *steps):
    """(seconds, W) one after the other; returns the meterValue lists that were sent."""
    for seconds, watts in steps:
        bench.read(meter=Meter(bench.time.now, 1000, power_w=watts))
        bench.wait(seconds)
    return [payload["meterValue"] for _, payload in of(bench.settle(), "MeterValues")]


def test_what_is_no_register_is_averaged_over_the_interval_and_carries_its_start():
    """MTR-05: the register is read at the end of the interval, the power is the mean of it"""
    bench = aligned(10, MeterValuesAlignedData=f"{ENERGY},Power.Active.Import")
    assert len(powers(bench, (10.0, 0.0))) == 1
    ((mean, register),) = powers(bench, (5.0, 1000.0), (5.0, 3000.0))
    assert [value["measurand"] for value in mean["sampledValue"]] == ["Power.Active.Import"]
    assert float(mean["sampledValue"][0]["value"]) == pytest.approx(2000, abs=60)
    assert [value["measurand"] for value in register["sampledValue"]] == [ENERGY]
    start, end = parse_utc(mean["timestamp"]), parse_utc(register["timestamp"])
    assert (end - start).total_seconds() == 10
    assert end.second % 10 == 0
    assert {value["context"] for entry in (mean, register) for value in entry["sampledValue"]} == {"Sample.Clock"}


def test_no_average_mixes_what_lies_within_a_session_and_outside():
    """MTR-05, MTR-07: a partial interval at the beginning of a transaction"""
    bench = aligned(10, MeterValuesAlignedData="Power.Active.Import")
    bench.read(meter=Meter(bench.time.now, 1000, power_w=10.0))
    bench.wait(5)
    bench.charge()
    began = bench.clock.utc()
    ((mean,),) = powers(bench, (5.5, 3000.0))
    assert float(mean["sampledValue"][0]["value"]) == pytest.approx(3000, abs=60)
    assert abs((parse_utc(mean["timestamp"]) - began).total_seconds()) < 0.3


def test_a_value_that_was_never_read_in_the_interval_is_left_out():
    """MTR-05"""
    bench = aligned(10, MeterValuesAlignedData=f"{ENERGY},Voltage")
    ((register,),) = powers(bench, (10.0, 1000.0))
    assert [value["measurand"] for value in register["sampledValue"]] == [ENERGY]


# --- transactionData -------------------------------------------------------------------------------------------------


def stop_data(configuration, seconds=45, energy=1400):
    bench = Bench({"MeterValueSampleInterval": "10", **configuration}).ready().charge()
    for second in range(seconds):
        bench.wait(1, step_s=0.5)
        bench.read(energy_wh=1000 + second)
    bench.read(energy_wh=energy)
    bench.swipe("CARD1")
    bench.open_contactor()
    ((_, stop),) = of(bench.settle(), "StopTransaction")
    return bench, stop.get("transactionData")


def contexts(data):
    return [entry["sampledValue"][0]["context"] for entry in data]


def test_without_stop_txn_lists_there_is_no_transaction_data():
    """MTR-14"""
    assert stop_data({})[1] is None


def test_stop_txn_sampled_data_brings_begin_every_sample_and_end():
    """MTR-13, MTR-15"""
    bench, data = stop_data({"StopTxnSampledData": ENERGY})
    assert contexts(data) == ["Transaction.Begin", *["Sample.Periodic"] * 4, "Transaction.End"]
    values = [int(entry["sampledValue"][0]["value"]) for entry in data]
    assert values == sorted(values)
    (row,) = bench.store._transactions.values()
    assert (values[0], values[-1]) == (row.meter_start_wh, row.meter_stop_wh) == (1000, 1400)
    assert (data[0]["timestamp"], data[-1]["timestamp"]) == (format_utc(row.started_at), format_utc(row.stopped_at))


def test_stop_txn_aligned_data_brings_the_aligned_values():
    """MTR-13, MTR-15"""
    _, data = stop_data(
        {"StopTxnAlignedData": ENERGY, "ClockAlignedDataInterval": "15", "MeterValueSampleInterval": "0"}
    )
    assert contexts(data) == ["Transaction.Begin", *["Sample.Clock"] * 3, "Transaction.End"]


def test_begin_and_end_carry_every_configured_measurand_of_both_lists():
    """MTR-15"""
    bench = Bench({"StopTxnSampledData": "Voltage", "StopTxnAlignedData": f"{ENERGY},Voltage"}).ready()
    bench.read(meter=FULL)
    bench.charge()
    bench.swipe("CARD1")
    bench.open_contactor()
    ((_, stop),) = of(bench.settle(), "StopTransaction")
    for entry in stop["transactionData"]:
        assert [value["measurand"] for value in entry["sampledValue"]] == ["Voltage", ENERGY]


def test_more_values_than_allowed_lose_inner_ones_never_begin_and_end():
    """MTR-16, ORS-8"""
    _, data = stop_data({"StopTxnSampledData": ENERGY}, seconds=400)
    assert 10 <= len(data) <= 20
    assert (contexts(data)[0], contexts(data)[-1]) == ("Transaction.Begin", "Transaction.End")
    moments = [entry["timestamp"] for entry in data]
    assert moments == sorted(moments)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.integers(), min_size=2, max_size=200), st.integers(-3, 50))
def test_thinning_keeps_first_last_and_order(numbers, longest):
    """MTR-16"""
    entries = [{"n": (place, number)} for place, number in enumerate(numbers)]
    kept = thin(entries, longest)
    assert len(kept) <= max(longest, 2)
    assert (kept[0], kept[-1]) == (entries[0], entries[-1])
    assert [entry["n"] for entry in kept] == sorted(entry["n"] for entry in kept)


# --- the values themselves -------------------------------------------------------------------------------------------

NUMBERS = st.none() | st.floats(-1e6, 1e6)


@settings(max_examples=100, deadline=None)
@given(
    st.lists(st.sampled_from(MEASURANDS), unique=True, max_size=7),
    st.builds(Meter, st.just(0.0), st.integers(0, 10**10), NUMBERS, NUMBERS, NUMBERS, NUMBERS) | st.none(),
    st.floats(0, 80),
)
def test_whatever_is_read_makes_a_valid_message(measurands, meter, offered_a):
    """GEN-07, MTR-02, MTR-11, MTR-22, RPC-33: never SignedData"""
    values = sampled_values(
        tuple(measurands), levels(Reading(meter=meter, offered_a=offered_a), Electrical()), 5, "Trigger"
    )
    entry = {"timestamp": format_utc(START), "sampledValue": values}
    if values:
        check_request("MeterValues", {"connectorId": 1, "meterValue": [entry]})
        check_request(
            "StopTransaction",
            {"transactionId": 1, "meterStop": 1, "timestamp": format_utc(START), "transactionData": [entry]},
        )
    assert len({value["measurand"] for value in values}) == len(values)
    assert {value["format"] for value in values} <= {"Raw"}


def test_offered_values_count_the_phases():
    """MTR-21"""
    (value,) = sampled_values(("Power.Offered",), levels(Reading(offered_a=10.0), Electrical(32, 230, 3)), 0, "Trigger")
    assert value["value"] == "6900.0"


def test_a_triggered_value_says_so():
    """MTR-18, TXQ-11"""
    bench = Bench().ready().charge()
    bench.read(meter=replace(FULL, energy_wh=1777))
    bench.call("TriggerMessage", requestedMessage="MeterValues", connectorId=1)
    payload = bench.expect("MeterValues")
    assert payload["transactionId"] == 7
    assert [(v["value"], v["context"]) for v in payload["meterValue"][0]["sampledValue"]] == [("1777", "Trigger")]
    bench.disconnect()
    bench.connect()
    assert bench.calls == []  # never queued
