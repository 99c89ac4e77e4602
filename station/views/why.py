"""The why log: why something was refused, ignored or limited; looked through, and as CSV."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.core.paginator import Paginator
from django.db.models import Q, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.views.decorators.http import require_GET

from ocppclient.clock import format_utc
from station import csv_file
from station.models import Reason
from station.roles import Role, needs
from station.views.pages import PAGE_LENGTH

COLUMNS = ("at", "what", "verdict", "rule", "value", "clause")


@require_GET
@needs(Role.OPERATOR)
def why(request: HttpRequest) -> HttpResponse:
    """Newest first; `?what=` and `?verdict=` choose, `?q=` searches in every text."""
    page = Paginator(chosen(request.GET), PAGE_LENGTH).get_page(request.GET.get("page"))
    context = {
        "page": page,
        "choices": {name: Reason.objects.order_by(name).values_list(name, flat=True).distinct() for name in _CHOSEN},
        "chosen": {name: request.GET.get(name, "") for name in (*_CHOSEN, "q")},
        "filtered": any(request.GET.get(name) for name in (*_CHOSEN, "q")),
    }
    return render(request, "station/why.html", context)


@require_GET
@needs(Role.OPERATOR)
def export(request: HttpRequest) -> HttpResponse:
    """The same as CSV."""
    rows = ((format_utc(row.at), row.what, row.verdict, row.rule, row.value, row.clause) for row in chosen(request.GET))
    return csv_file.download("why", csv_file.write(COLUMNS, rows))


_CHOSEN = ("what", "verdict")


def chosen(wanted: Mapping[str, Any]) -> QuerySet[Reason]:
    """The newest first; `what` and `verdict` choose, `q` searches in every text."""
    rows = Reason.objects.order_by("-id")
    for name in _CHOSEN:
        if value := wanted.get(name):
            rows = rows.filter(**{name: value})
    for word in wanted.get("q", "")[:100].split():
        texts = (Q(**{f"{name}__icontains": word}) for name in COLUMNS[1:])
        rows = rows.filter(next(texts) | next(texts) | next(texts) | next(texts) | next(texts))
    return rows
