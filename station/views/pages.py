"""The pages: the live dashboard, the frame log, the transactions and the why log."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from django.contrib.auth.decorators import login_not_required
from django.core.paginator import Page, Paginator
from django.db.models import QuerySet
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET, require_safe

from station import __version__, provisioning
from station.live import STOPS
from station.models import QueuedCall, Reason, Transaction
from station.navigation import pages_for
from station.roles import PURPOSES, Role, needs, role_of, shown_tag

PAGE_LENGTH = 50
LATEST = 5


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
    def duration(self) -> str:
        """From start to stop, or until now."""
        end = self.transaction.stopped_at or datetime.now(UTC)
        minutes = max(0, round((end - self.transaction.started_at).total_seconds() / 60))
        return f"{minutes // 60} h {minutes % 60:02} min" if minutes >= 60 else f"{minutes} min"

    @property
    def end(self) -> str:
        """Why it ended, in plain words."""
        return STOPS.get(self.transaction.reason, self.transaction.reason or "stopped")

    @property
    def waiting(self) -> list[QueuedCall]:
        """Messages that will still be delivered."""
        return [call for call in self.calls if not call.parked_reason]

    @property
    def parked(self) -> list[QueuedCall]:
        """Messages that were given up."""
        return [call for call in self.calls if call.parked_reason]


def station_facts(request: HttpRequest) -> dict[str, Any]:
    """For every page: what the station is called, and its software."""
    if not request.user.is_authenticated:
        return {"version": __version__}
    role = role_of(request.user)
    return {
        "version": __version__,
        "role": role,
        "navigation": pages_for(role),
        "here": (request.resolver_match.url_name or "").split("_")[0] if request.resolver_match else "",
        "station_name": provisioning.stored("backend", "charge_point_id") or "Charging station",
    }


@require_GET
@needs(Role.VIEWER)
def dashboard(request: HttpRequest) -> HttpResponse:
    """The live view; its numbers come over the websocket."""
    return render(request, "station/dashboard.html", {"rows": _latest(request)})


@require_GET
@needs(Role.VIEWER)
def latest_transactions(request: HttpRequest) -> HttpResponse:
    """The last transactions as a piece of the dashboard, asked for again when something changed."""
    return render(request, "station/_latest.html", {"rows": _latest(request)})


@require_GET
@needs(Role.OPERATOR)
def frames(request: HttpRequest) -> HttpResponse:
    """Every message between station and backend, live; secrets are masked before they leave the worker."""
    return render(request, "station/frames.html")


@require_GET
@needs(Role.VIEWER)
def transactions(request: HttpRequest) -> HttpResponse:
    """All transactions, newest first, each with the messages that wait or were given up."""
    page = _page(request, Transaction.objects.order_by("-id"))
    others = list(QueuedCall.objects.filter(transaction_uid="").order_by("seq")[:PAGE_LENGTH])
    context = {
        "page": page,
        "rows": _rows(request, list(page.object_list)),
        "others": others,
        "may_resend": role_of(request.user) >= Role.OPERATOR,
    }
    return render(request, "station/transactions.html", context)


@require_GET
@needs(Role.OPERATOR)
def why(request: HttpRequest) -> HttpResponse:
    """Why something was refused, ignored or limited; newest first."""
    return render(request, "station/why.html", {"page": _page(request, Reason.objects.order_by("-id"))})


@require_GET
@needs(Role.VIEWER)
def more(request: HttpRequest) -> HttpResponse:
    """Every page that this person may open, with what it is for."""
    return render(request, "station/more.html", {"purpose": PURPOSES[role_of(request.user)]})


@require_safe
@needs(Role.VIEWER)
def session(request: HttpRequest) -> JsonResponse:
    """An open and visible page asks for it every few minutes: somebody is there (see `session_idle`)."""
    return JsonResponse({"user": request.user.get_username()})


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is said to strangers."""
    return JsonResponse({"status": "ok"})


def _page(request: HttpRequest, rows: QuerySet[Any]) -> Page[Any]:
    return Paginator(rows, PAGE_LENGTH).get_page(request.GET.get("page"))


def _latest(request: HttpRequest) -> list[Row]:
    return _rows(request, list(Transaction.objects.order_by("-id")[:LATEST]))


def _rows(request: HttpRequest, found: list[Transaction]) -> list[Row]:
    calls = defaultdict(list)
    for call in QueuedCall.objects.filter(transaction_uid__in=[row.uid for row in found]).order_by("seq"):
        calls[call.transaction_uid].append(call)
    role = role_of(request.user)
    return [Row(row, shown_tag(row.id_tag, role), calls[row.uid]) for row in found]
