"""The one Django app."""

from __future__ import annotations

from django.apps import AppConfig


class StationConfig(AppConfig):
    """The appliance's tables, pages and commands."""

    name = "station"
    verbose_name = "Charging station"
