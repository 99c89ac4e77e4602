"""The certificates and the security log."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import UTC, datetime

from django.contrib import messages
from django.core.paginator import Paginator
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.translation import gettext, gettext_lazy, ngettext
from django.views.decorators.http import require_http_methods

from ocppclient import pki
from ocppclient.certificates import CENTRAL_SYSTEM_ROOT, CHARGE_POINT, MANUFACTURER_ROOT
from ocppclient.charge_point_certificate import PERSON, REQUEST
from ocppclient.clock import parse_utc
from ocppclient.security_events import EVENTS
from station import ask
from station.forms import RootCertificateForm
from station.models import Certificate, SecurityEvent, Value
from station.roles import Role, needs
from station.sentences import spoken, unpacked
from station.views.answers import tell
from station.views.pages import PAGE_LENGTH

#: Kind → its heading, and what people lose with the last one of it.
KINDS = {
    CENTRAL_SYSTEM_ROOT: (
        gettext_lazy("Roots of the backend"),
        gettext_lazy(
            "Without a root certificate of the backend the station cannot connect at security profiles 2 and 3."
        ),
    ),
    CHARGE_POINT: (
        gettext_lazy("This station's own"),
        gettext_lazy(
            "Without a certificate of its own the station cannot connect at security profile 3. Its private key is "
            "deleted with it and cannot be brought back."
        ),
    ),
    MANUFACTURER_ROOT: (
        gettext_lazy("Roots of the manufacturer"),
        gettext_lazy("Without a root certificate of the manufacturer no signed firmware can be installed."),
    ),
}
#: Days before the end → the colour of the warning (product: 60, 30 and 7 days).
WARNINGS = ((7, "fault"), (30, "waiting"), (60, "unavailable"))


#: What became of the newest request for a certificate → kind of chip, and its words.
_REQUESTS = {
    "waiting": ("charging", gettext_lazy("waits for the answer of the backend")),
    "accepted": ("charging", gettext_lazy("accepted: the backend sends the certificate when it is signed")),
    "refused": ("fault", gettext_lazy("not accepted")),
    "discarded": ("fault", gettext_lazy("what came was discarded")),
    "installed": ("available", gettext_lazy("answered: the certificate is installed")),
}


@dataclass(frozen=True)
class Request:
    """The newest request for a certificate of the station itself; `by` in words."""

    at: datetime
    by: str
    state: str
    kind: str
    words: str
    reason: str


@dataclass(frozen=True)
class Row:
    """One certificate as the page shows it."""

    certificate: Certificate
    about: pki.Description

    @property
    def days_left(self) -> int:
        """Whole days until its end; negative when it is over."""
        return (self.about.not_after - datetime.now(UTC)).days

    @property
    def state(self) -> tuple[str, str]:
        """Colour and words of its validity."""
        if self.days_left < 0:
            return "fault", gettext("expired")
        if self.about.not_before > datetime.now(UTC):
            return "waiting", gettext("not valid yet")
        for limit, colour in WARNINGS:
            if self.days_left < limit:
                if self.days_left == 0:
                    return colour, gettext("ends today")
                left = ngettext("%(days)d day left", "%(days)d days left", self.days_left)
                return colour, left % {"days": self.days_left}
        return "available", gettext("valid")


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def certificates(request: HttpRequest) -> HttpResponse:
    """What is installed and until when; a new root can be installed, and (`request`) the backend be asked for one of
    the station's own."""
    if "request" in request.POST:
        reply = ask.order("certificate_request", None, request.user.get_username())
        tell(request, reply)
        return redirect("certificates")
    form = RootCertificateForm(
        request.POST if request.method == "POST" else None, request.FILES if request.method == "POST" else None
    )
    if form.is_valid():
        argument = {"kind": form.cleaned_data["kind"], "pem": form.cleaned_data["pem"]}
        reply = ask.order("certificate_install", argument, request.user.get_username())
        if reply.ok:
            messages.success(request, reply.text)
            return redirect("certificates")
        form.add_error(None, reply.text)
    rows = [row_of(row) for row in Certificate.objects.order_by("id")]
    groups = [
        (kind, title, [row for row in rows if row.certificate.kind == kind]) for kind, (title, _) in KINDS.items()
    ]
    context = {"groups": groups, "form": form, "own": CHARGE_POINT, "asked": asked()}
    return render(request, "station/certificates.html", context)


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def certificate(request: HttpRequest, pk: int) -> HttpResponse:
    """One certificate with everything in it; it can be removed, also the last one (product: AQ-1, AQ-3)."""
    found = get_object_or_404(Certificate, pk=pk)
    if request.method == "POST":
        if "sure" not in request.POST:
            messages.warning(request, gettext("Nothing was removed: tick the box first."))
            return redirect("certificate", pk=pk)
        argument = {"kind": found.kind, "fingerprint": found.fingerprint}
        reply = ask.order("certificate_remove", argument, request.user.get_username())
        tell(request, reply)
        return redirect("certificates")
    title, loss = KINDS[found.kind]
    is_last = Certificate.objects.filter(kind=found.kind).count() == 1
    context = {"row": row_of(found), "title": title, "loss": loss if is_last else ""}
    return render(request, "station/certificate.html", context)


@require_http_methods(["GET", "POST"])
@needs(Role.INSTALLER)
def security_log(request: HttpRequest) -> HttpResponse:
    """Every security event, newest first; clearing the log is one itself."""
    if request.method == "POST":
        if "sure" in request.POST:
            reply = ask.order("security_log_clear", None, request.user.get_username())
            tell(request, reply)
        else:
            messages.warning(request, gettext("Nothing was cleared: tick the box first."))
        return redirect("security_log")
    page = Paginator(SecurityEvent.objects.order_by("-seq"), PAGE_LENGTH).get_page(request.GET.get("page"))
    critical = {name for name, kind in EVENTS.items() if kind.critical}
    return render(request, "station/security_log.html", {"page": page, "critical": critical})


def asked() -> Request | None:
    """The newest request and what became of it; None before the first."""
    row = Value.objects.filter(name=REQUEST).first()
    if row is None:
        return None
    told = json.loads(row.value)
    kind, words = _REQUESTS[told["state"]]
    match told["by"]:
        case "backend":
            by = gettext("the backend")
        case "renewal":
            by = gettext("the station, before the present one ends")
        case person:
            by = person.removeprefix(PERSON)
    return Request(parse_utc(told["at"]), by, told["state"], kind, str(words), spoken(unpacked(told["reason"])))


def row_of(row: Certificate) -> Row:
    """As the page, and the API, show it."""
    return Row(row, _about(row))


def _about(row: Certificate) -> pki.Description:
    return pki.describe(pki.read_chain(row.pem)[0])
