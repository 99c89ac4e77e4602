"""OCPP-J text to messages and back: strict on CALLs, tolerant on answers, and nothing that is received raises."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ocppclient.codec import (
    CENTRAL_SYSTEM_REQUESTS,
    Call,
    CallError,
    CallFailure,
    CallResult,
    Malformed,
    check_request,
    decode,
    dumps,
    encode_call,
    encode_error,
    encode_result,
    tolerant_int,
)


def refusal(text: str) -> tuple[str, str]:
    """Id and code of the CALLERROR that a malformed frame is answered with; ("", "") when with nothing."""
    message = decode(text)
    assert isinstance(message, Malformed), message
    if not message.answer:
        return "", ""
    frame = json.loads(message.answer)
    assert frame[0] == 4
    assert len(frame) == 5
    assert frame[4] == {}
    return frame[1], frame[2]


# --- well-formed messages --------------------------------------------------------------------------------------------


def test_the_three_messages_are_read():
    """RPC-09"""
    assert decode('[2,"a","Reset",{"type":"Soft"}]') == Call("a", "Reset", {"type": "Soft"})
    assert decode('[3,"a",{"status":"Accepted"}]') == CallResult("a", {"status": "Accepted"})
    assert decode('[4,"a","GenericError","no",{}]') == CallError("a", "GenericError", "no")


def test_null_and_an_object_are_an_empty_payload():
    """RPC-10, field problem 12"""
    assert decode('[2,"a","ClearCache",null]') == Call("a", "ClearCache", {})
    assert decode('[2,"a","ClearCache",{}]') == Call("a", "ClearCache", {})
    result = decode('[3,"a",null]')
    assert isinstance(result, CallResult)
    assert result.payload == {}


def test_empty_payloads_are_written_as_an_object():
    """RPC-10, RPC-11"""
    assert encode_call("a", "Heartbeat", dumps({})) == '[2,"a","Heartbeat",{}]'
    assert encode_result("a", {}) == '[3,"a",{}]'
    assert json.loads(encode_error("a", "InternalError", "")) == [4, "a", "InternalError", "", {}]


def test_a_long_description_is_cut_to_255_characters():
    """RPC-11"""
    assert len(json.loads(encode_error("a", "InternalError", "x" * 9999))[3]) == 255


def test_optional_fields_that_are_null_count_as_absent():
    """Field problem 28: {"connectorId": null} means no connectorId."""
    assert decode('[2,"a","RemoteStartTransaction",{"connectorId":null,"idTag":"A"}]') == Call(
        "a", "RemoteStartTransaction", {"idTag": "A"}
    )
    nested = decode('[2,"a","X",{"list":[{"a":null,"b":[null,1]}],"c":"null"}]')
    assert isinstance(nested, Call)
    assert nested.payload == {"list": [{"b": [None, 1]}], "c": "null"}


@pytest.mark.parametrize("wrapped", ["\ufeff{}", "{}\x00", "{}\x00\x00", " \r\n{}\n", "\ufeff{}\x00"])
def test_byte_order_marks_nuls_and_blanks_around_a_frame_are_overlooked(wrapped):
    """Field problem 13"""
    assert decode(wrapped.format('[2,"a","Reset",{"type":"Soft"}]')) == Call("a", "Reset", {"type": "Soft"})


# --- odd answers -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        '[3,"id"]',
        '[3,"id",null]',
        '[3,"id",[]]',
        '[3,"id","ok"]',
        '[3,"id",{},{}]',
        '[3,"id",{"a":1,"a":2}]',
        '[3,"id",{"limit":NaN}]',
        '[3,"id",{"x":"\\ud800"}]',
        '[3,"id",{"transactionId":99999999999999999999}]',
        '[3,"id",{"broken',
    ],
)
def test_an_answer_with_a_readable_id_counts_as_delivered_however_odd(text):
    """Settled question 6, field problem 12, RPC-28"""
    message = decode(text)
    assert isinstance(message, CallResult)
    assert (message.message_id, bool(message.quirks)) == ("id", True)


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ('[4,"id","InternalError","why",{}]', "InternalError"),
        ('[4,"id","RpcFrameworkError","Call already in progress",{}]', "RpcFrameworkError"),
        ('[4,"id"]', "GenericError"),
        ('[4,"id",null]', "GenericError"),
        ('[4,"id",{},[]]', "GenericError"),
        ('[4,"id","",7,null]', "GenericError"),
        ('[4,"id","FormatViolation","' + "x" * 9999 + '"]', "FormatViolation"),
    ],
)
def test_a_callerror_is_read_whatever_its_code_and_shape(text, code):
    """Field problem 15"""
    message = decode(text)
    assert isinstance(message, CallError)
    assert (message.message_id, message.code) == ("id", code)
    assert len(message.description) <= 255


@pytest.mark.parametrize(
    ("value", "number"),
    [(7, 7), (0, 0), (-1, -1), ("7", 7), (" 7 ", 7), (7.0, 7), (7.5, None), (True, None), (None, None), ("x", None),
     ("", None), ([], None), ({}, None), (2**63, None), (-(2**63), -(2**63)), ("9" * 30, None), ("9" * 9000, None),
     (1e300, None)],
)  # fmt: skip
def test_integers_of_answers_are_read_with_tolerance(value, number):
    """Field problem 12, TX-04: text and 7.0 count; what no store can keep is no id."""
    assert tolerant_int(value) == number


# --- what is refused -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "{}",
        "[]",
        "null",
        "7",
        '"text"',
        "[true]",
        '["2","a","Reset",{}]',
        '[2.0,"a","Reset",{}]',
        '[5,"a","Reset",{}]',
        '[-1,"a",{}]',
        "[2]",
        '[2,1,"Reset",{}]',
        '[2,null,"Reset",{}]',
        '[2,["a"],"Reset",{}]',
        "[3]",
        "[3,7,{}]",
        "[4]",
        "[4,null]",
        "[" * 100_000,
        '{"a":' * 100_000,
        "1" * 5000,
    ],
)
def test_frames_without_a_usable_id_are_not_answered(text):
    """RPC-12, RPC-28, field problem 13"""
    assert refusal(text) == ("", "")


@pytest.mark.parametrize(
    "text",
    [
        '[2,"a"]',
        '[2,"a","Reset"]',
        '[2,"a","Reset",{},{}]',
        '[2,"a",{"a":1},{}]',
        '[2,"a",[],{}]',
        '[2,"a",7,{}]',
        '[2,"a","Reset",[]]',
        '[2,"a","Reset","soft"]',
        '[2,"a","Reset",{"type":"Soft"}',
        '[2,"a","Reset",{"type":"Soft","type":"Hard"}]',
        '[2,"a","Reset",{"x":NaN}]',
        '[2,"a","Reset",{"x":Infinity}]',
        '[2,"a","Reset",{"x":-Infinity}]',
        '[2,"a","Reset",{"x":1e400}]',
        '[2,"a","Reset",{"x":' + "9" * 5000 + "}]",
        '[2,"a","Reset",{"x":' + "9" * 400 + ".5}]",
        '[2,"a","Reset",{"x":99999999999999999999}]',
        '[2,"a","Reset",{"x":"\\ud800"}]',
        '[2,"a","Reset",' + "[" * 100_000,
        '[2,"a","Reset",{"x":' + '{"y":' * 5000 + "1" + "}" * 5000 + "}]",
    ],
)
def test_a_broken_call_with_a_readable_id_is_refused_as_a_formation_violation(text):
    """RPC-23, RPC-28, field problem 13, reliability A13 and A14"""
    assert refusal(text) == ("a", "FormationViolation")


def test_a_key_that_occurs_twice_is_found_in_a_long_frame_as_well():
    """RPC-26: strictness does not depend on the size."""
    long = '"x":"' + "y" * 100_000 + '"'
    assert refusal(f'[2,"a","DataTransfer",{{"vendorId":"v","vendorId":"w",{long}}}]') == ("a", "FormationViolation")
    assert refusal(f'[2,"a","DataTransfer",{{"vendorId":1e999,{long}}}]') == ("a", "FormationViolation")
    assert isinstance(decode(f'[2,"a","DataTransfer",{{"vendorId":"v",{long}}}]'), Call)


@pytest.mark.parametrize("depth", [9, 300, 450, 900])
def test_a_deep_nest_with_nulls_does_not_exhaust_the_stack(depth):
    """Reliability A13"""
    message = decode('[2,"a","X",' + '{"y":' * depth + "null" + "}" * depth + "]")
    assert isinstance(message, Call | Malformed)


def test_an_id_that_is_empty_or_too_long_is_refused():
    """RPC-13, RPC-20"""
    assert refusal('[2,"","Reset",{}]') == ("", "FormationViolation")
    assert refusal(f'[2,"{"x" * 37}","Reset",{{}}]') == ("x" * 37, "FormationViolation")
    assert isinstance(decode(f'[2,"{"x" * 36}","Reset",{{}}]'), Call)


def test_split_surrogate_pairs_and_escaped_backslashes_are_no_lone_surrogates():
    """Reliability A14"""
    emoji = decode('[2,"a","X",{"x":"\\ud83d\\ude00"}]')
    assert isinstance(emoji, Call)
    assert emoji.payload == {"x": "😀"}
    assert isinstance(decode('[2,"a","X",{"x":"\\\\ud800"}]'), Call)


@pytest.mark.parametrize(
    ("action", "payload", "code"),
    [
        ("Reset", {}, "OccurenceConstraintViolation"),
        ("Reset", {"type": "soft"}, "PropertyConstraintViolation"),
        ("Reset", {"type": 1}, "TypeConstraintViolation"),
        ("Reset", {"type": "Soft", "extra": 1}, "FormationViolation"),
        ("ChangeAvailability", {"connectorId": "1", "type": "Operative"}, "TypeConstraintViolation"),
        ("ChangeAvailability", {"connectorId": 1.5, "type": "Operative"}, "TypeConstraintViolation"),
        ("ChangeAvailability", {"connectorId": True, "type": "Operative"}, "TypeConstraintViolation"),
        ("ChangeConfiguration", {"key": "x" * 51, "value": ""}, "TypeConstraintViolation"),
        ("ChangeConfiguration", {"key": "x", "value": "x" * 501}, "TypeConstraintViolation"),
        ("RemoteStartTransaction", {"idTag": "x" * 21}, "TypeConstraintViolation"),
        ("GetConfiguration", {"key": "all"}, "TypeConstraintViolation"),
    ],
)
def test_each_violated_rule_has_its_own_code_in_the_spelling_of_1_6(action, payload, code):
    """RPC-23, RPC-24, RPC-25, RPC-26, settled question 7"""
    with pytest.raises(CallFailure) as failure:
        check_request(action, payload)
    assert failure.value.code == code
    assert failure.value.description


def test_the_description_of_a_refusal_never_repeats_a_value():
    """Field problem 7: a value may be a secret."""
    for payload in ({"key": "AuthorizationKey", "value": "s3cret" * 100}, {"key": ["s3cret"], "value": "s3cret"}):
        with pytest.raises(CallFailure) as failure:
            check_request("ChangeConfiguration", payload)
        assert "s3cret" not in failure.value.description


def test_the_station_knows_every_action_of_a_central_system():
    """RPC-21, GEN-09"""
    from ocpp.v16 import call

    known = {name for name in dir(call) if name[0].isupper() and not name.endswith("Payload")}
    assert known >= CENTRAL_SYSTEM_REQUESTS


@pytest.mark.parametrize("name", sorted(CENTRAL_SYSTEM_REQUESTS))
def test_every_request_of_a_central_system_has_a_schema(name):
    """RPC-32"""
    with pytest.raises(CallFailure):
        check_request(name, {"no such field": 1})


# --- anything --------------------------------------------------------------------------------------------------------

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
SURROGATES = st.text(st.characters(codec=None, categories=("Cs", "Lu", "P")), max_size=20)


@settings(max_examples=150, deadline=None)
@given(st.text() | SURROGATES)
def test_no_text_raises(text):
    """Field problem 13, reliability A13"""
    decode(text)


@settings(max_examples=150, deadline=None)
@given(st.integers(0, 6), st.lists(JSON, max_size=5))
def test_no_list_raises_and_what_is_refused_is_refused_in_valid_json(kind, rest):
    """Field problem 13"""
    message = decode(json.dumps([kind, *rest]))
    if isinstance(message, Malformed) and message.answer:
        assert json.loads(message.answer)[0] == 4


@settings(max_examples=150, deadline=None)
@given(st.data())
def test_no_mutation_of_a_frame_raises(data):
    """Reliability A13, runtime 5.5"""
    text = data.draw(
        st.sampled_from(
            [
                '[2,"12345","RemoteStartTransaction",{"connectorId":1,"idTag":"ABC","chargingProfile":{"limit":6.5}}]',
                '[3,"12345",{"currentTime":"2026-03-01T12:00:00Z","interval":300,"status":"Accepted"}]',
                '[4,"12345","InternalError","",{}]',
            ]
        )
    )
    for _ in range(data.draw(st.integers(1, 4))):
        at = data.draw(st.integers(0, len(text)))
        cut = data.draw(st.integers(0, 6))
        text = text[:at] + data.draw(st.text('[]{}",:0123456789.eE-\\\x00nulNa ABC', max_size=5)) + text[at + cut :]
    decode(text)


@settings(max_examples=100, deadline=None)
@given(st.text(min_size=1, max_size=36), st.text(), st.dictionaries(st.text(), st.text() | st.integers(-9, 9)))
def test_messages_survive_the_round_trip(message_id, description, payload):
    """RPC-08, RPC-14: whatever an id looks like, its answer carries the very same."""
    assert decode(encode_result(message_id, payload)) == CallResult(message_id, payload)
    error = decode(encode_error(message_id, "GenericError", description))
    assert error == CallError(message_id, "GenericError", description[:255])
    called = decode(json.dumps([2, message_id, "Reset", payload]))
    assert called == Call(message_id, "Reset", payload)
