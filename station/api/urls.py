"""The addresses below /api/v1/."""

from __future__ import annotations

from django.urls import path

from station.api import views
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
    path("messages", views.Messages.as_view()),
    path("keys", views.Keys.as_view()),
    path("keys/<str:name>", views.Key.as_view()),
    path("profiles", views.Profiles.as_view()),
    path("commands/start", views.Start.as_view()),
    path("commands/stop", views.Stop.as_view()),
    path("commands/resend", views.Resend.as_view()),
]
