"""The front door: tables, order of the frames, duplicates, failures, reasons, and what the domain may import."""

from __future__ import annotations

import ast
import json
import re
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import ocpp
import ocpp.v16.enums as ocpp_enums
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import ocppclient
from ocppclient.codec import CENTRAL_SYSTEM_REQUESTS
from ocppclient.events import (
    AliveSeen,
    CardSwiped,
    Connected,
    Disconnected,
    Explain,
    Fault,
    FrameReceived,
    LocalStart,
    LocalStop,
    Meter,
    Reading,
    ResendParked,
    SendFrame,
    Setpoint,
    SettingsChanged,
    ShutdownRequested,
    Tick,
    TimeTold,
)
from ocppclient.memory_store import MemoryStore
from tests.ocppclient.harness import Bench, of

CORE = {
    "ChangeAvailability", "ChangeConfiguration", "ClearCache", "DataTransfer", "GetConfiguration",
    "RemoteStartTransaction", "RemoteStopTransaction", "Reset", "UnlockConnector",
}  # fmt: skip

#: A valid request of the kinds that change something here.
VALID = {
    "CancelReservation": {"reservationId": 17},
    "ChangeAvailability": {"connectorId": 1, "type": "Operative"},
    "ChangeConfiguration": {"key": "HeartbeatInterval", "value": "60"},
    "ClearCache": {},
    "DataTransfer": {"vendorId": "x"},
    "GetConfiguration": {},
    "RemoteStartTransaction": {"idTag": "A"},
    "RemoteStopTransaction": {"transactionId": 1},
    "ReserveNow": {"connectorId": 1, "expiryDate": "2030-01-01T00:00:00Z", "idTag": "A", "reservationId": 18},
    "Reset": {"type": "Soft"},
    "TriggerMessage": {"requestedMessage": "Heartbeat"},
    "UnlockConnector": {"connectorId": 1},
}


def raw(bench, text):
    """What the station answers to this text."""
    return [json.loads(action.text) for action in bench.do(FrameReceived(text)) if isinstance(action, SendFrame)]


# --- the tables ------------------------------------------------------------------------------------------------------


def test_every_message_of_the_core_profile_has_its_handler():
    """GEN-08"""
    assert set(Bench().cp.requests) >= CORE
    assert {"Authorize", "BootNotification", "Heartbeat", "MeterValues", "StartTransaction", "StatusNotification",
            "StopTransaction"} <= set(Bench().cp.replies)  # fmt: skip
    assert set(Bench().cp.requests) <= CENTRAL_SYSTEM_REQUESTS


@pytest.mark.parametrize("action", sorted(VALID))
def test_every_handled_request_gets_a_result(action):
    """GEN-08, RPC-19"""
    assert Bench().ready().call(action, **VALID[action])[0] == 3


@pytest.mark.parametrize(
    "action", ["Nonsense", "", "reset", "/Reset", "Reset ", "GetVariables", "x" * 500, "../Reset", "\x00"]
)
def test_an_unknown_action_is_not_implemented(action):
    """RPC-14, RPC-21, reliability A9"""
    bench = Bench().ready()
    assert bench.call_raw(action, {})[2] == "NotImplemented"


def test_a_known_action_that_is_not_handled_is_not_supported():
    """RPC-21"""
    bench = Bench().ready()
    for action in sorted(CENTRAL_SYSTEM_REQUESTS | set(bench.cp.replies)):
        if action not in bench.cp.requests:
            assert bench.call_raw(action, {})[2] == "NotSupported", action


# --- frames ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("action", "payload"),
    [
        ("RemoteStartTransaction", {"idTag": "A"}),
        ("TriggerMessage", {"requestedMessage": "StatusNotification"}),
        ("RemoteStopTransaction", {"transactionId": 7}),
        ("ChangeAvailability", {"connectorId": 0, "type": "Inoperative"}),
    ],
)
def test_the_answer_to_a_call_is_the_first_thing_its_event_produces(action, payload):
    """RST-01, TRG-01, field problem 14"""
    bench = Bench().ready()
    if action == "RemoteStopTransaction":
        bench.charge()
        bench.read(contactor_closed=False)
        bench.settle()
    actions = bench.do(FrameReceived(json.dumps([2, "x", action, payload])))
    assert isinstance(actions[0], SendFrame)
    assert json.loads(actions[0].text)[:2] == [3, "x"]
    assert sum(isinstance(item, SendFrame) for item in actions) == 2


