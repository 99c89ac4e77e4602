"""OCPP-J text ⇄ messages (OCPP-J 1.6 section 4): strict on CALLs, tolerant on answers, and it never raises on input.

Schemas are those of the `ocpp` package, compiled by fastjsonschema at first use. Charging profiles with many periods
are read and checked by `profile_frame.py`; what that does not accept goes the strict way like everything else.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, NoReturn

import fastjsonschema

from ocppclient import profile_frame
from ocppclient.sentence import Sentence, quoted

Payload = dict[str, Any]

MAX_MESSAGE_ID = 36  # OCPP-J 1.6 section 4.1.4
_INT64 = 2**63
#: Beyond so many characters looking for a long number costs more than reading each number with care.
_SEARCHED = 65_536

#: Every request a Central System may send to a charge point (OCPP 1.6 and its security extension). One that the
#: station does not handle is answered with NotSupported, anything else with NotImplemented (conformance RPC-21).
CENTRAL_SYSTEM_REQUESTS = frozenset(
    {
        "CancelReservation",
        "CertificateSigned",
        "ChangeAvailability",
        "ChangeConfiguration",
        "ClearCache",
        "ClearChargingProfile",
        "DataTransfer",
        "DeleteCertificate",
        "ExtendedTriggerMessage",
        "GetCompositeSchedule",
        "GetConfiguration",
        "GetDiagnostics",
        "GetInstalledCertificateIds",
        "GetLocalListVersion",
        "GetLog",
        "InstallCertificate",
        "RemoteStartTransaction",
        "RemoteStopTransaction",
        "ReserveNow",
        "Reset",
        "SendLocalList",
        "SetChargingProfile",
        "SignedUpdateFirmware",
        "TriggerMessage",
        "UnlockConnector",
        "UpdateFirmware",
    }
)


#: Error codes of OCPP-J 1.6 (table 7), and the spellings of its errata and of 2.0.1.
ERROR_CODES = frozenset(
    {
        "FormatViolation",
        "FormationViolation",
        "GenericError",
        "InternalError",
        "NotImplemented",
        "NotSupported",
        "OccurenceConstraintViolation",
        "OccurrenceConstraintViolation",
        "PropertyConstraintViolation",
        "ProtocolError",
        "SecurityError",
        "TypeConstraintViolation",
    }
)


class CallFailure(Exception):
    """A CALL that is answered with a CALLERROR: `code` in the 1.6 spelling, `description` for people."""

    def __init__(self, code: str, description: Sentence) -> None:
        super().__init__(f"{code}: {description}")
        self.code = code
        self.description = description


@dataclass(frozen=True)
class Call:
    """[2, message_id, action, payload]

    Attributes:
        checked: the payload is known to obey its schema.
        failure: … or is known not to.
    """

    message_id: str
    action: str
    payload: Payload
    checked: bool = False
    failure: CallFailure | None = None


@dataclass(frozen=True)
class CallResult:
    """[3, message_id, payload]; `quirks` says what had to be overlooked to read it."""

    message_id: str
    payload: Payload
    quirks: tuple[str, ...] = ()


@dataclass(frozen=True)
class CallError:
    """[4, message_id, code, description, details]"""

    message_id: str
    code: str
    description: str


@dataclass(frozen=True)
class Malformed:
    """A frame that is no message: `answer` is the CALLERROR to send when an id could be read, else ""."""

    reason: Sentence
    answer: str = ""


Message = Call | CallResult | CallError | Malformed


@dataclass(frozen=True)
class Encoded:
    """A payload that is JSON text already, ASCII only, and obeys its schema."""

    text: str


def encode_call(message_id: str, action: str, payload_json: str) -> str:
    """A CALL around a payload that is JSON text already (queued payloads stay byte-identical)."""
    return f'[2,"{message_id}","{action}",{payload_json}]'


def encode_result(message_id: str, payload: Payload | Encoded) -> str:
    """A CALLRESULT."""
    if isinstance(payload, Encoded):
        return f"[3,{dumps(message_id)},{payload.text}]"
    return dumps([3, message_id, payload])


def encode_error(message_id: str, code: str, description: str) -> str:
    """A CALLERROR with empty details; the description is cut to 255 characters."""
    return dumps([4, message_id, code, description[:255], {}])


def dumps(value: object) -> str:
    """Compact JSON; anything but ASCII is escaped, so every id and text survives any transport."""
    return json.dumps(value, separators=(",", ":"))


def read(text: str) -> Message:
    """`decode`, and the check of a request against its schema: all that a frame says by itself, on any thread."""
    message = decode(text)
    if not isinstance(message, Call) or message.checked or message.action not in CENTRAL_SYSTEM_REQUESTS:
        return message
    try:
        check_request(message.action, message.payload)
    except CallFailure as failure:
        return replace(message, failure=failure)
    return replace(message, checked=True)


def decode(text: str) -> Message:
    """Read one websocket message. Never raises: what is no message comes back as `Malformed`."""
    text = text.strip("\ufeff\x00 \t\r\n")
    if (big := profile_frame.read(text)) is not None:
        return Call(*big, checked=True)
    try:
        frame = _loads(text)
    except (ValueError, RecursionError, OverflowError) as problem:
        reason = Sentence("nested too deeply") if isinstance(problem, RecursionError) else quoted(problem)
        return _salvage(text, Sentence("not valid JSON: {reason}", reason=reason))
    if not isinstance(frame, list) or not frame or type(frame[0]) is not int:
        return Malformed(Sentence("not a list that starts with a message type number"))
    match frame[0]:
        case 2:
            return _decode_call(frame, "null" in text)
        case 3:
            return _decode_result(frame)
        case 4:
            return _decode_error(frame)
        case _:  # OCPP-J 4.1.3: other types SHALL be ignored
            return Malformed(Sentence("unknown message type {number}", number=str(frame[0])[:20]))


def _decode_call(frame: list[Any], has_null: bool) -> Call | Malformed:
    message_id = frame[1] if len(frame) > 1 else None
    if not isinstance(message_id, str):
        return Malformed(Sentence("CALL without a text as unique id"))
    if not message_id or len(message_id) > MAX_MESSAGE_ID:
        return _refuse(
            message_id,
            Sentence("the unique id must have 1 to {most} characters", most=MAX_MESSAGE_ID),
        )
    if len(frame) != 4:
        return _refuse(message_id, Sentence("a CALL has 4 elements, this one has {number}", number=len(frame)))
    action, payload = frame[2], frame[3]
    if not isinstance(action, str):
        return _refuse(message_id, Sentence("the action must be a text"))
    if payload is None:  # OCPP-J 4.2.1: null is an empty payload
        payload = {}
    if not isinstance(payload, dict):
        return _refuse(message_id, Sentence("the payload must be an object"))
    return Call(message_id, action, _without_nulls(payload) if has_null else payload)


def _without_nulls(value: Any, depth: int = 8) -> Any:
    """The same without members that are null: many backends write absent optional fields so (field problem 28).

    Deeper than `depth` there is nothing of OCPP, only what means to exhaust the stack.
    """
    if depth and isinstance(value, dict):
        return {name: _without_nulls(item, depth - 1) for name, item in value.items() if item is not None}
    if depth and isinstance(value, list):
        return [_without_nulls(item, depth - 1) for item in value]
    return value


def _refuse(message_id: str, reason: Sentence) -> Malformed:
    return Malformed(reason, encode_error(message_id[:255], "FormationViolation", reason))


def _decode_result(frame: list[Any]) -> CallResult | Malformed:
    if len(frame) < 2 or not isinstance(frame[1], str):
        return Malformed(Sentence("CALLRESULT without a unique id"))
    quirks = []
    payload = frame[2] if len(frame) > 2 else None
    if len(frame) != 3:
        quirks.append(Sentence("CALLRESULT with {number} elements", number=len(frame)))
    if not isinstance(payload, dict):
        quirks.append(
            Sentence(
                "payload is {kind} instead of an object", kind="null" if payload is None else type(payload).__name__
            )
        )
        payload = {}
    return CallResult(frame[1], payload, tuple(quirks))


def _decode_error(frame: list[Any]) -> CallError | Malformed:
    if len(frame) < 2 or not isinstance(frame[1], str):
        return Malformed(Sentence("CALLERROR without a unique id"))
    code, description = ([*frame[2:4], "", ""])[:2]
    return CallError(
        frame[1],
        code[:50] if isinstance(code, str) and code else "GenericError",
        description[:255] if isinstance(description, str) else "",
    )


# --- strict JSON -----------------------------------------------------------------------------------------------------

_LONG_NUMBER = re.compile(r"[0-9]{17}|[0-9][eE]")
_SURROGATE = re.compile(r"\\u[dD][89a-fA-F]")
_HEAD = re.compile(r'\s*\[\s*([234])\s*,\s*"([^"\\\x00-\x1f]{1,36})"\s*[,\]]')


def _loads(text: str) -> Any:
    """JSON without Python's liberties: no NaN, no infinities, int64 only, no duplicate keys, no lone surrogates.

    The hook of the keys runs often enough for other threads to have their turn, however long the text is.
    """
    options: dict[str, Any] = {"parse_constant": _no_constant, "object_pairs_hook": _unique_keys}
    if len(text) > _SEARCHED or _LONG_NUMBER.search(text):  # hooks of numbers cost time that few messages need to pay
        options["parse_int"] = _int64
        options["parse_float"] = _finite
    value = json.loads(text, **options)
    if "\\u" in text and _SURROGATE.search(text):
        json.dumps(value, ensure_ascii=False).encode()  # UnicodeEncodeError is a ValueError
    return value


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON number")


def _unique_keys(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) != len(pairs):
        raise ValueError(Sentence("a key occurs twice in one object"))
    return value


def _int64(digits: str) -> int:
    if len(digits) > 20 or not -_INT64 <= (value := int(digits)) < _INT64:
        raise ValueError(Sentence("an integer is larger than 64 bits"))
    return value


def _finite(digits: str) -> float:
    value = float(digits)
    if value in (float("inf"), float("-inf")):
        raise ValueError(Sentence("a number is too large"))
    return value


def _salvage(text: str, reason: Sentence) -> Message:
    """What a broken frame still tells: the id of a CALL to refuse, or that an answer came (it counts as delivered)."""
    match _HEAD.match(text):
        case None:
            return Malformed(reason)
        case found if found[1] == "2":
            return Malformed(reason, encode_error(found[2], "FormationViolation", reason))
        case found if found[1] == "3":
            return CallResult(found[2], {}, (reason,))
        case found:
            return CallError(found[2], "GenericError", "")


def tolerant_int(value: object) -> int | None:
    """An integer of an answer, read with tolerance: also as text or as 7.0; None when it is none of 64 bits."""
    number: int | None = None
    match value:
        case bool():
            pass
        case int():
            number = value
        case float() if value.is_integer():
            number = int(value)
        case str() if len(value) <= 40:
            try:
                number = int(value)
            except ValueError:
                return None
    return number if number is not None and -_INT64 <= number < _INT64 else None


# --- schemas ---------------------------------------------------------------------------------------------------------

_CODES = {
    # product.md, settled question 7; spellings of OCPP-J 1.6 table 7
    "required": "OccurenceConstraintViolation",
    "minItems": "OccurenceConstraintViolation",
    "maxItems": "OccurenceConstraintViolation",
    "type": "TypeConstraintViolation",
    "maxLength": "TypeConstraintViolation",
    "additionalProperties": "FormationViolation",
}


#: Requests whose limits may have more than one decimal: they are rounded down, not refused (field problem 30).
_ROUNDED = ("SetChargingProfile", "RemoteStartTransaction")


def _without_multiple_of(schema: dict[str, Any]) -> dict[str, Any]:
    return {name: rule for name, rule in schema.items() if name != "multipleOf"}


@cache
def _validator(name: str) -> Callable[[Payload], object]:
    package = find_spec("ocpp")
    if package is None or not package.submodule_search_locations:
        raise RuntimeError("the ocpp package is not installed; run `make install`")
    schema = json.loads(
        (Path(package.submodule_search_locations[0]) / "v16/schemas" / f"{name}.json").read_text("utf-8-sig"),
        object_hook=_without_multiple_of if name in _ROUNDED else None,
    )
    # date-times are parsed (and refused) by the feature that reads them: schema formats know too few spellings
    compiled: Callable[[Payload], object] = fastjsonschema.compile(schema, use_default=False, use_formats=False)
    return compiled


def check_request(action: str, payload: Payload) -> None:
    """Check the payload of a CALL against its schema.

    Raises:
        CallFailure: with the 1.6 error code that names the violated rule.
    """
    _check(action, payload)


def check_response(action: str, payload: Payload) -> None:
    """Check the payload of a CALLRESULT against its schema (CallFailure as in `check_request`)."""
    _check(f"{action}Response", payload)


def _check(name: str, payload: Payload) -> None:
    try:
        _validator(name)(payload)
    except fastjsonschema.JsonSchemaValueException as problem:
        code = _CODES.get(problem.rule or "", "PropertyConstraintViolation")
        raise CallFailure(code, quoted(str(problem.message).replace("data", "payload", 1))) from None
