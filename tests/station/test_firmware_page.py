"""The firmware page and the diagnostics download."""

from __future__ import annotations

import io
import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

import tests.appliance  # noqa: F401
from ocppclient.certificates import MANUFACTURER_ROOT
from ocppclient.events import ReleaseUploaded, RollbackRequested
from ocppclient.store import Certificate
from station import jobs
from station.ask import Reply
from station.command_face import StationConsumer
from station.models import Job, Setting, Value
from station.roles import Role, assign
from tests.appliance import disk_store
from tests.ocppclient.certificates import NOW, Issued, issue
from tests.station.test_firmware_jobs import slots
from tests.station.test_release_archive import GOOD, manifest_of, packed, release
from tests.station.test_security_pages import Station
from tests.station.test_worker import Bench, bench

__all__ = ["bench", "slots"]


@pytest.fixture
def station(monkeypatch: pytest.MonkeyPatch) -> Station:
    station = Station()
    monkeypatch.setattr("station.ask.order", station)
    return station


@pytest.fixture
def signer(tmp_path: Path) -> Issued:
    """A signer of the manufacturer, whose root is installed."""
    root = issue(tmp_path, "Manufacturer Root")
    disk_store().save_certificate(Certificate(MANUFACTURER_ROOT, "f", root.pem, NOW))
    return issue(tmp_path, "signer", root)


@pytest.fixture(autouse=True)
def _no_files() -> None:
    for path in jobs.staging_folder().iterdir():
        path.unlink()


def files() -> list[str]:
    return [path.name for path in jobs.staging_folder().iterdir()]


def bring(client: Client, content: bytes, **fields: Any) -> Any:
    return client.post("/firmware", {"file": SimpleUploadedFile("x.release", content), **fields})


def test_a_release_is_looked_at_and_ordered(inside: Client, station: Station, signer: Issued) -> None:
    content = release(signer, packed(GOOD))
    assert bring(inside, content).status_code == 302
    [(user, command, argument)] = station.orders
    assert (user, command) == ("admin", "install_release")
    assert (argument["version"], argument["allow_older"]) == ("2.0.0", False)
    assert (jobs.staging_folder() / argument["file"]).read_bytes() == content


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"nonsense", "not a release of this station"), (release(None, packed(GOOD)), "not signed")],
)
def test_what_would_not_be_installed_is_refused_at_once_and_not_kept(
    inside: Client, station: Station, signer: Issued, content: bytes, words: str
) -> None:
    assert words in bring(inside, content).content.decode()
    assert station.orders == []
    assert files() == []


def test_an_older_release_needs_a_tick(inside: Client, station: Station, signer: Issued, slots: Path) -> None:
    """A11"""
    content = packed(GOOD)
    older = release(signer, content, manifest_of(content, version="1.0.0"))
    assert "older than 1.5.0" in bring(inside, older).content.decode()
    assert bring(inside, older, allow_older="on").status_code == 302
    assert station.orders[0][2]["allow_older"] is True


def test_a_station_that_refuses_keeps_no_file(inside: Client, station: Station, signer: Issued) -> None:
    station.answer = Reply(False, "Another update is being installed already; wait for its end.")
    assert "wait for its end" in bring(inside, release(signer, packed(GOOD))).content.decode()
    assert files() == []


def test_the_page_tells_what_goes_on_and_what_was(inside: Client) -> None:
    update = {"kind": "signed", "stage": "downloading", "version": "", "job": "j1"}
    Value.objects.create(name="firmware.update", value=json.dumps(update))
    Job.objects.create(
        uid="j1", kind="download", arguments="{}", run=1, state="running", stage="downloading", progress=42, result="{}"
    )
    past = [{"at": "2026-03-01T12:00:00.000Z", "kind": "classic", "version": "1.9", "status": "InstallationFailed",
             "reason": "<b>it crashed"}]  # fmt: skip
    Value.objects.create(name="firmware.history", value=json.dumps(past))
    piece = inside.get("/firmware/state").content.decode()
    for text in ('data-busy="yes"', "is being downloaded", 'value="42"', "1.9", "not installed", "&lt;b&gt;it crashed"):
        assert text in piece
    page = inside.get("/firmware").content.decode()
    tokens = r'name="csrfmiddlewaretoken" value="[^"]+"'  # new ones in every answer
    assert re.sub(tokens, "", piece.strip()) in re.sub(tokens, "", page)


