"""The pages in the order in which people find them: one table for the bar, the side bar and the page "More"."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.urls import resolve, reverse

from station.roles import Role


@dataclass(frozen=True)
class Entry:
    """One page: the name of its route, its icon in icons.svg, and one line about what it is for."""

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
        Entry("dashboard", "Live", "live", "What the station does now, and why"),
        Entry("transactions", "Sessions", "sessions", "Every charging session and its messages"),
        Entry("cards", "Cards", "cards", "Who may charge"),
        Entry("frames", "Messages", "messages", "Every OCPP message, live"),
    ),
    "Limits": (
        Entry("profiles", "Charging profiles", "profiles", "What the operator allows and when, and what was drawn"),
        Entry("reservations", "Reservations", "reservations", "For whom the station is kept, and how it ended before"),
    ),
    "Station": (
        Entry("setup", "Set-up", "setup", "From the box to the first charge, step by step, each with its proof"),
        Entry("hardware", "Hardware", "hardware", "Which board, meter, reader and panel the station has, and where"),
        Entry("selftest", "Self-test", "selftest", "Does every part of the station work"),
        Entry("backend", "Backend", "backend", "The operator's system: address, security, live trial"),
        Entry("keys", "Keys", "keys", "Every OCPP configuration key: meaning, range, value"),
        Entry("network", "Network", "network", "How the station reaches the world: WiFi, cable, mobile, hotspot"),
        Entry("certificates", "Certificates", "certificates", "Whom the station trusts, and until when"),
        Entry("label", "Label", "label", "Address, fingerprint and QR codes; the certificate of these pages"),
        Entry("driversign", "Driver page", "driver", "What drivers see without a login, and its sign with the QR code"),
        Entry("users", "Users", "users", "Who may sign in, and what each may do"),
        Entry("firmware", "Firmware", "firmware", "Which version runs, installing another one, going back"),
        Entry("backup", "Backup", "backup", "Save everything in one file, and restore it"),
        Entry("factory_reset", "Factory reset", "reset", "Delete everything that people left here"),
        Entry("tokens", "Tokens", "tokens", "Access for programs: the API and the metrics"),
    ),
    "Records": (
        Entry("why", "Why", "why", "Why something was refused, ignored or limited"),
        Entry("diagnostics", "Diagnostics", "diagnostics", "One file with logs and state, for whoever helps"),
        Entry("security_log", "Security", "security", "What happened to the security of this station"),
        Entry("about", "About", "about", "Versions, serial number, support, licences"),
    ),
}


def pages_for(role: Role) -> dict[str, list[Entry]]:
    """The groups that a role sees, without the pages it may not open."""
    seen = {heading: [entry for entry in entries if role >= entry.role] for heading, entries in PAGES.items()}
    return {heading: entries for heading, entries in seen.items() if entries}
