"""Frames that no backend should send: each gets the right CALLERROR or is ignored, and the station works on.

The list is that of runtime.md 5.5 (frames that kill or fool the `ocpp` package) and conformance.md RPC-12 to RPC-28.
"""

from __future__ import annotations

import json

import pytest

from tests.journeys.rig import Rig

FORMATION = {"FormationViolation"}
MISSING = {"OccurenceConstraintViolation"}
VALUE = {"PropertyConstraintViolation"}
TYPE = {"TypeConstraintViolation"}

#: name → (frame with {id} in it, the CALLERROR codes that are right)
ANSWERED = {
    "unknown action": ('[2,"{id}","MakeCoffee",{}]', {"NotImplemented"}),
    "action in another case": ('[2,"{id}","getConfiguration",{}]', {"NotImplemented"}),
    "missing field": ('[2,"{id}","ChangeConfiguration",{"key":"A"}]', MISSING),
    "bad enum": ('[2,"{id}","Reset",{"type":"Warm"}]', VALUE),
    "wrong type": ('[2,"{id}","RemoteStopTransaction",{"transactionId":"1"}]', TYPE),
    "too long": ('[2,"{id}","RemoteStartTransaction",{"idTag":"' + "x" * 21 + '"}]', TYPE),
    "extra field": ('[2,"{id}","ClearCache",{"now":true}]', FORMATION),
    "payload a list": ('[2,"{id}","ClearCache",[]]', FORMATION),
    "payload a string": ('[2,"{id}","ClearCache","{}"]', FORMATION),
    "action a list": ('[2,"{id}",[],{}]', FORMATION),
    "action an object": ('[2,"{id}",{"a":1},{}]', FORMATION),
    "action missing": ('[2,"{id}"]', FORMATION),
    "payload missing": ('[2,"{id}","ClearCache"]', FORMATION),
    "five elements": ('[2,"{id}","ClearCache",{},{}]', FORMATION),
    "limit NaN": (
        '[2,"{id}","SetChargingProfile",{"connectorId":1,"csChargingProfiles":{"chargingProfileId":1,"stackLevel":0,'
        '"chargingProfilePurpose":"TxDefaultProfile","chargingProfileKind":"Absolute","chargingSchedule":'
        '{"chargingRateUnit":"A","chargingSchedulePeriod":[{"startPeriod":0,"limit":NaN}]}}}]',
        None,
    ),
    "Infinity": ('[2,"{id}","RemoteStopTransaction",{"transactionId":Infinity}]', None),
    "1e400": ('[2,"{id}","RemoteStopTransaction",{"transactionId":1e400}]', None),
    "integer of 5000 digits": ('[2,"{id}","RemoteStopTransaction",{"transactionId":' + "9" * 5000 + "}]", None),
    "duplicate keys": ('[2,"{id}","ChangeConfiguration",{"key":"A","key":"B","value":"1"}]', None),
    "lone surrogate": ('[2,"{id}","RemoteStartTransaction",{"idTag":"\\ud800"}]', None),
    "id of 37 characters": ('[2,"{id}' + "x" * 37 + '","ClearCache",{}]', None),
    "unsupported profile of the specification": ('[2,"{id}","SendLocalList",{}]', None),
}

#: Frames with no usable id, or that are no CALL: nothing may be answered (OCPP-J 4.1.3, conformance RPC-12, 18, 28).
IGNORED = {
    "no JSON": "hello",
    "empty": "",
    "half a frame": '[2,"',
    "an object": '{"a":1}',
    "a number": "42",
    "an empty list": "[]",
    "type 5": '[5,"{id}","Heartbeat",{}]',
    "type as text": '["2","{id}","ClearCache",{}]',
    "type true": '[true,"{id}","ClearCache",{}]',
    "answer to nothing": '[3,"{id}",{}]',
    "error to nothing": '[4,"{id}","GenericError","",{}]',
    "short answer": '[3,"{id}"]',
    "short error": '[4,"{id}"]',
    "deep nesting": "[" * 100_000,
    "deep nesting in an answer": '[3,"{id}",' + "[" * 20_000 + "]" * 20_000 + "]",
}