@pytest.mark.parametrize("text", ["", "x", "[]", "[3]", "[9,1]", '[2,"a"', "[" * 100_000, "\ufeff", "\x00", '{"a":1}'])
def test_no_frame_ends_the_session(text):
    """Field problem 13, RPC-28, runtime 5.5"""
    bench = Bench().ready()
    raw(bench, text)
    assert bench.call("GetConfiguration")[0] == 3


def test_what_is_no_message_is_counted_and_told():
    """RPC-28, P9"""
    bench = Bench().ready()
    assert raw(bench, '[2,"a","Reset"]') == [
        [4, "a", "FormationViolation", "a CALL has 4 elements, this one has 3", {}]
    ]
    assert bench.cp.view().quirks == 1
    assert bench.clauses() == ["RPC-28"]


def test_the_same_call_again_gets_the_same_answer_and_is_done_once():
    """RPC-20, field problem 18"""
    bench = Bench().ready()
    frame = '[2,"x","TriggerMessage",{"requestedMessage":"Heartbeat"}]'
    first = raw(bench, frame)
    assert raw(bench, frame) == [first[0]]
    assert len(bench.calls) == 1


def test_a_reused_id_with_another_text_is_another_call():
    """RPC-20"""
    bench = Bench().ready()
    raw(bench, '[2,"1","ChangeConfiguration",{"key":"HeartbeatInterval","value":"60"}]')
    (answer,) = raw(bench, '[2,"1","GetConfiguration",{"key":["HeartbeatInterval"]}]')
    assert answer[2]["configurationKey"][0]["value"] == "60"


def test_on_a_new_connection_ids_begin_anew():
    """RPC-13: many backends count from 1 on every connection"""
    bench = Bench().ready()
    frame = '[2,"1","TriggerMessage",{"requestedMessage":"Heartbeat"}]'
    raw(bench, frame)
    bench.disconnect()
    bench.connect()
    raw(bench, frame)
    assert len(bench.calls) == 1


def test_the_memory_of_answers_is_bounded():
    """Field problem 18, F29"""
    bench = Bench().ready()
    for n in range(200):
        raw(bench, f'[2,"{n}","ClearCache",{{}}]')
    assert len(bench.cp._answers) == 50


KEYS = st.sampled_from(["HeartbeatInterval", "MeterValuesSampledData", "LocalPreAuthorize", "x"])
MESSAGES = st.sampled_from(["Heartbeat", "MeterValues", "StatusNotification", "BootNotification", "x"])
CONNECTOR = st.integers(-2, 3)
FIELDS = {
    "ChangeAvailability": {"connectorId": CONNECTOR, "type": st.sampled_from(["Operative", "Inoperative", "x"])},
    "ChangeConfiguration": {"key": KEYS, "value": st.text(max_size=30)},
    "GetConfiguration": {"key": st.lists(st.text(max_size=60), max_size=30)},
    "RemoteStartTransaction": {"idTag": st.text(max_size=24), "connectorId": CONNECTOR | st.none()},
    "RemoteStopTransaction": {"transactionId": st.integers() | st.floats()},
    "DataTransfer": {"vendorId": st.text(max_size=300), "data": st.text()},
    "TriggerMessage": {"requestedMessage": MESSAGES, "connectorId": CONNECTOR},
    "UnlockConnector": {"connectorId": st.integers()},
}
ANYTHING = st.none() | st.integers() | st.text(max_size=9) | st.floats() | st.lists(st.none(), max_size=3)
REQUESTS = st.one_of(
    *(st.tuples(st.just(action), st.fixed_dictionaries({}, optional=fields)) for action, fields in FIELDS.items()),
    st.tuples(
        st.sampled_from(sorted(CENTRAL_SYSTEM_REQUESTS - {"Reset"})) | st.text(max_size=60),
        st.dictionaries(st.text(max_size=9), ANYTHING, max_size=4),
    ),
)
CODES = {
    "NotImplemented", "NotSupported", "InternalError", "ProtocolError", "SecurityError", "FormationViolation",
    "PropertyConstraintViolation", "OccurenceConstraintViolation", "TypeConstraintViolation", "GenericError",
}  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(st.lists(REQUESTS, max_size=20), st.data())
def test_every_readable_call_gets_exactly_one_answer_with_its_id(requests, data):
    """RPC-14, RPC-19, RPC-22, RPC-34, field problem 13, A21: whatever the backend asks for"""
    bench = Bench().ready()
    for number, (action, payload) in enumerate(requests):
        frames = raw(bench, json.dumps([2, str(number), action, payload]))
        answers = [frame for frame in frames if frame[0] != 2]
        assert [frame[1] for frame in answers] == [str(number)]
        if answers[0][0] == 4:
            assert answers[0][2] in CODES - {"InternalError"}
            assert len(answers[0]) == 5
        if data.draw(st.booleans()):
            bench.settle()


