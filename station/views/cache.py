"""The Authorization Cache: what the station remembers of the backend's answers, and forgetting all of it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from station import ask, local_list
from station.models import IdTag
from station.roles import Role, needs
from station.views.answers import tell


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.OPERATOR)
def page(request: HttpRequest) -> HttpResponse:
    """What forgetting means now; POST does it, as ClearCache of the backend does."""
    if request.method == "POST":
        if "sure" not in request.POST:
            messages.warning(request, gettext("Nothing was forgotten: tick the box first."))
            return redirect("cards_cache")
        reply = ask.order("cache_clear", None, request.user.get_username())
        tell(request, reply)
        return redirect("cards")
    context = {
        "count": IdTag.objects.filter(source="cache").count(),
        "cache_is_used": local_list.key_is_true("AuthorizationCacheEnabled"),
        "offline": local_list.key_is_true("LocalAuthorizeOffline"),
        "unknown_may": local_list.key_is_true("AllowOfflineTxForUnknownId"),
    }
    return render(request, "station/cards_cache.html", context)