#: Nothing is wrong enough to refuse: they are answered as if they were right, or with a CALLERROR, once.
EITHER = {
    "id null": '[2,null,"ClearCache",{}]',
    "id a number": '[2,7,"ClearCache",{}]',
    "id a list": '[2,["{id}"],"ClearCache",{}]',
    "id empty": '[2,"","ClearCache",{}]',
    "type 2.0": '[2.0,"{id}","ClearCache",{}]',
}


def assert_works(rig: Rig) -> None:
    answer = rig.backend.call("GetConfiguration", {"key": ["NumberOfConnectors"]}, timeout_s=5)
    assert answer["configurationKey"][0]["value"] == "1"


@pytest.mark.parametrize("name", ANSWERED)
def test_a_malformed_call_is_answered_with_the_right_error(rig: Rig, name: str):
    frame, codes = ANSWERED[name]
    call_id = f"odd-{name.replace(' ', '-')}"[:30]
    sent_id = json.loads(f'"{call_id}"')
    rig.backend.send(frame.replace("{id}", sent_id))
    if name.startswith("id of 37"):
        rig.tolerated = ["an answer"]
    else:
        answer = rig.backend.wait_answer(sent_id, 5).message
        assert answer[0] == 4, answer
        if codes is not None:
            assert answer[2] in codes, answer
        assert answer[3], "a CALLERROR says why"
    assert_works(rig)
    assert rig.backend.connection.number == rig.entries()[-1].connection


@pytest.mark.parametrize("name", IGNORED)
def test_what_is_no_message_is_ignored(rig: Rig, name: str):
    connection = rig.backend.connection.number
    rig.backend.send(IGNORED[name].replace("{id}", f"none-{name}"[:30]))
    assert_works(rig)
    assert rig.backend.connection.number == connection, "the connection was replaced"
    said = [e for e in rig.entries() if e.source == "station" and e.message and e.message[0] in (3, 4)]
    assert len(said) == 1, said  # the answer to GetConfiguration only


@pytest.mark.parametrize("name", EITHER)
def test_an_odd_id_ends_nothing(rig: Rig, name: str):
    rig.tolerated = ["an answer", "not a frame"]
    connection = rig.backend.connection.number
    rig.backend.send(EITHER[name].replace("{id}", f"either-{name}"[:30]))
    assert_works(rig)
    assert rig.backend.connection.number == connection


def test_bom_and_nul_around_a_frame_are_overlooked(rig: Rig):
    rig.tolerated = ["an answer"]  # the wire rules read only the BOM-less frame as a CALL
    rig.backend.send('\ufeff[2,"bom","GetConfiguration",{"key":["NumberOfConnectors"]}]\x00')
    assert rig.backend.wait_answer("bom", 5).message[0] == 3
    assert_works(rig)


def test_a_binary_message_ends_nothing(rig: Rig):
    rig.tolerated = ["an answer"]
    rig.backend.send(b'[2,"bin","ClearCache",{}]')
    rig.backend.send(b"\xff\xfe\x00")
    assert_works(rig)


def test_the_same_call_twice_is_done_once(rig: Rig):
    frame = '[2,"twice","RemoteStartTransaction",{"idTag":"04A1B2C3","connectorId":1}]'
    rig.backend.send(frame)
    first = rig.backend.wait_answer("twice").message
    rig.backend.send(frame)
    assert_works(rig)
    answers = [e.message for e in rig.entries() if e.source == "station" and e.is_answer_to("twice")]
    assert answers[0] == first == [3, "twice", {"status": "Accepted"}]
    assert len(answers) == 2
    assert answers[1] == first or answers[1][0] == 4  # the same answer again, or an error; never Rejected as a new one
    rig.backend.wait_status("Available", timeout_s=8)


def test_a_message_of_four_megabytes_is_answered_in_time(rig: Rig):
    key = "x" * 4_000_000
    rig.backend.send(json.dumps([2, "huge", "GetConfiguration", {"key": [key]}]))
    assert rig.backend.wait_answer("huge", 10).message[0] == 4
    assert_works(rig)


def test_a_flood_of_calls_is_answered_completely(rig: Rig):
    rig.start_session()
    ids = [rig.backend.send_call("GetConfiguration", {"key": ["NumberOfConnectors"]}) for _ in range(300)]
    for call_id in ids:
        assert rig.backend.wait_answer(call_id, 10).message[0] == 3
    assert rig.sim.state()["relay"]
