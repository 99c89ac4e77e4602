"""The configuration keys: meaning, range, default, value; changed by the rules that count for the backend."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.contrib import messages
from django.http import Http404, HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.urls import reverse
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_GET, require_http_methods

from ocppclient.configuration import Access, Bool, Configuration, Int, Key
from station import ask, present
from station.roles import Role, needs, role_of
from station.sentences import spoken

#: These belong to the backend settings: they are tried before they count.
WITH_BACKEND = (Configuration.security_profile.name, Configuration.authorization_key.name)
_ACCESS = {
    Access.R: (gettext_lazy("fixed"), "unavailable"),
    Access.RW: (gettext_lazy("can be changed"), "available"),
    Access.W: (gettext_lazy("never shown"), "waiting"),
}


@dataclass(frozen=True)
class Row:
    """One key as the page shows it; `value` is None for a key that is never shown."""

    key: Key[Any]
    value: str | None

    @property
    def default(self) -> str:
        """As the backend would read it."""
        return self.key.format(self.key.default)

    @property
    def access(self) -> tuple[str, str]:
        """In words, with the colour of the chip."""
        word, kind = _ACCESS[self.key.access]
        return str(word), kind

    @property
    def effect(self) -> str:
        """When a change acts, and who makes it."""
        if self.key.name in WITH_BACKEND:
            return gettext("Changed with the backend settings, which are tried first.")
        if self.key.access is Access.R:
            return gettext("Fixed by the maker of the station.")
        return gettext("A change acts at once and outlives power cuts.")

    @property
    def address(self) -> str:
        """Where it is changed; "" when nobody may."""
        if self.key.name in WITH_BACKEND or self.key.access is not Access.RW:
            return ""
        return reverse("keys_edit", args=[self.key.name])


@require_GET
@needs(Role.OPERATOR)
def keys(request: HttpRequest) -> HttpResponse:
    """All keys by feature profile; `?q=` looks in names and meanings, `?changed=1` shows what is not the default."""
    query, changed = request.GET.get("q", "").strip(), request.GET.get("changed") == "1"
    words = query.casefold().split()
    groups: dict[str, list[Row]] = {}
    for row in rows():
        text = f"{row.key.name} {spoken(row.key.meaning)} {row.value or ''}".casefold()
        if all(word in text for word in words) and not (changed and row.value in (None, row.default)):
            groups.setdefault(row.key.profile, []).append(row)
    may_edit = role_of(request.user) >= Role.INSTALLER
    context = {"groups": groups, "query": query, "changed": changed, "may_edit": may_edit}
    return render(request, "station/keys.html", context)


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def edit(request: HttpRequest, name: str) -> HttpResponse:
    """Give one key another value; the station itself judges it, and its reason stands beside the field."""
    row = next((row for row in rows() if row.key.name == name and row.address), None)
    if row is None:
        raise Http404
    problem, value = "", row.value
    if request.method == "POST":
        value = row.default if "default" in request.POST else request.POST.get("value", "")
        reply = ask.order("configure", {"key": name, "value": value}, request.user.get_username())
        if reply.ok:
            messages.success(request, reply.text)
            return redirect("keys")
        problem = reply.text
    context = {
        "row": row,
        "value": value,
        "problem": problem,
        "choices": ("true", "false") if isinstance(row.key, Bool) else (),
        "is_number": isinstance(row.key, Int),
    }
    return render(request, "station/key.html", context, status=422 if problem else 200)


def rows() -> list[Row]:
    """Every key of the feature profiles that this station has."""
    config = present.configuration()
    return [Row(key, config.entry(key).get("value")) for key in config.keys]
