"""What a ChargingProfile of the backend has to be (OCPP 1.6 sections 7.8 to 7.14): payload → Profile, or why not."""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from operator import lt
from typing import Any

from ocppclient.charging_profile import LARGEST, Periods, Profile, Unit, to_tenths
from ocppclient.clock import parse_utc
from ocppclient.codec import CallFailure, Payload
from ocppclient.sentence import Sentence, quoted

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
#: Items of ChargingScheduleAllowedChargingRateUnit (section 9.4.2; the errata's spelling) → unit.
RATE_UNITS: dict[str, Unit] = {"Current": "A", "Power": "W"}


class Unfit(Exception):
    """A profile that is Rejected: `rule` is one sentence for people, `clause` the obligation."""

    def __init__(self, rule: Sentence, clause: str) -> None:
        super().__init__(rule)
        self.rule = rule
        self.clause = clause


@dataclass(frozen=True)
class Bounds:
    """What this station takes: the values of its configuration keys (section 9.4)."""

    stack_level: int
    periods: int
    units: tuple[Unit, ...]


def seconds(moment: datetime) -> int:
    """Whole seconds since 1970, rounded down."""
    return (moment - _EPOCH) // timedelta(seconds=1)


def moment(seconds_utc: int) -> datetime:
    """The opposite of `seconds`."""
    return _EPOCH + timedelta(seconds=seconds_utc)


def read_profile(given: Payload, connector_id: int, bounds: Bounds) -> Profile:
    """The profile of a request that obeys its schema.

    Raises:
        Unfit: the station rejects it.
        CallFailure: a date-time cannot be read.
    """
    schedule = given["chargingSchedule"]
    purpose, kind, unit = given["chargingProfilePurpose"], given["chargingProfileKind"], schedule["chargingRateUnit"]
    if purpose == "ChargePointMaxProfile" and connector_id != 0:
        raise Unfit(Sentence("A ChargePointMaxProfile belongs to connector 0."), "SC-03")
    if purpose == "TxProfile" and connector_id == 0:
        raise Unfit(Sentence("A TxProfile belongs to the connector of its transaction, not to connector 0."), "SC-03")
    if not 0 <= given["stackLevel"] <= bounds.stack_level:
        raise Unfit(
            Sentence(
                "stackLevel {stack_level} is outside 0…{highest}.",
                stack_level=given["stackLevel"],
                highest=bounds.stack_level,
            ),
            "SC-22",
        )
    if unit not in bounds.units:
        raise Unfit(
            Sentence("Schedules in {unit} are not allowed (ChargingScheduleAllowedChargingRateUnit).", unit=unit),
            "SC-22",
        )
    recurrency_kind = given.get("recurrencyKind", "") if kind == "Recurring" else ""
    start_s = _seconds(schedule, "startSchedule") if kind != "Relative" else None
    if kind == "Recurring" and (not recurrency_kind or start_s is None):
        raise Unfit(Sentence("A Recurring profile needs recurrencyKind and startSchedule."), "SC-14")
    valid_from_s, valid_to_s = _seconds(given, "validFrom"), _seconds(given, "validTo")
    if valid_from_s is not None and valid_to_s is not None and valid_to_s <= valid_from_s:
        raise Unfit(Sentence("validTo is not later than validFrom: the profile would never be valid."), "SC-07")
    duration_s = schedule.get("duration")
    if duration_s is not None and duration_s <= 0:
        raise Unfit(Sentence("The schedule lasts {duration_s} s.", duration_s=duration_s), "SC-16")
    return Profile(
        profile_id=given["chargingProfileId"],
        connector_id=connector_id,
        stack_level=given["stackLevel"],
        purpose=purpose,
        kind=kind,
        unit=unit,
        periods=_checked(schedule["chargingSchedulePeriod"], bounds.periods),
        recurrency_kind=recurrency_kind,
        valid_from_s=valid_from_s,
        valid_to_s=valid_to_s,
        start_s=start_s,
        duration_s=duration_s,
    )


def _seconds(members: Payload, name: str) -> int | None:
    if name not in members:
        return None
    try:
        return seconds(parse_utc(members[name]))
    except ValueError as problem:
        raise CallFailure(
            "PropertyConstraintViolation", Sentence("{name}: {problem}", name=name, problem=quoted(problem))
        ) from None


def _checked(periods: Periods | list[dict[str, Any]], most: int) -> Periods:
    """The periods, compact, in order and within what is kept; they come compact from a big frame."""
    if not periods:
        raise Unfit(Sentence("The schedule has no period."), "SC-15")
    if len(periods) > most:
        raise Unfit(
            Sentence("The schedule has {number} periods, at most {most} are kept.", number=len(periods), most=most),
            "SC-22",
        )
    if not isinstance(periods, Periods):
        periods = _compact(periods)
    starts = periods.starts
    if starts[0] != 0:
        raise Unfit(
            Sentence("The first period starts at {start_s} s, it has to start at 0.", start_s=starts[0]), "SC-15"
        )
    if not all(map(lt, starts, starts[1:])):
        raise Unfit(Sentence("The periods are not in ascending order of startPeriod."), "SC-15")
    return periods


def _compact(periods: list[dict[str, Any]]) -> Periods:
    starts = [period["startPeriod"] for period in periods]
    limits = [period["limit"] for period in periods]
    phases = [period.get("numberPhases", 0) for period in periods]
    if min(limits) < 0:
        raise Unfit(Sentence("A limit is negative: {limit}.", limit=min(limits)), "SC-19")
    if min(starts) < 0 or max(starts) > LARGEST:
        raise Unfit(Sentence("A startPeriod is negative or too large."), "SC-15")
    if any("numberPhases" in period and period["numberPhases"] < 1 for period in periods):
        raise Unfit(Sentence("numberPhases is less than 1."), "SC-20")
    return Periods(
        array("I", starts),
        array("I", [min(to_tenths(limit), LARGEST) for limit in limits]),
        bytes([min(number, 3) for number in phases]) if any(phases) else b"",
    )
