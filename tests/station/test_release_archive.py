"""One release as one file: what is made is read back, and every crafted bad one is refused (F25, A9, A10, A11)."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import os
import shutil
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

import tests.appliance  # noqa: F401
from station import release_archive
from station.release_archive import CERTIFICATE, CONTENT, MANIFEST, SIGNATURE, BadRelease, ReleaseFile, Trust, is_older
from tests.ocppclient.certificates import NOW, Issued, issue

GOOD = {
    "manage.py": b"print('hello')\n",
    "station/__init__.py": b"",
    "ocppclient/__init__.py": b"",
    "hardware/__init__.py": b"",
    "station/deep/er/x.txt": b"x" * 1000,
}
Change = Callable[[tarfile.TarInfo], object]


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Issued:
    return issue(tmp_path_factory.mktemp("root"), "Manufacturer Root")


@pytest.fixture(scope="module")
def signer(tmp_path_factory: pytest.TempPathFactory, root: Issued) -> Issued:
    return issue(tmp_path_factory.mktemp("signer"), "signer", root)


def pem(issued: Issued) -> bytes:
    return issued.certificate.public_bytes(serialization.Encoding.PEM)


def packed(files: dict[str, bytes], extra: Callable[[tarfile.TarFile], None] = lambda archive: None) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        extra(archive)
    return buffer.getvalue()


def manifest_of(content: bytes, /, **changes: Any) -> dict[str, Any]:
    return {
        "format": 1, "product": "openstation", "version": "2.0.0", "models": [], "schema": "0001_initial",
        "content": {"sha256": hashlib.sha256(content).hexdigest(), "size": len(content)}, **changes,
    }  # fmt: skip


def release(signer: Issued | None, content: bytes, manifest: Any = None, /, **members: bytes | None) -> bytes:
    """A release file; `members` replace or remove (None) what is in it: manifest, signature, certificate, content."""
    text = manifest if isinstance(manifest, bytes) else json.dumps(manifest or manifest_of(content)).encode()
    inside: dict[str, bytes | None] = {MANIFEST: text, SIGNATURE: None, CERTIFICATE: None, CONTENT: content}
    if signer is not None:
        assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
        inside[SIGNATURE] = signer.key.sign(text, ec.ECDSA(hashes.SHA256()))
        inside[CERTIFICATE] = pem(signer)
    names = {"manifest": MANIFEST, "signature": SIGNATURE, "certificate": CERTIFICATE, "content": CONTENT}
    inside.update({names.get(name, name): value for name, value in members.items()})
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.USTAR_FORMAT) as archive:
        for name, value in inside.items():
            if value is not None:
                info = tarfile.TarInfo(name)
                info.size = len(value)
                archive.addfile(info, io.BytesIO(value))
    return buffer.getvalue()


def trust(root: Issued, **changes: Any) -> Trust:
    given = {
        "proven": False, "roots": (pem(root).decode(),), "algorithms": ("rsa-pss", "ecdsa"), "allow_unsigned": False,
        "now": NOW, "sure": True, **changes,
    }  # fmt: skip
    return Trust(**given)


def install(text: bytes, trusted: Trust, folder: Path, model: str = "AC-1") -> Path:
    file = ReleaseFile(io.BytesIO(text))
    file.check(trusted, model)
    target = folder / "slot"
    file.unpack(target, lambda percent: None)
    return target


def refusal(text: bytes, trusted: Trust, folder: Path, model: str = "AC-1") -> BadRelease:
    before = sorted(folder.parent.rglob("*"))
    with pytest.raises(BadRelease) as caught:
        install(text, trusted, folder, model)
    outside = [path for path in sorted(folder.parent.rglob("*")) if path not in before and folder not in path.parents]
    assert outside == [], "nothing may be written outside of the slot"
    return caught.value


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "slots").mkdir()
    return tmp_path / "slots"


def test_a_release_of_the_manufacturer_is_unpacked_as_it_was_packed(folder: Path, root: Issued, signer: Issued):
    target = install(release(signer, packed(GOOD)), trust(root), folder)
    found = {str(path.relative_to(target)): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert found == GOOD
    assert {path.stat().st_mode & 0o7777 for path in target.rglob("*") if path.is_file()} == {0o644}


def test_a_file_whose_signature_the_request_proved_needs_none_of_its_own(folder: Path, root: Issued):
    """L01: SignedUpdateFirmware's signature covers the whole file"""
    install(release(None, packed(GOOD)), trust(root, proven=True), folder)


def test_a_test_rig_may_install_unsigned_files(folder: Path, root: Issued):
    install(release(None, packed(GOOD)), trust(root, allow_unsigned=True), folder)


def test_even_a_test_rig_installs_nothing_with_a_wrong_signature(folder: Path, root: Issued, signer: Issued):
    text = release(signer, packed(GOOD), signature=b"wrong")
    assert refusal(text, trust(root, allow_unsigned=True), folder).failure == "signature"


# --- whose it is -----------------------------------------------------------------------------------------------------