# --- failures --------------------------------------------------------------------------------------------------------


class Failing(MemoryStore):
    """A store whose k-th write from now on raises; 0: none does."""

    def __init__(self):
        super().__init__()
        self.fail_in = 0
        self.failed = False

    def _write(self, table, key, row):
        if self.fail_in:
            self.fail_in -= 1
            if not self.fail_in:
                self.failed = True
                raise OSError("database or disk is full")
        super()._write(table, key, row)


ENTRY = {"idTag": "A", "idTagInfo": {"status": "Accepted"}}
LIST = {"listVersion": 3, "updateType": "Full", "localAuthorizationList": [ENTRY]}
TX_PROFILE = {
    "chargingProfileId": 1,
    "stackLevel": 0,
    "chargingProfilePurpose": "TxProfile",
    "chargingProfileKind": "Relative",
    "chargingSchedule": {"chargingRateUnit": "A", "chargingSchedulePeriod": [{"startPeriod": 0, "limit": 6}]},
}
SITUATIONS = {
    "idle": lambda bench: None,
    "charging": lambda bench: bench.charge(),
    "faulted": lambda bench: bench.read(faults=(Fault("GroundFailure"),)),
    "unavailable": lambda bench: bench.call("ChangeAvailability", connectorId=1, type="Inoperative"),
    "listed": lambda bench: bench.call(
        "SendLocalList", listVersion=3, updateType="Full", localAuthorizationList=[ENTRY]
    ),
    "unlisted": lambda bench: bench.call("ChangeConfiguration", key="LocalAuthListEnabled", value="false"),
    "reserved": lambda bench: bench.call("ReserveNow", **{**VALID["ReserveNow"], "idTag": "B", "reservationId": 17}),
}
SPOILING = {
    **VALID,
    "RemoteStopTransaction": {"transactionId": 7},
    "ChangeConfiguration": {"key": "WebSocketPingInterval", "value": "5"},
    "ChangeAvailability": {"connectorId": 0, "type": "Inoperative"},
}


def state(bench):
    """Everything that a CALL could change, without times and ids."""
    bench.do(Tick())
    cp, store = bench.cp, bench.store
    rows = store._values.copy(), list(store._transactions.values())
    return rows, cp.config._values.copy(), bench.setpoint, bench.status, cp.authorization.granted, cp.reset._asked_at


@pytest.mark.parametrize("situation", ["idle", "charging", "reserved"])
@pytest.mark.parametrize("action", sorted(SPOILING))
def test_a_call_whose_writes_fail_is_answered_with_an_internal_error_and_changes_nothing(action, situation):
    """RPC-22, RPC-34, design.md section 7: savepoint, memory and database stay the same"""
    for k in range(1, 12):
        store = Failing()
        bench = Bench({"MeterValueSampleInterval": "0"}, store=store).ready()
        SITUATIONS[situation](bench)
        bench.settle()
        before = state(bench)
        store.fail_in = k
        try:
            answer = bench.call_raw(action, SPOILING[action])
        except OSError:  # not in the handler but in what follows it: the process ends and starts again
            continue
        store.fail_in = 0
        if not store.failed:
            break
        assert answer[2] == "InternalError"
        assert "RPC-22" in bench.clauses()
        assert state(bench) == before
        bench.wait(12)
        assert bench.call_raw("GetConfiguration", {})[0] == 3
    else:
        pytest.fail("the handler never ran through")


def test_an_error_outside_a_call_ends_the_process():
    """Design.md section 7: memory and database may differ then"""
    store = Failing()
    bench = Bench(store=store).ready()
    bench.read(ev_connected=True)
    bench.settle()
    bench.swipe("CARD1")
    store.fail_in = 1
    with pytest.raises(OSError, match="full"):
        bench.settle()
    assert store._transactions == {}


# --- reasons ---------------------------------------------------------------------------------------------------------

