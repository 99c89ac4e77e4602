"""What needs attention and is not in the live snapshot: an unfinished set-up, certificates that end, a full disk."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime

from django.conf import settings
from django.urls import reverse

from ocppclient import pki
from station import commissioning
from station.memory_watch import LOWEST, MIB, free_bytes
from station.models import Certificate
from station.roles import Role

#: Days before its end from which on a certificate is an alert.
ENDING_DAYS = 30


@dataclass(frozen=True)
class Alert:
    """One line: a kind of state for its colour, what is the matter, and the page with the cure ("": none)."""

    kind: str
    text: str
    url: str = ""


def alerts(role: Role, now: datetime | None = None) -> list[Alert]:
    """The worst first; whoever may not open the page with the cure gets no link to it."""
    found = [*_certificates(now or datetime.now(UTC), role), *_disk(), *_set_up(role)]
    return sorted(found, key=lambda alert: alert.kind != "fault")


def _certificates(now: datetime, role: Role) -> list[Alert]:
    found = []
    for row in Certificate.objects.order_by("id"):
        about = pki.describe(pki.read_chain(row.pem)[0])
        days = (about.not_after - now).days
        if days >= ENDING_DAYS:
            continue
        when = "has ended" if days < 0 else "ends today" if days == 0 else f"ends in {days} day{'s' * (days != 1)}"
        text = f"The certificate of {about.name} {when} ({about.not_after:%Y-%m-%d})."
        url = reverse("certificate", args=[row.pk]) if role >= Role.INSTALLER else ""
        found.append(Alert("fault" if days < 7 else "waiting", text, url))
    return found


def _set_up(role: Role) -> list[Alert]:
    words = commissioning.unfinished() if role >= Role.INSTALLER else ""
    return [Alert("waiting", words, reverse("setup"))] if words else []


def _disk() -> list[Alert]:
    free = free_bytes(settings.DATA_DIR).get("disk")
    if free is None or free >= 2 * LOWEST["disk"] * MIB:
        return []
    kind = "fault" if free < LOWEST["disk"] * MIB else "waiting"
    return [Alert(kind, f"The disk is nearly full: {free // MIB} MiB are left. Sessions need room to be kept.")]
