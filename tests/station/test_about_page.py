"""The page About and security.txt: what this is, whose work it stands on, and what its seller promises."""

from __future__ import annotations

import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from django.test import Client

from station import __version__, ask, licences, provisioning
from station.errors import StartupError
from station.templatetags.spoken import duration

SUPPORT = {
    "security_contact": "mailto:security@maker.example",
    "security_policy": "https://maker.example/flaws",
    "until": "2031-12-31",
}


@pytest.fixture(autouse=True)
def _running(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ask, "snapshot", lambda: {"uptime_s": 2 * 86400 + 3 * 3600})


def provisioned(**support: str) -> None:
    identity = {"vendor": "Maker", "model": "AC-7", "serial_number": "HEV000017"}
    web = provisioning.WebSettings("owner", provisioning.Secret("b"))
    provisioning.apply(provisioning.Provision(web=web, sections={"identity": identity, "support": support}))


def text(answer: Any) -> str:
    return re.sub(r"\s+", " ", answer.content.decode())


def test_what_it_is_and_how_long_it_runs(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    provisioned()
    page = text(inside.get("/about"))
    for part in ("Maker AC-7", "HEV000017", __version__, "2 days 3 h", "not said by the seller"):
        assert part in page
    monkeypatch.setattr(ask, "snapshot", lambda: None)
    assert "the controller does not answer" in text(inside.get("/about"))


def test_the_promise_of_the_seller_is_shown_and_when_it_is_over(inside: Client) -> None:
    provisioned(**SUPPORT)
    page = text(inside.get("/about"))
    assert "2031-12-31" in page
    assert "mailto:security@maker.example" in page
    assert ">over<" not in page
    provisioning.Setting.objects.filter(section="support", name="until").update(value='"2020-01-01"')
    assert ">over<" in text(inside.get("/about"))


def test_security_txt_names_the_contact_and_never_expires_in_the_past(client: Client) -> None:
    provisioned()
    assert client.get("/.well-known/security.txt").status_code == 404
    for name, value in SUPPORT.items():
        provisioning.Setting.objects.update_or_create(section="support", name=name, defaults={"value": f'"{value}"'})
    answer = client.get("/.well-known/security.txt")
    assert answer["Content-Type"] == "text/plain; charset=utf-8"
    fields = dict(line.split(": ", 1) for line in answer.content.decode().splitlines())
    assert fields["Contact"] == SUPPORT["security_contact"]
    assert fields["Policy"] == SUPPORT["security_policy"]
    left = datetime.strptime(fields["Expires"], "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC) - datetime.now(UTC)
    assert timedelta(days=29) < left < timedelta(days=365)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("security_contact", "security@maker.example"),
        ("security_contact", "mailto:a b@c"),
        ("security_policy", "http://maker.example"),
        ("until", "31.12.2031"),
        ("until", "2031-02-30"),
    ],
)
def test_a_promise_that_cannot_be_read_is_refused(name: str, value: str, tmp_path: Path) -> None:
    file = tmp_path / "station.toml"
    file.write_text(f'[support]\n{name} = "{value}"\n')
    with pytest.raises(StartupError, match=name):
        provisioning.parse(file)


def test_every_vendored_file_and_the_pinned_packages_are_named_with_their_licence(inside: Client) -> None:
    page = text(inside.get("/about"))
    assert "uplot" in page
    named = {work.name.casefold(): work for work in licences.packages()}
    assert named["django"].licence == "BSD-3-Clause"
    assert named["ocpp"].licence
    for name in ("Django", "daphne", "websockets"):
        assert f"<b>{name} " in page
    assert all(len(work.licence) <= 60 for work in named.values())


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(-5, "0 min"), (59, "0 min"), (7500, "2 h 05 min"), (90000, "1 day 1 h"), (180000, "2 days 2 h")],
)
def test_durations_are_said_in_their_two_largest_units(seconds: int, words: str) -> None:
    assert duration(seconds) == words