#: (situation, action, payload) → an answer that is not Accepted. Every status that a handler can give appears here.
REFUSALS = [
    (None, "CancelReservation", VALID["CancelReservation"], "Rejected"),
    (None, "ChangeAvailability", {"connectorId": 9, "type": "Operative"}, "Rejected"),
    ("charging", "ChangeAvailability", {"connectorId": 1, "type": "Inoperative"}, "Scheduled"),
    (None, "ChangeConfiguration", {"key": "Nonsense", "value": "1"}, "NotSupported"),
    (None, "ChangeConfiguration", {"key": "NumberOfConnectors", "value": "1"}, "Rejected"),
    (None, "ChangeConfiguration", {"key": "HeartbeatInterval", "value": "x"}, "Rejected"),
    (None, "DataTransfer", {"vendorId": "x"}, "UnknownVendorId"),
    (None, "RemoteStartTransaction", {"idTag": "A", "connectorId": 0}, "Rejected"),
    ("charging", "RemoteStartTransaction", {"idTag": "A"}, "Rejected"),
    ("reserved", "RemoteStartTransaction", {"idTag": "A"}, "Rejected"),
    (None, "RemoteStopTransaction", {"transactionId": 1}, "Rejected"),
    (None, "ReserveNow", {**VALID["ReserveNow"], "connectorId": 2}, "Rejected"),
    ("charging", "ReserveNow", VALID["ReserveNow"], "Occupied"),
    ("reserved", "ReserveNow", VALID["ReserveNow"], "Occupied"),
    ("faulted", "ReserveNow", VALID["ReserveNow"], "Faulted"),
    ("unavailable", "ReserveNow", VALID["ReserveNow"], "Unavailable"),
    (None, "TriggerMessage", {"requestedMessage": "BootNotification"}, "Rejected"),
    (None, "TriggerMessage", {"requestedMessage": "MeterValues", "connectorId": 5}, "Rejected"),
    (None, "ExtendedTriggerMessage", {"requestedMessage": "SignChargePointCertificate"}, "Rejected"),
    (None, "UnlockConnector", {"connectorId": 1}, "NotSupported"),
    (None, "GetConfiguration", {"key": ["x"] * 21}, "OccurenceConstraintViolation"),
    (None, "ClearChargingProfile", {"id": 4711}, "Unknown"),
    (None, "ExtendedTriggerMessage", {"requestedMessage": "BootNotification"}, "Rejected"),
    (None, "GetCompositeSchedule", {"connectorId": 9, "duration": 60}, "Rejected"),
    (None, "SendLocalList", {"listVersion": 0, "updateType": "Full"}, "Failed"),
    ("listed", "SendLocalList", {"listVersion": 3, "updateType": "Differential"}, "VersionMismatch"),
    ("unlisted", "SendLocalList", {"listVersion": 3, "updateType": "Full"}, "NotSupported"),
    (None, "SetChargingProfile", {"connectorId": 1, "csChargingProfiles": TX_PROFILE}, "Rejected"),
    (None, "Reset", {}, "OccurenceConstraintViolation"),
    (None, "Reset", {"type": "Warm"}, "PropertyConstraintViolation"),
    (None, "Reset", {"type": 1}, "TypeConstraintViolation"),
    (None, "Reset", {"type": "Soft", "when": "now"}, "FormationViolation"),
    (None, "Nonsense", {}, "NotImplemented"),
    (None, "Heartbeat", {}, "NotSupported"),
]


@pytest.mark.parametrize(("situation", "action", "payload", "verdict"), REFUSALS)
def test_every_answer_that_is_not_accepted_has_its_reason(situation, action, payload, verdict):
    """P9, field-problems section 5 item 2: code, one sentence, the clause"""
    bench = Bench({"MeterValueSampleInterval": "0"}).ready()
    SITUATIONS[situation or "idle"](bench)
    bench.actions.clear()
    answer = bench.call_raw(action, payload)
    assert (answer[2] if answer[0] == 4 else answer[2]["status"]) == verdict
    (told,) = [item for item in bench.actions if isinstance(item, Explain)]
    assert (told.what, told.verdict) == (action, verdict)
    assert re.match(r"^\S.{10,}\.$", told.rule, re.S), told.rule
    assert re.match(r"^[A-Z]+-\d\d$", told.clause)


