"""The Django admin: the local authorization list, and the history to read (station/history_admin.py).

What came from the backend is read-only while there is a backend.
"""

from __future__ import annotations

from typing import Any

from django.contrib import admin, messages
from django.contrib.auth.decorators import login_required
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils.translation import gettext
from django.utils.translation import gettext_lazy as _

from station import history_admin, local_list
from station.forms import EntryForm
from station.models import IdTag

admin.site.site_header = admin.site.site_title = _("Charging station")
admin.site.index_title = _("Local list and history")
admin.site.enable_nav_sidebar = False  # the bar of the pages leads everywhere
# One login page for all; the admin's own only tells people who may not see the admin that they may not.
admin.site.login = login_required(admin.site.login)  # type: ignore[method-assign]


class SourceFilter(admin.SimpleListFilter):
    """Whose entry it is; the cache is not in this list."""

    title = _("source")
    parameter_name = "source"

    def lookups(self, request: HttpRequest, model_admin: Any) -> list[tuple[str, str]]:
        """The two sources of the list."""
        return [(source, source) for source in local_list.LISTED]

    def queryset(self, request: HttpRequest, queryset: QuerySet[IdTag]) -> QuerySet[IdTag]:
        """Only those entries."""
        return queryset.filter(source=self.value()) if self.value() in local_list.LISTED else queryset


@admin.register(IdTag)
class IdTagAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Entries of the local list; the cache is the station's own affair."""

    form = EntryForm
    list_display = ["id_tag", "status", "parent_id_tag", "expiry_date", "note", "whose"]
    list_filter = [SourceFilter, "status"]
    search_fields = ["id_tag", "parent_id_tag", "note"]
    search_help_text = _("Card number, group or note")
    fields = ["id_tag", "status", "parent_id_tag", "expiry_date", "note"]
    ordering = ["key", "source"]
    list_per_page = 50

    @admin.display(description=_("source"), ordering="source")
    def whose(self, entry: IdTag) -> str:
        """In one word: the column is narrow."""
        return entry.source

    def get_queryset(self, request: HttpRequest) -> QuerySet[IdTag]:
        """The list without the cache."""
        return super().get_queryset(request).exclude(source="cache")

    def get_fieldsets(self, request: HttpRequest, obj: IdTag | None = None) -> Any:
        """An entry that cannot be changed says why."""
        if local_list.is_ours(obj):
            return super().get_fieldsets(request, obj)
        why = gettext(
            "This entry came from the backend (SendLocalList), and only the backend changes it. Without a backend in "
            "the settings it can be edited here."
        )
        return [(None, {"fields": self.fields, "description": why})]

    def has_change_permission(self, request: HttpRequest, obj: IdTag | None = None) -> bool:
        """See `local_list.is_ours`."""
        return super().has_change_permission(request, obj) and local_list.is_ours(obj)

    def has_delete_permission(self, request: HttpRequest, obj: IdTag | None = None) -> bool:
        """See `local_list.is_ours`."""
        return super().has_delete_permission(request, obj) and local_list.is_ours(obj)

    def save_model(self, request: HttpRequest, obj: IdTag, form: Any, change: bool) -> None:
        """Say what is doubtful about it, and tell the station."""
        super().save_model(request, obj, form, change)
        for doubt in form.doubts():
            messages.warning(request, doubt)
        local_list.poke(request.user.get_username())

    def delete_model(self, request: HttpRequest, obj: IdTag) -> None:
        """Tell the station."""
        super().delete_model(request, obj)
        local_list.poke(request.user.get_username())

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[IdTag]) -> None:
        """Of the chosen entries only those that may be deleted."""
        ours = [row.pk for row in queryset if local_list.is_ours(row)]
        super().delete_queryset(request, queryset.filter(pk__in=ours))
        local_list.poke(request.user.get_username())


history_admin.register(admin.site)
