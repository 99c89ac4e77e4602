"""Every page that a browser has to look at: those of the navigation, and those beside it by the name of their route."""

from __future__ import annotations

import tests.appliance  # noqa: F401
from station.commissioning import STEPS
from station.navigation import PAGES

#: Pages of the navigation: name of the route → address.
MAIN: dict[str, str] = {entry.route: entry.url for entries in PAGES.values() for entry in entries}
#: Name of the route → the pages beside, as the station of these tests has them (tests/browser/history.py).
BESIDE: dict[str, tuple[str, ...]] = {
    "cards_add": ("/cards/add",),
    "cards_cache": ("/cards/cache",),
    "cards_edit": ("/cards/1",),
    "cards_import": ("/cards/import",),
    "certificate": ("/certificates/1",),
    "driver": ("/driver",),
    "keys_edit": ("/keys/HeartbeatInterval",),
    "login": ("/login",),
    "more": ("/more",),
    "network_keep": ("/network/keep/1",),
    "password": ("/password",),
    "setup_report": ("/setup/report",),
    "setup_step": tuple(f"/setup/{step.key}" for step in STEPS),
    "transactions_print": ("/transactions/print",),
    "transactions_session": ("/transactions/6", "/transactions/7"),
    "users_add": ("/users/add",),
    "users_edit": ("/users/1",),
}
#: Pages that people see before they are signed in, or never are.
SIGNED_OUT = ("/driver", "/login", "/network/keep/1")
#: Routes that answer with a piece of a page, a file, data for programs, or only to a form.
NO_PAGES = {
    "backend_address", "backend_state", "backup_look", "backup_restore", "cards_export", "cards_preview",
    "dashboard_alerts", "dashboard_chart", "dashboard_uplinks", "firmware_cancel", "firmware_install",
    "firmware_look", "firmware_roll_back", "firmware_state", "firmware_updates", "healthz", "hours_change",
    "hours_spread", "latest_transactions", "logout", "metrics", "network_change", "network_state",
    "profiles_chart", "readyz", "security_txt", "selftest_report", "session", "setup_proof", "setup_report_json",
    "time_change", "time_state", "tokens_revoke", "transactions_chart", "transactions_export", "why_export", "words",
    "driver_receipt",  # a page, but only with the token of a session: a test of its own in test_quality.py
}  # fmt: skip
#: Django's own pages; their accessibility is Django's, their look and their safety are ours.
ADMIN = ["/admin/", "/admin/station/idtag/", "/admin/station/idtag/add/", "/admin/station/transaction/",
         "/admin/station/transaction/7/change/", "/admin/station/reason/", "/admin/station/securityevent/"]  # fmt: skip
#: All but Django's, and one that does not exist.
ADDRESSES: list[str] = list(
    dict.fromkeys((*MAIN.values(), *(path for paths in BESIDE.values() for path in paths), "/nowhere"))
)
