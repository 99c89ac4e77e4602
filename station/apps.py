"""The one Django app."""

from __future__ import annotations

from django.apps import AppConfig
from django.utils.translation import gettext_lazy as _

from station.catalogues import compile_stale


class StationConfig(AppConfig):
    """The appliance's tables, pages and commands."""

    name = "station"
    verbose_name = _("Charging station")

    def ready(self) -> None:
        """A checkout is ready to speak every language without a build step."""
        compile_stale()
