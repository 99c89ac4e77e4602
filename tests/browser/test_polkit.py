"""The polkit rules, run as the JavaScript that they are."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

RULES = Path(__file__).resolve().parents[2] / "deploy/polkit/50-station.rules"

#: As polkitd sees the file: rules are added, then asked.
ASK = """([rules, id, user, details]) => {
    const added = [];
    const polkit = { Result: { YES: "yes", NO: "no", NOT_HANDLED: null }, addRule: (rule) => added.push(rule) };
    new Function("polkit", rules)(polkit);
    return added.map((rule) => rule({ id, lookup: (name) => (details || {})[name] }, { user }));
}"""


@pytest.mark.browser
def test_the_station_may_change_networks_and_the_clock_and_nothing_else(chromium: Browser) -> None:
    page = chromium.new_page()
    answers = {
        (user, action): page.evaluate(ASK, [RULES.read_text(), f"org.freedesktop.{action}", user])
        for user in ("station", "somebody")
        for action in (
            "NetworkManager.network-control",
            "NetworkManager.settings.modify.system",
            "NetworkManager.wifi.share.protected",
            "NetworkManager.wifi.share.open",
            "timedate1.set-time",
            "login1.power-off",
            "systemd1.manage-units",
            "policykit.exec",
        )
    }
    page.close()
    refused = {action for (user, action), answer in answers.items() if user == "station" and answer == ["no"]}
    assert refused == {"NetworkManager.wifi.share.open", "login1.power-off", "systemd1.manage-units", "policykit.exec"}
    assert all(
        answer == ["yes"] for (user, action), answer in answers.items() if user == "station" and action not in refused
    )
    assert all(answer == [None] for (user, _), answer in answers.items() if user == "somebody")


@pytest.mark.browser
@pytest.mark.parametrize(
    ("unit", "verb", "answer"),
    [("chrony.service", "try-restart", "yes"), ("chrony.service", "stop", "no"), ("ssh.service", "try-restart", "no")],
)
def test_of_all_units_the_station_may_restart_chrony_alone(
    chromium: Browser, unit: str, verb: str, answer: str
) -> None:
    page = chromium.new_page()
    details = {"unit": unit, "verb": verb}
    asked = [RULES.read_text(), "org.freedesktop.systemd1.manage-units", "station", details]
    assert page.evaluate(ASK, asked) == [answer]
    page.close()
