"""What machines ask about the station's health: alive, ready, and numbers over time."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import DatabaseError, connection
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.views.decorators.http import require_safe

from station import ask, provisioning
from station.memory_watch import LOWEST, MIB, free_bytes
from station.roles import Role
from station.tokens import machines, problem
from station.updates import kept

#: The board is asked every second and may be deaf for 5 s (hardware/drivers/openevse.py); longer is no contact.
BOARD_AGE_S = 8.0


@login_not_required
@require_safe
def healthz(request: HttpRequest) -> JsonResponse:
    """The process answers; nothing else is said to strangers."""
    return JsonResponse({"status": "ok"})


@require_safe
@machines(Role.VIEWER, on_loopback=True)
def readyz(request: HttpRequest) -> JsonResponse:
    """Everything that a charge needs works: 200, or 503 with what does not. No secrets, no addresses."""
    checks = readiness(ask.snapshot())
    ready = all(check["ok"] for check in checks.values())
    return JsonResponse({"ready": ready, "checks": checks}, status=200 if ready else 503)


def readiness(shown: dict[str, Any] | None) -> dict[str, dict[str, Any]]:
    """Each check with its verdict and number; `shown` is the worker's snapshot, None when it does not answer."""
    board = None
    for port in shown["box"]["ports"] if shown else ():
        if port["name"] == "board":
            board = port["last_frame_age_s"]
    free = free_bytes(settings.DATA_DIR).get("disk")
    return {
        "database": {"ok": _database_answers()},
        "controller": {"ok": shown is not None},
        "hardware": {"ok": board is not None and board <= BOARD_AGE_S, "last_answer_age_s": board},
        "disk": {
            "ok": free is not None and free >= LOWEST["disk"] * MIB,
            "free_mib": None if free is None else free // MIB,
        },
        "clock": {"ok": shown is not None and bool(shown["clock"]["synchronised"])},
    }


@require_safe
@machines(Role.VIEWER)
def metrics(request: HttpRequest) -> HttpResponse:
    """OpenMetrics; off unless an installer wants it."""
    if not provisioning.stored("web", "metrics"):
        return problem(404, "off", "The metrics are switched off.", "An installer switches them on on the page Tokens.")
    from station import metrics

    return HttpResponse(metrics.text(ask.snapshot(), kept.found()), content_type=metrics.CONTENT_TYPE)


def _database_answers() -> bool:
    try:
        with connection.cursor() as cursor:
            cursor.execute("SELECT 1 FROM station_setting LIMIT 1")
    except DatabaseError:
        return False
    return True
