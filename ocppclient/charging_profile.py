"""A charging profile as the station keeps it (OCPP 1.6 sections 7.8 to 7.14): compact, in whole seconds and tenths.

All moments are whole seconds since 1970 (UTC); all limits are integers in tenths of their unit, always rounded down.
"""

from __future__ import annotations

import sys
from array import array
from bisect import bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

Unit = Literal["A", "W"]
Purpose = Literal["ChargePointMaxProfile", "TxDefaultProfile", "TxProfile"]
Kind = Literal["Absolute", "Recurring", "Relative"]

#: Seconds of one recurrence (section 7.37).
RECURRENCE_S = {"Daily": 86_400, "Weekly": 604_800}
#: Largest startPeriod, and largest limit in tenths, that is kept.
LARGEST = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Periods:
    """chargingSchedulePeriod, compactly: 8 bytes a period (9 with numberPhases).

    Attributes:
        starts: startPeriod, seconds from the start of the schedule, ascending from 0.
        limits: in tenths of the schedule's unit.
        phases: numberPhases of each period, 0 where it is absent; b"" when no period has it.
    """

    starts: array[int]
    limits: array[int]
    phases: bytes = b""

    def __len__(self) -> int:
        return len(self.starts)

    @staticmethod
    def to_bytes(numbers: array[int]) -> bytes:
        """For the disk: little-endian, 4 bytes each."""
        return (numbers if sys.byteorder == "little" else _swapped(numbers)).tobytes()

    @staticmethod
    def from_bytes(stored: bytes) -> array[int]:
        """From the disk."""
        numbers = array("I", stored)
        return numbers if sys.byteorder == "little" else _swapped(numbers)


def _swapped(numbers: array[int]) -> array[int]:
    swapped = numbers[:]
    swapped.byteswap()
    return swapped


@dataclass(frozen=True, slots=True)
class Profile:
    """One ChargingProfile (section 7.8) as it was installed for a connector.

    Attributes:
        start_s: startSchedule; None: relative to the start of charging (section 7.13).
        duration_s: None: the last period goes on (a recurring one until it starts again).
        transaction_uid: of a TxProfile, the transaction it was set for.
    """

    profile_id: int
    connector_id: int
    stack_level: int
    purpose: Purpose
    kind: Kind
    unit: Unit
    periods: Periods
    recurrency_kind: str = ""
    valid_from_s: int | None = None
    valid_to_s: int | None = None
    start_s: int | None = None
    duration_s: int | None = None
    transaction_uid: str = ""

    def runs(self, begin_s: int, end_s: int, charging_since_s: int) -> Iterator[tuple[int, int, int]]:
        """When the schedule runs inside a window: (from, to, its origin), ascending and disjoint.

        Args:
            charging_since_s: the start of charging, the origin of relative schedules.
        """
        if self.valid_from_s is not None:
            begin_s = max(begin_s, self.valid_from_s)
        if self.valid_to_s is not None:
            end_s = min(end_s, self.valid_to_s)
        origin_s, again_s, length_s = self._timing(begin_s, charging_since_s)
        while origin_s < end_s:
            run_begin_s = max(begin_s, origin_s)
            run_end_s = end_s if length_s is None else min(end_s, origin_s + length_s)
            if run_begin_s < run_end_s:
                yield run_begin_s, run_end_s, origin_s
            if again_s is None:
                return
            origin_s += again_s

    def _timing(self, at_s: int, charging_since_s: int) -> tuple[int, int | None, int | None]:
        """Origin of the run at (or first after) a moment, after how long it starts again, how long it lasts."""
        if self.kind == "Recurring" and self.start_s is not None:
            again_s = RECURRENCE_S[self.recurrency_kind]
            origin_s = self.start_s + max((at_s - self.start_s) // again_s, 0) * again_s
            # SC-17: what is longer than the recurrence is not executed
            return origin_s, again_s, min(again_s, again_s if self.duration_s is None else self.duration_s)
        absolute = self.kind == "Absolute" and self.start_s is not None
        return (self.start_s or 0) if absolute else charging_since_s, None, self.duration_s

    def next_boundary(self, at_s: int, charging_since_s: int | None) -> int | None:
        """The first moment after `at_s` at which a period, the schedule or its validity begins or ends.

        Args:
            charging_since_s: None: charging has not begun, relative schedules wait at their start.
        """
        bounds = [bound for bound in (self.valid_from_s, self.valid_to_s) if bound is not None]
        waits = charging_since_s is None and (self.kind == "Relative" or self.start_s is None)
        if not waits:
            origin_s, again_s, length_s = self._timing(at_s, charging_since_s or 0)
            starts = self.periods.starts
            following = bisect_right(starts, max(at_s - origin_s, -1))
            if following < len(starts) and (length_s is None or starts[following] < length_s):
                bounds.append(origin_s + starts[following])
            if length_s is not None:
                bounds.append(origin_s + length_s)
            if again_s is not None:
                bounds.append(origin_s + again_s)
        return min((bound for bound in bounds if bound > at_s), default=None)


@dataclass(frozen=True, slots=True)
class Supply:
    """What converts between A (per phase) and W (in total): the nominal voltage, never a measured one (SC-20)."""

    nominal_voltage_v: float = 230.0
    phases: int = 1

    def used_phases(self, number_phases: int) -> int:
        """numberPhases, 3 if absent (0), but never more than the station has (SC-20, SC-21)."""
        return min(number_phases or 3, self.phases)

    def convert(self, tenths: int, unit: Unit, wanted: Unit, number_phases: int = 0) -> int:
        """A limit in another unit, in tenths, rounded down."""
        if unit == wanted:
            return tenths
        millivolts = round(self.nominal_voltage_v * 1000) * self.used_phases(number_phases)
        return tenths * 1000 // millivolts if wanted == "A" else tenths * millivolts // 1000


def to_tenths(limit: float) -> int:
    """Rounded down to one decimal (product of a one-decimal number and 10 is exact: 10 = 8 + 2)."""
    return int(limit * 10)
