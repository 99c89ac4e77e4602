"""Large files on their way to the disk: only from people who signed in, and only while the station keeps its room."""

from __future__ import annotations

import pytest
from django.contrib.auth.models import User
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client

import tests.appliance  # noqa: F401
from station import disk_room
from station.memory_watch import MIB
from station.roles import Role, assign

FILE_MIB = 3


@pytest.fixture
def inside() -> Client:
    user = User.objects.create_user("ines")
    assign(user, Role.INSTALLER)
    client = Client()
    client.force_login(user)
    return client


def leave(free_mib: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """So much of a disk of 1 GiB is free; 32 MiB are the floor there, and twice that has to stay."""
    monkeypatch.setattr(disk_room, "of_disk", lambda folder: (free_mib * MIB, 1024 * MIB))


def bring(client: Client, path: str = "/firmware") -> object:
    return client.post(path, {"file": SimpleUploadedFile("x.release", bytes(FILE_MIB * MIB))}, follow=True)


def test_a_file_that_the_disk_has_no_room_for_is_refused_with_the_numbers(
    inside: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    leave(64 + FILE_MIB, monkeypatch)
    answer = bring(inside)
    assert answer.redirect_chain == [("/firmware", 302)]  # type: ignore[attr-defined]
    text = answer.content.decode()  # type: ignore[attr-defined]
    assert f"The disk has no room for this file of {FILE_MIB + 1} MiB: {64 + FILE_MIB} MiB are free." in text
    leave(64 + FILE_MIB + 1, monkeypatch)
    assert "has no room" not in bring(inside).content.decode()  # type: ignore[attr-defined]


def test_a_program_reads_it_as_an_error_with_its_cure(monkeypatch: pytest.MonkeyPatch) -> None:
    leave(10, monkeypatch)
    answer = Client().post("/api/v1/firmware", bytes(FILE_MIB * MIB), content_type="application/octet-stream")
    assert answer.status_code == 507
    assert answer.json()["code"] == "disk"
    assert "larger disk" in answer.json()["cure"]


def test_nothing_of_a_stranger_is_written_to_the_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    """F31: the CSRF check would read it"""
    leave(1000, monkeypatch)
    assert bring(Client(), "/login").redirect_chain == [("/login", 302)]  # type: ignore[attr-defined]


def test_small_bodies_need_no_room(inside: Client, monkeypatch: pytest.MonkeyPatch) -> None:
    leave(0, monkeypatch)
    assert inside.post("/firmware", {"file": SimpleUploadedFile("x", b"x")}).status_code == 200
