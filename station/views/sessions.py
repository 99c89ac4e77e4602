"""The charging sessions: list with filter, CSV and print; one session with its meter, messages and reasons."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, time, timedelta
from itertools import islice
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.paginator import Paginator
from django.db.models import F, QuerySet, Sum
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, render
from django.utils.translation import gettext
from django.views.decorators.http import require_GET

from ocppclient.clock import format_utc
from station import csv_file, session_messages
from station.live import STOPS
from station.models import QueuedCall, Reason, Transaction
from station.outlook import measured
from station.roles import Role, needs, role_of, shown_tag
from station.sentences import spoken
from station.store import MEASUREMENTS

PAGE_LENGTH = 50
LATEST = 5
#: Sessions on one printed list.
PRINTED = 1000
#: So many sessions are read with their messages at once.
AT_ONCE = 500
#: The why log of a session begins so long before it (the card was refused first) and ends so long after it.
AROUND = timedelta(minutes=2)
REASONS_SHOWN = 50

COLUMNS = (
    "transaction_id", "id_tag", "started_at", "stopped_at", "duration_s", "energy_kwh", "meter_start_wh",
    "meter_stop_wh", "stop_reason", "messages_waiting", "messages_given_up", "uid",
)  # fmt: skip


@dataclass(frozen=True)
class Row:
    """One transaction as the list shows it."""

    transaction: Transaction
    id_tag: str
    calls: list[QueuedCall] = field(default_factory=list)

    @property
    def energy_kwh(self) -> float:
        """Delivered so far."""
        until = self.transaction.meter_stop_wh
        if until is None:
            until = max(self.transaction.last_wh, self.transaction.meter_start_wh)
        return (until - self.transaction.meter_start_wh) / 1000

    @property
    def duration_s(self) -> int:
        """From start to stop, or until now."""
        end = self.transaction.stopped_at or datetime.now(UTC)
        return max(0, round((end - self.transaction.started_at).total_seconds()))

    @property
    def hours(self) -> str:
        """Hours and minutes, short."""
        minutes = round(self.duration_s / 60)
        return f"{minutes // 60}:{minutes % 60:02}"

    @property
    def end(self) -> str:
        """Why it ended, in plain words."""
        reason = self.transaction.reason
        return spoken(STOPS[reason]) if reason in STOPS else reason or spoken(STOPS["Other"])

    @property
    def waiting(self) -> list[QueuedCall]:
        """Messages that will still be delivered."""
        return [call for call in self.calls if not call.parked_reason]

    @property
    def parked(self) -> list[QueuedCall]:
        """Messages that were given up."""
        return [call for call in self.calls if call.parked_reason]


@dataclass(frozen=True)
class Filter:
    """What of the sessions is looked at: days of somebody's calendar (both included), a part of a card number, and
    whether only those are wanted of which a message was given up."""

    since: date | None
    until: date | None
    card: str
    given_up: bool
    zone: ZoneInfo

    @classmethod
    def of(cls, request: HttpRequest) -> Filter:
        """From the address; what cannot be read does not filter. A viewer cannot look for cards: they are masked."""
        asked = request.GET
        try:
            zone = ZoneInfo(asked.get("zone") or "UTC")
        except (ZoneInfoNotFoundError, ValueError, OSError):
            zone = ZoneInfo("UTC")
        may = role_of(request.user) >= Role.OPERATOR
        card = asked.get("card", "").strip()[:20] if may else ""
        return cls(_day(asked.get("since")), _day(asked.get("until")), card, "given_up" in asked, zone)

    def __bool__(self) -> bool:
        return bool(self.since or self.until or self.card or self.given_up)

    def rows(self) -> QuerySet[Transaction]:
        """The newest first."""
        rows = Transaction.objects.order_by("-id")
        if self.since:
            rows = rows.filter(started_at__gte=datetime.combine(self.since, time.min, self.zone))
        if self.until and self.until < date.max:
            rows = rows.filter(started_at__lt=datetime.combine(self.until + timedelta(days=1), time.min, self.zone))
        if self.given_up:
            rows = rows.filter(uid__in=_given_up().values("transaction_uid"))
        return rows.filter(id_tag__icontains=self.card) if self.card else rows


def months(today: date) -> list[tuple[str, date, date]]:
    """What reports are made of: a name, its first day and its last; this month, and the one before."""
    first = today.replace(day=1)
    last_of_former = first - timedelta(days=1)
    last = (first + timedelta(days=31)).replace(day=1) - timedelta(days=1)
    return [
        (gettext("This month"), first, last),
        (gettext("Last month"), last_of_former.replace(day=1), last_of_former),
    ]


def _given_up() -> QuerySet[QueuedCall]:
    """Messages that were tried often enough; people decide about them."""
    return QueuedCall.objects.exclude(parked_reason="")


def _day(text: str | None) -> date | None:
    try:
        day = date.fromisoformat(text or "")
    except ValueError:
        return None
    return day if date(2000, 1, 1) <= day <= date(2199, 12, 31) else None


@require_GET
@needs(Role.VIEWER)
def transactions(request: HttpRequest) -> HttpResponse:
    """The list, newest first, each with the messages that wait or were given up."""
    wanted = Filter.of(request)
    found = wanted.rows()
    page = Paginator(found, PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "rows": rows_of(request, list(page.object_list)),
        "filter": wanted,
        "months": months(datetime.now(wanted.zone).date()),
        "total_kwh": _total_kwh(found),
        "given_up": _given_up().exclude(transaction_uid="").values("transaction_uid").distinct().count(),
        "others": [] if wanted else list(QueuedCall.objects.filter(transaction_uid="").order_by("seq")[:PAGE_LENGTH]),
        "may_resend": role_of(request.user) >= Role.OPERATOR,
    }
    return render(request, "station/transactions.html", context)


@require_GET
@needs(Role.VIEWER)
def export(request: HttpRequest) -> HttpResponse:
    """What the filter lets through, as CSV; `?style=excel` for a spreadsheet with decimal commas."""
    rows = rows_of(request, Filter.of(request).rows())
    return csv_file.download("sessions", csv_file.write(COLUMNS, map(_cells, rows), csv_file.Style.of(request)))


def _cells(row: Row) -> Iterable[str | int | float | None]:
    found = row.transaction
    return (
        found.transaction_id, row.id_tag, format_utc(found.started_at),
        format_utc(found.stopped_at) if found.stopped_at else "", row.duration_s, row.energy_kwh, found.meter_start_wh,
        found.meter_stop_wh, found.reason, len(row.waiting), len(row.parked), found.uid,
    )  # fmt: skip


@require_GET
@needs(Role.VIEWER)
def printed(request: HttpRequest) -> HttpResponse:
    """The same for paper: one table and its sum."""
    wanted = Filter.of(request)
    found = wanted.rows()
    context = {
        "rows": rows_of(request, list(found[:PRINTED])),
        "filter": wanted,
        "total_kwh": _total_kwh(found[:PRINTED]),
        "left_out": max(0, found.count() - PRINTED),
        "now": datetime.now(UTC),
    }
    return render(request, "station/transactions_print.html", context)


def _total_kwh(found: QuerySet[Transaction]) -> float:
    ended = Transaction.objects.filter(pk__in=found.values("pk"), stopped_at__isnull=False)
    total: int | None = ended.aggregate(wh=Sum(F("meter_stop_wh") - F("meter_start_wh")))["wh"]
    return (total or 0) / 1000


@require_GET
@needs(Role.VIEWER)
def session(request: HttpRequest, pk: int) -> HttpResponse:
    """One session: numbers, chart, every message with its acknowledgement, and the reasons noted around it."""
    found = get_object_or_404(Transaction, pk=pk)
    may = role_of(request.user) >= Role.OPERATOR
    (row,) = rows_of(request, [found])
    end = found.stopped_at or datetime.now(UTC)
    reasons = Reason.objects.filter(at__gte=found.started_at - AROUND, at__lte=end + AROUND).order_by("id")
    context = {
        "row": row,
        "stop_id_tag": shown_tag(found.stop_id_tag, role_of(request.user)),
        "messages_sent": session_messages.messages_of(found.uid),
        "reasons": list(reasons[:REASONS_SHOWN]) if may else [],
        "may_look": may,
    }
    return render(request, "station/session.html", context)


@require_GET
@needs(Role.VIEWER)
def session_chart(request: HttpRequest, pk: int) -> JsonResponse:
    """Power over the session in W: what was measured each minute, for old sessions means between meter values."""
    return JsonResponse(power_of(get_object_or_404(Transaction, pk=pk)))


def power_of(found: Transaction) -> dict[str, Any]:
    """What the chart of one session draws."""
    begin, end = _seconds(found.started_at), _seconds(found.stopped_at or datetime.now(UTC))
    rows = MEASUREMENTS.select("WHERE minute >= %s AND minute <= %s ORDER BY minute", begin // 60, end // 60)
    curve = measured(rows, "W")
    power = {"kind": "measured", "name": gettext("Power"), "x": curve.x, "y": curve.y}
    if not curve.x:
        steps = session_messages.mean_powers(session_messages.energy_samples(found.uid, found.data))
        power = {
            "kind": "allowed",
            "name": gettext("Power, mean"),
            "x": [at for at, _ in steps],
            "y": [w for _, w in steps],
        }
    return {"now": 0, "from": begin - 60, "to": max(end, begin + 60) + 60, "curves": [power]}


def _seconds(moment: datetime) -> int:
    return int(moment.timestamp())


def latest(request: HttpRequest) -> list[Row]:
    """The last sessions, for the dashboard."""
    return rows_of(request, list(Transaction.objects.order_by("-id")[:LATEST]))


def rows_of(request: HttpRequest, found: Iterable[Transaction]) -> list[Row]:
    """With their messages; a viewer sees a part of the card's number only."""
    rows: list[Row] = []
    role, rest = role_of(request.user), iter(found)
    while some := list(islice(rest, AT_ONCE)):
        calls: dict[str, list[QueuedCall]] = defaultdict(list)
        uids = [row.uid for row in some]
        for call in QueuedCall.objects.filter(transaction_uid__in=uids).defer("payload").order_by("seq"):
            calls[call.transaction_uid].append(call)
        rows += [Row(row, shown_tag(row.id_tag, role), calls[row.uid]) for row in some]
    return rows
