"""Start, journal, stop, recovery of the one transaction."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ocppclient.clock import format_utc, parse_utc
from ocppclient.events import Fault, LocalStop, Meter, ShutdownRequested
from ocppclient.settings import Factory
from ocppclient.transactions import REASONS
from tests.ocppclient.harness import START, Bench, of, statuses

NO_SAMPLES = {"MeterValueSampleInterval": "0"}
GROUND = Fault("GroundFailure")


def charging(configuration=None, transaction_id=7, **options):
    return Bench({**NO_SAMPLES, **(configuration or {})}, **options).ready().charge(transaction_id=transaction_id)


def stops(sent):
    return [payload for _, payload in of(sent, "StopTransaction")]


def after_power_cut(bench, away_s=5.0, register_wh=None, ev_connected=True):
    """Reboot, the hardware reports, the backend accepts; returns everything that was sent."""
    meter = bench.reading.meter
    bench.reboot(away_s)
    meter = replace(meter, at=bench.time.now, energy_wh=register_wh or meter.energy_wh)
    bench.read(ev_connected=ev_connected, contactor_closed=False, ev_requests=False, offered_a=0.0, meter=meter)
    bench.boot()
    return bench.settle()


# --- start -----------------------------------------------------------------------------------------------------------


def test_a_start_tells_connector_card_register_and_the_real_time():
    """TX-01, TX-02, TX-03"""
    bench = Bench(NO_SAMPLES).ready()
    bench.read(energy_wh=1234, ev_connected=True)
    bench.settle()
    bench.swipe("CARD1")
    bench.wait(2)
    at = bench.clock.utc()
    bench.answer(idTagInfo={"status": "Accepted"})
    assert bench.expect("StartTransaction") == {
        "connectorId": 1, "idTag": "CARD1", "meterStart": 1234, "timestamp": format_utc(at),
    }  # fmt: skip


@pytest.mark.parametrize("first", ["plug", "card"])
def test_the_order_of_plug_and_card_is_free(first):
    """TX-01, T:TC_003, TC_004_1"""
    bench = Bench(NO_SAMPLES).ready()
    if first == "plug":
        bench.read(ev_connected=True)
        bench.swipe("CARD1")
        bench.settle()
    else:
        bench.swipe("CARD1")
        bench.settle()
        bench.read(ev_connected=True)
        bench.settle()
    assert bench.setpoint.authorised
    assert bench.store.open_transaction() is not None


def test_without_a_reading_of_the_meter_nothing_starts_and_the_driver_is_told():
    """TX-03, P9"""
    bench = Bench(NO_SAMPLES)
    bench.read(meter=None)
    bench.boot()
    bench.settle()
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    bench.settle()
    assert bench.store.open_transaction() is None
    bench.wait(61)
    assert "no reading of the energy meter" in bench.reasons()[-1]


def test_the_register_of_the_start_is_that_of_the_former_stop_when_nothing_flowed():
    """TX-03, P7"""
    bench = charging()
    bench.read(energy_wh=1500)
    for _ in range(2):
        bench.swipe("CARD1")
        bench.open_contactor()
        sent = bench.settle()
        bench.swipe("CARD1")
        sent += bench.settle()
        assert stops(sent)[0]["meterStop"] == of(sent, "StartTransaction")[0][1]["meterStart"] == 1500


@pytest.mark.parametrize(
    ("transaction_id", "known"), [(0, 0), (-5, -5), ("12", 12), (12.0, 12), (2**31 + 5, 2**31 + 5)]
)
def test_any_integer_is_a_transaction_id(transaction_id, known):
    """TX-04, field problems 12 and 22"""
    bench = charging(transaction_id=transaction_id)
    bench.swipe("CARD1")
    bench.open_contactor()
    assert bench.expect("StopTransaction")["transactionId"] == known


@pytest.mark.parametrize("answer", [{}, {"transactionId": None}, {"transactionId": "x"}, {"status": "Accepted"},
                                    {"transactionId": "9" * 40}, {"transactionId": 1e300}, None, []])  # fmt: skip
def test_an_odd_answer_to_the_start_counts_as_delivered(answer):
    """TX-05, settled question 6, field problem 12: never send it twice because its answer looked odd"""
    bench = Bench(NO_SAMPLES).ready()
    bench.read(ev_connected=True)
    bench.settle()
    bench.swipe("CARD1")
    bench.answer(idTagInfo={"status": "Accepted"})
    bench.answer(answer)
    assert bench.store.queue_depth() == 0
    assert bench.store.open_transaction().start_delivered
    assert bench.setpoint.authorised
    bench.wait(200, step_s=1)
    bench.swipe("CARD1")
    bench.open_contactor()
    sent = bench.settle()
    assert not of(sent, "StartTransaction")
    assert stops(sent)[0]["transactionId"] == -1


def test_there_is_only_one_transaction():
    """TX-15, P4, field problem 28"""
    bench = charging()
    assert bench.call("RemoteStartTransaction", connectorId=1, idTag="OTHER")[2] == {"status": "Rejected"}
    bench.swipe("OTHER")
    bench.read()
    assert len(bench.store._transactions) == 1


def test_a_fault_keeps_a_session_from_starting():
    """STA-13, T:TC_041"""
    bench = Bench(NO_SAMPLES).ready()
    bench.swipe("CARD1")
    bench.settle()
    bench.read(ev_connected=True, faults=(GROUND,))
    assert not of(bench.settle(), "StartTransaction")
    bench.read(faults=())
    assert of(bench.settle(), "StartTransaction")


# --- the verdict of StartTransaction.conf ----------------------------------------------------------------------------


def refused(status="Invalid", register_wh=1000, offline=False, **configuration):
    """A session whose StartTransaction.conf does not say Accepted; the contactor is closed."""
    bench = Bench({**NO_SAMPLES, "AllowOfflineTxForUnknownId": "true", **configuration}).ready()
    if offline:
        bench.disconnect()
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    if offline:
        bench.read(contactor_closed=True, energy_wh=register_wh)
        bench.connect()
        while bench.calls[0][1] != "StartTransaction":
            bench.answer()
    else:
        while bench.calls[0][1] != "StartTransaction":
            bench.answer(idTagInfo={"status": "Accepted"})
        bench.read(contactor_closed=True, energy_wh=register_wh)
    bench.answer(transactionId=7, idTagInfo={"status": status})
    return bench


@pytest.mark.parametrize("status", ["Invalid", "Blocked", "Expired", "ConcurrentTx"])
@pytest.mark.parametrize("offline", [False, True])
def test_a_refused_card_ends_the_session(status, offline):
    """TX-06, T:TC_037_3, field problem 22, D-03"""
    bench = refused(status, offline=offline, MaxEnergyOnInvalidId="500")
    assert not bench.setpoint.authorised
    bench.open_contactor()
    (stop,) = stops(bench.settle())
    assert (stop["reason"], stop["transactionId"], "idTag" in stop) == ("DeAuthorized", 7, False)
    assert "TX-06" in bench.clauses()


def test_with_stop_on_invalid_id_false_only_the_energy_ends():
    """TX-07, STA-05, T:TC_037_2"""
    bench = refused(StopTransactionOnInvalidId="false")
    assert not bench.setpoint.authorised
    bench.open_contactor()
    sent = bench.settle()
    assert not stops(sent)
    assert statuses(sent)[-1] == "SuspendedEVSE"
    assert bench.call("RemoteStopTransaction", transactionId=7)[2] == {"status": "Accepted"}
    assert stops(bench.settle())[0]["reason"] == "Remote"


def test_grace_energy_is_delivered_before_the_energy_ends():
    """TX-08, D-03: counted from the refusal on"""
    bench = refused(register_wh=1300, StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="200")
    bench.settle()
    bench.read(energy_wh=1499)
    assert bench.setpoint.authorised
    bench.read(energy_wh=1500)
    assert not bench.setpoint.authorised
    bench.open_contactor()
    assert statuses(bench.settle())[-1] == "SuspendedEVSE"


def test_the_verdict_is_kept_over_a_reboot_that_resumes():
    """TX-07, TX-19"""
    bench = refused(StopTransactionOnInvalidId="false", MaxEnergyOnInvalidId="100")
    bench.settings = replace(bench.settings, factory=Factory(resume_after_power_loss=True))
    after_power_cut(bench)
    assert bench.setpoint.authorised
    bench.read(energy_wh=1100)
    assert not bench.setpoint.authorised


def test_a_verdict_that_comes_after_the_stop_changes_nothing():
    """TX-18, P4"""
    bench = Bench({**NO_SAMPLES, "AllowOfflineTxForUnknownId": "true"}).ready()
    bench.disconnect()
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    bench.swipe("CARD1")
    bench.connect()
    sent = bench.settle(StartTransaction={"transactionId": 9, "idTagInfo": {"status": "Invalid"}},
                        StopTransaction={"idTagInfo": {"status": "Invalid"}})  # fmt: skip
    assert [stop["reason"] for stop in stops(sent)] == ["Local"]
    assert bench.store.open_transaction() is None


def test_a_late_verdict_about_an_old_session_leaves_the_new_one_alone():
    """TX-06, P4, P5"""
    bench = Bench({**NO_SAMPLES, "AllowOfflineTxForUnknownId": "true"}).ready()
    bench.disconnect()
    bench.read(ev_connected=True)
    for _ in range(3):  # start, stop, start again
        bench.swipe("CARD1")
    bench.connect()
    while bench.calls[0][1] != "StartTransaction":
        bench.answer()
    bench.answer(transactionId=1, idTagInfo={"status": "Invalid"})
    assert "TX-06" not in bench.clauses()
    assert bench.setpoint.authorised
    sent = bench.settle(StartTransaction={"transactionId": 2, "idTagInfo": {"status": "Accepted"}})
    assert [payload["transactionId"] for _, payload in of(sent, "StopTransaction")] == [1]
    assert bench.store.open_transaction().transaction_id == 2


# --- stop ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("how", "reason", "id_tag"),
    [
        (lambda bench: bench.swipe("card1"), "Local", "card1"),
        (lambda bench: bench.do(LocalStop()), "Local", None),
        (lambda bench: bench.do(LocalStop("EmergencyStop")), "EmergencyStop", None),
        (lambda bench: bench.do(LocalStop("because")), "Other", None),
        (lambda bench: bench.call("RemoteStopTransaction", transactionId=7), "Remote", None),
        (lambda bench: bench.read(ev_connected=False), "EVDisconnected", None),
        (lambda bench: bench.call("Reset", type="Hard"), "HardReset", None),
        (lambda bench: bench.call("Reset", type="Soft"), "SoftReset", None),
        (lambda bench: bench.read(faults=(replace(GROUND, stop_after_s=0.0),)), "Other", None),
        (
            lambda bench: bench.read(
                faults=(Fault("OtherError", stop_after_s=0.0, stop_reason="EmergencyStop"), GROUND),
            ),
            "EmergencyStop",
            None,
        ),
    ],
)
def test_each_way_to_stop_has_its_reason(how, reason, id_tag):
    """TX-10, TX-11, TX-12, TX-13, RST-12, RES-03, RES-04"""
    bench = charging()
    bench.read(energy_wh=1900)
    how(bench)
    assert not bench.setpoint.authorised
    assert not stops([(call[1], call[2]) for call in bench.calls])  # the contactor is still closed
    bench.wait(1)
    bench.read(energy_wh=1901)
    at = bench.clock.utc()
    bench.open_contactor()
    (stop,) = stops(bench.settle())
    assert stop == {
        "transactionId": 7, "meterStop": 1901, "timestamp": format_utc(at), "reason": reason,
        **({"idTag": id_tag} if id_tag else {}),
    }  # fmt: skip


def test_a_stop_does_not_wait_for_ever_for_a_contactor_that_stays_closed():
    """P1, GEN-12: RemoteStop to StopTransaction within 10 s"""
    bench = charging()
    bench.call("RemoteStopTransaction", transactionId=7)
    bench.wait(7)
    assert bench.expect("StopTransaction")


def test_unplugging_offline_ends_the_session_and_plugging_in_again_gives_no_energy():
    """TX-13, T:TC_039"""
    bench = charging()
    bench.disconnect()
    bench.read(ev_connected=False, contactor_closed=False)
    bench.read(ev_connected=True)
    bench.wait(5)
    assert not bench.setpoint.authorised
    bench.connect()
    assert [stop["reason"] for stop in stops(bench.settle())] == ["EVDisconnected"]


def test_with_stop_on_unplug_false_the_session_goes_on_without_its_car():
    """TX-14, STA-16, T:TC_005_3, C-06.1"""
    bench = charging({"StopTransactionOnEVSideDisconnect": "false"})
    bench.read(ev_connected=False, contactor_closed=False)
    (status,) = [payload for _, payload in bench.settle()]
    assert (status["status"], status["errorCode"], status["info"]) == ("SuspendedEV", "NoError", "EV side disconnected")
    bench.read(ev_connected=True, contactor_closed=True)
    assert bench.setpoint.authorised
    assert statuses(bench.settle()) == ["Charging"]
    bench.read(ev_connected=False, contactor_closed=False)
    bench.settle()
    assert bench.call("RemoteStopTransaction", transactionId=7)[2] == {"status": "Accepted"}
    sent = bench.settle()
    assert [stop["reason"] for stop in stops(sent)] == ["Remote"]


def test_a_second_wish_to_stop_changes_nothing():
    """P4, field problem 21"""
    bench = charging()
    bench.swipe("CARD1")
    bench.call("RemoteStopTransaction", transactionId=7)
    bench.do(LocalStop())
    bench.read(ev_connected=False)
    bench.open_contactor()
    assert [stop["reason"] for stop in stops(bench.settle())] == ["Local"]


def test_nothing_to_stop_is_no_stop():
    """P4"""
    bench = Bench().ready()
    bench.do(LocalStop())
    assert bench.calls == []


def test_a_fault_suspends_first_and_stops_when_it_lasts():
    """STA-10, STA-12, TX-11"""
    bench = charging()
    bench.read(faults=(replace(GROUND, stop_after_s=60.0),), contactor_closed=False)
    assert not bench.setpoint.authorised
    assert statuses(bench.settle()) == ["Faulted"]
    bench.wait(59)
    assert bench.calls == []
    bench.read(faults=(), contactor_closed=True)
    assert bench.setpoint.authorised
    assert statuses(bench.settle()) == ["Charging"]
    bench.read(faults=(replace(GROUND, stop_after_s=60.0),), contactor_closed=False)
    bench.wait(60.2)
    assert [stop["reason"] for stop in stops(bench.settle())] == ["Other"]


def test_all_reasons_are_those_of_the_specification():
    """TX-11"""
    from ocpp.v16.enums import Reason

    assert set(REASONS) == {reason.value for reason in Reason}


# --- the meter -------------------------------------------------------------------------------------------------------


def test_the_meter_never_runs_backwards_within_a_session():
    """MTR-10, P7, field problem 24"""
    bench = charging({"MeterValueSampleInterval": "10"})
    seen = [1000]
    for register in (1500, 1499, 1400, 1501, 0):
        bench.read(energy_wh=register)
        bench.wait(10)
        for _, payload in of(bench.settle(), "MeterValues"):
            seen.append(int(payload["meterValue"][0]["sampledValue"][0]["value"]))
    bench.swipe("CARD1")
    bench.open_contactor()
    seen.append(stops(bench.settle())[0]["meterStop"])
    assert seen == sorted(seen)
    assert seen[-1] == 1501


def test_a_meter_that_goes_silent_in_a_session_leaves_the_last_value():
    """MTR-10, P1"""
    bench = charging()
    bench.read(energy_wh=1300)
    bench.read(meter=None)
    bench.wait(100, step_s=1)
    bench.swipe("CARD1")
    bench.open_contactor()
    assert stops(bench.settle())[0]["meterStop"] == 1300


def test_the_journal_is_at_most_a_minute_or_100_wh_old():
    """Field problem 25, P1"""
    bench = charging()
    bench.read(energy_wh=1099)
    assert bench.store.open_transaction().last_wh == 1000
    bench.read(energy_wh=1100)
    assert bench.store.open_transaction().last_wh == 1100
    bench.read(energy_wh=1101)
    bench.wait(61, step_s=1)
    assert bench.store.open_transaction().last_wh == 1101


# --- recovery --------------------------------------------------------------------------------------------------------


def test_after_a_power_cut_the_stop_tells_what_the_register_shows():
    """TX-16, T:TC_032_2, F1, settled question 4"""
    bench = charging()
    bench.read(energy_wh=1200)
    at = bench.store.open_transaction().last_seen_at
    (stop,) = stops(after_power_cut(bench, away_s=600, register_wh=1225))
    assert stop == {"transactionId": 7, "meterStop": 1225, "timestamp": format_utc(at), "reason": "PowerLoss"}
    assert bench.status == "Finishing"


@pytest.mark.parametrize(
    ("cause", "reason"),
    [
        (lambda bench: None, "PowerLoss"),
        (lambda bench: bench.do(ShutdownRequested()), "Reboot"),
        (lambda bench: bench.call("Reset", type="Hard"), "HardReset"),
        (lambda bench: bench.call("Reset", type="Soft"), "SoftReset"),
        (lambda bench: (bench.call("Reset", type="Hard"), bench.do(ShutdownRequested())), "HardReset"),
        (lambda bench: bench.swipe("CARD1"), "Local"),
        (lambda bench: bench.call("RemoteStopTransaction", transactionId=7), "Remote"),
    ],
)
def test_the_reason_is_what_ended_the_session_before_the_boot(cause, reason):
    """TX-11, RES-03, RES-04, T:TC_015, TC_016, F28: the contactor had no time to open"""
    bench = charging()
    cause(bench)
    (stop,) = stops(after_power_cut(bench))
    assert stop["reason"] == reason
    bench.swipe("CARD2")
    bench.settle()
    (stop,) = stops(after_power_cut(bench))
    assert stop["reason"] == "PowerLoss"  # the cause is used up


def test_energy_that_flowed_while_only_the_host_was_away_belongs_to_the_session():
    """TX-16, P7: the box went on without its host"""
    bench = charging()
    sent = after_power_cut(bench, away_s=3600, register_wh=1000 + 3000)
    (stop,) = stops(sent)
    assert stop["meterStop"] == 4000
    assert parse_utc(stop["timestamp"]) > START + timedelta(minutes=59)


def test_a_box_that_went_on_and_a_clock_that_was_lost_date_no_stop_before_its_start():
    """TX-16, CLK-04"""
    bench = charging()
    bench.read(energy_wh=1150)
    bench.start = START.replace(year=1970)
    bench.reboot(away_s=60)
    bench.read(energy_wh=1160)  # the contactor is still closed
    bench.open_contactor()
    bench.wait(7)
    bench.boot()
    (stop,) = stops(bench.settle())
    assert stop["meterStop"] == 1160
    assert parse_utc(stop["timestamp"]) >= START


@pytest.mark.parametrize("register_wh", [900_000, 12])
def test_a_register_that_cannot_be_true_is_not_billed(register_wh):
    """TX-16, F21, P9: another meter, or one that was reset"""
    bench = charging()
    bench.read(energy_wh=1200)
    (stop,) = stops(after_power_cut(bench, away_s=60, register_wh=register_wh))
    assert stop["meterStop"] == 1200
    assert bench.clauses()[-1] == "TX-16"


def test_a_meter_that_answers_later_than_the_board_is_waited_for():
    """TX-16, F1: nothing is decided before, not even that the car is gone"""
    bench = charging()
    bench.read(energy_wh=1150)
    bench.reboot()
    bench.read(ev_connected=False, contactor_closed=False, meter=None)
    bench.wait(3)
    assert bench.store.open_transaction() is not None
    assert not bench.setpoint.authorised
    bench.read(meter=Meter(bench.time.now, 1160))
    bench.boot()
    (stop,) = stops(bench.settle())
    assert (stop["reason"], stop["meterStop"]) == ("PowerLoss", 1160)


def test_a_dead_meter_does_not_hide_the_session_for_ever():
    """TX-16, P1: then the journal counts"""
    bench = charging()
    bench.read(energy_wh=1150)
    bench.reboot()
    bench.read(ev_connected=True, contactor_closed=False, meter=None)
    bench.boot()
    bench.wait(31)
    (stop,) = stops(bench.settle())
    assert (stop["reason"], stop["meterStop"]) == ("PowerLoss", 1150)


def test_before_the_hardware_was_read_no_energy_is_authorised():
    """P8, F1"""
    bench = charging()
    bench.reboot()
    bench.boot()
    bench.wait(5)
    assert not bench.setpoint.authorised
    assert not stops(bench.settle())


def test_a_start_that_was_never_answered_is_sent_before_its_stop():
    """TX-16, TX-19, TX-20, TXQ-09, field problem 21"""
    bench = Bench({**NO_SAMPLES, "AllowOfflineTxForUnknownId": "true"}).ready()
    bench.disconnect()
    bench.read(ev_connected=True)
    bench.swipe("CARD1")
    began = bench.clock.utc()
    sent = after_power_cut(bench, away_s=7200)
    assert [action for action, _ in of(sent, "StartTransaction", "StopTransaction")] == [
        "StartTransaction",
        "StopTransaction",
    ]
    assert parse_utc(of(sent, "StartTransaction")[0][1]["timestamp"]) == began


def test_many_boots_in_a_row_close_the_session_once():
    """P4, F33"""
    bench = charging()
    for _ in range(5):
        bench.reboot()
        bench.read(contactor_closed=False)
    bench.boot()
    assert len(stops(bench.settle())) == 1


def test_the_factory_may_let_sessions_resume():
    """TX-16, settled question 4: resuming is a factory setting, off by default"""
    bench = charging(factory=Factory(resume_after_power_loss=True))
    bench.read(energy_wh=1150)
    sent = after_power_cut(bench, register_wh=1155, away_s=60)
    assert not stops(sent)
    assert bench.setpoint.authorised
    bench.swipe("CARD1")
    (stop,) = stops(bench.settle())
    assert (stop["meterStop"], stop["transactionId"]) == (1155, 7)


@pytest.mark.parametrize("why", ["unplugged", "stopping"])
def test_what_cannot_resume_is_stopped(why):
    """TX-16"""
    bench = charging(factory=Factory(resume_after_power_loss=True))
    if why == "stopping":
        bench.swipe("CARD1")
    (stop,) = stops(after_power_cut(bench, ev_connected=why != "unplugged"))
    assert stop["reason"] == ("Local" if why == "stopping" else "PowerLoss")


def test_a_resumed_session_never_reports_less_than_before():
    """MTR-10: a meter that lost its register meanwhile"""
    bench = charging({"MeterValueSampleInterval": "10"}, factory=Factory(resume_after_power_loss=True))
    bench.read(energy_wh=1500)
    after_power_cut(bench, register_wh=3)
    bench.wait(11)
    (values,) = [payload for _, payload in of(bench.settle(), "MeterValues")]
    assert values["meterValue"][0]["sampledValue"][0]["value"] == "1500"
    bench.swipe("CARD1")
    assert stops(bench.settle())[0]["meterStop"] == 1500


def test_a_crash_while_the_box_goes_on_is_stopped_when_the_contactor_is_open_with_all_its_energy():
    """TX-16: nothing is told before the energy has ended."""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.read(energy_wh=1010)
    bench.reboot(away_s=20, box_goes_on=True)
    bench.read(energy_wh=1030)
    assert not bench.setpoint.authorised
    bench.boot()
    assert of(bench.settle(), "StopTransaction") == []
    bench.wait(1)
    bench.read(energy_wh=1033, contactor_closed=False)
    ((_, stop),) = of(bench.settle(), "StopTransaction")
    assert (stop["meterStop"], stop["reason"]) == (1033, "PowerLoss")
    assert stop["timestamp"] == format_utc(bench.clock.utc())


def test_a_contactor_that_does_not_open_after_a_crash_does_not_hide_the_session():
    """TX-16"""
    bench = Bench(NO_SAMPLES).ready().charge()
    bench.reboot(away_s=20, box_goes_on=True)
    bench.read(energy_wh=1030)
    bench.boot()
    bench.settle()
    bench.wait(7)
    ((_, stop),) = of(bench.settle(), "StopTransaction")
    assert stop["meterStop"] == 1030


def test_a_clock_that_is_set_back_during_a_session_gives_it_no_negative_duration():
    """CLK-05, MTR: the backend's clock was an hour ahead when the session began"""
    bench = Bench({"MeterValueSampleInterval": "0"}).ready().charge()
    (row,) = bench.store._transactions.values()
    bench.clock.set_utc(bench.clock.utc() - timedelta(hours=1))
    bench.swipe("CARD1")
    bench.open_contactor()
    assert bench.expect("StopTransaction")["timestamp"] == format_utc(row.started_at)