def test_an_update_can_be_cancelled_until_it_is_installed(inside: Client, station: Station) -> None:
    for stage, offered in (("scheduled", True), ("waiting", True), ("installing", False), ("trial", False)):
        update = {"kind": "local", "stage": stage, "version": "2", "job": ""}
        Value.objects.update_or_create(name="firmware.update", defaults={"value": json.dumps(update)})
        assert ("/firmware/cancel" in inside.get("/firmware").content.decode()) == offered
    assert inside.post("/firmware/cancel").status_code == 302
    assert station.orders == [("admin", "cancel_update", None)]
    station.answer = Reply(False, "It is too late.")
    assert "It is too late." in inside.post("/firmware/cancel", follow=True).content.decode()


def test_going_back_is_offered_only_where_the_database_allows_it(inside: Client, station: Station, slots: Path) -> None:
    (slots / "old" / "release.json").write_text(json.dumps({"version": "1.5.0", "schema": "0010"}))
    for name, schema in (("same", "0010"), ("before", "0009")):
        (slots / name).mkdir()
        (slots / name / "manage.py").touch()
        (slots / name / "release.json").write_text(json.dumps({"version": f"1.4-{name}", "schema": schema}))
    page = inside.get("/firmware").content.decode()
    assert 'value="same"' in page
    assert 'value="before"' not in page
    assert "cannot read it" in page
    inside.post("/firmware/roll-back", {"slot": "before"})
    inside.post("/firmware/roll-back", {"slot": "../../etc"})
    assert station.orders == []
    inside.post("/firmware/roll-back", {"slot": "same"})
    assert station.orders == [("admin", "roll_back_release", {"slot": "same", "version": "1.4-same"})]


def test_a_checkout_says_that_it_is_one(inside: Client) -> None:
    assert "development checkout" in inside.get("/firmware").content.decode()


def test_an_operator_may_take_diagnostics_but_no_firmware(client: Client) -> None:
    user = User.objects.create_user("op", password="x")
    assign(user, Role.OPERATOR)
    client.force_login(user)
    assert client.get("/firmware").status_code == 403
    assert client.post("/firmware/roll-back", {"slot": "x"}).status_code == 403
    assert client.get("/diagnostics").status_code == 200


def test_the_diagnostics_are_one_file_without_secrets(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    """A22"""
    Setting.objects.create(section="backend", name="authorization_key", value=json.dumps("canary-of-the-key"))
    Value.objects.create(name="x", value="canary-of-the-key")
    monkeypatch.setattr("station.ask.snapshot", lambda: {"status": "Available", "odd": "canary-of-the-key"})
    answer = inside.post("/diagnostics")
    assert answer["Content-Disposition"].startswith('attachment; filename="diagnostics-')
    with zipfile.ZipFile(io.BytesIO(answer.content)) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    assert json.loads(texts["state.json"])["status"] == "Available"
    assert not [name for name, text in texts.items() if "canary" in text]


def test_without_a_controller_the_diagnostics_still_come(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("station.ask.snapshot", lambda: None)
    with zipfile.ZipFile(io.BytesIO(inside.post("/diagnostics").content)) as archive:
        assert "does not answer" in archive.read("state.json").decode()


def test_orders_become_events(bench: Bench) -> None:
    bench.start()
    face = StationConsumer(bench.worker)
    release = {"file": "f", "sha256": "s", "version": "2.0", "allow_older": True}
    bench.worker.call(lambda: face._obey("install_release", release, "admin")).result(5)
    bench.worker.call(lambda: face._obey("roll_back_release", {"slot": "a", "version": "1.0"}, "admin")).result(5)
    assert bench.handled == [ReleaseUploaded("f", "s", "2.0", True), RollbackRequested("a", "1.0")]
