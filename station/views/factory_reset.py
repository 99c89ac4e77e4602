"""Factory reset by a person in the browser, who types what it is."""

from __future__ import annotations

from django.contrib.auth import logout
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render
from django.utils.translation import gettext
from django.views.decorators.http import require_http_methods

from station import ask, factory_reset
from station.factory_reset import ResetRefused
from station.roles import Role, needs

#: What has to be typed.
WORDS = "delete everything"


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """What is lost and what stays; POST asks for it and starts the station again."""
    problem, done = "", False
    if request.method == "POST":
        problem = _asked(request.POST.get("words", ""), request.user.get_username())
        done = not problem
        if done:
            logout(request)
    context = {"words": WORDS, "problem": problem, "done": done, "undelivered": factory_reset.undelivered()}
    return render(request, "station/factory_reset.html", context)


def _asked(words: str, user: str) -> str:
    """Why it was refused, "" when the station starts again for it."""
    if " ".join(words.split()).casefold() != WORDS:
        return gettext("Type “%(words)s” to confirm. Nothing was deleted.") % {"words": WORDS}
    try:
        factory_reset.ask(user)
    except ResetRefused as refused:
        return str(refused)
    reply = ask.order("apply", None, user)
    if not reply.ok:
        factory_reset.discard()
        return reply.text
    return ""