def test_an_unsigned_release_is_refused(folder: Path, root: Issued):
    """A10"""
    assert refusal(release(None, packed(GOOD)), trust(root), folder).failure == "signature"


def test_a_signature_over_another_manifest_is_refused(folder: Path, root: Issued, signer: Issued):
    content = packed(GOOD)
    other = json.dumps(manifest_of(content, version="9.9.9")).encode()
    assert refusal(release(signer, content), trust(root, algorithms=()), folder).failure == "signature"
    text = release(signer, content)
    assert refusal(text.replace(b"2.0.0", b"9.9.9"), trust(root), folder).failure == "signature"
    assert other not in text


def test_a_release_of_somebody_else_is_refused(folder: Path, root: Issued, tmp_path: Path):
    """F25: wrong certificate"""
    stranger = issue(tmp_path, "stranger", issue(tmp_path, "Manufacturer Root"))
    assert refusal(release(stranger, packed(GOOD)), trust(root), folder).failure == "signature"


def test_content_that_was_exchanged_is_refused(folder: Path, root: Issued, signer: Issued):
    """A10"""
    good, evil = packed(GOOD), packed({**GOOD, "manage.py": b"evil"})
    text = release(signer, good, content=evil)
    assert refusal(text, trust(root), folder).failure == "archive"


def test_another_model_is_refused(folder: Path, root: Issued, signer: Issued):
    """F25"""
    content = packed(GOOD)
    text = release(signer, content, manifest_of(content, models=["AC-9", "AC-8"]))
    problem = refusal(text, trust(root), folder)
    assert problem.failure == "model"
    assert "AC-9, AC-8" in str(problem)
    install(text, trust(root), folder, model="AC-8")


def test_another_product_or_a_newer_format_is_refused(folder: Path, root: Issued, signer: Issued):
    content = packed(GOOD)
    for changes in ({"product": "toaster"}, {"format": 2}):
        text = release(signer, content, manifest_of(content, **changes))
        assert refusal(text, trust(root), folder).failure == "model"


# --- what is in it: signed, and bad all the same ---------------------------------------------------------------------


def member(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", size: int = 0
) -> Callable[[tarfile.TarFile], None]:
    def add(archive: tarfile.TarFile) -> None:
        info = tarfile.TarInfo(name)
        info.type, info.linkname, info.size = kind, link, size
        archive.addfile(info, io.BytesIO(bytes(size)))

    return add


BAD_MEMBERS = {
    "up and out": member("../evil"),
    "up and out in the middle": member("station/../../evil"),
    "absolute": member("/evil"),
    "backslash": member("..\\evil"),
    "symbolic link": member("link", tarfile.SYMTYPE, "/etc/passwd"),
    "link and through it": member("station/deep", tarfile.SYMTYPE, "/"),
    "hard link": member("link", tarfile.LNKTYPE, "manage.py"),
    "device": member("dev", tarfile.CHRTYPE),
    "pipe": member("pipe", tarfile.FIFOTYPE),
    "twice": member("manage.py"),
    "file as folder": member("manage.py/x"),
    "folder as file": member("station"),
    "control characters": member("a\x1b[2Jb"),
    "too long": member("x/" * 30 + "y"),
    "empty": member("./"),
}


@pytest.mark.parametrize("kind", BAD_MEMBERS)
def test_a_member_that_does_not_belong_there_is_refused(folder: Path, root: Issued, signer: Issued, kind: str):
    """F25, A9"""
    content = packed(GOOD, BAD_MEMBERS[kind])
    assert refusal(release(signer, content), trust(root), folder).failure == "archive"


def test_a_bomb_is_refused_long_before_the_disk_is_full(
    folder: Path, root: Issued, signer: Issued, monkeypatch: pytest.MonkeyPatch
):
    """F25, A13"""
    monkeypatch.setattr(release_archive, "_MOST_BYTES", 100_000)
    content = packed({**GOOD, "big": bytes(200_000)})
    assert "unpacks to more" in str(refusal(release(signer, content), trust(root), folder))