#: (request, status of its schema) → why this station never answers so.
NEVER = {
    ("ExtendedTriggerMessage", "NotImplemented"): "every message of it is there",
    (
        "SignedUpdateFirmware",
        "RevokedCertificate",
    ): "nothing tells the station what is revoked; certificates are short-lived",
    ("TriggerMessage", "NotImplemented"): "only with a feature profile left out: test_remote_trigger.py",
    ("ChangeConfiguration", "RebootRequired"): "every change acts at once",
    ("ClearCache", "Rejected"): "there is a cache, and a failing store is an InternalError",
    ("DataTransfer", "Rejected"): "no vendor is known, so no message is",
    ("DataTransfer", "UnknownMessageId"): "no vendor is known, so no message is",
    ("Reset", "Rejected"): "a reset is always tried",
    ("SetChargingProfile", "NotSupported"): "smart charging left out is a CALLERROR NotSupported",
    ("UnlockConnector", "Unlocked"): "the cable is fixed",
    ("UnlockConnector", "UnlockFailed"): "the cable is fixed",
}
#: Requests whose refusals need more than a situation: shown there, where the bench wants a reason for each as well.
SHOWN_IN = {
    "GetLog": "test_diagnostics.py",
    "SignedUpdateFirmware": "test_firmware.py",
    "CertificateSigned": "test_charge_point_certificate.py",
    "DeleteCertificate": "test_certificates.py",
    "GetInstalledCertificateIds": "test_certificates.py",
    "InstallCertificate": "test_certificates.py",
}
#: Codes of OCPP-J 1.6 that a CALLERROR of this station never carries.
NEVER_CODES = {"GenericError", "ProtocolError", "SecurityError"}
#: Shown by the tests of failing stores above.
SHOWN_ELSEWHERE = {"InternalError"}


def statuses_of(action):
    """What the schema of the answer allows as its status."""
    path = Path(ocpp.__file__).parent / "v16" / "schemas" / f"{action}Response.json"
    return set(re.findall(r'"(\w+)"', json.dumps(_status_values(json.loads(path.read_text("utf-8-sig"))))))


def _status_values(schema):
    status = schema.get("properties", {}).get("status", {})
    if "$ref" in status:
        status = schema["definitions"][status["$ref"].rpartition("/")[2]]
    return status.get("enum", [])


@pytest.mark.parametrize("action", sorted(Bench().cp.requests))
def test_every_status_of_the_specification_is_refused_with_a_reason_above_or_never_given(action):
    """P9: a new request, or a status that is given from now on, has to appear in REFUSALS"""
    if (elsewhere := SHOWN_IN.get(action)) is not None:
        text = (Path(__file__).parent / elsewhere).read_text()
        assert all(word in text for word in (action, *statuses_of(action)))
        return
    shown = {verdict for _, request, _, verdict in REFUSALS if request == action}
    never = {status for request, status in NEVER if request == action}
    assert statuses_of(action) - {"Accepted"} == (shown & statuses_of(action)) | never
    assert not shown & never


def test_every_error_code_is_shown_with_its_reason_above_or_never_sent():
    """P9, RPC-21…26"""
    shown = {verdict for *_, verdict in REFUSALS} & CODES
    assert shown | NEVER_CODES | SHOWN_ELSEWHERE == CODES


# --- what leaves -----------------------------------------------------------------------------------------------------


def test_every_literal_of_the_specification_is_spelt_as_the_specification_does():
    """GEN-03, GEN-07: enum values are compared with case"""
    from ocppclient import authorization, configuration, events, meter_values, status, transactions

    def values(enum):
        return {item.value for item in enum}

    assert set(status.ChargePointStatus.__args__) == values(ocpp_enums.ChargePointStatus)
    assert set(authorization.STATUSES) == values(ocpp_enums.AuthorizationStatus)
    assert set(transactions.REASONS) == values(ocpp_enums.Reason)
    assert set(meter_values.Context.__args__) <= values(ocpp_enums.ReadingContext)
    assert set(configuration.MEASURANDS) <= values(ocpp_enums.Measurand)
    assert events.Fault("GroundFailure").error_code in values(ocpp_enums.ChargePointErrorCode)
    for path in (Path(ocppclient.__path__[0]) / "narration.py", Path(ocppclient.__path__[0]) / "status.py"):
        for code in re.findall(r'"([A-Z]\w+(?:Failure|Voltage|Error|Temperature))"', path.read_text()):
            assert code in values(ocpp_enums.ChargePointErrorCode), code


def test_whatever_happens_what_leaves_obeys_the_schemas_and_the_lengths():
    """GEN-02, GEN-06, GEN-07: the bench checks every CALL of the station against its schema"""
    bench = Bench({"MeterValueSampleInterval": "10", "ClockAlignedDataInterval": "15"}).ready().charge()
    bench.wait(31)
    bench.read(faults=(Fault("OtherError", info="i" * 99, vendor_id="v" * 999, vendor_error_code="c" * 99),))
    bench.swipe("CARD1")
    bench.open_contactor()
    sent = bench.settle()
    assert len(of(sent, "MeterValues")) == 5
    for text in bench.frames.values():
        assert text.isascii()
        for stamp in re.findall(r'"timestamp":"([^"]+)"', text):
            assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", stamp)


