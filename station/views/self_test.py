"""The self-test: start one, watch it, read the last report."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_GET, require_http_methods

from station import models, self_test
from station.roles import Role, needs

#: Verdict or state → kind of chip (station.css).
KINDS = {
    "passed": "available", "failed": "fault", "skipped": "waiting",
    "asked": "charging", "running": "charging", "refused": "waiting", "aborted": "fault",
}  # fmt: skip


@require_http_methods(["GET", "HEAD", "POST"])
@needs(Role.INSTALLER)
def page(request: HttpRequest) -> HttpResponse:
    """What the test does, the last report, and the button."""
    if request.method == "POST":
        self_test.ask(request.user.get_username(), datetime.now(UTC))
        return redirect("selftest")
    return render(request, "station/selftest.html", _context())


@require_GET
@needs(Role.INSTALLER)
def report(request: HttpRequest) -> HttpResponse:
    """The newest report as a piece of the page, asked for again while the test runs."""
    return render(request, "station/_selftest_report.html", _context())


def _context() -> dict[str, Any]:
    row = models.SelfTest.objects.order_by("-id").first()
    if row is None:
        return {"test": None}
    told = self_test.report_of(row)
    return {
        "test": row,
        "is_open": row.state in self_test.OPEN,
        "kind": KINDS[row.state],
        "word": self_test.WORDS[row.state],
        "doing": told["doing"],
        "why": told["why"],
        "checks": [
            {**check, "kind": KINDS[check["verdict"]], "word": self_test.WORDS[check["verdict"]]}
            for check in told["checks"]
        ],
    }
