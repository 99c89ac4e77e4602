"""The history in the Django admin: sessions, their messages, the why log, the security log. To read, search and take
along as CSV; nobody adds, changes or deletes any of it here."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import datetime
from typing import Any

from django.contrib import admin
from django.db.models import Field, Model, QuerySet
from django.forms import Media
from django.http import HttpRequest, HttpResponse
from django.utils.translation import gettext_lazy as _

from ocppclient.clock import format_utc
from station import csv_file
from station.models import DeliveredCall, QueuedCall, Reason, SecurityEvent, Transaction
from station.roles import Role, role_of


class History(admin.ModelAdmin):  # type: ignore[type-arg]
    """Rows that only the station writes. `role`: who may read them."""

    role = Role.OPERATOR
    actions = ["as_csv"]
    list_per_page = 50
    show_full_result_count = False

    @property
    def media(self) -> Media:
        """What a list to read needs; the scripts for slugs and pop-ups are half of what Django would load."""
        names = ("vendor/jquery/jquery.min", "jquery.init", "core", "actions")
        return Media(js=[f"admin/js/{name}.js" for name in names])

    @admin.action(description=_("Download the chosen rows as CSV"))
    def as_csv(self, request: HttpRequest, queryset: QuerySet[Any]) -> HttpResponse:
        """All their columns."""
        names = [field.name for field in self.model._meta.get_fields() if isinstance(field, Field)]
        rows = ([_cell(getattr(row, name)) for name in names] for row in queryset.iterator())
        return csv_file.download(self.model._meta.model_name or "rows", csv_file.write(names, rows))

    def has_view_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """By role, as on the pages."""
        return role_of(request.user) >= self.role

    def has_module_permission(self, request: HttpRequest) -> bool:
        """The same for the list of tables."""
        return role_of(request.user) >= self.role

    def has_add_permission(self, request: HttpRequest) -> bool:
        """Never."""
        return False

    def has_change_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False

    def has_delete_permission(self, request: HttpRequest, obj: Model | None = None) -> bool:
        """Never."""
        return False


def _cell(value: Any) -> csv_file.Cell:
    if isinstance(value, datetime):
        return format_utc(value)
    return value if isinstance(value, int | float | None) else str(value)


def _moment(name: str, title: Any) -> Any:
    """A column with a time in UTC, to the second."""

    @admin.display(description=title, ordering=name)
    def column(row: Any) -> str:
        at = getattr(row, name)
        return f"{at:%Y-%m-%d %H:%M:%S}" if at else "–"

    return column


class TransactionAdmin(History):
    """Every charging session."""

    list_display = [_moment("started_at", _("started (UTC)")), _moment("stopped_at", _("stopped (UTC)")), "id_tag",
                    "energy", "reason", "transaction_id"]  # fmt: skip
    list_filter = ["reason", "remote", "started_at"]
    search_fields = ["id_tag", "stop_id_tag", "transaction_id", "uid"]
    ordering = ["-id"]

    @admin.display(description=_("energy (kWh)"))
    def energy(self, row: Transaction) -> str:
        """Delivered, or so far."""
        until = row.meter_stop_wh if row.meter_stop_wh is not None else max(row.last_wh, row.meter_start_wh)
        return f"{(until - row.meter_start_wh) / 1000:.3f}"


class DeliveredCallAdmin(History):
    """Messages of sessions that the backend answered."""

    list_display = ["seq", "action", _moment("sent_at", _("sent (UTC)")), _moment("answered_at", _("answered (UTC)")),
                    "attempts"]  # fmt: skip
    list_filter = ["action", "answered_at"]
    search_fields = ["payload", "answer", "transaction_uid"]
    ordering = ["-seq"]


class QueuedCallAdmin(History):
    """Messages that wait, or were given up."""

    list_display = ["seq", "action", _moment("created_at", _("made (UTC)")), "attempts", "parked_reason"]
    list_filter = ["action"]
    search_fields = ["payload", "parked_reason", "transaction_uid"]
    ordering = ["seq"]


class ReasonAdmin(History):
    """The why log."""

    list_display = [_moment("at", _("time (UTC)")), "what", "verdict", "rule", "value", "clause"]
    list_filter = ["what", "verdict", "at"]
    search_fields = ["what", "rule", "value", "clause"]
    ordering = ["-id"]


class SecurityEventAdmin(History):
    """The security log."""

    role = Role.INSTALLER
    list_display = [_moment("at", _("time (UTC)")), "type", "tech_info", "delivery"]
    list_filter = ["type", "delivery", "at"]
    search_fields = ["type", "tech_info"]
    ordering = ["-seq"]


def register(site: admin.AdminSite) -> None:
    """Give them to the admin."""
    tables: Iterable[tuple[type[Model], type[History]]] = (
        (Transaction, TransactionAdmin),
        (DeliveredCall, DeliveredCallAdmin),
        (QueuedCall, QueuedCallAdmin),
        (Reason, ReasonAdmin),
        (SecurityEvent, SecurityEventAdmin),
    )
    for model, table in tables:
        site.register(model, table)