# --- any order of events ---------------------------------------------------------------------------------------------

FAULTS = st.builds(
    Fault,
    st.sampled_from(["GroundFailure", "EVCommunicationError"]),
    blocking=st.booleans(),
    connector_id=st.integers(0, 1),
    stop_after_s=st.none() | st.floats(0, 2),
)
READINGS = st.builds(
    Reading,
    ready=st.booleans(),
    ev_connected=st.booleans(),
    ev_requests=st.booleans(),
    contactor_closed=st.booleans(),
    offered_a=st.floats(0, 32),
    limit_a=st.floats(0, 80),
    faults=st.lists(FAULTS, max_size=2).map(tuple),
    meter=st.none() | st.builds(Meter, st.just(0.0), st.integers(-5, 10**6)),
)
FRAMES = st.sampled_from([json.dumps([2, "1", action, payload]) for action, payload in VALID.items()])
LEVELS = (Connected(), Disconnected(), Tick(), AliveSeen(), SettingsChanged(), ShutdownRequested())
EVENTS = st.one_of(
    st.sampled_from(LEVELS),
    READINGS,
    FRAMES.map(FrameReceived),
    st.builds(CardSwiped, st.text(max_size=22) | st.sampled_from("AB")),
    st.builds(LocalStart, st.sampled_from("AB")),
    st.builds(LocalStop, st.text(max_size=5)),
    st.builds(ResendParked, st.integers(0, 9)),
    st.builds(
        TimeTold,
        st.sampled_from(["ntp", "phone"]),
        st.datetimes(datetime(1970, 1, 1), timezones=st.just(UTC)),
        st.floats(0, 2000),
        st.just("ann"),
    ),
)


@settings(max_examples=80, deadline=None)
@given(st.lists(st.tuples(EVENTS, st.floats(0, 40)), max_size=40))
def test_no_order_of_events_raises(events):
    """A8, F28: and energy is never authorised without an open transaction"""
    sampling = {"MeterValueSampleInterval": "7", "ClockAlignedDataInterval": "9"}
    bench = Bench({"AllowOfflineTxForUnknownId": "true", **sampling})
    for event, seconds in events:
        bench.do(event)
        setpoints = [action for action in bench.actions if isinstance(action, Setpoint)]
        assert not setpoints[-1].authorised or bench.store.open_transaction() is not None
        bench.cp.view()
        bench.time.now += seconds
        if bench.calls and bench.cp.outbox.online and seconds < 20:
            bench.settle(BootNotification={"status": "Accepted", "interval": 0})
        bench.do(Tick())


# --- layering --------------------------------------------------------------------------------------------------------

SHELLS = {"backend_link", "connection", "link", "tls", "trial"}
FORBIDDEN = {"asyncio", "socket", "ssl", "websockets", "django", "channels", "celery", "serial", "station", "hardware",
             "daphne", "twisted", "threading", "subprocess", "sqlite3"}  # fmt: skip


def test_the_domain_imports_nothing_that_waits_or_talks():
    """Design.md concept 1: no async, no socket, no Django in the domain, and nobody sleeps"""
    for path in sorted(Path(ocppclient.__path__[0]).glob("*.py")):
        if path.stem in SHELLS:
            continue
        tree = ast.parse(path.read_text())
        for node in ast.walk(tree):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [node.module or ""]
            assert not {name.split(".")[0] for name in names} & FORBIDDEN, path.name
            assert not isinstance(node, ast.AsyncFunctionDef | ast.Await), path.name
            assert not (isinstance(node, ast.Attribute) and node.attr == "sleep"), path.name


def test_importing_the_domain_loads_nothing_forbidden():
    """Design.md concept 1"""
    code = f"import ocppclient.charge_point, sys; print(sorted({FORBIDDEN!r} & set(sys.modules)))"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert set(ast.literal_eval(loaded)) <= {"threading", "socket"}  # of the standard library's own


def test_malformed_frames_of_a_rejected_registration_stay_unanswered():
    """BOOT-07"""
    bench = Bench()
    bench.read()
    bench.boot(status="Rejected", interval=60)
    assert raw(bench, '[2,"a","Reset"]') == []
