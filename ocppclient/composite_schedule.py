"""Charging profiles + time → limit, and the composite schedule (OCPP 1.6 sections 3.13 and 5.7): pure arithmetic."""

from __future__ import annotations

from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from functools import reduce
from itertools import chain as joined
from itertools import compress
from operator import ne

from ocppclient.charging_profile import LARGEST, Periods, Profile, Supply, Unit, to_tenths

#: So many boundaries are looked at to tell until when a limit holds.
_LOOK_AHEAD = 50
#: A boundary later than the year 9999 never comes.
_NEVER_S = 253_402_300_800
#: No constraint. Larger than any encoded value, so the minimum of it and a limit is the limit.
_NONE = 1 << 62
_CHUNK_S = 86_400
#: So many periods are looked at for one composite schedule before it is cut (a backend may ask for any duration).
_MOST_STEPS = 8 * 86_400
#: … and so far ahead at most.
_LONGEST_S = 366 * 86_400
#: profileId of what is no profile of the backend, but of the station itself.
PEAK_HOURS = -1


def profile_of_peak_hours(spans: Iterable[tuple[datetime, datetime]]) -> Profile:
    """The station's peak hours as one more limit: 0 A in these stretches of time (ascending), none between them."""
    starts, limits = array("I", [0]), array("I", [LARGEST])
    for since, until in spans:
        starts.extend((int(since.timestamp()), int(until.timestamp())))
        limits.extend((0, LARGEST))
    return Profile(PEAK_HOURS, 0, 0, "ChargePointMaxProfile", "Absolute", "A", Periods(starts, limits), start_s=0)