def test_padding_counts_as_well(folder: Path, root: Issued, signer: Issued, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(release_archive, "_MOST_BYTES", 100_000)
    monkeypatch.setattr(release_archive, "_MOST_FILES", 10)
    content = packed(GOOD, member("name", tarfile.XHDTYPE, size=500_000))
    assert refusal(release(signer, content), trust(root), folder).failure == "archive"


def test_a_flood_of_files_is_refused(folder: Path, root: Issued, signer: Issued, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(release_archive, "_MOST_FILES", 4)
    assert "more than 4 files" in str(refusal(release(signer, packed(GOOD)), trust(root), folder))


def test_content_that_is_damaged_or_no_archive_is_refused(folder: Path, root: Issued, signer: Issued):
    good = packed(GOOD)
    for content in (good[:-20], b"", b"no archive", gzip.compress(b"no tar"), good[:50] + b"\xff" * 20 + good[70:]):
        assert refusal(release(signer, content), trust(root), folder).failure == "archive"
        for rest in folder.iterdir():
            shutil.rmtree(rest)


def test_something_that_is_no_station_is_refused(folder: Path, root: Issued, signer: Issued):
    content = packed({"readme.txt": b"hello"})
    assert "manage.py" in str(refusal(release(signer, content), trust(root), folder))


# --- the file itself: nobody has vouched for it yet ------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [b"", b"x" * 100, bytes(10_240), b"PK\x03\x04" + bytes(1000), b"\xff" * 5000, gzip.compress(b"x" * 9999, mtime=0)],
)
def test_what_is_no_release_file_is_refused(folder: Path, root: Issued, text: bytes):
    assert refusal(text, trust(root, proven=True), folder).failure == "archive"


def doubled(text: bytes) -> bytes:
    """The same members once more, before the end of the archive."""
    end = text.index(bytes(1024), 0, len(text))
    while text[end:].strip(b"\0"):
        end = text.index(bytes(1024), end + 1)
    end = (end + 511) // 512 * 512
    return text[:end] + text


def test_members_that_are_missing_foreign_or_double_are_refused(folder: Path, root: Issued, signer: Issued):
    content = packed(GOOD)
    for text in (
        release(signer, content, content=None),
        release(signer, content, **{"evil.sh": b"x"}),
        doubled(release(signer, content)),
    ):
        assert refusal(text, trust(root, proven=True), folder).failure == "archive"


def test_a_file_that_was_cut_is_refused(folder: Path, root: Issued, signer: Issued):
    text = release(signer, packed({**GOOD, "random": os.urandom(50_000)}))
    for length in (100, 512, 1000, 2000, len(text) // 2):
        assert refusal(text[:length], trust(root, proven=True), folder).failure == "archive"


@pytest.mark.parametrize(
    "manifest",
    [
        b"", b"{", b"[]", b"null", b'"x"', b"{}", b"[" * 100_000, b'{"format": 1}',
        json.dumps(manifest_of(b"", version="../../etc")).encode(),
        json.dumps(manifest_of(b"", version=7)).encode(),
        json.dumps(manifest_of(b"", version="1." + "9" * 300)).encode(),
        json.dumps(manifest_of(b"", models="AC-1")).encode(),
        json.dumps(manifest_of(b"", content={"sha256": "x", "size": 1})).encode(),
        json.dumps(manifest_of(b"", content={"sha256": "0" * 64, "size": -1})).encode(),
    ],
)  # fmt: skip
def test_a_manifest_that_cannot_be_read_is_refused(folder: Path, root: Issued, signer: Issued, manifest: bytes):
    text = release(signer, packed(GOOD), manifest)
    assert refusal(text, trust(root, proven=True), folder).failure == "archive"


def test_headers_that_lie_are_refused(folder: Path, root: Issued, signer: Issued):
    text = bytearray(release(signer, packed(GOOD)))
    for position, letter in (
        (0, b"x"),
        (124, b"7"),
        (124, b"-"),
        (156, b"2"),
        (156, b"x"),
        (148, b"9"),
        (130, b"\xff"),
    ):
        broken = bytes(text[:position]) + letter + bytes(text[position + 1 :])
        assert refusal(broken, trust(root, proven=True), folder).failure == "archive"


@pytest.mark.parametrize(
    ("version", "than", "older"),
    [
        ("1.2.0", "1.10.0", True), ("1.10.0", "1.2.0", False), ("1.2", "1.2.0", False), ("1.2.0", "1.2", False),
        ("1.2.0-rc1", "1.2.0", True), ("1.2.0", "1.2.0-rc1", False), ("1.2.0-rc1", "1.2.0-rc2", True),
        ("1.2.0-rc9", "1.2.0-rc10", True), ("2.0.0", "2.0.0", False), ("0.9", "1", True), ("1.2.0+b1", "1.2.0", False),
    ],
)  # fmt: skip
def test_versions_are_compared_as_people_mean_them(version: str, than: str, older: bool):
    """A11"""
    assert is_older(version, than) is older


def test_packing_gives_the_same_bytes_twice_and_can_be_installed(
    folder: Path, tmp_path: Path, root: Issued, signer: Issued
):
    source = tmp_path / "source"
    files = []
    for name, content in GOOD.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        files.append((name, path))
    (source / "manage.py").chmod(0o755)
    assert isinstance(signer.key, ec.EllipticCurvePrivateKey)
    facts = {"version": "2.0.0", "models": ["AC-1"], "schema": "0001_initial"}
    release_archive.pack(files, facts, None, tmp_path / "a")
    release_archive.pack(reversed(files), facts, None, tmp_path / "b")
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()
    key = signer.key
    release_archive.pack(files, facts, lambda m: (key.sign(m, ec.ECDSA(hashes.SHA256())), pem(signer)), tmp_path / "c")
    target = install((tmp_path / "c").read_bytes(), trust(root), folder)
    assert (target / "manage.py").stat().st_mode & 0o777 == 0o755
