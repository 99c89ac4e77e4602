"""The addresses below /api/v1/."""

from __future__ import annotations

from django.urls import path

from station.api import backend, care, clock, network, views
from station.api.schema import OpenApi

urlpatterns = [
    path("openapi.json", OpenApi.as_view()),
    path("status", views.Status.as_view()),
    path("hardware", views.Hardware.as_view()),
    path("reservation", views.Reservation.as_view()),
    path("sessions", views.Sessions.as_view()),
    path("sessions/<int:pk>", views.Session.as_view()),
    path("reasons", views.Reasons.as_view()),
    path("cards", views.Cards.as_view()),
    path("cards.csv", views.CardFile.as_view()),
    path("cards/<int:pk>", views.Card.as_view()),
    path("cache", views.Cache.as_view()),
    path("messages", views.Messages.as_view()),
    path("keys", views.Keys.as_view()),
    path("keys/<str:name>", views.Key.as_view()),
    path("profiles", views.Profiles.as_view()),
    path("commands/start", views.Start.as_view()),
    path("commands/stop", views.Stop.as_view()),
    path("commands/resend", views.Resend.as_view()),
    path("backend", backend.Backend.as_view()),
    path("backend/trial", backend.BackendTrial.as_view()),
    path("network", network.Network.as_view()),
    path("network/change", network.NetworkChange.as_view()),
    path("network/scan", network.NetworkScan.as_view()),
    path("network/order", network.NetworkOrder.as_view()),
    path("network/hotspot", network.NetworkHotspot.as_view()),
    path("clock", clock.TheClock.as_view()),
    path("clock/servers", clock.TimeServers.as_view()),
    path("firmware", care.Firmware.as_view()),
    path("firmware/updates", care.Updates.as_view()),
    path("firmware/updates/look", care.UpdateLook.as_view()),
    path("firmware/updates/install", care.UpdateInstall.as_view()),
    path("firmware/return", care.FirmwareReturn.as_view()),
    path("selftest", care.SelfTest.as_view()),
    path("diagnostics", care.Diagnostics.as_view()),
    path("backup", care.Backups.as_view()),
    path("restore", care.Restores.as_view()),
    path("certificates", care.Certificates.as_view()),
    path("certificates/request", care.CertificateRequests.as_view()),
    path("certificates/<int:pk>", care.OneCertificate.as_view()),
    path("security-log", care.SecurityLog.as_view()),
    path("setup", care.SetUp.as_view()),
    path("about", care.About.as_view()),
]