class Stack:
    """The installed profiles that count for one connector, in order of precedence (sections 3.13.1 to 3.13.3).

    Args:
        transaction_uid: the running transaction; TxProfiles of others do not count.
        charging_since_s: its start; None while there is none.
        peak_hours: see `profile_of_peak_hours`; limits besides all others. None: there are none.
    """

    def __init__(
        self,
        profiles: Iterable[Profile],
        connector_id: int,
        transaction_uid: str,
        charging_since_s: int | None,
        supply: Supply,
        peak_hours: Profile | None = None,
    ) -> None:
        self.supply = supply
        self._since_s = charging_since_s
        maximum, default, default_0, transaction = [], [], [], []
        for profile in sorted(profiles, key=lambda one: -one.stack_level):
            if profile.purpose == "ChargePointMaxProfile":
                maximum.append(profile)
            elif profile.purpose == "TxProfile":
                if profile.transaction_uid == transaction_uid and profile.connector_id == connector_id:
                    transaction.append(profile)
            elif profile.connector_id == connector_id:
                default.append(profile)
            elif profile.connector_id == 0:
                default_0.append(profile)
        #: For each of the two purposes that are merged: whichever runs first in this order prevails.
        self._chains: tuple[list[Profile], ...] = (maximum, [*transaction, *default, *default_0])
        if peak_hours is not None:
            self._chains += ([peak_hours],)

    @property
    def in_order(self) -> list[Profile]:
        """Those that count for the connector, in order of precedence; the limits of the whole station first."""
        return [profile for chain in self._chains for profile in chain if profile.profile_id != PEAK_HOURS]

    def prevailing(self, at_s: int) -> tuple[int, Profile] | None:
        """The limit at a moment, tenths of an ampere per phase, and the profile it comes from; None: no constraint."""
        found = [self._running(chain, at_s) for chain in self._chains]
        return min(filter(None, found), key=lambda one: one[0], default=None)

    def _running(self, chain: list[Profile], at_s: int) -> tuple[int, Profile] | None:
        since_s = at_s if self._since_s is None else self._since_s
        for profile in chain:
            for _, _, origin_s in profile.runs(at_s, at_s + 1, since_s):
                periods = profile.periods
                index = bisect_right(periods.starts, at_s - origin_s) - 1
                number_phases = periods.phases[index] if periods.phases else 0
                return self.supply.convert(periods.limits[index], profile.unit, "A", number_phases), profile
        return None

    def next_change_after(self, at_s: int) -> int | None:
        """The first moment after `at_s` at which the limit may differ; None: never by time alone."""
        bounds = (profile.next_boundary(at_s, self._since_s) for chain in self._chains for profile in chain)
        return min((bound for bound in bounds if bound is not None), default=None)

    def holds_until(self, at_s: int) -> int | None:
        """The first moment after `at_s` at which the limit is another one; None: not by time alone, or far away."""
        present, following_s = self.prevailing(at_s), self.next_change_after(at_s)
        for _ in range(_LOOK_AHEAD):
            if following_s is None or following_s >= _NEVER_S:
                break
            after = self.prevailing(following_s)
            if (after and after[0]) != (present and present[0]):
                return following_s
            following_s = self.next_change_after(following_s)
        return None

    def runs_now(self, profile: Profile, at_s: int) -> bool:
        """The schedule of a profile has a period at this moment, whether or not another one prevails."""
        return self._running([profile], at_s) is not None

    def alone(self, profile: Profile, start_s: int, end_s: int, unit: Unit) -> tuple[list[int], list[int | None]]:
        """What one profile says by itself: moments, and tenths of `unit` from each on (None: nothing)."""
        bits = 2 if profile.periods.phases else 0
        sweep = _Sweep(self.supply, unit, 0, start_s if self._since_s is None else self._since_s, bits)
        starts: list[int] = []
        values: list[int] = []
        _append_merged(sweep.steps([profile], start_s, end_s), starts, values)
        return starts, [None if value == _NONE else value >> bits for value in values]

    def composite(self, start_s: int, duration_s: int, unit: Unit, local_limit_a: float, most: int) -> Composite:
        """The composite schedule from `start_s` on, at most `most` periods; equal neighbours are one period.

        Args:
            local_limit_a: what installer and hardware allow, ampere per phase; holds where nothing is installed.

        A schedule that would get too long is cut, and its duration says where.
        """
        given = any(profile.periods.phases for chain in self._chains for profile in chain)
        sweep = _Sweep(self.supply, unit, start_s, start_s if self._since_s is None else self._since_s, 2 * given)
        ceilings = sweep.ceilings(local_limit_a)
        starts: list[int] = []
        values: list[int] = []
        looked, end_s, begin_s = 0, start_s + min(duration_s, _LONGEST_S), start_s
        while begin_s < max(end_s, start_s + 1) and len(starts) <= most and looked < _MOST_STEPS:
            upto_s = max(min(begin_s + _CHUNK_S, end_s), start_s + 1)
            chains = [sweep.steps(chain, begin_s, upto_s) for chain in self._chains]
            looked += sum(len(steps[0]) for steps in chains)
            _append_merged(_capped(reduce(_lowest, chains), ceilings), starts, values)
            begin_s = upto_s
        end_s = min(end_s, begin_s)
        if len(starts) > most:
            end_s = start_s + starts[most]
            del starts[most:], values[most:]
        if not given:
            return Composite(unit, end_s - start_s, starts, values, [])
        phases = [value & 3 for value in values]
        return Composite(unit, end_s - start_s, starts, [value >> 2 for value in values], phases)


#: A step function: starts, seconds from the start of the composite schedule, and encoded values.
_Steps = tuple[list[int], list[int]]


