"""The frame of a SetChargingProfile with many periods, read by a typed parser in a twentieth of the time.

It only ever accepts: whatever is not plainly good comes back as None, and the codec's strict way judges it.
docs/decisions/0006-big-profiles.md
"""

from __future__ import annotations

from array import array
from typing import Annotated, Any, Literal

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from ocppclient.charging_profile import LARGEST, Periods

#: Shorter frames are read the ordinary way.
BIG = 8192
_HEAD = 200

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


class _Request(_Strict):
    connector_id: _Int64
    cs_charging_profiles: _Profile


_DECODER = msgspec.json.Decoder(
    tuple[Literal[2], Annotated[str, Meta(min_length=1, max_length=36)], Literal["SetChargingProfile"], _Request]
)


def read(text: str) -> tuple[str, dict[str, Any]] | None:
    """Unique id and checked payload of a big SetChargingProfile; None: not one, or not plainly good.

    The payload is that of the schema, except that chargingSchedulePeriod is a `Periods`.
    """
    if len(text) < BIG or '"SetChargingProfile"' not in text[:_HEAD]:
        return None
    try:
        _, message_id, _, request = _DECODER.decode(text)
    except (msgspec.MsgspecError, UnicodeEncodeError, RecursionError):
        return None
    periods = request.cs_charging_profiles.charging_schedule.charging_schedule_period
    numbers = [period.number_phases for period in periods if period.number_phases is not UNSET]
    payload, texts = _plain(request)
    # Every key must be a known one, so a key that occurs twice shows in the number of texts of the frame: it has more
    # quotes than it needs. (A quote inside a text shows the same way, and takes the strict way for nothing.)
    if text.count('"') != 2 * (2 + texts + 2 * len(periods) + len(numbers)):
        return None
    payload["csChargingProfiles"]["chargingSchedule"]["chargingSchedulePeriod"] = Periods(
        array("I", [period.start_period for period in periods]),
        array("I", [int(period.limit * 10) for period in periods]),  # rounded down, as `to_tenths` does
        bytes([period.number_phases or 0 for period in periods]) if any(numbers) else b"",
    )
    return message_id, payload


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
