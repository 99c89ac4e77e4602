"""Getting in, the own password, and the users of the station."""

from __future__ import annotations

import logging
import math
from datetime import timedelta
from typing import Any

from axes.helpers import get_cool_off
from django.contrib import messages
from django.contrib.auth import update_session_auth_hash
from django.contrib.auth import views as auth
from django.contrib.auth.forms import SetPasswordForm
from django.contrib.auth.models import User
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.utils.translation import gettext
from django.views.decorators.http import require_GET, require_http_methods

from station import commissioning, driver, people
from station.forms import OwnPasswordForm, UserForm
from station.middleware import CHOOSE
from station.roles import PURPOSES, Role, needs, role_of
from station.views import setup

log = logging.getLogger("station.people")


class Door(auth.LoginView):
    """The login; a one-time password opens only the page that asks for an own one."""

    redirect_authenticated_user = True

    def get_context_data(self, **context: Any) -> dict[str, Any]:
        """Whoever comes to the door sees what the station does now."""
        return super().get_context_data(**context, **_at_the_door())

    def get_success_url(self) -> str:
        """Where the person wanted to go; the set-up takes the place of the dashboard of a new station."""
        assert isinstance(self.request.user, User)
        wanted = super().get_success_url()
        return reverse(first_page(self.request.user)) if wanted == reverse("dashboard") else wanted

    def form_valid(self, form: Any) -> HttpResponse:
        """Remember in the session that a password has to be chosen."""
        answer = super().form_valid(form)
        log.info("%s signed in from %s", form.get_user(), self.request.META.get("REMOTE_ADDR", "?"))
        if people.must_choose_a_password(form.get_user()):
            self.request.session[CHOOSE] = True
        return answer


def first_page(user: User) -> str:
    """Where somebody goes who just came in: a new station leads its installer through the set-up."""
    return "setup" if role_of(user) >= Role.INSTALLER and not commissioning.begun() else "dashboard"


def locked_out(request: HttpRequest, *_: Any, **__: Any) -> HttpResponse:
    """Too many wrong passwords: AXES_LOCKOUT_CALLABLE."""
    wait = get_cool_off(request) or timedelta()
    context = {"minutes": math.ceil(wait.total_seconds() / 60), "username": request.POST.get("username", "")}
    return render(request, "registration/login.html", {**context, **_at_the_door()}, status=429)


def _at_the_door() -> dict[str, driver.Sight]:
    """What everybody may know, unless the page for drivers is switched off."""
    return {"sight": driver.sight()} if driver.is_open() else {}


@require_http_methods(["GET", "POST"])
@needs(Role.VIEWER)
def password(request: HttpRequest) -> HttpResponse:
    """Choose an own password; with a one-time password this is the only page there is."""
    user = request.user
    assert isinstance(user, User)
    forced = bool(request.session.get(CHOOSE))
    kind = SetPasswordForm if forced else OwnPasswordForm
    form = kind(user, request.POST if request.method == "POST" else None)
    if form.is_valid():
        form.save()
        people.own_password_was_set(user)
        request.session.pop(CHOOSE, None)
        update_session_auth_hash(request, user)
        messages.success(request, gettext("Your new password counts from now on. The old one is dead."))
        if step := setup.way_back(request, "password"):
            return redirect("setup_step", step.key)
        return redirect(first_page(user))
    return render(request, "station/password.html", {"form": form, "forced": forced})


@require_GET
@needs(Role.INSTALLER)
def users(request: HttpRequest) -> HttpResponse:
    """Who may sign in, and what each may do."""
    rows = [(user, role_of(user), people.must_choose_a_password(user)) for user in User.objects.order_by("username")]
    return render(request, "station/users.html", {"rows": rows, "purposes": PURPOSES})


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def add(request: HttpRequest) -> HttpResponse:
    """A new user; the one-time password is shown once."""
    form = UserForm(role_of(request.user), None, request.POST if request.method == "POST" else None)
    if form.is_valid():
        user, secret = people.add(form.cleaned_data["username"], form.chosen)
        return _told(request, user, secret)
    return render(request, "station/user.html", {"form": form, "purposes": PURPOSES})


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def edit(request: HttpRequest, pk: int) -> HttpResponse:
    """Another role, a new one-time password, or away with the user; nobody changes someone of a higher role."""
    user = get_object_or_404(User, pk=pk)
    own = role_of(request.user)
    if role_of(user) > own:
        messages.warning(
            request,
            gettext("%(user)s is %(role)s; only another one of that role changes that.")
            % {"user": user, "role": role_of(user).shown},
        )
        return redirect("users")
    form = UserForm(own, user, request.POST if "role" in request.POST else None)
    try:
        if request.method == "POST" and "delete" in request.POST and "sure" in request.POST:
            people.remove(user)
            messages.success(request, gettext("%(user)s is removed and signed out.") % {"user": user})
            return redirect("users")
        if request.method == "POST" and "reset" in request.POST:
            return _told(request, user, people.give_one_time_password(user))
        if form.is_valid():
            people.change_role(user, form.chosen)
            messages.success(request, gettext("%(user)s is %(role)s now.") % {"user": user, "role": form.chosen.shown})
            return redirect("users")
    except people.LastInstaller as problem:
        messages.warning(request, str(problem))
        return redirect("users_edit", pk=pk)
    return render(request, "station/user.html", {"form": form, "entry": user, "purposes": PURPOSES})


def _told(request: HttpRequest, user: User, secret: str) -> HttpResponse:
    return render(request, "station/user_secret.html", {"entry": user, "secret": secret})