@dataclass(frozen=True, slots=True)
class _Sweep:
    """What turns chains of profiles into steps. A value is `tenths << bits | numberPhases`: integers compare fastest.

    Attributes:
        zero_s: the start of the composite schedule.
        since_s: the start of charging.
        bits: 2 for numberPhases, or 0 when no profile gives it.
    """

    supply: Supply
    unit: Unit
    zero_s: int
    since_s: int
    bits: int

    def ceilings(self, limit_a: float) -> list[int]:
        """The highest value for each numberPhases."""
        tenths = to_tenths(limit_a)
        return [
            (self.supply.convert(tenths, "A", self.unit, phases) << self.bits) | phases
            for phases in range(1 << self.bits)
        ]

    def steps(self, chain: list[Profile], begin_s: int, end_s: int) -> _Steps:
        """What a chain says in a window."""
        out: _Steps = ([], [])
        self._fill(chain, 0, begin_s, end_s, out)
        return out

    def _fill(self, chain: list[Profile], index: int, begin_s: int, end_s: int, out: _Steps) -> None:
        """Append the steps of a window: of the profile at `index` where it runs, of those behind it in the gaps."""
        starts, values = out
        if index == len(chain):
            starts.append(begin_s - self.zero_s)
            values.append(_NONE)
            return
        profile = chain[index]
        periods = profile.periods
        for run_begin_s, run_end_s, origin_s in profile.runs(begin_s, end_s, self.since_s):
            if run_begin_s > begin_s:
                self._fill(chain, index + 1, begin_s, run_begin_s, out)
            first = bisect_right(periods.starts, run_begin_s - origin_s) - 1
            last = bisect_left(periods.starts, run_end_s - origin_s)
            shift_s = origin_s - self.zero_s
            following = periods.starts[first + 1 : last]
            starts.append(run_begin_s - self.zero_s)
            starts.extend([shift_s + start for start in following] if shift_s else following)
            values.extend(self._encoded(profile, first, last))
            begin_s = run_end_s
        if begin_s < end_s:
            self._fill(chain, index + 1, begin_s, end_s, out)

    def _encoded(self, profile: Profile, first: int, last: int) -> Iterable[int]:
        limits, phases = profile.periods.limits[first:last], profile.periods.phases[first:last]
        if profile.unit == self.unit and not self.bits:
            return limits
        pairs = list(zip(limits, phases or bytes(len(limits)), strict=True))
        known = {}
        for limit, given in set(pairs):
            used = self.supply.used_phases(given) if given else 0
            known[limit, given] = (self.supply.convert(limit, profile.unit, self.unit, given) << self.bits) | used
        return [known[pair] for pair in pairs]


@dataclass(frozen=True, slots=True)
class Composite:
    """A composite schedule: startPeriod in seconds from its start, limits in tenths of `unit`.

    `phases` is [] or holds numberPhases (0: not given) of each period.
    """

    unit: Unit
    duration_s: int
    starts: list[int]
    limits: list[int]
    phases: list[int]


def _lowest(one: _Steps, other: _Steps) -> _Steps:
    """The minimum of two step functions over the same window."""
    if len(other[0]) == 1:
        one, other = other, one
    if len(one[0]) == 1:
        constant = one[1][0]
        return other if constant == _NONE else (other[0], [min(value, constant) for value in other[1]])
    (a_starts, a_values), (b_starts, b_values) = one, other
    moments = sorted({*a_starts, *b_starts})
    values, a, b = [], 0, 0
    a_last, b_last = len(a_starts) - 1, len(b_starts) - 1
    for moment in moments:
        while a < a_last and a_starts[a + 1] <= moment:
            a += 1
        while b < b_last and b_starts[b + 1] <= moment:
            b += 1
        values.append(min(a_values[a], b_values[b]))
    return moments, values


def _capped(steps: _Steps, ceilings: list[int]) -> _Steps:
    """No value above the ceiling of its numberPhases."""
    starts, values = steps
    if max(values) <= min(ceilings):
        return steps
    mask = len(ceilings) - 1
    return starts, [value if value <= ceilings[value & mask] else ceilings[value & mask] for value in values]


def _append_merged(steps: _Steps, starts: list[int], values: list[int]) -> None:
    """Append steps; neighbours that are equal become one (field problem 30)."""
    new_starts, new_values = steps
    differs = list(map(ne, new_values, joined(values[-1:] or [-1], new_values)))
    if all(differs):
        starts += new_starts
        values += new_values
    else:
        starts += compress(new_starts, differs)
        values += compress(new_values, differs)
