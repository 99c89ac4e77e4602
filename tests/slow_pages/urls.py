"""The station's pages and a slow one."""

from __future__ import annotations

import threading

from django.contrib.auth.decorators import login_not_required
from django.http import HttpRequest, HttpResponse
from django.urls import path

from station.urls import urlpatterns as pages


@login_not_required
def slow(request: HttpRequest) -> HttpResponse:
    """Takes 30 s in a thread."""
    threading.Event().wait(30)
    return HttpResponse("at last")


urlpatterns = [path("slow", slow), *pages]
