"""Every page of the station. All need a login, or (station/tokens.py) a token; only /login and /healthz are open."""

from __future__ import annotations

from django.contrib import admin
from django.contrib.auth import views as auth
from django.urls import URLPattern, URLResolver, path

from station.views import (
    backend,
    cards,
    hardware,
    health,
    keys,
    pages,
    people,
    profiles,
    security,
    self_test,
    sessions,
    tokens,
)

urlpatterns: list[URLPattern | URLResolver] = [
    path("", pages.dashboard, name="dashboard"),
    path("dashboard/alerts", pages.dashboard_alerts, name="dashboard_alerts"),
    path("dashboard/chart", pages.dashboard_chart, name="dashboard_chart"),
    path("frames", pages.frames, name="frames"),
    path("transactions", sessions.transactions, name="transactions"),
    path("transactions/export", sessions.export, name="transactions_export"),
    path("transactions/print", sessions.printed, name="transactions_print"),
    path("transactions/<int:pk>", sessions.session, name="transactions_session"),
    path("transactions/<int:pk>/chart", sessions.session_chart, name="transactions_chart"),
    path("transactions/latest", pages.latest_transactions, name="latest_transactions"),
    path("why", pages.why, name="why"),
    path("profiles", profiles.profiles, name="profiles"),
    path("profiles/chart", profiles.profiles_chart, name="profiles_chart"),
    path("cards", cards.cards, name="cards"),
    path("cards/add", cards.add, name="cards_add"),
    path("cards/<int:pk>", cards.edit, name="cards_edit"),
    path("cards/export", cards.export, name="cards_export"),
    path("cards/import", cards.upload, name="cards_import"),
    path("cards/import/preview", cards.preview, name="cards_preview"),
    path("certificates", security.certificates, name="certificates"),
    path("certificates/<int:pk>", security.certificate, name="certificate"),
    path("security-log", security.security_log, name="security_log"),
    path("more", pages.more, name="more"),
    path("session", pages.session, name="session"),
    path("users", people.users, name="users"),
    path("users/add", people.add, name="users_add"),
    path("users/<int:pk>", people.edit, name="users_edit"),
    path("hardware", hardware.page, name="hardware"),
    path("selftest", self_test.page, name="selftest"),
    path("selftest/report", self_test.report, name="selftest_report"),
    path("backend", backend.backend, name="backend"),
    path("backend/state", backend.state, name="backend_state"),
    path("backend/address", backend.address, name="backend_address"),
    path("keys", keys.keys, name="keys"),
    path("keys/<str:name>", keys.edit, name="keys_edit"),
    path("password", people.password, name="password"),
    path("login", people.Door.as_view(), name="login"),
    path("logout", auth.LogoutView.as_view(), name="logout"),
    path("tokens", tokens.page, name="tokens"),
    path("tokens/<int:pk>/revoke", tokens.revoke, name="tokens_revoke"),
    path("healthz", health.healthz, name="healthz"),
    path("readyz", health.readyz, name="readyz"),
    path("metrics", health.metrics, name="metrics"),
    path("admin/", admin.site.urls),
]
