"""A frame that brings a charging profile with many periods, read by a typed parser in a twentieth of the time.

It only ever accepts: whatever is not plainly good comes back as None, and the codec's strict way judges it.
docs/decisions/0006-big-profiles.md
"""

from __future__ import annotations

import re
from array import array
from collections.abc import Iterator
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ocppclient.charging_profile import LARGEST, Periods

#: Shorter frames are read the ordinary way.
BIG = 8192
#: Characters of periods that are parsed in one go: meanwhile the parser lets no other thread run.
PIECE = 65_536
_BLANK = " \t\r\n"
_ACTION = re.compile(r'\[\s*2\s*,\s*"[^"\\]{1,36}"\s*,\s*"(SetChargingProfile|RemoteStartTransaction)"')
_PERIODS = re.compile(r'"chargingSchedulePeriod"\s*:\s*\[')

_Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
_Limit = Annotated[float, Meta(ge=0, le=LARGEST // 10)]


class _Strict(Struct, forbid_unknown_fields=True, rename="camel"):
    """An object of the schema; a member that is missing, unknown or of another type is an error of the parser."""


class _Period(Struct, forbid_unknown_fields=True, rename="camel", gc=False):
    start_period: Annotated[int, Meta(ge=0, le=LARGEST)]
    limit: _Limit
    number_phases: Annotated[int, Meta(ge=1, le=3)] | UnsetType | None = UNSET


class _Schedule(_Strict):
    charging_rate_unit: Literal["A", "W"]
    charging_schedule_period: list[_Period]
    duration: _Int64 | UnsetType | None = UNSET
    start_schedule: str | UnsetType | None = UNSET
    min_charging_rate: _Limit | UnsetType | None = UNSET


class _Profile(_Strict):
    charging_profile_id: _Int64
    stack_level: _Int64
    charging_profile_purpose: Literal["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]
    charging_profile_kind: Literal["Absolute", "Recurring", "Relative"]
    charging_schedule: _Schedule
    transaction_id: _Int64 | UnsetType | None = UNSET
    recurrency_kind: Literal["Daily", "Weekly"] | UnsetType | None = UNSET
    valid_from: str | UnsetType | None = UNSET
    valid_to: str | UnsetType | None = UNSET


class _SetChargingProfile(_Strict):
    connector_id: _Int64
    cs_charging_profiles: _Profile


class _RemoteStartTransaction(_Strict):
    id_tag: Annotated[str, Meta(max_length=20)]
    charging_profile: _Profile
    connector_id: _Int64 | UnsetType | None = UNSET


_MessageId = Annotated[str, Meta(min_length=1, max_length=36)]
_SET = msgspec.json.Decoder(tuple[Literal[2], _MessageId, Literal["SetChargingProfile"], _SetChargingProfile])
_START = msgspec.json.Decoder(tuple[Literal[2], _MessageId, Literal["RemoteStartTransaction"], _RemoteStartTransaction])
_PIECE = msgspec.json.Decoder(list[_Period])


def read(text: str) -> tuple[str, str, dict[str, Any]] | None:
    """Unique id, action and checked payload of a frame with a big charging profile; None: not one, or not plainly good.

    The payload is that of the schema, except that chargingSchedulePeriod is a `Periods`.
    """
    if len(text) < BIG or (action := _ACTION.match(text)) is None or (opening := _PERIODS.search(text)) is None:
        return None
    # Good periods hold neither lists nor texts, so the next bracket ends them; if it does not, a parser objects below.
    begin, end = opening.end(), text.find("]", opening.end())
    frame = text[:begin] + text[end:]
    try:
        _, message_id, _, request = (_SET if action[1] == "SetChargingProfile" else _START).decode(frame)
        profile = request.cs_charging_profiles if isinstance(request, _SetChargingProfile) else request.charging_profile
        payload, texts = _plain(request)
        periods = _periods(text[begin:end].strip(_BLANK))
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None
    # Every key must be a known one, so a key that occurs twice shows in the number of texts of the frame: it has more
    # quotes than it needs. (A quote inside a text shows the same way, and takes the strict way for nothing.)
    if periods is None or profile.charging_schedule.charging_schedule_period or frame.count('"') != 2 * (2 + texts):
        return None
    given = payload["csChargingProfiles" if isinstance(request, _SetChargingProfile) else "chargingProfile"]
    given["chargingSchedule"]["chargingSchedulePeriod"] = periods
    return message_id, action[1], payload


def _periods(text: str) -> Periods | None:
    """The periods between the brackets; None: a key occurs twice, or a comma too often."""
    starts, limits, phases = array("I"), array("I"), bytearray()
    for piece in _pieces(text):
        read_periods = _PIECE.decode(piece)
        numbers = [period.number_phases for period in read_periods if period.number_phases is not UNSET]
        if not read_periods or piece.count('"') != 2 * (2 * len(read_periods) + len(numbers)):
            return None
        starts.extend([period.start_period for period in read_periods])
        limits.extend([int(period.limit * 10) for period in read_periods])  # rounded down, as `to_tenths` does
        phases += bytes([period.number_phases or 0 for period in read_periods])
    return Periods(starts, limits, bytes(phases) if any(phases) else b"")


def _pieces(text: str) -> Iterator[str]:
    """Lists that make up the list `[text]`; each ends where a period ends, and a comma is between two of them."""
    begin = 0
    while len(text) - begin > PIECE:
        end = text.rfind("}", begin, begin + PIECE) + 1
        comma = text.find(",", end)
        if not end or comma < 0 or text[end:comma].strip(_BLANK):
            break  # not between two periods: the parser gets all the rest, and says what it is
        yield f"[{text[begin:end]}]"
        begin = comma + 1
    yield f"[{text[begin:]}]"


def _plain(value: _Strict) -> tuple[dict[str, Any], int]:
    """The object as a dict without its periods, and how many texts (keys and values) it was written with."""
    plain: dict[str, Any] = {}
    texts = 0
    for name, spelled in zip(value.__struct_fields__, value.__struct_encode_fields__, strict=True):
        member = getattr(value, name)
        if member is UNSET:
            continue
        texts += 1
        if member is None:  # null is how some backends write an absent member
            continue
        if isinstance(member, _Strict):
            plain[spelled], inner = _plain(member)
            texts += inner
        elif not isinstance(member, list):
            plain[spelled] = member
            texts += isinstance(member, str)
    return plain, texts
