"""GetCompositeSchedule.conf (OCPP 1.6 section 6.22), also with 86,400 periods (docs/decisions/0006-big-profiles.md)."""

from __future__ import annotations

import msgspec

from ocppclient.clock import format_utc
from ocppclient.codec import Encoded, Payload, check_response, dumps
from ocppclient.composite_schedule import Composite
from ocppclient.profile_rules import moment

#: Up to so many periods the answer is made and checked like any other.
ORDINARY = 200


def composite_conf(connector_id: int, start_s: int, schedule: Composite) -> Payload | Encoded:
    """GetCompositeSchedule.conf; without startSchedule (errata 3.57)."""
    periods = [
        {"startPeriod": start, "limit": tenths / 10, **({"numberPhases": phases} if phases else {})}
        for start, tenths, phases in zip(
            schedule.starts[:ORDINARY], schedule.limits, schedule.phases or bytes(ORDINARY), strict=False
        )
    ]
    answer = {
        "status": "Accepted",
        "connectorId": connector_id,
        "scheduleStart": format_utc(moment(start_s)),
        "chargingSchedule": {
            "duration": schedule.duration_s,
            "chargingRateUnit": schedule.unit,
            "chargingSchedulePeriod": periods,
        },
    }
    if len(schedule.starts) <= ORDINARY:
        return answer
    check_response("GetCompositeSchedule", answer)  # its first periods stand for all, which are written alike
    before, after = dumps(answer).split(dumps(periods))
    return Encoded(f"{before}[{_periods_text(schedule)}]{after}")


_START = '{"startPeriod":'


def _periods_text(schedule: Composite) -> str:
    """The periods as JSON; ten times faster than making objects for an encoder and checking them."""
    pieces = [""] * (2 * len(schedule.starts))
    pieces[::2] = msgspec.json.encode(schedule.starts).decode()[1:-1].split(",")  # half the time of map(str, …)
    if schedule.phases:
        pairs = list(zip(schedule.limits, schedule.phases, strict=True))
        of_pair = {pair: _between(*pair) for pair in set(pairs)}
        pieces[1::2] = map(of_pair.__getitem__, pairs)
    else:
        of_limit = {tenths: _between(tenths, 0) for tenths in set(schedule.limits)}
        pieces[1::2] = map(of_limit.__getitem__, schedule.limits)
    return f"{_START}{''.join(pieces).removesuffix(f',{_START}')}"


def _between(tenths: int, phases: int) -> str:
    """What stands between a startPeriod and the next one."""
    return f',"limit":{tenths / 10}' + (f',"numberPhases":{phases}' if phases else "") + f"}},{_START}"
