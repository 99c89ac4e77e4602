"""What needs attention and is not in the live snapshot: what happened while nobody looked, and what comes to an end."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from django.conf import settings
from django.urls import reverse
from django.utils.translation import gettext as _
from django.utils.translation import ngettext

from ocppclient import pki
from station import charging_hours, commissioning, in_force, last_run, releases
from station.memory_watch import LOWEST, MIB, free_bytes
from station.models import Certificate, Value
from station.network import trouble
from station.roles import Role
from station.updates import kept

#: Days before its end from which on a certificate is an alert.
ENDING_DAYS = 30
#: A crash is an alert for so long.
CRASH_SHOWN = timedelta(days=7)


@dataclass(frozen=True)
class Alert:
    """One line: a kind of state for its colour, what is the matter, and the page with the cure ("": none)."""

    kind: str
    text: str
    url: str = ""


def alerts(role: Role, now: datetime | None = None, network: Mapping[str, Any] | None = None) -> list[Alert]:
    """The worst first; whoever may not open the page with the cure gets no link to it.

    Args:
        network: what the network desk tells (`ask.network`); None: nobody rules the network here, or did not answer.
    """
    now = now or datetime.now(UTC)
    found = [
        *_certificates(now, role), *_disk(), *_rolled_back(role), *_crashes(now, role), *_safe_mode(now, role),
        *_network(network or {}), *_waiting_settings(role), *_update(role), *_set_up(role), *_hours(role),
    ]  # fmt: skip
    return sorted(found, key=lambda alert: alert.kind != "fault")


def _certificates(now: datetime, role: Role) -> list[Alert]:
    found = []
    for row in Certificate.objects.order_by("id"):
        about = pki.describe(pki.read_chain(row.pem)[0])
        days = (about.not_after - now).days
        if days >= ENDING_DAYS:
            continue
        named = {"name": about.name, "date": f"{about.not_after:%Y-%m-%d}", "days": days}
        if days < 0:
            text = _("The certificate of %(name)s has ended (%(date)s).") % named
        elif days == 0:
            text = _("The certificate of %(name)s ends today (%(date)s).") % named
        else:
            text = (
                ngettext(
                    "The certificate of %(name)s ends in %(days)d day (%(date)s).",
                    "The certificate of %(name)s ends in %(days)d days (%(date)s).",
                    days,
                )
                % named
            )
        url = reverse("certificate", args=[row.pk]) if role >= Role.INSTALLER else ""
        found.append(Alert("fault" if days < 7 else "waiting", text, url))
    return found


def _set_up(role: Role) -> list[Alert]:
    words = commissioning.unfinished() if role >= Role.INSTALLER else ""
    return [Alert("waiting", words, reverse("setup"))] if words else []


def _hours(role: Role) -> list[Alert]:
    """Whoever owns the station is asked about the default hours when it is first used."""
    if not charging_hours.are_offered():
        return []
    text = _("This station charges outside the peak hours. Accept these hours, change them, or remove them.")
    return [Alert("waiting", text, reverse("hours") if role >= Role.OPERATOR else "")]


def _disk() -> list[Alert]:
    free = free_bytes(settings.DATA_DIR).get("disk")
    if free is None or free >= 2 * LOWEST["disk"] * MIB:
        return []
    kind = "fault" if free < LOWEST["disk"] * MIB else "waiting"
    text = _("The disk is nearly full: %(free)d MiB are left. Sessions need room to be kept.")
    return [Alert(kind, text % {"free": free // MIB})]


def _rolled_back(role: Role) -> list[Alert]:
    ours = releases.here()
    facts = ours.facts() if ours else None
    if ours is None or facts is None or not facts.rolled_back:
        return []
    version = ours.manifest(facts.rolled_back).get("version") or facts.rolled_back
    text = _("Version %(version)s did not prove itself and was rolled back. Reason: %(reason)s")
    named = {"version": version, "reason": facts.reason}
    return [Alert("waiting", text % named, reverse("firmware") if role >= Role.INSTALLER else "")]


def _update(role: Role) -> list[Alert]:
    offer = kept.found().offer
    if offer is None:
        return []
    if offer.security:
        text = _("Version %(version)s can be installed; it repairs the security of this station.")
    else:
        text = _("Version %(version)s can be installed.")
    url = reverse("firmware") if role >= Role.INSTALLER else ""
    return [Alert("waiting", text % {"version": offer.version}, url)]


def _crashes(now: datetime, role: Role) -> list[Alert]:
    row = Value.objects.filter(name=last_run.CRASHES).first()
    lately = [at for at in last_run.crashes(row.value if row else None) if at > now - CRASH_SHOWN]
    if not lately:
        return []
    text = ngettext(
        "The station's software crashed once within a week, on %(date)s UTC, and started again by itself. Make a "
        "diagnostics file for whoever helps.",
        "The station's software crashed %(count)d times within a week, last on %(date)s UTC, and started again by "
        "itself. Make a diagnostics file for whoever helps.",
        len(lately),
    )
    named = {"count": len(lately), "date": f"{lately[-1]:%Y-%m-%d %H:%M}"}
    return [Alert("waiting", text % named, reverse("diagnostics") if role >= Role.OPERATOR else "")]


def _safe_mode(now: datetime, role: Role) -> list[Alert]:
    """For installers: the last words of a crash may be about people."""
    ours = releases.here()
    last = ours.last_safe_mode() if ours and role >= Role.INSTALLER else None
    if last is None or last[1] <= now - CRASH_SHOWN:
        return []
    text = _("The station could not start and was in safe mode until %(date)s UTC. Reason: %(reason)s")
    named = {"date": f"{last[1]:%Y-%m-%d %H:%M}", "reason": last[0]}
    return [Alert("waiting", text % named, reverse("diagnostics"))]


def _network(network: Mapping[str, Any]) -> list[Alert]:
    devices, url, found = network.get("devices", []), reverse("network"), []
    for one, other, where in trouble.conflicts(devices):
        text = _(
            "%(one)s and %(other)s use the same addresses (%(network)s): the station cannot tell which way leads "
            "where. Give one of them another network."
        )
        named = {"one": one["interface"], "other": other["interface"], "network": where}
        found.append(Alert("fault", text % named, url))
    for device in trouble.without_names(devices):
        text = _("%(interface)s has no name server (DNS): the backend cannot be found by its name. Set one.")
        found.append(Alert("fault", text % {"interface": device["interface"]}, url))
    return found


def _waiting_settings(role: Role) -> list[Alert]:
    if role < Role.INSTALLER or not in_force.wait_for_start():
        return []
    text = _("Changed settings of the hardware count from the next start of the station only.")
    return [Alert("waiting", text, reverse("hardware"))]
