"""Every page of the station. All need a login (LoginRequiredMiddleware) but the login itself and /healthz."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, path

from station.views import pages

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.dashboard, name="dashboard"),
    path("frames", pages.frames, name="frames"),
    path("transactions", pages.transactions, name="transactions"),
    path("transactions/latest", pages.latest_transactions, name="latest_transactions"),
    path("why", pages.why, name="why"),
    path("session", pages.session, name="session"),
    path("login", auth.LoginView.as_view(redirect_authenticated_user=True), name="login"),
    path("logout", auth.LogoutView.as_view(), name="logout"),
    path("healthz", pages.healthz, name="healthz"),
    path("admin/", admin.site.urls),
]
