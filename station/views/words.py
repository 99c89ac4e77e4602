"""What the scripts of the pages say, in one language: gettext() and its kin for the browser."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.http import Http404, HttpRequest, HttpResponse
from django.utils import translation
from django.utils.decorators import method_decorator
from django.views.i18n import JavaScriptCatalog

from station.languages import LANGUAGES


@method_decorator(login_not_required, name="dispatch")
class Words(JavaScriptCatalog):
    """The language is part of the address: a browser keeps each of them as long as it keeps the scripts."""

    packages = ["station"]

    def get(self, request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        """The script, 404 for a language that the station does not speak."""
        language = options.pop("language")
        if language not in LANGUAGES:
            raise Http404
        with translation.override(language):
            response = super().get(request, *args, **options)
        response.headers["Cache-Control"] = f"max-age={settings.WHITENOISE_MAX_AGE}"
        return response
