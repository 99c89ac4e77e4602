"""Access tokens for programs: who has one, a new one (its secret is shown once), and an end of it."""

from __future__ import annotations

import json
import logging

from django import forms
from django.contrib import messages
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy
from django.views.decorators.http import require_http_methods, require_POST

from station import provisioning, tokens
from station.models import ApiToken, Setting
from station.roles import PURPOSES, Role, needs, role_of

log = logging.getLogger("station.people")


class TokenForm(forms.Form):
    """A new token.

    Args:
        own: role of the person who fills it in; no token may more than its owner.
    """

    name = forms.CharField(
        max_length=60,
        label=gettext_lazy("What it is for"),
        help_text=gettext_lazy("For people only, for example the program that gets it."),
        widget=forms.TextInput(attrs={"autocomplete": "off"}),
    )
    role = forms.TypedChoiceField(
        label=gettext_lazy("Role"), coerce=int, widget=forms.RadioSelect, initial=int(Role.VIEWER)
    )

    def __init__(self, own: Role, data: object = None) -> None:
        super().__init__(data)  # type: ignore[arg-type]
        roles = [role for role in Role if Role.NOBODY < role <= own]
        self.fields["role"].choices = [(int(role), f"{role.shown}: {PURPOSES[role]}") for role in roles]  # type: ignore[attr-defined]


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """The tokens and a form for another one; `metrics` switches /metrics on and off."""
    owner = request.user
    assert isinstance(owner, User)
    if request.method == "POST" and "metrics" in request.POST:
        wanted = request.POST["metrics"] == "on"
        Setting.objects.update_or_create(section="web", name="metrics", defaults={"value": json.dumps(wanted)})
        messages.success(request, gettext("The metrics are on now.") if wanted else gettext("The metrics are off now."))
        return redirect("tokens")
    form = TokenForm(role_of(owner), request.POST if request.method == "POST" else None)
    if form.is_valid():
        token, secret = tokens.issue(form.cleaned_data["name"], Role(form.cleaned_data["role"]), owner)
        log.info("%s made the token %d (%s)", owner, token.pk, token.role)
        granted = tokens.role_of_token(token).shown
        return render(request, "station/token_secret.html", {"token": token, "secret": secret, "granted": granted})
    rows = [
        (token, tokens.role_of_token(token))
        for token in ApiToken.objects.select_related("owner").order_by("-created_at")
    ]
    context = {"form": form, "rows": rows, "metrics": bool(provisioning.stored("web", "metrics"))}
    return render(request, "station/tokens.html", context)


@require_POST
@needs(Role.INSTALLER)
def revoke(request: HttpRequest, pk: int) -> HttpResponse:
    """The token does not count any more, from the next request on."""
    token = get_object_or_404(ApiToken, pk=pk)
    token.delete()
    log.info("%s revoked the token %d", request.user, pk)
    messages.success(request, gettext("The token %(name)s is revoked.") % {"name": token.name})
    return redirect("tokens")
