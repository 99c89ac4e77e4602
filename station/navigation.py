"""The pages in the order in which people find them: one table for the bar, the side bar and the page "More"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import resolve, reverse
from django.utils.translation import gettext_noop as noop

from station.roles import Role


@dataclass(frozen=True)
class Entry:
    """One page: its route, its icon in icons.svg, and what it is for; the texts are translated where they are shown."""

    route: str
    label: str
    icon: str
    purpose: str

    @property
    def url(self) -> str:
        """Its address."""
        return reverse(self.route)

    @property
    def role(self) -> Role:
        """What its view needs."""
        view: Any = resolve(self.url).func
        return Role(view.role)


#: Heading → its pages. The first group stands in the bar at the bottom of a phone.
PAGES: dict[str, tuple[Entry, ...]] = {
    "": (
        Entry("dashboard", noop("Live"), "live", noop("What the station does now, and why")),
        Entry("transactions", noop("Sessions"), "sessions", noop("Every charging session and its messages")),
        Entry("cards", noop("Cards"), "cards", noop("Who may charge")),
        Entry("frames", noop("Messages"), "messages", noop("Every OCPP message, live")),
    ),
    noop("Limits"): (
        Entry(
            "profiles",
            noop("Charging profiles"),
            "profiles",
            noop("What the operator allows and when, and what was drawn"),
        ),
        Entry(
            "hours",
            noop("Charging hours"),
            "hours",
            noop("When the station charges by default, and how it spreads the load of the grid"),
        ),
        Entry(
            "reservations",
            noop("Reservations"),
            "reservations",
            noop("For whom the station is kept, and how it ended before"),
        ),
    ),
    noop("Station"): (
        Entry(
            "setup",
            noop("Set-up"),
            "setup",
            noop("From the box to the first charge, step by step, each with its proof"),
        ),
        Entry(
            "hardware",
            noop("Hardware"),
            "hardware",
            noop("Which board, meter, reader and panel the station has, and where"),
        ),
        Entry("selftest", noop("Self-test"), "selftest", noop("Does every part of the station work")),
        Entry("backend", noop("Backend"), "backend", noop("The operator's system: address, security, live trial")),
        Entry("keys", noop("Keys"), "keys", noop("Every OCPP configuration key: meaning, range, value")),
        Entry(
            "network",
            noop("Network"),
            "network",
            noop("How the station reaches the world: WiFi, cable, mobile, hotspot"),
        ),
        Entry("time", noop("Time"), "time", noop("Whose time the station has; time servers, time zone, battery clock")),
        Entry("certificates", noop("Certificates"), "certificates", noop("Whom the station trusts, and until when")),
        Entry(
            "label", noop("Label"), "label", noop("Address, fingerprint and QR codes; the certificate of these pages")
        ),
        Entry(
            "driversign",
            noop("Driver page"),
            "driver",
            noop("What drivers see without a login, and its sign with the QR code"),
        ),
        Entry("users", noop("Users"), "users", noop("Who may sign in, and what each may do")),
        Entry("firmware", noop("Firmware"), "firmware", noop("Which version runs, installing another one, going back")),
        Entry("backup", noop("Backup"), "backup", noop("Save everything in one file, and restore it")),
        Entry("factory_reset", noop("Factory reset"), "reset", noop("Delete everything that people left here")),
        Entry("tokens", noop("Tokens"), "tokens", noop("Access for programs: the API and the metrics")),
    ),
    noop("Records"): (
        Entry("why", noop("Why"), "why", noop("Why something was refused, ignored or limited")),
        Entry(
            "diagnostics", noop("Diagnostics"), "diagnostics", noop("One file with logs and state, for whoever helps")
        ),
        Entry("security_log", noop("Security"), "security", noop("What happened to the security of this station")),
        Entry("about", noop("About"), "about", noop("Versions, serial number, support, licences")),
    ),
}


def pages_for(role: Role) -> dict[str, list[Entry]]:
    """The groups that a role sees, without the pages it may not open."""
    seen = {heading: [entry for entry in entries if role >= entry.role] for heading, entries in PAGES.items()}
    return {heading: entries for heading, entries in seen.items() if entries}
