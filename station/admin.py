"""The Django admin: the local authorization list. What came from the backend is read-only while there is a backend."""

from __future__ import annotations

import contextlib
from typing import Any

from asgiref.sync import async_to_sync
from channels.exceptions import ChannelFull
from channels.layers import get_channel_layer
from django import forms
from django.contrib import admin
from django.contrib.auth.decorators import login_required
from django.db import transaction
from django.db.models import QuerySet
from django.http import HttpRequest
from django.utils import timezone

from ocppclient.storable import tag_key
from station import provisioning
from station.live import STATION
from station.models import IdTag

admin.site.site_header = "Charging station"
admin.site.site_title = "Charging station"
admin.site.index_title = "Local list and users"
# One login page for all; the admin's own only tells people who may not see the admin that they may not.
admin.site.login = login_required(admin.site.login)  # type: ignore[method-assign]


class EntryForm(forms.ModelForm):  # type: ignore[type-arg]
    """One entry; a tag stands only once in the list, whatever its case."""

    def clean_id_tag(self) -> str:
        """The tag, refused when it is there already."""
        id_tag: str = self.cleaned_data["id_tag"]
        source = self.instance.source if self.instance.pk else "station"
        if IdTag.objects.filter(key=tag_key(id_tag), source=source).exclude(pk=self.instance.pk).exists():
            raise forms.ValidationError(f"{id_tag} is in the list already (upper and lower case count as the same).")
        return id_tag


@admin.register(IdTag)
class IdTagAdmin(admin.ModelAdmin):  # type: ignore[type-arg]
    """Entries of the local list; the cache is the station's own affair."""

    form = EntryForm
    list_display = ["id_tag", "status", "parent_id_tag", "expiry_date", "source", "note"]
    list_filter = ["source", "status"]
    search_fields = ["id_tag", "parent_id_tag", "note"]
    fields = ["id_tag", "status", "parent_id_tag", "expiry_date", "note"]
    list_per_page = 50

    def get_queryset(self, request: HttpRequest) -> QuerySet[IdTag]:
        """The list without the cache."""
        return super().get_queryset(request).exclude(source="cache")

    def has_change_permission(self, request: HttpRequest, obj: IdTag | None = None) -> bool:
        """See `_is_ours`."""
        return super().has_change_permission(request, obj) and _is_ours(obj)

    def has_delete_permission(self, request: HttpRequest, obj: IdTag | None = None) -> bool:
        """See `_is_ours`."""
        return super().has_delete_permission(request, obj) and _is_ours(obj)

    def save_model(self, request: HttpRequest, obj: IdTag, form: Any, change: bool) -> None:
        """Fill in what people do not type."""
        obj.key, obj.updated_at = tag_key(obj.id_tag), timezone.now()
        super().save_model(request, obj, form, change)
        _poke(request)

    def delete_model(self, request: HttpRequest, obj: IdTag) -> None:
        """Tell the station."""
        super().delete_model(request, obj)
        _poke(request)

    def delete_queryset(self, request: HttpRequest, queryset: QuerySet[IdTag]) -> None:
        """Of the chosen entries only those that may be deleted."""
        super().delete_queryset(request, queryset.filter(pk__in=[row.pk for row in queryset if _is_ours(row)]))
        _poke(request)


def _is_ours(entry: IdTag | None) -> bool:
    """Entries of the backend change by SendLocalList only, as long as there is a backend."""
    return entry is None or entry.source == "station" or not provisioning.stored("backend", "url")


def _poke(request: HttpRequest) -> None:
    """Let the station look at once; it would find the change anyway (design.md, concept 9)."""
    message = {"type": "station.command", "command": "settings", "user": request.user.get_username()}

    def send() -> None:
        with contextlib.suppress(ChannelFull):
            async_to_sync(get_channel_layer().send)(STATION, message)

    transaction.on_commit(send)
