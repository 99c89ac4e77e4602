"""The rules of OCPP-J 1.6 that hold for every frame of a station, whatever the journey (conformance RPC, BOOT, STA).

Pure functions over the story: each returns a list of sentences, one for each violation.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path

import fastjsonschema
import ocpp

from tests.journeys.story import CALL, CALLERROR, CALLRESULT, Entry

SCHEMAS = Path(ocpp.__file__).parent / "v16" / "schemas"

#: OCPP-J 1.6 table 7, in its spelling.
ERROR_CODES = {
    "NotImplemented",
    "NotSupported",
    "InternalError",
    "ProtocolError",
    "SecurityError",
    "FormationViolation",
    "PropertyConstraintViolation",
    "OccurenceConstraintViolation",
    "TypeConstraintViolation",
    "GenericError",
}

#: OCPP 1.6 section 4.9 with errata 3.20: from which status to which. Preparing to Reserved is errata 3.76: a card that
#: is not followed by a plug leads back to the original status.
TRANSITIONS = {
    "Available": {"Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Reserved", "Unavailable", "Faulted"},
    "Preparing": {"Available", "Charging", "SuspendedEV", "SuspendedEVSE", "Finishing", "Reserved", "Faulted"},
    "Charging": {"Available", "SuspendedEV", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"},
    "SuspendedEV": {"Available", "Charging", "SuspendedEVSE", "Finishing", "Unavailable", "Faulted"},
    "SuspendedEVSE": {"Available", "Charging", "SuspendedEV", "Finishing", "Unavailable", "Faulted"},
    "Finishing": {"Available", "Preparing", "Unavailable", "Faulted"},
    "Reserved": {"Available", "Preparing", "Unavailable", "Faulted"},
    "Unavailable": {"Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE", "Faulted"},
    "Faulted": {
        *("Available", "Preparing", "Charging", "SuspendedEV", "SuspendedEVSE"),
        *("Finishing", "Reserved", "Unavailable"),
    },
}

STATION_STARTED = "station started"
STATION_ENDED = "station ended"
RESPONSE_LIMIT_S = 10.0  # product.md: certified limit for a response to a request


@cache
def validator(name: str):
    """The compiled schema `<name>.json` of OCPP 1.6; None when there is no such message."""
    path = SCHEMAS / f"{name}.json"
    return fastjsonschema.compile(json.loads(path.read_text("utf-8-sig"))) if path.exists() else None


def schema_violation(name: str, payload: object) -> str | None:
    """What is wrong with this payload, None when it is as the schema says."""
    validate = validator(name)
    if validate is None:
        return f"{name} is no message of OCPP 1.6"
    try:
        validate(payload)
    except fastjsonschema.JsonSchemaValueException as error:
        return f"{name}: {error.message}"
    return None


def check_wire(entries: list[Entry], message_timeout_s: float = 30.0) -> list[str]:
    """Everything that OCPP-J forbids in what the station sent.

    Args:
        message_timeout_s: after that long without an answer the station may send its next CALL.
    """
    return [
        *check_shapes(entries),
        *check_unique_ids(entries),
        *check_one_outstanding(entries, message_timeout_s),
        *check_answers(entries),
        *check_registration(entries),
        *check_transitions(entries),
    ]


def check_shapes(entries: list[Entry]) -> list[str]:
    """Frame structure (RPC-09, RPC-11, RPC-13) and the schema of each payload."""
    violations = []
    asked = {e.id: e.action for e in entries if e.source == "backend" and e.is_call() and isinstance(e.id, str)}
    for entry in entries:
        if entry.source != "station":
            continue
        match entry.message:
            case [2, str(call_id), str(action), dict(payload)]:
                wrong = schema_violation(action, payload)
                if not 1 <= len(call_id) <= 36:
                    wrong = f"unique id of {len(call_id)} characters"
            case [3, str(call_id), dict(payload)]:
                action = asked.get(call_id)
                wrong = schema_violation(f"{action}Response", payload) if action else "an answer to nothing"
            case [4, str(), str(code), str(), dict()]:
                wrong = None if code in ERROR_CODES else f"{code} is no error code of OCPP-J 1.6"
            case _:
                wrong = "not a frame of OCPP-J 1.6"
        if wrong:
            violations.append(f"{wrong}: {entry.text[:300]}")
    return violations


def check_unique_ids(entries: list[Entry]) -> list[str]:
    """No id twice on one connection; the same id on another connection only for the identical frame (RPC-13)."""
    violations = []
    on_connection: set[tuple[int, str]] = set()
    text_of: dict[str, str] = {}
    for entry in entries:
        if entry.source != "station" or not entry.is_call():
            continue
        if (entry.connection, entry.id) in on_connection:
            violations.append(f"the unique id was used before on this connection: {entry.text[:300]}")
        on_connection.add((entry.connection, entry.id))
        if text_of.setdefault(entry.id, entry.text) != entry.text:
            violations.append(
                f"the unique id was used for another frame ({text_of[entry.id][:200]}): {entry.text[:300]}"
            )
    return violations


def check_one_outstanding(entries: list[Entry], message_timeout_s: float) -> list[str]:
    """The next CALL only after the answer to the former, or its timeout (RPC-15)."""
    violations = []
    outstanding: dict[int, Entry] = {}
    for entry in entries:
        open_call = outstanding.get(entry.connection)
        if entry.source == "backend" and open_call is not None and entry.is_answer_to(open_call.id):
            del outstanding[entry.connection]
        elif entry.source == "station" and entry.is_call():
            if open_call is not None and entry.at - open_call.at < message_timeout_s - 0.1:
                violations.append(
                    f"a CALL {entry.at - open_call.at:.3f} s after an unanswered {open_call.action}: {entry.text[:200]}"
                )
            outstanding[entry.connection] = entry
    return violations


def check_answers(entries: list[Entry]) -> list[str]:
    """Each CALL of the backend gets exactly one answer, on its connection, within the certified 10 s."""
    violations = []
    unanswered: dict[tuple[int, str], list[Entry]] = {}
    registration = "Accepted"
    for entry in entries:
        for call in [c for calls in unanswered.values() for c in calls]:
            same_line = call.connection == entry.connection and entry.source != "note"
            if same_line and entry.at - call.at > RESPONSE_LIMIT_S and registration != "Rejected":
                violations.append(f"not answered within {RESPONSE_LIMIT_S:.0f} s: {call.text[:200]}")
                unanswered[call.connection, call.id].remove(call)
        if entry.source == "backend":
            registration = boot_status(entry) or registration
            if entry.is_call() and isinstance(entry.id, str):
                unanswered.setdefault((entry.connection, entry.id), []).append(entry)
        elif entry.source == "station" and entry.message and entry.message[0] == CALLRESULT:
            waiting = unanswered.get((entry.connection, entry.message[1] if len(entry.message) > 1 else ""), [])
            if not waiting:
                violations.append(f"an answer that nothing on this connection asked for: {entry.text[:200]}")
            else:
                waiting.pop(0)
        elif entry.source == "station" and entry.message and entry.message[0] == CALLERROR and len(entry.message) > 1:
            waiting = unanswered.get((entry.connection, entry.message[1]), [])
            if waiting:
                waiting.pop(0)
    return violations


def boot_status(entry: Entry) -> str | None:
    """The status when this is a BootNotification.conf."""
    match entry.message:
        case [3, _, {"status": str(status), "currentTime": _}]:
            return status
    return None


def check_registration(entries: list[Entry]) -> list[str]:
    """BootNotification first after a start; before Accepted only what was triggered (BOOT-02, 07, 08)."""
    violations = []
    registered = True  # the story may begin in the middle
    boot_ids: set[str] = set()
    triggered: list[str] = []
    newest = former_life = 0
    for entry in entries:
        newest = max(newest, entry.connection)
        if entry.source == "note" and entry.text.startswith(STATION_STARTED):
            registered, triggered, former_life = False, [], newest
        elif entry.connection <= former_life:
            continue  # the last words of the process before this one
        elif entry.source == "backend":
            if entry.is_call("TriggerMessage"):
                triggered.append(entry.payload.get("requestedMessage", ""))
            elif entry.message and entry.message[0] == CALLRESULT and entry.message[1] in boot_ids:
                registered = boot_status(entry) == "Accepted"
        elif entry.source == "station" and entry.is_call():
            if entry.action == "BootNotification":
                boot_ids.add(entry.id)
            elif not registered:
                if entry.action in triggered:
                    triggered.remove(entry.action)
                else:
                    violations.append(f"sent before BootNotification was Accepted: {entry.text[:200]}")
    return violations


def check_transitions(entries: list[Entry]) -> list[str]:
    """Consecutive reports of connector 1 on one connection follow the table of statuses."""
    violations = []
    status: dict[int, str] = {}
    for entry in entries:
        if entry.source != "station" or not entry.is_call("StatusNotification"):
            continue
        payload = entry.payload
        if payload.get("connectorId") == 0:
            if payload.get("status") not in ("Available", "Unavailable", "Faulted"):
                violations.append(f"connector 0 cannot be {payload.get('status')}")
            continue
        before, now = status.get(entry.connection), payload.get("status")
        if before is not None and before != now and now not in TRANSITIONS[before]:
            violations.append(f"status went from {before} to {now}")
        status[entry.connection] = now
    return violations


__all__ = ["CALL", "CALLERROR", "CALLRESULT", "STATION_ENDED", "STATION_STARTED", "check_wire", "schema_violation"]
