"""The jobs of an update: a file from a real server, and a slot that is whole or not there (F25, F26)."""

from __future__ import annotations

import hashlib
import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import tests.appliance  # noqa: F401
from ocppclient.clock import format_utc
from station import firmware_jobs
from station.jobs import Cancelled, JobFailed, Task
from station.models import Setting
from tests.ocppclient.certificates import NOW, Issued, issue
from tests.station.test_release_archive import GOOD, manifest_of, packed, release
from tests.station.transfer.servers import web

CLOCK = {"now": format_utc(NOW), "sure": True}
UID = "12345678-0000-0000-0000-000000000000"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issue(tmp_path_factory.mktemp("root"), "Manufacturer Root")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory, root: Issued) -> Issued:
    return issue(tmp_path_factory.mktemp("signer"), "signer", root)


@pytest.fixture
def slots(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of releases; version 1.5.0 runs from the slot "old"."""
    home = tmp_path / "releases"
    (home / "slots" / "old").mkdir(parents=True)
    (home / "slots" / "old" / "manage.py").touch()
    (home / "slots" / "old" / "release.json").write_text(json.dumps({"version": "1.5.0"}))
    (home / "current").symlink_to("slots/old")
    monkeypatch.setenv("STATION_RELEASES", str(home))
    monkeypatch.setenv("STATION_SLOT", "old")
    return home / "slots"


@pytest.fixture
def task(tmp_path: Path, root: Issued, signer: Issued) -> Task:
    """An installation of 2.0.0."""
    staging = tmp_path / "staging"
    staging.mkdir()
    return bring(Task(UID, 1, {}, staging, lambda stage, percent: None), root, release(signer, packed(GOOD)))


def bring(task: Task, root: Issued, content: bytes, **changes: Any) -> Task:
    (task.staging / "x.file").write_bytes(content)
    arguments = {
        "file": "x.file",
        "sha256": hashlib.sha256(content).hexdigest(),
        "proven": False,
        "roots": [root.pem],
        "algorithms": ["rsa-pss", "ecdsa"],
        "allow_unsigned": False,
        "allow_older": False,
        "model": "AC-1",
        **CLOCK,
        **changes,
    }
    return replace(task, arguments=arguments)


def refusal(task: Task) -> str:
    with pytest.raises(JobFailed) as caught:
        firmware_jobs.install(task)
    return caught.value.failure


def test_a_release_is_unpacked_into_a_slot_of_its_own_and_nothing_is_switched(task: Task, slots: Path):
    assert firmware_jobs.install(task) == {"slot": "2.0.0-12345678", "version": "2.0.0"}
    assert (slots / "2.0.0-12345678" / "manage.py").read_bytes() == GOOD["manage.py"]
    assert json.loads((slots / "2.0.0-12345678" / "release.json").read_text())["version"] == "2.0.0"
    assert (slots.parent / "current").readlink() == Path("slots/old")
    assert list(task.staging.iterdir()) == []


#: Plays deploy/packages.py of the new release.
FURNISH = """
import os, sys
releases, slot = sys.argv[1:]
assert os.path.isdir(releases + "/slots/old") and sys.prefix == sys.base_prefix
if open(slot + "/requirements.txt").read() != "known":
    sys.exit("ERROR\\nNo matching distribution found for b")
os.mkdir(slot + "/.venv")
"""


@pytest.mark.parametrize("requirements", [b"known", b"b"])
def test_a_release_gets_its_packages_before_anybody_can_switch_to_it(
    task: Task, root: Issued, signer: Issued, slots: Path, requirements: bytes
):
    """By its own rule, outside of the environment of the release that runs."""
    (slots / "old" / ".venv").mkdir()
    files = {**GOOD, "requirements.txt": requirements, "deploy/packages.py": FURNISH.encode()}
    new = bring(task, root, release(signer, packed(files)))
    if requirements == b"known":
        firmware_jobs.install(new)
        assert (slots / "2.0.0-12345678" / ".venv").is_dir()
    else:
        with pytest.raises(JobFailed, match="No matching distribution found for b"):
            firmware_jobs.install(new)
        assert [path.name for path in slots.iterdir()] == ["old"]


@pytest.mark.parametrize("stage", ["checking", "unpacking"])
def test_an_installation_that_is_stopped_leaves_no_slot(task: Task, slots: Path, stage: str):
    def stop(told: str, percent: int) -> None:
        if told == stage:
            raise Cancelled

    with pytest.raises(Cancelled):
        firmware_jobs.install(replace(task, tell=stop))
    assert [path.name for path in slots.iterdir()] == ["old"]


def test_an_installation_that_was_killed_begins_again(task: Task, slots: Path):
    """F26: whatever an earlier run left"""
    (slots / f".unpacking-{UID}" / "station").mkdir(parents=True)
    (slots / "forgotten").mkdir()
    assert firmware_jobs.install(task)["slot"] == "2.0.0-12345678"
    assert sorted(path.name for path in slots.iterdir()) == ["2.0.0-12345678", "old"]


def test_a_slot_that_was_complete_before_the_kill_is_used(task: Task, slots: Path):
    first = firmware_jobs.install(task)  # its file is gone now, and nobody heard of it
    assert firmware_jobs.install(replace(task, run=2)) == first


def test_a_file_that_was_exchanged_after_the_download_is_refused(task: Task, root: Issued, slots: Path):
    """A10: what was checked is what is installed"""
    assert refusal(bring(task, root, b"another", sha256=task.arguments["sha256"])) == "archive"


def test_a_file_that_is_gone_is_said_to_be(task: Task, slots: Path):
    (task.staging / "x.file").unlink()
    assert refusal(task) == "archive"


def test_an_older_version_is_installed_on_purpose_only(task: Task, root: Issued, signer: Issued, slots: Path):
    """A11, F25"""
    content = packed(GOOD)
    older = release(signer, content, manifest_of(content, version="1.4.9"))
    assert refusal(bring(task, root, older)) == "version"
    assert firmware_jobs.install(bring(task, root, older, allow_older=True))["version"] == "1.4.9"


def test_the_same_version_may_be_installed_again(task: Task, root: Issued, signer: Issued, slots: Path):
    content = packed(GOOD)
    same = release(signer, content, manifest_of(content, version="1.5.0"))
    assert firmware_jobs.install(bring(task, root, same))["version"] == "1.5.0"


def test_in_a_checkout_the_reason_names_the_launcher(task: Task):
    with pytest.raises(JobFailed, match="launcher") as caught:
        firmware_jobs.install(task)
    assert caught.value.failure == "slots"
    assert list(task.staging.iterdir()) == []


@pytest.mark.parametrize("failing", ["mkdir", "rename"])
def test_a_disk_that_refuses_leaves_the_running_release_alone(
    task: Task, slots: Path, monkeypatch: pytest.MonkeyPatch, failing: str
):
    def full(*arguments: object, **options: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, failing, full)
    assert refusal(task) == "space"
    monkeypatch.undo()
    assert not [path for path in slots.iterdir() if path.name.startswith("2.0.0")]


def test_a_download_tells_where_its_file_is_and_what_it_hashes_to(tmp_path: Path):
    Setting.objects.create(section="factory", name="allow_local_transfers", value="true")
    told: list[tuple[str, int]] = []
    with web(lambda handler: handler.reply(200, b"firmware")) as server:
        arguments = {"location": server.url("/fw.bin"), **CLOCK}
        result = firmware_jobs.download(Task(UID, 1, arguments, tmp_path, lambda *news: told.append(news)))
    assert result == {"file": f"{UID}.file", "sha256": hashlib.sha256(b"firmware").hexdigest()}
    assert (tmp_path / f"{UID}.file").read_bytes() == b"firmware"
    assert told[-1] == ("downloading", 100)


def test_without_the_factory_setting_the_station_asks_nothing_of_itself(tmp_path: Path):
    """A12"""
    with web(lambda handler: handler.reply(200, b"firmware")) as server:
        with pytest.raises(JobFailed) as caught:
            firmware_jobs.download(Task(UID, 1, {"location": server.url(), **CLOCK}, tmp_path, lambda *news: None))
        assert caught.value.failure == "refused"
        assert server.seen == []
